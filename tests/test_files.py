"""The one writer: whole or not at all, and nothing touched that is not a plain file of one's own."""

import os
import signal
import stat
import sys
import threading

import pytest

from helpers.errors import ArgumentError
from helpers.files import write_file
from tests.copies import contents, python

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files, rights and limits")


def refused(path) -> str:
    """Assert that writing to `path` gives one sentence that can be printed anywhere, and return it."""
    with pytest.raises(ArgumentError, match="can't be written: ") as caught:
        write_file(path, b"new")
    said = str(caught.value)
    assert b"\n" not in said.encode()
    return said


@pytest.mark.parametrize("name", ["~/run.npz", "x" * 255, "Versuch 1 – é 数据 $x%20#1", ".hidden"])
def test_a_new_file_has_the_bytes_and_nothing_lies_beside_it(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    bare = name.removeprefix("~/")
    assert write_file(name, b"bytes") == tmp_path / bare
    assert (tmp_path / bare).read_bytes() == b"bytes"
    assert contents(tmp_path) == [bare]


@posix
def test_a_new_file_has_the_rights_of_the_umask_and_an_old_one_its_own(tmp_path):
    before = os.umask(0o027)
    try:
        for mode in (None, 0o600, 0o664):
            if mode:
                (tmp_path / "run").chmod(mode)
            write_file(tmp_path / "run", b"new")
            assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == (mode or 0o640)
    finally:
        os.umask(before)


@posix
def test_a_link_is_followed_unless_it_was_planted_under_the_work_name(tmp_path, monkeypatch):
    (tmp_path / "big disk").mkdir()
    (tmp_path / "big disk" / "runs").write_bytes(b"old")
    for name in ("runs", ".guessed"):
        (tmp_path / name).symlink_to(tmp_path / "big disk" / "runs")
    write_file(tmp_path / "runs", b"new")
    assert (tmp_path / "runs").is_symlink()
    monkeypatch.setattr("helpers.files.secrets.token_hex", lambda _: "guessed")
    refused(tmp_path / "other")
    assert (tmp_path / "big disk" / "runs").read_bytes() == b"new"
    assert contents(tmp_path) == [".guessed", "big disk", "big disk/runs", "runs"]


def test_two_threads_and_one_name_leave_one_whole_file(tmp_path):
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
            assert (len(seen), len(set(seen))) == (300_000, 1)
    assert contents(tmp_path) == ["run"]


@posix
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.touch(0o444), "it is read-only"),
        (os.mkfifo, "it is no regular file"),
        (lambda path: path.symlink_to("/dev/null"), "it is no regular file"),
        (os.mkdir, "a folder has that name"),
    ],
    ids=["read-only", "pipe", "device", "folder"],
)
def test_what_is_no_plain_file_of_ones_own_stays(tmp_path, make, reason):
    make(tmp_path / "kept")
    before = os.lstat(tmp_path / "kept")
    assert reason in refused(tmp_path / "kept")
    assert (os.lstat(tmp_path / "kept").st_ino, os.lstat(tmp_path / "kept").st_mode) == (before.st_ino, before.st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize(
    "name",
    ["", "runs/", "missing/run", "a\0b", "x" * 256, "\ud800", "a\nb/c", "~nobody-of-that-name/x", None, 5, b"bytes"],
)
def test_an_odd_name_gets_one_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(name)
    assert contents(tmp_path) == []


@posix
def test_a_disk_that_refuses_or_an_interrupt_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "run").write_bytes(b"old")
    done = python("""
import resource
from helpers.files import write_file
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # the kernel refuses larger files to this process
write_file(sys.argv[1], bytes(1_000_000))
""", tmp_path / "run")  # fmt: skip
    assert "run can't be written: File too large. Nothing was changed." in done.stderr
    monkeypatch.setattr(os, "fsync", lambda _: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "run", b"new")
    assert (tmp_path / "run").read_bytes() == b"old"
    assert contents(tmp_path) == ["run"]
