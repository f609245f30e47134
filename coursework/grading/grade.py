"""Grade what is in the course's submitted/ into nbgrader's gradebook: discover, judge, tabulate, write.

The points of a submission are written in one transaction when it is judged; nothing that a person entered is lost.
"""

import argparse
import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, Student
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties, NbGraderPreprocessor
from tqdm import tqdm
from traitlets.config import PyFileConfigLoader

from coursework.grading import sandbox, tabulate
from coursework.grading.assignment import all_assignments, printable
from coursework.grading.discover import STAMP, collect, write_whole

ROOT = Path(__file__).resolve().parents[2]
warnings.filterwarnings("ignore", "Object of type <Submitted", module="nbgrader")  # at each new one
NOTE = "ten_templates"  # under which the autograded notebook's metadata says what it was made from


class Course:
    """An nbgrader course: its folder, its gradebook, and how its submissions are judged."""

    def __init__(self, root: Path):
        self.root, self.config = root, PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
        self.assignments = {assignment.name: assignment for assignment in all_assignments(root / "source")}
        self.folder = CourseDirectory(config=self.config)
        self.book = Gradebook(self.folder.db_url, self.folder.course_id)

    def path(self, place: str, student: str, name: str) -> Path:
        """Return where a student's notebook is; `place` is "submitted" or "autograded"."""
        return self.root / place / student / name / f"{name}.ipynb"

    def before(self, student: str, name: str) -> nbformat.NotebookNode:
        """Return the notebook that an earlier grading left, or an empty one."""
        try:
            return nbformat.read(self.path("autograded", student, name), as_version=4)
        except (OSError, ValueError):
            return nbformat.v4.new_notebook()

    def made_from(self, student: str, name: str) -> str:
        """Return a hash of what a result depends on: the submission, the assignment and the judge."""
        judge = sorted(Path(__file__).parent.glob("*.py"))
        paths = [self.path("submitted", student, name), self.assignments[name].path, *judge]
        return hashlib.sha256(repr([path.read_bytes() for path in paths]).encode()).hexdigest()

    def is_done(self, student: str, name: str) -> bool:
        return self.before(student, name).metadata.get(NOTE) == self.made_from(student, name)

    def judge(self, student: str, name: str) -> tabulate.Graded:
        """Judge a submission in the learner's environment, which has TensorFlow and not nbgrader, in a process."""
        if problem := sandbox.missing():
            sys.exit(f"{problem} Submissions are not run unprotected; coursework/README.md says what to do.")
        python = os.environ.get("LEARNERS_PYTHON", ROOT / ".venv" / "bin" / "python")
        job = [self.assignments[name].path, self.path("submitted", student, name), student]
        command = [python, "-sPB", "-m", "coursework.grading.judge", *job]
        done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
        try:
            result = json.loads(done.stdout)
        except ValueError:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            result = tabulate.nothing(self.assignments[name], f"Grading stopped. {printable(''.join(last))}")
        if "refused" in result:
            sys.exit(result["refused"])
        return tabulate.tabulate(self.assignments[name], result)

    def write(self, student: str, name: str, graded: tabulate.Graded, only: str | None = None) -> None:
        """Write what a submission comes to into the gradebook, all or none, and then into autograded/.

        Only one question's points and comment are written, if it is named. What a person has entered stays: points,
        comments, extra credit. Where the answer under it is a new one, or its automatic points are, the cell is marked
        to be looked at again.
        """
        before = self.before(student, name)
        if not only or self.is_done(student, name):  # else the other questions are still to do
            graded.notebook.metadata[NOTE] = self.made_from(student, name)
        changed = tabulate.changed(self.assignments[name], before, graded.notebook)
        submitted, autograded = (self.path(place, student, name) for place in ("submitted", "autograded"))
        handed_in = self.folder.get_existing_timestamp(str(submitted.parent))
        self.book.update_or_create_student(student)
        stamp = {"timestamp": handed_in} if handed_in else {}
        (notebook,) = self.book.update_or_create_submission(name, student, **stamp).notebooks
        for grade in notebook.grades:
            question = grade.name.partition("-test")[0]
            if grade.name in graded.scores and only in (None, question):
                score = graded.scores[grade.name]
                if grade.manual_score is None:
                    grade.needs_manual_grade = score is None
                elif question in changed or (score is not None and grade.auto_score != score):
                    grade.needs_manual_grade = True
                grade.auto_score = score
        for comment in notebook.comments:
            if comment.name in graded.comments and only in (None, comment.name):
                comment.auto_comment = graded.comments[comment.name]
        self.book.db.commit()
        for beside in (STAMP, "submission_secret.txt"):  # by which nbgrader gives feedback back on a hub
            if (given := submitted.with_name(beside)).is_file():
                write_whole(autograded.with_name(beside), given.read_bytes())
        write_whole(autograded, nbformat.writes(graded.notebook).encode())
        names = {"student": student, "assignment": name, "notebook": name, "db_url": self.folder.db_url}
        AssignLatePenalties(config=self.config).preprocess(graded.notebook, {"nbgrader": names})


class LockedIn(NbGraderPreprocessor):
    """nbgrader's `autograde`, for one notebook: judge it locked in, and write what comes out."""

    def preprocess(self, notebook, resources):
        student, name = resources["nbgrader"]["student"], resources["nbgrader"]["assignment"]
        course = Course(Path(self.config.CourseDirectory.root))
        graded = course.judge(student, name)
        with course.book:
            course.write(student, name, graded)
        return graded.notebook, resources


def grade(course: Course, jobs: list[tuple[str, str]], question: str | None) -> int:
    """Grade submissions, as many at a time as there are processors; return how many could not be written."""
    failed, pool = 0, ThreadPoolExecutor(os.cpu_count())
    started = {pool.submit(course.judge, *job): job for job in jobs}
    try:
        for done in tqdm(as_completed(started), total=len(started), desc="Grading", unit="submission"):
            student, name = started[done]
            try:
                course.write(student, name, graded := done.result(), question)
                said = graded.remarks
            except Exception as error:  # one submission's trouble is not another's
                course.book.db.rollback()
                failed += 1
                said = [f"not graded ({error!r})."]
            for line in said:
                tqdm.write(f"{student}, {name}: {printable(line)}", sys.stderr)
    finally:
        pool.shutdown(cancel_futures=True)
    return failed


def known_student(book: Gradebook):
    """Return a function that tells a student's id from the name and number in a download of Canvas or Moodle."""
    roster = book.db.query(Student).all()
    by_number = {student.lms_user_id: student.id for student in roster}
    names = [f"{student.first_name} {student.last_name}" for student in roster]
    by_name = {name: student.id for name, student in zip(names, roster, strict=True) if names.count(name) == 1}
    return lambda name, number: by_number.get(number) or by_name.get(name) or number


def export(book: Gradebook, out: Path) -> None:
    """Write a CSV for Canvas and one for Moodle, each with a column an assignment that somebody handed in.

    Cells are empty where points are still open, and both systems then leave what they have.
    """
    given = {each.name: f"{each.max_score:g}" for each in book.assignments if each.submissions}
    canvas = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *given],
        ["    Points Possible", "", "", "", "", *given.values()],
    ]
    moodle = [["ID number", "First name", "Surname", "Email address", *given]]
    for student in book.students:
        about = (student.id, student.first_name, student.last_name, student.email)
        # A spreadsheet would take it for a formula.
        own, first, last, email = (re.sub(r"^(?=[-=+@])", "'", text or "") for text in about)
        known = [each for each in student.submissions if not each.needs_manual_grade]
        points = {each.name: max(0.0, each.score - (each.late_submission_penalty or 0.0)) for each in known}
        cells = [f"{points[name]:g}" if name in points else "" for name in given]
        canvas.append([f"{last}, {first}" if last else own, student.lms_user_id or own, own, own, "", *cells])
        moodle.append([own, first, last, email, *cells])
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in (("canvas", canvas), ("moodle", moodle)):
        with open(out / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
        print(file.name)


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code, or exit with a sentence where something can't be done."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--course", type=Path, default=ROOT / "coursework", help="the folder of the course")
    parser.add_argument("--submissions", type=Path, help="a folder or zip of hand-ins to take over first")
    parser.add_argument("--again", action="store_true", help="grade what is graded already, too")
    parser.add_argument("--student", help="this one only")
    parser.add_argument("--assignment", help="this one only, such as 1_data")
    parser.add_argument("--question", help="write this one's points only, such as a1-q2")
    parser.add_argument("--export", type=Path, help="write the points for Canvas and Moodle into this folder, and stop")
    options = parser.parse_args(arguments)
    course = Course(options.course.resolve())
    with course.book as book:
        if not book.assignments:
            sys.exit("The gradebook has no assignments yet: make coursework puts them there.")
        if options.export:
            export(book, options.export)
            return 0
        submitted = course.root / "submitted"
        if (place := options.submissions) is not None:
            if not place.exists():
                sys.exit(f"There is no {place}. Name a folder or a zip: make grade SUBMISSIONS=folder")
            taken, left = collect(place, submitted, list(course.assignments.values()), known_student(book))
            print(f"Notebooks taken over: {taken}. Other files: {len(left)}", *left, sep="\n  ")
        questions = {name: one.questions for name, one in course.assignments.items()}
        for asked, known in ((options.assignment, questions), (options.question, set().union(*questions.values()))):
            if asked and asked not in known:
                sys.exit(f"There is no {asked}; there are {', '.join(sorted(known))}.")
        names = [name for name in questions if options.assignment in (None, name)]
        names = [name for name in names if not options.question or options.question in questions[name]]
        students = [options.student] if options.student else sorted(folder.name for folder in submitted.glob("*"))
        jobs = [(one, name) for name in names for one in students if course.path("submitted", one, name).is_file()]
        if not jobs:
            sys.exit(f"There is nothing to grade{f' of {options.student}' if options.student else ''} in {submitted}.")
        graded = {(each.student.id, name) for name in names for each in book.assignment_submissions(name)}
        new = [job for job in jobs if options.again or job not in graded or not course.is_done(*job)]
        failed = grade(course, new, options.question)
        old = len(jobs) - len(new)
        print(f"Graded now: {len(new)}. Graded before: {old}. Read the written answers: make formgrader")
        return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped. What is graded is in the gradebook. make grade goes on; make regrade begins anew.")
