import hashlib
import math
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_vit.data.holdout import held_out, path_hash, with_test_split
from support.holdout_oracle import chosen_of_class


def share_of(paths, labels):
    hashes = np.array([path_hash(path) for path in paths], np.uint64)
    return held_out(hashes, np.asarray(labels))


@given(st.text(st.characters(codec="ascii"), min_size=1))
def test_the_hash_of_an_image_is_blake2b_of_its_path(path):
    key = path.replace("\\", "/").encode()
    assert path_hash(path) == int(hashlib.blake2b(key, digest_size=8).hexdigest(), 16)


def test_the_share_is_a_fifth_within_binomial_bounds():
    count = 20_000
    paths = [f"class {n % 7}/{n}.jpg" for n in range(count)]
    tested = share_of(paths, np.arange(count) % 7)
    assert abs(tested.sum() - count / 5) < 4 * math.sqrt(count * 0.2 * 0.8)
    # Of so large classes the hash alone decides.
    alone = [path_hash(path) < 2**64 // 5 for path in paths]
    assert tested.tolist() == alone


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 10, 20, 50, 119])
def test_every_class_has_its_share_whatever_its_hashes_are(count):
    for label in range(40):
        paths = [f"class {label}/{n}.jpg" for n in range(count)]
        tested = {
            p for p, t in zip(paths, share_of(paths, [0] * count), strict=True) if t
        }
        assert tested == chosen_of_class(paths)
        if count > 1:
            assert max(1, 0.15 * count - 1) <= len(tested) <= 0.25 * count + 1


def test_other_classes_change_nothing_for_a_class():
    ours = [f"a/{n}.jpg" for n in range(12)]
    others = [f"b/{n}.jpg" for n in range(30)]
    alone = share_of(ours, [0] * 12)
    beside = share_of(ours + others, [1] * 12 + [0] * 30)
    assert beside[:12].tolist() == alone.tolist()


def test_of_images_that_come_hardly_one_moves_another():
    paths = [f"a/{n}.jpg" for n in range(2000)]
    before = share_of(paths[:1000], [0] * 1000)
    assert (share_of(paths, [0] * 2000)[:1000] == before).all()
    for count in range(20, 200):
        before = share_of(paths[:count], [0] * count)
        after = share_of(paths[: count + 1], [0] * (count + 1))
        assert (before != after[:count]).sum() <= 1


def test_images_of_equal_hash_are_on_one_side():
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 40, 200)
    labels = rng.integers(0, 3, 200)
    tested = share_of([f"patient {n}" for n in patients], labels)
    for patient in range(40):
        assert len({*tested[patients == patient]}) <= 1
    for label in range(3):
        of_class = {*patients[labels == label]}
        share = len({*patients[(labels == label) & tested]}) / len(of_class)
        assert 0.1 < share < 0.3


def test_of_several_labels_every_class_is_trained_and_tested_on():
    rng = np.random.default_rng(0)
    labels = (rng.random((300, 8)) < [0.9, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02]) * 1
    tested = share_of([f"{n}.jpg" for n in range(300)], labels)
    assert labels[tested].any(0).all() and labels[~tested].any(0).all()
    assert 0.14 < tested.mean() < 0.26


def test_slashes_accents_and_bytes_are_the_same_path():
    path = "café/é 1.jpg"
    decomposed = unicodedata.normalize("NFD", path)
    assert decomposed != path
    same = (path, decomposed, path.encode(), path.replace("/", "\\"))
    assert len({path_hash(one) for one in same}) == 1


def test_a_name_that_is_no_utf8_has_a_hash_too():
    assert len({path_hash(b"a/\xff%d.jpg" % number) for number in range(100)}) == 100


def test_the_only_split_beside_training_is_tested_on():
    assert with_test_split({"validation": 1, "train": 2}, "x") == {
        "train": 2,
        "test": 1,
    }
    three = {"validation": 1, "train": 2, "test": 3}
    assert with_test_split(three, "x") == three


@pytest.mark.parametrize(
    ("parts", "missing"),
    [({"train": 1}, "test"), ({"test": 1}, "train"), ({}, "train")],
)
def test_splits_without_training_or_testing_are_refused(parts, missing):
    with pytest.raises(ValueError, match=f"x has no {missing} split"):
        with_test_split(parts, "x")
