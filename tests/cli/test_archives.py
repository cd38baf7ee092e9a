"""Archives: downloads that continue, and nothing in them that is trusted."""

import bz2
import gzip
import hashlib
import http.server
import io
import lzma
import re
import shutil
import stat
import tarfile
import threading
import zipfile

import numpy as np
import pytest

from denoise.cli import archives
from denoise.cli.public_sets import SOURCES, Source

FILES = {f"top/images/{i}.png": np.random.default_rng(i).bytes(50_000) for i in range(3)}


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` from memory, with ranges; closes the connection after `cut` bytes, once."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cut, self.ranges, self.requests = {}, None, True, []
        self.says_length = True


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.files.get(self.path)
        asked = self.headers.get("Range")
        self.server.requests.append(asked)
        if content is None:
            return self.send_error(404)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.server.ranges else 0
        if start and start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if self.server.says_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : self.server.cut])
        self.server.cut = None

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def status(command):
    """Run the command with words; returns its exit status."""

    def status(*words):
        try:
            command("fetch_data", *words)
        except SystemExit as exit_:
            return exit_.code
        return 0

    return status


@pytest.fixture
def fetch(status, server, tmp_path, monkeypatch):
    """Serve an archive as the public set `toy` and fetch it; returns the exit status."""

    def fetch(content=None, name="toy.zip", known_hash=None):
        if content is not None:
            server.files = {f"/{name}": content}
        url = f"http://127.0.0.1:{server.server_port}/{name}"
        toy = Source(url, 3, {r".*/images/(\d+\.png)": r"sub/\1"}, known_hash)
        monkeypatch.setitem(SOURCES, "toy", toy)
        return status("toy", f"data_dir={tmp_path}/data")

    return fetch


def make_zip(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def make_tar(files, links=()):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, kind, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def assert_complete(tmp_path):
    found = sorted(path for path in (tmp_path / "data/toy").rglob("*") if path.is_file())
    assert [path.relative_to(tmp_path / "data/toy").as_posix() for path in found] == [
        "sub/0.png",
        "sub/1.png",
        "sub/2.png",
    ]
    assert [path.read_bytes() for path in found] == list(FILES.values())


def assert_nothing(tmp_path):
    """No set, nothing half unpacked, nothing outside of the data folder."""
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert {path.name for path in (tmp_path / "data").iterdir()} <= {".downloads"}


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_fetch_takes_the_members_of_the_set(fetch, make, tmp_path, capsys):
    content = make({**FILES, "top/readme.md": b"no image", "top/other/9.png": b"other"})
    assert fetch(content) == 0
    assert_complete(tmp_path)
    out, err = capsys.readouterr()
    assert out == (
        f"toy: 3 files in {tmp_path}/data/toy, sha256 {hashlib.sha256(content).hexdigest()}\n"
    )
    assert err == ""


def test_what_is_there_is_not_fetched_again(fetch, server, tmp_path, capsys):
    assert fetch(make_zip(FILES)) == 0
    assert fetch() == 0
    assert "toy is complete" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "data/toy")
    assert fetch() == 0
    assert_complete(tmp_path)
    assert len(server.requests) == 1


def test_an_incomplete_folder_is_left_to_its_owner(fetch, server, tmp_path, capsys):
    (tmp_path / "data/toy").mkdir(parents=True)
    (tmp_path / "data/toy/0.png").touch()
    assert fetch(make_zip(FILES)) == 1
    assert "toy has 1 of 3 files: remove it first" in capsys.readouterr().err
    assert server.requests == []


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_is_continued(fetch, server, tmp_path, capsys, ranges):
    server.cut, server.ranges = 100_000, ranges
    content = make_zip(FILES)
    known = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert fetch(content, known_hash=known) == 1
    err = capsys.readouterr().err
    assert re.fullmatch(r"toy: http\S+/toy\.zip broke off: the same command continues it\n", err)
    assert_nothing(tmp_path)
    (part,) = (tmp_path / "data/.downloads").iterdir()
    kept = part.stat().st_size
    assert 60_000 < kept <= 100_000
    assert content.startswith(part.read_bytes())
    assert fetch(known_hash=known) == 0
    assert_complete(tmp_path)
    assert server.requests == [None, f"bytes={kept}-"]


def test_a_partial_file_that_the_server_cannot_continue_starts_anew(fetch, server, tmp_path):
    server.cut = 100_000
    content = make_zip(FILES)
    assert fetch(content) == 1
    (part,) = (tmp_path / "data/.downloads").iterdir()
    part.write_bytes(content + b"too much")
    assert fetch() == 0
    assert_complete(tmp_path)
    assert server.requests[1:] == [f"bytes={len(content) + 8}-", None]


def test_a_wrong_hash_is_refused(fetch, tmp_path, capsys):
    assert fetch(make_zip(FILES), known_hash="md5:" + "0" * 32) == 1
    err = capsys.readouterr().err
    assert err.startswith("toy: MD5 hash of downloaded file")
    assert err.count("\n") == 1
    assert_nothing(tmp_path)
    assert list((tmp_path / "data/.downloads").iterdir()) == []


def test_a_missing_file_and_a_missing_server(fetch, status, server, tmp_path, capsys):
    server.files = {}
    assert fetch() == 1
    err = capsys.readouterr().err
    assert err.startswith("toy: 404 Client Error: Not Found for url: http://127.0.0.1")
    assert err.count("\n") == 1
    SOURCES["toy"] = SOURCES["toy"]._replace(url="http://127.0.0.1:9/toy.zip")
    assert status("toy", f"data_dir={tmp_path}/data") == 1
    err = capsys.readouterr().err
    assert err.startswith("toy: ")
    assert err.count("\n") == 1
    assert_nothing(tmp_path)


EVIL_NAMES = ("../images/9.png", "top/../../images/9.png", "/images/9.png", "..\\images\\9.png")


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("name", EVIL_NAMES)
def test_archives_that_lead_outside_are_refused(fetch, make, name, tmp_path, capsys):
    assert fetch(make({**FILES, name: b"evil"})) == 1
    err = capsys.readouterr().err
    assert re.search(r"refused .*toy\.zip: its member .* leads outside its folder; remove ", err)
    assert_nothing(tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_tars_with_links_and_devices_are_refused(fetch, kind, tmp_path, capsys):
    assert fetch(make_tar(FILES, [("top/images/9.png", kind, "/etc/passwd")])) == 1
    assert "top/images/9.png is a link or a device" in capsys.readouterr().err
    assert_nothing(tmp_path)


def test_tars_cannot_write_through_a_link(fetch, tmp_path):
    (tmp_path / "data").mkdir()
    assert fetch(make_tar(FILES, [("top/images", tarfile.SYMTYPE, str(tmp_path))])) == 0
    assert_complete(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_zips_with_links_are_refused(fetch, tmp_path, capsys):
    link = zipfile.ZipInfo("top/images/9.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert fetch(make_zip(FILES | {link: "/etc/passwd"})) == 1
    assert "top/images/9.png is a link or a device" in capsys.readouterr().err
    assert_nothing(tmp_path)


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_absurd_sizes_and_counts_are_refused(fetch, make, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(archives, "MAX_BYTES", 120_000)
    assert fetch(make(FILES)) == 1
    assert "unpacked, it exceeds 120000 bytes" in capsys.readouterr().err
    assert fetch(make({"top/images/1.png": b"1"}), "few.zip") == 1
    assert "has 1 of the 3 files of the set" in capsys.readouterr().err
    assert_nothing(tmp_path)


def test_a_download_without_end_is_refused(fetch, server, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(archives, "MAX_DOWNLOAD", 120_000)
    for length in (True, False):  # that the server says, or hides
        server.says_length = length
        assert fetch(make_zip(FILES), f"{length}.zip") == 1
        err = capsys.readouterr().err
        assert re.match(r"toy: refused http\S+zip: it exceeds 120000 bytes; is it the right", err)
        assert err.count("\n") == 1
    assert_nothing(tmp_path)
    assert all(p.stat().st_size < 160_000 for p in (tmp_path / "data/.downloads").iterdir())


def pax_header(size):
    """A header of a tar that claims so many bytes of names."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, size
    return info.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_bytes_that_a_tar_hides_are_refused(fetch, compress, monkeypatch, tmp_path, capsys):
    """Behind its end, and in a header of names, which is read at once."""
    monkeypatch.setattr(archives, "MAX_READ", 2**22)
    tar = gzip.decompress(make_tar(FILES))
    assert fetch(compress(tar + bytes(2**20)), "good") == 0
    shutil.rmtree(tmp_path / "data/toy")
    for number, bad in enumerate([tar + bytes(2**23), pax_header(2**23) + bytes(2**23) + tar]):
        assert fetch(compress(bad), f"{number}") == 1
        assert "bytes of headers or after the last file; remove" in capsys.readouterr().err
    assert_nothing(tmp_path)


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_damaged_archives_name_the_remedy(fetch, make, tmp_path, capsys):
    content = make(FILES)
    for number, bad in enumerate((b"no archive", content[:70_000], damaged(content))):
        assert fetch(bad, f"{number}.zip") == 1
        err = capsys.readouterr().err
        assert re.search(rf"; remove .*{number}\.zip to fetch it anew", err)
    assert_nothing(tmp_path)


def damaged(content):
    return (
        content[:60_000] + bytes(byte ^ 255 for byte in content[60_000:60_100]) + content[60_100:]
    )


def test_one_bad_set_does_not_stop_the_others(fetch, status, tmp_path, monkeypatch):
    fetch(make_zip(FILES))
    shutil.rmtree(tmp_path / "data/toy")
    bad = SOURCES["toy"]._replace(url="http://127.0.0.1:9/bad.zip")
    monkeypatch.setitem(SOURCES, "bad", bad)
    assert status("bad", "toy", f"data_dir={tmp_path}/data") == 1
    assert_complete(tmp_path)
