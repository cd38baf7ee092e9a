import numpy as np
import pytest
from pictures import ICC, XMP, noise, photo_of, save_pil
from PIL import Image

from denoise.image_io.find_images import find_images
from denoise.image_io.formats import FORMATS, SUFFIXES, open_image
from denoise.image_io.metadata import Metadata
from denoise.image_io.read import read_photo
from denoise.image_io.write import write_photo


def test_suffixes_are_those_of_pillow():
    known = Image.registered_extensions()
    assert {suffix: known[suffix] for suffix in SUFFIXES} == SUFFIXES
    assert set(SUFFIXES.values()) == set(FORMATS)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_is_written_read_and_found(tmp_path, suffix):
    photo = photo_of(noise(3))
    assert write_photo(photo, tmp_path / f"a{suffix}") == []
    assert read_photo(tmp_path / f"a{suffix}").format == SUFFIXES[suffix]
    assert list(find_images(tmp_path, "set")) == ["a"]


@pytest.mark.parametrize("form", ["GIF", "ICO", "PPM", "TGA", "PCX", "SGI"])
def test_no_other_format_is_opened(tmp_path, form):
    save_pil(tmp_path / "a.png", noise(3), format=form)
    with pytest.raises(OSError, match="cannot identify"):
        open_image(tmp_path / "a.png")


@pytest.mark.parametrize("form", FORMATS)
def test_a_format_holds_what_the_list_says(tmp_path, form):
    has, path = FORMATS[form], tmp_path / f"a{FORMATS[form].suffixes[0]}"
    metadata = Metadata(ICC, None, XMP.replace(b"6", b"1"), png_text=[(b"tEXt", b"Title\0One")])
    photo = photo_of(noise(4, np.uint16), metadata=metadata)
    warnings = write_photo(photo, path)
    assert (read_photo(path).alpha[0] is not None) == has.alpha
    assert any("transparency" in warning for warning in warnings) != has.alpha
    assert any("8 bits at most" in warning for warning in warnings) == (has.bits == 8)
    found = read_photo(path).metadata
    for name in ("icc", "xmp", "png_text"):
        assert bool(getattr(found, name)) == (name in has.metadata)
    lost = sum("without" in warning for warning in warnings)
    assert lost == len({"icc", "xmp", "png_text"} - set(has.metadata))
