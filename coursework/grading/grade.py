"""Grade a folder of submissions: a table of points, a page of feedback for each student, and a summary.

    make grade SUBMISSIONS=folder

An entry of the folder is a submission: a notebook, a zip or a folder with notebooks; its name is the student's id. For
each assignment OUT gets ASSIGNMENT.csv, ASSIGNMENT.html (the summary) and feedback/STUDENT/ASSIGNMENT.html. Points for
written answers are yours to give: fill the empty cells of the CSV, save it, and run the same command again. Nothing is
graded twice: a result is kept until the submission or the assignment changes.
"""

import argparse
import base64
import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from coursework.grading import pages, sandbox
from coursework.grading.assignment import (
    MOST_BYTES,
    Assignment,
    Unreadable,
    all_assignments,
    mark,
    question_of,
    read_submitted,
)
from coursework.grading.judge import SECONDS
from coursework.grading.student import PATIENCE
from helpers import progress_bar
from helpers.data import find_data

GRADING = Path(__file__).resolve().parent
ROOT = GRADING.parents[1]

MOST_FILES = 1_000  # looked at in one submission


class GradingError(Exception):
    """Grading can't go on; the message says why, and what to do."""


@dataclass
class Found:
    """A notebook that a submission contains, or the trouble with it."""

    student: str
    name: str
    data: bytes
    changed: tuple = ()  # the later, the larger
    trouble: str | None = None


def _in_zip(path: Path) -> Iterator[Found]:
    """Give the notebooks in a zip. Nothing is unpacked, so names in it lead nowhere."""
    try:
        with zipfile.ZipFile(path) as zipped:
            for member in zipped.infolist()[:MOST_FILES]:
                name = Path(member.filename).name
                if name.endswith(".ipynb") and not name.startswith(".") and ".ipynb_checkpoints" not in member.filename:
                    with zipped.open(member) as file:
                        yield Found(path.stem, name, file.read(MOST_BYTES + 1), member.date_time)
    except Exception as error:  # a zip made by hand can break zipfile in many ways
        yield Found(path.stem, path.name, b"", trouble=f"The zip cannot be read ({type(error).__name__}).")


def _in_folder(path: Path) -> Iterator[Found]:
    """Give the notebooks in a folder, and follow no link out of it."""
    looked_at = 0
    for place, folders, names in os.walk(path):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for name in sorted(names):
            looked_at += 1
            if looked_at > MOST_FILES:
                return
            if name.endswith(".ipynb") and not name.startswith("."):
                yield _file(path.name, Path(place) / name)


def _file(student: str, path: Path) -> Found:
    if path.is_symlink() or not path.is_file():
        return Found(student, path.name, b"", trouble=f"{path.name} is a link or no file; it was not followed.")
    try:
        with open(path, "rb") as file:
            return Found(student, path.name, file.read(MOST_BYTES + 1), (path.stat().st_mtime,))
    except OSError as error:
        return Found(student, path.name, b"", trouble=f"{path.name} cannot be read ({error.strerror}).")


def find_submissions(folder: Path) -> list[Found]:
    """Return the notebooks in a folder of submissions, at least one entry for each submission."""
    found = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.stem in (".", ".."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            inside = list(_in_folder(entry))
        elif entry.suffix == ".ipynb":
            inside = [_file(entry.stem, entry)]
        elif entry.suffix == ".zip" and entry.is_file() and not entry.is_symlink():
            inside = list(_in_zip(entry))
        else:
            continue
        student = entry.name if entry.is_dir() else entry.stem
        found += inside or [Found(student, entry.name, b"", trouble="There is no notebook in it.")]
    if not found:
        raise GradingError(
            f"{folder} holds no submissions. Each is a notebook, a zip or a folder, and named after the student."
        )
    return found


def matching(found: Found, assignments: list[Assignment]) -> tuple[Assignment | None, object]:
    """Return the assignment that a notebook answers, by its cells' marks or else by its name, and the notebook."""
    notebook = None
    if not found.trouble:
        try:
            notebook = read_submitted(found.data)
        except Unreadable as trouble:
            found.trouble = str(trouble)
    marks = {str(mark(cell, "grade_id")) for cell in notebook.cells} if notebook else set()
    shared = {assignment.name: len(marks & assignment.positions.keys()) for assignment in assignments}
    best = max(assignments, key=lambda assignment: shared[assignment.name])
    if shared[best.name]:
        return best, notebook
    named = [assignment for assignment in assignments if found.name.startswith(assignment.name)]
    if notebook:
        found.trouble = "The notebook has no cell of an assignment: their marks are lost."
    return (named[0] if named else None), notebook


def chosen(found: list[Found], assignments: list[Assignment]) -> dict[tuple[str, str], tuple[Found, object]]:
    """Return for each student and assignment the notebook to grade: the last changed, where there are several."""
    matched = [(one, *matching(one, assignments)) for one in found]
    known = Counter(assignment.name for _, assignment, _ in matched if assignment)
    if not known:
        raise GradingError(f"No notebook in the folder belongs to an assignment. The first: {found[0].trouble}")
    usual, picked = known.most_common(1)[0][0], {}
    graded = {(one.student, assignment.name) for one, assignment, notebook in matched if assignment and notebook}
    for one, assignment, notebook in sorted(matched, key=lambda item: (item[2] is not None, item[0].changed)):
        if assignment is None and any(student == one.student for student, _ in graded):
            continue
        key = (one.student, assignment.name if assignment else usual)
        if key in picked and picked[key][1] is not None:
            one.trouble = one.trouble or f"Several notebooks for it; the last changed, {one.name!r}, counts."
        picked[key] = (one, notebook)
    return picked


def run_judge(assignment: Assignment, found: Found, settings: dict) -> dict:
    """Grade one notebook in a process of its own; return its result, whatever happens there."""
    job = {"assignment": assignment.name, "student": found.student, "settings": settings,
           "notebook": base64.b64encode(found.data).decode()}  # fmt: skip
    command = [sys.executable, "-sPB", "-m", "coursework.grading.judge"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            command,
            input=json.dumps(job).encode(),
            env=environment,
            capture_output=True,
            timeout=2 * PATIENCE * SECONDS,
        )
        result = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return nothing(assignment, f"Grading took over {2 * PATIENCE * SECONDS} s.")
    except ValueError:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return nothing(assignment, f"Grading stopped. {''.join(last):.300}")
    if "refused" in result:
        raise GradingError(result["refused"])
    return result


def nothing(assignment: Assignment, reason: str) -> dict:
    """Return the result of a submission that could not be graded: no points, and the reason."""
    tests = [
        {"question": question_of(cell), "points": 0, "of": mark(cell, "points"), "said": reason}
        for cell in assignment.tests
    ]
    return {"tests": tests, "remarks": [reason], "outcomes": {}}


def kept(path: Path, digest: str) -> dict | None:
    """Return the result of an earlier run where it is of the same submission and assignment."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stored["result"] if stored.get("digest") == digest else None


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8", newline="")
    os.replace(beside, path)


def column(question) -> str:
    """Return the heading of a question's column, such as "q7 written (0-3)"."""
    return f"q{question.name.rpartition('q')[2]}{' written' if question.manual else ''} (0-{question.points})"


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, in one line."""
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", text)
    return "'" + text if text[:1] in ("=", "+", "-", "@") else text


def manual_points(path: Path, assignment: Assignment) -> dict[str, dict[str, float]]:
    """Return the points for written answers that an instructor has put into the CSV, by student and question."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8-sig")
    rows = csv.DictReader(text.splitlines(), delimiter=";" if text.partition("\n")[0].count(";") > 3 else ",")
    points = {}
    for row in rows:
        for question in assignment.questions:
            typed = (row.get(column(question)) or "").strip().replace(",", ".")
            if question.manual and typed:
                try:
                    value = float(typed)
                except ValueError:
                    value = -1.0
                if not 0 <= value <= question.points:
                    raise GradingError(f"{path}: {row['student']} has {typed!r} under {column(question)}. "
                                       f"Give a number, 0 to {question.points}.")  # fmt: skip
                points.setdefault(row["student"], {})[question.name] = value
    return points


def points_of(assignment: Assignment, student: str, result: dict, by_hand: dict, answers: dict[str, str]) -> dict:
    """Return a student's row: points by question (None where still open), their sum, and how much is open.

    A written answer that is missing, or still the text that students find there, gets 0 until you say otherwise.
    """
    points = {}
    for question in assignment.questions:
        if question.manual:
            empty = answers.get(question.name, "") in ("", "YOUR ANSWER HERE")
            points[question.name] = by_hand.get(harmless(student), {}).get(question.name, 0 if empty else None)
        else:
            points[question.name] = sum(test["points"] for test in result["tests"] if test["question"] == question.name)
    given = [value for value in points.values() if value is not None]
    open_points = sum(question.points for question in assignment.questions if points[question.name] is None)
    return {
        "student": student,
        "points": points,
        "total": sum(given),
        "open": open_points,
        "remarks": result["remarks"],
    }


def table(assignment: Assignment, rows: list[dict]) -> str:
    """Return the CSV: a student a line, a question a column."""
    lines = [["student", *map(column, assignment.questions), "total", "of", "still open", "remarks"]]
    for row in rows:
        points = ["" if value is None else f"{value:g}" for value in row["points"].values()]
        remarks = harmless(" ".join(row["remarks"]))
        lines.append([harmless(row["student"]), *points, f"{row['total']:g}", assignment.points, row["open"], remarks])
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return "\ufeff" + text.getvalue()  # the mark by which Excel knows UTF-8


def handed_in(notebook) -> dict[str, str]:
    """Return what a notebook has for each question."""
    answers: dict[str, str] = {}
    for cell in notebook.cells if notebook else ():
        question = question_of(cell)
        if question and mark(cell, "grade_id") == question:
            answers[question] = (answers.get(question, "") + "\n\n" + cell.source).strip()
    return answers


def grade(folder: Path, out: Path, isolated: bool = True, workers: int | None = None) -> dict[str, list[dict]]:
    """Grade the submissions in `folder` into `out`; return the rows of each assignment's table."""
    if isolated and (problem := sandbox.missing()):
        raise GradingError(f"{problem} Submissions are not run unprotected; coursework/README.md says what to do.")
    if not folder.is_dir():
        raise GradingError(f"There is no folder {folder}. Say where the submissions are: make grade SUBMISSIONS=folder")
    assignments = {assignment.name: assignment for assignment in all_assignments()}
    picked = chosen(find_submissions(folder), list(assignments.values()))
    by_hand = {name: manual_points(out / f"{name}.csv", assignment) for name, assignment in assignments.items()}
    fonts = out / "kept" / "fonts"
    fonts.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=True,
                   env=os.environ | {"MPLCONFIGDIR": str(fonts)})  # fmt: skip
    settings = {"data": str(find_data()), "fonts": str(fonts.resolve()), "helpers": str(ROOT / "helpers"),
                "forbidden": str(Path(__file__).resolve()), "isolated": isolated}  # fmt: skip
    version = b"".join(path.read_bytes() for path in sorted(GRADING.glob("*.py"))) + str(isolated).encode()

    def result_of(name: str, found: Found, notebook) -> dict:
        assignment = assignments[name]
        if notebook is None or "no cell of an assignment" in (found.trouble or ""):
            return nothing(assignment, found.trouble)
        source = json.dumps(assignment.notebook).encode()
        digest = hashlib.sha256(b"\0".join([version, source, found.student.encode(), found.data])).hexdigest()
        path = out / "kept" / name / f"{hashlib.sha256(found.student.encode()).hexdigest()[:20]}.json"
        result = kept(path, digest)
        if result is None:
            result = run_judge(assignment, found, settings)
            write(path, json.dumps({"digest": digest, "result": result}))
        return result | {"remarks": result["remarks"] + ([found.trouble] if found.trouble else [])}

    results = {}
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        started = {pool.submit(result_of, name, found, notebook): (student, name)
                   for (student, name), (found, notebook) in picked.items()}  # fmt: skip
        try:
            for done in progress_bar(as_completed(started), total=len(started), desc="Grading", unit="submission"):
                results[started[done]] = done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    tables = {}
    for name in sorted({name for _, name in picked}):
        assignment, rows = assignments[name], []
        for (student, _), (_, notebook) in sorted((key, value) for key, value in picked.items() if key[1] == name):
            result = results[student, name]
            answers = handed_in(notebook)
            rows.append(points_of(assignment, student, result, by_hand[name], answers))
            page = pages.feedback(assignment, student, rows[-1], result, answers)
            write(out / "feedback" / student / f"{name}.html", page)
        write(out / f"{name}.csv", table(assignment, rows))
        write(out / f"{name}.html", pages.summary(assignment, rows))
        tables[name] = rows
    return tables


def main(arguments: list[str] | None = None) -> int:
    """Grade what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="the folder of submissions")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "grades", help="where the results go")
    parser.add_argument("--without-isolation", action="store_true", help="run submissions unprotected, with all that "
                        "you may do: only for code that you have read")  # fmt: skip
    options = parser.parse_args(arguments)
    try:
        tables = grade(options.folder, options.out, not options.without_isolation)
    except GradingError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. What is graded is kept; run it again to go on.", file=sys.stderr)
        return 130
    for name, rows in tables.items():
        mean = sum(row["total"] for row in rows) / len(rows)
        waiting = sum(row["open"] > 0 for row in rows)
        print(f"{options.out / name}.csv: {len(rows)} graded, mean {mean:.1f}, written answers open in {waiting}")
    print(f"Feedback pages: {options.out / 'feedback'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
