"""The one way in which this package writes a file for a learner: whole or not at all."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from helpers.errors import ArgumentError


def write_file(path: str | os.PathLike, content: bytes | memoryview) -> Path:
    """Write `content` to `path`, whole or not at all, and return the path, `~` expanded and links followed.

    A regular file that is there already is replaced and its rights are kept; a new one gets the rights that the umask
    gives. Whoever reads sees the old bytes or the new ones, and of several threads that write one name the last wins.

    Raises:
        ArgumentError: the file can't be written, or what bears its name is read-only or no regular file. Nothing was
            changed.
    """
    made = None
    try:
        given = os.fspath(path)
        target = Path(os.path.realpath(Path(given).expanduser()))
        if not given or given[-1] in (os.sep, os.altsep) or target.name in ("", ".."):
            raise ValueError("it names no file")
        rights = _rights(target)
        # The name is not to be foreseen, is shorter than any that fits, and must be new: no planted link is followed.
        work = target.with_name(f".{secrets.token_hex(8)}")
        with open(work, "xb") as file:
            made = work
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if rights is not None:
            work.chmod(rights)
        os.replace(work, target)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        shown = path if str(path).isprintable() and path != "" else repr(path)
        reason = getattr(error, "strerror", None) or error
        raise ArgumentError(
            f"{shown} can't be written: {reason}. Nothing was changed. Choose another name or folder."
        ) from error
    finally:
        if made is not None:
            with contextlib.suppress(OSError):
                made.unlink(missing_ok=True)
    return target


def _rights(target: Path) -> int | None:
    """Return the rights of the file that is to be replaced, None where there is none; raise `OSError` if it may not."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise OSError("a folder has that name" if stat.S_ISDIR(mode) else "it is no regular file")
    if not mode & 0o222 or not os.access(target, os.W_OK):
        raise OSError("it is read-only")
    return stat.S_IMODE(mode)
