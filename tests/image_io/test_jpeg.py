import io
import struct
import time

import pytest
from pictures import exif_of, noise, save_pil
from PIL import Image

from denoise.image_io.errors import ImageError
from denoise.image_io.jpeg import MAX_SCANS
from denoise.image_io.read import read_image, read_photo


def overlapping_exif(tags, size):
    """EXIF of `tags` values that are the same `size` bytes."""
    end = 10 + 12 * tags + 4
    entries = b"".join(struct.pack("<HHII", 1000 + n, 7, size, end) for n in range(tags))
    return b"II*\0" + struct.pack("<IH", 8, tags) + entries + bytes(4 + size)


def jpeg_of(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def with_segments(jpeg, marker, data, name):
    parts = [data[i : i + 60000] for i in range(0, len(data), 60000)]
    segments = b"".join(
        marker + struct.pack(">H", len(name + part) + 2) + name + part for part in parts
    )
    return jpeg[:2] + segments + jpeg[2:]


def test_scans_are_counted(tmp_path):
    path = tmp_path / "a.jpg"
    jpeg = jpeg_of(noise(3), progressive=True)
    last = jpeg.rfind(b"\xff\xda")
    scans = jpeg.count(b"\xff\xda")
    path.write_bytes(jpeg[:-2] + jpeg[last:-2] * (MAX_SCANS - scans) + jpeg[-2:])
    assert read_photo(path).pages[0].shape == noise(3).shape
    path.write_bytes(jpeg[:-2] + jpeg[last:-2] * (MAX_SCANS + 1 - scans) + jpeg[-2:])
    for read in (read_photo, lambda path: read_image(path, 3)):
        with pytest.raises(ImageError, match=r"JPEG of 101 scans, .*save it again"):
            read(path)


def test_3000_scans_are_refused_at_once(tmp_path):
    jpeg = jpeg_of(noise(3, "u1", (1500, 1500)), progressive=True)
    last = jpeg.rfind(b"\xff\xda")
    (tmp_path / "a.jpg").write_bytes(jpeg[:-2] + jpeg[last : last + 14] * 3000 + jpeg[-2:])
    begun = time.perf_counter()
    with pytest.raises(ImageError, match="scans"):
        read_photo(tmp_path / "a.jpg")
    assert time.perf_counter() - begun < 5  # decoding them takes minutes


@pytest.mark.parametrize(
    ("marker", "name", "what"),
    [(b"\xff\xe1", b"Exif\0\0", "EXIF data"), (b"\xff\xe2", b"MPF\0", "index of further pictures")],
)
def test_tags_that_claim_more_than_there_is(tmp_path, marker, name, what):
    jpeg = jpeg_of(noise(3))
    plain = jpeg[:2] + jpeg[4 + int.from_bytes(jpeg[4:6], "big") :]  # without the resolution
    bomb = overlapping_exif(1000, 40000)
    (tmp_path / "a.jpg").write_bytes(with_segments(plain, marker, bomb, name))
    with pytest.raises(ImageError, match=rf"its {what} claim \d+ bytes of \d+: save it without"):
        read_photo(tmp_path / "a.jpg")


def test_the_same_in_a_png_or_webp_only_leaves_them_out(tmp_path):
    for suffix in ("png", "webp"):
        path = tmp_path / f"a.{suffix}"
        save_pil(path, noise(3), exif=overlapping_exif(1000, 40000))
        found = read_photo(path)
        assert found.warnings == ["The EXIF data are damaged and left out."]
        assert found.metadata.exif is None


def test_exif_of_a_thumbnail_and_a_preview_are_no_scans(tmp_path):
    thumbnail = jpeg_of(noise(3), progressive=True) * 30
    exif = exif_of(1).tobytes() + thumbnail
    save_pil(tmp_path / "a.jpg", noise(3), exif=exif)
    assert read_photo(tmp_path / "a.jpg").warnings == []
