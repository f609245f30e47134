"""What the measurements of Binder and the hub rest on."""

import contextlib
import mmap
import os
import sys
import threading

import psutil
import pytest

from tools.memory import Group, memory_group, memory_of, watching

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says of a process")


def test_memory_counts_what_a_process_writes():
    before = memory_of([os.getpid()])
    written = mmap.mmap(
        -1, 64 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    )  # new pages, whatever memory the process has left over
    for page in range(0, len(written), mmap.PAGESIZE):
        written[page] = 1
    after = memory_of([os.getpid()])
    assert 60 < after.anonymous - before.anonymous < 80
    assert 60 < after.private - before.private < 80
    assert abs(after.private - psutil.Process().memory_full_info().uss / 2**20) < 16
    assert after.anonymous < after.proportional
    written.close()


def test_a_process_that_has_ended_holds_nothing():
    assert memory_of([2**22 + 1]) == (0, 0, 0)


@pytest.mark.parametrize("make", [lambda: memory_group(512), lambda: contextlib.nullcontext(Group(None))])
def test_a_group_counts_its_command_and_nothing_else(make):
    code = "data = bytearray(b'1') * (100 * 2**20); print(len(data), flush=True); input()"
    with make() as group:
        command = group.command([sys.executable, "-c", code])
        with psutil.Popen(command, stdin=-1, stdout=-1) as process:
            process.stdout.readline()
            now = group.now([process.pid])
            process.communicate(b"\n")
    assert 100 <= now["anonymous"] < 150
    assert now["anonymous"] <= now["working"] < 200


def test_a_group_ends_what_exceeds_it():
    with memory_group(64) as group:
        if not group.folder:
            pytest.skip("no memory cgroup can be made here")
        command = group.command([sys.executable, "-c", "bytearray(b'1') * (200 * 2**20)"])
        with psutil.Popen(command) as process:
            assert process.wait(60) != 0
        assert group.killed() == 1


def test_watching_looks_again_and_again_and_hides_no_error():
    seen = threading.Semaphore(0)
    with watching(seen.release, 0.01):
        assert all(seen.acquire(timeout=60) for _ in range(3))

    def fail():
        seen.release()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), watching(fail, 0.01):
        seen.acquire(timeout=60)
