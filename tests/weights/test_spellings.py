"""Names that are nearly a publisher's: under a prefix, or of another head."""

import logging
import re

import numpy as np
import pytest

import keras_vit
from keras_vit.weights import find_checkpoint, load_weights
from support.fixture_models import SIZES, TINY, build

PLAIN = SIZES | {"include_preprocessing": False}


def rewritten(fixtures, tmp_path, file, rename):
    from safetensors.numpy import load_file, save_file

    arrays = load_file(fixtures / file)
    save_file({rename(n): a for n, a in arrays.items()}, tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def outputs(file, fixtures):
    stem = file.rsplit(".", 1)[0]
    return np.load(fixtures / f"{stem}_input.npy"), np.load(
        fixtures / f"{stem}_logits.npy"
    )


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("file", "head", "spelling"),
    [
        ("torchvision_vit.safetensors", "heads.head", "heads"),
        ("torchvision_vit.safetensors", "heads.head", "heads.0"),
        ("torchvision_vit.safetensors", "heads.head", "heads.head.1"),
        ("torchvision_vit.safetensors", "heads.head", "heads.1"),
        ("timm_token.safetensors", "head", "head.1"),
        ("timm_token.safetensors", "head", "head.fc"),
        ("timm_token.safetensors", "head", "fc"),
        ("hf_vit.safetensors", "classifier", "classifier.1"),
        ("hf_vit.safetensors", "classifier", "classifier.linear"),
    ],
)
def test_a_heads_other_spellings_are_the_head(
    file, head, spelling, fixtures, tmp_path, caplog
):
    path = rewritten(
        fixtures,
        tmp_path,
        file,
        lambda name: name.replace(f"{head}.weight", f"{spelling}.weight").replace(
            f"{head}.bias", f"{spelling}.bias"
        ),
    )
    images, logits = outputs(file, fixtures)
    with caplog.at_level(logging.WARNING, "keras_vit"):
        model = keras_vit.ViT(7, image_size=32, weights=path, **PLAIN)
    assert caplog.text.count(f"'{spelling}' is taken for the classifier") == 1
    tolerance = 2e-5
    np.testing.assert_allclose(model(images), logits, atol=tolerance, rtol=0)
    assert keras_vit.ViT(weights=path, **PLAIN).output_shape == (None, 7)


def test_deits_two_heads_may_be_sequences_both(fixtures, tmp_path):
    file = "timm_deit_distilled.safetensors"
    path = rewritten(
        fixtures,
        tmp_path,
        file,
        lambda name: name.replace("head.", "head.1.").replace(
            "head_dist.", "head_dist.1."
        ),
    )
    images, logits = outputs(file, fixtures)
    model = keras_vit.ViT(image_size=32, weights=path, **PLAIN)
    np.testing.assert_allclose(model(images), logits, atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    "others",
    [
        {"head.0.weight": (7, 32), "head.0.bias": (7,), "head.2.weight": (7, 7)},
        {"head.0.weight": (32,), "head.0.bias": (32,), "head.1.weight": (7, 32)},
        {"head.mlp.0.weight": (16, 32), "head.last_layer.weight_g": (7, 1)},
    ],
)
def test_a_head_of_several_layers_is_refused_and_not_thrown_away(
    others, fixtures, tmp_path
):
    from safetensors.numpy import load_file, save_file

    arrays = load_file(fixtures / "timm_token.safetensors")
    arrays = {name: a for name, a in arrays.items() if not name.startswith("head")}
    arrays |= {name: np.ones(shape, np.float32) for name, shape in others.items()}
    save_file(arrays, tmp_path / "a.safetensors")
    path = tmp_path / "a.safetensors"
    for classes in ({}, {"num_classes": 7}):
        with pytest.raises(ValueError, match="its head is not one dense layer"):
            keras_vit.ViT(weights=path, **classes, **PLAIN)
    assert keras_vit.ViT(3, weights=path, **PLAIN).output_shape == (None, 3)
    assert keras_vit.ViT(None, weights=path, **PLAIN).output_shape == (None, 32)


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    "prefix",
    [
        *("model.", "module.", "_orig_mod.", "backbone.", "net.", "encoder."),
        *("student.", "teacher.", "module._orig_mod.", "model.net.encoder."),
    ],
)
@pytest.mark.parametrize(
    "file",
    ["timm_token.safetensors", "hf_vit.safetensors", "torchvision_vit.safetensors"],
)
def test_a_common_prefix_is_taken_off_and_said(
    prefix, file, fixtures, tmp_path, caplog
):
    path = rewritten(fixtures, tmp_path, file, lambda name: prefix + name)
    model = build(file)
    with caplog.at_level(logging.WARNING, "keras_vit"):
        load_weights(model, path)
    assert f"its names lie under {prefix!r}" in caplog.text
    images, logits = outputs(file, fixtures)
    np.testing.assert_allclose(model(images), logits, atol=2e-5, rtol=0)


def test_of_a_student_and_its_teacher_the_teacher_is_read(fixtures, tmp_path, caplog):
    from safetensors.numpy import load_file, save_file

    arrays = load_file(fixtures / "timm_token.safetensors")
    both = {f"student.backbone.{name}": 0 * a for name, a in arrays.items()}
    both |= {f"teacher.backbone.{name}": a for name, a in arrays.items()}
    save_file(both, tmp_path / "a.safetensors")
    model = build("timm_token.safetensors")
    with caplog.at_level(logging.WARNING, "keras_vit"):
        load_weights(model, tmp_path / "a.safetensors")
    assert "its names lie under 'teacher.backbone.'" in caplog.text
    images, logits = outputs("timm_token.safetensors", fixtures)
    np.testing.assert_allclose(model(images), logits, atol=2e-5, rtol=0)


def test_a_head_beside_the_backbone_is_its_head(fixtures, tmp_path):
    def rename(name):
        return name if name.startswith("head") else f"backbone.{name}"

    path = rewritten(fixtures, tmp_path, "timm_token.safetensors", rename)
    images, logits = outputs("timm_token.safetensors", fixtures)
    model = keras_vit.ViT(image_size=32, weights=path, **PLAIN)
    np.testing.assert_allclose(model(images), logits, atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda arrays: {
                name: np.repeat(a, 2, 0) if ".mlp.fc1." in name else a
                for name, a in arrays.items()
            },
            "blocks with mlp of their own",
        ),
        (
            lambda arrays: {n: a for n, a in arrays.items() if "qkv.bias" not in n},
            "blocks with qkv_bias of their own",
        ),
        (
            lambda arrays: arrays | {"norm_pre.weight": np.ones(32, np.float32)},
            "CLIP's and PE's kind",
        ),
        (
            lambda arrays: {n: a for n, a in arrays.items() if n != "pos_embed"},
            "models without a table of positions",
        ),
        (
            lambda arrays: arrays | {"blocks.0.gamma_1": np.ones(32, np.float32)},
            "EVA's kind",
        ),
    ],
)
def test_a_bare_file_that_may_be_several_models_is_refused_without_a_name(
    change, message, fixtures, tmp_path
):
    from safetensors.numpy import load_file, save_file

    arrays = load_file(fixtures / "timm_token.safetensors")
    save_file(change(arrays), tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=f"of {message} say too little"):
        load_weights(build("timm_token.safetensors"), tmp_path / "a.safetensors")


def test_patches_of_another_size_say_which_argument_to_give(fixtures):
    sizes = {**TINY, "activation": "gelu_erf", "patch_size": 16}
    with pytest.raises(
        ValueError, match="are those of patch_size=8: build the model with"
    ):
        load_weights(keras_vit.ViT(**sizes), fixtures / "timm_token.safetensors")


@pytest.mark.parametrize(
    "file",
    ["timm_token.safetensors", "vit_tiny_token.npz", "torchvision_vit.safetensors"],
)
def test_the_images_of_a_bare_file_are_as_large_as_its_own_patches_make_them(
    file, fixtures
):
    """4 x 4 patches of 8 pixels, whatever size the variant's are."""
    for variant in ("ViT", "ViT_S16", "ViT_B32"):
        assert find_checkpoint(variant, fixtures / file).image_size == 32


@pytest.mark.parametrize(
    ("file", "name", "shape", "words"),
    [
        ("timm_token", "blocks.0.mlp.w3.weight", (2, 2), "gated MLPs (mlp='gated'"),
        ("timm_token", "blocks.0.attn.rel_pos_h", (5, 2), "(relative_bias of a block)"),
        ("timm_token", "decoder_embed.weight", (2, 2), "a decoder, of masked pre-"),
        ("timm_token", "blocks.0.attns.0.qkv.weight", (6, 2), "several attentions"),
        (
            "timm_token",
            "patch_embed.backbone.bn.running_mean",
            (2,),
            "batch normalisation",
        ),
        ("hf_vit", "vit.encoder.layer.0.mlp.gate.weight", (2, 2), "gated MLPs"),
        (
            "hf_vit",
            "vit.encoder.layer.0.intermediate.dense.bias",
            None,
            "layers without biases (qkv_bias of a block), such as "
            "encoder.layer.0.intermediate.dense.weight",
        ),
    ],
)
def test_what_arrays_show_of_another_network_is_said(
    file, name, shape, words, fixtures, tmp_path
):
    from safetensors.numpy import load_file, save_file

    arrays = load_file(fixtures / f"{file}.safetensors")
    if shape is None:
        del arrays[name]
    else:
        arrays[name] = np.zeros(shape, "float32")
    path = tmp_path / "a.safetensors"
    save_file(arrays, path)
    said = f"the file's network has: .*{re.escape(words)}"
    with pytest.raises(ValueError, match=said):
        keras_vit.ViT(7, image_size=32, weights=path, **PLAIN)
