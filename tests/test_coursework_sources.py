"""The rules that every assignment keeps, read off the instructors' notebooks without running them."""

import ast
import json
import re

import nbformat
import numpy as np
import pytest

from coursework.grading import judge, student
from coursework.grading.assignment import SOURCE, all_assignments, mark, tags
from coursework.leaks import SECRET
from helpers.clinic import Clinic

ASSIGNMENTS = all_assignments()
HEADER = re.compile(
    r"# Assignment (?P<number>\d) · (?P<title>.+)\n\n> [^\n]{30,140}\n\n\*\*You will\*\*\n\n(- .+\n){3,6}\n"
    r"\*\*Time\*\* about (?P<minutes>\d+) minutes\. \*\*Points\*\* (?P<points>\d+)(, of which (?P<written>\d+) for "
    r"(a written answer|written answers))?\. \*\*Builds on\*\* .+"
)
each_assignment = pytest.mark.parametrize("assignment", ASSIGNMENTS, ids=lambda assignment: assignment.name)
GUIDE = (SOURCE.parent / "README.md").read_text(encoding="utf-8")


def points(cells) -> int:
    return sum(mark(cell, "points") for cell in cells)


@each_assignment
def test_header_and_headings_state_points_that_add_up_and_the_guide_repeats_them(assignment):
    header, questions, number = HEADER.match(assignment.cells[0].source), assignment.questions, assignment.name[0]
    written = sum(points(cells) for cells in questions.values() if cells[0].cell_type == "markdown")
    assert (header["number"], int(header["written"] or 0)) == (number, written)
    assert int(header["points"]) == sum(map(points, questions.values()))
    text = "\n".join(cell.source for cell in assignment.cells if cell.cell_type == "markdown")
    headings = re.findall(r"^#+ Question (\d+) · .+ \((\d+) points?\)$", text, re.MULTILINE)
    assert {f"a{number}-q{at}": int(worth) for at, worth in headings} == {
        question: points(cells) for question, cells in questions.items()
    }
    assert [int(at) for at, _ in headings] == list(range(1, len(questions) + 1))
    link = f"source/{assignment.name}/{assignment.name}.ipynb"
    about = (header["minutes"], f"{header['points']}, {header['written']}")
    assert f"| {number} | [{header['title']}]({link}) | {' | '.join(about)} |" in GUIDE


@each_assignment
def test_the_notebook_is_sound(assignment):
    nbformat.validate(assignment.notebook)
    ids = [mark(cell, "grade_id") for cell in assignment.cells if mark(cell, "grade_id")]
    assert len(set(ids)) == len(ids)
    assert all(name.startswith(f"a{assignment.name[0]}-") for name in ids)
    assert len([cell for cell in assignment.cells if "student-id" in tags(cell)]) == 1
    assert (SOURCE / assignment.name / f"{assignment.name}.ipynb").stat().st_size < 3_000_000
    assert not re.search(r"(?<![\w./])(/(home|root|tmp|Users|usr)/|[A-Z]:\\\\)", json.dumps(assignment.notebook))
    given = "\n".join(assignment.cells[index].source for index in assignment.tagged("given"))
    assert "default_rng(seed)" in given, "students' numbers differ"
    assert "list(student_id.strip().lower().encode())" in given


@each_assignment
def test_every_question_is_marked_and_tested_in_plain_sight_and_hidden_or_has_a_rubric(assignment):
    for question, graded in assignment.questions.items():
        answer = assignment.cells[assignment.positions[question]]
        assert mark(answer, "solution")
        assert not mark(answer, "locked")
        if answer.cell_type == "markdown":
            rows = re.findall(r"^\| (\d+) \| .{20,} \|$", answer.source, re.MULTILINE)
            assert "| Points | Rubric |" in answer.source
            assert len(rows) >= 3
            assert sum(map(int, rows)) == points(graded)
        else:
            assert SECRET.search(answer.source)
            assert all(mark(check, "locked") and check.cell_type == "code" for check in graded)
            assert any("BEGIN HIDDEN TESTS" in check.source for check in graded)
            assert any(re.search(r"\bassert |check_close\(", SECRET.sub("", check.source)) for check in graded)
    assert answer.cell_type == "markdown", "the last question is the open one"


@each_assignment
def test_every_check_says_what_to_look_at(assignment):
    for cell in assignment.tests:
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Assert):
                assert node.msg is not None, f"an assert says nothing when it fails:\n{ast.unparse(node)}"
                assert len(ast.unparse(node.msg)) > 20
        for secret in SECRET.finditer(cell.source):
            assert "?" not in secret[0], "a hidden check says what is off, and does not guess why"


def test_the_guide_maps_every_question_to_an_objective():
    objectives = GUIDE[GUIDE.index("## Objectives") : GUIDE.index("## Misconceptions")]
    questions = {question: cells for assignment in ASSIGNMENTS for question, cells in assignment.questions.items()}
    assert set(re.findall(r"\b[1-6]\.[1-9]\b", objectives)) == {f"{name[1]}.{name[-1]}" for name in questions}
    assert sum(len(cells) == 2 for cells in questions.values()) == 5
    assert "five questions have two checks" in " ".join(GUIDE.split())


def test_students_and_the_guide_read_the_limits_that_hold():
    seconds, memory = student.CELL_SECONDS, student.MEMORY >> 30
    for assignment in ASSIGNMENTS:
        text = f"at most {seconds} seconds of processor time for a cell and {memory} GiB of memory"
        assert [cell for cell in assignment.cells if text in cell.source]
    assert f"over {memory} GiB of memory, {seconds} s for a cell, {judge.SECONDS // 60} minutes in all" in GUIDE
    assert f"{student.THREADS} threads, {student.FOLDER_BYTES // 10**6} MB on disk" in GUIDE


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
    lines = [program.splitlines() for program in names["programs"]]
    vote = [max(line, key=line.count) for line in zip(*lines, strict=True)]
    weights = Clinic(0, 9).run("\n".join(vote))["weights"]
    for own, (_, healthy) in zip(lines, found, strict=True):
        assert sum(one != most for one, most in zip(own, vote, strict=True)) > 3, "what most have is no cure"
        assert np.allclose(Clinic(0, 9).run(healthy)["weights"], weights)
