"""The rules that every assignment keeps, read off the instructors' notebooks without running them."""

import ast
import json
import re

import nbformat
import numpy as np
import pytest

from coursework.grading import judge, student
from coursework.grading.assignment import SOURCE, all_assignments, mark, question_of, tags
from coursework.leaks import SECRET, secrets

ASSIGNMENTS = all_assignments()
HEADER = re.compile(
    r"# Assignment (?P<number>\d) · .+\n\n> [^\n]{30,140}\n\n\*\*You will\*\*\n\n(- .+\n){3,6}\n"
    r"\*\*Time\*\* about (?P<minutes>\d+) minutes\. \*\*Points\*\* (?P<points>\d+)(, of which (?P<written>\d+) for "
    r"(a written answer|written answers))?\. \*\*Builds on\*\* .+"
)
each_assignment = pytest.mark.parametrize("assignment", ASSIGNMENTS, ids=lambda assignment: assignment.name)
GUIDE = (SOURCE.parent / "README.md").read_text(encoding="utf-8")


@each_assignment
def test_header_states_objectives_time_points_and_prerequisites(assignment):
    match = HEADER.match(assignment.cells[0].source)
    assert match, assignment.cells[0].source
    assert match["number"] == assignment.name[0]
    assert int(match["points"]) == sum(question.points for question in assignment.questions)
    written = sum(question.points for question in assignment.questions if question.manual)
    assert int(match["written"] or 0) == written


@each_assignment
def test_the_notebook_is_sound(assignment):
    nbformat.validate(assignment.notebook)
    ids = [mark(cell, "grade_id") for cell in assignment.cells if mark(cell, "grade_id")]
    assert len(set(ids)) == len(ids)
    assert all(name.startswith(f"a{assignment.name[0]}-") for name in ids)
    assert len([cell for cell in assignment.cells if "student-id" in tags(cell)]) == 1
    assert (SOURCE / assignment.name / f"{assignment.name}.ipynb").stat().st_size < 3_000_000
    assert not re.search(r"(?<![\w./])(/(home|root|tmp|Users|usr)/|[A-Z]:\\\\)", json.dumps(assignment.notebook))


@each_assignment
def test_questions_are_numbered_and_their_points_add_up(assignment):
    text = "\n".join(cell.source for cell in assignment.cells if cell.cell_type == "markdown")
    headings = re.findall(r"^#+ Question (\d+) · .+ \((\d+) points?\)$", text, re.MULTILINE)
    assert [int(number) for number, _ in headings] == list(range(1, len(headings) + 1))
    assert [question[:2] for question in assignment.questions] == [
        (f"a{assignment.name[0]}-q{number}", int(points)) for number, points in headings
    ]
    assert 4 <= len(headings) <= 9
    assert assignment.questions[-1].manual, "the last question is the open one"


@each_assignment
def test_every_answer_is_marked_and_every_question_tested_in_plain_sight_and_hidden(assignment):
    for question in assignment.questions:
        cells = [cell for cell in assignment.cells if question_of(cell) == question.name]
        if question.manual:
            (answer,) = cells
            assert answer.cell_type == "markdown"
            continue
        answer, *checks = cells
        assert mark(answer, "solution")
        assert not mark(answer, "locked")
        assert SECRET.search(answer.source)
        assert checks
        assert all(mark(check, "grade") and mark(check, "locked") for check in checks)
        assert any("BEGIN HIDDEN TESTS" in check.source for check in checks)
        assert any(re.search(r"\bassert |check_close\(", SECRET.sub("", check.source)) for check in checks)


@each_assignment
def test_every_check_says_what_to_look_at(assignment):
    for cell in assignment.tests:
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Assert):
                assert node.msg is not None, f"an assert says nothing when it fails:\n{ast.unparse(node)}"
                assert len(ast.unparse(node.msg)) > 20
        for secret in SECRET.finditer(cell.source):
            assert "?" not in secret[0], "a hidden check says what is off, and does not guess why"


@each_assignment
def test_rubrics_add_up(assignment):
    for question in assignment.questions:
        if question.manual:
            (cell,) = [cell for cell in assignment.cells if question_of(cell) == question.name]
            rows = re.findall(r"^\| (\d+) \| .{20,} \|$", cell.source, re.MULTILINE)
            assert "| Points | Rubric |" in cell.source
            assert len(rows) >= 3
            assert sum(map(int, rows)) == question.points


@each_assignment
def test_there_is_something_to_leak(assignment):
    found = secrets(json.loads((SOURCE / assignment.name / f"{assignment.name}.ipynb").read_text(encoding="utf-8")))
    assert len(found) > 20
    assert len(found) == len({line for line in found if len(line) >= 8})


@each_assignment
def test_students_numbers_differ(assignment):
    given = "\n".join(assignment.cells[index].source for index in assignment.tagged("given"))
    assert re.search(r"default_rng\(seed\)", given)
    assert "list(student_id.strip().lower().encode())" in given


def test_the_guides_table_is_that_of_the_notebooks():
    rows = re.findall(r"^\| (\d) \| \[(.+?)\]\((.+?)\) \| (\d+) \| (\d+), (\d+) \|", GUIDE, re.MULTILINE)
    assert len(rows) == len(ASSIGNMENTS)
    for assignment, (number, title, link, minutes, points, written) in zip(ASSIGNMENTS, rows, strict=True):
        header = HEADER.match(assignment.cells[0].source)
        assert assignment.cells[0].source.startswith(f"# Assignment {number} · {title}\n")
        assert link == f"source/{assignment.name}/{assignment.name}.ipynb"
        assert (minutes, points, written) == (header["minutes"], header["points"], header["written"])


def test_the_guide_maps_every_question_to_an_objective():
    objectives = GUIDE[GUIDE.index("## Objectives") : GUIDE.index("## Misconceptions")]
    named = set(re.findall(r"\b[1-6]\.[1-9]\b", objectives))
    assert named == {
        f"{assignment.name[0]}.{question.name.rpartition('q')[2]}"
        for assignment in ASSIGNMENTS
        for question in assignment.questions
    }
    double = sum(
        len([cell for cell in assignment.tests if question_of(cell) == question.name]) == 2
        for assignment in ASSIGNMENTS
        for question in assignment.questions
    )
    assert double == 5
    assert "five questions have two checks" in " ".join(GUIDE.split())


@each_assignment
def test_students_read_the_limits_that_hold(assignment):
    limits = f"{student.CELL_SECONDS} seconds of processor time for a cell and {student.MEMORY >> 30} GiB of memory"
    assert [cell for cell in assignment.cells if f"at most {limits}" in cell.source]


def test_the_guide_states_the_limits_that_hold():
    assert f"over {student.MEMORY / 2**30:.0f} GiB of memory, {student.CELL_SECONDS} s for a cell" in GUIDE
    assert f"{judge.SECONDS // 60} minutes in all, {student.THREADS} threads" in GUIDE
    assert f"{student.FOLDER_BYTES // 10**6} MB on disk" in GUIDE


def test_each_patient_of_the_clinic_has_one_fault_and_all_are_cured_alike():
    (clinic,) = [assignment for assignment in ASSIGNMENTS if assignment.name == "6_clinic"]
    names = {"np": np, "seed": [1], "student_id": "x"}
    for grade_id in ("a6-given-patient", "a6-q1"):
        exec(clinic.cells[clinic.positions[grade_id]].source, names)
    found = [
        (name, program.replace(ill, well))
        for program in names["programs"]
        for name, (ill, well) in names["cures"].items()
        if program.count(ill)
    ]
    assert sorted(name for name, _ in found) == names["faults"] == sorted(names["cures"])
    assert len({healthy for _, healthy in found}) == 1
