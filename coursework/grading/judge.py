"""Grade one submission: run its code in a locked-in process, and its tests here, where the submission can't reach.

The tests are those of the instructor's notebook, hidden ones included. In them, a name that students define stands for
what their process has under it: a value is fetched, a function sends its inputs there and gets values back. Every other
name comes from the instructor's own cells, run here with the student's id. So nothing that a submission does to its own
process changes what is asked or how it is judged, and no test ever enters that process.
"""

import ast
import base64
import contextlib
import io
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from coursework.grading import sandbox
from coursework.grading.assignment import Assignment, defined, mark, question_of, read_assignment, read_submitted, tags
from coursework.grading.student import ROOT, Ended, Refused, Student, StudentError, remove
from coursework.grading.text import printable
from helpers.data import find_data

SECONDS = 300  # of processor time for a submission's process, restarts included, and as much for the tests
TEST_SECONDS = 60  # of processor time for one test's own computing
MEMORY = 3 * 2**30  # bytes for the tests, whatever an answer gives them to work on
RESTARTS = 4
HIDDEN = "### BEGIN HIDDEN TESTS"


def steps_of(assignment: Assignment, notebook, student_id: str) -> tuple[list[tuple[str | None, str]], list[str]]:
    """Return what to run of a submission, as (question or None, code), and remarks about what was odd in it.

    Students' answers and own cells run as handed in. The given cells run as the instructor wrote them, whether the
    submission has changed, lost or doubled them, and with the student's real id. Tests and pictures do not run.
    """
    steps, remarks, seen = [], [], set()
    waiting = sorted(assignment.given + assignment.probes)  # a probe may define what students use, such as tf

    def give(up_to: int) -> None:
        while waiting and waiting[0] <= up_to:
            cell = assignment.cells[waiting.pop(0)]
            steps.append((None, f"student_id = {student_id!r}" if "student-id" in tags(cell) else cell.source))

    for cell in notebook.cells:
        if "student-id" in tags(cell) and cell.cell_type == "code":
            with contextlib.suppress(SyntaxError, ValueError, AttributeError, IndexError):
                typed = ast.literal_eval(ast.parse(cell.source).body[0].value)
                if typed != student_id:
                    remarks.append(f"The notebook names the student {typed!r:.60}; graded as {student_id!r}.")
            continue
        grade_id = mark(cell, "grade_id")
        position = assignment.positions.get(grade_id) if isinstance(grade_id, str) else None
        if position is not None:
            give(position)
            original = assignment.cells[position]
            if grade_id in seen and mark(original, "solution"):
                remarks.append(f"Two cells are marked as the answer {grade_id}; both ran.")
            seen.add(grade_id)
            if cell.cell_type == "code" and mark(original, "solution"):
                steps.append((question_of(original), cell.source))
        elif cell.cell_type == "code" and not {"given", "probe", "colab"} & set(tags(cell)):
            steps.append((None, cell.source))
    give(len(assignment.cells))
    return steps, remarks


def own_names(assignment: Assignment, student_id: str) -> dict:
    """Return what the instructor's given cells define for this student."""
    names = {"__name__": "__main__"}
    for index in assignment.given:
        cell = assignment.cells[index]
        source = f"student_id = {student_id!r}" if "student-id" in tags(cell) else cell.source
        exec(compile(source, f"{assignment.name}, given cell {index}", "exec"), names)
    return names


class Session:
    """A submission's process that is started again where it ends, without the cell that ended it."""

    def __init__(self, start, steps: list[tuple[str | None, str]], probes: dict[str, str]):
        self._start, self._steps, self._probes = start, steps, probes
        self._student: Student | None = None
        self._left_out: set[int] = set()
        self._starts, self._spent = 0, 0.0
        self.remarks: list[str] = []
        self.outcomes: dict[str, dict] = {}  # by question: what its cells printed, and their error

    def student(self) -> Student:
        """Return the process, with all its cells run."""
        while self._student is None:
            self._starts += 1
            if self._starts > RESTARTS:
                raise StudentError("Its process ended too many times to go on.")
            if self._spent >= SECONDS:
                raise StudentError(f"The submission took over {SECONDS} s of processor time in all.")
            student = self._start(SECONDS - self._spent)
            outcomes, index, question = {}, None, None
            try:
                for index, (question, source) in enumerate(self._steps):
                    if index not in self._left_out:
                        error, printed = student.run(source)
                        if question:
                            before = outcomes.get(question, {"printed": ""})
                            outcomes[question] = {"printed": before["printed"] + printed, "error": error}
                self._student = student
            except Ended as end:
                self._spent += student.spent
                self._left_out.add(index)
                where = f"the answer to {question}" if question else "a cell"
                self.remarks.append(f"{end} This happened in {where}, which was then left out.")
                if question:
                    outcomes[question] = {"printed": "", "error": str(end)}
            self.outcomes |= outcomes
        return self._student

    def run(self, source: str) -> tuple[str | None, str]:
        return self.student().run(source)

    def test(self, source: str, answers: set[str], names: dict) -> str | None:
        """Run a test, its visible part and then its hidden one; return None where it passes, or what it says."""
        visible, _, hidden = source.partition(HIDDEN)
        named = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
        own = {node.id for node in named if isinstance(node.ctx, ast.Store)}
        used = sorted({node.id for node in named} & answers - own)
        most = 1_000
        try:
            student, names = self.student(), dict(names)
            student.hidden = False
            names |= {name: student.value(name, self._probes.get(name)) for name in used}
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), time_limit():
                exec(compile(visible, "test", "exec"), names)
                student.hidden, most = True, 200
                exec(compile(hidden, "hidden test", "exec"), names)
        except Refused:
            raise
        except Ended as end:
            self._spent += student.spent
            self._student = None
            return f"{end} This happened while a test used the answer."
        except AssertionError as error:
            return printable(error, most) or "A check of this answer does not hold."
        except TimeoutError:
            self.end()  # perhaps in the middle of an answer
            return f"A check of this answer took over {TEST_SECONDS} s."
        except Exception as error:
            what = type(error).__name__ if student.hidden else f"{type(error).__name__}: {printable(error)}"
            return f"A check stopped with {what}. Are shapes and types as asked?"
        return None

    def end(self) -> None:
        if self._student is not None:
            self._student.end()
            self._student = None


@contextlib.contextmanager
def time_limit(seconds: float = TEST_SECONDS):
    """Raise `TimeoutError` in this process after so many seconds of its own processor time."""

    def stop(*_):
        raise TimeoutError

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextlib.contextmanager
def session(assignment: Assignment, notebook, student_id: str, settings: dict):
    """Give a `Session` for a submitted notebook, and remarks about what was odd in it; tidy up afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="submission-"))

    def start(seconds: float) -> Student:
        remove(folder)
        folder.mkdir(mode=0o700)
        paths = {name: Path(settings[name]) for name in ("data", "fonts", "helpers", "forbidden")}
        return Student(folder, **paths, isolated=settings["isolated"], seconds=seconds)

    steps, remarks = steps_of(assignment, notebook, student_id)
    probes = {name: cell.source for cell in map(assignment.cells.__getitem__, assignment.probes)
              for name in defined(cell.source)}  # fmt: skip
    opened = Session(start, steps, probes)
    opened.remarks += remarks
    try:
        yield opened
    finally:
        opened.end()
        remove(folder)


def judge(assignment: Assignment, notebook, student_id: str, settings: dict) -> dict:
    """Return the points, with their reasons, of a submitted notebook."""
    with session(assignment, notebook, student_id, settings) as opened:
        with contextlib.suppress(StudentError):
            opened.student()
        names = own_names(assignment, student_id)
        tests = []
        for cell in assignment.tests:
            said = opened.test(cell.source, assignment.answers, names)
            tests.append({
                "cell": mark(cell, "grade_id"), "question": question_of(cell), "of": mark(cell, "points"),
                "points": mark(cell, "points") if said is None else 0, "said": said,
            })  # fmt: skip
        return {"tests": tests, "remarks": opened.remarks, "outcomes": opened.outcomes}


def main() -> None:
    """Read a job from standard input, write its result to standard output, both as JSON."""
    job = json.load(sys.stdin)
    report = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    data = find_data()
    os.environ["CIFAR10_HOME"] = str(data)
    settings = {"data": data, "fonts": job["fonts"], "helpers": ROOT / "helpers", "forbidden": __file__,
                "isolated": job["isolated"]}  # fmt: skip
    sandbox.set_limits({"RLIMIT_DATA": MEMORY, "RLIMIT_CORE": 0, "RLIMIT_CPU": SECONDS})
    assignment = read_assignment(job["assignment"])
    notebook = read_submitted(base64.b64decode(job["notebook"]))
    try:
        result = judge(assignment, notebook, job["student"], settings)
    except Refused as problem:
        result = {"refused": str(problem)}
    json.dump(result, report)


if __name__ == "__main__":
    main()
