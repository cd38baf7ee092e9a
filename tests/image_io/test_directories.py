import io
import struct

import pytest
from PIL import Image

from denoise.image_io.directories import OverlapError, check_directories, count_pages


def directory(entries, order="<", big=False, extra=b""):
    """A TIFF structure with one directory and bytes after it."""
    mark = b"II" if order == "<" else b"MM"
    if big:
        head = mark + struct.pack(f"{order}HHHQ", 43, 8, 0, 16)
        body = struct.pack(f"{order}Q", len(entries))
        body += b"".join(struct.pack(f"{order}HHQQ", *entry) for entry in entries)
    else:
        head = mark + struct.pack(f"{order}HI", 42, 8)
        body = struct.pack(f"{order}H", len(entries))
        body += b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    return io.BytesIO(head + body + bytes(8) + extra)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", "<>")
def test_values_that_overlap_are_refused(order, big):
    one = (1000, 7, 500, 100)
    check_directories(directory([one], order, big, bytes(500)))
    with pytest.raises(OverlapError, match=r"1000 bytes of \d+$"):
        check_directories(directory([one, (1001, 7, 500, 100)], order, big, bytes(500)))


def test_parts_are_counted_and_a_loop_ends():
    loop = [(0x8769, 4, 1, 8), (1000, 12, 10, 100)]  # ten numbers of eight bytes
    check_directories(directory(loop, extra=bytes(100)))
    with pytest.raises(OverlapError):
        check_directories(directory([*loop, (1001, 12, 10, 100)], extra=bytes(70)))


def test_directories_that_are_read_together_share_the_bytes():
    file = directory([(1000, 7, 80, 26)], extra=bytes(80))
    second = file.seek(0, 2)
    file.write(struct.pack("<HHHII", 1, 1000, 7, 80, 26) + bytes(4))
    check_directories(file, [8])
    check_directories(file, [second])
    with pytest.raises(OverlapError, match="160 bytes of"):
        check_directories(file, [8, second, 8])


@pytest.mark.parametrize("data", [b"", b"II*\0", b"GIF89a..........", b"II*\0\xff\xff\0\0" * 2])
def test_no_directory(data):
    with pytest.raises(ValueError, match=r"no TIFF structure|cut off") as caught:
        check_directories(io.BytesIO(data))
    assert not isinstance(caught.value, OverlapError)


def test_what_pillow_writes_is_accepted():
    exif = Image.Exif()
    exif[0x010F] = "Maker" * 100
    exif.get_ifd(0x8769)[0x927C] = bytes(3000)
    exif.get_ifd(0x8825)[2] = (47.0, 30.0, 15.5)
    check_directories(io.BytesIO(exif.tobytes()[6:]))


def test_pages_are_counted_and_loops_refused():
    file = directory([])
    assert count_pages(file) == 1
    second = file.seek(0, 2)
    file.seek(10)
    file.write(struct.pack("<I", second))
    file.seek(second)
    file.write(struct.pack("<HI", 0, 0))
    assert count_pages(file) == 2
    file.seek(second + 2)
    file.write(struct.pack("<I", 8))
    with pytest.raises(ValueError, match="page 3 is damaged"):
        count_pages(file)
    file.seek(second + 2)
    file.write(struct.pack("<I", 10**6))
    with pytest.raises(ValueError, match="page 3 is damaged"):
        count_pages(file)
