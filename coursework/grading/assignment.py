"""An assignment as its source says it: the instructor's notebook, with nbgrader's marks on its cells.

A cell's `grade_id` begins with its assignment and question, such as a1-q2: `a1-q2` is the student's answer and
`a1-q2-test` a cell that tests it. A written answer is graded by hand. Cells tagged `given` make the question's data.
"""

import re
import symtable
import warnings
from functools import cached_property
from pathlib import Path

import nbformat

SOURCE = Path(__file__).resolve().parents[1] / "source"
MOST_BYTES = 20_000_000  # of a submitted notebook
ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # control characters, turned directions


class Unreadable(Exception):
    """A submitted file that is no notebook; the message says why."""


def mark(cell, name: str):
    """Return one of nbgrader's marks on a cell, such as "grade_id", or None, whatever a submission has there."""
    marks = cell.metadata.get("nbgrader")
    found = marks.get(name) if isinstance(marks, dict) else None
    return found if isinstance(found, str | int | float) else None


def tags(cell) -> set[str]:
    found = cell.metadata.get("tags")
    return {tag for tag in found if isinstance(tag, str)} if isinstance(found, list) else set()


def question_of(cell) -> str:
    """Return the question that a graded cell belongs to, such as "a1-q2"."""
    return mark(cell, "grade_id").partition("-test")[0]


def defined(source: str) -> set[str]:
    """Return the names of the functions and variables that a cell defines."""
    names = symtable.symtable(source, "cell", "exec").get_symbols()
    return {name.get_name() for name in names if name.is_assigned()}


class Assignment:
    """The instructor's notebook of one assignment, with a student's id typed into it, if one is named."""

    def __init__(self, path: Path, student: str | None = None):
        self.path, self.name = path, path.stem  # such as "1_data"
        self.notebook = nbformat.read(path, as_version=4)
        self.cells = self.notebook.cells
        for index in self.tagged("student-id") if student is not None else ():
            self.cells[index].source = f"student_id = {student!r}"

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where each cell with a grade_id stands."""
        return {mark(cell, "grade_id"): index for index, cell in enumerate(self.cells) if mark(cell, "grade_id")}

    def tagged(self, tag: str) -> list[int]:
        """Return where the cells with a tag stand: "given" ones make the questions' data, a "probe" looks at an answer
        from within the submission's process, for a test, or one "alone" from a process without the submission.
        """
        return [index for index, cell in enumerate(self.cells) if tag in tags(cell)]

    @cached_property
    def questions(self) -> dict[str, list]:
        """The graded cells of each question, in order: one for a person to grade, or its tests."""
        graded: dict[str, list] = {}
        for cell in self.cells:
            if mark(cell, "grade"):
                graded.setdefault(question_of(cell), []).append(cell)
        return graded

    def students(self, cells: list) -> list[tuple[int, str | None, nbformat.NotebookNode]]:
        """Return a student's answers and own cells: where the instructor's cell stands that each is or follows, the
        answer's name or None, and the cell.
        """
        found, place, given = [], 0, {cell.source for cell in self.cells if not mark(cell, "solution")}
        for cell in cells:
            name = mark(cell, "grade_id")
            if name in self.positions:
                place = max(place, self.positions[name])
                if mark(self.cells[self.positions[name]], "solution"):
                    found.append((place, name, cell))
            elif cell.source not in given and not {"given", "probe", "colab", "student-id"} & tags(cell):
                found.append((place, None, cell))
        return found

    @cached_property
    def tests(self) -> list:
        return [cell for cells in self.questions.values() for cell in cells if cell.cell_type == "code"]


def all_assignments(source: Path = SOURCE) -> list[Assignment]:
    """Return the assignments of a course whose instructor's notebooks are in `source`."""
    return [Assignment(path) for path in sorted(source.glob("*/*.ipynb"))]


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


def writable(text: str) -> str:
    """Return a text that can be written in UTF-8; what cannot is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def printable(text, most: int = 500) -> str:
    """Return at most so many characters of a text, odd ones escaped."""
    return ODD.sub(lambda odd: repr(odd[0])[1:-1], writable(str(text)[:most]))


def plain_markdown(text: str) -> str:
    """Return Markdown without HTML and pictures: it loads nothing, runs nothing, and shows its formulas."""
    return re.sub(r"!(?=\[)", "! ", re.sub(r"<(?=[A-Za-z/!?])", "< ", text))
