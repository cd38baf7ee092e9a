"""Pictures that tests write and read."""

import struct
import warnings
import zlib

import numpy as np
import tifffile
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational
from torchvision.io import decode_image

from denoise.image_io.photo import Photo

RNG = np.random.default_rng(0)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'


def noise(channels, dtype=np.uint8, shape=(11, 14)):
    if np.dtype(dtype).kind == "f":
        return RNG.random((*shape, channels), dtype)
    return RNG.integers(0, np.iinfo(dtype).max, (*shape, channels), dtype, endpoint=True)


def photo_of(pixels, **options):
    colours = 1 if pixels.shape[2] < 3 else 3
    alpha = pixels[..., colours:] if pixels.shape[2] > colours else None
    return Photo([pixels[..., :colours]], [alpha], **options)


def joined(photo, page=0):
    parts = [photo.pages[page], photo.alpha[page]]
    return np.concatenate([part for part in parts if part is not None], 2)


def save_pil(path, pixels, **options):
    Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[..., 0]).save(path, **options)


def look(path):
    """Pixels of a file as readers say that are not the one under test."""
    if path.suffix == ".tif":
        pixels = tifffile.imread(path)
    elif path.suffix == ".png":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchvision 0.29 calls it deprecated
            pixels = decode_image(str(path)).permute(1, 2, 0).numpy()
    else:
        with Image.open(path) as image:
            pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x013B] = "Maker", orientation, "Ann"
    exif[0x8769] = {
        0x829A: IFDRational(1, 125),
        0x8827: 400,
        0x9003: "2024:05:06 07:08:09",
        0x927C: b"\x07maker",
    }
    exif[0x8825] = {1: "N", 2: (47.0, 30.0, 15.5)}
    return exif


def write_png(path, pixels, interlaced=False, size=None):
    """Write 8- or 16-bit PNG of any channels, with a header that may lie about the size."""
    H, W, C = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[C]
    rows = pixels.astype(pixels.dtype.newbyteorder(">"))
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", *(size or (W, H)), pixels.itemsize * 8, kind, 0, 0, 0)
    content = png_of((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    path.write_bytes(content)


def png_of(*chunks):
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        content += struct.pack(">I", len(data)) + name + data
        content += struct.pack(">I", zlib.crc32(name + data))
    return content


def save_noise(path, shape=(12, 10, 3), dtype=np.uint8):
    """Write a PNG of random pixels, and return them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = noise(shape[2], dtype, shape[:2])
    write_png(path, pixels)
    return pixels


def assert_equal_images(ones, others):
    for one, other in zip(ones, others, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def photo(height, width, channels, seed=0):
    """A photograph-like image: smooth, with noise."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    smooth = np.stack([np.sin(x / (9 + c)) + np.cos(y / (7 + c)) for c in range(channels)], -1)
    noisy = 128 + 50 * smooth + generator.normal(0, 15, smooth.shape)
    return noisy.clip(0, 255).round().astype(np.uint8)
