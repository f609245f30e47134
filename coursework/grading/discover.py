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
MOST_FILES, MOST_UNPACKED = 20_000, 500_000_000  # files and bytes that are read of one zip
STAMP = "%Y-%m-%d %H:%M:%S UTC"


class Found(NamedTuple):
    """A file of a submission: where it is, its content, when it was changed, or why it is not taken."""

    path: str
    data: bytes = b""
    changed: float = 0.0
    trouble: str | None = None


def in_zip(file, prefix: str = "") -> Iterator[Found]:
    """Give the files in a zip, and those in zips within it."""
    unpacked = 0
    try:
        with zipfile.ZipFile(file) as zipped:
            for member in zipped.infolist()[:MOST_FILES]:
                path = prefix + member.filename
                nested = path.endswith(".zip") and not prefix.endswith(".zip/")
                if not (nested or path.endswith(".ipynb")):
                    if not member.is_dir():
                        yield Found(path, trouble="it is no notebook")
                    continue
                with zipped.open(member) as opened:
                    data = opened.read(MOST_BYTES + 1)
                unpacked += len(data)
                if unpacked > MOST_UNPACKED:
                    raise ValueError(f"it holds over {MOST_UNPACKED:,} bytes")
                changed = time.mktime((*member.date_time, 0, 0, -1))
                yield from in_zip(io.BytesIO(data), path + "/") if nested else [Found(path, data, changed)]
    except Exception as error:  # a zip made by hand can break zipfile in many ways
        yield Found(prefix.rstrip("/") or "the zip", trouble=f"the zip cannot be read ({type(error).__name__})")


def files(place: Path) -> Iterator[Found]:
    """Give every file below a folder, or in a zip."""
    if place.is_file():
        yield from in_zip(place)
    for folder, _, names in os.walk(place):
        for name in sorted(names):
            path = Path(folder, name)
            shown = path.relative_to(place).as_posix()
            try:
                if path.is_symlink() or not path.is_file():
                    yield Found(shown, trouble="it is a link or no file")
                elif path.suffix == ".zip":
                    yield from in_zip(path, shown + "/")
                elif path.suffix == ".ipynb":
                    with open(path, "rb") as file:
                        yield Found(shown, file.read(MOST_BYTES + 1), path.stat().st_mtime)
                else:
                    yield Found(shown, trouble="it is no notebook")
            except OSError as error:
                yield Found(shown, trouble=f"it cannot be read ({error.strerror})")


def students_of(paths: list[str], names: list[str], known: Callable[[str, str], str]) -> dict[str, str | None]:
    """Return whose each file is, by its folders, or by its own name where a folder holds several students' files.

    `names` are the assignments'; a file named after one, outside all folders, is nobody's. `known` tells an id from
    the name and number that Canvas or Moodle give.
    """
    parts = {path: re.sub(r"\.zip/|(?: \(\d+\))?\.ipynb$", "/", path).strip("/").split("/") for path in paths}
    one_folder = all(len(each) > 1 for each in parts.values())  # around them all, as a zip of a folder has
    while one_folder and len({each[0] for each in parts.values()}) == 1:
        inner = {path: each[1:] for path, each in parts.items()}
        if any(each[0].startswith(tuple(names)) for each in inner.values()):
            break  # it is a student's
        parts, one_folder = inner, all(len(each) > 1 for each in inner.values())
    own = [tuple(each[:-1]) for each in parts.values() if not each[-1].startswith(tuple(names))]
    students: dict[str, str | None] = {}
    for path, (*folders, file) in parts.items():
        if match := re.search(LMS, path):
            students[path] = known(match["name"], match["student_id"])
        elif file.startswith(tuple(names)):
            students[path] = folders[0] if folders else None
        else:
            students[path] = file if own.count(tuple(folders)) > 1 or not folders else folders[0]
    return students


def answered(data: bytes, assignments: list[Assignment]) -> Assignment:
    """Return the assignment that a notebook answers, by the marks of its cells; raise `Unreadable` if none."""
    marks = {str(mark(cell, "grade_id")) for cell in read_submitted(data).cells}
    best = max(assignments, key=lambda assignment: len(marks & assignment.positions.keys()))
    if not marks & best.positions.keys():
        raise Unreadable("it has no cell of an assignment: their marks are lost")
    return best


def put(folder: Path, name: str, data: bytes, changed: float) -> str | None:
    """Put a notebook into its folder of submitted/; return why not, where one is there that is as new."""
    stamp, there = folder / "timestamp.txt", folder / f"{name}.ipynb"
    handed_in = f"{datetime.fromtimestamp(changed, UTC):{STAMP}}"
    if there.exists():
        if there.read_bytes() == data:
            return None
        before = stamp.read_text("utf-8").strip() if stamp.exists() else ""
        if before > handed_in:  # as texts, which begin with the year
            return f"a later one, of {before}, is in submitted/"
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in ((there, data), (stamp, handed_in.encode())):
        beside = path.with_name(path.name + ".part")
        beside.write_bytes(content)
        os.replace(beside, path)
    return None


def hidden(path: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in set(path.split("/")) - {".", ".."})


def collect(
    place: Path, submitted: Path, assignments: list[Assignment], known: Callable[[str, str], str]
) -> tuple[int, list[str]]:
    """Put what `place` holds into `submitted`; return how many it took, and a line on each it did not."""
    left, taken = [], {}
    everything = sorted(files(place), key=lambda found: found.changed)
    notebooks = [each.path for each in everything if each.path.endswith(".ipynb") and not hidden(each.path)]
    students = students_of(notebooks, [assignment.name for assignment in assignments], known)
    for found in everything:
        student, trouble = students.get(found.path), found.trouble
        if hidden(found.path):
            trouble = trouble or "it is a hidden file"
        elif student is None:
            trouble = trouble or "its name is an assignment's, not a student's id"
        elif not STUDENT.fullmatch(student):
            trouble = trouble or "its name is no student's id"
        try:
            name = None if trouble else answered(found.data, assignments).name
        except Unreadable as unreadable:
            trouble = str(unreadable)
        if trouble:
            left.append(f"{printable(found.path)}: {trouble}.")
            continue
        if before := taken.get((student, name)):
            left.append(f"{printable(before.path)}: {printable(found.path)} is later.")
        taken[student, name] = found
    for (student, name), found in taken.items():
        if trouble := put(submitted / student / name, name, found.data, found.changed):
            left.append(f"{printable(found.path)}: {trouble}.")
    return len(taken), left
