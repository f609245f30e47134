"""Grade what is in the course's submitted/ into nbgrader's gradebook: discover, judge, tabulate, write.

    make grade                              what is new
    make grade SUBMISSIONS=folder           the same, after taking over a folder or zip of hand-ins
    make regrade STUDENT=ana QUESTION=a1-q2 again, whether new or not; all students or questions, where none is named

Each submission is written in one transaction when it is judged; nothing that a person has entered is overwritten.
"""

import argparse
import base64
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties, NbGraderPreprocessor
from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm
from traitlets.config import Config, PyFileConfigLoader

from coursework.grading import gradebook, sandbox, tabulate
from coursework.grading.assignment import Assignment, Unreadable, all_assignments, read_submitted
from coursework.grading.discover import collect
from coursework.grading.text import plain_markdown, printable

ROOT = Path(__file__).resolve().parents[2]
WHOLE = 3_600  # seconds on the clock after which a judge is given up; it has limits of its own


class GradingError(Exception):
    """Grading can't go on; the message says why, and what to do."""


@dataclass(frozen=True)
class Job:
    """A submission to grade."""

    student: str
    assignment: Assignment
    path: Path  # in submitted/
    shown: Path  # in autograded/

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()

    @property
    def handed_in(self) -> str | None:
        stamp = self.path.with_name("timestamp.txt")
        return stamp.read_text(encoding="utf-8").strip() if stamp.exists() else None

    @property
    def note(self) -> dict:
        """What the result depends on: the submission, the assignment and the judge."""
        judge = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
        parts = [self.data, json.dumps(self.assignment.notebook).encode(), judge]
        return {"made_from": hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()}

    def before(self) -> nbformat.NotebookNode | None:
        """Return the notebook that an earlier grading left, or None."""
        try:
            return nbformat.read(self.shown, as_version=4)
        except (OSError, ValueError):
            return None


class Course:
    """An nbgrader course: its folder, its gradebook, and how its submissions are judged."""

    def __init__(self, root: Path, isolated: bool = True):
        self.config: Config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
        self.folder = CourseDirectory(config=self.config)
        self.assignments = {assignment.name: assignment for assignment in all_assignments()}
        self.isolated = isolated
        if isolated and (problem := sandbox.missing()):
            raise GradingError(f"{problem} Submissions are not run unprotected; coursework/README.md says what to do.")

    def path(self, place: str, student: str, assignment: str) -> Path:
        """Return a folder of the course, as its settings name it; `place` is "submitted" or "autograded"."""
        return Path(self.folder.format_path(getattr(self.folder, f"{place}_directory"), student, assignment))

    def book(self) -> Gradebook:
        return Gradebook(self.folder.db_url, self.folder.course_id)

    def job(self, student: str, name: str) -> Job:
        paths = [self.path(place, student, name) / f"{name}.ipynb" for place in ("submitted", "autograded")]
        return Job(student, self.assignments[name], *paths)

    def jobs(self, student: str = "*", name: str = "*") -> list[Job]:
        """Return the submissions of a student and an assignment; of all, where none is named."""
        base = self.path("submitted", ".", ".")
        students = sorted(folder.name for folder in base.glob("*")) if student == "*" else [student]
        names = self.assignments if name == "*" else [name]
        found = [self.job(student, name) for name in names for student in students]
        return [job for job in found if job.path.is_file()]

    def is_done(self, job: Job, book: Gradebook) -> bool:
        before = job.before()
        try:
            book.find_submission(job.assignment.name, job.student)
        except MissingEntry:
            return False
        return before is not None and before.metadata.get(tabulate.NOTE) == job.note

    def judge(self, job: Job) -> dict:
        """Judge one submission in the learner's environment, in a process of its own; always give a result."""
        fonts = ROOT / "_build" / "fonts"
        order = {"assignment": job.assignment.name, "student": job.student, "fonts": str(fonts),
                 "isolated": self.isolated, "notebook": base64.b64encode(job.data).decode()}  # fmt: skip
        try:
            done = run_learners(["-m", "coursework.grading.judge"], input=json.dumps(order).encode(), timeout=WHOLE)
            result = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            return tabulate.nothing(job.assignment, f"Grading took over {WHOLE} s.")
        except ValueError:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            return tabulate.nothing(job.assignment, f"Grading stopped. {printable(''.join(last))}")
        if "refused" in result:
            raise GradingError(result["refused"])
        return result

    def result(self, job: Job) -> tuple[nbformat.NotebookNode | None, dict]:
        """Return the submitted notebook, None where it is none, and what judging it gave."""
        try:
            notebook = read_submitted(job.data)
        except Unreadable as trouble:
            return None, tabulate.nothing(job.assignment, str(trouble))
        return notebook, self.judge(job)

    def write(
        self, book: Gradebook, job: Job, notebook, result: dict, only: str | None = None
    ) -> nbformat.NotebookNode:
        """Write a result into the gradebook and autograded/; return the notebook for the latter."""
        before = job.before()
        shown = tabulate.autograded(job.assignment, notebook, result, job.note)
        old, new = (tabulate.own_cells(job.assignment, one)[0] if one else {} for one in (before, shown))
        changed = {
            name for name, text in new.items() if old and plain_markdown(old.get(name, "")) != plain_markdown(text)
        }
        gradebook.write(
            book, job.assignment.name, job.student, job.handed_in,
            tabulate.scores(job.assignment, notebook, result), tabulate.comments(job.assignment, notebook, result),
            changed, only,
        )  # fmt: skip
        job.shown.parent.mkdir(parents=True, exist_ok=True)
        beside = job.shown.with_name(job.shown.name + ".part")
        nbformat.write(shown, beside)
        os.replace(beside, job.shown)
        names = {"student": job.student, "assignment": job.assignment.name, "notebook": job.assignment.name,
                 "db_url": self.folder.db_url}  # fmt: skip
        AssignLatePenalties(config=self.config).preprocess(shown, {"nbgrader": names})
        return shown


def run_learners(arguments: list[str], **settings) -> subprocess.CompletedProcess:
    """Run Python of the learner's environment, which has TensorFlow and not nbgrader."""
    python = os.environ.get("LEARNERS_PYTHON", ROOT / ".venv" / "bin" / "python")
    return subprocess.run([python, "-sPB", *arguments], capture_output=True, **settings,
                          env=os.environ | {"PYTHONPATH": str(ROOT)})  # fmt: skip


def prepare() -> None:
    """Make what every submission reads and none may write: the list of fonts."""
    fonts = ROOT / "_build" / "fonts"
    if not list(fonts.glob("fontlist*.json")):
        fonts.mkdir(parents=True, exist_ok=True)
        code = f"import os; os.environ['MPLCONFIGDIR'] = {str(fonts)!r}; import matplotlib.font_manager"
        run_learners(["-c", code], check=True)


class LockedIn(NbGraderPreprocessor):
    """nbgrader's `autograde`, for one notebook: judge it locked in, and write what comes out."""

    def preprocess(self, notebook, resources):
        about = resources["nbgrader"]
        course = Course(Path(self.config.CourseDirectory.root))
        job = course.job(about["student"], about["assignment"])
        prepare()
        with course.book() as book:
            return course.write(book, job, *course.result(job)), resources


def grade(course: Course, jobs: list[Job], question: str | None = None, workers: int | None = None) -> int:
    """Grade submissions, as many at a time as there are processors; return how many could not be written."""
    prepare()
    failed = 0
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool, course.book() as book:
        started = {pool.submit(course.result, job): job for job in jobs}
        try:
            for done in tqdm(as_completed(started), total=len(started), desc="Grading", unit="submission"):
                job = started[done]
                try:
                    course.write(book, job, *done.result(), question)
                except (GradingError, SQLAlchemyError):
                    raise
                except Exception as error:  # one submission's trouble is not another's
                    failed += 1
                    print(
                        f"{job.student}, {job.assignment.name}: not graded ({printable(repr(error))}).", file=sys.stderr
                    )
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return failed


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--course", type=Path, default=ROOT / "coursework", help="the folder of the course")
    parser.add_argument("--submissions", type=Path, help="a folder or zip of hand-ins to take over first")
    parser.add_argument("--again", action="store_true", help="grade what is graded already, too")
    parser.add_argument("--student", default="*", help="this one only")
    parser.add_argument("--assignment", default="*", help="this one only, such as 1_data")
    parser.add_argument("--question", help="write this one's points only, such as a1-q2")
    parser.add_argument("--export", type=Path, help="write the points for Canvas and Moodle into this folder, and stop")
    parser.add_argument("--without-isolation", action="store_true", help="run submissions unprotected, with all that "
                        "you may do: only for code that you have read")  # fmt: skip
    options = parser.parse_args(arguments)
    try:
        course = Course(options.course.resolve(), not options.without_isolation)
        with course.book() as book:
            return act(course, book, options)
    except GradingError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. What is graded is in the gradebook; run it again to go on.", file=sys.stderr)
        return 130


def act(course: Course, book: Gradebook, options) -> int:
    if not book.assignments:
        raise GradingError("The gradebook has no assignments yet: make coursework puts them there.")
    if options.export:
        print(*gradebook.export(book, options.export), sep="\n")
        return 0
    if options.submissions:
        if not options.submissions.exists():
            raise GradingError(
                f"There is no {options.submissions}. Name a folder or a zip: make grade SUBMISSIONS=folder"
            )
        submitted = course.path("submitted", ".", ".")
        taken, left = collect(options.submissions, submitted, list(course.assignments.values()),
                              gradebook.known_student(book))  # fmt: skip
        print(f"{taken} notebooks taken over, {len(left)} files not:", *left, sep="\n  ")
    name = options.assignment
    if options.question and name == "*":
        name = next((one for one in course.assignments if one[0] == options.question[1:2]), options.question)
    if name != "*" and name not in course.assignments:
        raise GradingError(f"There is no assignment {name}; there are {', '.join(course.assignments)}.")
    jobs = course.jobs(options.student, name)
    if not jobs:
        raise GradingError(f"There is nothing to grade in {course.path('submitted', '.', '.')}.")
    new = [job for job in jobs if options.again or not course.is_done(job, book)]
    failed = grade(course, new, options.question)
    print(
        f"{len(new)} submissions graded, {len(jobs) - len(new)} were already. Read the written answers: make formgrader"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
