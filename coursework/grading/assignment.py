"""An assignment as its source says it: the instructor's notebook, with nbgrader's marks on its cells.

A cell's `grade_id` begins with its assignment and question, such as a1-q2: `a1-q2` is the student's answer and
`a1-q2-test` a cell that tests it. A written answer is graded by hand. Cells tagged `given` make the question's data.
"""

import ast
import re
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat

from coursework.grading.text import writable

SOURCE = Path(__file__).resolve().parents[1] / "source"
TITLE = re.compile(r"^#+ Question (\d+) · (.+?) \((\d+) points?\)$", re.MULTILINE)
QUESTION = re.compile(r"a\d-q\d+")
MOST_BYTES = 20_000_000  # of a submitted notebook


class Unreadable(Exception):
    """A submitted file that is no notebook; the message says why."""


def mark(cell, name: str):
    """Return one of nbgrader's marks on a cell, such as "grade_id", or None."""
    marks = cell.metadata.get("nbgrader")
    return marks.get(name) if isinstance(marks, dict) else None


def tags(cell) -> list:
    found = cell.metadata.get("tags", [])
    return found if isinstance(found, list) else []


def question_of(cell) -> str | None:
    """Return the question that a cell belongs to, such as "a1-q2", or None."""
    match = QUESTION.match(str(mark(cell, "grade_id") or ""))
    return match[0] if match else None


def defined(source: str) -> set[str]:
    """Return the names of the functions and variables that a cell defines."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return found


@dataclass(frozen=True)
class Question:
    """A question: what it is called, what it is worth, and whether a person grades it."""

    name: str
    title: str
    points: int
    manual: bool


@dataclass(frozen=True)
class Assignment:
    """The instructor's notebook of one assignment."""

    name: str  # such as "1_data"
    notebook: nbformat.NotebookNode

    @property
    def cells(self) -> list:
        return self.notebook.cells

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where each cell with a grade_id stands."""
        return {mark(cell, "grade_id"): index for index, cell in enumerate(self.cells) if mark(cell, "grade_id")}

    @cached_property
    def given(self) -> list[int]:
        """Where the cells stand that make the questions' data."""
        return [index for index, cell in enumerate(self.cells) if "given" in tags(cell)]

    @cached_property
    def probes(self) -> list[int]:
        """Where the cells stand that look at an answer from within the submission's process, for a test."""
        return [index for index, cell in enumerate(self.cells) if "probe" in tags(cell)]

    @cached_property
    def tests(self) -> list:
        return [cell for cell in self.cells if cell.cell_type == "code" and mark(cell, "grade")]

    @cached_property
    def answers(self) -> set[str]:
        """The names that a test takes from the submission: those of answers, and of probes, which use answers."""
        cells = [
            cell
            for cell in self.cells
            if cell.cell_type == "code" and (mark(cell, "solution") or "probe" in tags(cell))
        ]
        return set().union(*(defined(cell.source) for cell in cells))

    @cached_property
    def questions(self) -> list[Question]:
        """The questions in order; title and points stand in the heading above, and the cells' points must add up."""
        titles = {}
        for cell in self.cells:
            if cell.cell_type == "markdown":
                titles |= {int(number): (title, int(points)) for number, title, points in TITLE.findall(cell.source)}
        found = []
        for number, (title, points) in sorted(titles.items()):
            graded = [
                cell for cell in self.cells if mark(cell, "grade") and question_of(cell) == f"{self.prefix}{number}"
            ]
            if sum(mark(cell, "points") for cell in graded) != points:
                raise ValueError(f"{self.name}, question {number}: the heading says {points} points, its cells do not.")
            manual = any(cell.cell_type == "markdown" for cell in graded)
            found.append(Question(f"{self.prefix}{number}", title, points, manual))
        return found

    @property
    def prefix(self) -> str:
        return f"a{self.name[0]}-q"

    @property
    def points(self) -> int:
        return sum(question.points for question in self.questions)


def read_assignment(name: str) -> Assignment:
    return Assignment(name, nbformat.read(SOURCE / name / f"{name}.ipynb", as_version=4))


def all_assignments() -> list[Assignment]:
    return [read_assignment(path.stem) for path in sorted(SOURCE.glob("*/*.ipynb"))]


def read_submitted(data: bytes) -> nbformat.NotebookNode:
    """Return the notebook in a submitted file that nobody vouches for; raise `Unreadable` where there is none."""
    if len(data) > MOST_BYTES:
        raise Unreadable(f"The notebook has {len(data):,} bytes, and {MOST_BYTES:,} are allowed.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nbformat mends doubled cell ids, and says so
            notebook = nbformat.reads(data.decode("utf-8"), as_version=4)
        for cell in notebook.cells:
            source = cell.source if isinstance(cell.source, str) else "".join(cell.source)
            cell.source = writable(source)
            cell.metadata.get("tags"), cell.cell_type + ""
    except Exception as error:  # whatever nbformat stumbles over in a file that somebody made by hand
        raise Unreadable(f"The file is no notebook that can be read ({type(error).__name__}).") from None
    return notebook
