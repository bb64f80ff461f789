"""Damaged and hostile files: refused by name, quickly, with nothing changed."""

import io
import json
import struct
import time
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_vit.weights import load_weights
from keras_vit.weights.files import WeightsFileError, open_arrays
from support.fixture_models import build

KINDS = ["vit_tiny_token.npz", "timm_token.safetensors"]
each_kind = pytest.mark.parametrize("file", KINDS)
often = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def models(request):
    return {file: build(file) for file in KINDS}


def refuses(model, path):
    """Whether loading is refused; the weights must be as before if so."""
    before = model.get_weights()
    try:
        load_weights(model, path)
    except ValueError as error:
        for array, again in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(array, again)
        assert path.name in str(error) or "Nobody's names" in str(error)
        return True
    return False


@each_kind
@often
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_refused(file, share, models, fixtures, tmp_path):
    content = (fixtures / file).read_bytes()
    path = tmp_path / file
    path.write_bytes(content[: int(share * len(content))])
    assert refuses(models[file], path)


@pytest.mark.one_in(2)
@each_kind
@often
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_harmless(
    file, place, bit, models, fixtures, tmp_path
):
    content = bytearray((fixtures / file).read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path = tmp_path / file
    path.write_bytes(content)
    if not refuses(models[file], path) and file.endswith(".npz"):
        # The zip's checksums see every bit of the arrays. What gets through
        # lies in a date or in another field that nothing depends on.
        other = build(file)
        load_weights(other, fixtures / file)
        for ours, theirs in zip(models[file].weights, other.weights, strict=True):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.slow
@often
@given(data=st.data())
def test_a_renamed_missing_or_misshapen_array_is_named(
    data, models, fixtures, tmp_path
):
    arrays = dict(np.load(fixtures / KINDS[0]))
    name = data.draw(st.sampled_from(sorted(arrays)))
    how = data.draw(st.sampled_from(["renamed", "missing", "misshapen", "not finite"]))
    array = arrays.pop(name)
    if how == "renamed":
        arrays[name + "x"] = array
    elif how == "misshapen":
        arrays[name] = np.concatenate([array, array], axis=-1)
    elif how == "not finite":
        array.ravel()[data.draw(st.integers(0, array.size - 1))] = np.nan
        arrays[name] = array
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    model = models[KINDS[0]]
    before = model.get_weights()
    with pytest.raises(ValueError) as error:
        load_weights(model, path)
    assert name in str(error.value)
    for one, again in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, again)


def test_a_header_that_is_no_python_is_refused(tmp_path):
    header = npy_claiming((1,)).replace(b"}", b"(")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("cls.npy", header)
    with pytest.raises(WeightsFileError, match="a.npz: not readable"):
        open_arrays(tmp_path / "a.npz")


def npy_claiming(shape, dtype="<f4", data=b"\0" * 16):
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + data


def test_a_terabyte_that_an_npz_claims_is_refused_at_once(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cls.npy", npy_claiming((2**38,)))
    begun = time.perf_counter()
    with pytest.raises(WeightsFileError, match="'cls' claims float32 of shape"):
        open_arrays(path)
    assert time.perf_counter() - begun < 1  # allocating a terabyte would not return


def test_an_archive_that_would_unpack_to_more_than_a_model_is_not_unpacked(
    models, fixtures, tmp_path
):
    """A bomb of zeros: its shape is not the model's, and that is told unread."""
    arrays = dict(np.load(fixtures / KINDS[0]))
    arrays["embedding/bias"] = np.zeros((32, 1_000_000), np.float32)
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match="embedding/bias.*expected .32,."):
        load_weights(models[KINDS[0]], tmp_path / "a.npz")


def test_pickled_objects_are_not_read(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([{}], object))
    with pytest.raises(WeightsFileError, match="holds Python objects"):
        open_arrays(tmp_path / "a.npz")


def safetensors(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "claims a header"),
        (struct.pack("<Q", 2**40), "claims a header of 1,099,511,627,776 bytes"),
        (safetensors({})[:-1], "claims a header"),
        (
            safetensors(
                {"a": {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 8]}}
            ),
            "'a' claims F32 of shape",
        ),
        (
            safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
            "'a' claims F32 of shape",
        ),
        (
            safetensors(
                {
                    "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                    "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
                },
                b"\0" * 12,
            ),
            "'b' claims",
        ),
        (
            safetensors(
                {"a": {"dtype": "F32", "shape": [-2, -1], "data_offsets": [0, 8]}},
                b"\0" * 8,
            ),
            "not readable",
        ),
        (safetensors({"a": {"dtype": "X1"}}), "not readable"),
        (safetensors([1]), "not readable"),
        (safetensors({"a": 1}), "not readable"),
        (safetensors({}, b"\0"), "accounts for"),
        (struct.pack("<Q", 4) + b"nope", "not readable"),
    ],
)
def test_a_safetensors_header_that_lies_is_refused(content, message, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsFileError, match=message):
        open_arrays(path)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_precisions_become_float32(dtype, models, fixtures, tmp_path):
    import ml_dtypes
    from safetensors.numpy import load_file, save_file

    kind = np.dtype(getattr(ml_dtypes, dtype, None) or dtype)
    arrays = load_file(fixtures / KINDS[1])
    save_file(
        {n: a.astype(kind) for n, a in arrays.items()}, tmp_path / "a.safetensors"
    )
    load_weights(models[KINDS[1]], tmp_path / "a.safetensors")
    kernel = models[KINDS[1]].get_layer("head").kernel.numpy()
    np.testing.assert_array_equal(
        kernel, arrays["head.weight"].T.astype(kind).astype("float32")
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.pt", "can run code.*weights_only=True"),
        ("a.pth", "can run code"),
        ("a.bin", "can run code"),
        ("a.h5", "can run code.*numpy.savez"),
        ("a.txt", "expected a file of .npz or .safetensors"),
    ],
)
def test_files_that_can_run_code_are_refused_with_the_way_out(name, message, tmp_path):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(WeightsFileError, match=message):
        open_arrays(tmp_path / name)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No file of weights at .*a\.npz"):
        open_arrays(tmp_path / "a.npz")
