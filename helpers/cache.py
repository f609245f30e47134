"""The folder that keeps CIFAR-10: two files, each there whole and verified, or not there.

Who fetches works in a folder of its own inside the cache, named `.fetch-TIME-PROCESS-MACHINE-...`, and moves the
verified files to their final names at the end. No lock is needed for that to be correct: whoever comes second moves
the same bytes there once more. The names also tell who came first, so that the others can wait instead of fetching
too, and which process is dead, so that what it left can be removed.
"""

import contextlib
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from helpers.archive import CACHE, FILE_BYTES, RECORD_BYTES, SHA256, Files, read_pieces, verified
from helpers.errors import DatasetError, say
from helpers.progress import progress_bar

WORK = re.compile(r"\.fetch-\d+-(?P<process>\d+)-(?P<machine>.+)-[^-]+")
MACHINE = re.sub(r"\W", "_", platform.node()) or "unknown"
QUIET_SECONDS = 30  # whoever is first and writes nothing for so long is waited for no longer
DEAD_SECONDS = 86_400  # a work folder of another machine is removed when it is as old as this


def read_cache(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Verify the files in `folder` and map them into memory.

    Returns:
        Name to records, (n, 3073) uint8, read-only, of each sound file; and name to what is wrong with each other one.
        What is mapped is the very file that was verified, even if another has taken its name since.
    """
    sound, wrong = {}, {}
    for cached, names in CACHE.items():
        complaints = []
        try:
            with open(folder / cached, "rb") as file:
                for name in names:
                    try:
                        for _ in verified(name, read_pieces(file)):
                            pass
                    except DatasetError as error:
                        complaints.append(str(error))
                if file.read(1):
                    complaints.append("it has bytes past its end")
                if not complaints:
                    sound[cached] = np.memmap(file, dtype=np.uint8, mode="r").reshape(-1, RECORD_BYTES)
        except FileNotFoundError:
            complaints = ["missing"]
        except OSError as error:
            complaints = [f"it cannot be read ({error.strerror})"]
        if complaints:
            wrong[cached] = "; ".join(complaints)
    return sound, wrong


def damage(folder: Path) -> dict[str, str]:
    """Return what is wrong with each file in `folder`, by its name; empty if all is well."""
    return read_cache(folder)[1]


def describe(wrong: dict[str, str]) -> str:
    """Put what `damage` found into words."""
    return ", ".join(f"{cached} ({complaint})" for cached, complaint in wrong.items())


def set_aside(folder: Path, wrong: dict[str, str]) -> None:
    """Rename damaged files, so that nothing wrong stands under a final name, and say so."""
    for cached in wrong:
        with contextlib.suppress(FileNotFoundError):
            os.replace(folder / cached, folder / f"{cached}.damaged")
            say(f"{folder / cached} is damaged: {wrong[cached]}. Set aside as {cached}.damaged, it is fetched again.")


def store(files: Files, folder: Path, work: Path, source: str) -> None:
    """Verify the six files and put them into the cache `folder`, all or nothing, each under its final name in one move.

    Raises `DatasetError` if one is missing or wrong, `OSError` if the disk refuses.
    """
    stored, bar = set(), None
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
            stored.add(name)
        if missing := [name for name in SHA256 if name not in stored]:
            raise DatasetError(f"{', '.join(missing)} missing")
        for part in parts.values():
            part.flush()
            os.fsync(part.fileno())
    for cached in CACHE:
        try:
            os.replace(work / cached, folder / cached)
        except PermissionError:  # Windows, where another process brought the same file, and has it open
            if cached in damage(folder):
                raise


def clear(folder: Path) -> list[str]:
    """Remove the data, and what dead processes left, from `folder` and nothing else; return the names removed.

    Arrays that are open stay valid. Raises `DatasetError` if a file may not be removed.
    """
    sweep(folder)
    removed = []
    try:
        for path in [folder / name for cached in CACHE for name in (cached, f"{cached}.damaged")]:
            if path.exists():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed.append(path.name)
        with contextlib.suppress(OSError):  # something else lies there
            folder.rmdir()
    except OSError as error:
        raise DatasetError(
            f"{path} could not be removed: {error.strerror}. Close the notebooks that use it, or remove it as a user "
            "who may."
        ) from error
    return removed


@contextlib.contextmanager
def work_folder(folder: Path) -> Iterator[Path]:
    """Give a work folder in the cache `folder`, which is made if need be; wait for whoever came first; tidy up."""
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    with tempfile.TemporaryDirectory(
        prefix=f".fetch-{time.time_ns():020}-{os.getpid()}-{MACHINE}-", dir=folder, ignore_cleanup_errors=True
    ) as work:
        _wait_for_the_first(folder, Path(work))
        yield Path(work)


def sweep(folder: Path) -> None:
    """Remove what dead processes left in `folder`: those of this machine, and whatever is older than a day."""
    for work in folder.glob(".fetch-*"):
        with contextlib.suppress(OSError):
            old = time.time() - max(_newest(work), work.stat().st_mtime) > DEAD_SECONDS
            if work.is_dir() and (old or _is_dead(work)):
                shutil.rmtree(work, ignore_errors=True)


def _is_dead(work: Path) -> bool:
    """Tell whether the process that owns the work folder ran on this machine and is gone."""
    owner = WORK.fullmatch(work.name)
    return bool(owner) and owner["machine"] == MACHINE and not psutil.pid_exists(int(owner["process"]))


def _state(work: Path) -> list[tuple[str, int]]:
    """Return names and sizes of what is in a work folder: they change as long as somebody works there."""
    state = []
    with contextlib.suppress(OSError):
        for path in sorted(work.rglob("*")):
            state.append((path.name, path.stat().st_size))
    return state


def _newest(work: Path) -> float:
    """Return when something in a work folder was last written."""
    return max((path.stat().st_mtime for path in work.rglob("*")), default=0.0)


def _wait_for_the_first(folder: Path, own: Path) -> None:
    """Wait while the process that came first still works; what it fetches need not be fetched twice.

    If it fails, all who waited go on at once: they have waited long enough for an answer.
    """
    claims = [work for work in folder.glob(".fetch-*") if WORK.fullmatch(work.name) and not _is_dead(work)]
    first = min(claims, default=own)
    if first == own:
        return
    state, since = _state(first), time.monotonic()
    with progress_bar(total=None, desc="Another process fetches CIFAR-10", bar_format="{desc} {elapsed}") as bar:
        while first.exists() and not _is_dead(first) and time.monotonic() - since < QUIET_SECONDS:
            time.sleep(0.1)
            bar.refresh()
            if (now := _state(first)) != state:
                state, since = now, time.monotonic()
