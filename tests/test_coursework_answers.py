"""Every graded question tells right from wrong, and copies from work: see coursework/answers. All of it through the
locked-in process."""

import ast
import contextlib
import functools
import importlib
from dataclasses import replace

import nbformat
import pytest

from coursework.grading import judge
from coursework.grading.assignment import SOURCE, Assignment, all_assignments, mark, question_of
from tests.series import ROOT

ASSIGNMENTS = {assignment.name: assignment for assignment in all_assignments()}
ANSWERS = {name: importlib.import_module(f"coursework.answers.a{name[0]}") for name in ASSIGNMENTS}
UNFILLED = "# YOUR CODE HERE\nraise NotImplementedError()"
STUDENT = "mutant"
# In the process of assignment 6: the same program is run once for the same seed and steps, as it takes seconds.
KEEP_RUNS = """
_runs, _run = {}, Clinic.run
def _kept(self, text):
    key = self.seed, self.steps, text
    if key not in _runs:
        _runs[key] = _run(self, text)
    return _runs[key]
Clinic.run = _kept
"""
CASES = [(name, one) for name, assignment in ASSIGNMENTS.items() for one in assignment.questions if not one.manual]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("isolation")]


@pytest.fixture(scope="module")
def sessions():
    """Return a function that gives each assignment's session, in which the instructor's answers have run."""
    opened = {}

    def get(name: str):
        if name not in opened:
            assignment = Assignment.read(SOURCE / name / f"{name}.ipynb", STUDENT)
            session = stack.enter_context(judge.Session(assignment, assignment.notebook, STUDENT))
            names = judge.own_names(assignment)
            if train := names.get("train_with"):  # assignment 4's, always the same for the same setting
                runs = functools.cache(lambda setting: train(dict(setting)))
                names["train_with"] = lambda setting: runs(tuple(sorted(setting.items())))
            if name == "6_clinic":
                session.student().run(KEEP_RUNS)
            opened[name] = session, names
        return opened[name]

    with contextlib.ExitStack() as stack:
        yield get


def cell_of(assignment, question: str):
    return assignment.cells[assignment.positions[question]]


def names_of(assignment, question: str) -> set[str]:
    """Return the names that the answer to a question defines."""
    return replace(assignment, notebook=nbformat.v4.new_notebook(cells=[cell_of(assignment, question)])).answers


def answer(assignment, question: str, given) -> str:
    """Return an answer's code: `given` itself, or the model answer with pieces of it replaced."""
    if isinstance(given, str):
        return given.strip()
    code = cell_of(assignment, question).source
    for old, new in zip(given[::2], given[1::2], strict=True):
        assert old in code, f"{question}: {old!r} does not stand in the model answer"
        code = code.replace(old, new)
    return code


def points(session, names, assignment, question: str, code: str) -> tuple[int, list[str]]:
    """Return what an answer to a question scores, and what the tests say; all else is the instructor's."""
    session.student().run(f"for _name in {sorted(names_of(assignment, question))}: globals().pop(_name, None)")
    session.student().run(code)
    said = lost(session, names, assignment, {question})
    return sum(mark(cell, "points") for cell in assignment.tests if question_of(cell) == question) - sum(
        mark(cell, "points") for cell, _ in said
    ), [text for _, text in said]


def lost(session, names, assignment, questions: set[str]) -> list:
    """Return the tests of some questions that do not pass, each with what it says."""
    said = [(cell, session.test(cell.source, names)) for cell in assignment.tests if question_of(cell) in questions]
    return [(cell, text) for cell, text in said if text is not None]


@pytest.mark.parametrize(("name", "question"), CASES, ids=[question.name for _, question in CASES])
def test_right_answers_keep_their_points_and_wrong_ones_lose_some(name, question, sessions):
    assignment, (session, names) = ASSIGNMENTS[name], sessions(name)
    right, wrong = ANSWERS[name].RIGHT[question.name], ANSWERS[name].WRONG[question.name]
    assert len(right) >= 2
    assert len(wrong) >= 3
    for given in [(), *right]:
        code = answer(assignment, question.name, given)
        assert points(session, names, assignment, question.name, code) == (question.points, []), code
    for mistake, given in wrong.items():
        code = answer(assignment, question.name, given)
        scored, said = points(session, names, assignment, question.name, code)
        assert scored < question.points, f"{question.name}: {mistake} keeps its points"
        assert all(said)
    assert points(session, names, assignment, question.name, UNFILLED)[0] == 0
    session.student().run(cell_of(assignment, question.name).source)


@pytest.mark.parametrize("odd", [0, 1])
@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_a_slip_costs_once(name, odd, sessions):
    """Every second question is answered wrongly, in the way that SLIPS says; the others keep all their points."""
    assignment, (session, names) = ASSIGNMENTS[name], sessions(name)
    questions = [question.name for one, question in CASES if one == name]
    slips = {one: slip for one, slip in ANSWERS[name].SLIPS.items() if int(one[-1]) % 2 == odd}
    for question in questions:
        given = ANSWERS[name].WRONG[question][slips[question]] if question in slips else ()
        session.student().run(answer(assignment, question, given))
    said = lost(session, names, assignment, set(questions))
    for question in slips:
        session.student().run(cell_of(assignment, question).source)
    assert {question_of(cell) for cell, _ in said} == slips.keys(), said


def pasted(asked: str, notebook: str, function: str) -> str:
    """Return a function out of a notebook, under the name that is asked for."""
    (path,) = ROOT.glob(f"notebooks/{notebook}_*.ipynb")
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and f"def {function}(" in cell.source:
            (found,) = [
                one for one in ast.parse(cell.source).body if isinstance(one, ast.FunctionDef) and one.name == function
            ]
            takes = len(found.args.args)
            return f"{ast.unparse(found)}\n_own = {function}\ndef {asked}(*given): return _own(*given[:{takes}])"
    raise AssertionError(f"{path.name} has no {function} any more")


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_who_copies_from_the_notebooks_gains_a_third_at_most(name, sessions):
    """Each answer that COPIES names is tried, with what arguments it takes, and the best of a question counts."""
    assignment, (session, names) = ASSIGNMENTS[name], sessions(name)
    gained = {}
    for question, copies in ANSWERS[name].COPIES.items():
        codes = [one if isinstance(one, str) else pasted(*one) for one in copies]
        gained[question] = max(points(session, names, assignment, question, code)[0] for code in codes)
        session.student().run(cell_of(assignment, question).source)
    assert sum(gained.values()) <= sum(question.points for one, question in CASES if one == name) / 3, gained


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_every_graded_question_has_answers_to_try(name):
    graded = {question.name for one, question in CASES if one == name}
    answers = ANSWERS[name]
    assert graded == answers.RIGHT.keys() == answers.WRONG.keys() == answers.COPIES.keys()
