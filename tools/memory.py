"""What processes cost in memory, as Linux counts it, in MiB: one by one, or a whole container's worth of them."""

import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    anonymous: float  # written by the processes themselves: nothing but ending them gives it back
    private: float  # USS: mapped by no other process, anonymous or not; what ending them would free
    proportional: float  # PSS: private, and of each shared page an equal share


def memory_of(pids: Iterable[int]) -> Memory:
    """Return what the processes `pids` hold together; one that has ended holds nothing."""
    kilobytes = {"Anonymous": 0, "Private_Clean": 0, "Private_Dirty": 0, "Pss": 0}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
                name, _, amount = line.partition(":")
                if name in kilobytes:
                    kilobytes[name] += int(amount.split()[0])
    anonymous, clean, dirty, proportional = (amount / 1024 for amount in kilobytes.values())
    return Memory(anonymous, clean + dirty, proportional)


class Group:
    """The processes of one container: a memory cgroup with a limit, where this system lets us make one.

    Where it does not (that takes cgroup version 1 and root), the processes are only added up, without a limit.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder

    def command(self, command: list) -> list:
        """Return `command` so that it, and all that it starts, counts here."""
        enter = ["bash", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', self.folder]
        return [*enter, *command] if self.folder else command

    def now(self, pids: list[int]) -> dict[str, float]:
        """Return what is anonymous, and the working set: all but the cached files that have not been used for a while.

        Kubernetes, and so Binder, counts a container by its working set.
        """
        if not self.folder:
            memory = memory_of(pids)
            return {"anonymous": memory.anonymous, "working": memory.proportional}
        used = int((self.folder / "memory.usage_in_bytes").read_text())
        counted = dict(line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
        idle, anonymous = int(counted["total_inactive_file"]), int(counted["total_rss"])
        return {"anonymous": anonymous / 2**20, "working": (used - idle) / 2**20}

    def killed(self) -> int:
        """Return how many processes the limit has ended."""
        if not self.folder:
            return 0
        return int(re.search(r"oom_kill (\d+)", (self.folder / "memory.oom_control").read_text())[1])


@contextlib.contextmanager
def watching(look: Callable[[], None], seconds: float):
    """Call `look` every so many seconds while the block runs; what it raises, the end of the block raises."""
    done = threading.Event()

    def watch():
        while not done.wait(seconds):
            look()

    with ThreadPoolExecutor(1) as pool:
        watcher = pool.submit(watch)
        try:
            yield
        finally:
            done.set()
        watcher.result()


@contextlib.contextmanager
def memory_group(limit: int):
    """Yield a `Group` that may hold `limit` MiB."""
    folder = None
    with contextlib.suppress(OSError, TypeError):
        own = re.search(r"^\d+:memory:/(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)[1]
        folder = Path(tempfile.mkdtemp(prefix="ten-templates-", dir=Path("/sys/fs/cgroup/memory") / own))
        (folder / "memory.limit_in_bytes").write_text(str(limit * 2**20))
    try:
        yield Group(folder)
    finally:
        if folder:
            folder.rmdir()


def forget_files(folders: Iterable[Path]) -> None:
    """Drop the files below `folders` from the page cache, so that whoever reads them next is the one it counts for."""
    os.sync()
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                descriptor = os.open(path, os.O_RDONLY)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(descriptor)
