"""The grader's hold on a submission: a process of its own, watched from outside, that answers requests.

    with Student(...) as student:
        student.run("def double(x): return 2 * x")
        student.value("double")(21)

A process that dies, hangs or takes too much is ended; `run` and `value` then raise `Ended` with the reason.
"""

import json
import math
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import psutil

from coursework.grading import values

ROOT = Path(__file__).resolve().parents[2]
CELL_SECONDS = 60  # for a cell, or for one call of a function
GRACE_SECONDS = 2  # in which a process may still say that its time is up
MEMORY = 2 * 2**30  # bytes
LIMITS = {
    "RLIMIT_CPU": 400,  # seconds
    "RLIMIT_FSIZE": 20_000_000,  # bytes of one file
    "RLIMIT_DATA": 3 * 2**30,  # bytes of private memory, with what TensorFlow reserves and does not use
    "RLIMIT_NOFILE": 256,
    "RLIMIT_CORE": 0,
}
THREADS = 100
FOLDER_BYTES, FOLDER_FILES = 50_000_000, 500  # all that a submission may leave in its folder
LOOK_EVERY = 0.05  # seconds
SYSTEM = (
    "/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/dev/null", "/dev/zero",
    "/dev/urandom", "/dev/random", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/self",
    "/sys/devices/system/cpu", "/sys/devices/system/node",
)  # fmt: skip


class Ended(Exception):
    """The submission's process is gone; the message says why."""


class Refused(Exception):
    """No submission's process can be started here; the message says why."""


class StudentError(AssertionError):
    """The submission's code failed while a test used it; the message says how."""


def environment(folder: Path, data: Path, fonts: Path) -> dict[str, str]:
    """Return the environment of a submission's process: nothing of the grader's own."""
    return {
        "PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8",
        "CIFAR10_HOME": str(data), "MPLCONFIGDIR": str(fonts), "MPLBACKEND": "agg", "IPYTHONDIR": str(folder),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3",
    }  # fmt: skip


class Student:
    """A submission's process. `folder` is all that it may write; `forbidden`, a file that it must not read.

    At `deadline`, a time of `time.monotonic`, it ends, whatever it does.
    """

    def __init__(
        self, folder: Path, data: Path, fonts: Path, helpers: Path, forbidden: Path, isolated: bool = True,
        deadline: float = math.inf,
    ):  # fmt: skip
        self._folder, self._deadline = folder, deadline
        self._process = subprocess.Popen(
            [sys.executable, "-sPB", "-m", "coursework.grading.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, cwd=folder, env=environment(folder, data, fonts), start_new_session=True,
        )  # fmt: skip
        self._watched = psutil.Process(self._process.pid)
        self._received = bytearray()
        os.set_blocking(self._process.stdout.fileno(), False)
        os.set_blocking(self._process.stdin.fileno(), False)
        python = {sys.prefix, sys.base_prefix}
        settings = {
            "folder": str(folder),
            "limits": LIMITS,
            "isolated": isolated,
            "readable": [*SYSTEM, *python, str(data), str(fonts), str(helpers), values.__file__],
            "forbidden": str(forbidden),
        }
        reply = self._exchange(settings, CELL_SECONDS)
        if "refused" in reply:
            self.end()
            raise Refused(reply["refused"])

    def __enter__(self) -> "Student":
        return self

    def __exit__(self, *_) -> None:
        self.end()

    def end(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.communicate()

    def _usage(self) -> str | None:
        """Return what the process has too much of, or None."""
        try:
            if self._watched.memory_info().rss > MEMORY:
                return f"It took more than {MEMORY / 2**30:.0f} GiB of memory."
            if self._watched.num_threads() > THREADS:
                return f"It started more than {THREADS} threads."
        except psutil.Error:
            return None
        size, files = 0, 0
        for path, folders, names in os.walk(self._folder):
            files += len(folders) + len(names)
            size += sum(os.lstat(os.path.join(path, name)).st_size for name in names)
            if files > FOLDER_FILES or size > FOLDER_BYTES:
                return f"It wrote more than {FOLDER_BYTES:,} bytes or {FOLDER_FILES} files."
        return None

    def _fail(self, reason: str) -> None:
        self.end()
        raise Ended(reason)

    def _exchange(self, request: dict, seconds: float) -> dict:
        """Send a request, and return the reply; end the process where none comes, or where it takes too much."""
        sending = json.dumps(request).encode() + b"\n"
        stdin, stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        deadline, look = min(time.monotonic() + seconds + GRACE_SECONDS, self._deadline), 0.0
        seen = 0
        while self._received.find(b"\n", seen) < 0:
            seen = len(self._received)
            readable, writable, _ = select.select([stdout], [stdin] if sending else [], [], LOOK_EVERY)
            try:
                if writable:
                    sending = sending[os.write(stdin, sending[:65536]) :]
                if readable:
                    chunk = os.read(stdout, 1 << 20)
                    if not chunk:
                        self._fail(self._death())
                    self._received += chunk
            except BrokenPipeError:
                self._fail(self._death())
            if len(self._received) > values.LARGEST:
                self._fail("It sent more than an answer can be.")
            if time.monotonic() > look:
                look = time.monotonic() + LOOK_EVERY
                if excess := self._usage():
                    self._fail(excess)
            if time.monotonic() > deadline:
                self._fail("It was still running when its time was up.")
        end = self._received.find(b"\n", seen)
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            self._fail("It answered with something that makes no sense.")
        return reply

    def _death(self) -> str:
        """Return how the process ended, in a sentence."""
        with_code = self._process.wait()
        if with_code == 0 or with_code > 0:
            return f"It ended its own process (exit code {with_code})."
        names = {9: "killed, which is what the system does with too much CPU time or memory", 11: "a crash in C code"}
        return f"Its process ended by signal {-with_code} ({names.get(-with_code, 'a crash')})."

    def run(self, source: str, seconds: float = CELL_SECONDS) -> tuple[str | None, str]:
        """Run a cell; return (its error in a line, or None; what it printed)."""
        reply = self._exchange({"do": "run", "source": source, "seconds": seconds}, seconds)
        error, printed = reply.get("error"), reply.get("printed", "")
        return (None if error is None else str(error)[:500], str(printed)[:11_000])

    def value(self, name: str, seconds: float = CELL_SECONDS):
        """Return what the submission has under `name`: a value, or a function that calls its function."""
        reply = self._exchange({"do": "tell", "name": name, "seconds": seconds}, seconds)
        kind = reply.get("kind")
        if kind == "missing":
            raise StudentError(f"There is no {name}: its cell is unfilled, or stopped with an error.")
        if kind == "function":
            return lambda *positional, **named: self._call(name, positional, named, seconds)
        return self._decoded(reply, f"{name} is", f"Reading {name}")

    def _call(self, name: str, positional: tuple, named: dict, seconds: float):
        inputs = values.encode([list(positional), named]).decode()
        reply = self._exchange({"do": "call", "name": name, "inputs": inputs, "seconds": seconds}, seconds)
        return self._decoded(reply, f"{name} returns", f"Calling {name}")

    @staticmethod
    def _decoded(reply: dict, verb: str, deed: str):
        error = reply.get("error")
        if isinstance(error, str) and error.startswith("ValueTrouble: "):
            raise StudentError(f"{verb} {error.removeprefix('ValueTrouble: ')}, which no test can compare.")
        if error is not None:
            raise StudentError(f"{deed} stopped with {str(error)[:500]}")
        try:
            return values.decode(str(reply.get("value")).encode())
        except values.ValueTrouble as trouble:
            raise StudentError(f"{verb} {trouble}, which no test can compare.") from None
