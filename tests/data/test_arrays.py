import hashlib
import re

import numpy as np
import pytest

from keras_vit.data import from_arrays, load

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 5, 6, 3), dtype=np.uint8)
LABELS = np.arange(40) % 4


def saved(folder, **arrays):
    np.savez(folder / "arrays.npz", **arrays)
    return folder / "arrays.npz"


@pytest.mark.parametrize(
    ("images", "labels"),
    [("{}_images", "{}_labels"), ("x_{}", "y_{}")],
)
@pytest.mark.parametrize("validation", [None, "validation", "val"])
def test_an_npz_file_is_a_data_set(tmp_path, images, labels, validation):
    splits = [name for name in ("train", validation, "test") if name]
    arrays = {images.format(name): PIXELS + n for n, name in enumerate(splits)}
    arrays |= {labels.format(name): LABELS[:, None] for name in splits}
    names = np.array(["ä", "b", "c", "d"])
    dataset = load(saved(tmp_path, class_names=names, **arrays))
    assert (dataset.name, dataset.class_names) == ("arrays", tuple("äbcd"))
    assert len(dataset.splits()) == len(splits)
    for number, split in enumerate(dataset.splits().values()):
        np.testing.assert_array_equal(split.images, PIXELS + number)
        np.testing.assert_array_equal(split.labels, LABELS)


@pytest.mark.parametrize("shape", [(40, 5, 6), (40, 5, 6, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_grey_images_become_rgb(shape, dtype):
    grey = PIXELS[..., 0].astype(dtype)
    pair = grey.reshape(shape), LABELS
    images = from_arrays(pair, pair).train.images
    assert images.dtype == dtype
    for channel in range(3):
        np.testing.assert_array_equal(images[..., channel], grey)


def digests(images):
    found = [hashlib.blake2b(one.tobytes(), digest_size=8) for one in images]
    return np.array([int(one.hexdigest(), 16) for one in found], np.uint64)


def test_without_a_test_split_the_hash_of_the_pixels_decides(tmp_path):
    dataset = load(saved(tmp_path, images=PIXELS, labels=LABELS))
    by_hash = np.argsort(digests(PIXELS))
    tested = np.zeros(40, bool)
    for label in np.unique(LABELS):
        of_class = by_hash[LABELS[by_hash] == label]
        low = (digests(PIXELS[of_class]) < 2**64 // 5).sum()
        most = -(-len(of_class) // 4)
        tested[of_class[: min(max(low, len(of_class) * 3 // 20, 1), most)]] = True
    np.testing.assert_array_equal(dataset.test.images, PIXELS[tested])
    np.testing.assert_array_equal(dataset.test.labels, LABELS[tested])
    np.testing.assert_array_equal(dataset.train.images, PIXELS[~tested])


def test_the_classes_of_numbers_are_called_by_them():
    dataset = from_arrays((PIXELS, LABELS.astype(np.uint16)), (PIXELS, LABELS + 3))
    assert dataset.class_names == tuple("0123456")
    several = np.eye(4, dtype=np.uint8)[LABELS]
    assert from_arrays((PIXELS, several)).class_names == tuple("0123")


def test_what_keras_gives_is_a_data_set():
    train, test = (PIXELS, LABELS[:, None]), (PIXELS[:8], LABELS[:8, None])
    dataset = from_arrays(train, test, class_names=list("abcd"), name="mine")
    assert (dataset.name, dataset.num_classes, len(dataset.test)) == ("mine", 4, 8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pixels": PIXELS}, "expected arrays train_images.*Received: pixels"),
        ({}, "Received: none"),
        ({"x_train": PIXELS, "y_train": LABELS}, "has no test split"),
        ({"images": PIXELS / 255, "labels": LABELS}, r"uint8 or float32.*by 255"),
        ({"images": np.float32(PIXELS / 255), "labels": LABELS}, r"in \[0, 255\]"),
        ({"images": PIXELS[0, 0, 0, 0], "labels": LABELS}, r"shape \(N, H, W, 3\)"),
        ({"images": PIXELS, "labels": LABELS / 2}, "must be integers.*float64"),
        ({"images": PIXELS, "labels": LABELS - 1}, "a label of -1"),
        ({"images": PIXELS, "labels": LABELS[:9]}, r"shape \(40,\), one an image"),
        (
            {"images": PIXELS[:1], "labels": LABELS[:1]},
            "1 in arrays.*for testing",
        ),
        (
            {"images": PIXELS, "labels": LABELS, "class_names": ["a", "b", "c"]},
            r"in \[0, 3\)",
        ),
        (
            {"images": PIXELS, "labels": LABELS, "class_names": list("abca")},
            "Received twice: a",
        ),
        ({"images": PIXELS, "labels": np.array([[], 1], object)}, "Expected an .npz"),
    ],
)
def test_arrays_that_are_not_so_are_refused(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        load(saved(tmp_path, **arrays))


@pytest.mark.parametrize("several", [False, True])
def test_a_class_that_hashes_alone_would_only_test_is_trained_on_too(several):
    labels = (digests(PIXELS) < 2**64 // 5).astype(int)
    assert 1 < labels.sum() < 20
    dataset = from_arrays((PIXELS, np.eye(2, dtype=int)[labels] if several else labels))
    for split in (dataset.train, dataset.test):
        shown = split.labels.argmax(1) if several else split.labels
        assert {*shown} == {0, 1}


@pytest.mark.parametrize("kind", ["cut", "other", "one array"])
def test_a_damaged_file_is_refused(tmp_path, kind):
    path = saved(tmp_path, images=PIXELS, labels=LABELS)
    if kind == "one array":
        with open(path, "wb") as file:
            np.save(file, PIXELS)
    else:
        data = path.read_bytes()
        path.write_bytes(data[:-30] if kind == "cut" else b"nothing of that kind")
    with pytest.raises(ValueError, match="Expected an .npz file.*damaged"):
        load(path)


def test_validation_needs_a_test_split():
    with pytest.raises(ValueError, match="validation together with test"):
        from_arrays((PIXELS, LABELS), validation=(PIXELS, LABELS))


KINDS = {
    # what: dtype, low, high, what is said, and what helps
    "shares": ("float32", 0, 1, "multiply them by 255", (0, 1)),
    "normalised": ("float32", -2.1, 2.6, "by the deviations and add the means", None),
    "signed shares": ("float32", -1, 1, "add 1 and multiply by 127.5", (-1, 1)),
    "half": ("float32", -0.5, 0.5, "add 0.5 and multiply by 255", (-0.5, 0.5)),
    "differences": ("float32", -255, 255, "add 255 and divide by 2", (-255, 255)),
    "12 bits": ("float32", 0, 4095, "by 255 / 4095, or give pixel_range", (0, 4095)),
    "10 bits": ("uint16", 0, 1000, "by 255 / 1023, or give pixel_range", (0, 1023)),
    "ct": ("int16", -1000, 3000, r"as of CT: .*\(-1000, 3000\)", (-1000, 3000)),
    "ct floats": ("float32", -1024, 3071, r"of CT: .*\(-1024, 3071\)", (-1024, 3071)),
    "doubles": ("float64", 0, 255, "cast them: .astype", (0, 255)),
    "whole numbers": ("int64", 0, 255, "cast them: .astype", (0, 255)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_that_are_no_pixels_are_recognised(kind, rng):
    dtype, low, high, advice, range_ = KINDS[kind]
    values = rng.uniform(low, high, (8, 6, 5)).astype(dtype)
    values[0, 0, :2] = low, high
    pair = values, np.arange(8) % 2
    with pytest.raises(ValueError, match=f"(?s)lie in .0, 255.*{advice}"):
        from_arrays(pair, pair)
    if range_ is None:
        return
    dataset = from_arrays(pair, pair, pixel_range=range_)
    share = (values.astype(float) - range_[0]) / (range_[1] - range_[0])
    found = dataset.train.images[..., 0]
    assert found.dtype == np.uint8
    assert np.abs(found - 255 * share).max() <= 0.501
    assert dataset.decoding.pixel_range == range_


@pytest.mark.parametrize("dtype", ["uint8", "float32", "bool", "int64"])
def test_masks_of_zeros_and_ones_are_recognised(dtype, rng):
    masks = rng.integers(0, 2, (8, 6, 5)).astype(dtype)
    pair = masks, np.arange(8) % 2
    with pytest.raises(ValueError, match="a mask of zeros and ones: multiply"):
        from_arrays(pair, pair)
    found = from_arrays(pair, pair, pixel_range=(0, 1)).train.images[..., 0]
    np.testing.assert_array_equal(found, 255 * masks.astype(int))


def test_what_is_no_number_is_refused():
    values = np.full((4, 3, 3), np.nan, np.float32)
    with pytest.raises(ValueError, match="finite numbers"):
        from_arrays((values, np.arange(4) % 2), (values, np.arange(4) % 2))


def test_pixels_are_pixels_and_dark_ones_of_a_split_too(rng):
    """A filter's overshoot, black images, and a share with nothing brighter."""
    pixels = rng.uniform(-9, 262, (8, 6, 5)).astype(np.float32)
    pixels[0] = 1
    pair = pixels, np.arange(8) % 2
    split = from_arrays(pair, pair).train
    assert split.subset([0]).images.max() == 1
    black = np.zeros((8, 6, 5), np.uint8), np.arange(8) % 2
    assert from_arrays(black, black).train.images.max() == 0


def test_an_npz_file_of_12_bits_is_read_by_its_range(tmp_path, rng):
    values = rng.integers(0, 4096, (8, 6, 5)).astype(np.uint16)
    values[0, 0, :2] = 0, 4095
    arrays = {"x_train": values, "y_train": np.arange(8) % 2}
    np.savez(tmp_path / "a.npz", **arrays, x_test=values, y_test=np.arange(8) % 2)
    with pytest.raises(ValueError, match=r"pixel_range=\(0, 4095\)"):
        load(tmp_path / "a.npz")
    found = load(tmp_path / "a.npz", pixel_range="0:4095")
    assert np.abs(found.train.images[..., 0] - values / 4095 * 255).max() <= 0.501
    assert found.decoding.pixel_range == (0, 4095)
