"""A submission's process can do nothing but compute: each attempt at more fails, and harms nobody."""

import os
import platform
import socket
import time

import numpy as np
import psutil
import pytest

from coursework.grading import judge, sandbox, student, values
from coursework.grading.student import Ended, Student, StudentError
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
    started = Student(tmp_path_factory.mktemp("shared"))
    yield started
    started.end()


PREPARED = """
import ctypes, fcntl, mmap, os, resource, signal, socket, struct, subprocess, time
import helpers.data
secret, project, port = {!r}, {!r}, {!r}
grader, pipe, images = os.getppid(), os.pipe()[0], open(helpers.data.find_data() / 'train.bin')
def c(call, *arguments):
    if getattr(ctypes.CDLL(None), call)(*arguments) < 0:
        raise PermissionError('refused')
"""
FORBIDDEN = {
    "read the grader's files": "open(secret)",
    "read what a link of its own points to": "os.symlink(secret, 'link'); open('link')",
    "list the project": "os.listdir(project)",
    "list where a hub's students hand in": "os.listdir('/usr/local/share')",
    "read the grader's memory": "open(f'/proc/{grader}/mem', 'rb').read(1)",
    "write beside its folder": "open('../mine', 'w')",
    "write into the data": "open(images.name, 'r+b')",
    "delete a file of the grader's": "os.remove(secret); open(secret)",
    "rename a file of the grader's": "os.rename(secret, 'mine')",
    "lock a file against its owner": "os.chmod(secret, 0)",
    "change a file's time": "os.utime(secret, (0, 0))",
    "connect to a server": "socket.create_connection(('127.0.0.1', port), 2)",
    "start a program": "subprocess.run(['true'])",
    "become another program": "os.execv('/bin/true', ['true'])",
    "fork": "os.fork()",
    "kill the grader": "os.kill(grader, signal.SIGKILL)",
    "have the grader signalled": "fcntl.fcntl(pipe, fcntl.F_SETOWN, grader)",
    "have a thread of the grader's signalled": "fcntl.fcntl(pipe, 15, struct.pack('ii', 1, grader))",
    "choose the signal": "fcntl.fcntl(pipe, fcntl.F_SETSIG, 9)",
    "hide what it asks for": f"c('syscall', {72 if platform.machine() == 'x86_64' else 25}, pipe, 1 << 32 | 8, grader)",
    "have the grader signalled by ioctl": "fcntl.ioctl(pipe, 0x8901, struct.pack('i', grader))",
    "have the grader signalled by another": "fcntl.ioctl(pipe, 0x8902, struct.pack('i', grader))",
    "slow the grader down": "os.setpriority(os.PRIO_PROCESS, grader, 19)",
    "move the grader to one processor": "os.sched_setaffinity(grader, [0])",
    "limit the grader": "resource.prlimit(grader, resource.RLIMIT_CPU, (1, 1))",
    "raise its own limits": "resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))",
    "watch files": "c('inotify_init')",
    "watch the grader's clock": "time.clock_gettime((~grader << 3) | 2)",
    "lock the data": "fcntl.flock(images, fcntl.LOCK_SH)",
    "lock a part of the data": "fcntl.lockf(images, fcntl.LOCK_SH)",
    "empty the cache of the data": "os.posix_fadvise(images.fileno(), 0, 0, 4)",
    "set flags of the data's files": "fcntl.ioctl(images, 0x40086602, bytes(8))",
    "take shared memory": "os.memfd_create('x')",
    "take shared memory without a name": "mmap.mmap(-1, 2**20)",
    "take memory that grows down": "mmap.mmap(-1, 2**20, flags=0x122)",
    "take a file without a name": "os.open('.', os.O_TMPFILE | os.O_RDWR)",
    "rename a file onto another": "open('a', 'w'); open('b', 'w'); os.replace('a', 'b')",
    "make a pipe with a name": "os.mkfifo('pipe')",
    "outlive the grader": "c('prctl', 1, 0, 0, 0, 0)",
    "get a user namespace": "c('unshare', 0x10000000)",
    "trace the grader": "c('ptrace', 16, grader, 0, 0)",
    "mount": "c('mount', b'none', b'.', b'tmpfs', 0, None)",
}


def test_what_is_forbidden_fails_and_leaves_everything_as_it_was(start, tmp_path):
    (tmp_path / "secret").write_text("hidden tests")
    before = {path: (path.stat().st_mode, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")}
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        process = start()
        code = PREPARED.format(str(tmp_path / "secret"), str(ROOT), server.getsockname()[1])
        assert process.run(code) == (None, "")
        for deed, code in FORBIDDEN.items():
            error, _ = process.run(code)
            refused = ("PermissionError", "OSError", "ValueError: not allowed to raise", "FileNotFoundError")
            assert error is not None, f"a submission can {deed}"
            assert error.startswith(refused), f"{deed}: {error}"
        with pytest.raises(BlockingIOError):
            server.accept()
    for path, known in before.items():
        assert (path.stat().st_mode, path.stat().st_mtime_ns) == known


def test_what_is_needed_works(process):
    """TensorFlow works as well, as the answers to assignment 3 show."""
    code = """
%matplotlib inline
import os, threading
import numpy as np
from helpers import load_data
from helpers.plots import captioned_images
images, labels, *_ = load_data()
captioned_images(images[:5], ["a"] * 5)
thread = threading.Thread(target=print, args=("threads", "work"))
thread.start(), thread.join()
np.save("mine.npy", np.arange(3))
assert np.load("mine.npy").sum() == 3
%timeit -n1 -r1 1 + 1
"""
    error, printed = process.run(code)
    assert error is None
    assert "threads work" in printed


def test_where_the_lock_leaks_nothing_runs(start, monkeypatch):
    monkeypatch.setattr(student, "READABLE", (*student.READABLE, str(ROOT)))
    with pytest.raises(sandbox.Refused, match="can still read a file of the grader's"):
        start()


ENDS = {
    "os._exit(0)": "ended its own process",
    "import ctypes; ctypes.string_at(0)": "signal 11",
    "while True:\n    try: time.sleep(9)\n    except BaseException: pass": "still waiting",
    "import signal; signal.signal(signal.SIGPROF, signal.SIG_IGN)\nwhile True: pass": "still running",
    "x = [b'x' * 2**28 for _ in range(10)]; time.sleep(5)": "memory",
    "i = 0\nwhile True:\n    i += 1; open(f'f{i}', 'w').write('x')": "files",
    "for i in range(60):\n    open(f'f{i}', 'wb').write(bytes(10**6)); os.remove(f'f{i}')\ntime.sleep(5)": "bytes",
    "for i in range(1500): os.mkdir('d'); os.chdir('d')\ntime.sleep(5)": "folders",
    "os.mkdir('d', 0); time.sleep(5)": "cannot be read" if os.getuid() else None,
    "import threading\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()": "threads",
    "for i in range(3, 9):\n    try: os.write(i, b'[1]\\n')\n    except OSError: pass": "no sense",
    "for i in range(3, 9):\n    try:\n        while 1: os.write(i, bytes(10**6))\n    except OSError: 0": "too much",
    "import ctypes; ctypes.CDLL(None).syscall(0x40000027)": "Bad system" if platform.machine() == "x86_64" else None,
}


@pytest.mark.parametrize(("code", "said"), [pytest.param(*item, id=item[1]) for item in ENDS.items() if item[1]])
def test_what_takes_too_much_is_ended_with_its_reason(start, code, said, monkeypatch):
    monkeypatch.setattr(student, "GRACE_SECONDS", 1)
    monkeypatch.setattr(student, "PATIENCE", 1 if said == "still waiting" else 200)  # however busy the machine is
    process, seconds = start(), 1 if said.startswith("still") else 100
    with pytest.raises(Ended, match=said):
        process.run(f"import os, time\n{code}", seconds) and process.run("pass")  # what was sent besides is found then
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
    watched, late = psutil.Process(process._process.pid), time.monotonic() + 30
    while watched.status() != psutil.STATUS_STOPPED and time.monotonic() < late:
        time.sleep(0.01)
    before = watched.cpu_times()
    time.sleep(0.5)
    assert watched.cpu_times() == before
    with pytest.raises(Ended, match="running when its time was up"):
        process.run("import time; time.sleep(600)", seconds=600)


def test_waiting_again_and_again_holds_up_nobody(start):
    process = start(seconds=3)
    with pytest.raises(Ended, match="time was up"):
        [process.run("import time; time.sleep(1)") for _ in range(60)]


def test_odd_text_is_escaped_and_shown(process):
    odd = "'\\ud800\\x1b[2J\\u202e'"
    texts = [*process.run(f"print({odd}); raise ValueError({odd})")]
    process.run(f"def fail(): raise ValueError({odd})\ndef sly(): return type({odd}, (), {{}})()")
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


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("type('Sly', (), {})()", "a Sly"),
        ("np.array([print], dtype=object)", "type object"),
        ("np.zeros(10**8)", "bytes of answer"),
        ("1 / 0", "ZeroDivisionError"),
        ("[deep := []] + [deep := [deep] for _ in range(500)]", "recursion"),
    ],
)
def test_odd_values_are_refused_in_a_sentence(process, code, said):
    process.run(f"import numpy as np\ndef odd(): return {code}\ngenerator = (i for i in range(3))")
    with pytest.raises(StudentError, match=said):
        process.value("odd")()
    with pytest.raises(StudentError, match="a generator"):
        process.value("generator")
    with pytest.raises(StudentError, match="no absent"):
        process.value("absent")


@pytest.mark.parametrize(
    "forged",
    [
        *({"array": content} for content in (1, ["O", [1], "AAAA"], ["<f8", [10**12], ""], ["<U400000000", [1], ""])),
        *({}, {"exec": ["<f8", [1], "AAAAAAAAAAA="]}, {"dict": [[[], 1]]}, {"tuple": 7}),
    ],
)
def test_a_forged_answer_is_refused(forged):
    with pytest.raises(values.ValueTrouble):
        values.restore(forged)


def test_the_process_gets_nothing_of_the_graders_environment_and_open_files(start, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_GRADER", "yes")
    with open(tmp_path / "open", "w") as file:
        os.set_inheritable(file.fileno(), True)
        process = start()
    process.run("import os\nfiles = [os.path.realpath(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')]")
    process.run("names = list(os.environ)")
    assert "PATH" in process.value("names")
    assert "SECRET_OF_THE_GRADER" not in process.value("names")
    assert str(tmp_path / "open") not in process.value("files")
