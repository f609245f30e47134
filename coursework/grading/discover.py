"""Find what students handed in outside nbgrader's exchange, and put it where nbgrader collects: submitted/.

A folder or a zip holds notebooks, zips and folders, each named after its student; or it is what Canvas or Moodle gives
as "Download submissions". Nothing is unpacked, no link is followed, and every file that is not taken is told with why.
"""

import io
import os
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from coursework.grading.assignment import MOST_BYTES, Assignment, Unreadable, mark, read_submitted
from coursework.grading.text import printable

# Canvas: mullerana_LATE_4711_88123_1_data-2.ipynb. Moodle: Ana Müller_4711_assignsubmission_file/1_data.ipynb.
LMS = r"(?P<name>[^/_]+)_(?:LATE_)?(?P<student_id>\d+)_(?:assignsubmission_file|\d+)_?/?"
ZIP_COLLECT = rf"(?:.*/)?{LMS}(?P<file_id>[1-9]_[a-z]+)"  # what nbgrader zip_collect is to look for
STUDENT = re.compile(r"\w[\w .@'()-]{0,99}")
STAMP = "timestamp.txt"  # where nbgrader keeps the date of a submission
MOST_FILES, MOST_UNPACKED = 20_000, 500_000_000  # files and bytes that are read of one zip


class Found(NamedTuple):
    """A file of a submission: where it is, its content, when it was changed, or why it is not taken."""

    path: str
    data: bytes = b""
    changed: float = 0.0
    trouble: str | None = None


def unpack(path: str, file, changed: float = 0.0, depth: int = 0) -> Iterator[Found]:
    """Give what a file holds: itself where it is a notebook, its files where it is a zip, or a zip in a zip."""
    if path.endswith(".ipynb"):
        yield Found(path, file.read(MOST_BYTES + 1), changed)
    elif not path.endswith(".zip") or depth > 1:
        yield Found(path, trouble="it is no notebook")
    else:
        try:
            with zipfile.ZipFile(io.BytesIO(file.read(MOST_BYTES + 1)) if depth else file) as zipped:
                members = [member for member in zipped.infolist() if not member.is_dir()][:MOST_FILES]
                if sum(each.file_size for each in members if each.filename.endswith(".ipynb")) > MOST_UNPACKED:
                    raise ValueError(f"it holds over {MOST_UNPACKED:,} bytes")
                for member in members:
                    changed = time.mktime((*member.date_time, 0, 0, -1))
                    with zipped.open(member) as opened:
                        yield from unpack(f"{path}/{member.filename}", opened, changed, depth + 1)
        except Exception as error:  # a zip made by hand can break zipfile in many ways
            yield Found(path, trouble=f"the zip cannot be read ({type(error).__name__})")


def files(place: Path) -> Iterator[Found]:
    """Give every file below a folder, or in a zip, whose own name does not count."""
    if place.is_file():
        with open(place, "rb") as file:
            for found in unpack(place.name, file):
                yield found._replace(path=found.path.partition("/")[2] or found.path)
    for folder, _, names in os.walk(place):
        for path in (Path(folder, name) for name in sorted(names)):
            shown = path.relative_to(place).as_posix()
            try:
                if path.is_symlink() or not path.is_file():
                    yield Found(shown, trouble="it is a link or no file")
                else:
                    with open(path, "rb") as file:
                        yield from unpack(shown, file, path.stat().st_mtime)
            except OSError as error:
                yield Found(shown, trouble=f"it cannot be read ({error.strerror})")


def students_of(paths: list[str], names: list[str], known: Callable[[str, str], str]) -> dict[str, str | None]:
    """Return whose each file is, by its folders, or by its own name where a folder holds several students' files.

    `names` are the assignments'; a file named after one, outside all folders, is nobody's. `known` tells an id from
    the name and number that Canvas or Moodle give.
    """
    parts = {path: re.sub(r"\.zip/|(?: \(\d+\))?\.ipynb$", "/", path).strip("/").split("/") for path in paths}
    # A folder around them all, as a zip of a folder has, is no student's unless the assignments lie right in it.
    while all(len(each) > 1 for each in parts.values()) and len({each[0] for each in parts.values()}) == 1:
        inner = {path: each[1:] for path, each in parts.items()}
        if any(each[0].startswith(tuple(names)) for each in inner.values()):
            break
        parts = inner
    own = [each[:-1] for each in parts.values() if not each[-1].startswith(tuple(names))]
    students: dict[str, str | None] = {}
    for path, (*folders, file) in parts.items():
        if match := re.search(LMS, path):
            students[path] = known(match["name"], match["student_id"])
        elif file.startswith(tuple(names)) or (folders and own.count(folders) == 1):
            students[path] = folders[0] if folders else None
        else:
            students[path] = file
    return students


def answered(found: Found, assignments: list[Assignment]) -> str:
    """Return the name of the assignment that a notebook answers, by the marks of its cells."""
    marks = {str(mark(cell, "grade_id")) for cell in read_submitted(found.data).cells}
    best = max(assignments, key=lambda assignment: len(marks & assignment.positions.keys()))
    if not marks & best.positions.keys():
        raise Unreadable("it has no cell of an assignment: their marks are lost")
    return best.name


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, also over one that nbgrader has made read-only; make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(content)
    os.replace(beside, path)


def put(folder: Path, name: str, found: Found) -> None:
    """Put a notebook into its folder of submitted/, unless it is there; raise `Unreadable` where a later one is."""
    there, stamp = folder / f"{name}.ipynb", folder / STAMP
    if there.exists() and there.read_bytes() == found.data:
        return
    handed_in = f"{datetime.fromtimestamp(found.changed, UTC):%Y-%m-%d %H:%M:%S UTC}"
    before = stamp.read_text("utf-8").strip() if there.exists() and stamp.exists() else ""
    if before > handed_in:  # as texts, which begin with the year
        raise Unreadable(f"a later one, of {before}, is in submitted/")
    write_whole(there, found.data)
    write_whole(stamp, handed_in.encode())


def hidden(path: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in set(path.split("/")) - {".", ".."})


def collect(
    place: Path, submitted: Path, assignments: list[Assignment], known: Callable[[str, str], str]
) -> tuple[int, list[str]]:
    """Put what `place` holds into `submitted`; return how many it took, and a line on each it did not."""
    left, taken = [], {}
    everything = sorted(files(place), key=lambda found: found.changed, reverse=True)
    notebooks = [each.path for each in everything if each.path.endswith(".ipynb") and not hidden(each.path)]
    students = students_of(notebooks, [assignment.name for assignment in assignments], known)
    for found in everything:
        try:
            if found.trouble or found.path not in students:
                raise Unreadable(
                    found.trouble or ("it is a hidden file" if hidden(found.path) else "it is no notebook")
                )
            if (student := students[found.path]) is None:
                raise Unreadable("its name is an assignment's, not a student's id")
            if not STUDENT.fullmatch(student):
                raise Unreadable("its name is no student's id")
            name = answered(found, assignments)
            if later := taken.get((student, name)):
                raise Unreadable(f"{later} is later")
            taken[student, name] = printable(found.path)
            put(submitted / student / name, name, found)
        except Unreadable as trouble:
            left.append(f"{printable(found.path)}: {trouble}.")
    return len(taken), left
