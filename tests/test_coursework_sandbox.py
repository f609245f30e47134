"""A submission's process can do nothing but compute: each attempt at more fails, and harms nobody."""

import os
import platform
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from coursework.grading import judge, sandbox, student, values
from coursework.grading.student import Ended, Refused, Student, StudentError
from tests.series import ROOT

pytestmark = pytest.mark.usefixtures("isolation")


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a submission's process in a folder of its own, ended with the test."""
    started = []

    def begin(**settings) -> Student:
        folder = tmp_path / f"folder{len(started)}"
        folder.mkdir()
        started.append(Student(folder, **settings))
        return started[-1]

    yield begin
    for process in started:
        process.end()
    judge.remove(tmp_path)
    assert not tmp_path.exists()


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    """Return a process for all tests that do not end it, as each start takes seconds."""
    with Student(tmp_path_factory.mktemp("shared")) as started:
        yield started


def c(call: str) -> str:
    """Return code that calls the C library, and raises as Python's own functions do."""
    return f"import ctypes, os\nif ctypes.CDLL(None).{call} < 0: raise PermissionError('refused')"


SYS_FCNTL = {"x86_64": 72}.get(platform.machine(), 25)
FORBIDDEN = {
    "read the grader's files": "open({secret!r}).read()",
    "read what a link of its own points to": "import os; os.symlink({secret!r}, 'link'); open('link').read()",
    "list the folder above its own": "import os; os.listdir('..')",
    "read another submission": "open('../neighbour/answers.ipynb').read()",
    "read the project": "import os; os.listdir({project!r})",
    "read the users of the machine": "open('/etc/passwd').read()",
    "read the grader's command line": "import os; open(f'/proc/{{os.getppid()}}/cmdline').read()",
    "read the grader's memory": "import os; open(f'/proc/{{os.getppid()}}/mem', 'rb').read(1)",
    "write beside its folder": "open('../mine', 'w')",
    "write into the project": "open({project!r} + '/mine', 'w')",
    "write into the data": "import helpers.data; open(helpers.data.find_data() / 'train.bin', 'r+b')",
    "delete a file of the grader's": "import os; os.remove({secret!r}); open({secret!r})",
    "rename a file of the grader's": "import os; os.rename({secret!r}, 'mine')",
    "lock a file against its owner": "import os; os.chmod({secret!r}, 0)",
    "change a file's time": "import os; os.utime({secret!r}, (0, 0))",
    "connect to a server": "import socket; socket.create_connection(('127.0.0.1', {port}), 2)",
    "send a datagram": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    "use a local socket": "import socket; socket.socket(socket.AF_UNIX).connect('/run/x')",
    "start a program": "import subprocess; subprocess.run(['true'])",
    "become another program": "import os; os.execv('/bin/true', ['true'])",
    "fork": "import os; os.fork()",
    "start a program with the shell's mark": "!true",
    "kill the grader": "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
    "kill everybody": "import os, signal; os.kill(-1, signal.SIGKILL)",
    "have the grader signalled": "import fcntl, os; fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, os.getppid())",
    "have a thread of the grader's signalled": (
        "import fcntl, os, struct; fcntl.fcntl(os.pipe()[0], 15, struct.pack('ii', 1, os.getppid()))"
    ),
    "choose the signal": "import fcntl, os; fcntl.fcntl(os.pipe()[0], fcntl.F_SETSIG, 9)",
    "hide what it asks for": c(f"syscall({SYS_FCNTL}, 0, ctypes.c_ulong(1 << 32 | 8), os.getppid())"),
    **{f"have the grader signalled by ioctl {number:x}": (
        f"import fcntl, os, struct; fcntl.ioctl(os.pipe()[0], {number}, struct.pack('i', os.getppid()))"
    ) for number in (0x8901, 0x8902)},
    "slow the grader down": "import os; os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "move the grader to one processor": "import os; os.sched_setaffinity(os.getppid(), [0])",
    "limit the grader": "import os, resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
    "raise its own limits": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))",
    "watch files": c("inotify_init()"),
    "watch the grader's clock": "import os, time; time.clock_gettime((~os.getppid() << 3) | 2)",
    "lock the data": "import fcntl, helpers.data as d; fcntl.flock(open(d.find_data() / 'train.bin'), fcntl.LOCK_SH)",
    "lock a part of the data": (
        "import fcntl, helpers.data as d; fcntl.lockf(open(d.find_data() / 'train.bin'), fcntl.LOCK_SH)"
    ),
    "empty the cache of the data": (
        "import os, helpers.data as d; f = open(d.find_data() / 'train.bin'); os.posix_fadvise(f.fileno(), 0, 0, 4)"
    ),
    "set flags of the data's files": (
        "import fcntl, helpers.data as d; fcntl.ioctl(open(d.find_data() / 'train.bin'), 0x40086602, bytes(8))"
    ),
    "take shared memory": "import os; os.memfd_create('x')",
    "take shared memory without a name": "import mmap; mmap.mmap(-1, 2**20)",
    "take memory that grows down": "import mmap; mmap.mmap(-1, 2**20, flags=0x122)",
    "take a file without a name": "import os; os.open('.', os.O_TMPFILE | os.O_RDWR)",
    "rename a file onto another": "import os; open('a', 'w'); open('b', 'w'); os.replace('a', 'b')",
    "make a pipe with a name": "import os; os.mkfifo('pipe')",
    "outlive the grader": c("prctl(1, 0, 0, 0, 0)"),
    "get a user namespace": c("unshare(0x10000000)"),
    "trace the grader": c("ptrace(16, os.getppid(), 0, 0)"),
    "mount": c("mount(b'none', b'.', b'tmpfs', 0, None)"),
}  # fmt: skip


def test_what_is_forbidden_fails_and_leaves_everything_as_it_was(start, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hidden tests")
    (tmp_path / "neighbour").mkdir()
    (tmp_path / "neighbour" / "answers.ipynb").write_text("answers")
    before = {path: (path.stat().st_mode, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")}
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        process = start()
        for deed, code in FORBIDDEN.items():
            code = code.format(secret=str(secret), project=str(ROOT), port=server.getsockname()[1])
            error, _ = process.run(code)
            refused = ("PermissionError", "OSError", "ValueError: not allowed to raise", "FileNotFoundError")
            assert error is not None, f"a submission can {deed}"
            assert error.startswith(refused), f"{deed}: {error}"
        with pytest.raises(BlockingIOError):
            server.accept()
    for path, known in before.items():
        assert (path.stat().st_mode, path.stat().st_mtime_ns) == known
    assert not (ROOT / "mine").exists()


def test_what_is_needed_works(process):
    code = """
import os, threading
import numpy as np
from helpers import load_data
assert load_data().labels_train[0] == 6
thread = threading.Thread(target=print, args=("threads", "work"))
thread.start(), thread.join()
np.save("mine.npy", np.arange(3))
assert np.load("mine.npy").sum() == 3
%timeit -n1 -r1 1 + 1
"""
    error, printed = process.run(code)
    assert error is None
    assert "threads work" in printed


@pytest.mark.slow
def test_tensorflow_and_pictures_work(process):
    code = """
import tensorflow as tf
from helpers import load_data, train
from helpers.plots import captioned_images
images, labels, *_ = load_data()
run = train(images, labels, steps=20)
captioned_images(images[:5], ["a"] * 5)
def double(x):
    return tf.Variable(2.0) * x
"""
    assert process.run(code)[0] is None
    assert np.array_equal(process.value("double")(np.float32([1, 2])), [2, 4])


@pytest.mark.skipif(sandbox.landlock_version() < 6, reason="this kernel's Landlock has no scopes")
def test_landlock_alone_keeps_signals_in(tmp_path):
    code = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from coursework.grading import sandbox
sandbox._drop_powers()
sandbox._lock_files(["/usr"], [{str(tmp_path)!r}])
os.kill(os.getppid(), 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "PermissionError" in done.stderr


def test_where_the_lock_leaks_nothing_runs(start, monkeypatch):
    monkeypatch.setattr(student, "READABLE", (*student.READABLE, str(ROOT)))
    with pytest.raises(Refused, match="can still read a file of the grader's"):
        start()


ENDS = {
    "import os; os._exit(0)": "ended its own process",
    "import os; os.abort()": "signal",
    "import ctypes; ctypes.string_at(0)": "signal 11",
    "import time\nwhile True:\n    try: time.sleep(9)\n    except BaseException: pass": "still waiting",
    "import signal; signal.signal(signal.SIGPROF, signal.SIG_IGN)\nwhile True: pass": "still running",
    "x = [b'x' * 2**28 for _ in range(10)]\nimport time; time.sleep(5)": "memory",
    "i = 0\nwhile True:\n    i += 1; open(f'f{i}', 'w').write('x')": "files",
    "for i in range(9): open(f'f{i}', 'wb').write(bytes(19_000_000))\nimport time; time.sleep(5)": "bytes",
    "import os\nfor i in range(60):\n    open(f'f{i}', 'wb').write(bytes(10**6)); os.remove(f'f{i}')\n"
    "import time; time.sleep(5)": "bytes",
    "import os\nfor i in range(1500): os.mkdir('d'); os.chdir('d')\nimport time; time.sleep(5)": "folders",
    "import os, time; os.mkdir('d', 0); time.sleep(5)": "cannot be read" if os.getuid() else None,
    "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()": "threads",
    "import os\nfor i in range(3, 9):\n    try: os.write(i, b'[1]\\n')\n    except OSError: pass": "no sense",
    "import os\nfor i in range(3, 9):\n    try:\n        while 1: os.write(i, bytes(10**6))\n    except OSError: 0": (
        "more than an answer"
    ),
    "import ctypes; ctypes.CDLL(None).syscall(0x40000027)": (
        "Bad system call" if platform.machine() == "x86_64" else None
    ),
}


@pytest.mark.parametrize(
    ("code", "said"), [item for item in ENDS.items() if item[1]], ids=range(sum(map(bool, ENDS.values())))
)
def test_what_takes_too_much_is_ended_with_its_reason(start, code, said, monkeypatch):
    monkeypatch.setattr(student, "GRACE_SECONDS", 1)
    monkeypatch.setattr(student, "PATIENCE", 1 if said == "still waiting" else 200)  # however busy the machine is
    process, seconds = start(), 1 if said.startswith("still") else 100
    with pytest.raises(Ended, match=said):
        process.run(code, seconds) and process.run("pass")  # what was sent besides is found with the next answer
    assert process._process.poll() is not None


def test_what_a_cell_can_recover_from_ends_the_cell_only(process):
    for code, name in {
        "bytearray(5 * 2**30)": "MemoryError",
        "open('big', 'wb').write(bytes(30_000_000))": "OSError",
        "while True: pass": "CellTimeout",
        "import sys; sys.exit(1)": "SystemExit",
        "def f(): f()\nf()": "RecursionError",
        "raise KeyboardInterrupt": "KeyboardInterrupt",
    }.items():
        error, _ = process.run(code, seconds=1 if name == "CellTimeout" else 100)
        assert error.startswith(name), code
    error, printed = process.run("print('x' * 10**8)")
    assert error is None
    assert len(printed) < 11_000
    assert process.run("print('still here')") == (None, "still here\n")


def test_waiting_costs_no_processor_time_and_it_computes_only_when_asked(start):
    """On a busy machine a right answer waits for its turn, as one that sleeps does here."""
    process = start(seconds=8)
    assert process.run("import time; time.sleep(1.5)", seconds=0.5) == (None, "")
    spin = "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin).start()"
    assert process.run(spin) == (None, "")
    watched = psutil.Process(process._process.pid)
    while watched.status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    before = watched.cpu_times()
    time.sleep(0.5)
    assert watched.cpu_times() == before
    with pytest.raises(Ended, match="processor time was up"):
        process.run("import time; time.sleep(600)", seconds=600)


def test_a_process_that_dies_takes_no_thread_of_the_grader_with_it(start):
    process = start()
    threading.Timer(0.3, process._process.kill).start()
    with pytest.raises(Ended, match="signal 9"):
        process.run("import time; time.sleep(60)")


ODD = "'\\ud800\\x1b[2J\\u202e'"


def test_odd_text_is_escaped_and_shown(process):
    texts = [*process.run(f"print({ODD}); raise ValueError({ODD})")]
    process.run(f"def fail(): raise ValueError({ODD})\ndef sly(): return type({ODD}, (), {{}})()")
    for name in ("fail", "sly"):
        with pytest.raises(StudentError) as raised:
            process.value(name)()
        texts.append(str(raised.value))
    for text in texts:
        assert text.isprintable() or text.endswith("\n")
        assert "\\ud800" in text


def test_hidden_inputs_leave_by_no_error(process, monkeypatch):
    process.run("""
def tell(x): raise ValueError(f'secret {x}')
def name(x): raise type(f'secret{x}', (Exception,), {})()
def give(x): return type(f'secret{x}', (), {})()
def forge(x):
    from coursework.grading.values import ValueTrouble
    raise ValueTrouble(f'secret {x}')
""")
    functions = {name: process.value(name) for name in ("tell", "name", "give", "forge")}
    with pytest.raises(StudentError, match="secret 7"):
        functions["tell"](7)
    monkeypatch.setattr(process, "hidden", True)
    for name, said in {"tell": "with ValueError", "name": "Exception|value", "give": "value", "forge": "value"}.items():
        with pytest.raises(StudentError, match=said) as raised:
            functions[name](7)
        assert "7" not in str(raised.value)


def test_a_probe_is_the_instructors_whatever_a_later_cell_defines(process):
    process.run("def double(x): return 2 * x\ndef probe(x): return 'forged'")
    assert process.value("probe", "def probe(x): return double(x) + 1")(3) == 7


def test_functions_are_called_with_values_and_give_values(process):
    process.run("""
import collections, numpy as np
Point = collections.namedtuple("Point", "x y")
def scale(x, by=2):
    named = collections.OrderedDict({np.str_('a'): Point(np.int64(1), 2.5)})
    return x * by, [float('nan'), None, np.str_('text'), np.array(['b'])], named
""")
    given = np.arange(6, dtype=np.float32).reshape(2, 3)
    array, row, named = process.value("scale")(given, by=3)
    assert array.dtype == np.float32
    assert np.array_equal(array, 3 * given)
    assert np.isnan(row[0])
    assert row[1:] == [None, "text", ["b"]]
    assert named == {"a": (1, 2.5)}


def test_odd_values_are_refused_in_a_sentence(process):
    process.run("""
import numpy as np
class Sly:
    def __eq__(self, other): return True
def sly(): return Sly()
def objects(): return np.array([Sly()], dtype=object)
def deep():
    x = []
    for _ in range(500): x = [x]
    return x
def many(): return [0] * 3_000_000
def huge(): return np.zeros(10**8)
def wrong(): return 1 / 0
generator = (i for i in range(3))
""")
    for name, said in {
        "sly": "a Sly", "objects": "type object", "deep": "recursion", "huge": "bytes of answer", "many": "in lists",
        "wrong": "ZeroDivisionError",
    }.items():  # fmt: skip
        with pytest.raises(StudentError, match=said):
            process.value(name)()
    for name, said in {"generator": "a generator", "absent": "no absent"}.items():
        with pytest.raises(StudentError, match=said):
            process.value(name)


@pytest.mark.parametrize(
    "forged",
    [
        {"array": 1}, {"array": ["O", [1], "AAAA"]}, {}, {"array": ["<f8", [10**12], ""]}, {"exec": "import os"},
        {"array": ["<f8", ["x"], ""]}, {"array": ["<U400000000", [1], ""]}, {"dict": [[[], 1]]}, {"tuple": 7},
    ],
)  # fmt: skip
def test_a_forged_answer_is_refused(forged):
    with pytest.raises(values.ValueTrouble):
        values.restore(forged)


def test_the_process_gets_nothing_of_the_graders_environment_and_open_files(start, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_GRADER", "yes")
    with open(tmp_path / "open", "w") as file:
        os.set_inheritable(file.fileno(), True)
        code = "import os; print(dict(os.environ))\nfor name in os.listdir('/proc/self/fd'):\n    "
        error, printed = start().run(
            code + "try: print(os.readlink('/proc/self/fd/' + name))\n    except FileNotFoundError: pass"
        )
    assert error is None
    assert "SECRET_OF_THE_GRADER" not in printed
    assert str(tmp_path / "open") not in printed
