"""The folder that keeps CIFAR-10: two files, each there whole and verified, or not there.

Who fetches works in a folder of its own inside the cache and moves the verified files to their final names at the end.
No lock is needed for that to be correct: whoever comes second moves the same bytes there once more. A lock, which the
system lets go however a process ends, saves work: the others wait instead of fetching too, and know what the dead left.
"""

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from helpers.archive import CACHE, FILE_BYTES, RECORD_BYTES, SHA256, Files, open_regular, read_pieces, verified
from helpers.errors import DatasetError
from helpers.progress import progress_bar

LOCK = ".ten-templates.lock"
WORK = ".ten-templates-fetch-"  # how the names of work folders begin
MISSING = "missing"
QUIET_SECONDS = 30  # whoever is first and writes nothing for so long is waited for no longer
DEAD_SECONDS = 86_400  # a work folder of another machine is removed when it is as old as this


def read_cache(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Verify the files in `folder` and map them into memory.

    Returns:
        Name to records, (n, 3073) uint8, read-only, of each sound file; and name to what is wrong with each other one:
        it is missing, or its bytes are not the published ones. What is mapped is the very file that was verified, even
        if another has taken its name since.

    Raises:
        DatasetError: a file cannot be read, which says nothing about its bytes. Nothing was changed.
    """
    sound, wrong = {}, {}
    for cached, names in CACHE.items():
        try:
            with open_regular(folder / cached) as file:
                for name in names:
                    for _ in verified(name, read_pieces(file, FILE_BYTES)):
                        pass
                if file.read(1):
                    raise DatasetError("it has bytes past its end")
                sound[cached] = np.memmap(file, dtype=np.uint8, mode="r").reshape(-1, RECORD_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            wrong[cached] = MISSING
        except DatasetError as error:
            wrong[cached] = str(error)
        except (OSError, MemoryError) as error:
            raise DatasetError(
                f"{folder / cached} cannot be read: {getattr(error, 'strerror', None) or 'out of memory'}. It stays as "
                "it is. Run this again when the cause is gone, or set CIFAR10_HOME to a folder elsewhere."
            ) from error
    return sound, wrong


def damage(folder: Path) -> dict[str, str]:
    """Return what is wrong with each file in `folder`, by its name; empty if all is well."""
    return read_cache(folder)[1]


def describe(wrong: dict[str, str]) -> str:
    """Put what `damage` found into words."""
    return ", ".join(f"{cached} ({complaint})" for cached, complaint in wrong.items())


def is_ours(path: Path) -> bool:
    """Tell whether a file is a copy of CIFAR-10, whole or damaged, or empty, so that it may give way to a sound one.

    Where CIFAR-10 has its labels, every 3,073 bytes, nearly all bytes of a damaged copy are labels still.
    """
    if path.is_symlink() or not path.is_file():
        return False
    if path.stat().st_size == 0:
        return True
    labels = np.memmap(path, dtype=np.uint8, mode="r")[: 5 * FILE_BYTES : RECORD_BYTES]
    return len(labels) >= 20 and bool(np.mean(labels <= 9) > 0.9)


def check_ours(folder: Path, wrong: dict[str, str]) -> None:
    """Raise `DatasetError` for the first of the wrong files that is there and not ours to replace."""
    for cached, complaint in wrong.items():
        if os.path.lexists(folder / cached) and not is_ours(folder / cached):
            raise DatasetError(
                f"{folder / cached} is no copy of CIFAR-10 ({complaint}) and may be somebody's, so it is left alone. "
                "Move it elsewhere, or set CIFAR10_HOME to another folder, and run this again."
            )


def store(files: Files, folder: Path, work: Path, source: str) -> None:
    """Verify the six files and put them into the cache `folder`, all or nothing, each under its final name in one move.

    A damaged file that has the name is kept beside it. Raises `DatasetError` if one of the six is missing or wrong,
    `OSError` if the disk refuses.
    """
    missing, bar = set(SHA256), None
    with contextlib.ExitStack() as stack:
        parts = {cached: stack.enter_context(open(work / cached, "wb")) for cached in CACHE}
        for name, pieces in files:
            bar = bar or stack.enter_context(progress_bar(
                total=len(SHA256) * FILE_BYTES, unit="B", unit_scale=True, desc=f"CIFAR-10 from {source}",
            ))  # fmt: skip
            cached = next(cached for cached, names in CACHE.items() if name in names)
            parts[cached].seek(CACHE[cached].index(name) * FILE_BYTES)
            for piece in verified(name, pieces):
                parts[cached].write(piece)
                bar.update(len(piece))
            missing.remove(name)
        if missing:
            raise DatasetError(f"{', '.join(sorted(missing))} missing")
        for part in parts.values():
            part.flush()
            os.fsync(part.fileno())
    check_ours(folder, wrong := damage(folder))
    for cached, complaint in wrong.items():
        final = folder / cached
        # What is damaged is kept, under the first name that is free; what another process brought meanwhile is not it.
        with contextlib.suppress(FileNotFoundError):
            if complaint != MISSING and final.stat().st_size:
                names = (folder / f"{cached}.damaged{number}" for number in ("", *range(2, 1_000)))
                os.replace(final, next(name for name in names if not os.path.lexists(name)))
        try:
            os.replace(work / cached, final)
        except PermissionError:  # Windows, where another process brought the same file, and has it open
            if cached in damage(folder):
                raise


def clear(folder: Path) -> tuple[list[str], list[str]]:
    """Remove the data, and what is left of it, from `folder`; return the names removed, and of what is not ours.

    Arrays that are open stay valid. Raises `DatasetError` if a file may not be removed.
    """
    removed: list[str] = []
    left: list[str] = []
    path = folder
    try:
        for path in sorted(folder.glob("*")):
            if re.fullmatch(r"(train|test)\.bin(\.damaged\d*)?", path.name):
                if ours := is_ours(path):
                    path.unlink()
                (removed if ours else left).append(path.name)
        lock = _lock(folder)
        with contextlib.suppress(OSError, NotImplementedError):
            lock.acquire(timeout=0)
            sweep(folder)
            _let_go(lock)
            folder.rmdir()  # unless something else lies there
    except OSError as error:
        raise DatasetError(
            f"{path} could not be removed: {error.strerror}. Close the notebooks that use it, or remove it as a user "
            "who may."
        ) from error
    return removed, left


@contextlib.contextmanager
def work_folder(folder: Path) -> Iterator[Path]:
    """Give a work folder in the cache `folder`, which is made if need be; wait for whoever came first; tidy up."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder)
    with contextlib.suppress(OSError, NotImplementedError):  # without locks, all fetch
        _take_turn(lock, folder)
    work = folder / (WORK + host() + ("" if lock.is_locked else f"-{secrets.token_hex(4)}"))
    try:
        if lock.is_locked:
            sweep(folder)
        work.mkdir()
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        _let_go(lock)


def _lock(folder: Path):
    """Return the lock of a cache, which the system lets go however its process ends."""
    import filelock  # needed only to fetch

    return filelock.FileLock(folder / LOCK)


def _let_go(lock) -> None:
    if lock.is_locked:
        with contextlib.suppress(OSError):
            os.unlink(lock.lock_file)
        lock.release()


def _take_turn(lock, folder: Path) -> None:
    """Wait while the process that came first still works; what it fetches need not be fetched twice.

    If it dies, the next in turn takes its place. If it fails, all who waited go on at once, without the lock: they have
    waited long enough for an answer. Raises `OSError` where the file system has no locks.
    """
    state, since, wait = None, time.monotonic(), 0.0
    with progress_bar(total=None, desc="Another process fetches CIFAR-10", bar_format="{desc} {elapsed}") as bar:
        while time.monotonic() - since < QUIET_SECONDS:
            with contextlib.suppress(TimeoutError):
                lock.acquire(timeout=wait)
                if wait and not (folder / (WORK + host())).exists():
                    _let_go(lock)
                return
            wait = 0.1
            bar.update(0)
            if (now := contents(folder, f"{WORK}*/**/*")) != state:
                state, since = now, time.monotonic()


def sweep(folder: Path) -> None:
    """Remove what dead processes left. Only the holder of the lock may call this."""
    for work in folder.glob(f"{WORK}*"):
        with contextlib.suppress(OSError):
            newest = max(path.stat().st_mtime for path in (work, *work.rglob("*")))
            if not work.is_symlink() and (work.name == WORK + host() or time.time() - newest > DEAD_SECONDS):
                shutil.rmtree(work, ignore_errors=True)


def host() -> str:
    """Name the running system, whose locks can be believed: by when it started, which all its containers share."""
    import psutil  # needed only to fetch

    return str(round(psutil.boot_time() / 60))  # to the minute, as systems with a drifting clock know it


def contents(folder: Path, pattern: str = "**/*") -> list[tuple[str, int]]:
    """Return names and sizes of what is below a folder: they change as long as somebody works there."""
    with contextlib.suppress(OSError):  # what is gone in the next moment
        return [(path.name, path.stat().st_size) for path in sorted(folder.glob(pattern)) if path.is_file()]
    return []
