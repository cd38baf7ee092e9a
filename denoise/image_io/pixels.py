"""The samples of a picture: upright, colour and alpha apart, of the depth that is asked for."""

import io

import numpy as np
from PIL import Image, ImageCms

WHITE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}

_TURNS = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn (H, W, C) as EXIF's `orientation`, 1 to 8, says; any other number means as it is."""
    return np.ascontiguousarray(_TURNS.get(orientation, lambda x: x)(pixels))


def apart(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Split (H, W, 1 to 4) into grey or colour, and alpha if there is any."""
    colours = 1 if pixels.shape[2] < 3 else 3
    return pixels[..., :colours], pixels[..., colours:] if pixels.shape[2] > colours else None


def of_image(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples of an image that PIL has loaded, of 8 bits and any mode but CMYK."""
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
    else:
        image = image.convert("L" if image.mode in ("1", "L") else "RGB")
    pixels = np.asarray(image)
    return apart(pixels if pixels.ndim == 3 else pixels[..., None])


def cmyk_to_rgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert CMYK to sRGB by its colour profile, or plainly if it has no valid one."""
    try:
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, io.BytesIO(icc or b""), srgb, outputMode="RGB")
    except ImageCms.PyCMSError:
        return image.convert("RGB")


def divided(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Undo the multiplication of colours with alpha."""
    white = WHITE[pixels.dtype]
    colour = pixels * (white / np.where(alpha > 0, alpha, np.inf))
    if pixels.dtype.kind == "u":
        colour = np.rint(np.minimum(colour, white))
    return colour.astype(pixels.dtype)


def flattened(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Lay uint8 pixels over white."""
    weight = alpha.astype(np.uint32)
    return ((pixels * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)


def to_depth(pixels: np.ndarray, dtype: type) -> np.ndarray:
    """Bring samples to another depth; floating point ones are clipped to [0, 1]."""
    have, want = WHITE[pixels.dtype], WHITE[np.dtype(dtype)]
    if pixels.dtype == dtype:
        return pixels
    if dtype == np.float32:
        return (pixels / have).astype(np.float32)
    if pixels.dtype.kind == "f":
        pixels = np.clip(pixels, 0, 1)
    return np.rint(pixels * (want / have)).astype(dtype)
