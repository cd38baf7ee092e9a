import numpy as np
import pytest
from pictures import assert_equal_images, noise

from denoise.image_io.photo import Photo
from denoise.image_io.stacks import all_channels, to_images, with_images


def photo_of(colours, alpha=False, further=0):
    page = noise(colours, "u2")
    photo = Photo([page], [noise(1, "u2") if alpha else None])
    if further:
        photo.extra[0] = noise(further, "u2")
    return photo


@pytest.mark.parametrize(
    ("photo", "channels", "whole"),
    [
        (photo_of(1, further=4), 5, True),
        (photo_of(3, alpha=True), 4, True),
        (photo_of(3, alpha=True, further=2), 6, True),
        (photo_of(3, alpha=True), 3, False),
        (photo_of(1, further=2), 3, False),
        (photo_of(3, further=2), 4, False),
    ],
)
def test_all_channels_where_the_model_has_as_many(photo, channels, whole):
    (image,) = to_images(photo, channels)
    expected = all_channels(photo, 0) if whole else photo.pages[0]
    np.testing.assert_array_equal(image, expected)
    back, left_out = with_images(photo, [image])
    np.testing.assert_array_equal(back.pages[0], photo.pages[0])
    if photo.alpha[0] is not None:
        np.testing.assert_array_equal(back.alpha[0], photo.alpha[0])
    if whole:
        assert not left_out
        for number, further in photo.extra.items():
            np.testing.assert_array_equal(back.extra[number], further)
    else:
        assert not back.extra
        assert len(left_out) == bool(photo.extra)


def test_pages_that_are_channels():
    pages = [noise(1) for _ in range(3)]
    photo = Photo(pages, [None] * 3, pages_are_channels=True)
    (image,) = to_images(photo, 3)
    back, left_out = with_images(photo, [image])
    assert_equal_images(back.pages, pages)
    assert not left_out
    assert len(to_images(photo, 1)) == 3
