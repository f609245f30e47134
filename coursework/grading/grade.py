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
FONTS = ROOT / "_build" / "fonts"  # the list of fonts, which every submission reads and none may write
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
    def note(self) -> dict:
        """What the result depends on: the submission, the assignment and the judge."""
        parts = [path.read_bytes() for path in (self.path, *sorted(Path(__file__).parent.glob("*.py")))]
        parts.append(json.dumps(self.assignment.notebook).encode())
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
        self.assignments = {assignment.name: assignment for assignment in all_assignments(self.path("source"))}
        self.isolated = isolated
        if isolated and (problem := sandbox.missing()):
            raise GradingError(f"{problem} Submissions are not run unprotected; coursework/README.md says what to do.")
        if not list(FONTS.glob("fontlist*.json")):
            FONTS.mkdir(parents=True, exist_ok=True)
            run_learners(["-c", "import matplotlib.font_manager"], {"MPLCONFIGDIR": str(FONTS)}, check=True)

    def path(self, place: str, student: str = ".", assignment: str = ".") -> Path:
        """Return a folder of the course, as its settings name it; `place` is "source", "submitted" or "autograded"."""
        return Path(self.folder.format_path(getattr(self.folder, f"{place}_directory"), student, assignment))

    def book(self) -> Gradebook:
        return Gradebook(self.folder.db_url, self.folder.course_id)

    def job(self, student: str, name: str) -> Job:
        paths = [self.path(place, student, name) / f"{name}.ipynb" for place in ("submitted", "autograded")]
        return Job(student, self.assignments[name], *paths)

    def jobs(self, student: str = "*", name: str = "*") -> list[Job]:
        """Return the submissions of a student and an assignment; of all, where none is named."""
        students = sorted(folder.name for folder in self.path("submitted").glob("*")) if student == "*" else [student]
        found = [self.job(one, name) for name in (self.assignments if name == "*" else [name]) for one in students]
        return [job for job in found if job.path.is_file()]

    def is_done(self, job: Job, book: Gradebook) -> bool:
        before = job.before()
        try:
            book.find_submission(job.assignment.name, job.student)
        except MissingEntry:
            return False
        return before is not None and before.metadata.get(tabulate.NOTE) == job.note

    def result(self, job: Job) -> tuple[nbformat.NotebookNode | None, dict]:
        """Return the submitted notebook, None where it is none, and what judging it gave.

        It is judged in the learner's environment, in a process of its own.
        """
        notebook, data = None, job.path.read_bytes()
        order = {"assignment": job.assignment.name, "source": job.assignment.notebook, "student": job.student,
                 "submitted": base64.b64encode(data).decode(), "fonts": str(FONTS),
                 "isolated": self.isolated}  # fmt: skip
        try:
            notebook = read_submitted(data)
            done = run_learners(["-m", "coursework.grading.judge"], input=json.dumps(order).encode(), timeout=WHOLE)
            result = json.loads(done.stdout)
        except Unreadable as trouble:
            result = tabulate.nothing(job.assignment, str(trouble))
        except subprocess.TimeoutExpired:
            result = tabulate.nothing(job.assignment, f"Grading took over {WHOLE} s.")
        except ValueError:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            result = tabulate.nothing(job.assignment, f"Grading stopped. {printable(''.join(last))}")
        if "refused" in result:
            raise GradingError(result["refused"])
        return notebook, result

    def write(
        self, book: Gradebook, job: Job, notebook, result: dict, only: str | None = None
    ) -> nbformat.NotebookNode:
        """Write a result into the gradebook and autograded/; return the notebook for the latter."""
        before, note = job.before(), job.note
        if only and (before is None or before.metadata.get(tabulate.NOTE) != note):
            note = {}  # the other questions are still to do
        shown = tabulate.autograded(job.assignment, notebook, result, note)
        old, new = (tabulate.own_cells(job.assignment, one)[0] for one in (before, shown))
        changed = {
            name for name, text in new.items() if old and plain_markdown(old.get(name, "")) != plain_markdown(text)
        }
        stamp = job.path.with_name("timestamp.txt")
        gradebook.write(
            book, job.assignment.name, job.student, stamp.read_text("utf-8").strip() if stamp.exists() else None,
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


def run_learners(arguments: list[str], more: dict[str, str] | None = None, **settings) -> subprocess.CompletedProcess:
    """Run Python of the learner's environment, which has TensorFlow and not nbgrader."""
    python = os.environ.get("LEARNERS_PYTHON", ROOT / ".venv" / "bin" / "python")
    return subprocess.run([python, "-sPB", *arguments], capture_output=True, **settings,
                          env=os.environ | {"PYTHONPATH": str(ROOT)} | (more or {}))  # fmt: skip


class LockedIn(NbGraderPreprocessor):
    """nbgrader's `autograde`, for one notebook: judge it locked in, and write what comes out."""

    def preprocess(self, notebook, resources):
        about = resources["nbgrader"]
        course = Course(Path(self.config.CourseDirectory.root))
        job = course.job(about["student"], about["assignment"])
        with course.book() as book:
            return course.write(book, job, *course.result(job)), resources


def grade(course: Course, book: Gradebook, jobs: list[Job], question: str | None) -> int:
    """Grade submissions, as many at a time as there are processors; return how many could not be written."""
    failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
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
                    said = f"{job.student}, {job.assignment.name}: not graded ({printable(repr(error))})."
                    print(said, file=sys.stderr)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return failed


def act(options) -> int:
    """Do what the command line names; return the exit code."""
    course = Course(options.course.resolve(), not options.without_isolation)
    with course.book() as book:
        if not book.assignments:
            raise GradingError("The gradebook has no assignments yet: make coursework puts them there.")
        if options.export:
            print(*gradebook.export(book, options.export), sep="\n")
            return 0
        if (place := options.submissions) is not None:
            if not place.exists():
                raise GradingError(f"There is no {place}. Name a folder or a zip: make grade SUBMISSIONS=folder")
            known = gradebook.known_student(book)
            taken, left = collect(place, course.path("submitted"), list(course.assignments.values()), known)
            print(f"Notebooks taken over: {taken}. Other files: {len(left)}", *left, sep="\n  ")
        name = options.assignment
        if name not in ("*", *course.assignments):
            raise GradingError(f"There is no assignment {name}; there are {', '.join(course.assignments)}.")
        if options.question:
            where = {each.name: one.name for one in course.assignments.values() for each in one.questions}
            if (found := where.get(options.question)) is None or name not in ("*", found):
                raise GradingError(f"There is no question {options.question} there; there are {', '.join(where)}.")
            name = found
        jobs = course.jobs(options.student, name)
        if not jobs:
            whose = "" if options.student == "*" else f" of {options.student}"
            raise GradingError(f"There is nothing to grade{whose} in {course.path('submitted')}.")
        new = [job for job in jobs if options.again or not course.is_done(job, book)]
        failed = grade(course, book, new, options.question)
        before = len(jobs) - len(new)
        print(f"Graded now: {len(new)}. Graded before: {before}. Read the written answers: make formgrader")
        return 1 if failed else 0


def main(arguments: list[str] | None = None) -> int:
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
    try:
        return act(parser.parse_args(arguments))
    except GradingError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        said = "Stopped. What is graded is in the gradebook. make grade goes on; make regrade begins anew."
        print(said, file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
