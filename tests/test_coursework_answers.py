"""Every graded question tells right from wrong, and copies from work: see coursework/answers.py. All of it through the
locked-in process."""

import ast

import nbformat
import pytest

from coursework.answers import COPIES, RIGHT, WRONG
from coursework.grading import judge
from coursework.grading.assignment import Assignment, all_assignments, defined, mark, question_of
from tests.series import ROOT

STUDENT = "mutant"
UNFILLED = "# YOUR CODE HERE\nraise NotImplementedError()"
# In the process of assignment 6: the same program is run once for the same seed and steps, as it takes seconds.
KEEP_RUNS = """
import functools
Clinic.__eq__ = lambda self, other: (self.seed, self.steps) == (other.seed, other.steps)
Clinic.__hash__ = lambda self: hash((self.seed, self.steps))
Clinic.run = functools.cache(Clinic.run)
"""

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("isolation")]


class Trial:
    """An assignment in a session in which the instructor's answers have run, and others may."""

    def __init__(self, assignment: Assignment, session: judge.Session):
        self.assignment, self.session = assignment, session
        self.names = judge.own_names(assignment)
        tests = [(question_of(cell), mark(cell, "points")) for cell in assignment.tests]
        self.most = {name: sum(points for one, points in tests if one == name) for name, _ in tests}

    def run(self, question: str, given=()) -> None:
        """Run an answer's code: `given` itself, or the model answer with pieces of it replaced."""
        code = model = self.assignment.cells[self.assignment.positions[question]].source
        for old, new in zip(given[::2], given[1::2], strict=True) if isinstance(given, tuple) else ():
            assert old in code, f"{question}: {old!r} does not stand in the model answer"
            code = code.replace(old, new)
        self.session.student().run(f"for _name in {sorted(defined(model))}: globals().pop(_name, None)")
        self.session.student().run(given if isinstance(given, str) else code)

    def lost(self, *questions: str) -> list[tuple[str, int, str]]:
        """Return the tests of some questions that do not pass: the question, its points, what it says."""
        cells = [cell for cell in self.assignment.tests if question_of(cell) in questions]
        said = self.session.tests(cells, self.names).values()
        return [(question_of(cell), mark(cell, "points"), one) for cell, one in zip(cells, said, strict=True) if one]

    def points(self, question: str, given=()) -> int:
        """Return what an answer scores; all else is the instructor's, as this answer is then again."""
        self.run(question, given)
        lost = self.lost(question)
        assert all(text for _, _, text in lost)
        self.run(question)
        return self.most[question] - sum(points for _, points, _ in lost)


@pytest.fixture(scope="module", params=[one.path for one in all_assignments()], ids=lambda path: path.stem)
def trial(request):
    assignment = Assignment(request.param, STUDENT)
    with judge.Session(assignment, assignment.notebook, STUDENT) as session:
        if assignment.name == "6_clinic":
            session.other.student().run(KEEP_RUNS)
        yield Trial(assignment, session)


def wrong(question: str) -> dict:
    return {mistake: given for mistake, given in WRONG.items() if mistake.startswith(f"{question}: ")}


def test_right_answers_keep_their_points_and_wrong_ones_lose_some(trial):
    for question, most in trial.most.items():
        for given in ((), RIGHT[question]):
            assert trial.points(question, given) == most, (question, given, trial.lost(question))
        for mistake, given in wrong(question).items():
            assert trial.points(question, given) < most, f"{mistake} keeps its points"
        assert trial.points(question, UNFILLED) == 0, question


@pytest.mark.parametrize("odd", [0, 1])
def test_a_slip_costs_once(trial, odd):
    """Every second question is answered wrongly, in the first way of WRONG; the others keep all their points."""
    slips = {question for question in trial.most if int(question[-1]) % 2 == odd}
    for question in slips:
        trial.run(question, next(iter(wrong(question).values())))
    for question in trial.most.keys() - slips:
        trial.run(question)
    lost = trial.lost(*trial.most)
    for question in slips:
        trial.run(question)
    assert {question for question, _, _ in lost} == slips, lost


def pasted(asked: str, notebook: str, function: str) -> str:
    """Return a function out of a notebook, under the name that is asked for, with what arguments it takes."""
    (path,) = ROOT.glob(f"notebooks/{notebook}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code" and f"def {function}(" in cell.source]
    (found,) = (one for one in ast.parse(sources[0]).body if getattr(one, "name", None) == function)
    takes = len(found.args.args)
    return f"{ast.unparse(found)}\n_own = {function}\ndef {asked}(*given): return _own(*given[:{takes}])"


def test_who_copies_from_the_notebooks_gains_a_third_at_most(trial):
    """Of the answers that COPIES names, the best of a question counts."""
    gained = {}
    for question in trial.most.keys() & COPIES.keys():
        codes = [one if isinstance(one, str) else pasted(*one) for one in COPIES[question]]
        gained[question] = max(trial.points(question, code) for code in codes)
    assert sum(gained.values()) <= sum(trial.most.values()) / 3, gained
