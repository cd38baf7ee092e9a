"""Write a whole picture with all it carries, in the format that its name asks for."""

import errno
import io
import os
import secrets
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from denoise.image_io import pixels as samples
from denoise.image_io import png, tiff
from denoise.image_io.photo import Photo
from denoise.image_io.read import ImageError

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP",
    ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip

_LARGEST = {"JPEG": 65500, "WEBP": 16383}  # pixels a side: libjpeg's limit, the format's


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
