"""What our files say besides arrays: read by us, not seen by the publishers."""

import json
import zipfile

import numpy as np
import pytest

from keras_vit import ViT
from keras_vit.weights import load_weights, save_weights
from keras_vit.weights.files import WeightsFileError, open_arrays
from keras_vit.weights.load import open_weights
from keras_vit.weights.metadata import KEY, read_metadata, write_npz
from support.fixture_models import SIZES, TINY, TORCH
from support.models import randomize

CASES = {
    "npz": ("a.npz", {}),
    "timm": ("a.safetensors", TORCH),
    "torchvision": ("a.safetensors", TORCH),
    "huggingface": ("a", TORCH),
}


@pytest.fixture(params=CASES)
def saved(request, tmp_path, rng):
    path, arguments = CASES[request.param]
    model = ViT(**(TINY | arguments | {"image_size": (24, 41), "num_layers": 1}))
    save_weights(randomize(model, rng), tmp_path / path, request.param)
    return open_weights(tmp_path / path)


def test_every_format_says_its_images_and_its_grid(saved):
    _, _, config = saved
    assert config[KEY]["image_size"] == [24, 41]
    assert config[KEY]["grid"] == [3, 5]


def test_pixels_are_read_from_a_file_that_an_earlier_version_wrote(tmp_path, rng):
    """It called `pixel_std` `pixel_deviation`."""
    pixels = {"pixel_mean": (1.0, 2.0, 3.0), "pixel_std": (50.0, 60.0, 70.0)}
    arguments = TINY | {"num_layers": 1, "include_preprocessing": True}
    save_weights(ViT(**(arguments | pixels)), tmp_path / "a.npz")
    note = read_metadata(tmp_path / "a.npz")
    note["pixel_deviation"] = note.pop("pixel_std")
    write_npz(tmp_path / "a.npz", note)
    assert b"pixel_deviation" in (tmp_path / "a.npz").read_bytes()
    sizes = {name: arguments[name] for name in SIZES}
    model = ViT(weights=tmp_path / "a.npz", **sizes)
    variance = model.get_layer("preprocessing").input_variance
    np.testing.assert_allclose(variance, np.square(pixels["pixel_std"]), rtol=1e-6)


def test_publishers_readers_see_the_arrays_alone(saved):
    path, stored, _ = saved
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            assert set(arrays) == set(stored)
            assert not any(KEY in name for name in stored)
        assert zipfile.ZipFile(path).testzip() is None
    else:
        from safetensors import safe_open

        with safe_open(path, "numpy") as file:
            assert set(file.keys()) == set(stored)
            assert file.metadata()["format"] == "pt"  # transformers wants it


def test_a_cut_or_changed_note_is_refused(tmp_path, rng):
    path = tmp_path / "a.npz"
    model = ViT(**(TINY | {"num_layers": 1}))
    save_weights(model, path)
    content = path.read_bytes()
    begun = content.rindex(KEY.encode())
    for cut in (begun, begun + 4, begun + 30, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(WeightsFileError, match="a.npz"):
            load_weights(model, path)
    path.write_bytes(content.replace(b'"grid": [4, 4]', b'"grid": [2, 8]'))
    with pytest.raises(WeightsFileError, match="differs from its checksum"):
        load_weights(model, path)


def test_somebody_elses_comment_and_metadata_are_no_matter(fixtures, tmp_path):
    from safetensors.numpy import load_file, save_file

    path = tmp_path / "a.npz"
    path.write_bytes((fixtures / "vit_tiny_token.npz").read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"made on a Tuesday"
    assert read_metadata(path) == {}
    assert open_arrays(path).keys() == np.load(path).keys()
    arrays = load_file(fixtures / "timm_token.safetensors")
    path = tmp_path / "a.safetensors"
    for metadata, expected in (
        ({"format": "pt"}, {}),
        ({KEY: json.dumps({"grid": [4, 4]})}, {"grid": [4, 4]}),
    ):
        save_file(arrays, path, metadata=metadata)
        assert read_metadata(path) == expected
    save_file(arrays, path, metadata={KEY: "[4, 4"})
    with pytest.raises(WeightsFileError, match="metadata is not readable"):
        read_metadata(path)
