"""Grade one submission: run its code in a locked-in process, and its tests here, where the submission can't reach.

The tests are those of the instructor's notebook, hidden ones included. In them, a name that students define stands for
what their process has under it: a value is fetched, a function sends its inputs there and gets values back. Every other
name comes from the instructor's own cells, run here with the student's id. So nothing that a submission does to its own
process changes what is asked or how it is judged, and no test ever enters that process.
"""

import ast
import base64
import io
import json
import os
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import nbformat

from coursework.grading import sandbox
from coursework.grading.assignment import Assignment, defined, mark, question_of, read_submitted, tags
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
    # A probe may define what students use, such as tf.
    waiting = sorted(assignment.tagged("given") + assignment.tagged("probe"))

    def give(up_to: int) -> None:
        while waiting and waiting[0] <= up_to:
            cell = assignment.cells[waiting.pop(0)]
            steps.append((None, f"student_id = {student_id!r}" if "student-id" in tags(cell) else cell.source))

    for cell in notebook.cells:
        if "student-id" in tags(cell) and cell.cell_type == "code":
            with suppress(SyntaxError, ValueError, AttributeError, IndexError):
                typed = ast.literal_eval(ast.parse(cell.source).body[0].value)
                if typed != student_id:
                    remarks.append(f"The notebook names the student {typed!r:.60}; graded as {student_id!r}.")
            continue
        grade_id, position = mark(cell, "grade_id"), assignment.position(cell)
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
    for index in assignment.tagged("given"):
        cell = assignment.cells[index]
        source = f"student_id = {student_id!r}" if "student-id" in tags(cell) else cell.source
        exec(compile(source, f"{assignment.name}, given cell {index}", "exec"), names)
    return names


class Session:
    """A submission's process that is started again where it ends, without the cell that ended it.

    Use it in a `with` statement: the process and its folder are gone at the end. `settings` names the paths that
    `Student` asks for, and says whether to lock it in.
    """

    def __init__(self, assignment: Assignment, notebook, student_id: str, settings: dict):
        self._steps, self.remarks = steps_of(assignment, notebook, student_id)
        self._probes = {name: assignment.cells[index].source for index in assignment.tagged("probe")
                        for name in defined(assignment.cells[index].source)}  # fmt: skip
        self._answers, self._settings = assignment.answers, settings
        self._folder = Path(tempfile.mkdtemp(prefix="submission-"))
        self._student: Student | None = None
        self._left_out: set[int] = set()
        self._starts, self._spent = 0, 0.0
        self.outcomes: dict[str, dict] = {}  # by question: what its cells printed, and their error

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_) -> None:
        self._end()
        remove(self._folder)

    def _end(self) -> None:
        if self._student is not None:
            self._student.end()
            self._spent += self._student.spent
            self._student = None

    def student(self) -> Student:
        """Return the process, with all its cells run."""
        while self._student is None:
            self._starts += 1
            if self._starts > RESTARTS:
                raise StudentError("Its process ended too many times to go on.")
            if self._spent >= SECONDS:
                raise StudentError(f"The submission took over {SECONDS} s of processor time in all.")
            remove(self._folder)
            self._folder.mkdir(mode=0o700)
            self._student = Student(self._folder, **self._settings, seconds=SECONDS - self._spent)
            outcomes, index, question = {}, None, None
            try:
                for index, (question, source) in enumerate(self._steps):
                    if index not in self._left_out:
                        error, printed = self._student.run(source)
                        if question:
                            before = outcomes.get(question, {"printed": ""})
                            outcomes[question] = {"printed": before["printed"] + printed, "error": error}
            except Ended as end:
                self._end()
                self._left_out.add(index)
                where = f"the answer to {question}" if question else "a cell"
                self.remarks.append(f"{end} This happened in {where}, which was then left out.")
                if question:
                    outcomes[question] = {"printed": "", "error": str(end)}
            self.outcomes |= outcomes
        return self._student

    def run(self, source: str) -> tuple[str | None, str]:
        return self.student().run(source)

    def test(self, source: str, names: dict) -> str | None:
        """Run a test, its visible part and then its hidden one; return None where it passes, or what it says."""
        visible, _, hidden = source.partition(HIDDEN)
        named = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
        own = {node.id for node in named if isinstance(node.ctx, ast.Store)}
        used = sorted({node.id for node in named} & self._answers - own)
        late = TimeoutError(f"A check of this answer took over {TEST_SECONDS} s.")
        most = 1_000
        try:
            student, names = self.student(), dict(names)
            student.hidden = False
            names |= {name: student.value(name, self._probes.get(name)) for name in used}
            nowhere = io.StringIO()
            with redirect_stdout(nowhere), redirect_stderr(nowhere), sandbox.time_limit(TEST_SECONDS, late):
                exec(compile(visible, "test", "exec"), names)
                student.hidden, most = True, 200
                exec(compile(hidden, "hidden test", "exec"), names)
        except Refused:
            raise
        except Ended as end:
            self._end()
            return f"{end} This happened while a test used the answer."
        except AssertionError as error:
            return printable(error, most) or "A check of this answer does not hold."
        except Exception as error:
            if error is late:  # perhaps in the middle of an answer
                self._end()
                return str(late)
            what = type(error).__name__ if student.hidden else f"{type(error).__name__}: {printable(error)}"
            return f"A check stopped with {what}. Are shapes and types as asked?"
        return None


def judge(assignment: Assignment, notebook, student_id: str, settings: dict) -> dict:
    """Return the points, with their reasons, of a submitted notebook."""
    with Session(assignment, notebook, student_id, settings) as session:
        with suppress(StudentError):
            session.student()
        names = own_names(assignment, student_id)
        said = {mark(cell, "grade_id"): session.test(cell.source, names) for cell in assignment.tests}
        return {"said": said, "remarks": session.remarks, "outcomes": session.outcomes}


def main() -> None:
    """Read a job from standard input, write its result to standard output, both as JSON."""
    job = json.load(sys.stdin)
    report = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    data = find_data()
    os.environ["CIFAR10_HOME"] = str(data)
    settings = {"data": data, "fonts": Path(job["fonts"]), "helpers": ROOT / "helpers", "forbidden": Path(__file__),
                "isolated": job["isolated"]}  # fmt: skip
    sandbox.set_limits({"RLIMIT_DATA": MEMORY, "RLIMIT_CORE": 0, "RLIMIT_CPU": SECONDS})
    assignment = Assignment(job["assignment"], nbformat.from_dict(job["source"]))
    try:
        result = judge(assignment, read_submitted(base64.b64decode(job["submitted"])), job["student"], settings)
    except Refused as problem:
        result = {"refused": str(problem)}
    json.dump(result, report)


if __name__ == "__main__":
    main()
