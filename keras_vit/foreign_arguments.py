"""Words of other libraries -> one line that says which of ours to use.

Of keras.applications, KerasHub, vit-keras, timm, Hugging Face's transformers and
torchvision.
"""

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeVar

from keras_vit.renamed import with_new_names

P = ParamSpec("P")
R = TypeVar("R")

RENAMED = {"pixel_deviation": "pixel_std"}


class Row(NamedTuple):
    """What to use for a word.

    Attributes:
        argument: ours; `None` where there is none.
        note: a sentence, or the end of one behind the argument.
    """

    argument: str | None
    note: str = ""


NO_HEAD = "=None for a model without a head, which returns the features"
CHANNELS = "Images have the 3 channels red, green and blue."
SIZE = ", pixels as an integer or (height, width)"
WEIGHTS = ", such as 'augreg_in21k_in1k'; keras_vit.list_weights() lists them"
POOLING = "='token', 'gap' (the mean of the patches), 'map' or others"
DROPOUT = ", one rate after the positions, attention and MLPs"
WIDTHS = ", a number of features and no ratio"
ACTIVATION = "='gelu_erf' (PyTorch's), 'gelu_tanh' (JAX's) or others"
EXTRA = ", True or False"
NAMES = ", and keras_vit.Classifier.of(model, class_names=...) for their names"

KEYWORDS = {
    # classes and heads
    "include_top": Row("num_classes", NO_HEAD),
    "remove_head": Row("num_classes", NO_HEAD),
    "classes": Row("num_classes"),
    "n_classes": Row("num_classes"),
    "num_labels": Row("num_classes"),
    "classifier_activation": Row(
        None, "Models return logits; keras_vit.predict returns probabilities."
    ),
    "head_activation": Row(
        None, "Models return logits; keras_vit.predict returns probabilities."
    ),
    "pre_logits": Row("representation_size"),
    "pretrained_top": Row("num_classes", ", whose head is new if the weights' differs"),
    "rep_size": Row("representation_size"),
    "id2label": Row("num_classes", NAMES),
    "label2id": Row("num_classes", NAMES),
    "backbone": Row(None, "Use keras_vit.replace_head(model, num_classes)."),
    "variant": Row(None, "Use keras_vit.create_model(name)."),
    "model_name": Row(None, "Use keras_vit.create_model(name)."),
    # images
    "img_size": Row("image_size", SIZE),
    "input_size": Row("image_size", SIZE),
    "input_shape": Row("image_size", SIZE),
    "image_shape": Row("image_size", SIZE),
    "resolution": Row("image_size", SIZE),
    "input_tensor": Row(None, "Call the model that is returned on the tensor."),
    "in_chans": Row(None, CHANNELS),
    "num_channels": Row(None, CHANNELS),
    "include_rescaling": Row("include_preprocessing", EXTRA),
    "include_normalization": Row("include_preprocessing", EXTRA),
    "preprocessor": Row("include_preprocessing", EXTRA),
    "image_mean": Row("pixel_mean", " for pixels in [0, 255]"),
    "image_std": Row("pixel_std", " for pixels in [0, 255]"),
    "mean": Row("pixel_mean", " for pixels in [0, 255]"),
    "std": Row("pixel_std", " for pixels in [0, 255]"),
    "dynamic_img_size": Row(None, "Use keras_vit.resize(model, image_size)."),
    # weights
    "pretrained": Row("weights", WEIGHTS),
    "pretrained_cfg": Row("weights", WEIGHTS),
    "preset": Row("weights", WEIGHTS),
    "load_weights": Row("weights", WEIGHTS),
    "checkpoint_path": Row("weights", ", which takes a path"),
    # pooling and tokens
    "global_pool": Row("pooling", POOLING),
    "pool_type": Row("pooling", POOLING),
    "classifier": Row("pooling", POOLING),
    "use_class_token": Row("class_token", EXTRA),
    "distilled": Row("distillation", EXTRA),
    "reg_tokens": Row("num_registers"),
    "num_register_tokens": Row("num_registers"),
    "pos_embed": Row("position_embedding"),
    "posemb": Row("position_embedding"),
    # regularisation
    "dropout": Row("dropout_rate", DROPOUT),
    "drop_rate": Row("dropout_rate", DROPOUT),
    "pos_drop_rate": Row("dropout_rate", DROPOUT),
    "proj_drop_rate": Row("dropout_rate", DROPOUT),
    "emb_dropout": Row("dropout_rate", DROPOUT),
    "hidden_dropout_prob": Row("dropout_rate", DROPOUT),
    "attn_drop_rate": Row("attention_dropout_rate"),
    "attention_dropout": Row("attention_dropout_rate"),
    "attention_probs_dropout_prob": Row("attention_dropout_rate"),
    "drop_path": Row("drop_path_rate"),
    "stochastic_depth_prob": Row("drop_path_rate"),
    "patch_drop_rate": Row("patch_dropout_rate"),
    # sizes
    "embed_dim": Row("hidden_dim"),
    "hidden_size": Row("hidden_dim"),
    "width": Row("hidden_dim"),
    "depth": Row("num_layers"),
    "num_hidden_layers": Row("num_layers"),
    "num_attention_heads": Row("num_heads"),
    "mlp_ratio": Row("mlp_dim", WIDTHS),
    "intermediate_size": Row("mlp_dim", WIDTHS),
    "intermediate_dim": Row("mlp_dim", WIDTHS),
    "conv_stem_configs": Row("stem", ", a Keras layer of feature maps"),
    # the rest of a block
    "act_layer": Row("activation", ACTIVATION),
    "hidden_act": Row("activation", ACTIVATION),
    "init_values": Row("layer_scale"),
    "layer_scale_init_value": Row("layer_scale"),
    "layerscale_value": Row("layer_scale"),
    "norm_eps": Row("layer_norm_epsilon"),
    "layer_norm_eps": Row("layer_norm_epsilon"),
    "use_fc_norm": Row("fc_norm", EXTRA),
    "use_mha_bias": Row("block", "={'qkv_bias': 'all', 'query_value' or 'none'}"),
    "qkv_bias": Row("block", "={'qkv_bias': 'all', 'query_value' or 'none'}"),
    "proj_bias": Row("block", "={'use_bias': True or False}"),
    "use_mlp_bias": Row("block", "={'use_bias': True or False}"),
    "norm_layer": Row("block", "={'norm': 'layer' or 'rms'}"),
    "mlp_layer": Row("block", "={'mlp': 'dense' or 'gated'}"),
    "use_swiglu_ffn": Row("block", "={'mlp': 'gated'} with activation='silu'"),
    "swiglu_mlp": Row("block", "={'mlp': 'gated'} with activation='silu'"),
    "scale_attn_norm": Row("block", "={'attention_norm': True}"),
    "scale_mlp_norm": Row("block", "={'mlp_norm': True}"),
    "num_kv_heads": Row("block", "={'num_key_value_heads': ...}"),
    "block_fn": Row("block", "={'layout': ...}, see layers.BlockConfig"),
    "embed_norm_layer": Row("patch_norm", EXTRA),
    "use_patch_bias": Row("patch_bias", EXTRA),
    "use_pre_transformer_norm": Row("pre_norm", EXTRA),
    "pool_include_prefix": Row("pooling", "={'kind': ..., 'prefix_tokens': True}"),
    # Keras
    "dtype": Row(None, "Call keras.config.set_dtype_policy before."),
    "trainable": Row(None, "Set trainable of the model that is returned."),
    **dict.fromkeys(
        (
            "attn_layer",
            "embed_layer",
            "use_mask_token",
            "no_embed_class",
            "weight_init",
            "fix_init",
            "initializer_range",
            "head_zeroinit",
            "data_format",
            "device",
        ),
        Row(None, "What it sets is fixed here."),
    ),
}
# What the name of a size sets.
SIZES = ("patch_size", "num_layers", "num_heads", "hidden_dim", "mlp_dim", "stem")
GELU = "Expected 'gelu_erf' (PyTorch's and Keras's GELU) or 'gelu_tanh' (JAX's)"
MEAN = "Expected 'gap' for the mean of the patches, 'token' or 'map'"
VALUES = {  # (argument, the value of another library): what to use
    ("activation", "gelu"): GELU,
    ("activation", "gelu_new"): GELU,
    ("activation", "gelu_pytorch_tanh"): GELU,
    ("activation", "quick_gelu"): "Expected 'gelu_quick'",
    ("activation", "swish"): "Expected 'silu'",
    ("activation", "softmax"): (
        "Models return logits; keras_vit.predict returns probabilities. activation is "
        "that of the MLPs: 'gelu_erf' or 'gelu_tanh'"
    ),
    ("activation", "sigmoid"): (
        "Models return logits; keras_vit.predict returns probabilities. activation is "
        "that of the MLPs: 'gelu_erf' or 'gelu_tanh'"
    ),
    ("pooling", "avg"): MEAN,
    ("pooling", "mean"): MEAN,
    ("pooling", "avgmax"): "Expected 'gap_max'",
    ("pooling", "cls"): "Expected 'token', 'gap' or 'map'",
    ("pooling", "cls_token"): "Expected 'token', 'gap' or 'map'",
    ("position_embedding", "learn"): "Expected 'learned'",
    ("position_embedding", "sincos2d"): "Expected 'sincos_2d'",
    ("position_embedding", "rope"): (
        "Expected 'rope_2d', or block={'rotary': ...} with its choices"
    ),
    ("position_embedding", None): "Expected 'none'",
}
RELEASE_WORDS = {  # what others call weights: words that our releases have
    "imagenet": "in1k",
    "imagenet1k": "in1k",
    "imagenet21k": "in21k",
    "imagenet21k+imagenet2012": "in21k_in1k",
    "DEFAULT": "in1k",
    "IMAGENET1K_V1": "in1k",
    "True": "in1k",
}


def known_options(
    function: str, options: Mapping[str, Any], table: type[Any]
) -> dict[str, Any]:
    """Return a factory's options by the names that its table has.

    Raises:
        TypeError: for a keyword that is none, in one line that names the function,
            the keyword and what to use.
        ValueError: for a value of another library, in a line with the same facts.
    """
    known = with_new_names(dict(options), RENAMED, function, stacklevel=5)
    check_keywords(function, known, table.__annotations__)
    return known


def check_keywords(
    function: str, arguments: Mapping[str, Any], names: Iterable[str]
) -> None:
    """Refuse keywords that are not among the names of a function's arguments."""
    names = list(names)
    for word, value in arguments.items():
        if word not in names:
            raise TypeError(
                f"{function}() has no argument {word!r}. {_use(word, names)}"
            )
        if isinstance(value, str | None) and (word, value) in VALUES:
            raise ValueError(
                f"{function}() has no {word}={value!r}. {VALUES[word, value]}"
            )


def answering_foreign_words(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function refuse unknown keywords by `check_keywords`."""
    names = inspect.signature(function).parameters

    @functools.wraps(function)
    def answering(*args: P.args, **kwargs: P.kwargs) -> R:
        check_keywords(function.__name__, kwargs, names)
        return function(*args, **kwargs)

    return answering


def _use(word: str, names: list[str]) -> str:
    """What to use instead of a keyword."""
    row = KEYWORDS.get(word, Row(word))
    ours = row.argument
    if ours is None:
        return row.note
    if ours in ("num_classes", *names):
        return f"Use {ours}{row.note}."
    if ours in SIZES and "weights" in names:
        return f"Its name sets {ours}. Use keras_vit.ViT, which takes every size."
    if ours == "standardization":
        return "Only hybrids such as R50_ViT_B16 have a ResNet stem that has one."
    if word in KEYWORDS:
        return f"It is {ours} of keras_vit.ViT; there is none here."
    near = difflib.get_close_matches(word, ["num_classes", *names], 1)
    if near:
        return f"Did you mean {near[0]!r}?"
    others = [name for name in names if name != "num_classes"]
    return f"Expected num_classes or one of {', '.join(others)}."


def release_for(word: str, names: Iterable[str]) -> str | None:
    """Return the name of a release that another library's word for weights means.

    Args:
        word: such as `"imagenet"`.
        names: of the releases that there are, the recommended first.
    """
    ending = RELEASE_WORDS.get(word)
    names = list(names)
    if ending is None or ending in names:
        return ending
    return next((name for name in names if name.endswith(ending)), None)
