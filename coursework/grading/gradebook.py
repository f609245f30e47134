"""What the gradebook knows of students from Canvas and Moodle, and what goes back there."""

import csv
import re
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry, Student


def known_student(book: Gradebook):
    """Return a function that tells a student's id from the name and number in a download of Canvas or Moodle."""
    roster = book.db.query(Student).all()
    by_number = {student.lms_user_id: student.id for student in roster if student.lms_user_id}
    names = [f"{student.first_name or ''} {student.last_name or ''}".strip() for student in roster]
    by_name = {name: student.id for name, student in zip(names, roster, strict=True) if name and names.count(name) == 1}
    return lambda name, number: by_number.get(number) or by_name.get(name) or number


def total(book: Gradebook, assignment: str, student: str) -> str:
    """Return a student's points for an assignment; nothing where nothing was handed in, or points are still open."""
    try:
        submission = book.find_submission(assignment, student)
    except MissingEntry:
        return ""
    points = max(0.0, submission.score - (submission.late_submission_penalty or 0.0))
    return "" if submission.needs_manual_grade else f"{points:g}"


def no_formula(text: str | None) -> str:
    """Return a text that no spreadsheet takes for a formula, in one line."""
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", text or "")
    return "'" + text if text[:1] in ("=", "+", "-", "@") else text


def export(book: Gradebook, out: Path) -> list[Path]:
    """Write a CSV for Canvas and one for Moodle, each with a column an assignment; return where they are.

    Assignments that nobody handed in are left out. Cells are empty where points are still open, and both systems then
    leave what they have.
    """
    given = [assignment for assignment in book.assignments if assignment.submissions]
    names = [assignment.name for assignment in given]
    most = [f"{assignment.max_score:g}" for assignment in given]
    canvas = [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *names],
              ["    Points Possible", "", "", "", "", *most]]  # fmt: skip
    moodle = [["ID number", "First name", "Surname", "Email address", *names]]
    for student in book.students:
        cells = [total(book, name, student.id) for name in names]
        own, first, last, email = map(no_formula, (student.id, student.first_name, student.last_name, student.email))
        canvas.append([f"{last}, {first}" if last else own, student.lms_user_id or own, own, own, "", *cells])
        moodle.append([own, first, last, email, *cells])
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in (("canvas", canvas), ("moodle", moodle)):
        with open(out / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    return [out / "canvas.csv", out / "moodle.csv"]
