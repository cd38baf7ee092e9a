"""Archives of public sets: resumed downloads, and safe extraction."""

import bz2
import gzip
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

import pooch
import requests
from rich import progress
from rich.console import Console

from denoise.cli.public_sets import Source

MAX_DOWNLOAD = MAX_BYTES = 20 * 2**30  # of an archive, and of what is in it
MAX_READ = 64 * 2**20  # of a name, a header, or what follows the end of a tar
_COMPRESSED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
_DAMAGED = (
    ValueError, RuntimeError, EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile,
    tarfile.TarError, lzma.LZMAError,
)  # fmt: skip


class Member(NamedTuple):
    """A file, link or folder inside an archive."""

    name: str
    size: int
    regular: bool
    open: Callable[[], IO[bytes] | None]


def fetch(name: str, source: Source, data_dir: Path) -> str:
    """Download and unpack a set, unless its folder is complete.

    Args:
        name: of the set and its folder.
        source: its archive.
        data_dir: holds the folder; the archive is kept in `.downloads` there.

    Returns:
        One line on what was done.

    Raises:
        OSError: where the download fails.
        ValueError: where the archive is refused, or the folder holds something else.
    """
    folder = data_dir / name
    if folder.exists():
        have = sum(path.is_file() for path in folder.rglob("*"))
        if have < source.files:
            raise ValueError(f"{folder} has {have} of {source.files} files: remove it first")
        return f"{name}: {folder} is complete"
    downloads, file = data_dir / ".downloads", pooch.utils.unique_file_name(source.url)
    resume = partial(_resume, downloads / f"{file}.part")
    archive = Path(pooch.retrieve(source.url, source.hash, file, downloads, downloader=resume))
    try:  # own extraction: that of pooch follows links on Python 3.11
        with TemporaryDirectory(dir=data_dir, prefix=f".{name}.") as temporary:
            _unpack(archive, source, Path(temporary) / name)
            (Path(temporary) / name).rename(folder)
    except _DAMAGED as error:
        raise ValueError(f"{error}; remove {archive} to fetch it anew") from error
    digest = f", sha256 {pooch.file_hash(str(archive))}" if source.hash is None else ""
    return f"{name}: {source.files} files in {folder}{digest}"


def _resume(partial_file: Path, url: str, output: str, pooch_: object) -> None:
    """Download to a partial file, from where it ends, and rename it once it is complete."""
    start = partial_file.stat().st_size if partial_file.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=60) as response:
        if start and response.status_code == 416:  # it is complete, or of another file
            partial_file.unlink()
            return _resume(partial_file, url, output, pooch_)
        response.raise_for_status()
        start = start if response.status_code == 206 else 0
        left = response.headers.get("Content-Length")
        total = start + int(left) if left else None
        _check_download(url, total or 0)
        console = Console(stderr=True)
        columns = (*progress.Progress.get_default_columns(), progress.DownloadColumn())
        bar = progress.Progress(*columns, console=console, disable=not console.is_terminal)
        with bar, partial_file.open("ab" if start else "wb") as file:
            task = bar.add_task(url.rpartition("/")[2], total=total, completed=start)
            try:
                for chunk in response.iter_content(2**15):  # the last, incomplete one is lost
                    file.write(chunk)
                    bar.advance(task, len(chunk))
                    _check_download(url, file.tell())
            except requests.RequestException as error:
                raise OSError(f"{url} broke off: the same command continues it") from error
    partial_file.replace(output)


def _check_download(url: str, size: int) -> None:
    if size > MAX_DOWNLOAD:
        raise ValueError(
            f"refused {url}: it exceeds {MAX_DOWNLOAD} bytes; is it the right address?"
        )


def _unpack(archive: Path, source: Source, folder: Path) -> None:
    """Write the members that the set takes to the folder.

    Raises:
        ValueError: for paths that lead outside, links, devices, too many bytes or too few files.
    """
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
        inner = opened()
        assert inner is not None  # a regular file can be read
        with inner, (folder / target).open("xb") as outer:
            shutil.copyfileobj(inner, outer)
        count += 1
    if count != source.files:
        raise ValueError(f"{archive.name} has {count} of the {source.files} files of the set")


def _members(archive: Path) -> Iterator[Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist():
                regular = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
                yield Member(info.filename, info.file_size, regular, partial(file.open, info))
    else:
        with archive.open("rb") as file:
            opened = _COMPRESSED.get(file.read(2), open)
        with opened(archive, "rb") as stream:
            bounded: Any = _Bounded(stream)
            with tarfile.open(fileobj=bounded, mode="r:") as tar:
                for entry in tar:
                    yield Member(
                        entry.name, entry.size, entry.isreg(), partial(tar.extractfile, entry)
                    )
            while bounded.read(2**20):  # up to the checksum at the end
                bounded.passed += 2**20


class _Bounded:
    """A stream that refuses to read much at once: a header of a tar may claim any length."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.passed = stream, 0
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size + self.passed > MAX_READ:
            raise ValueError(f"more than {MAX_READ} bytes of headers or after the last file")
        return self.stream.read(size)
