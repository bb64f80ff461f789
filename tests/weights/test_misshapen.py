"""Files of which one array has lost axes: named, and nothing is built."""

import itertools
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import keras_vit
from keras_vit.weights.files import Stored, WeightsFileError

FILES = [  # of each publisher that has files by themselves, or with a config
    "vit_tiny_token.npz",
    "vit_tiny_gap.npz",
    "hybrid_1stage_w1.npz",
    "bv_tiny_map_learn.npz",
    "timm_deit_distilled.safetensors",
    "timm_avg_fcnorm.safetensors",
    "torchvision_vit.safetensors",
    "hf_vit.safetensors",
    "hf_dinov2.safetensors",
]
FOLDERS = [
    "huggingface_dinov3_gated",
    "huggingface_beit_with_a_head",
    "huggingface_deit_with_a_head",
    "huggingface_msn_with_a_head",
    "huggingface_aimv2",
    "choices/beit_base_patch16_224",
    "choices/eva02_tiny_patch14_336",
]
LOST = {
    "all axes": lambda array: array.reshape(-1)[0],
    "all but one": lambda array: array.reshape(-1),
    "the first": lambda array: array[0] if array.ndim else array,
}

USUAL = {
    ("vit_tiny_token.npz", "all axes"),
    ("timm_deit_distilled.safetensors", "all axes"),
}
CASES = [  # two by default, the others slow
    pytest.param(*case, marks=[] if case in USUAL else pytest.mark.slow)
    for case in itertools.product(FILES, LOST)
]


def arrays_in(path):
    return dict(np.load(path)) if path.suffix == ".npz" else load_file(path)


def write(arrays, path):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file({k: np.array(v, order="C") for k, v in arrays.items()}, path)


def of_one_block(arrays):
    """One block stands for all, one unit of a ResNet for all."""
    return [
        name
        for name in arrays
        if "mask_token" not in name  # of pre-training, left out
        and arrays[name].size
        and not any(f"{kind}{n}" in name for kind in ("unit", "_") for n in range(2, 9))
        and not any(f".{n}." in name for n in range(1, 9))
        and "encoderblock_1" not in name
    ]


def is_read(name, changed):
    """Group norms of one axis are of another version of the reference."""
    return "/gn" in f"/{name}" and np.ndim(changed) == 1


def refuse_each(arrays, lost, path, file, **arguments):
    write(arrays, path)
    keras_vit.ViT(weights=file, **arguments)  # as it is, it loads
    for name in of_one_block(arrays):
        changed = lost(arrays[name])
        if np.shape(changed) == arrays[name].shape or is_read(name, changed):
            continue
        write(arrays | {name: np.asarray(changed)}, path)
        with pytest.raises(ValueError) as error:
            keras_vit.ViT(weights=file, **arguments)
        shape, said = str(tuple(np.shape(changed))), str(error.value)
        # Or settings beside it say what arrays of that shape are not.
        assert shape in said or "(by arrays " in said, (name, said)


@pytest.mark.one_in(4)
@pytest.mark.parametrize(("file", "lost"), CASES)
def test_an_array_with_fewer_axes_is_refused_with_its_shape(
    file, lost, fixtures, tmp_path
):
    path = tmp_path / file
    refuse_each(
        arrays_in(fixtures / file), LOST[lost], path, path, image_size=32, num_heads=4
    )


@pytest.mark.slow
@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("folder", FOLDERS)
def test_an_array_with_fewer_axes_is_refused_beside_settings(
    folder, lost, fixtures, tmp_path
):
    source = fixtures / "peers" / folder
    shutil.copy(source / "config.json", tmp_path)
    path = tmp_path / "model.safetensors"
    refuse_each(arrays_in(source / path.name), LOST[lost], path, tmp_path)


def test_an_axis_that_an_array_lacks_is_the_files_error():
    array = Stored((), np.dtype("float32"), lambda: np.float32(0), "pos_embed")
    with pytest.raises(WeightsFileError, match=r"pos_embed is misshapen.*shape \(\)"):
        array.shape[1]
    with pytest.raises(WeightsFileError, match=r"pos_embed is misshapen.*shape \(\)"):
        array.changed(lambda array: np.delete(array, 1, axis=1))
