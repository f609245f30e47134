"""The grader's hold on a submission: a process of its own, watched from outside, that answers requests.

A process that dies, hangs or takes too much is ended; `run` and `value` then raise `Ended` with the reason.
"""

import builtins
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from coursework.grading import sandbox, values
from coursework.grading.assignment import printable
from helpers.data import find_data

ROOT = Path(__file__).resolve().parents[2]
CELL_SECONDS = 60  # of processor time, for a cell or for one call of a function
GRACE_SECONDS = 2  # in which a process may still say that its time is up
PATIENCE = 5  # times as long on the clock, so that a busy machine ends no right answer; in all, twice as long
MEMORY = 2 * 2**30  # bytes
LIMITS = {
    "RLIMIT_CPU": 400,  # seconds
    "RLIMIT_FSIZE": 20_000_000,  # bytes of one file
    "RLIMIT_DATA": 3 * 2**30,  # bytes of private memory, with what TensorFlow reserves and does not use
    "RLIMIT_AS": 24 * 2**30,  # bytes of addresses, whose tables take memory too
    "RLIMIT_MEMLOCK": 0,
    "RLIMIT_NOFILE": 256,
    "RLIMIT_CORE": 0,
}
THREADS = 100
FOLDER_BYTES, FOLDER_FILES = 50_000_000, 500  # all that a submission may leave in its folder
READABLE = (  # not /usr/local/share, where nbgrader's exchange is
    "/usr/lib", "/usr/lib64", "/usr/share", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime",
    "/etc/fonts", "/dev/null", "/dev/urandom", "/dev/random", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat",
    "/proc/filesystems", "/proc/self", "/sys/devices/system/cpu", "/sys/devices/system/node", f"{sys.prefix}/lib",
    f"{sys.base_prefix}/lib", str(ROOT / "helpers"),
)  # fmt: skip
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg",
    "HDF5_USE_FILE_LOCKING": "FALSE", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3",
}  # fmt: skip


class Ended(Exception):
    """The submission's process is gone; the message says why."""


class StudentError(AssertionError):
    """The submission's code failed while a test used it; the message says how."""


def excess_of(folder: Path) -> str | None:
    """Return what a submission has too much of in its folder, or None."""
    size, entries, waiting = 0, 0, [str(folder)]
    try:
        while waiting:
            for entry in os.scandir(waiting.pop()):
                about = entry.stat(follow_symlinks=False)
                size, entries = size + max(about.st_size, about.st_blocks * 512), entries + 1
                if entries > FOLDER_FILES or size > FOLDER_BYTES:
                    return f"It wrote more than {FOLDER_BYTES:,} bytes or {FOLDER_FILES} files and folders."
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    except OSError as error:
        return f"It made a folder that cannot be read ({error.strerror})."
    return None


class Student:
    """A submission's process, which may write nothing but `folder`, an empty folder.

    It may take `seconds` of processor time in all; `spent` says how many it has taken. While nothing is asked of it, it
    stands still. Where inputs are `hidden`, nothing of an error is told but its built-in type.
    """

    def __init__(self, folder: Path, seconds: float = math.inf):
        self.spent, self._waited, self.hidden = 0.0, 0.0, False
        self._most = self._late = math.inf  # processor time, and time on the clock, to which it may come now
        self._excess: str | None = None  # what it was ended for
        data = str(find_data())
        own = dict.fromkeys(("HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR"), str(folder))
        self._process = subprocess.Popen(
            [sys.executable, "-sPB", "-m", "coursework.grading.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, cwd=folder, env=ENVIRONMENT | own | {"CIFAR10_HOME": data},
            start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=self._watch, args=(folder, seconds), daemon=True).start()
        reply = self._exchange({"limits": LIMITS, "readable": [*READABLE, data]}, CELL_SECONDS)
        if "refused" in reply:
            self.end()
            raise sandbox.Refused(reply["refused"])

    def end(self) -> None:
        """End the process at once."""
        with contextlib.suppress(BrokenPipeError), self._process:
            self._process.kill()

    def _watch(self, folder: Path, seconds: float) -> None:
        """End the process where it takes too much."""
        with contextlib.suppress(psutil.Error):  # it is gone
            watched = psutil.Process(self._process.pid)
            while self._process.poll() is None and not self._excess:
                self.spent = max(sum(watched.cpu_times()[:2]), self._waited / 2)
                if watched.memory_info().rss > MEMORY:
                    self._excess = f"It took more than {MEMORY / 2**30:.0f} GiB of memory."
                elif watched.num_threads() > THREADS:
                    self._excess = f"It started more than {THREADS} threads."
                elif self.spent > min(self._most, seconds):
                    self._excess = "It was still running when its time was up."
                elif time.monotonic() > self._late:
                    self._excess = "It was still waiting when its time was up."
                else:
                    self._excess = excess_of(folder)
                    time.sleep(0.05)
        self._process.kill()

    def _exchange(self, request: dict, seconds: float) -> dict:
        """Send a request, and return the reply; end the process where none comes."""
        self._most = self.spent + seconds + GRACE_SECONDS
        began, line = time.monotonic(), b""
        self._late = began + PATIENCE * (seconds + GRACE_SECONDS)
        try:
            self._process.send_signal(signal.SIGCONT)
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline(values.LARGEST)
        finally:
            self._process.send_signal(signal.SIGSTOP)
            self._late, self._waited = math.inf, self._waited + time.monotonic() - began
        with contextlib.suppress(ValueError, RecursionError, MemoryError):
            if isinstance(reply := json.loads(line), dict):
                return reply
        self.end()
        code, said = self._process.returncode, "It answered with what makes no sense, or with too much."
        if not line and code >= 0:
            said = f"It ended its own process (exit code {code})."
        elif not line:
            said = f"Its process ended by signal {-code} ({signal.strsignal(-code)})."
        raise Ended(self._excess or said)

    def run(self, source: str, seconds: float = CELL_SECONDS) -> tuple[str | None, str]:
        """Run a cell; return (its error in a line, or None; what it printed)."""
        reply = self._exchange({"source": source, "seconds": seconds}, seconds)
        error, printed = reply.get("error"), reply.get("printed", "")
        return (None if error is None else printable(error), printable(printed, 11_000))

    def value(self, name: str, probe: str | None = None):
        """Return what the submission has under `name`: a value, or a function that calls its function.

        `probe` is the code of the cell that defines `name`, where that is the instructor's: it is run anew each time.
        """
        asked = {"name": name, "probe": probe, "seconds": CELL_SECONDS}
        reply = self._exchange(asked, CELL_SECONDS)
        if "missing" in reply:
            raise StudentError(f"There is no {name}: its cell is unfilled, or stopped with an error.")
        if "function" not in reply:
            return self._restored(reply, f"Reading {name}")

        def call(*positional, **named):
            reply = self._exchange(asked | {"inputs": values.plain([positional, named])}, CELL_SECONDS)
            return self._restored(reply, f"Calling {name}")

        return call

    def _restored(self, reply: dict, deed: str):
        """Return the value in a reply."""
        error = str(reply.get("error", ""))
        if not error:
            try:
                return values.restore(reply.get("value"))
            except values.ValueTrouble as trouble:
                error = f"ValueTrouble: {trouble}"
        kind, _, text = error.partition(": ")
        if self.hidden:
            told = (
                f"with {kind}" if kind.endswith("Error") and hasattr(builtins, kind) else "without a value to compare"
            )
            raise StudentError(f"{deed} on hidden inputs stopped {told}.")
        if kind == "ValueTrouble":
            raise StudentError(f"{deed} gives {printable(text)}, which no test can compare.")
        raise StudentError(f"{deed} stopped with {printable(error)}")
