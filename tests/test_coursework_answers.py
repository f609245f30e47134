"""Every graded question tells right from wrong: see coursework/answers. All of it through the locked-in process."""

import importlib

import nbformat
import pytest

from coursework.grading import judge
from coursework.grading.assignment import all_assignments, mark, question_of

ASSIGNMENTS = {assignment.name: assignment for assignment in all_assignments()}
ANSWERS = {name: importlib.import_module(f"coursework.answers.a{name[0]}") for name in ASSIGNMENTS}
UNFILLED = "# YOUR CODE HERE\nraise NotImplementedError()"
STUDENT = "mutant"

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("isolation")]


def graded(assignment) -> list[str]:
    return [question.name for question in assignment.questions if not question.manual]


@pytest.fixture(scope="module")
def sessions(grading_settings):
    """Return a function that gives each assignment's session, in which the instructor's answers have run."""
    opened = {}

    def get(name: str):
        if name not in opened:
            assignment = ASSIGNMENTS[name]
            managed = judge.session(assignment, nbformat.from_dict(assignment.notebook), STUDENT, grading_settings)
            opened[name] = managed, managed.__enter__(), judge.own_names(assignment, STUDENT)
        return opened[name][1:]

    yield get
    for managed, *_ in opened.values():
        managed.__exit__(None, None, None)


def original(assignment, question: str) -> str:
    (cell,) = [cell for cell in assignment.cells if mark(cell, "grade_id") == question]
    return cell.source


def forget(session, assignment, question: str) -> None:
    """Take away what the answer to a question defines, so that a test can't meet an earlier answer's."""
    session.run(f"for _name in {sorted(names_of(assignment, question))}: globals().pop(_name, None)")


def names_of(assignment, question: str) -> set[str]:
    from dataclasses import replace

    cells = [cell for cell in assignment.cells if mark(cell, "grade_id") == question]
    return replace(assignment, notebook=nbformat.v4.new_notebook(cells=cells)).answers


def points(session, names, assignment, question: str, code: str) -> tuple[int, list[str]]:
    """Return what an answer to a question scores, and what the tests say; all else is the instructor's."""
    forget(session, assignment, question)
    try:
        session.run(code.strip())
        said = {
            mark(cell, "grade_id"): session.test(cell.source, assignment.answers, names)
            for cell in assignment.tests
            if question_of(cell) == question
        }
    finally:
        session.run(original(assignment, question))
    total = sum(mark(cell, "points") for cell in assignment.tests if said.get(mark(cell, "grade_id"), "") is None)
    return total, [text for text in said.values() if text]


CASES = [(name, question) for name, assignment in ASSIGNMENTS.items() for question in graded(assignment)]


@pytest.mark.parametrize(("name", "question"), CASES, ids=[question for _, question in CASES])
def test_right_answers_keep_their_points_and_wrong_ones_lose_some(name, question, sessions):
    assignment, (session, names) = ASSIGNMENTS[name], sessions(name)
    right, wrong = ANSWERS[name].RIGHT[question], ANSWERS[name].WRONG[question]
    assert len(right) >= 2
    assert len(wrong) >= 3
    full = next(one.points for one in assignment.questions if one.name == question)
    for code in [original(assignment, question), *right]:
        assert points(session, names, assignment, question, code) == (full, []), code
    for mistake, code in wrong.items():
        scored, said = points(session, names, assignment, question, code)
        assert scored < full, f"{question}: {mistake} keeps its points"
        assert all(said)
    assert points(session, names, assignment, question, UNFILLED)[0] == 0


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_every_graded_question_has_answers_to_try(name):
    assert set(graded(ASSIGNMENTS[name])) == ANSWERS[name].RIGHT.keys() == ANSWERS[name].WRONG.keys()
