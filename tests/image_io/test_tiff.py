import struct
import time

import numpy as np
import pytest
import tifffile
from pictures import (
    noise,
)
from PIL import Image

from denoise.image_io.errors import ImageError
from denoise.image_io.read import read_image, read_images, read_photo
from denoise.image_io.value_range import Bounds
from denoise.image_io.write import write_photo


def test_pages_of_a_tiff_stay_in_order_and_of_their_kind(tmp_path):
    pages = [noise(3, "u2"), noise(1, "u2", (5, 7)), noise(4, "u1"), noise(3, "f4"), noise(2, "u1")]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in pages:
            writer.write(
                page if page.shape[2] > 1 else page[..., 0],
                photometric="rgb" if page.shape[2] > 2 else "minisblack",
                planarconfig="contig" if page.shape[2] > 1 else None,
                extrasamples=None if page.shape[2] % 2 else ["unassalpha"],
                compression="zlib",
                resolution=(100, 50),
                resolutionunit="centimeter",
            )
        thumbnail = noise(3, "u1", (3, 3))
        writer.write(thumbnail, photometric="rgb", subfiletype=1)
    found = read_photo(tmp_path / "a.tif")
    assert found.warnings == ["Previews and masks in the TIFF are left out."]
    assert found.metadata.dpi == pytest.approx((254, 127))
    write_photo(found, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert len(tiff.pages) == len(pages)
        for page, want in zip(tiff.pages, pages, strict=True):
            got = page.asarray()
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got.reshape(want.shape), want)
            assert page.compression == 8
    with pytest.raises(ImageError, match=r"c\.png cannot hold 5 pages: choose suffix \.tif"):
        write_photo(found, tmp_path / "c.png")


def test_tiff_stays_uncompressed_and_floats_stay_out_of_range(tmp_path):
    pixels = noise(3, "f4") * 7 - 2
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    found = read_photo(tmp_path / "a.tif")
    write_photo(found, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert tiff.pages[0].compression == 1
        np.testing.assert_array_equal(tiff.pages[0].asarray(), pixels)


@pytest.mark.parametrize("dtype", ["f2", "f8"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_floats_come_back_in_their_own_type(tmp_path, dtype, byteorder):
    pages = [noise(2, "f4"), noise(4, "f4").astype(dtype)]
    with tifffile.TiffWriter(tmp_path / "a.tif", byteorder=byteorder) as writer:
        for page, kind in zip(pages, ("minisblack", "rgb"), strict=True):
            extra = {"planarconfig": "contig", "extrasamples": ["unassalpha"]}
            writer.write(page, photometric=kind, **extra)
    found = read_photo(tmp_path / "a.tif")
    assert found.warnings == []
    assert {page.dtype for page in found.pages} == {np.dtype(np.float32)}
    write_photo(found, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        for page, want in zip(tiff.pages, pages, strict=True):
            assert page.dtype == want.dtype
            np.testing.assert_array_equal(page.asarray(), want.astype("f4").astype(want.dtype))


def test_floats_of_another_scale_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(3, "f4") * 1.6 - 0.3, photometric="rgb")  # noise on [0, 1]
    assert read_photo(path).pages
    for dtype in ("f4", "f8"):
        tifffile.imwrite(path, noise(3, dtype) * 255, photometric="rgb")
        with pytest.raises(ImageError, match=r"a\.tif .*outside \[0, 1\]: declare the range"):
            read_photo(path)


def test_kinds_of_tiff_that_change_say_so(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(4, "u2"), photometric="rgb", extrasamples=["unspecified"])
    photo = read_photo(path)
    write_photo(photo, tmp_path / "b.tif")  # all four channels
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), tifffile.imread(path))
    lost = write_photo(photo, tmp_path / "b.png")
    assert lost == ["PNG holds no channels beyond colour and alpha: left out."]
    tifffile.imwrite(path, noise(600, "u2"), photometric="minisblack", planarconfig="contig")
    with pytest.raises(ImageError, match="TIFF of 600 channels"):
        read_photo(path)
    straight = noise(4, "u2")
    straight[0, 0, 3] = 0
    alpha = straight[..., 3:].astype(float)
    product = np.rint(straight[..., :3] * alpha / 65535).astype(np.uint16)
    stored = np.concatenate([product, straight[..., 3:]], 2)
    tifffile.imwrite(path, stored, photometric="rgb", extrasamples=["assocalpha"])
    found = read_photo(path)
    assert found.warnings == ["Premultiplied alpha became plain alpha."]
    back = np.rint(found.pages[0] * (found.alpha[0] / 65535))
    np.testing.assert_array_equal(back, product)


def lzw(data):
    """Compress by codes of 9 bits that stand for a byte each, starting anew before a longer one."""
    codes = []
    for at in range(0, len(data), 250):
        codes += [256, *data[at : at + 250]]
    bits = "".join(format(code, "09b") for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def write_lzw(path, pixels, pages=1, packed=None, compression=5):
    """Write pages of the same pixels, turned by 180 degrees, the last in LZW."""
    with tifffile.TiffWriter(path) as writer:
        for _ in range(pages):
            writer.write(
                pixels if pixels.shape[2] > 1 else pixels[..., 0],
                photometric="rgb" if pixels.shape[2] > 1 else "minisblack",
                metadata=None,
                extratags=[(274, 3, 1, 3, True)],
            )
    content = bytearray(path.read_bytes())
    packed = packed or lzw(pixels.tobytes())
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[-1].tags
        for code, value in ((259, compression), (273, len(content)), (279, len(packed))):
            form = {3: "<H", 4: "<I"}[int(tags[code].dtype)]
            struct.pack_into(form, content, tags[code].valueoffset, value)
    path.write_bytes(content + packed)


@pytest.mark.parametrize("dtype", ["u2", "f4"])
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_tiffs_in_lzw(tmp_path, dtype, channels):
    pixels = noise(channels, dtype, (70, 40))
    write_lzw(tmp_path / "a.tif", pixels)
    found = read_photo(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pages[0], pixels[::-1, ::-1])
    assert found.compressed


def test_further_deep_pages_in_lzw(tmp_path):
    pixels = noise(1, "u2", (70, 40))
    write_lzw(tmp_path / "a.tif", pixels, pages=2)
    for page in read_photo(tmp_path / "a.tif").pages:
        np.testing.assert_array_equal(page, pixels[::-1, ::-1])


def test_training_reads_turned_16_bit_pages_upright(tmp_path):
    pixels = noise(3, "u2", (20, 31))
    tags = [(274, 3, 1, 6, True)]
    turned = np.ascontiguousarray(np.rot90(pixels))
    tifffile.imwrite(tmp_path / "a.tif", turned, photometric="rgb", extratags=tags)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", 3), pixels)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pages[0], pixels)


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", "lzma", "zstd"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_training_reads_every_lossless_compression(tmp_path, compression, dtype):
    pixels = noise(3, dtype, (20, 31))
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression=compression)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", 3), pixels)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").pages[0], pixels)
    Image.fromarray(noise(1, "u2")[..., 0]).save(tmp_path / "b.tif", compression="tiff_lzw")
    with Image.open(tmp_path / "b.tif") as image:
        np.testing.assert_array_equal(read_image(tmp_path / "b.tif", 1)[..., 0], image)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("channels", [4, 5])
def test_channels_of_no_known_meaning(tmp_path, dtype, channels):
    pixels = noise(channels, dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig="contig")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", channels), pixels)
    found = read_photo(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pages[0], pixels[..., :1])
    np.testing.assert_array_equal(found.extra[0], pixels[..., 1:])


@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_values_of_a_declared_range_come_back(tmp_path, dtype):
    values = (noise(1, "f4")[..., 0] * 4095 - 1024).astype(dtype)
    tifffile.imwrite(tmp_path / "ct.tif", values, photometric="minisblack")
    photo = read_photo(tmp_path / "ct.tif", value_range=Bounds(-1024, 3071))
    write_photo(photo, tmp_path / "back.tif")
    back = tifffile.imread(tmp_path / "back.tif")
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)


def test_every_page_is_an_image_of_a_set(tmp_path):
    pages = noise(3, "u2").transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    found = read_images(tmp_path / "a.tif", 1)
    np.testing.assert_array_equal(np.stack(found)[..., 0], pages)
    with pytest.raises(ImageError, match=r"a\.tif holds 3 images"):
        read_image(tmp_path / "a.tif", 1)


def test_pages_that_ome_calls_channels_are_one_image(tmp_path):
    stored = noise(3, "u1").transpose(2, 0, 1)
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, stored, metadata={"axes": "CYX"}, ome=True, photometric="minisblack")
    (found,) = read_images(path, 3)
    np.testing.assert_array_equal(found, stored.transpose(1, 2, 0))
    tifffile.imwrite(path, stored, metadata={"axes": "ZYX"}, ome=True, photometric="minisblack")
    assert len(read_images(path, 1)) == 3


def test_values_outside_the_range_by_rounding_are_clipped(tmp_path):
    pixels = np.full((12, 13), 0.5, np.float32)
    pixels[0, :2] = 1.0001, -0.0001
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    assert read_image(tmp_path / "a.tif", 1)[0, :3, 0].tolist() == [65535, 0, 32768]
    pixels[0, 0] = 1.01
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    with pytest.raises(ImageError, match=r"from -0\.0001 to 1\.01, outside"):
        read_image(tmp_path / "a.tif", 1)


def raw_tags(page):
    file = page.parent.filehandle
    found = {}
    for tag in page.tags:
        file.seek(tag.valueoffset)
        found[int(tag.code)] = int(tag.dtype), int(tag.count), file.read(tag.valuebytecount)
    return found


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("unit", [1, 2, 3])
def test_physical_size_unit_and_the_tags_of_others_survive(tmp_path, byteorder, unit):
    """Resolution of any unit, ImageJ's unit of a pixel, GeoTIFF's place, a name for each page."""
    description = "ImageJ=1.54f\nimages=2\nunit=micron\nspacing=0.5\n"
    places = struct.pack(f"{byteorder}6d", 0, 0, 0, 4.5e5, 5.1e6, 0)
    with tifffile.TiffWriter(tmp_path / "a.tif", byteorder=byteorder) as writer:
        for number in range(2):
            writer.write(
                noise(1, "u2")[..., 0], photometric="minisblack", resolution=(4.5 + number, 9),
                resolutionunit=unit, metadata=None, software="s",
                description=None if number else description,
                extratags=[
                    (285, 2, 0, f"slice {number}", False), (33922, 12, 6, places, False),
                    (286, 5, 1, (7, 2), False), (42113, 2, 0, "-9999", False),
                    (50839, 1, 5, b"IJIJ\1", False), (34118, 2, 0, "pixel=5e-9", False),
                    (34377, 7, 4, b"8BIM", False), (341, 3, 1, 9, False),
                ],
            )  # fmt: skip
    write_photo(read_photo(tmp_path / "a.tif"), tmp_path / "b.tif")
    kept = {270, 282, 283, 285, 286, 296, 305, 33922, 34118, 42113, 50839}
    with (
        tifffile.TiffFile(tmp_path / "a.tif") as before,
        tifffile.TiffFile(tmp_path / "b.tif") as after,
    ):
        assert after.byteorder == byteorder
        for old, new in zip(before.pages, after.pages, strict=True):
            had, has = raw_tags(old), raw_tags(new)
            assert {code: had[code] for code in kept & set(had)} == {
                code: has[code] for code in kept & set(has)
            }
            # Of Photoshop, which holds a preview, and the largest value of the noisy pixels.
            assert {34377, 341} <= set(had)
            assert not {34377, 341} & set(has)
        assert before.imagej_metadata["unit"] == after.imagej_metadata["unit"] == "micron"


def test_a_turned_page_swaps_its_resolutions(tmp_path):
    tag, size = (274, 3, 1, 6, True), {"resolution": (4, 9), "resolutionunit": 3}
    tifffile.imwrite(tmp_path / "a.tif", noise(3), photometric="rgb", extratags=[tag], **size)
    write_photo(read_photo(tmp_path / "a.tif"), tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert tiff.pages.first.resolution == (9, 4)
        assert tiff.pages.first.resolutionunit == 3
        assert 274 not in tiff.pages.first.tags


@pytest.mark.parametrize("mode", ["P", "L", "CMYK"])
def test_many_pages_take_time_in_proportion(tmp_path, mode):
    """Palettes and CMYK are read by Pillow, which walks from the first page to the one asked."""
    pages = [Image.fromarray(noise(3, "u1", (8, 8))).convert(mode) for _ in range(600)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    begun = time.perf_counter()
    found = read_photo(tmp_path / "a.tif")
    assert len(found.pages) == 600
    assert time.perf_counter() - begun < 10
    first = np.asarray(pages[77].convert("RGB" if mode != "L" else "L"))
    if mode != "CMYK":
        np.testing.assert_array_equal(found.pages[77].squeeze(), first)


def test_tags_of_pages_that_share_their_bytes_are_refused(tmp_path):
    shared = bytes(5000)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for _ in range(20):
            tag = (40000, 7, len(shared), shared, False)
            writer.write(noise(1)[..., 0], photometric="minisblack", metadata=None, extratags=[tag])
    assert read_photo(tmp_path / "a.tif").pages
    content = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        tags = [page.tags[40000] for page in tiff.pages]
        for tag in tags:  # all point at the value of the first
            struct.pack_into("<II", content, tag.offset + 4, 100_000, tags[0].valueoffset)
    (tmp_path / "a.tif").write_bytes(bytes(content))
    with pytest.raises(ImageError, match=r"its tags claim \d+ bytes of \d+"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("back", [0, 1, 149])
def test_pages_that_lead_back_are_refused(tmp_path, back):
    """To the first page, to themselves, or between: tifffile goes round for ever."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for _ in range(150):
            writer.write(noise(1)[..., 0], photometric="minisblack", metadata=None)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        offsets = [page.offset for page in tiff.pages]
        end = offsets[-1] + 2 + 12 * len(tiff.pages[-1].tags)
    struct.pack_into("<I", content, end, offsets[back])
    (tmp_path / "a.tif").write_bytes(bytes(content))
    with pytest.raises(ImageError, match="page 151 is damaged"):
        read_photo(tmp_path / "a.tif")


def test_planes_behind_one_page_are_refused_not_lost(tmp_path):
    stack = np.stack([noise(1)[..., 0]] * 6)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", truncate=True)
    with pytest.raises(ImageError, match=r"a stack of 6 x .* in one page: save it with a page for"):
        read_photo(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", imagej=True)
    assert len(read_photo(tmp_path / "a.tif").pages) == 6
