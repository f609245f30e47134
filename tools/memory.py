"""What processes cost in memory, as Linux counts it, in MiB."""

import contextlib
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
