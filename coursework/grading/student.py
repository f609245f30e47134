"""The grader's hold on a submission: a process of its own, watched from outside, that answers requests.

    with Student(...) as student:
        student.run("def double(x): return 2 * x")
        student.value("double")(21)

A process that dies, hangs or takes too much is ended; `run` and `value` then raise `Ended` with the reason.
"""

import builtins
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from coursework.grading import values
from coursework.grading.text import printable

ROOT = Path(__file__).resolve().parents[2]
CELL_SECONDS = 60  # of processor time, for a cell or for one call of a function
GRACE_SECONDS = 2  # in which a process may still say that its time is up
PATIENCE = 5  # times as long on the clock, so that a busy machine ends no right answer
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
FOLDER_BYTES, FOLDER_FILES, FOLDER_DEPTH = 50_000_000, 500, 10  # all that a submission may leave in its folder
LOOK_EVERY = 0.05  # seconds
SYSTEM = (
    "/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/dev/null",
    "/dev/urandom", "/dev/random", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/self",
    "/sys/devices/system/cpu", "/sys/devices/system/node",
)  # fmt: skip


class Ended(Exception):
    """The submission's process is gone; the message says why."""


class Refused(Exception):
    """No submission's process can be started here; the message says why."""


class StudentError(AssertionError):
    """The submission's code failed while a test used it; the message says how."""


def excess_of(folder: Path) -> str | None:
    """Return what a submission has too much of in its folder, or None."""
    size, entries, waiting = 0, 0, [(str(folder), 0)]
    while waiting:
        place, depth = waiting.pop()
        if depth > FOLDER_DEPTH:
            return f"It made more than {FOLDER_DEPTH} folders within folders."
        try:
            found = list(os.scandir(place))
            abouts = [entry.stat(follow_symlinks=False) for entry in found]
        except OSError as error:
            return f"It made a folder that cannot be read ({error.strerror})."
        entries += len(found)
        size += sum(max(about.st_size, about.st_blocks * 512) for about in abouts)
        waiting += [(entry.path, depth + 1) for entry in found if entry.is_dir(follow_symlinks=False)]
        if entries > FOLDER_FILES or size > FOLDER_BYTES:
            return f"It wrote more than {FOLDER_BYTES:,} bytes or {FOLDER_FILES} files."
    return None


def remove(folder: Path) -> None:
    """Remove a submission's folder, however deep it goes and whatever it allows."""
    for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
        subprocess.run([*command, "--", str(folder)], stderr=subprocess.DEVNULL, check=False)


def environment(folder: Path, data: Path, fonts: Path) -> dict[str, str]:
    """Return the environment of a submission's process: nothing of the grader's own."""
    return {
        "PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8",
        "CIFAR10_HOME": str(data), "MPLCONFIGDIR": str(fonts), "MPLBACKEND": "agg", "IPYTHONDIR": str(folder),
        "PYTHONPATH": str(ROOT), "HDF5_USE_FILE_LOCKING": "FALSE",
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3",
    }  # fmt: skip


class Student:
    """A submission's process. `folder` is all that it may write; `forbidden`, a file that it must not read.

    It may take `seconds` of processor time in all; `spent` says how many it has taken. While nothing is asked of it, it
    stands still: the grader computes without it, and it can take nothing that is not counted.
    """

    def __init__(
        self, folder: Path, data: Path, fonts: Path, helpers: Path, forbidden: Path, isolated: bool = True,
        seconds: float = math.inf,
    ):  # fmt: skip
        self._folder, self._seconds, self.spent = folder, seconds, 0.0
        self._process = subprocess.Popen(
            [sys.executable, "-sPB", "-m", "coursework.grading.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, cwd=folder, env=environment(folder, data, fonts), start_new_session=True,
        )  # fmt: skip
        self._watched = psutil.Process(self._process.pid)
        self._received, self.hidden = bytearray(), False
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

    def _excess(self, most: float) -> str | None:
        """Return what the process has too much of, or None; `most` is the processor time to which it may come now."""
        try:
            self.spent = sum(self._watched.cpu_times()[:2])
            if self._watched.memory_info().rss > MEMORY:
                return f"It took more than {MEMORY / 2**30:.0f} GiB of memory."
            if self._watched.num_threads() > THREADS:
                return f"It started more than {THREADS} threads."
        except psutil.Error:
            return None  # it is gone, which the next look at its line tells
        if self.spent > min(most, self._seconds):
            return "It was still running when its processor time was up."
        return excess_of(self._folder)

    def _fail(self, reason: str) -> None:
        self.end()
        raise Ended(reason)

    def _exchange(self, request: dict, seconds: float) -> dict:
        """Send a request, and return the reply; end the process where none comes, or where it takes too much."""
        try:
            self._process.send_signal(signal.SIGCONT)
            line = self._line(json.dumps(request).encode() + b"\n", seconds)
        finally:
            self._process.send_signal(signal.SIGSTOP)
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            self._fail("It answered with something that makes no sense.")
        return reply

    def _line(self, sending: bytes, seconds: float) -> bytes:
        stdin, stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        late, look, seen = time.monotonic() + PATIENCE * (seconds + GRACE_SECONDS), 0.0, 0
        most = self.spent + seconds + GRACE_SECONDS
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
                if excess := self._excess(most):
                    self._fail(excess)
            if time.monotonic() > late:
                self._fail("It was still waiting when its time was up.")
        line, _, rest = self._received.partition(b"\n")
        self._received = rest
        return bytes(line)

    def _death(self) -> str:
        """Return how the process ended, in a sentence."""
        code = self._process.wait()
        if code >= 0:
            return f"It ended its own process (exit code {code})."
        names = {
            signal.SIGKILL: "killed, which is what the system does with too much processor time or memory",
            signal.SIGXCPU: "its processor time was up",
            signal.SIGSEGV: "a crash in C code",
            signal.SIGSYS: "a call of the system that no submission may make",
        }
        return f"Its process ended by signal {-code} ({names.get(-code, 'a crash')})."

    def run(self, source: str, seconds: float = CELL_SECONDS) -> tuple[str | None, str]:
        """Run a cell; return (its error in a line, or None; what it printed)."""
        reply = self._exchange({"do": "run", "source": source, "seconds": seconds}, seconds)
        error, printed = reply.get("error"), reply.get("printed", "")
        return (None if error is None else printable(error), printable(printed, 11_000))

    def value(self, name: str, probe: str | None = None, seconds: float = CELL_SECONDS):
        """Return what the submission has under `name`: a value, or a function that calls its function.

        `probe` is the code of the cell that defines `name`, where that is the instructor's: it is run anew each time.
        """
        asked = {"name": name, "probe": probe, "seconds": seconds}
        reply = self._exchange({"do": "tell"} | asked, seconds)
        kind = reply.get("kind")
        if kind == "missing":
            raise StudentError(f"There is no {name}: its cell is unfilled, or stopped with an error.")
        if kind != "function":
            return self._decoded(reply, f"{name} is", f"Reading {name}")

        def call(*positional, **named):
            inputs = values.encode([list(positional), named]).decode()
            reply = self._exchange({"do": "call", "inputs": inputs} | asked, seconds)
            return self._decoded(reply, f"{name} returns", f"Calling {name}")

        return call

    def _decoded(self, reply: dict, verb: str, deed: str):
        """Return the value in a reply. Where inputs are hidden, nothing of an error is told but its built-in type."""
        error = reply.get("error")
        try:
            if error is None:
                return values.decode(str(reply.get("value")).encode(errors="backslashreplace"))
            error = str(error)
        except values.ValueTrouble as trouble:
            error = f"ValueTrouble: {trouble}"
        kind, _, text = error.partition(": ")
        if self.hidden:
            known = isinstance(getattr(builtins, kind, None), type) and issubclass(
                getattr(builtins, kind), BaseException
            )
            with_what = f"with {kind}" if known else "without a value that a test can compare"
            raise StudentError(f"{deed} on hidden inputs stopped {with_what}.")
        if kind == "ValueTrouble":
            raise StudentError(f"{verb} {printable(text)}, which no test can compare.")
        raise StudentError(f"{deed} stopped with {printable(error)}")
