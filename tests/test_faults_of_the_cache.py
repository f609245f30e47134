"""What disks, other processes and users do to the cache, by real means, and what the learner gets all the same.

Each `fault` is a row of the table in docs/data.md.
"""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from helpers import cache, data, download
from helpers.data import load_data, main
from helpers.errors import DatasetError
from tests.copies import FILE_BYTES, NAMES, contents, official_bytes
from tests.loopback import file_page
from tests.series import PATHS, code_cells, read

fault = pytest.mark.fault
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals, limits and rights")


def fetch_copy(world) -> None:
    download.fetch(world.home, [world.sound])


def python(code: str, *arguments, before: tuple = (), **environment) -> subprocess.CompletedProcess:
    """Run `code` in a fresh interpreter, with the helpers and what it needs of them imported."""
    code = f"import os, signal, sys\nfrom helpers import archive, cache, data, download\ndownload.MIRRORS = ()\n{code}"
    return subprocess.run(
        [*before, sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=300,
        env={**os.environ, **environment},
    )  # fmt: skip


def with_mount(shell: str, *arguments) -> tuple:
    """Return the start of a command that runs after the shell has mounted what it wants, for itself alone."""
    unshare = shutil.which("unshare", path=os.defpath)
    begin = (unshare, "-rm", "sh", "-ec", f'{shell}; shift {len(arguments)}; exec "$@"', "sh", *map(str, arguments))
    if not unshare or subprocess.run([*begin, "true"], capture_output=True, env={"PATH": os.defpath}).returncode:
        pytest.skip("this machine does not let us mount a file system (unshare -rm)")
    return ("env", f"PATH={os.defpath}", *begin) if Path("/usr/bin/env").exists() else begin


READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"'


@pytest.fixture(autouse=True)
def programs(monkeypatch, world, tmp_path):
    """Let the tests of this file find programs, but no npm."""
    (tmp_path / "bin").mkdir()
    for name in ("env", "sh", "mount", "true", "strace"):
        if there := shutil.which(name, path=os.defpath + ":/usr/sbin:/sbin"):
            (tmp_path / "bin" / name).symlink_to(there)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


class TestDisk:
    @fault("The disk fills up in mid-download (ENOSPC)", "Nothing is left; the message names the folder, its free "
           "space and what to do. Once there is space, the next call succeeds.")  # fmt: skip
    def test_a_disk_that_fills_up(self, world, tmp_path):
        (tmp_path / "disk").mkdir()
        done = python(
            """
import json, pathlib
disk, sound = map(pathlib.Path, sys.argv[1:])
whole = archive.verified_file
def filling(name, pieces):
    if name == "data_batch_4.bin":  # a film arrives on the same disk
        (disk / "film").write_bytes(bytes(90_000_000))
    yield from whole(name, pieces)
archive.verified_file = filling
try:
    download.fetch(disk / "cache", [sound])
except data.DatasetError as error:
    first = str(error)
left = sorted(os.listdir(disk)), os.listdir(disk / "cache")
(disk / "film").unlink()
archive.verified_file = whole
download.fetch(disk / "cache", [sound])
print(json.dumps([first, left, sorted(os.listdir(disk / "cache"))]))
""",
            tmp_path / "disk", world.sound,
            before=with_mount('mount -t tmpfs -o size=250m none "$1"', tmp_path / "disk"),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said, left, after = json.loads(done.stdout)
        assert said.startswith(f"CIFAR-10 could not be written to {tmp_path / 'disk' / 'cache'}: No space left")
        assert "MB free there). The disk is full: 190 MB are needed. Free some space, or set CIFAR10_HOME" in said
        assert left == [["cache", "film"], []]
        assert after == ["test.bin", "train.bin"]

    @fault("The disk is too full from the start", "It is said before anything is downloaded.")
    def test_a_full_disk_is_noticed_at_once(self, world, tmp_path):
        (tmp_path / "disk").mkdir()
        done = python(
            "download._read = lambda *_: print('downloaded')\nsys.exit(data.main([]))",
            before=with_mount('mount -t tmpfs -o size=100m none "$1"', tmp_path / "disk"),
            CIFAR10_HOME=str(tmp_path / "disk" / "cache"),
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert "No space left on device (105 MB free there). The disk is full: 190 MB are needed." in done.stderr

    @posix
    @fault("Files may not grow so large (EFBIG, ulimit -f)", "The message names the limit; nothing is left.")
    def test_a_file_limit(self, world):
        done = python(
            "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (50_000_000, 50_000_000))\n"
            "download.OFFICIAL = sys.argv[1]\nsys.exit(data.main([]))",
            world.sound.as_uri(),
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert f"CIFAR-10 could not be written to {world.home}: File too large (" in done.stderr
        assert "Raise the limit (ulimit -f), or set CIFAR10_HOME" in done.stderr
        assert "Traceback" not in done.stderr
        world.holds()

    @fault("A quota is used up (EDQUOT)", "The message names the quota; nothing is left.")
    def test_a_quota(self, world):
        strace = shutil.which("strace")
        injected = ["-qq", "-o", "/dev/null", "-e", "trace=write", "-e", "inject=write:error=EDQUOT:when=900"]
        if not strace or subprocess.run([strace, *injected, "true"], capture_output=True).returncode:
            pytest.skip("strace, which makes the kernel answer as with a quota, is missing or may not trace")
        done = python(
            "download.OFFICIAL = sys.argv[1]\nsys.exit(data.main([]))", world.sound.as_uri(), before=(strace, *injected)
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert f"CIFAR-10 could not be written to {world.home}: Disk quota exceeded (" in done.stderr
        assert "Your disk quota is used up: 190 MB are needed." in done.stderr
        world.holds()

    @pytest.mark.parametrize("step", ["verified", "fsync", "replace"])
    def test_whatever_the_disk_says_nothing_is_left(self, world, monkeypatch, step):
        """The same on machines where the tests above are skipped, and for every step; here the error is simulated."""

        def refuse(*_):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(cache.archive if step == "verified" else cache.os, step, refuse)
        with pytest.raises(DatasetError) as caught:
            fetch_copy(world)
        assert f"could not be written to {world.home}: {os.strerror(errno.EIO)} (" in str(caught.value)
        world.holds()

    @posix
    @fault("A file stands where the cache folder belongs", "The message names the path.")
    def test_a_folder_that_cannot_be_made_is_named(self, world):
        with pytest.raises(DatasetError) as caught:
            load_data(world.neighbour / "cache")
        assert f"could not be written to {world.neighbour / 'cache'}: Not a directory" in str(caught.value)
        world.holds()

    @fault("The disk gives back other bytes than were written", "No array is made of them; another disk is advised.")
    def test_a_disk_that_forgets_is_not_believed(self, world, monkeypatch):
        monkeypatch.setattr(download, "fetch", lambda folder: None)
        with pytest.raises(DatasetError, match=r"does not keep what is written there: train\.bin .missing"):
            load_data()


class TestRights:
    @fault("The cache is full and read-only", "It is used, with no write at all.")
    def test_a_full_read_only_cache_is_used(self, world, tmp_path):
        fetch_copy(world)
        done = python("print(data.load_data().labels_train[:3].tolist())", before=with_mount(READ_ONLY, tmp_path))
        assert (done.returncode, done.stdout, done.stderr) == (0, "[6, 9, 9]\n", "")

    @fault("The cache is empty and read-only", "The message says so, and what to do.")
    def test_an_empty_read_only_cache_is_named(self, world, tmp_path):
        done = python("sys.exit(data.main([]))", before=with_mount(READ_ONLY, tmp_path))
        assert (done.returncode, done.stdout) == (1, "")
        assert f"CIFAR-10 could not be written to {world.home}: Read-only file system (" in done.stderr
        assert "Make sure that you may write there, or set CIFAR10_HOME" in done.stderr
        world.holds()
        world.recovers()

    @posix
    @fault("Others are to read the cache", "Files and folders have the rights that the umask gives.")
    def test_rights_are_what_umask_says(self, world):
        before = os.umask(0o027)
        try:
            download.fetch(world.home / "a" / "b", [world.sound])
        finally:
            os.umask(before)
        for name in ("train.bin", "test.bin"):
            assert (world.home / "a" / "b" / name).stat().st_mode & 0o777 == 0o640
        assert {path.stat().st_mode & 0o777 for path in (world.home / "a", world.home / "a" / "b")} == {0o750}


class TestSharedCopy:
    @pytest.fixture
    def own(self, world, monkeypatch):
        """Let CIFAR10_SHARED be in force, with `world.home` as the user's own cache."""
        monkeypatch.delenv("CIFAR10_HOME")
        user = world.home.parent / "user"
        user.mkdir()
        monkeypatch.setattr(data.platformdirs, "user_cache_dir", lambda *_: str(user))
        world.home = world.home.rename(user / "cifar-10")

    @fault("A shared copy (CIFAR10_SHARED) is whole", "It is used, and nothing is written anywhere.")
    def test_a_sound_shared_copy_is_used(self, world, own, monkeypatch, capsys):
        monkeypatch.setenv("CIFAR10_SHARED", str(world.sound))
        monkeypatch.setattr(download, "fetch", lambda folder: pytest.fail("fetched"))
        assert load_data().labels_test[:3].tolist() == [3, 8, 8]
        world.holds()
        assert capsys.readouterr().err == ""

    @fault("The shared copy is damaged, or empty", "It is passed over with a warning, and left as it is.")
    @pytest.mark.parametrize("kind", ["damaged", "no folder"])
    def test_a_damaged_shared_copy_is_passed_over(self, world, own, monkeypatch, capsys, tmp_path, kind):
        shared = tmp_path / "shared"
        if kind == "damaged":
            shutil.copytree(world.sound, shared)
            flip(shared / "test.bin", 5_000_000)
        before = {path.name: path.stat().st_mtime_ns for path in shared.glob("*")}
        monkeypatch.setenv("CIFAR10_SHARED", str(shared))
        monkeypatch.setattr(download, "OFFICIAL", world.sound.as_uri())
        assert load_data().labels_test[:3].tolist() == [3, 8, 8]
        said = capsys.readouterr().err
        assert f"The shared copy of CIFAR-10 in {shared} is passed over: " in said
        assert ("test_batch.bin is not the published file" if kind == "damaged" else "train.bin (missing)") in said
        assert {path.name: path.stat().st_mtime_ns for path in shared.glob("*")} == before
        world.is_sound()


def flip(path: Path, place: int, mask: int = 1) -> None:
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ mask]))


class TestDamage:
    @pytest.fixture
    def filled(self, world, monkeypatch):
        """Fill the cache; let a sound copy be the one source."""
        fetch_copy(world)
        monkeypatch.setattr(download, "OFFICIAL", world.sound.as_uri())

    @fault(
        "A bit flips in one of the six files",
        "The file is named, fetched again and kept as .damaged; what is sound stays. No wrong byte becomes an array.",
    )
    @pytest.mark.parametrize(("number", "place", "bit"), [(3, 15_000_000, 3), (5, FILE_BYTES - 1, 7)])
    def test_one_flipped_bit_is_noticed(self, world, filled, capsys, number, place, bit):
        cached = "test.bin" if number == 5 else "train.bin"
        flip(world.home / cached, (0 if number == 5 else number * FILE_BYTES) + place, 1 << bit)
        assert cache.damage(world.home) == {cached: f"{NAMES[number]} is not the published file: its SHA-256 differs"}
        loaded = load_data()
        assert loaded.labels_train[:3].tolist() == [6, 9, 9]
        assert f"{world.home / cached} is damaged: {NAMES[number]} is not" in capsys.readouterr().err
        world.is_sound(f"{cached}.damaged")

    @fault("A label 10 in the cache", "It is noticed like any other wrong byte.")
    @fault("A file is damaged a second time", "Both damaged copies are kept, and nothing that has their names is lost.")
    def test_a_label_10_and_a_second_damage_are_noticed(self, world, filled):
        (world.home / "test.bin.damaged").mkdir()
        for place in (3_073 * 77, 5):
            flip(world.home / "test.bin", place, official_bytes(world.sound, 5)[place] ^ 10)
            assert load_data().labels_test.max() == 9
        world.is_sound("test.bin.damaged", "test.bin.damaged2", "test.bin.damaged3")

    @fault("A file is too short, too long, empty, missing or in the wrong order", "It is fetched again.")
    @pytest.mark.parametrize(
        ("train", "test", "said", "kept"),
        [(5 * FILE_BYTES + 1, FILE_BYTES - 1, ["it has bytes past its end", "test_batch.bin has 30,729,999 bytes"],
          ["test.bin.damaged", "train.bin.damaged"]),
         (0, None, ["data_batch_1.bin has 0 bytes"], []),
         ("test.bin", None, ["data_batch_1.bin is not the published"], ["train.bin.damaged"])],
        ids=["long, short", "empty, missing", "wrong order"],
    )  # fmt: skip
    def test_a_wrong_length_is_noticed(self, world, filled, train, test, said, kept, capsys):
        if train == "test.bin":
            os.replace(world.home / "test.bin", world.home / "train.bin")
        else:
            os.truncate(world.home / "train.bin", train)
            os.truncate(world.home / "test.bin", test) if test else (world.home / "test.bin").unlink()
        assert [array.shape for array in load_data()[:4]] == [(50_000, 3072), (50_000,), (10_000, 3072), (10_000,)]
        shown = capsys.readouterr().err
        assert all(words in shown for words in said)
        world.is_sound(*kept)

    @posix
    @fault(
        "CIFAR10_HOME has somebody else's train.bin, or a folder, a link or a pipe of that name",
        "It is named and left alone: never renamed, overwritten, removed or waited at.",
    )
    @pytest.mark.parametrize("kind", ["tokens", "text", "folder", "link", "pipe"])
    def test_what_is_not_ours_is_left_alone(self, world, filled, kind, capsys):
        path = world.home / "train.bin"
        path.unlink()
        if kind == "tokens":  # 16-bit numbers, as language models are trained on
            path.write_bytes(np.random.default_rng(0).integers(50_257, size=1_000_000).astype("<u2").tobytes())
        elif kind == "text":
            path.write_text("mine")
        elif kind == "folder":
            path.mkdir()
        elif kind == "link":
            path.symlink_to(world.neighbour)
        else:
            os.mkfifo(path)
        before = path.lstat()
        with pytest.raises(DatasetError, match=r"train\.bin is no copy of CIFAR-10 .* and may be somebody's"):
            load_data()
        assert main(["clear"]) == 0
        assert "Left alone, since not ours: train.bin" in capsys.readouterr().out
        assert (path.lstat().st_ino, path.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        world.holds("train.bin")

    @fault(
        "The cache cannot be read: too many open files, too little memory, a disk or server that fails (EIO, ESTALE)",
        "The reason is named, and a sound cache stays as it is.",
    )
    @pytest.mark.parametrize(
        ("limit", "said"),
        [("RLIMIT_NOFILE, (3, 3)", "it cannot be read (Too many open files)"),
         ("RLIMIT_AS, (now + 60_000_000,) * 2", "it cannot be read (Cannot allocate memory)")],
    )  # fmt: skip
    @pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="sets limits as Linux does")
    def test_an_error_of_the_machine_is_no_damage(self, world, filled, limit, said):
        done = python(
            "import resource\nnow = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
            f"resource.setrlimit(resource.{limit})\n"
            "try: data.load_data()\nexcept data.DatasetError as error: print(error)"
        )
        assert done.returncode == 0, done.stderr
        assert f"{world.home / 'train.bin'}: {said}. It stays as it is." in done.stdout
        world.is_sound()

    @fault("The cache is damaged, and no source answers", "The damaged file is named and stays; no array is made.")
    def test_damage_without_a_source_gives_an_error_and_no_array(self, world, filled, monkeypatch, capsys):
        flip(world.home / "train.bin", 99)
        monkeypatch.setattr(download, "OFFICIAL", "http://127.0.0.1:9/nobody")
        with pytest.raises(DatasetError, match="could not be fetched"):
            load_data()
        assert "data_batch_1.bin is not the published file" in capsys.readouterr().err
        world.holds("test.bin", "train.bin")
        world.recovers("train.bin.damaged")

    @posix
    @fault("The cache is replaced, or cleared, under open arrays", "The arrays keep their bytes.")
    def test_open_arrays_stay_valid(self, world, filled):
        loaded = load_data()
        flip(world.home / "train.bin", 123_456_789)  # in place, so this one does reach the arrays
        shutil.copy(world.home / "test.bin", world.home / "new")
        flip(world.home / "new", 1_000)
        os.replace(world.home / "new", world.home / "test.bin")
        load_data()  # keeps both beside
        flip(world.home / "train.bin.damaged", 123_456_789)
        assert main(["clear"]) == 0
        world.holds()
        for number, images in ((0, loaded.images_train[:10_000]), (5, loaded.images_test)):
            published = np.frombuffer(official_bytes(world.sound, number), np.uint8).reshape(-1, 3_073)
            np.testing.assert_array_equal(images, published[:, 1:])

    @posix
    def test_what_was_verified_is_what_is_mapped(self, world, filled, monkeypatch):
        """A file that takes the name between the check and the mapping is not the one that is mapped."""
        memmap = np.memmap

        def too_late(file, **options):
            os.replace(world.home / "wrong", getattr(file, "name", file))
            (world.home / "wrong").write_bytes(bytes(FILE_BYTES))
            return memmap(file, **options)

        (world.home / "wrong").write_bytes(bytes(5 * FILE_BYTES))
        monkeypatch.setattr(cache.np, "memmap", too_late)
        records, wrong = cache.read_cache(world.home)
        assert wrong == {}
        assert records["train.bin"][:3, 0].tolist() == [6, 9, 9]
        assert records["test.bin"][:3, 0].tolist() == [3, 8, 8]


@posix
class TestKilledProcesses:
    """kill -9 leaves no time to tidy up: the next one does that."""

    def killed(self, world, code: str) -> None:
        done = python(f"{code}\ndownload.OFFICIAL = sys.argv[1]\ndata.load_data()", world.sound.as_uri())
        assert done.returncode == -signal.SIGKILL, done.stderr

    @staticmethod
    def leftovers(world) -> list[str]:
        return [name for name in contents(world.home) if name.startswith(".ten-templates")]

    @fault("kill -9 during the download", "Nothing stands under a final name; the next call removes the rest.")
    def test_killed_in_the_download(self, world, server, archive, monkeypatch):
        server.pages["/archive"] = file_page(archive, stop_after=100_000_000, pause=600)
        monkeypatch.setenv("CIFAR10_URL", server.address("/archive"))
        process = subprocess.Popen([sys.executable, "-m", "helpers.data"], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size > 50_000_000 for path in world.home.rglob("*.bin")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert self.leftovers(world)
        world.holds(*self.leftovers(world))
        world.recovers()

    @fault("kill -9 while unpacking or verifying", "The same.")
    def test_killed_while_unpacking(self, world):
        self.killed(world, """
verified = archive.verified_file
def dying(name, pieces):
    for number, piece in enumerate(verified(name, pieces)):
        if name == "data_batch_3.bin" and number == 100:
            os.kill(os.getpid(), signal.SIGKILL)
        yield piece
archive.verified_file = dying
""")  # fmt: skip
        world.holds(*self.leftovers(world))
        world.recovers()

    @fault("kill -9 just before the rename, or between the two", "Each name has the whole file, or none.")
    @pytest.mark.parametrize("before", ["train.bin", "test.bin"])
    def test_killed_before_a_rename(self, world, before):
        self.killed(world, f"""
replace = os.replace
def dying(*names):
    if names[1].name == "{before}":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*names)
os.replace = dying
""")  # fmt: skip
        done = [] if before == "train.bin" else ["train.bin"]
        assert [*cache.read_cache(world.home)[0]] == done
        world.holds(*done, *self.leftovers(world))
        world.recovers()


@pytest.mark.slow
class TestManyProcesses:
    def start(self, world, before: str, count: int) -> list[subprocess.Popen]:
        code = (
            "import sys, time, pathlib\nfrom helpers import cache, data, download\n"
            f"{before}\n"
            "pathlib.Path(sys.argv[1], str(sys.argv[2])).touch()\n"
            "while len(list(pathlib.Path(sys.argv[1]).iterdir())) < int(sys.argv[3]): time.sleep(0.01)\n"
            "loaded = data.load_data()\n"
            "print(loaded.labels_train[:3].tolist(), int(loaded.images_test[-1].sum()))"
        )
        (world.home.parent / "ready").mkdir()
        return [
            subprocess.Popen(
                [sys.executable, "-c", code, world.home.parent / "ready", str(number), str(count)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for number in range(count)
        ]  # fmt: skip

    @staticmethod
    def all_did_well(processes, data) -> None:
        expected = f"[6, 9, 9] {int(data.images_test[-1].sum())}\n"
        ended = [process.communicate(timeout=500) for process in processes]
        assert [printed for printed, _ in ended] == [expected] * len(processes), ended

    @fault("Many processes at once, with nothing in the cache", "One fetches, the others wait and use what it brought.")
    def test_many_at_once_fetch_once(self, world, server, archive, data, monkeypatch):
        server.pages["/archive"] = file_page(archive)
        monkeypatch.setenv("CIFAR10_URL", server.address("/archive"))
        self.all_did_well(self.start(world, "", 4), data)
        assert 1 <= len(server.asked) <= 3  # two that begin in the same instant may both take themselves for the first
        world.is_sound()

    @fault("The same where processes cannot tell who came first", "All fetch; each gets the right bytes.")
    def test_all_at_once_without_waiting(self, world, data, monkeypatch):
        monkeypatch.setenv("CIFAR10_URL", world.sound.as_uri())
        no_locks = "import filelock; filelock.FileLock.acquire = lambda *_, **__: exec('raise NotImplementedError')"
        self.all_did_well(self.start(world, no_locks, 2), data)
        world.is_sound()

    @fault("Windows: another process brought the file first, and has it open", "Its file, which is the same, is used.")
    def test_a_file_that_is_open_elsewhere_may_stay(self, world, monkeypatch):
        replace, damage = os.replace, cache.damage

        def as_windows_does(old, new):
            if new.exists():
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            replace(old, new)

        def meanwhile(happens):
            """Let something happen after the cache was looked at for the last time, which is before the moves."""
            looks = iter([lambda: None, happens, lambda: None])
            monkeypatch.setattr(cache, "damage", lambda folder: (damage(folder), next(looks)())[0])

        monkeypatch.setattr(cache.os, "replace", as_windows_does)
        meanwhile(lambda: shutil.copy(world.sound / "train.bin", world.home))
        fetch_copy(world)
        world.is_sound()
        world.empty()
        meanwhile(lambda: (world.home / "test.bin").write_bytes(bytes(100_000)))
        with pytest.raises(DatasetError, match="Permission denied"):
            fetch_copy(world)

    @posix
    @fault("The process that fetches dies while others wait", "The next in turn removes what it left, and fetches.")
    def test_who_waits_takes_the_place_of_the_dead(self, world):
        code = (
            "from helpers import cache, data\nimport time\n"
            "with cache.work_folder(data.cache_folders()[-1]) as work:\n"
            "    (work / 'train.bin').write_bytes(bytes(60_000_000)); print('working', flush=True); time.sleep(600)"
        )
        first = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert first.stdout.readline() == "working\n"
        second = subprocess.Popen(
            [sys.executable, "-m", "helpers.data", "--from", world.sound], stdout=subprocess.PIPE, text=True
        )
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(2)  # it waits
        first.kill()
        first.wait()
        assert second.communicate(timeout=60)[0] == f"CIFAR-10, verified: {world.home}\n"
        world.is_sound()

    @fault(
        "Containers of one machine share a cache, and none sees the processes of the others",
        "A download under way is left alone: a lock tells who lives, not a process number.",
    )
    @posix
    def test_a_live_download_in_another_pid_namespace_is_left_alone(self, world, monkeypatch):
        unshare = shutil.which("unshare", path=os.defpath)
        begin = (unshare, "-rpf", sys.executable)
        if not unshare or subprocess.run([*begin, "-c", ""], capture_output=True).returncode:
            pytest.skip("this machine does not let us have processes of our own (unshare -rp)")
        with cache.work_folder(world.home) as work:
            (work / "half").write_bytes(b"work")
            code = (
                "import sys\nfrom helpers import cache, data\n"
                "cache.QUIET_SECONDS = 1\ndata.main(['--from', sys.argv[1]])"
            )
            subprocess.run([*begin, "-c", code, world.sound], check=True, capture_output=True)
            assert (work / "half").read_bytes() == b"work"
        world.is_sound()

    @fault("The process that came first hangs", "After 30 s without a sign of life from it, the next one fetches.")
    @posix
    def test_a_hanging_process_is_waited_for_only_so_long(self, world, monkeypatch):
        monkeypatch.setattr(cache, "QUIET_SECONDS", 0.5)
        code = (
            "from helpers import cache, data\nimport os, signal\n"
            "with cache.work_folder(data.cache_folders()[-1]): os.kill(os.getpid(), signal.SIGSTOP)"
        )
        hanging = subprocess.Popen([sys.executable, "-c", code])
        os.waitpid(hanging.pid, os.WUNTRACED)
        left = [name for name in contents(world.home) if name != "notes.txt"]
        world.recovers(*left)  # it is alive, so its folder stays
        hanging.send_signal(signal.SIGCONT)
        assert hanging.wait(60) == 0
        world.is_sound()

    @fault("The process that came first fails", "All who waited go on at once.")
    def test_after_a_failure_nobody_waits_in_line(self, world, monkeypatch):
        monkeypatch.setattr(cache, "QUIET_SECONDS", 600)
        first, entered = cache.work_folder(world.home), threading.Barrier(4)
        first.__enter__()

        def fetch():
            with cache.work_folder(world.home):
                entered.wait(60)  # three at the same time

        threads = [threading.Thread(target=fetch) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        first.__exit__(None, None, None)
        entered.wait(60)
        for thread in threads:
            thread.join()
        world.holds()

    @fault("What another machine left in a shared cache, or a file or link named like our work folders",
           "It is never touched, unless it is a folder and a day old.")  # fmt: skip
    @pytest.mark.parametrize("kind", ["file", "young", "old", "link"])
    def test_what_others_left_does_no_harm(self, world, kind):
        left = world.home / f"{cache.WORK}elsewhere"
        if kind == "file":
            left.write_text("lock")
        elif kind == "link":
            (world.home.parent / "precious").mkdir()
            (world.home.parent / "precious" / "thesis.txt").write_text("years of work")
            left.symlink_to(world.home.parent / "precious")
            os.utime(world.home.parent / "precious", (1, 1))
        else:
            left.mkdir()
        if kind == "old":
            os.utime(left, (1, 1))
        world.recovers(*[left.name] * (kind != "old"))
        if kind == "link":
            assert (left / "thesis.txt").read_text() == "years of work"


class TestStreams:
    """A bar or a warning is no reason to lose the work: no error stream, or a pipe that nobody reads."""

    @posix
    @fault("There is no error stream, or nobody reads it any more", "The work goes on without a bar.")
    @pytest.mark.parametrize("kind", ["none", "closed pipe"])
    def test_a_bar_never_costs_the_work(self, world, kind):
        code = (
            "import sys\nfrom helpers import cache, data, progress\nfrom helpers.errors import warn\n"
            "for _ in progress.progress_bar(range(3), delay=0, mininterval=0): warn('a word')\n"
            "sys.exit(data.main(['--from', sys.argv[1]]))"
        )
        read, write = os.pipe()
        os.close(read)
        before = (lambda: os.close(2)) if kind == "none" else None
        command = [sys.executable, "-c", code, world.sound]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=write, preexec_fn=before, check=False)
        os.close(write)
        assert done.returncode == 0
        assert done.stdout.decode() == f"CIFAR-10, verified: {world.home}\n"
        world.is_sound()


class TestHome:
    @fault("No home folder is known (HOME unset, a user without a name)", "The message asks for CIFAR10_HOME.")
    def test_without_a_home_the_error_says_what_to_set(self, world, tmp_path):
        unshare = shutil.which("unshare", path=os.defpath)
        begin = (unshare, "-U", "--map-user=54321")
        if not unshare or subprocess.run([*begin, sys.executable, "-c", ""], capture_output=True).returncode:
            pytest.skip("this machine does not let us become a user without a name (unshare -U)")
        bare = {name: os.environ[name] for name in os.environ.keys() - {"HOME", "CIFAR10_HOME", "XDG_CACHE_HOME"}}
        done = subprocess.run(
            [*begin, sys.executable, "-m", "helpers.data"], capture_output=True, text=True, env=bare, cwd=tmp_path
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "No home folder is known. Set CIFAR10_HOME to a folder for the data.\n"
        assert not list(tmp_path.glob("~*"))

    @fault("Spaces, accents or other letters in the path", "They make no difference: every test here has them.")
    def test_a_strange_path_works(self, world):
        assert {" ", "é", "数", "%", "#", "$"} <= set(world.home.name)
        fetch_copy(world)
        assert load_data(str(world.home)).labels_test[:3].tolist() == [3, 8, 8]


@fault(
    "A notebook is opened without a network and without data", "The cell shows one helpful message, and no traceback."
)
@fault("A notebook is opened with a broken cache and without a network", "The same, after a line that names the "
       "damaged file.")  # fmt: skip
def test_a_notebook_shows_one_message_and_no_traceback(world, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    fetch_copy(world)
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
    for words in ("Check the network and run this again", "CIFAR10_URL", "--from FILE-OR-FOLDER"):
        assert words in error.evalue
    world.holds("train.bin", "test.bin")
