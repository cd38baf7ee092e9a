"""Download public image sets, continuing where an interrupted download stopped.

Archives stay in DATA_DIR/.downloads, which may be deleted at any time.
"""

import argparse
import gzip
import re
import shutil
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

import pooch
import requests
from rich import progress
from rich.console import Console

MAX_BYTES = 20 * 2**30  # of an unpacked archive
_DAMAGED = (ValueError, RuntimeError, EOFError, zlib.error, gzip.BadGzipFile)
_DAMAGED += (zipfile.BadZipFile, tarfile.TarError)


class Source(NamedTuple):
    """An archive, which of its files are images of the set, and where they go in its folder."""

    url: str
    files: int
    members: dict[str, str]  # pattern of a name in the archive -> place in the folder
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
SOURCES = {
    "bsd400": Source(_BSDS, 400, {r".*/data/images/(?:train|test)/(\d+\.jpg)": r"\1"}),
    "bsd32": Source(_BSDS, 32, {rf".*/data/images/val/({_BSD32})": r"\1"}),
    "cbsd68": Source(_BSDS, 68, {rf".*/data/images/val/((?!{_BSD32})\d+\.jpg)": r"\1"}),
    "kodak24": Source(_FFDNET, 24, {r".*/testsets/Kodak24/(kodim\d+\.png)": r"\1"}),
    "set12": Source(_FFDNET, 12, {r".*/testsets/Set12/(\d+\.png)": r"\1"}),
    "mcmaster": Source(_SWINIR, 18, {r".*/testsets/McMaster/(\d+\.tif)": r"\1"}),
    "urban100": Source(
        "https://huggingface.co/datasets/eugenesiow/Urban100/resolve/main/data/Urban100_HR.tar.gz",
        100,
        {r".*/(img_\d+\.png)": r"\1"},
        "md5:65d9d84a34b72c6f7ca1e26a12df1e4c",
    ),
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the sets named on the command line and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SOURCES))
    parser.add_argument("--list", action="store_true", help="show the sets and their sources")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where they go")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.sets if name not in SOURCES]:
        parser.error(f"no set {', '.join(unknown)}: there are {', '.join(SOURCES)}")
    if options.list:
        for name, source in SOURCES.items():
            print(f"{name:10}{source.files:4} files  {source.url}")
    elif not options.sets:
        parser.error(f"name a set: {', '.join(SOURCES)}")
    pooch.get_logger().setLevel("WARNING")
    status = 0
    for name in options.sets:
        try:
            print(fetch(name, options.data_dir))
        except (OSError, ValueError) as error:
            print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
            status = 1
        except KeyboardInterrupt:
            print(f"{name}: interrupted; the same command continues it", file=sys.stderr)
            return 130
    return status


def fetch(name: str, data_dir: Path) -> str:
    """Bring a set into its folder, unless it is there, and say in a line what was done.

    Raises:
        OSError: If the download fails.
        ValueError: If the archive is not what it should be, or the folder holds something else.
    """
    source, folder = SOURCES[name], data_dir / name
    if folder.exists():
        have = sum(path.is_file() for path in folder.rglob("*"))
        if have < source.files:
            raise ValueError(f"{folder} has {have} of {source.files} files: remove it first")
        return f"{name}: {folder} is complete"
    downloads, file = data_dir / ".downloads", pooch.utils.unique_file_name(source.url)
    resume = partial(_resume, downloads / f"{file}.part")
    archive = Path(pooch.retrieve(source.url, source.hash, file, downloads, downloader=resume))
    try:
        with TemporaryDirectory(dir=data_dir, prefix=f".{name}.") as temporary:
            _unpack(archive, source, Path(temporary) / name)
            (Path(temporary) / name).rename(folder)
    except _DAMAGED as error:
        raise ValueError(f"{error}; remove {archive} to fetch it anew") from error
    digest = f", sha256 {pooch.file_hash(str(archive))}" if source.hash is None else ""
    return f"{name}: {source.files} files in {folder}{digest}"


def _resume(part: Path, url: str, output: str, _: Any) -> None:
    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=60) as response:
        if start and response.status_code == 416:  # nothing is left to send, or another file is
            part.unlink()
            return _resume(part, url, output, _)
        response.raise_for_status()
        start = start if response.status_code == 206 else 0
        left = response.headers.get("Content-Length")
        total = start + int(left) if left else None
        console = Console(stderr=True)
        columns = (*progress.Progress.get_default_columns(), progress.DownloadColumn())
        bar = progress.Progress(*columns, console=console, disable=not console.is_terminal)
        with bar, part.open("ab" if start else "wb") as file:
            task = bar.add_task(url.rpartition("/")[2], total=total, completed=start)
            try:
                for chunk in response.iter_content(2**15):  # the last, broken one is lost
                    file.write(chunk)
                    bar.advance(task, len(chunk))
            except requests.RequestException as error:
                raise OSError(f"{url} broke off: the same command continues it") from error
    part.replace(output)


def _unpack(archive: Path, source: Source, folder: Path) -> None:
    size = count = 0
    for name, length, regular, opened in _members(archive):
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"refused {archive.name}: its member {name} leads outside its folder")
        size += length
        if size > MAX_BYTES:
            raise ValueError(f"refused {archive.name}: unpacked, it exceeds {MAX_BYTES} bytes")
        matches = ((re.fullmatch(pattern, name), to) for pattern, to in source.members.items())
        target = next((match.expand(to) for match, to in matches if match), None)
        if target is None:
            continue
        if not regular:
            raise ValueError(f"refused {archive.name}: its member {name} is a link or a device")
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        with opened() as inner, (folder / target).open("xb") as outer:
            shutil.copyfileobj(inner, outer)
        count += 1
    if count != source.files:
        raise ValueError(f"{archive.name} has {count} of the {source.files} files of the set")


def _members(archive: Path) -> Iterator[tuple[str, int, bool, partial[IO[bytes]]]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist():
                regular = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
                yield info.filename, info.file_size, regular, partial(file.open, info)
    else:
        with tarfile.open(archive) as file:
            for info in file:
                yield info.name, info.size, info.isreg(), partial(file.extractfile, info)
            while file.fileobj.read(2**20):  # to the checksum at the very end
                pass


if __name__ == "__main__":
    sys.exit(main())
