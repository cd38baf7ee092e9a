"""Read a whole picture with all it carries, and write the restored one back with the same.

Kept: depth, alpha, colour profile, EXIF, XMP, resolution, every page of a TIFF, text of a PNG. Not
kept, as they show the noisy picture or speak of its file: previews, thumbnails, palettes, IPTC.
"""

import errno
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from denoise.data import metadata as metadata_of
from denoise.data import png, samples, tiff
from denoise.data.metadata import Metadata
from denoise.data.read import MAX_PIXELS, TIFF, ImageError, failures, open_image

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP",
    ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip

_REMEDY = "give a whole PNG, JPEG, WebP, BMP or TIFF file"
_LARGEST = {"JPEG": 65500, "WEBP": 16383}  # pixels a side: libjpeg's limit, the format's


@dataclass
class Photo:
    """A picture, upright; replace `pages` and write it.

    Args:
        pages: (H, W, C), C 1 or 3, of uint8, uint16 or float32; only a TIFF has more than one.
        alpha: For each page (H, W, 1), not premultiplied, or None.
        metadata: Of the first page.
        format: PNG, JPEG, WEBP, BMP or TIFF, of the file read.
        lossy: Whether the file read was a JPEG or a lossy WebP.
        compressed: Whether the pages of a TIFF are to be compressed.
        notes: What was not kept on reading, a sentence each.
        stored: By its place, the type of a page that a TIFF holds as float16 or float64.
    """

    pages: list[np.ndarray]
    alpha: list[np.ndarray | None]
    metadata: Metadata = field(default_factory=Metadata)
    format: str = "PNG"
    lossy: bool = False
    compressed: bool = True
    notes: list[str] = field(default_factory=list)
    stored: dict[int, np.dtype] = field(default_factory=dict)


def read_photo(path: str | Path, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a PNG, JPEG, WebP, BMP or TIFF file as it is, but upright, and CMYK as RGB.

    Args:
        path: The file.
        max_pixels: The most that all pages together may have; nothing larger is decoded.

    Raises:
        ImageError: If the file is missing, no picture, damaged, animated or too large.
    """
    path = Path(path)
    with failures(path, _REMEDY), _limit_of_pil(max_pixels):
        if path.is_dir():
            raise ImageError(f"{path} is a folder: give the pictures in it")
        with path.open("rb") as file:
            start = file.read(26)
        if not start:
            raise ValueError("0 bytes")
        try:
            photo = (_read_tiff if start[:4] in TIFF else _read_single)(path, start, max_pixels)
        except Image.DecompressionBombError as error:
            raise _too_large(path, str(error), max_pixels) from None
    photo.notes = list(dict.fromkeys(photo.notes))
    return photo


@contextmanager
def _limit_of_pil(pixels: int) -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = (pixels + 1) // 2  # PIL raises above twice of it
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _too_large(path: Path, what: str, limit: int) -> ImageError:
    return ImageError(f"{path} is too large ({what}): set max_pixels above {limit} if you trust it")


def _read_single(path: Path, start: bytes, max_pixels: int) -> Photo:
    photo = Photo([], [])
    with open_image(path) as image:
        if image.width * image.height > max_pixels:
            raise _too_large(path, f"{image.height}x{image.width} pixels", max_pixels)
        photo.format = image.format
        if image.format == "MPO":  # as many telephones write
            photo.format = "JPEG"
            photo.notes.append("The further pictures in the JPEG (preview, depth) are left out.")
        elif getattr(image, "n_frames", 1) > 1:
            raise ImageError(f"{path} is an animation: give its {image.n_frames} frames as files")
        photo.lossy = photo.format == "JPEG" or (photo.format == "WEBP" and _is_lossy_webp(path))
        deep = photo.format == "PNG" and start[24] == 16
        pixels = png.deep(image, path) if deep else None
        image.load()  # some metadata stand behind the pixels
        photo.metadata, orientation = metadata_of.of_image(image, path, photo.notes)
        if deep:
            pixels, alpha = samples.apart(pixels)
            key = image.info.get("transparency")
            if alpha is None and key is not None:  # one colour is transparent
                hidden = (pixels == np.array(key)).all(2, keepdims=True)
                alpha = np.where(hidden, 0, 65535).astype(np.uint16)
        else:
            if image.mode == "CMYK":
                photo.notes.append("CMYK became RGB (sRGB).")
                image = samples.cmyk_to_rgb(image, photo.metadata.icc)
                photo.metadata.icc = None
            if image.mode == "L" and start[24] < 8 and "transparency" in image.info:
                # PIL scales grey of 2 and 4 bits, but not the one that is transparent
                image.info["transparency"] *= 255 // (2 ** start[24] - 1)
            pixels, alpha = samples.of_image(image)
    photo.pages.append(samples.upright(pixels, orientation))
    photo.alpha.append(None if alpha is None else samples.upright(alpha, orientation))
    return photo


def _is_lossy_webp(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8 and head[:4] not in (b"VP8 ", b"VP8L"):
            file.seek(int.from_bytes(head[4:], "little") + 1 & ~1, 1)
    return head[:4] == b"VP8 "


def _read_tiff(path: Path, start: bytes, max_pixels: int) -> Photo:
    photo = Photo([], [], format="TIFF")
    with tifffile.TiffFile(path) as file:
        pages = tiff.whole_pages(file, photo.notes)
        total = sum(page.imagelength * page.imagewidth for page in pages.values())
        if total > max_pixels:
            raise _too_large(path, f"{total} pixels, {len(pages)} pages", max_pixels)
        first = next(iter(pages.values()))
        photo.lossy = first.compression in (6, 7)  # JPEG
        photo.compressed = first.compression != 1
        photo.metadata = metadata_of.of_tiff_page(first, path, photo.notes)
        if first.photometric == 5:  # CMYK
            photo.metadata.icc = None
        for index, page in pages.items():
            pixels, alpha = tiff.decode(path, page, index, photo.notes)
            if page.dtype.kind == "f" and page.dtype != np.float32:
                photo.stored[len(photo.pages)] = page.dtype
            photo.pages.append(pixels)
            photo.alpha.append(alpha)
    return photo


def check_target(photo: Photo, path: str | Path, *, overwrite: bool = False) -> None:
    """Refuse what `write_photo` with the same arguments would refuse, before any work is done.

    Raises:
        ImageError: If the suffix is unknown, the file exists, its format cannot hold the photo, or
            its folder refuses.
    """
    path = Path(path)
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise ImageError(f"{path} has suffix {path.suffix!r}: choose one of {', '.join(FORMATS)}")
    if len(photo.pages) > 1 and form != "TIFF":
        raise ImageError(f"{path} cannot hold {len(photo.pages)} pages: choose suffix .tif")
    if max(photo.pages[0].shape) > _LARGEST.get(form, 2**31):
        raise ImageError(f"{path} can have {_LARGEST[form]} pixels a side: choose suffix .png")
    if os.path.isdir(path):
        raise ImageError(f"{path} is a folder: choose another name")
    if os.path.exists(path) and not overwrite:
        raise ImageError(f"{path} exists: set overwrite=true or choose another name")
    there = next(folder for folder in path.parents if os.path.exists(folder))
    if not os.path.isdir(there):
        raise ImageError(f"{path} cannot be written ({there} is a file): choose another folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ImageError(
            f"{path} cannot be written (you may not write into {there}): "
            f"change its permissions or choose another folder"
        )


def write_photo(photo: Photo, path: str | Path, *, overwrite: bool = False) -> list[str]:
    """Write a photo in the format of the suffix, and say what that format could not keep.

    JPEG is of quality 95 and whole colour (4:4:4), since none can be kept as it was; WebP is
    lossless unless the photo came from a lossy file, then of quality 95. An unfinished file is
    never seen under the name asked for, and never left behind.

    Args:
        photo: The photo.
        path: The file; folders on the way are made.
        overwrite: Whether a file of that name may be replaced.

    Raises:
        ImageError: If the suffix is unknown, the file exists, its format cannot hold the photo, or
            the disk refuses.
    """
    path = Path(path)
    check_target(photo, path, overwrite=overwrite)
    notices: list[str] = []
    try:
        content = _ENCODERS[FORMATS[path.suffix.lower()]](photo, notices)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{secrets.token_hex(4)}.part")
        try:
            part.write_bytes(content)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        full = "free space there or " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise ImageError(
            f"{path} cannot be written ({reason}): {full}choose another folder"
        ) from error
    return list(dict.fromkeys(notices))


def _encode_tiff(photo: Photo, notices: list[str]) -> bytes:
    _leave_text(photo, notices, "TIFF")
    pages = []
    for index, (page, alpha) in enumerate(zip(photo.pages, photo.alpha, strict=True)):
        kind = photo.stored.get(index, page.dtype)
        if alpha is not None:
            alpha = samples.to_depth(alpha, page.dtype).astype(kind, copy=False)
        pages.append((page.astype(kind, copy=False), alpha))
    return tiff.encode(pages, photo.metadata, photo.compressed, notices)


def _encode_png(photo: Photo, notices: list[str]) -> bytes:
    deep = photo.pages[0].dtype != np.uint8
    pixels = _joined(photo, np.uint16 if deep else np.uint8, "PNG", notices)
    info = PngInfo()
    for name, data in photo.metadata.png_chunks():
        info.add(name, data)
    if not deep:
        return _save(pixels, photo, "PNG", pnginfo=info)
    # PIL cannot write 16 bits of colour: it writes all around one pixel, which is then exchanged
    frame = _save(pixels[:1, :1].astype(np.uint8), photo, "PNG", pnginfo=info)
    return png.with_pixels(frame, pixels)


def _encode_jpeg(photo: Photo, notices: list[str]) -> bytes:
    _leave_text(photo, notices, "JPEG")
    pixels = _joined(photo, np.uint8, "JPEG", notices, alpha=False)
    left = [name for name in ("exif", "xmp") if len(getattr(photo.metadata, name) or b"") > 65500]
    notices.extend(f"The {name.upper()} data are too long for a JPEG: left out." for name in left)
    return _save(pixels, photo, "JPEG", left, quality=95, subsampling=0)


def _encode_webp(photo: Photo, notices: list[str]) -> bytes:
    _leave_text(photo, notices, "WEBP")
    pixels = _joined(photo, np.uint8, "WEBP", notices)
    left = []
    if (photo.metadata.icc or b"")[16:20] == b"GRAY":  # WebP knows RGB alone
        notices.append("WEBP cannot hold the grey colour profile: left out.")
        left = ["icc"]
    how = {"quality": 95} if photo.lossy else {"lossless": True, "exact": True}
    return _save(pixels, photo, "WEBP", left, **how)


def _encode_bmp(photo: Photo, notices: list[str]) -> bytes:
    _leave_text(photo, notices, "BMP")
    for name in ("icc", "exif", "xmp"):
        if getattr(photo.metadata, name):
            notices.append(f"BMP cannot hold {name.upper()} data: left out.")
    return _save(_joined(photo, np.uint8, "BMP", notices, alpha=False), photo, "BMP")


_ENCODERS = {
    "PNG": _encode_png,
    "JPEG": _encode_jpeg,
    "WEBP": _encode_webp,
    "BMP": _encode_bmp,
    "TIFF": _encode_tiff,
}


def _leave_text(photo: Photo, notices: list[str], form: str) -> None:
    if photo.metadata.has_text:
        notices.append(f"{form} cannot hold the text of the PNG: left out.")


def _joined(
    photo: Photo, dtype: type, form: str, notices: list[str], alpha: bool = True
) -> np.ndarray:
    pixels, mask = photo.pages[0], photo.alpha[0]
    if pixels.dtype != dtype:
        bits = 8 * np.dtype(dtype).itemsize
        clipped = pixels.dtype.kind == "f" and (pixels.min() < 0 or pixels.max() > 1)
        also = ", clipped to [0, 1]" if clipped else ""
        notices.append(f"{form} holds {bits} bits at most: {pixels.dtype} was rounded{also}.")
    pixels = samples.to_depth(pixels, dtype)
    if mask is None:
        return pixels
    mask = samples.to_depth(mask, dtype)
    if alpha:
        return np.concatenate([pixels, mask], 2)
    notices.append(f"{form} cannot hold transparency: laid over white.")
    return samples.flattened(pixels, mask)


def _save(
    pixels: np.ndarray, photo: Photo, form: str, left: list[str] | None = None, **options: object
) -> bytes:
    carried = {"icc_profile": "icc", "exif": "exif", "xmp": "xmp", "dpi": "dpi"}
    for option, name in carried.items():
        value = getattr(photo.metadata, name)
        if value and name not in (left or ()):
            options[option] = b"Exif\0\0" + value if name == "exif" else value
    buffer = io.BytesIO()
    image = Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[..., 0])
    image.save(buffer, form, **options)
    return buffer.getvalue()
