"""A submission's process can do nothing but compute: each attempt at more fails, and harms nobody."""

import os
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from coursework.grading import student, values
from coursework.grading.student import Ended, Student, StudentError

pytestmark = pytest.mark.usefixtures("isolation")


@pytest.fixture
def start(tmp_path, grading_settings):
    """Return a function that starts a submission's process in a folder of its own, ended with the test."""
    started = []

    def begin() -> Student:
        folder = tmp_path / f"folder{len(started)}"
        folder.mkdir()
        paths = {name: Path(grading_settings[name]) for name in ("data", "fonts", "helpers", "forbidden")}
        started.append(Student(folder, **paths))
        return started[-1]

    yield begin
    for process in started:
        process.end()


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
    "delete a file of the grader's": "import os; os.remove({secret!r})",
    "rename a file of the grader's": "import os; os.rename({secret!r}, 'mine')",
    "lock a file against its owner": "import os; os.chmod({secret!r}, 0)",
    "change a file's time": "import os; os.utime({secret!r}, (0, 0))",
    "connect to a server": "import socket; socket.create_connection(('127.0.0.1', {port}), 2)",
    "send a datagram": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    "use a local socket": "import socket; socket.socket(socket.AF_UNIX).connect('/run/x')",
    "start a program": "import subprocess; subprocess.run(['true'])",
    "fork": "import os; os.fork()",
    "start a program with the shell's mark": "!true",
    "kill the grader": "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
    "kill everybody": "import os, signal; os.kill(-1, signal.SIGKILL)",
    "slow the grader down": "import os; os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "limit the grader": "import os, resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
    "raise its own limits": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))",
    "take shared memory": "import os; os.memfd_create('x')",
    "outlive the grader": (
        "import ctypes\nif ctypes.CDLL(None, use_errno=True).prctl(1, 0, 0, 0, 0): raise PermissionError('refused')"
    ),
    "get a user namespace": (
        "import ctypes\nif ctypes.CDLL(None, use_errno=True).unshare(0x10000000): raise PermissionError('refused')"
    ),
    "trace the grader": (
        "import ctypes, os\n"
        "if ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), 0, 0): raise PermissionError('refused')"
    ),
    "mount": (
        "import ctypes\n"
        "if ctypes.CDLL(None, use_errno=True).mount(b'none', b'.', b'tmpfs', 0, None): raise PermissionError('refused')"
    ),
}


def test_what_is_forbidden_fails_and_leaves_everything_as_it_was(start, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hidden tests")
    (tmp_path / "neighbour").mkdir()
    (tmp_path / "neighbour" / "answers.ipynb").write_text("answers")
    before = {path: (path.stat().st_mode, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")}
    project = Path(__file__).resolve().parents[1]
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        process = start()
        for deed, code in FORBIDDEN.items():
            code = code.format(secret=str(secret), project=str(project), port=server.getsockname()[1])
            error, _ = process.run(code)
            refused = ("PermissionError", "OSError", "ValueError: not allowed to raise", "FileNotFoundError")
            assert error, f"a submission can {deed}"
            assert error.startswith(refused), f"{deed}: {error}"
        with pytest.raises(BlockingIOError):
            server.accept()
    for path, known in before.items():
        assert (path.stat().st_mode, path.stat().st_mtime_ns) == known
    assert not (project / "mine").exists()


def test_what_is_needed_works(start):
    process = start()
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
def test_tensorflow_and_pictures_work(start):
    process = start()
    code = """
import tensorflow as tf
from helpers import load_data, train
from helpers.plots import image_row
images, labels, *_ = load_data()
run = train(images, labels, steps=20)
image_row(images[:5], ["a"] * 5)
def double(x):
    return tf.Variable(2.0) * x
"""
    assert process.run(code)[0] is None
    assert np.array_equal(process.value("double")(np.float32([1, 2])), [2, 4])


ENDS = {
    "import os; os._exit(0)": "ended its own process",
    "import os; os.abort()": "signal",
    "import ctypes; ctypes.string_at(0)": "signal 11",
    "import time\nwhile True:\n    try: time.sleep(9)\n    except BaseException: pass": "still running",
    "import signal; signal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass": "still running",
    "import mmap; m = mmap.mmap(-1, 2**32)\nfor _ in range(16): m.write(bytes(2**28))": "memory",
    "i = 0\nwhile True:\n    i += 1; open(f'f{i}', 'w').write('x')": "files",
    "for i in range(9): open(f'f{i}', 'wb').write(bytes(19_000_000))\nimport time; time.sleep(5)": "bytes",
    "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()": "threads",
    "import os\nfor i in range(3, 9):\n    try: os.write(i, b'[1]\\n')\n    except OSError: pass": "no sense",
    "import os\nfor i in range(3, 9):\n    try:\n        while 1: os.write(i, bytes(10**6))\n    except OSError: 0": (
        "more than an answer"
    ),
}


@pytest.mark.parametrize(
    "code", ENDS, ids=[reason.replace(" ", "-") + str(i) for i, reason in enumerate(ENDS.values())]
)
def test_what_takes_too_much_is_ended_with_its_reason(start, code, monkeypatch):
    monkeypatch.setattr(student, "GRACE_SECONDS", 1)
    process = start()
    for source in (code, "pass"):  # what was sent besides is found with the next answer
        try:
            process.run(source, seconds=3 if ENDS[code] == "still running" else 100)
        except Ended as end:
            reason = str(end)
            break
    assert ENDS[code] in reason
    assert process._process.poll() is not None


TOO_MUCH = {
    "bytearray(5 * 2**30)": "MemoryError",
    "open('big', 'wb').write(bytes(30_000_000))": "OSError",
    "while True: pass": "CellTimeout",
    "import sys; sys.exit(1)": "SystemExit",
    "def f(): f()\nf()": "RecursionError",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
}


def test_what_a_cell_can_recover_from_ends_the_cell_only(start):
    process = start()
    for code, name in TOO_MUCH.items():
        error, _ = process.run(code, seconds=2 if name == "CellTimeout" else 100)
        assert error.startswith(name), code
    error, printed = process.run("print('x' * 10**8)")
    assert error is None
    assert len(printed) < 11_000
    assert process.run("print('still here')") == (None, "still here\n")


def test_a_process_that_dies_takes_no_thread_of_the_grader_with_it(start):
    process = start()
    threading.Timer(0.3, process._process.kill).start()
    with pytest.raises(Ended, match="signal 9"):
        process.run("import time; time.sleep(60)")


def test_a_process_ends_at_its_deadline_however_long_a_cell_may_take(tmp_path, grading_settings):
    paths = {name: Path(grading_settings[name]) for name in ("data", "fonts", "helpers", "forbidden")}
    with (
        Student(tmp_path, **paths, deadline=time.monotonic() + 10) as process,
        pytest.raises(Ended, match="time was up"),
    ):
        process.run("import time; time.sleep(90)", seconds=100)


def test_functions_are_called_with_values_and_give_values(start):
    process = start()
    process.run("import numpy as np\ndef scale(x, by=2): return x * by, [float('nan'), None, 'text'], {'a': (1, 2.5)}")
    given = np.arange(6, dtype=np.float32).reshape(2, 3)
    array, row, named = process.value("scale")(given, by=3)
    assert array.dtype == np.float32
    assert np.array_equal(array, 3 * given)
    assert np.isnan(row[0])
    assert row[1:] == [None, "text"]
    assert named == {"a": (1, 2.5)}


def test_odd_values_are_refused_in_a_sentence(start):
    process = start()
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
def huge(): return np.zeros(10**8)
def wrong(): return 1 / 0
def endless(): return 10 ** 400
generator = (i for i in range(3))
""")
    for name, said in {"sly": "a Sly", "objects": "type object", "deep": "nested", "huge": "bytes of answer",
                       "wrong": "ZeroDivisionError", "endless": "64 bits"}.items():  # fmt: skip
        with pytest.raises(StudentError, match=said):
            process.value(name)()
    for name, said in {"generator": "a generator", "absent": "no absent"}.items():
        with pytest.raises(StudentError, match=said):
            process.value(name)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"nonsense", b"[1, 2]", b'{"array": 1}', b'{"array": ["O", [1], "AAAA"]}', b"{}",
        b'{"array": ["<f8", [1000000000000], ""]}', b'{"array": ["<f8", [-1], ""]}', b'{"array": ["<f8", ["x"], ""]}',
        b'{"dict": [[{"list": []}, 1]]}', b'{"float": "x"}', b"[" * 100_000, b'{"list": ' * 50 + b"1" + b"}" * 50,
        b'{"array": ["<U400000000", [1], ""]}', b"9" * 10_000, b"\xff\xfe", b'{"exec": "import os"}',
    ],
)  # fmt: skip
def test_a_forged_answer_is_refused(line):
    with pytest.raises(values.ValueTrouble):
        values.decode(line)


def test_the_process_knows_nothing_of_the_graders_environment(start, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_GRADER", "yes")
    error, printed = start().run("import os; print(dict(os.environ))")
    assert error is None
    assert "SECRET_OF_THE_GRADER" not in printed


def test_no_file_of_the_graders_is_open_in_the_process(start, tmp_path):
    with open(tmp_path / "open", "w") as file:
        os.set_inheritable(file.fileno(), True)
        code = (
            "import os\nfor name in os.listdir('/proc/self/fd'):\n    try: print(os.readlink('/proc/self/fd/' + name))"
        )
        error, printed = start().run(code + "\n    except FileNotFoundError: pass")
    assert error is None
    assert str(tmp_path / "open") not in printed
