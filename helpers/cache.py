"""The folder that keeps CIFAR-10: two files, each there whole and verified, or not there.

Who fetches works in a folder of its own inside the cache and moves the verified files to their final names at the end.
No lock is needed for that to be correct: whoever comes second moves the same bytes there once more. A lock, which the
system lets go however a process ends, saves work: the others wait instead of fetching too, and know what the dead left.
"""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from helpers import archive
from helpers.archive import CACHE, FILE_BYTES, RECORD_BYTES, Files
from helpers.errors import DatasetError
from helpers.progress import progress_bar

LOCK = ".ten-templates.lock"
WORK = ".ten-templates-fetch"  # how the names of work folders begin
MISSING = "missing"
QUIET_SECONDS = 30  # whoever is first and writes nothing for so long is waited for no longer
DEAD_SECONDS = 86_400  # a work folder of one who had no lock is removed when it is as old as this


def read_cache(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Verify the files in `folder` and map them into memory.

    Returns name to records, (n, 3073) uint8, read-only, of each sound file; and name to what is wrong with each other
    one: it is missing, or its bytes are not the published ones. What is mapped is the very file that was verified, even
    if another has taken its name since. Raises `DatasetError`, with nothing changed, where a file cannot be read, which
    says nothing about its bytes, or is somebody else's.
    """
    sound, wrong = {}, {}
    for cached, names in CACHE.items():
        path = folder / cached
        try:
            with archive.plain_errors(), archive.open_regular(path) as file:
                for name in names:
                    for _ in archive.verified_file(name, archive.read_pieces(file, FILE_BYTES)):
                        pass
                if file.read(1):
                    raise DatasetError("it has bytes past its end")
                sound[cached] = np.memmap(file, dtype=np.uint8, mode="r").reshape(-1, RECORD_BYTES)
        except DatasetError as error:
            gone = isinstance(error.__cause__, FileNotFoundError | NotADirectoryError) and not path.is_symlink()
            if gone or (not error.__cause__ and is_ours(path)):
                wrong[cached] = MISSING if gone else str(error)
                continue
            advice = "It is no copy of CIFAR-10 and may be somebody's: move it away"
            if error.__cause__:
                advice = "Run this again when the cause is gone"
            said = f"{path}: {error}. It stays as it is. {advice}, or set CIFAR10_HOME to a folder elsewhere."
            raise DatasetError(said) from error
    return sound, wrong


def describe(wrong: dict[str, str]) -> str:
    """Put what `read_cache` found wrong into words."""
    return ", ".join(f"{cached} ({complaint})" for cached, complaint in wrong.items())


def is_ours(path: Path) -> bool:
    """Tell whether a file is a copy of CIFAR-10, whole or damaged, or empty, so that it may give way to a sound one.

    Where CIFAR-10 has its labels, every 3,073 bytes, each of the ten is about as frequent, in a damaged copy still.
    """
    if path.is_symlink() or not path.is_file():
        return False
    with open(path, "rb") as file:
        labels = np.frombuffer(file.read(FILE_BYTES), dtype=np.uint8)[::RECORD_BYTES]
    return bool((np.bincount(labels, minlength=10)[:10] >= 0.05 * len(labels)).all())


def store(files: Files, folder: Path, work: Path, source: str) -> None:
    """Verify the six files and put them into the cache `folder`, all or nothing, each under its final name in one move.

    What is sound there stays. Raises `DatasetError` for wrong files, `OSError` from the disk.
    """
    with contextlib.ExitStack() as stack:
        parts = {cached: stack.enter_context(open(work / cached, "wb")) for cached in CACHE}
        bar = None
        for name, pieces in archive.verified(files):
            bar = bar or stack.enter_context(
                progress_bar(total=archive.BYTES, unit="B", unit_scale=True, desc=f"CIFAR-10 from {source}")
            )
            cached = next(cached for cached, names in CACHE.items() if name in names)
            parts[cached].seek(CACHE[cached].index(name) * FILE_BYTES)
            for piece in pieces:
                parts[cached].write(piece)
                bar.update(len(piece))
        for part in parts.values():
            part.flush()
            os.fsync(part.fileno())
    for cached in read_cache(folder)[1]:
        try:
            os.replace(work / cached, folder / cached)
        except PermissionError:  # Windows, where another process brought the same file, and has it open
            if cached in read_cache(folder)[1]:
                raise


def clear(folder: Path) -> tuple[list[str], list[str]]:
    """Remove the data, and what is left of it, from `folder`; return the names removed, and those left, as not ours.

    Arrays that are open stay valid. Raises `DatasetError` if a file may not be removed.
    """
    removed, left = [], []
    try:
        if folder.is_dir():
            with work_folder(folder):  # what the dead left goes with it
                for path in (folder / cached for cached in CACHE):
                    if is_ours(path):
                        path.unlink()
                        removed.append(path.name)
                    elif os.path.lexists(path):
                        left.append(path.name)
            if not any(folder.iterdir()):
                folder.rmdir()
    except OSError as error:
        advice = "Close the notebooks that use it, or remove it as a user who may."
        raise DatasetError(f"{error.filename or folder} could not be removed: {error.strerror}. {advice}") from error
    return removed, left


@contextlib.contextmanager
def work_folder(folder: Path) -> Iterator[Path]:
    """Give a work folder in the cache `folder`, which is made if need be; wait for whoever came first; tidy up.

    What the process that came first fetches need not be fetched twice. If it dies or fails, the next takes its place.
    """
    import filelock  # needed only to fetch

    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK)
    with contextlib.suppress(OSError, NotImplementedError):  # without locks, all fetch
        for quiet in quiet_seconds(folder, f"{WORK}*/**/*", "Another process fetches CIFAR-10"):
            with contextlib.suppress(TimeoutError):
                lock.acquire(timeout=0)
            if lock.is_locked or quiet > QUIET_SECONDS:
                break
    # Under the lock, a folder of this name was left by the dead.
    work = folder / (WORK if lock.is_locked else f"{WORK}-{secrets.token_hex(4)}")
    try:
        if lock.is_locked:
            for left in folder.glob(f"{WORK}*"):
                with contextlib.suppress(OSError):  # what is gone in the next moment; a link or a file, which stays
                    if left == work or time.time() - left.lstat().st_mtime > DEAD_SECONDS:
                        shutil.rmtree(left)
        work.mkdir()
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if lock.is_locked:
            with contextlib.suppress(OSError):
                os.unlink(lock.lock_file)
            lock.release()


def quiet_seconds(folder: Path, pattern: str, description: str) -> Iterator[float]:
    """Yield, ten times a second and with a bar, for how long no file in `folder` that fits has come, grown or gone."""
    state, since = None, time.monotonic()
    with progress_bar(total=None, desc=description, bar_format="{desc} {elapsed}") as bar:
        while True:
            with contextlib.suppress(OSError):  # what is gone in the next moment
                now = [(path, path.stat().st_size) for path in folder.glob(pattern) if path.is_file()]
                if now != state:
                    state, since = now, time.monotonic()
            yield time.monotonic() - since
            bar.update(0)
            time.sleep(0.1)
