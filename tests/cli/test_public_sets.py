"""Each public set takes its own files of an archive."""

import re
from pathlib import Path

import pytest

from denoise.cli.public_sets import SOURCES

SHARED = {  # what each public archive is known to hold, and how many files the set takes of it
    "bsd400": "BSDS500-master/BSDS500/data/images/train/100075.jpg",
    "bsd32": "BSDS500-master/BSDS500/data/images/val/8023.jpg",
    "cbsd68": "BSDS500-master/BSDS500/data/images/val/101085.jpg",
    "kodak24": "FFDNet-master/testsets/Kodak24/kodim01.png",
    "set12": "FFDNet-master/testsets/Set12/01.png",
    "mcmaster": "SwinIR-33f6/testsets/McMaster/18.tif",
    "urban100": "Urban100_HR/img_001.png",
    "urban24": "Urban100_HR/img_004.png",
    "div2k": "DIV2K_train_HR/0001.png",
    "polyu": "PolyU-488d/CroppedImages/Canon5D2_5_160_3200_chair_11_real.JPG",
}


@pytest.mark.parametrize("name", SHARED)
def test_each_set_takes_its_own_files(name):
    def places(member, source):
        matches = ((re.fullmatch(pattern, member), to) for pattern, to in source.members.items())
        return [match.expand(to) for match, to in matches if match]

    takers = {one for one in SOURCES if places(SHARED[name], SOURCES[one])}
    rivals = {one for one in takers if SOURCES[one].url == SOURCES[name].url}
    assert rivals == ({"urban24", "urban100"} if name == "urban24" else {name})  # a part of it
    (place,) = places(SHARED[name], SOURCES[name])
    assert place == (
        "noisy/Canon5D2_5_160_3200_chair_11.jpg" if name == "polyu" else Path(SHARED[name]).name
    )
    assert SOURCES.keys() == SHARED.keys()


def test_urban24_is_every_fourth_image():
    (pattern,) = SOURCES["urban24"].members
    taken = [n for n in range(1, 101) if re.fullmatch(pattern, f"Urban100_HR/img_{n:03}.png")]
    assert taken == list(range(4, 100, 4))
    assert len(taken) == SOURCES["urban24"].files
