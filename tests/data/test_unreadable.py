import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keras_vit.data.images import UnreadableImageError
from keras_vit.data.unreadable import replacements, unreadable_among


@given(st.data())
def test_the_next_readable_image_stands_in(data):
    count = data.draw(st.integers(2, 30))
    bad = data.draw(st.sets(st.integers(0, count - 1), max_size=count - 1))
    for index, other in enumerate(replacements(count, bad)):
        expected = index
        while expected in bad:
            expected = (expected + 1) % count
        assert other == expected


class Some:
    """A split whose images of odd numbers cannot be read."""

    def image(self, index):
        if index % 2:
            raise UnreadableImageError(f"{index}.jpg: cut")
        return np.zeros((2, 2, 3), np.uint8)


def test_unreadable_images_are_found_with_the_reason():
    found = unreadable_among(Some(), np.array([4, 7, 2, 7, 1]))
    assert list(found.items()) == [(7, "7.jpg: cut"), (1, "1.jpg: cut")]
