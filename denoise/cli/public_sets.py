"""Public image sets: where each comes from and which files of an archive it takes."""

from typing import NamedTuple


class Source(NamedTuple):
    """An archive, which of its files are images of the set, and where they go in its folder."""

    url: str
    files: int
    members: dict[str, str]  # pattern of a name in the archive -> path in the folder
    hash: str | None = None


_GITHUB = "https://github.com/{}/archive/{}.zip"
_BSDS = _GITHUB.format("BIDS/BSDS500", "refs/heads/master")
_FFDNET = _GITHUB.format("cszn/FFDNet", "refs/heads/master")
_SWINIR = _GITHUB.format("JingyunLiang/SwinIR", "33f616625268d08ba600f8db89388eec0328edb1")
_POLYU = _GITHUB.format(
    "csjunxu/PolyU-Real-World-Noisy-Images-Dataset", "488d733181fb71ce8ef58c1869f70aa21b33d535"
)
# the images of BSDS500's val part that are not in BSD68
_BSD32 = (
    "(?:8023|37073|38082|38092|41033|41069|42012|42049|43074|45096|54082|55073|58060|62096|65033|"
    "66053|69015|69020|69040|76053|78004|85048|86000|86016|86068|87046|89072|97033|156065|361010|"
    r"376043|385039)\.jpg"
)
_URBAN100 = Source(
    "https://huggingface.co/datasets/eugenesiow/Urban100/resolve/main/data/Urban100_HR.tar.gz",
    100,
    {r".*/(img_\d+\.png)": r"\1"},
    "md5:65d9d84a34b72c6f7ca1e26a12df1e4c",
)
_EVERY_FOURTH = "|".join(f"{number:03}" for number in range(4, 100, 4))
SOURCES = {
    "bsd400": Source(_BSDS, 400, {r".*/data/images/(?:train|test)/(\d+\.jpg)": r"\1"}),
    "bsd32": Source(_BSDS, 32, {rf".*/data/images/val/({_BSD32})": r"\1"}),
    "cbsd68": Source(_BSDS, 68, {rf".*/data/images/val/((?!{_BSD32})\d+\.jpg)": r"\1"}),
    "kodak24": Source(_FFDNET, 24, {r".*/testsets/Kodak24/(kodim\d+\.png)": r"\1"}),
    "set12": Source(_FFDNET, 12, {r".*/testsets/Set12/(\d+\.png)": r"\1"}),
    "mcmaster": Source(_SWINIR, 18, {r".*/testsets/McMaster/(\d+\.tif)": r"\1"}),
    "urban100": _URBAN100,
    "urban24": _URBAN100._replace(files=24, members={rf".*/(img_(?:{_EVERY_FOURTH})\.png)": r"\1"}),
    "div2k": Source(
        "https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip",
        800,
        {r".*/(\d+\.png)": r"\1"},
        "md5:bdc2d9338d4e574fe81bf7d158758658",
    ),
    "polyu": Source(
        _POLYU,
        200,
        {
            r".*/CroppedImages/([\w-]+)_real\.JPG": r"noisy/\1.jpg",
            r".*/CroppedImages/([\w-]+)_mean\.JPG": r"clean/\1.jpg",
        },
    ),
}
