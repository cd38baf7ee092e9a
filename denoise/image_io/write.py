"""Write a picture with its alpha and metadata, in the format of its suffix."""

import io
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from denoise.errors import is_disk_full
from denoise.image_io import png, tiff
from denoise.image_io.errors import ImageError
from denoise.image_io.formats import FORMATS, SUFFIXES
from denoise.image_io.metadata import XMP_KEY, Metadata
from denoise.image_io.photo import Photo
from denoise.image_io.pixels import composite_on_white, convert_dtype

_LABELS = {"icc": "ICC profile", "exif": "EXIF", "xmp": "XMP", "png_text": "PNG text"}


def check_target(photo: Photo, path: str | Path, *, overwrite: bool = False) -> None:
    """Raise the errors of `write_photo` with the same arguments, before any work is done.

    Raises:
        ImageError: If the suffix is unknown, the file exists, its format cannot hold the photo, or
            its folder cannot be written.
    """
    path = Path(path)
    target = SUFFIXES.get(path.suffix.lower())
    if target is None:
        raise ImageError(f"{path} has suffix {path.suffix!r}: choose one of {', '.join(SUFFIXES)}")
    if len(photo.pages) > 1 and target != "TIFF":
        raise ImageError(f"{path} cannot hold {len(photo.pages)} pages: choose suffix .tif")
    if max(photo.pages[0].shape) > (side := FORMATS[target].max_side):
        raise ImageError(f"{path} can have {side} pixels a side: choose suffix .png")
    if os.path.isdir(path):
        raise ImageError(f"{path} is a folder: choose another name")
    if os.path.exists(path) and not overwrite:
        raise ImageError(f"{path} exists: set overwrite=true or choose another name")
    folder = next(folder for folder in path.parents if os.path.exists(folder))
    if not os.path.isdir(folder):
        raise ImageError(f"{path} cannot be written ({folder} is a file): choose another folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImageError(
            f"{path} cannot be written (you may not write into {folder}): "
            f"change its permissions or choose another folder"
        )


def write_photo(photo: Photo, path: str | Path, *, overwrite: bool = False) -> list[str]:
    """Write a photo in the format of the suffix, and return what that format could not keep.

    JPEG has quality 95 and no chroma subsampling (4:4:4); WebP is lossless unless the photo came
    from a lossy file, then of quality 95. An unfinished file is never seen under the name asked
    for, and never left behind.

    Args:
        photo: The photo.
        path: The file; missing folders are created.
        overwrite: Whether a file of that name may be replaced.

    Raises:
        ImageError: If the suffix is unknown, the file exists, its format cannot hold the photo, or
            it cannot be written.
    """
    path = Path(path)
    check_target(photo, path, overwrite=overwrite)
    warnings: list[str] = []
    try:
        content = _encode(photo, SUFFIXES[path.suffix.lower()], warnings)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{secrets.token_hex(4)}.part")
        try:
            draft.write_bytes(content)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        full = "free space there or " if is_disk_full(error) else ""
        raise ImageError(
            f"{path} cannot be written ({reason}): {full}choose another folder"
        ) from error
    return list(dict.fromkeys(warnings))


def _encode(photo: Photo, target: str, warnings: list[str]) -> bytes:
    metadata = _writable(photo.metadata, target, warnings)
    if target == "TIFF":
        return tiff.encode(replace(photo, metadata=metadata), warnings)
    if photo.extra:
        warnings.append(f"{target} holds no channels beyond colour and alpha: left out.")
    pixels = _merge_alpha(photo, target, warnings)
    options: dict[str, Any] = {}
    if target == "PNG":
        options = {"pnginfo": _png_chunks(metadata)}
    elif target == "JPEG":
        options = {"quality": 95, "subsampling": 0}
    elif target == "WEBP":
        options = {"quality": 95} if photo.lossy else {"lossless": True, "exact": True}
    exif = metadata.exif and b"Exif\0\0" + metadata.exif
    carried = {"icc_profile": metadata.icc, "exif": exif, "xmp": metadata.xmp, "dpi": metadata.dpi}
    options |= {name: value for name, value in carried.items() if value}
    buffer = io.BytesIO()
    is_16bit = pixels.dtype == np.uint16
    # Pillow writes no 16-bit colour: it writes the metadata around one pixel instead
    drawn = pixels[:1, :1].astype(np.uint8) if is_16bit else pixels
    image = Image.fromarray(drawn if drawn.shape[2] > 1 else drawn[..., 0])
    image.save(buffer, target, **options)
    return png.encode_16bit(pixels, buffer) if is_16bit else buffer.getvalue()


def _writable(metadata: Metadata, target: str, warnings: list[str]) -> Metadata:
    """Return what a format keeps of the metadata."""
    lost: dict[str, Any] = {}
    for name, label in _LABELS.items():
        value = getattr(metadata, name)
        if value and name not in FORMATS[target].metadata:
            warnings.append(f"{target} files are written without {label}.")
        elif value and target == "JPEG" and name != "icc" and len(value) > 65500:
            warnings.append(f"The {label} data are too long for a JPEG: left out.")
        elif value and target == "WEBP" and name == "icc" and value[16:20] == b"GRAY":
            warnings.append("WEBP cannot hold the grey colour profile: left out.")
        else:
            continue
        lost[name] = type(value)()
    return replace(metadata, **lost)


def _png_chunks(metadata: Metadata) -> PngInfo:
    info = PngInfo()
    for name, data in (*metadata.png_text, *metadata.png_colour):
        info.add(name, data)
    if metadata.xmp:
        info.add(b"iTXt", XMP_KEY + bytes(4) + metadata.xmp)
    return info


def _merge_alpha(photo: Photo, target: str, warnings: list[str]) -> np.ndarray:
    """Return colour and alpha as (H, W, 1 to 4) of the depth that a format holds."""
    pixels, alpha = photo.pages[0], photo.alpha[0]
    bits, holds_alpha = FORMATS[target].bits, FORMATS[target].alpha
    dtype = np.dtype(np.uint8 if bits == 8 or pixels.dtype == np.uint8 else np.uint16)
    if pixels.dtype != dtype:
        clipped = pixels.dtype.kind == "f" and (pixels.min() < 0 or pixels.max() > 1)
        also = ", clipped to [0, 1]" if clipped else ""
        warnings.append(f"{target} holds {bits} bits at most: {pixels.dtype} was rounded{also}.")
    pixels = convert_dtype(pixels, dtype)
    if alpha is None:
        return pixels
    alpha = convert_dtype(alpha, dtype)
    if holds_alpha:
        return np.concatenate([pixels, alpha], 2)
    warnings.append(f"{target} cannot hold transparency: composited on white.")
    return composite_on_white(pixels, alpha)
