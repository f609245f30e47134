"""An nbgrader course in a folder of its own, and what an instructor and a student type there."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import nbformat

from coursework.grading.assignment import SOURCE, Assignment, mark, tags
from helpers.data import find_data
from tests.series import ROOT

PYTHON = ROOT / ".venv-coursework" / "bin" / "python"
CELLS = """AS one JOIN base_cell ON base_cell.id = one.cell_id JOIN submitted_notebook AS n ON n.id = one.notebook_id
JOIN submitted_assignment AS s ON s.id = n.assignment_id WHERE s.student_id = ?"""


class Course:
    """A course; its exchange lies beside it, as do the students' zips."""

    def __init__(self, root: Path):
        self.root, self.zips = root, root / "zips"
        self.environment = os.environ | {
            "LEARNERS_PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "HOME": str(root),
            "JUPYTER_CONFIG_DIR": str(root), "CIFAR10_HOME": str(find_data()),
            "PATH": f"{PYTHON.parent}:{os.environ['PATH']}",
        }  # fmt: skip

    @classmethod
    def made(cls, root: Path) -> "Course":
        """Return a course whose students' versions are made as `make coursework` makes them."""
        shutil.copytree(SOURCE, root / "course" / "source")
        config = (ROOT / "coursework" / "nbgrader_config.py").read_text(encoding="utf-8")
        config += "\nroot = Path(__file__).parents[1]\n"
        config += "c.Exchange.root, c.Exchange.cache = str(root / 'exchange'), str(root / 'cache')\n"
        (root / "course" / "nbgrader_config.py").write_text(config, encoding="utf-8")
        (root / "exchange").mkdir()
        (root / "exchange").chmod(0o777)
        course = cls(root)
        course.run("-m", "coursework.generate", str(course.zips), str(root / "course"))
        return course

    def copy(self, folder: Path) -> "Course":
        """Return the same course in a folder of its own, so that what one test enters meets no other."""
        return Course(Path(shutil.copytree(self.root, folder)))

    def start(self, *arguments: str, where: str = "course", **more) -> subprocess.Popen:
        return subprocess.Popen(
            [PYTHON, *arguments], cwd=self.root / where, env=self.environment | more, text=True,
            start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str, **more) -> str:
        process = self.start(*arguments, **more)
        out, error = process.communicate(timeout=900)
        assert process.returncode == 0, error[-3000:]
        return out + error

    def nbgrader(self, *arguments: str, **more) -> str:
        return self.run("-c", "import coursework, nbgrader.apps.nbgraderapp as n; n.main()", *arguments, **more)

    def grade(self, *arguments: str, **more) -> str:
        return self.run("-m", "coursework.grading.grade", "--course", str(self.root / "course"), *arguments, **more)

    def book(self, command: str, *values) -> list:
        """Ask or change the gradebook, as the form does."""
        with contextlib.closing(sqlite3.connect(self.root / "course" / "gradebook.db", timeout=60)) as book, book:
            return book.execute(command, values).fetchall()

    def points(self, student: str) -> dict[str, list]:
        """Return automatic points, points by hand, and whether a cell is to be looked at, for each graded cell."""
        rows = self.book(f"SELECT name, auto_score, manual_score, needs_manual_grade FROM grade {CELLS}", student)
        return {name: [*points, bool(look)] for name, *points, look in rows}

    def comments(self, student: str) -> dict[str, str | None]:
        return dict(self.book(f"SELECT name, coalesce(manual_comment, auto_comment) FROM comment {CELLS}", student))

    def enter(self, table: str, student: str, cell: str, **values) -> None:
        """Type points or a comment for a cell."""
        changes = ", ".join(f"{column} = ?" for column in values)
        where = f"id IN (SELECT one.id FROM {table} {CELLS} AND name = ?)"
        self.book(f"UPDATE {table} SET {changes} WHERE {where}", *values.values(), student, cell)


def filled(notebook, assignment: Assignment, student: str, **answers: str):
    """Return a students' notebook with the instructor's answers typed into it, or others: `q2="..."`."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        if mark(cell, "solution"):
            own = answers.get(mark(cell, "grade_id").partition("-")[2])
            cell.source = own or assignment.cells[assignment.positions[mark(cell, "grade_id")]].source
        if "student-id" in tags(cell):
            cell.source = f"student_id = {student!r}"
    return notebook
