"""What processes cost in memory, in MiB."""

import contextlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple


def peak_memory(pid: int) -> float:
    """Return the peak resident memory of a process in MiB (on macOS, where no record is kept, the present one)."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import psutil

    memory = psutil.Process(pid).memory_info()
    return getattr(memory, "peak_wset", memory.rss) / 2**20


class Memory(NamedTuple):
    """What Linux counts for one process or several together."""

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
