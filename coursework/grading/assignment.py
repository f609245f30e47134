"""An assignment as its source says it: the instructor's notebook, with nbgrader's marks on its cells.

A cell's `grade_id` begins with its assignment and question, such as a1-q2: `a1-q2` is the student's answer and
`a1-q2-test` a cell that tests it. A written answer is graded by hand. Cells tagged `given` make the question's data.
"""

import re
import symtable
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import nbformat

from coursework.grading.text import writable

SOURCE = Path(__file__).resolve().parents[1] / "source"
QUESTION = re.compile(r"a\d-q\d+")
MOST_BYTES = 20_000_000  # of a submitted notebook


class Unreadable(Exception):
    """A submitted file that is no notebook; the message says why."""


def mark(cell, name: str):
    """Return one of nbgrader's marks on a cell, such as "grade_id", or None."""
    marks = cell.metadata.get("nbgrader")
    return marks.get(name) if isinstance(marks, dict) else None


def tags(cell) -> list[str]:
    found = cell.metadata.get("tags")
    return [tag for tag in found if isinstance(tag, str)] if isinstance(found, list) else []


def question_of(cell) -> str | None:
    """Return the question that a cell belongs to, such as "a1-q2", or None."""
    match = QUESTION.match(str(mark(cell, "grade_id") or ""))
    return match[0] if match else None


def defined(source: str) -> set[str]:
    """Return the names of the functions and variables that a cell defines."""
    names = symtable.symtable(source, "cell", "exec").get_symbols()
    return {name.get_name() for name in names if name.is_assigned()}


class Question(NamedTuple):
    """A question: what it is worth, and whether a person grades it."""

    name: str
    points: int
    manual: bool


@dataclass(frozen=True)
class Assignment:
    """The instructor's notebook of one assignment."""

    name: str  # such as "1_data"
    notebook: nbformat.NotebookNode

    @classmethod
    def read(cls, path: Path, student: str | None = None) -> "Assignment":
        """Read an instructor's notebook, with a student's id in the cell in which it is typed, if one is named."""
        assignment = cls(path.stem, nbformat.read(path, as_version=4))
        for index in assignment.tagged("student-id") if student is not None else ():
            assignment.cells[index].source = f"student_id = {student!r}"
        return assignment

    @property
    def cells(self) -> list:
        return self.notebook.cells

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where each cell with a grade_id stands."""
        return {mark(cell, "grade_id"): index for index, cell in enumerate(self.cells) if mark(cell, "grade_id")}

    def position(self, cell) -> int | None:
        """Return where the cell stands of which a submitted one is a copy, or None."""
        name = mark(cell, "grade_id")
        return self.positions.get(name) if isinstance(name, str) else None

    def tagged(self, tag: str) -> list[int]:
        """Return where the cells with a tag stand: "given" ones make the questions' data, a "probe" looks at an answer
        from within the submission's process, for a test.
        """
        return [index for index, cell in enumerate(self.cells) if tag in tags(cell)]

    @cached_property
    def tests(self) -> list:
        return [cell for cell in self.cells if cell.cell_type == "code" and mark(cell, "grade")]

    @cached_property
    def answers(self) -> set[str]:
        """The names that a test takes from the submission: those of answers, and of probes, which use answers."""
        code = [cell for cell in self.cells if cell.cell_type == "code"]
        sources = [cell.source for cell in code if mark(cell, "solution") or "probe" in tags(cell)]
        return set().union(*map(defined, sources))

    @cached_property
    def questions(self) -> list[Question]:
        """The questions in order."""
        graded: dict[str, list] = {}
        for cell in self.cells:
            if mark(cell, "grade"):
                graded.setdefault(question_of(cell), []).append(cell)
        return [
            Question(name, sum(mark(cell, "points") for cell in cells), cells[0].cell_type == "markdown")
            for name, cells in graded.items()
        ]


def all_assignments(source: Path = SOURCE) -> list[Assignment]:
    """Return the assignments of a course whose instructor's notebooks are in `source`."""
    return [Assignment.read(path) for path in sorted(source.glob("*/*.ipynb"))]


def read_submitted(data: bytes) -> nbformat.NotebookNode:
    """Return the notebook in a submitted file that nobody vouches for; raise `Unreadable` where there is none."""
    if len(data) > MOST_BYTES:
        raise Unreadable(f"The notebook has {len(data):,} bytes, and {MOST_BYTES:,} are allowed.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nbformat mends doubled cell ids, and says so
            notebook = nbformat.reads(data.decode("utf-8"), as_version=4)
        for cell in notebook.cells:
            cell.source = writable(cell.source if isinstance(cell.source, str) else "".join(cell.source))
            tags(cell), cell.cell_type + ""
    except Exception as error:  # whatever nbformat stumbles over in a file that somebody made by hand
        raise Unreadable(f"The file is no notebook that can be read ({type(error).__name__}).") from None
    return notebook
