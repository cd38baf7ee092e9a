"""A picture with its alpha and metadata, as it is read and written."""

from dataclasses import dataclass, field

import numpy as np

from denoise.image_io.metadata import Metadata, PageTags


@dataclass
class Photo:
    """An upright picture; replace its `pages` to write a restored one.

    Kept: depth, alpha, colour profile, EXIF, XMP, resolution, text of a PNG, every page of a TIFF
    with its tags, such as physical size and unit, position, and what a microscope or GIS wrote.
    Not kept, as they show the noisy picture or describe its file: previews, thumbnails, palettes,
    IPTC.

    Args:
        pages: (H, W, C), C 1 or 3, of uint8, uint16 or float32; only a TIFF has more than one.
        alpha: For each page (H, W, 1), not premultiplied, or None.
        metadata: Of the first page.
        format: PNG, JPEG, WEBP, BMP or TIFF, of the file read.
        lossy: Whether the file read was a JPEG or a lossy WebP.
        compressed: Whether the pages of a TIFF are to be compressed.
        warnings: What was not kept on reading, a sentence each.
        tags: By page number, the tags of a page of a TIFF beside those above.
        stored: By page number, the type of a page that a TIFF holds as float16, float64 or int16.
        pages_are_channels: Whether an OME-TIFF says that its pages are channels of one image.
        extra: By page number, (H, W, C) channels of a TIFF beyond colour and alpha.
    """

    pages: list[np.ndarray]
    alpha: list[np.ndarray | None]
    metadata: Metadata = field(default_factory=Metadata)
    format: str = "PNG"
    lossy: bool = False
    compressed: bool = True
    warnings: list[str] = field(default_factory=list)
    tags: dict[int, PageTags] = field(default_factory=dict)
    stored: dict[int, np.dtype] = field(default_factory=dict)
    pages_are_channels: bool = False
    extra: dict[int, np.ndarray] = field(default_factory=dict)
