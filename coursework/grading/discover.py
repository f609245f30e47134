"""Find what students handed in outside nbgrader's exchange, and put it where nbgrader collects: submitted/.

A folder or a zip holds notebooks, zips and folders, each named after its student; or it is what Canvas or Moodle gives
as "Download submissions". Nothing is unpacked, no link is followed, and every file that is not taken is told with why.
"""

import io
import os
import re
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from coursework.grading.assignment import MOST_BYTES, Assignment, Unreadable, mark, printable, read_submitted

# Canvas: mullerana_LATE_4711_88123_1_data-2.ipynb. Moodle: Ana Müller_4711_assignsubmission_file/1_data.ipynb.
LMS = r"(?P<name>[^/_]+)_(?:LATE_)?(?P<student_id>\d+)_(?:assignsubmission_file|\d+)_?/?"
ZIP_COLLECT = rf"(?:.*/)?{LMS}(?P<file_id>[1-9]_[a-z]+)"  # what nbgrader zip_collect is to look for
STUDENT = re.compile(r"\w[\w .@'()-]{0,99}")
STAMP = "timestamp.txt"  # where nbgrader keeps the date of a submission
MOST_UNPACKED = 100_000_000  # bytes of notebooks in a student's zip


class Found(NamedTuple):
    path: str
    data: bytes = b""
    changed: tuple[float, ...] = ()  # when handed in, and in a student's zip what each says, which only orders them
    trouble: str | None = None  # why it is not taken


def unpack(path: str, file, changed: tuple[float, ...], depth: int) -> Iterator[Found]:
    """Give what a file holds: itself where it is a notebook, its files where it is a zip, or a zip in a zip."""
    if path.endswith(".ipynb"):
        yield Found(path, file.read(MOST_BYTES + 1), changed)
    elif path.endswith(".zip") and depth < 2:
        yield from unzip(f"{path}/", io.BytesIO(file.read(MOST_BYTES + 1)) if depth else file, depth, changed)
    else:
        yield Found(path, trouble="it is no notebook")


def unzip(folder: str, file, depth: int = 0, changed: tuple[float, ...] = ()) -> Iterator[Found]:
    try:
        with zipfile.ZipFile(file) as zipped:
            members = [member for member in zipped.infolist() if not member.is_dir()]
            if folder and sum(one.file_size for one in members if one.filename.endswith(".ipynb")) > MOST_UNPACKED:
                raise ValueError(f"it holds over {MOST_UNPACKED:,} bytes")
            for member in members:
                with zipped.open(member) as opened:
                    dates = (*changed, time.mktime((*member.date_time, 0, 0, -1)))
                    yield from unpack(folder + member.filename, opened, dates, depth + 1)
    except Exception as error:  # a zip made by hand can break zipfile in many ways
        yield Found(folder.rstrip("/") or str(file), trouble=f"the zip cannot be read ({error!r})")


def files(place: Path) -> Iterator[Found]:
    """Give every file below a folder, or in a zip, whose own name does not count."""
    if place.is_file():
        yield from unzip("", place)
    for path in sorted(Path(folder, name) for folder, _, names in os.walk(place) for name in names):
        shown = path.relative_to(place).as_posix()
        try:
            if path.is_symlink() or not path.is_file():
                yield Found(shown, trouble="it is a link or no file")
            else:
                with open(path, "rb") as file:
                    yield from unpack(shown, file, (path.stat().st_mtime,), 0)
        except OSError as error:
            yield Found(shown, trouble=f"it cannot be read ({error.strerror})")


def students_of(paths: list[str], names: tuple[str, ...], known: Callable[[str, str], str]) -> dict[str, str]:
    """Return whose each file is: the first part of its path, without a folder around them all.

    `names` are the assignments'; a file named after one, outside all folders, is nobody's. `known` tells an id from
    the name and number that Canvas or Moodle give, which count nowhere else: a student can write them into a zip.
    """
    parts = {path: unicodedata.normalize("NFC", path).split("/") for path in paths}  # as keyboards write, unlike Macs
    # A folder right around assignments is a student's own. A zip is as well, whatever names it has inside.
    while len(first := {each[0] for each in parts.values()}) == 1 and not any(
        each[1:] == [] or each[1].startswith(names) or re.search(rf"\.zip$|{LMS}", *first) for each in parts.values()
    ):
        parts = {path: each[1:] for path, each in parts.items()}
    whose = {}
    for path, (name, *_) in parts.items():
        lms, plain = re.search(LMS, name), re.sub(r"(?: \(\d+\))?\.(?:ipynb|zip)$", "", name)
        nobodys = plain.startswith(names) or re.search(LMS, path)  # a download within a folder, or somebody else's name
        whose[path] = known(lms["name"], lms["student_id"]) if lms else "" if nobodys else plain
    return whose


def put(folder: Path, name: str, found: Found) -> None:
    """Put a notebook into its folder of submitted/, unless it is there; raise `Unreadable` where a later one is."""
    there, stamp = folder / f"{name}.ipynb", folder / STAMP
    if there.exists() and there.read_bytes() == found.data:
        return
    handed_in = f"{datetime.fromtimestamp(found.changed[0], UTC):%Y-%m-%d %H:%M:%S UTC}"
    before = stamp.read_text("utf-8").strip() if there.exists() and stamp.exists() else ""
    if before > handed_in:  # as texts, which begin with the year
        raise Unreadable(f"a later one, of {before}, is in submitted/")
    write_whole(there, found.data)
    write_whole(stamp, handed_in.encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, also over one that nbgrader has made read-only; make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(content)
    os.replace(beside, path)


def collect(place: Path, submitted: Path, assignments: list[Assignment], known: Callable) -> tuple[int, list[str]]:
    """Put what `place` holds into `submitted`; return how many it took, and a line on each it did not."""
    left, taken = [], {}
    everything = sorted(files(place), key=lambda found: found.changed, reverse=True)
    hidden = {each.path for each in everything if re.search(r"(^|/)(\.(?!\.?/)|__MACOSX)", each.path)}
    notebooks = [each.path for each in everything if not each.trouble and each.path not in hidden]
    students = students_of(notebooks, tuple(assignment.name for assignment in assignments), known)
    for found in everything:
        try:
            if found.trouble or found.path in hidden:
                raise Unreadable(found.trouble or "it is a hidden file")
            if not STUDENT.fullmatch(student := students[found.path]):
                raise Unreadable("its name is no student's id; a download's zip is to be named itself")
            marks = {mark(cell, "grade_id") for cell in read_submitted(found.data).cells}
            answered = max(assignments, key=lambda assignment: len(marks & assignment.positions.keys()))
            if not marks & answered.positions.keys():
                raise Unreadable("it has no cell of an assignment: their marks are lost")
            if later := taken.get((student, answered.name)):
                raise Unreadable(f"{later} is later")
            taken[student, answered.name] = found.path
            put(submitted / student / answered.name, answered.name, found)
        except Unreadable as trouble:
            left.append(printable(f"{found.path}: {str(trouble).rstrip('.')}.", 1_000))
    return len(taken), left
