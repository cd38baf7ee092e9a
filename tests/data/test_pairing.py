import numpy as np
import pytest
from pictures import save_noise

from denoise.data.sets import Pairs
from denoise.image_io.read import read_image


@pytest.fixture
def sidd(tmp_path):
    """Noisy and clean images in one folder, named as a camera's data set names them."""
    for number in range(3):
        for word in ("NOISY", "GT"):
            save_noise(tmp_path / f"sidd/{number:04d}_{word}_SRGB_010.PNG", (12, 14, 3))
    (tmp_path / "sidd/0000_GT_SRGB_010.PNG").unlink()
    save_noise(tmp_path / "sidd/0000_GT_SRGB_010.PNG", (12, 14, 3), np.uint16)
    return tmp_path / "sidd"


def test_pairs_by_a_pattern(sidd):
    pairs = Pairs(noisy=f"{sidd}/*_NOISY_SRGB_*", clean=f"{sidd}/*_GT_SRGB_*", channels=3)
    assert pairs.names == ["0000_010", "0001_010", "0002_010"]
    assert [file.name[5:7] for file in pairs.files] == ["GT"] * 3
    with pytest.raises(ValueError, match=r"noisy and as clean.*patterns such as noisy="):
        Pairs(noisy=str(sidd), clean=str(sidd), channels=3)
    (sidd / "0001_GT_SRGB_010.PNG").unlink()
    with pytest.raises(ValueError, match="1 images are only in one of"):
        Pairs(noisy=f"{sidd}/*_NOISY_SRGB_*", clean=f"{sidd}/*_GT_SRGB_*", channels=3)


def test_pairs_by_a_list(sidd, tmp_path):
    lines = [f"sidd/{n:04d}_NOISY_SRGB_010.PNG,sidd/{n:04d}_GT_SRGB_010.PNG" for n in (2, 0)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    pairs = Pairs(noisy=None, clean=str(tmp_path / "pairs.csv"), channels=3)
    assert pairs.names == ["sidd/0002_GT_SRGB_010", "sidd/0000_GT_SRGB_010"]
    expected = read_image(sidd / "0002_NOISY_SRGB_010.PNG", 3)
    np.testing.assert_array_equal(pairs.noisy[0], expected)
    lines = [f"sidd/{n:04d}_NOISY_SRGB_010.PNG,sidd/0002_GT_SRGB_010.PNG" for n in (1, 2)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    several = Pairs(noisy=None, clean=str(tmp_path / "pairs.csv"), channels=3)
    assert several.names == ["sidd/0001_NOISY_SRGB_010", "sidd/0002_NOISY_SRGB_010"]
    np.testing.assert_array_equal(several.clean[0], several.clean[1])
