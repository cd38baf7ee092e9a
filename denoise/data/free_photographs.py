"""The photographs that the released models are trained on, from packages of Debian.

.. code-block:: sh

   apt-get download mate-backgrounds lomiri-wallpapers-16.04 lomiri-wallpapers-20.04
   apt-get download plasma-workspace-wallpapers
   for file in *.deb; do dpkg -x "$file" packages; done
   python scripts/free_photographs.py packages data/free_photographs

Their licences (GPL-2+, CC-BY, CC-BY-SA, CC0) are in each package's usr/share/doc.
"""

import sys
from pathlib import Path

from PIL import Image

SMALLEST = 192  # pixels: the largest training crop

# The photographs among the backgrounds: neither drawings nor renderings.
WALLPAPERS = (
    "BytheWater ColdRipple ColorfulCups DarkestHour EveningGlow FallenLeaf Grey Kite OneStandsOut "
    "Path Shell Volna summer_1am"
)
NATURE = (
    "Aqua Blinds Dune FreshFlower Garden GreenMeadow LadyBird RainDrops Storm TwoWings Wood "
    "YellowFlower"
)
BACKGROUNDS = (
    "Bridge Dragonfly Kleiber Picture_0B Picture_1A Wine aitzgorri free friends greentock life "
    "picosdeeuropa seeding sunset"
)


def photographs(packages: Path) -> list[Path]:
    """Return the largest file of each photograph below a folder of unpacked packages."""
    share = packages / "usr/share"
    found = [
        max(share.glob(f"wallpapers/{name}/contents/images/*.jpg"), key=lambda p: p.stat().st_size)
        for name in WALLPAPERS.split()
    ]
    found += [share / f"backgrounds/mate/nature/{name}.jpg" for name in NATURE.split()]
    for name in BACKGROUNDS.split():
        found += share.glob(f"backgrounds/{name}_by_*.jpg")
    return found


def write_photographs(packages: Path, folder: Path) -> int:
    """Write each photograph at about 700 and at about 350 pixels.

    A pixel of the camera holds interpolated colours, noise and blur; at a sixth to an eighth of its
    size a crop holds as much texture as one of the usual training sets.

    Args:
        packages: Folder of the unpacked packages.
        folder: Where the PNG files are written.

    Returns:
        The number of files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for path in photographs(packages):
        name = path.parts[-4] if "wallpapers" in path.parts else path.stem.split("_by_")[0]
        with Image.open(path) as image:
            long_side = max(image.size)
            factor = 3 if long_side >= 3600 else 2 if long_side >= 1500 else 1
            reduced = image.convert("RGB").reduce(factor)
        for scale in (2, 4):
            small = reduced.reduce(scale)
            if min(small.size) >= SMALLEST:
                small.save(folder / f"{name}_{scale}.png")
                count += 1
    return count


def main() -> None:
    """Write the photographs of the packages' folder, the first argument, to the second."""
    if len(sys.argv) != 3:
        sys.exit("usage: python scripts/free_photographs.py PACKAGES FOLDER")
    write_photographs(Path(sys.argv[1]), Path(sys.argv[2]))
