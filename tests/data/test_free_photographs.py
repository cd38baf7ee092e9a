import numpy as np
from PIL import Image

from denoise.data.free_photographs import (
    BACKGROUNDS,
    NATURE,
    WALLPAPERS,
    photographs,
    write_photographs,
)


def unpack(folder, size):
    """Write the files that the packages hold, all of one size."""
    share = folder / "usr/share"
    names = [f"wallpapers/{name}/contents/images/2560x1600" for name in WALLPAPERS.split()]
    names += [f"backgrounds/mate/nature/{name}" for name in NATURE.split()]
    names += [f"backgrounds/{name}_by_Somebody" for name in BACKGROUNDS.split()]
    names += ["wallpapers/Kay/contents/images/2560x1600", "backgrounds/mate/abstract/Flow"]
    for name in names:
        path = share / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (200, 10, 10)).save(path)


def test_photographs_are_found_and_drawings_left_out(tmp_path):
    unpack(tmp_path, (8, 8))
    found = photographs(tmp_path)
    assert len(found) == len(set(found)) == 39
    assert not [path for path in found if "Kay" in path.parts or "abstract" in path.parts]


def test_photographs_are_written_at_two_scales(tmp_path):
    unpack(tmp_path, (1600, 800))
    assert write_photographs(tmp_path, tmp_path / "out") == 39
    with Image.open(tmp_path / "out/Kite_2.png") as image:
        assert image.size == (400, 200)
        assert np.abs(np.array(image).astype(int) - (200, 10, 10)).max() <= 2
    assert not (tmp_path / "out/Kite_4.png").exists()  # 100 pixels high: less than a crop
