"""A process that locks itself in: it reads a few folders, writes one, reaches no network and starts no process.

Linux does it without privileges, for an ordinary user as for root. Landlock decides which files can be opened, a
seccomp filter takes away the system calls for all that Landlock does not cover, and root gives up its powers. There is
no way back, whatever code the process runs. See landlock(7), seccomp_rule_add(3), capabilities(7).
"""

import contextlib
import ctypes
import errno
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

# Landlock: the three calls have the same numbers on every architecture.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
MAKE_DIR, MAKE_REG, TRUNCATE = 1 << 7, 1 << 8, 1 << 14
# No right to remove, rename or link: what is written stays where it can be counted, and deleted files hold no space.
WRITABLE = EXECUTE | WRITE_FILE | READ_FILE | READ_DIR | MAKE_DIR | MAKE_REG | TRUNCATE
CONNECT_AND_BIND, SIGNALS_AND_SOCKETS = 3, 3  # Landlock's own rules for the network (version 4), its scopes (version 6)

DENIED = (
    # network (Landlock's own rules know TCP only), and what passes open files on
    "socket", "sendmsg", "sendmmsg", "io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup",
    # other processes: starting, signalling
    "fork", "vfork", "execve", "execveat", "kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
    "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "setpgid", "setsid",
    # tracing, watching
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "get_robust_list", "perf_event_open", "bpf", "syslog",
    "inotify_init", "inotify_init1", "inotify_add_watch", "fanotify_init", "fanotify_mark", "cachestat", "mincore",
    "statmount", "listmount", "name_to_handle_at", "open_by_handle_at", "lookup_dcookie",
    # slowing down, holding up
    "setpriority", "ioprio_set", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr", "flock",
    "process_madvise", "process_mrelease", "migrate_pages", "move_pages", "sync", "syncfs", "membarrier", "fadvise64",
    # what belongs to a file but is no opening of it: Landlock lets it pass
    "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "utime", "utimes", "futimesat", "utimensat",
    "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
    # memory that outlives the process or that no limit counts
    "memfd_create", "memfd_secret", "remap_file_pages", "shmget", "shmat", "shmctl", "msgget", "msgsnd", "msgrcv",
    "msgctl", "semget", "semop", "semtimedop", "semctl", "mq_open", "mq_unlink",
    # ways to other powers
    "unshare", "setns", "userfaultfd", "add_key", "request_key", "keyctl", "personality",
    # newer than most libseccomp: fchmodat2, setxattrat, removexattrat, file_setattr, and four of those above
    452, 463, 466, 469, 448, 451, 457, 458,
)  # fmt: skip
PRETENDED = ("unlink", "unlinkat", "rmdir")  # seem to work, which tempfile asks for; the file stays, and counts
# These fail as on a system without them, and Python does without. clone3 (435) hides its flags from a filter; the C
# library then uses clone.
UNSUPPORTED = ("fallocate", "openat2", 435)
NOT_EQUAL, MASKED_EQUAL = 1, 7
LOW = 0xFFFFFFFF  # the part of an argument that the kernel looks at
# (call, argument, mask, value): denied where the argument, masked, has the value.
DENIED_ARGUMENTS = (
    ("clone", 0, 0x10000, 0),  # CLONE_THREAD: threads yes, processes no
    ("prctl", 0, LOW, 1), ("prctl", 0, LOW, 62),  # PR_SET_PDEATHSIG: it dies with its parent; PR_SCHED_CORE
    *(("fcntl", 1, LOW, command) for command in (
        8, 10, 15,  # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals to whom it likes
        6, 7, 37, 38, 1024, 1026, 1031,  # locks, leases, notes of changes, the size of a pipe
    )),
    ("ioctl", 1, LOW, 0x8901), ("ioctl", 1, LOW, 0x8902),  # FIOSETOWN, SIOCSPGRP
    *(("ioctl", 1, 0x4000FF00, 0x40000000 | kind << 8) for kind in (0x66, 0x58, 0x94)),  # flags of files and disks
    ("mmap", 3, 0x21, 0x21),  # shared anonymous memory, which RLIMIT_DATA does not count
    ("mmap", 3, 0x100, 0x100), ("mmap", 3, 0x40000, 0x40000),  # nor memory that grows down, nor huge pages
    ("madvise", 2, LOW, 21),  # MADV_PAGEOUT: what others have read stays in memory
    ("clock_gettime", 0, 0x80000000, 0x80000000),  # clocks of other processes
    ("open", 1, 0x400000, 0x400000), ("openat", 2, 0x400000, 0x400000),  # O_TMPFILE: a file in no folder
)  # fmt: skip
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


class Refused(Exception):
    """This system cannot lock a process in; the message says what is missing."""


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def landlock_version() -> int:
    """Return the version of the kernel's Landlock, 0 or less where there is none."""
    if sys.platform != "linux":
        return 0
    return _libc().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))


def missing() -> str | None:
    """Return what this system lacks to lock a process in, in a sentence, or None where it lacks nothing."""
    if landlock_version() < 3:
        return "Only Linux 6.2 or later, with landlock in /sys/kernel/security/lsm, can lock a submission in."
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return "libseccomp.so.2 is not installed (on Debian and Ubuntu: apt install libseccomp2)."
    return None


def _demand(done: bool, what: str) -> None:
    if not done:
        raise Refused(f"The kernel refuses {what} ({os.strerror(ctypes.get_errno())}).")


def _lock_files(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """Let this process open nothing but what lies under `readable`, and write nothing but under `writable`."""
    libc, version = _libc(), landlock_version()
    everything = (1 << (15 if version < 5 else 16)) - 1  # all rights that the version knows
    handled = struct.pack("=3Q", everything, CONNECT_AND_BIND * (version >= 4), SIGNALS_AND_SOCKETS * (version >= 6))
    ruleset = libc.syscall(CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), ctypes.c_uint32(0))
    _demand(ruleset >= 0, "Landlock's rules")
    rules = [(path, READ_FILE | READ_DIR | EXECUTE) for path in readable] + [(path, WRITABLE) for path in writable]
    for path, rights in ((path, rights) for path, rights in rules if os.path.exists(path)):
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rights &= everything if os.path.isdir(path) else READ_FILE | WRITE_FILE | EXECUTE
        rule = struct.pack("=Qi", rights, opened)
        _demand(not libc.syscall(ADD_RULE, ruleset, 1, rule, ctypes.c_uint32(0)), f"Landlock's rule for {path}")
        os.close(opened)
    _demand(not libc.syscall(RESTRICT_SELF, ruleset, ctypes.c_uint32(0)), "to be locked in by Landlock")
    os.close(ruleset)


def _lock_calls() -> None:
    """Take away the system calls above; they fail as if the system had no right to them."""
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    allow, fail = 0x7FFF0000, 0x50000  # fail with an error number, or, without one, do nothing and return 0
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(allow)))
    seccomp.seccomp_attr_set(context, 2, ctypes.c_uint32(0x80000000))  # calls of another architecture end the process
    rules = [
        *((call, errno.EPERM) for call in DENIED),
        *((call, errno.ENOSYS) for call in UNSUPPORTED),
        *((call, 0) for call in PRETENDED),
        *((call, errno.EPERM, argument, MASKED_EQUAL, mask, value) for call, argument, mask, value in DENIED_ARGUMENTS),
        ("prlimit64", errno.EPERM, 0, NOT_EQUAL, 0, 0),  # other processes' limits
    ]
    for call, error, *comparison in rules:
        number = call if isinstance(call, int) else seccomp.seccomp_syscall_resolve_name(call.encode())
        if number != -1:  # a libseccomp older than the call does not know it
            compared = struct.pack("=IiQQ", *comparison) if comparison else b""  # libseccomp's scmp_arg_cmp
            fails = ctypes.c_uint32(fail | error)
            added = seccomp.seccomp_rule_add_array(context, fails, number, bool(comparison), compared)
            _demand(not added, f"a rule of libseccomp for the system call {call}")
    _demand(not seccomp.seccomp_load(context), "the seccomp filter")


def _drop_powers() -> None:
    """Leave root without any of root's powers, and every process without a way to new ones."""
    libc = _libc()
    _demand(not libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _demand(not libc.capset(header, (ctypes.c_uint32 * 6)()), "to take the capabilities away")


def set_limits(limits: dict[str, int]) -> None:
    """Set resource limits by name, such as {"RLIMIT_CPU": 60}, with no way to raise them."""
    import resource  # not on Windows, where this module is still asked what is missing

    for name, most in limits.items():
        hard = resource.getrlimit(getattr(resource, name))[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(getattr(resource, name), (most, most))


@contextlib.contextmanager
def time_limit(seconds: float, error: BaseException):
    """Raise `error` in this process after so many seconds of its own processor time."""

    def stop(*_):
        raise error

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def enter(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """Lock this process in, then try to get out: by this file, the network, a new process, the grader.

    Call it while the process has one thread, where nothing is `missing`. Raises `Refused` where it does not hold.
    """
    if len(os.listdir("/proc/self/task")) > 1:
        raise Refused("The process has started threads already, which would stay outside.")
    parent = os.getppid()
    _libc().prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)
    _drop_powers()
    _lock_files(readable, writable)
    _lock_calls()
    tries = {
        "read a file of the grader's": lambda: os.close(os.open(__file__, os.O_RDONLY)),
        "reach the network": lambda: socket.socket().close(),
        "start a process": os.fork,
        "signal the grader": lambda: os.kill(parent, 0),
    }
    for deed, attempt in tries.items():
        try:
            attempt()
        except PermissionError:
            continue
        raise Refused(f"Locked in, the process can still {deed}.")
