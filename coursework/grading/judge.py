"""Grade one submission: run its code in a locked-in process, and its tests here, where the submission can't reach.

The tests are those of the instructor's notebook, hidden ones included. In them, a name that students define stands for
what their process has under it: a value is fetched, a function sends its inputs there and gets values back. Every other
name comes from the instructor's own cells, run here with the student's id. So nothing that a submission does to its own
process changes what is asked or how it is judged, and no test ever enters that process.
"""

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from nbformat.v4 import new_notebook

from coursework.grading import sandbox
from coursework.grading.assignment import Assignment, Unreadable, defined, mark, printable, read_submitted, tags
from coursework.grading.student import Ended, Student, StudentError
from coursework.grading.tabulate import nothing

SECONDS = 300  # of processor time for a submission's process, restarts included, and as much for the tests
TEST_SECONDS = 60  # of processor time for one test's own computing
MEMORY = 3 * 2**30  # bytes for the tests, whatever an answer gives them to work on


def steps_of(assignment: Assignment, notebook, student_id: str) -> tuple[list[tuple[str | None, str]], list[str]]:
    """Return what to run of a submission, as (question or None, code), and remarks about what was odd in it.

    Students' answers and own cells run as handed in. The given cells run as the instructor wrote them, whether the
    submission has changed, lost or doubled them. Tests and pictures do not run.
    """
    # A probe may define what students use, such as tf.
    given = assignment.tagged("given") + assignment.tagged("probe")
    steps = [(index, None, assignment.cells[index].source) for index in given]
    own = [one for one in assignment.students(notebook.cells) if one[2].cell_type == "code"]
    steps += [(place, name, cell.source) for place, name, cell in own]
    remarks = []
    for cell in (cell for cell in notebook.cells if "student-id" in tags(cell)):
        with suppress(Exception):  # whatever stands there
            typed = str(ast.literal_eval(ast.parse(cell.source).body[0].value))
            if typed.strip().lower() != student_id.strip().lower():
                graded = f"graded as {student_id!r}, whose images and patient are others"
                remarks.append(f"The notebook names the student {typed!r:.60}, and is {graded}.")
    return [step[1:] for step in sorted(steps, key=lambda step: step[0])], remarks


def own_names(assignment: Assignment) -> dict:
    """Return what the instructor's given cells define for the student whose id the assignment has."""
    names = {"__name__": "__main__"}
    exec("\n".join(assignment.cells[index].source for index in assignment.tagged("given")), names)
    return names


def remove(folder: Path) -> None:
    """Remove a submission's folder, however deep it goes and whatever it allows."""
    for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
        subprocess.run([*command, "--", folder], stderr=subprocess.DEVNULL, check=False)


class Session(AbstractContextManager):
    """A submission's process that is started again where it ends, without the cell that ended it.

    It has an `other` beside it, with the given cells only, for probes tagged "alone": no submission meddles with these.
    """

    def __init__(self, assignment: Assignment, notebook, student_id: str):
        self._steps, self.remarks = steps_of(assignment, notebook, student_id)
        probes = [assignment.cells[index].source for index in assignment.tagged("probe")]
        self._probes = {name: source for source in probes for name in defined(source)}
        answers = [cell.source for cell in assignment.cells if cell.cell_type == "code" and mark(cell, "solution")]
        self._answers = set(self._probes).union(*map(defined, answers))
        self._alone = set().union(*(defined(assignment.cells[index].source) for index in assignment.tagged("alone")))
        self.other = Session(assignment, new_notebook(), student_id) if notebook.cells else None
        self._student: Student | None = None
        self._spent = 0.0
        self.outcomes: dict[str | None, dict] = {}  # by question: what its last cell printed, and its error

    def _end(self, *_) -> None:
        """End the process, and remove its folder."""
        if self.other is not None:
            self.other._end()
        if self._student is not None:
            self._student.end()
            self._spent += self._student.spent
            remove(self._folder)
            self._student = None

    __exit__ = _end

    def student(self) -> Student:
        """Return the process, with all its cells run."""
        while self._student is None:
            if self._spent >= SECONDS:
                raise StudentError("All its time is spent, by other cells or by ending its process again and again.")
            self._folder = Path(tempfile.mkdtemp(prefix="submission-"))
            self._student = Student(self._folder, SECONDS - self._spent)
            try:
                for index, (question, source) in enumerate(self._steps):  # noqa: B007
                    error, printed = self._student.run(source)
                    self.outcomes[question] = {"printed": printed, "error": error}
            except Ended as end:
                self._end()
                del self._steps[index]
                self.remarks.append(f"{end} This happened in {question or 'a cell'}, which was then left out.")
                self.outcomes[question] = {"printed": "", "error": str(end)}
        return self._student

    def tests(self, cells: list, names: dict) -> dict[str, str | None]:
        """Run tests, and return for each None where it passes, or what it says.

        All visible parts come before any hidden one: what an answer learns of these leaves in no error.
        """
        said: dict[str, str | None] = {}
        scopes = {mark(cell, "grade_id"): dict(names) for cell in cells}
        for hidden in (False, True):
            for cell, (name, scope) in zip(cells, scopes.items(), strict=True):
                said[name] = said.get(name) or self._test(cell.source, scope, hidden)
        return said

    def _test(self, source: str, names: dict, hidden: bool) -> str | None:
        """Run one part of a test."""
        named = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
        own = {node.id for node in named if isinstance(node.ctx, ast.Store)}
        used = sorted({node.id for node in named} & self._answers - own)
        late = TimeoutError(f"A check of this answer took over {TEST_SECONDS} s.")
        try:
            student = self.student()
            student.hidden = hidden
            for name in used:
                asked = self.other.student() if name in self._alone else student
                names[name] = asked.value(name, self._probes.get(name))
            with sandbox.time_limit(TEST_SECONDS, late):
                exec(compile(source.partition("### BEGIN HIDDEN TESTS")[2 * hidden], "test", "exec"), names)
        except Ended as end:
            self._end()
            return f"{end} This happened while a test used the answer."
        except AssertionError as error:
            said = re.sub(r"\d{8,}", "…", printable(error, 200)) if hidden else printable(error, 1_000)
            return said or "A check of this answer does not hold."
        except sandbox.Refused:
            raise
        except Exception as error:
            if error is late:  # perhaps in the middle of an answer
                self._end()
                return str(late)
            what = type(error).__name__ if hidden else f"{type(error).__name__}: {printable(error)}"
            return f"A check stopped with {what}. Are shapes and types as asked?"
        return None


def judge(assignment: Assignment, submitted: bytes, student_id: str) -> dict:
    """Return what the tests say of a submitted notebook, remarks on it, its cells, and what became of its answers."""
    try:
        notebook = read_submitted(submitted)
    except Unreadable as trouble:
        return nothing(assignment, str(trouble))
    with Session(assignment, notebook, student_id) as session:
        with suppress(StudentError):
            session.student()
        said = session.tests(assignment.tests, own_names(assignment))
        return {"said": said, "remarks": session.remarks, "outcomes": session.outcomes, "cells": notebook.cells}


def main(source: str, submitted: str, student_id: str) -> None:
    """Judge a submission, and write the result to standard output, as JSON."""
    report = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sandbox.set_limits({"RLIMIT_DATA": MEMORY, "RLIMIT_CORE": 0, "RLIMIT_CPU": SECONDS})
    try:
        result = judge(Assignment(Path(source), student_id), Path(submitted).read_bytes(), student_id)
    except sandbox.Refused as problem:
        result = {"refused": str(problem)}
    json.dump(result, report)


if __name__ == "__main__":
    main(*sys.argv[1:])
