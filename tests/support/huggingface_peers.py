"""Small models of transformers' own classes, and what these return for images."""

import numpy as np

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "image_size": 24,
    "patch_size": 8,
}
TEXT = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 8,
    "vocab_size": 20,
}
TOKENS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
NAFLEX = {k: v for k, v in SIZES.items() if k != "image_size"} | {"num_patches": 9}
LABELS = {"num_labels": 3}
DECODER = {
    "decoder_hidden_size": 8,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 8,
}
EPSILON = {"layer_norm_eps": 1e-3}
TABLES = {"use_relative_position_bias": True, "layer_scale_init_value": 0.5}
SHARED = {"use_shared_relative_position_bias": True}
BY_CLASS = {"use_mean_pooling": False}
NO_BIAS = {"qkv_bias": False}


def whole(vision, text=None, **more):
    """The settings of a model of images and text."""
    return {
        "vision_config": vision,
        "text_config": TEXT | TOKENS | (text or {}),
        **more,
    }


CASES = {  # the class, its configuration's settings
    "ViT": ("ViTModel", {}),
    "ViT with a head": ("ViTForImageClassification", LABELS | NO_BIAS | EPSILON),
    "ViT of quick GELU": ("ViTForImageClassification", {"hidden_act": "quick_gelu"}),
    "ViT for masked images": ("ViTForMaskedImageModeling", {"encoder_stride": 8}),
    "DeiT": ("DeiTModel", {}),
    "DeiT with a head": ("DeiTForImageClassification", LABELS),
    "DeiT with a teacher": ("DeiTForImageClassificationWithTeacher", LABELS),
    "DeiT for masked images": ("DeiTForMaskedImageModeling", {"encoder_stride": 8}),
    "MAE": ("ViTMAEModel", {"mask_ratio": 0.0}),
    "MAE with a decoder": ("ViTMAEForPreTraining", DECODER | {"mask_ratio": 0.0}),
    "MSN": ("ViTMSNModel", {}),
    "MSN with a head": ("ViTMSNForImageClassification", LABELS),
    "I-JEPA": ("IJepaModel", {}),
    "I-JEPA with a head": ("IJepaForImageClassification", LABELS),
    "DINOv2": ("Dinov2Model", {"mlp_ratio": 2} | NO_BIAS),
    "DINOv2 with a head": ("Dinov2ForImageClassification", LABELS),
    "DINOv2's giant": ("Dinov2Model", {"use_swiglu_ffn": True} | EPSILON),
    "DINOv2's giant with a head": (
        "Dinov2ForImageClassification",
        {"use_swiglu_ffn": True} | LABELS,
    ),
    "DINOv2 with registers": ("Dinov2WithRegistersModel", {"num_register_tokens": 3}),
    "DINOv2 with registers and a head": (
        "Dinov2WithRegistersForImageClassification",
        LABELS,
    ),
    "DINOv3": ("DINOv3ViTModel", {"num_register_tokens": 4}),
    "DINOv3 without registers": ("DINOv3ViTModel", {"rope_theta": 30.0}),
    "DINOv3, gated": (
        "DINOv3ViTModel",
        {"use_gated_mlp": True, "hidden_act": "silu", "key_bias": True},
    ),
    "DINOv3 without biases": (
        "DINOv3ViTModel",
        {f"{name}_bias": False for name in ("query", "value", "proj", "mlp")},
    ),
    "CLIP": ("CLIPVisionModel", {}),
    "CLIP of GELU, projected": (
        "CLIPVisionModelWithProjection",
        {"hidden_act": "gelu", "projection_dim": 12},
    ),
    "CLIP with a head": (
        "CLIPForImageClassification",
        whole(SIZES, projection_dim=12) | LABELS,
    ),
    "CLIP with text": ("CLIPModel", whole(SIZES, projection_dim=12)),
    "MetaCLIP 2": ("MetaClip2VisionModel", EPSILON),
    "MetaCLIP 2, projected": ("MetaClip2VisionModelWithProjection", {}),
    "MetaCLIP 2 with a head": (
        "MetaClip2ForImageClassification",
        whole(SIZES) | LABELS,
    ),
    "SigLIP": ("SiglipVisionModel", {}),
    "SigLIP without pooling": ("SiglipVisionModel", {"vision_use_head": False}),
    "SigLIP with a head": ("SiglipForImageClassification", whole(SIZES) | LABELS),
    "SigLIP with text": ("SiglipModel", whole(SIZES)),
    "SigLIP 2": ("Siglip2VisionModel", {}),
    "SigLIP 2 with a head": ("Siglip2ForImageClassification", whole(NAFLEX) | LABELS),
    "BEiT": ("BeitModel", TABLES | BY_CLASS),
    "BEiT of a shared table": (
        "BeitModel",
        SHARED | BY_CLASS | {"use_absolute_position_embeddings": True},
    ),
    "BEiT with a head": ("BeitForImageClassification", TABLES | LABELS),
    "BEiT without LayerScale": (
        "BeitForImageClassification",
        {"layer_scale_init_value": 0.0, "use_absolute_position_embeddings": True}
        | LABELS,
    ),
    "BEiT for masked images": (
        "BeitForMaskedImageModeling",
        SHARED | {"use_mask_token": True, "vocab_size": 10},
    ),
    "Data2Vec": ("Data2VecVisionModel", SHARED),
    "Data2Vec with a head": ("Data2VecVisionForImageClassification", TABLES | LABELS),
    "AIMv2": ("Aimv2VisionModel", {}),
    "AIMv2 without pooling": ("Aimv2VisionModel", {"use_head": False}),
    "AIMv2 with biases": (
        "Aimv2VisionModel",
        {"qkv_bias": True, "mlp_bias": True, "hidden_act": "gelu"},
    ),
    "AIMv2 with text": ("Aimv2Model", whole(SIZES, projection_dim=12)),
    "TIPSv2": ("Tipsv2VisionModel", {}),
    "TIPSv2, gated": ("Tipsv2VisionModel", {"use_swiglu_ffn": True} | NO_BIAS),
    "TIPSv2 with text": ("Tipsv2Model", whole(SIZES)),
    "Pixio": ("PixioModel", {"n_cls_tokens": 3}),
}
WHOLE = ("CLIPModel", "SiglipModel", "Aimv2Model", "Tipsv2Model")
# Whose forward takes images of other sizes by this word.
INTERPOLATING = ("ViT", "DeiT", "IJepa", "CLIP", "MetaClip2", "Siglip", "Beit")


def network_of(transformers, case, **changes):
    """A network with values that hide nothing."""
    import torch

    kind, settings = CASES[case]
    cls = getattr(transformers, kind)
    own = "vision_config" in settings
    sizes = {} if own else NAFLEX if kind.startswith("Siglip2") else SIZES
    network = cls(cls.config_class(**(sizes | settings | changes)))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            one = ("norm" in name and name.endswith("weight")) or "lambda" in name
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.2 + one)
    return network.eval()


def outputs_of(network, images):
    """What a network says of images: a dict of arrays, `"tokens"` among them."""
    import torch

    kind = type(network).__name__
    inputs = _inputs(network, kind, images)
    with torch.no_grad():
        if kind in WHOLE:
            outputs = network.get_image_features(**inputs)
            return {"image_embeds": getattr(outputs, "pooler_output", outputs).numpy()}
        if kind == "BeitForMaskedImageModeling":
            tokens = network.beit(**inputs).last_hidden_state
            return {"last_hidden_state": network.layernorm(tokens).numpy()}
        if kind.endswith(("ForMaskedImageModeling", "ForPreTraining")):
            network = network.base_model
        outputs = network(**inputs)
        if "last_hidden_state" not in outputs:
            inner = getattr(network, network.base_model_prefix, None)
            inner = network.vision_model if inner is None else inner
            outputs = {**outputs, **inner(**inputs)}
    return {
        name: outputs[name].numpy()
        for name in ("logits", "image_embeds", "pooler_output", "last_hidden_state")
        if outputs.get(name) is not None
    }


def _inputs(network, kind, images):
    import torch

    if kind.startswith("Siglip2"):
        return _flat_patches(images)
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    inputs = {"pixel_values": pixels}
    if "MAE" in kind:  # masks nothing, in the order of the patches
        count = images.shape[1] * images.shape[2] // 64
        inputs["noise"] = torch.arange(count).repeat(len(images), 1).float()
    other = images.shape[1:3] != (24, 24)
    if other and kind.startswith((*INTERPOLATING, "ViT")) and "DINO" not in kind:
        inputs["interpolate_pos_encoding"] = True
    return inputs


def _flat_patches(images):
    """SigLIP 2's inputs: patches of 8 x 8, how many there are in each direction."""
    import torch

    batch, rows, columns = len(images), images.shape[1] // 8, images.shape[2] // 8
    patches = images.reshape(batch, rows, 8, columns, 8, 3).transpose(0, 1, 3, 2, 4, 5)
    patches = patches.reshape(batch, rows * columns, -1)
    return {
        "pixel_values": torch.from_numpy(np.ascontiguousarray(patches)),
        "pixel_attention_mask": torch.ones(batch, rows * columns, dtype=torch.long),
        "spatial_shapes": torch.tensor([[rows, columns]] * batch),
    }
