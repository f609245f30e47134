"""What disks, other processes and users do to the cache, by real means, and what the learner gets all the same.

Each `fault` or `row` is a row of the table in docs/data.md.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from helpers import cache, data, download
from helpers.data import load_data, main
from helpers.errors import DatasetError
from tests.copies import FILE_BYTES, contents, fault, flip, official_bytes, python, row, unshared
from tests.loopback import file_page
from tests.series import PATHS, code_cells, read

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals, limits and rights")
linux = pytest.mark.skipif(sys.platform != "linux", reason="sets limits as Linux does")
TMPFS, READ_ONLY = "mount -t tmpfs -o size={} none", 'mount --bind "$1" "$1" && mount -o remount,bind,ro'


def mounted(mount: str, folder: Path) -> tuple:
    """Return the beginning of a command that runs after something was mounted on a folder, for itself alone."""
    script = f'PATH=/usr/sbin:/usr/bin:/sbin:/bin; {mount} "$1"; shift; exec "$@"'
    return (*unshared("-rm"), "/bin/sh", "-ec", script, "sh", str(folder))


@pytest.fixture
def filled(world, monkeypatch):
    """Fill the cache; let a sound copy be the one source."""
    world.fill()
    monkeypatch.setattr(download, "OFFICIAL", world.sound.as_uri())


FILM = """
whole = archive.verified_file
def filling(name, pieces):
    if name == "data_batch_4.bin":  # a film arrives on the same disk
        pathlib.Path(os.environ["CIFAR10_HOME"], "film").write_bytes(bytes(90_000_000))
    yield from whole(name, pieces)
archive.verified_file = filling
"""


@linux
@pytest.mark.parametrize(
    ("code", "before", "said", "advice", "left"),
    [
        row("The disk fills up in mid-download (ENOSPC)", FILM, lambda home: mounted(TMPFS.format("250m"), home),
            "No space left", "The disk is full: 190 MB are needed. Free some space, or set CIFAR10_HOME", ["film"]),
        row("The disk is too full from the start", "download._read = lambda *_: print('downloaded')",
            lambda home: mounted(TMPFS.format("100m"), home), "No space left on device (105 MB free there)",
            "The disk is full: 190 MB are needed. Free some space, or set CIFAR10_HOME", []),
        row("Files may not grow so large (EFBIG, ulimit -f)",
            "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (50_000_000, 50_000_000))", lambda _: (),
            "File too large (", "Raise the limit (ulimit -f), or set CIFAR10_HOME", ["notes.txt"]),
        row("The cache is empty and read-only", "", lambda home: mounted(READ_ONLY, home), "Read-only file system (",
            "Make sure that you may write there, or set CIFAR10_HOME", ["notes.txt"]),
    ],
)  # fmt: skip
def test_a_disk_that_refuses(world, code, before, said, advice, left):
    code += '\nprint(data.main([]), os.listdir(os.environ["CIFAR10_HOME"]))'
    done = python(code, before=before(world.home), CIFAR10_URL=world.sound.as_uri())
    assert done.stdout == f"1 {left}\n", done.stderr
    assert f"CIFAR-10 could not be written to {world.home}: {said}" in done.stderr
    assert advice in done.stderr
    world.fetches(world.sound)


@pytest.mark.parametrize(
    ("step", "number", "advice"),
    [("archive.verified", errno.EIO, "Make sure that you may write there"),
     row("A quota is used up (EDQUOT)", "os.fsync", errno.EDQUOT, "Your disk quota is used up: 190 MB are needed."),
     ("os.replace", errno.EACCES, "Make sure that you may write there")],
)  # fmt: skip
def test_whatever_the_disk_says_nothing_is_left(world, monkeypatch, step, number, advice):
    """The same on machines where the tests above are skipped, and for every step; here the error is simulated."""

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(f"helpers.cache.{step}", refuse)
    with pytest.raises(DatasetError) as caught:
        download.fetch(world.home, [world.sound])
    assert f"could not be written to {world.home}: {os.strerror(number)} (" in str(caught.value)
    assert advice in str(caught.value)
    world.holds()


@posix
@fault("A file stands where the cache folder belongs")
def test_a_folder_that_cannot_be_made_is_named(world):
    with pytest.raises(DatasetError) as caught:
        load_data(world.neighbour / "cache")
    assert f"could not be written to {world.neighbour / 'cache'}: Not a directory" in str(caught.value)
    world.holds()


@fault("The disk gives back other bytes than were written")
def test_a_disk_that_forgets_is_not_believed(world, monkeypatch):
    monkeypatch.setattr(download, "fetch", lambda *_: None)
    with pytest.raises(DatasetError, match=r"does not keep what is written there: train\.bin .missing"):
        load_data()


@fault("The cache is full and read-only")
def test_a_full_read_only_cache_is_used(world, filled):
    code = "print(data.load_data().labels_train[:3].tolist(), data.main(['clear']))"
    done = python(code, before=mounted(READ_ONLY, world.home))
    assert (done.returncode, done.stdout) == (0, "[6, 9, 9] 1\n")
    assert " could not be removed: Read-only file system. Close the notebooks that use it" in done.stderr
    world.is_sound()


@posix
@fault("Others are to read the cache")
def test_rights_are_what_umask_says(world, monkeypatch):
    on_disk = []
    monkeypatch.setattr(cache.os, "fsync", lambda file: on_disk.append(os.fstat(file).st_size))
    monkeypatch.setattr(cache.archive, "PIECE", 3_000)  # Python keeps so few back
    before = os.umask(0o027)
    try:
        download.fetch(world.home / "a" / "b", [world.sound])
    finally:
        os.umask(before)
    rights = {path.name: path.stat().st_mode & 0o777 for path in (world.home / "a").rglob("*")}
    assert rights == {"b": 0o750, "train.bin": 0o640, "test.bin": 0o640}
    assert on_disk == [5 * FILE_BYTES, FILE_BYTES]  # before they got their names


@pytest.fixture
def shared(world, monkeypatch, tmp_path):
    """Return the folder of CIFAR10_SHARED; `world.home` becomes the user's own cache."""
    monkeypatch.delenv("CIFAR10_HOME")
    monkeypatch.setenv("CIFAR10_SHARED", str(tmp_path / "shared"))
    monkeypatch.setattr(data.platformdirs, "user_cache_dir", lambda *_: str(tmp_path / "user"))
    monkeypatch.setattr(download, "OFFICIAL", world.sound.as_uri())
    (tmp_path / "user").mkdir()
    world.home = world.home.rename(tmp_path / "user" / "cifar-10")
    return tmp_path / "shared"


@fault("A shared copy (CIFAR10_SHARED) is whole")
@fault("The shared copy is damaged, or empty")
def test_a_shared_copy_is_used_if_it_is_sound_and_left_as_it_is(world, shared, capsys):
    shared.symlink_to(world.sound)
    assert load_data().labels_test[:3].tolist() == [3, 8, 8]
    assert main(["--from", str(world.sound)]) == main(["clear"]) == 0
    world.holds()
    out, err = capsys.readouterr()
    assert (out.startswith(f"CIFAR-10, verified: {world.home}\n"), "passed over" in err) == (True, False)
    shared.unlink()
    for said in ("train.bin (missing)", "test_batch.bin is not the published file"):
        assert load_data().labels_test[:3].tolist() == [3, 8, 8]
        assert f"The shared copy of CIFAR-10 in {shared} is passed over: " in (shown := capsys.readouterr().err)
        assert said in shown
        if not shared.exists():
            shutil.copytree(world.sound, shared)
            flip(shared / "test.bin", 5_000_000)
            before = {path.name: path.stat().st_mtime_ns for path in shared.glob("*")}
    assert {path.name: path.stat().st_mtime_ns for path in shared.glob("*")} == before
    (shared / "train.bin").write_bytes(b"\5mine")
    load_data()
    assert "may be somebody's" in capsys.readouterr().err
    world.is_sound()


LIKE_OURS = (np.arange(10**6) // 3_073 % 10).astype(np.uint8).tobytes()  # labels where labels belong


def swap(home: Path) -> None:
    os.replace(home / "test.bin", home / "train.bin")


@fault("Spaces, accents or other letters in the path")
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        row("A bit flips in one of the six files", lambda home: flip(home / "train.bin", 3 * FILE_BYTES + 10**7, 8),
            ["data_batch_4.bin is not the published file: its SHA-256 differs"]),
        pytest.param(lambda home: flip(home / "test.bin", FILE_BYTES - 1, 128), ["test_batch.bin is not"], id="end"),
        row("A file is too short, too long, empty, missing or in the wrong order",
            lambda home: (os.truncate(home / "train.bin", 5 * FILE_BYTES + 1), os.truncate(home / "test.bin", 10**7)),
            ["it has bytes past its end", "test_batch.bin has 10,000,000 bytes"]),
        pytest.param(lambda home: os.truncate(home / "train.bin", 0), ["data_batch_1.bin has 0 bytes"], id="empty"),
        pytest.param(lambda home: (home / "test.bin").unlink(), [], id="missing"),
        pytest.param(swap, ["data_batch_1.bin is not the published"], id="wrong order"),
    ],
)  # fmt: skip
def test_damage_is_noticed_named_and_mended(world, filled, capsys, damage, said):
    assert {" ", "é", "数", "%", "#", "$"} <= set(world.home.name)
    damage(world.home)
    sound, wrong = cache.read_cache(world.home)
    stays = {name: (world.home / name).stat().st_ino for name in sound}
    loaded = load_data()
    assert (loaded.labels_train[:3].tolist(), loaded.labels_test.max()) == ([6, 9, 9], 9)
    shown = capsys.readouterr().err
    assert [words for words in said if words not in shown] == []
    assert all(f"{world.home / name} is damaged: " in shown for name in wrong if wrong[name] != cache.MISSING)
    assert {name: (world.home / name).stat().st_ino for name in sound} == stays
    world.is_sound()


@posix
@fault("CIFAR10_HOME has somebody else's train.bin, or a folder, a link or a pipe of that name")
@pytest.mark.parametrize(
    "make",
    [
        # 16-bit numbers, as language models are trained on
        lambda path: path.write_bytes(np.random.default_rng(0).integers(50_257, size=10**6).astype("<u2").tobytes()),
        lambda path: path.write_bytes(b"\5mine"), lambda path: path.write_bytes(bytes(10**7)), Path.mkdir, os.mkfifo,
        # what looks like a damaged copy, elsewhere
        lambda path: (path.parent.parent.joinpath("old").write_bytes(LIKE_OURS), path.symlink_to("../old")),
        lambda path: path.symlink_to("nowhere"),
    ],
    ids=["tokens", "short", "zeros", "folder", "pipe", "link", "link to nowhere"],
)  # fmt: skip
def test_what_is_not_ours_is_left_alone(world, monkeypatch, make, capsys):
    monkeypatch.setattr(download, "OFFICIAL", world.sound.as_uri())
    path = world.home / "train.bin"
    make(path)
    before = path.lstat()
    with pytest.raises(DatasetError, match=r"train\.bin: .*\. It stays as it is\. .*or set CIFAR10_HOME to"):
        load_data()
    assert main(["clear"]) == 0
    assert "Left alone, since not ours: train.bin" in capsys.readouterr().out
    assert (path.lstat().st_ino, path.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    world.holds("train.bin")


@fault("The cache cannot be read: too many open files, too little memory, a disk or server that fails (EIO, ESTALE)")
@pytest.mark.parametrize(
    ("limit", "said"),
    [("RLIMIT_NOFILE, (3, 3)", "it cannot be read (Too many open files)"),
     ("RLIMIT_AS, (now + 60_000_000,) * 2", "it cannot be read (Cannot allocate memory)")],
)  # fmt: skip
@linux
def test_an_error_of_the_machine_is_no_damage(world, filled, limit, said):
    done = python(
        "import resource\nnow = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        f"resource.setrlimit(resource.{limit})\n"
        "try: data.load_data()\nexcept data.DatasetError as error: print(error)"
    )
    assert done.returncode == 0, done.stderr
    assert f"{world.home / 'train.bin'}: {said}. It stays as it is." in done.stdout
    world.is_sound()


@fault("The cache is damaged, and no source answers")
@fault("A notebook is opened without a network and without data")
@fault("A notebook is opened with a broken cache and without a network")
def test_a_notebook_shows_one_message_and_no_traceback(world, filled, monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    flip(world.home / "test.bin", 8)
    cells = code_cells(read(PATHS[0]))
    last = next(number for number, cell in enumerate(cells) if "load_data()" in cell.source)
    notebook = nbformat.v4.new_notebook(cells=cells[: last + 1])
    NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True).execute()
    said, error = notebook.cells[-1].outputs
    assert (said.name, said.text.count("\n")) == ("stderr", 1)
    assert said.text.startswith(f"{world.home / 'test.bin'} is damaged: test_batch.bin is not the published file")
    assert error.output_type == "error"
    assert error.traceback == [f"DatasetError: {error.evalue}"]
    assert error.evalue.startswith(f"CIFAR-10 could not be fetched into {world.home} (")
    world.holds("train.bin", "test.bin")
    world.fetches(world.sound)


@posix
@fault("The cache is replaced, or cleared, under open arrays")
def test_open_arrays_stay_valid(world, filled):
    loaded = load_data()
    for name in ("train.bin", "test.bin"):
        shutil.copy(world.home / name, world.home / "new")
        flip(world.home / "new", 1_000)
        os.replace(world.home / "new", world.home / name)
    load_data()
    assert main(["clear"]) == 0
    world.holds()
    for number, images in ((0, loaded.images_train[:10_000]), (5, loaded.images_test)):
        published = np.frombuffer(official_bytes(world.sound, number), np.uint8).reshape(-1, 3_073)
        np.testing.assert_array_equal(images, published[:, 1:])


@posix
def test_what_was_verified_is_what_is_mapped(world, filled, monkeypatch):
    opened = cache.archive.open_regular
    monkeypatch.setattr(cache.archive, "open_regular", lambda path: (opened(path), path.unlink())[0])
    assert cache.read_cache(world.home)[0]["test.bin"][:3, 0].tolist() == [3, 8, 8]


def leftovers(world) -> list[str]:
    return [name for name in contents(world.home) if name.startswith(".ten-templates")]


@posix
@pytest.mark.parametrize(
    ("place", "moment", "done"),
    [
        row("kill -9 while unpacking or verifying", "archive.verified_file", "given[0] == 'data_batch_3.bin'", []),
        row("kill -9 just before the rename, or between the two", "os.replace", "given[1].name == 'train.bin'", []),
        pytest.param("os.replace", "given[1].name == 'test.bin'", ["train.bin"], id="between the two"),
    ],
)
def test_who_is_killed_leaves_whole_files_or_none(world, place, moment, done):
    killed = python(f"""
def dying(*given, whole={place}):
    if {moment}:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*given)
{place} = dying
data.load_data()
""", CIFAR10_URL=world.sound.as_uri())  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert leftovers(world)
    assert list(cache.read_cache(world.home)[0]) == done
    world.holds(*done, *leftovers(world))
    world.fetches(world.sound)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "before", "requests"),
    [
        row("Many processes at once, with nothing in the cache", 4, "", 1),
        row("The same where processes cannot tell who came first", 2,
            "import filelock\nfilelock.FileLock.acquire = lambda *_, **__: exec("
            "'raise [OSError, NotImplementedError][int(sys.argv[2])]')", 2),
    ],
)  # fmt: skip
def test_processes_at_once_all_get_the_right_bytes(world, server, archive, monkeypatch, count, before, requests):
    server.pages["/archive"] = file_page(archive)
    monkeypatch.setenv("CIFAR10_URL", server.address("/archive"))
    code = (
        f"import sys, time, pathlib\nfrom helpers import data\n{before}\n"
        "ready = pathlib.Path(sys.argv[1])\n(ready / sys.argv[2]).touch()\n"
        "while len(list(ready.iterdir())) < int(sys.argv[3]): time.sleep(0.01)\n"  # all from the same moment on
        "loaded = data.load_data()\n"
        "print(loaded.labels_train[:3].tolist(), int(loaded.images_test[-1].sum()))"
    )
    (ready := world.home.parent / "ready").mkdir()
    commands = [[sys.executable, "-c", code, ready, str(number), str(count)] for number in range(count)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    expected = f"[6, 9, 9] {int(load_data(world.sound).images_test[-1].sum())}\n"
    assert [process.communicate(timeout=500)[0] for process in processes] == [expected] * count
    world.is_sound()
    assert len(server.asked) == requests


@fault("Windows: another process brought the file first, and has it open")
@pytest.mark.parametrize("size", [None, 10**7])
def test_a_file_that_is_open_elsewhere_may_stay_if_it_is_sound(world, monkeypatch, size):
    def as_windows_does(_, new):
        new.write_bytes((world.sound / new.name).read_bytes()[:size])
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(cache.os, "replace", as_windows_does)
    if size:
        with pytest.raises(DatasetError, match="Permission denied"):
            download.fetch(world.home, [world.sound])
    else:
        world.fetches(world.sound)


FIRST = """
import os, signal, sys, time
from helpers import cache, data
with cache.work_folder(data.cache_folders()[-1]) as work:
    (work / "train.bin").write_bytes(bytes(10**7))
    print("working", flush=True)
"""


@posix
@fault("The process that fetches dies while others wait")
def test_who_waits_takes_the_place_of_the_dead(world):
    code = f"{FIRST}    time.sleep(600)"
    first = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert first.stdout.readline() == "working\n"
    command = [sys.executable, "-m", "helpers.data", "--from", world.sound]
    second = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(2)  # it waits
    first.kill()
    first.wait()
    assert second.communicate(timeout=60)[0] == f"CIFAR-10, verified: {world.home}\n"
    world.is_sound()


@posix
@fault("The process that came first hangs")
def test_a_hanging_process_is_waited_for_only_so_long(world, monkeypatch):
    monkeypatch.setattr(cache, "QUIET_SECONDS", 0.5)
    hanging = subprocess.Popen([sys.executable, "-c", f"{FIRST}    os.kill(os.getpid(), signal.SIGSTOP)"])
    os.waitpid(hanging.pid, os.WUNTRACED)
    world.fetches(world.sound, *leftovers(world))  # it is alive, so its folder stays
    hanging.send_signal(signal.SIGCONT)
    assert hanging.wait(60) == 0
    world.is_sound()


@fault("A file or link named like our work folders, or what another machine left")
def test_what_others_left_does_no_harm(world, tmp_path):
    file, link, young, old = (world.home / f"{cache.WORK}-{kind}" for kind in ("file", "link", "young", "old"))
    file.write_text("lock")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    link.symlink_to(tmp_path / "precious")
    young.mkdir()
    old.mkdir()
    for path in (file, link, tmp_path / "precious", old):
        os.utime(path, (1, 1), follow_symlinks=False)
    world.fetches(world.sound, file.name, link.name, young.name)  # a day old, ours is removed
    assert (link / "thesis.txt").read_text() == "years of work"


@posix
@fault("There is no error stream, or nobody reads it any more")
@pytest.mark.parametrize("kind", ["none", "closed pipe"])
def test_a_bar_never_costs_the_work(world, kind):
    code = (
        "import sys\nfrom helpers import data, progress\nfrom helpers.errors import warn\n"
        "for _ in progress.progress_bar(range(3), delay=0, mininterval=0): warn('a word')\n"
        "sys.exit(data.main(['--from', sys.argv[1]]))"
    )
    read, write = os.pipe()
    os.close(read)
    before = (lambda: os.close(2)) if kind == "none" else None
    command = [sys.executable, "-c", code, world.sound]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=write, preexec_fn=before, check=False)
    os.close(write)
    assert (done.returncode, done.stdout.decode()) == (0, f"CIFAR-10, verified: {world.home}\n")
    world.is_sound()


@fault("No home folder is known (HOME unset, a user without a name)")
def test_without_a_home_the_error_says_what_to_set(world, tmp_path, monkeypatch):
    for name in ("HOME", "CIFAR10_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    command = [*unshared("-U", "--map-user=54321"), sys.executable, "-m", "helpers.data"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "No home folder is known. Set CIFAR10_HOME to a folder for the data.\n"
    assert not list(tmp_path.glob("~*"))
