"""Images and models of different channels."""

import pytest
import torch

from denoise.inference.channels import to_image_channels, to_model_channels


@pytest.mark.parametrize(
    ("image_channels", "channels", "shape"),
    [(3, 3, (2, 3, 4, 5)), (1, 3, (2, 3, 4, 5)), (3, 1, (6, 1, 4, 5)), (4, 4, (2, 4, 4, 5))],
)
def test_images_fit_and_come_back(image_channels, channels, shape):
    images = torch.rand(2, image_channels, 4, 5)
    inputs = to_model_channels(images, channels)
    assert inputs.shape == shape
    torch.testing.assert_close(to_image_channels(inputs, image_channels), images)


def test_channels_of_a_colour_image_stay_in_order():
    images = torch.arange(6.0).reshape(2, 3, 1, 1)
    assert to_model_channels(images, 1).flatten().tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("image_channels", "channels"), [(4, 3), (3, 4), (2, 1), (4, 1)])
def test_other_channels_are_refused(image_channels, channels):
    message = f"an image of {image_channels} channels, but the model takes 1 or {max(channels, 3)}"
    with pytest.raises(ValueError, match=message):
        to_model_channels(torch.zeros(1, image_channels, 4, 5), channels)
