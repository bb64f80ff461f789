import hashlib
import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_vit.data.shares import in_test_share, settled


@given(st.text(st.characters(codec="ascii"), min_size=1))
def test_an_image_is_tested_on_if_its_hash_is_in_the_lowest_fifth(path):
    key = path.replace("\\", "/").encode()
    number = int(hashlib.blake2b(key, digest_size=8).hexdigest(), 16)
    assert in_test_share(path) == (number / 2**64 < 0.2)


def test_the_share_is_a_fifth_within_binomial_bounds():
    count = 20_000
    tested = sum(in_test_share(f"class {n % 7}/{n}.jpg") for n in range(count))
    assert abs(tested - count / 5) < 4 * math.sqrt(count * 0.2 * 0.8)


def test_slashes_accents_and_bytes_are_the_same_path():
    for number in range(50):
        path = f"café/é {number}.jpg"
        decomposed = unicodedata.normalize("NFD", path)
        assert decomposed != path
        shares = {
            in_test_share(one)
            for one in (path, decomposed, path.encode(), path.replace("/", "\\"))
        }
        assert len(shares) == 1


def test_a_name_that_is_no_utf8_has_a_share_too():
    shares = [in_test_share(b"a/\xff%d.jpg" % number) for number in range(100)]
    assert 0 < sum(shares) < 100


def test_the_only_split_beside_training_is_tested_on():
    assert settled({"validation": 1, "train": 2}, "x") == {"train": 2, "test": 1}
    three = {"validation": 1, "train": 2, "test": 3}
    assert settled(three, "x") == three


@pytest.mark.parametrize(
    ("parts", "missing"),
    [({"train": 1}, "test"), ({"test": 1}, "train"), ({}, "train")],
)
def test_splits_without_training_or_testing_are_refused(parts, missing):
    with pytest.raises(ValueError, match=f"x has no {missing} split"):
        settled(parts, "x")
