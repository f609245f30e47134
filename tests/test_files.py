"""The one writer: whole or not at all, and nothing touched that is not a plain file of one's own."""

import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from helpers.errors import ArgumentError
from helpers.files import write_file
from tests.copies import contents

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files, rights and limits")


def refused(path) -> str:
    """Assert that writing to `path` gives one sentence that can be printed anywhere, and return it."""
    with pytest.raises(ArgumentError) as caught:
        write_file(path, b"new")
    said = str(caught.value)
    assert "\n" not in said
    said.encode("utf-8")
    assert "can't be written: " in said
    assert "Nothing was changed. Choose another name or folder" in said
    return said


class TestWriting:
    def test_a_new_file_has_the_bytes_and_nothing_lies_beside_it(self, tmp_path):
        assert write_file(tmp_path / "run.npz", b"bytes") == tmp_path / "run.npz"
        assert (tmp_path / "run.npz").read_bytes() == b"bytes"
        assert contents(tmp_path) == ["run.npz"]

    def test_a_tilde_means_the_home_folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        assert write_file("~/run.npz", b"bytes") == tmp_path / "run.npz"

    @pytest.mark.parametrize("name", ["x" * 255, "Versuch 1 – é 数据 $x%20#1", ".hidden", "no-ending"])
    def test_strange_names_that_a_disk_takes_are_taken(self, tmp_path, name):
        assert write_file(tmp_path / name, b"bytes").read_bytes() == b"bytes"

    @posix
    @pytest.mark.parametrize("umask", [0o022, 0o077])
    def test_a_new_file_has_the_rights_of_the_umask(self, tmp_path, umask):
        before = os.umask(umask)
        try:
            write_file(tmp_path / "new", b"bytes")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~umask

    @posix
    @pytest.mark.parametrize("mode", [0o600, 0o664])
    def test_the_rights_of_a_file_that_is_replaced_are_kept(self, tmp_path, mode):
        (tmp_path / "old").touch()
        (tmp_path / "old").chmod(mode)
        write_file(tmp_path / "old", b"new")
        assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == mode
        assert (tmp_path / "old").read_bytes() == b"new"

    @posix
    def test_a_link_stays_and_the_file_that_it_names_is_replaced(self, tmp_path):
        (tmp_path / "big disk").mkdir()
        (tmp_path / "big disk" / "runs").write_bytes(b"old")
        (tmp_path / "runs").symlink_to(tmp_path / "big disk" / "runs")
        write_file(tmp_path / "runs", b"new")
        assert (tmp_path / "runs").is_symlink()
        assert (tmp_path / "big disk" / "runs").read_bytes() == b"new"

    @posix
    def test_a_link_planted_under_the_work_name_is_not_followed(self, tmp_path, monkeypatch):
        (tmp_path / "thesis").write_bytes(b"years of work")
        (tmp_path / ".guessed").symlink_to(tmp_path / "thesis")
        monkeypatch.setattr("helpers.files.secrets.token_hex", lambda _: "guessed")
        refused(tmp_path / "run")
        assert (tmp_path / "thesis").read_bytes() == b"years of work"
        assert contents(tmp_path) == [".guessed", "thesis"]

    def test_two_threads_and_one_name_leave_one_whole_file(self, tmp_path):
        begin = threading.Barrier(8)

        def write(letter: bytes):
            begin.wait()
            for _ in range(20):
                write_file(tmp_path / "run", letter * 300_000)

        threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c", b"d") * 2]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            if (tmp_path / "run").exists():
                seen = (tmp_path / "run").read_bytes()
                assert len(seen) == 300_000
                assert len(set(seen)) == 1
        assert contents(tmp_path) == ["run"]


class TestRefusals:
    @posix
    def test_a_read_only_file_stays(self, tmp_path):
        (tmp_path / "kept").write_bytes(b"old")
        (tmp_path / "kept").chmod(0o444)
        assert "it is read-only" in refused(tmp_path / "kept")
        assert (tmp_path / "kept").read_bytes() == b"old"

    @posix
    def test_a_pipe_and_a_device_stay(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        assert "it is no regular file" in refused(tmp_path / "pipe")
        (tmp_path / "null").symlink_to("/dev/null")
        assert "it is no regular file" in refused(tmp_path / "null")
        assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
        assert stat.S_ISCHR(os.stat("/dev/null").st_mode)

    @pytest.mark.parametrize(
        "name",
        ["", "runs/", "a\0b", "x" * 256, "\ud800", "a\nb/c", "~nobody-of-that-name/x", None, 5, b"bytes"],
    )
    def test_an_odd_name_gets_one_sentence(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        refused(name)
        assert contents(tmp_path) == []

    def test_a_folder_and_what_has_none_are_refused(self, tmp_path):
        (tmp_path / "folder").mkdir()
        assert "a folder has that name" in refused(tmp_path / "folder")
        assert "No such file or directory" in refused(tmp_path / "missing" / "run")

    @posix
    def test_a_disk_that_refuses_leaves_the_old_file(self, tmp_path):
        """The kernel refuses files over 100 kB to this process alone."""
        (tmp_path / "run").write_bytes(b"old")
        code = (
            "import resource, sys\nfrom helpers.errors import ArgumentError\nfrom helpers.files import write_file\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
            "try: write_file(sys.argv[1], bytes(1_000_000))\n"
            "except ArgumentError as error: print(error)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "run"], capture_output=True, text=True, check=True
        )
        assert "run can't be written: File too large. Nothing was changed." in done.stdout
        assert (tmp_path / "run").read_bytes() == b"old"
        assert contents(tmp_path) == ["run"]

    @posix
    def test_an_interrupt_leaves_the_old_file(self, tmp_path, monkeypatch):
        (tmp_path / "run").write_bytes(b"old")
        monkeypatch.setattr(os, "fsync", lambda _: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            write_file(tmp_path / "run", b"new")
        assert (tmp_path / "run").read_bytes() == b"old"
        assert contents(tmp_path) == ["run"]
