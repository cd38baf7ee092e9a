"""The channels of a photo as images of a model, and back."""

from dataclasses import replace

import numpy as np

from denoise.image_io.photo import Photo


def all_channels(photo: Photo, page: int) -> np.ndarray:
    """Return a page with its alpha and further channels, (H, W, C)."""
    parts = (photo.pages[page], photo.alpha[page], photo.extra.get(page))
    held = [part for part in parts if part is not None]
    return held[0] if len(held) == 1 else np.concatenate(held, 2)


def to_images(photo: Photo, channels: int) -> list[np.ndarray]:
    """Return the images of a photo that a model restores, (H, W, C) each.

    Pages that are channels, and channels of a page beyond RGB, are one image where the model has
    as many; else every page is one, without alpha and further channels.

    Args:
        photo: What was read.
        channels: Of the model.
    """
    if photo.pages_are_channels and len(photo.pages) == channels:
        return [np.concatenate(photo.pages, 2)]
    images = []
    for number, page in enumerate(photo.pages):
        whole = all_channels(photo, number) if channels not in (1, 3) else page
        images.append(whole if whole.shape[2] == channels else page)
    return images


def with_images(photo: Photo, images: list[np.ndarray]) -> tuple[Photo, list[str]]:
    """Return a photo with other images in place of those of `to_images`, and what is left out.

    Args:
        photo: What was read.
        images: As many, and of the same shapes.
    """
    if len(images) < len(photo.pages):
        images = list(np.split(images[0], len(photo.pages), 2))
    pages, alpha, extra = [], [], {}
    for number, image in enumerate(images):
        colours = photo.pages[number].shape[2]
        pages.append(image[..., :colours])
        kept = photo.alpha[number]
        if image.shape[2] > colours:
            first = colours if kept is None else colours + 1
            kept = None if kept is None else image[..., colours:first]
            if image.shape[2] > first:
                extra[number] = image[..., first:]
        alpha.append(kept)
    kept_all = extra.keys() == photo.extra.keys()
    left_out = [] if kept_all else ["Channels beyond colour and alpha are left out."]
    return replace(photo, pages=pages, alpha=alpha, extra=extra), left_out
