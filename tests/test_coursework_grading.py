"""From the instructor's notebook to the students' zip, through 30 hands, to points, feedback and summary."""

import csv
import io
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from coursework.grading import grade
from coursework.grading.assignment import SOURCE, all_assignments, mark, question_of, read_assignment, tags
from coursework.leaks import leaks, secrets
from tests.series import ROOT

ASSIGNMENTS = all_assignments()
BIN = Path(".venv-coursework", "Scripts" if sys.platform == "win32" else "bin")
COURSEWORK_PYTHON = ROOT / BIN / ("python.exe" if sys.platform == "win32" else "python")
each_assignment = pytest.mark.parametrize("assignment", ASSIGNMENTS, ids=lambda assignment: assignment.name)


@pytest.fixture(scope="module")
def zips(tmp_path_factory):
    """Return the folder with the students' zips, made as `make coursework` makes them."""
    if not COURSEWORK_PYTHON.exists():
        pytest.fail("nbgrader's environment is missing: make .venv-coursework/ready")
    folder = tmp_path_factory.mktemp("zips")
    subprocess.run([COURSEWORK_PYTHON, "-m", "coursework.generate", folder], cwd=ROOT, check=True, capture_output=True)
    return folder


def source(assignment) -> dict:
    return json.loads((SOURCE / assignment.name / f"{assignment.name}.ipynb").read_text(encoding="utf-8"))


def instructors(assignment):
    return nbformat.reads(json.dumps(source(assignment)), as_version=4)


def students_notebook(folder: Path, name: str):
    with zipfile.ZipFile(folder / f"{name}.zip") as zipped:
        return nbformat.reads(zipped.read(f"{name}/{name}.ipynb").decode(), as_version=4)


def filled(notebook, assignment, student: str):
    """Return a students' notebook with the instructor's answers typed into it."""
    notebook = nbformat.reads(nbformat.writes(notebook), as_version=4)
    for cell in notebook.cells:
        if mark(cell, "solution"):
            cell.source = assignment.cells[assignment.positions[mark(cell, "grade_id")]].source
        if "student-id" in tags(cell):
            cell.source = f"student_id = {student!r}"
    return notebook


def execute(notebook, folder: Path, allow_errors: bool = False):
    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(
        notebook, timeout=300, kernel_name="python3", allow_errors=allow_errors, resources=resources
    ).execute()


def errors(notebook) -> list[tuple[str, str]]:
    return [(cell.id, output.ename) for cell in notebook.cells for output in cell.get("outputs", [])
            if output.output_type == "error"]  # fmt: skip


@pytest.mark.slow
@each_assignment
def test_the_instructors_notebook_runs_from_top_to_bottom(assignment, tmp_path):
    assert errors(execute(instructors(assignment), tmp_path)) == []


@pytest.mark.slow
@each_assignment
def test_nothing_is_given_away(assignment, zips):
    packed = (zips / f"{assignment.name}.zip").read_bytes()
    assert leaks(source(assignment), packed) == []
    notebook = students_notebook(zips, assignment.name)
    answers = [cell for cell in notebook.cells if mark(cell, "solution")]
    assert len(answers) == len(assignment.questions)
    for cell in answers:
        assert "YOUR CODE HERE" in cell.source or cell.source == "YOUR ANSWER HERE"


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", ["a cell", "an output", "metadata", "the word on how to open it", "the name of a key"]
)
def test_a_leak_is_found_wherever_it_is(place, zips):
    assignment = random.Random(place).choice(ASSIGNMENTS)
    for line in sorted(secrets(source(assignment)))[::7]:
        notebook = students_notebook(zips, assignment.name)
        read_me = "Open it."
        if place == "a cell":
            notebook.cells[3].source += "\n    " + line.replace(" ", "  ")
        elif place == "an output":
            notebook.cells.append(
                nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("stream", text=line)], id="x")
            )
        elif place == "metadata":
            notebook.metadata["note"] = [{"kept": line}]
        elif place == "the name of a key":
            notebook.metadata[line] = 1
        else:
            read_me += line
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as zipped:
            zipped.writestr("n.ipynb", nbformat.writes(notebook))
            zipped.writestr("README.txt", read_me)
        assert leaks(source(assignment), packed.getvalue()), line


@pytest.mark.slow
@each_assignment
def test_the_students_version_works_in_the_learners_environment(assignment, zips, tmp_path):
    """Unfilled, only answers and what uses them stop; filled in, nothing does."""
    empty = students_notebook(zips, assignment.name)
    (student,) = [cell for cell in empty.cells if "student-id" in tags(cell)]
    assert '"your-id"' in student.source
    done = execute(filled(empty, assignment, "zoë"), tmp_path)
    assert errors(done) == []
    if assignment.name != "1_data":
        return
    (given,) = [name for cell, name in errors(execute(empty, tmp_path, allow_errors=True))][:1]
    assert given == "ArgumentError"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="nbgrader's autograder runs its programs as on Linux")
def test_nbgraders_own_autograder_gives_full_points_too(tmp_path, zips):
    """An instructor with an nbgrader course can use the sources as they are."""
    assignment = read_assignment("2_softmax")
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    course, name = tmp_path / "course", assignment.name
    for place, notebook in [("source", instructors(assignment)),
                            ("submitted/zoe", filled(students_notebook(zips, name), assignment, "zoe"))]:  # fmt: skip
        (course / place / name).mkdir(parents=True)
        nbformat.write(notebook, course / place / name / f"{name}.ipynb")
    env = os.environ | {"JUPYTER_PATH": str(tmp_path / "jupyter"), "HOME": str(tmp_path),
                        "PATH": f"{COURSEWORK_PYTHON.parent}{os.pathsep}{os.environ['PATH']}"}  # fmt: skip
    for step in (["generate_assignment", name, "--create"], ["autograde", name, "--create"], ["export"]):
        done = subprocess.run([COURSEWORK_PYTHON.with_name("nbgrader"), *step], cwd=course, env=env,
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
    (row,) = csv.DictReader((course / "grades.csv").read_text().splitlines())
    written = sum(question.points for question in assignment.questions if question.manual)
    assert float(row["raw_score"]) == assignment.points - written
    assert float(row["max_score"]) == assignment.points


# ---- grading ----

DATA = read_assignment("1_data")
AUTOMATIC = DATA.points - 3
DECODE = DATA.cells[DATA.positions["a1-q1"]].source
MALICE = {
    "exits": ("import os; os._exit(0)", 0),
    "crashes": ("import ctypes; ctypes.string_at(0)", 0),
    "hogs memory": ("x = [b'x' * 2**28 for _ in range(10)]\nimport time; time.sleep(9)", 0),
    "patches assert's world": (
        "import builtins, numpy as np\nnp.array_equal = np.allclose = np.isclose = lambda *a, **k: True\n"
        "builtins.AssertionError = Exception\ndef decode(record): return 0, np.zeros((32, 32, 3), np.uint8)", 0,
    ),
    "hunts for tests": (
        "import gc, inspect, sys\nfound = [f.f_globals for f in sys._current_frames().values()]\n"
        "decode = lambda record: [o for o in gc.get_objects() if 'HIDDEN' in str(o)[:9**5]]", 0,
    ),
    "prints points": ("print('{\"tests\": [{\"question\": \"a1-q1\", \"points\": 99}]}')\ndecode = 4", 0),
    "returns something sly": (
        "class Sly:\n    def __eq__(self, other): return True\n    def __iter__(self): return iter([Sly(), Sly()])\n"
        "    def __getitem__(self, key): return self\ndef decode(record): return Sly()", 0,
    ),
    "reads the solution": (f"exec(open({str(SOURCE / '1_data' / '1_data.ipynb')!r}).read())", 0),
    "leaves threads behind": (
        "import threading, time\ndef forever():\n    while True: time.sleep(1)\n"
        "threading.Thread(target=forever).start()\n"
        + DECODE, 4,
    ),
    "writes markup": ("print('<script>alert(1)</script><img src=//x>')\nraise ValueError('<b>=1+1</b>')", 0),
    "dies when called": ("def decode(record):\n    import os; os._exit(3)", 0),
    "takes another's name": (
        "student_id = 'neighbour'\n"
        + DECODE, 4,
    ),
}  # fmt: skip


def answered(question: str, code: str, student: str = "x"):
    """Return the instructor's notebook with another answer to one question."""
    notebook = filled(instructors(DATA), DATA, student)
    for cell in notebook.cells:
        if mark(cell, "grade_id") == question:
            cell.source = code
    return notebook


def rows_of(out: Path, name: str = "1_data") -> dict[str, dict]:
    text = (out / f"{name}.csv").read_text(encoding="utf-8-sig")
    return {row["student"]: row for row in csv.DictReader(io.StringIO(text))}


@pytest.fixture(scope="module")
def class_of_submissions(tmp_path_factory):
    """Return a folder of submissions, good, bad, broken and hostile."""
    folder = tmp_path_factory.mktemp("submissions")
    for student, (code, _) in MALICE.items():
        nbformat.write(answered("a1-q1", code, student), folder / f"{student}.ipynb")
    whole = answered("a1-q1", DATA.cells[DATA.positions["a1-q1"]].source, "good")
    nbformat.write(whole, folder / "good.ipynb")
    (folder / "in a folder" / "deeper").mkdir(parents=True)
    nbformat.write(whole, folder / "in a folder" / "deeper" / "1_data (2).ipynb")
    with zipfile.ZipFile(folder / "slips.zip", "w") as zipped:
        zipped.writestr("../../../1_data.ipynb", nbformat.writes(whole))
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("1_data.ipynb", bytes(60_000_000))
    unfilled = answered("a1-q1", "")
    for cell in unfilled.cells:
        if mark(cell, "solution"):
            markdown = cell.cell_type == "markdown"
            cell.source = "YOUR ANSWER HERE" if markdown else "# YOUR CODE HERE\nraise NotImplementedError()"
    nbformat.write(unfilled, folder / "unfilled.ipynb")
    (folder / "broken.ipynb").write_text("{'this': is no JSON")
    (folder / "listed.ipynb").write_text("[1, 2, 3]")
    (folder / "nested.ipynb").write_text("[" * 100_000)
    (folder / "latin.ipynb").write_bytes(b"\xff\xfe\x00")
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("not a submission")
    (folder / "linked").mkdir()
    if sys.platform != "win32":
        (folder / "linked" / "1_data.ipynb").symlink_to(SOURCE / "1_data" / "1_data.ipynb")
    old = json.loads(nbformat.writes(whole))
    old["nbformat"], old["nbformat_minor"] = 4, 2
    for cell in old["cells"]:
        del cell["id"]
    (folder / "old format.ipynb").write_text(json.dumps(old))
    lost = nbformat.reads(nbformat.writes(whole), as_version=4)
    lost.cells = [cell for cell in lost.cells if mark(cell, "solution")]
    nbformat.write(lost, folder / "cells lost.ipynb")
    double = nbformat.reads(nbformat.writes(whole), as_version=4)
    double.cells = [cell for cell in double.cells for _ in range(2)]
    (folder / "cells doubled.ipynb").write_text(json.dumps(double))
    moved = nbformat.reads(nbformat.writes(whole), as_version=4)
    for cell in moved.cells:
        cell.metadata.pop("nbgrader", None)
    nbformat.write(moved, folder / "marks lost.ipynb")
    strange = json.loads(nbformat.writes(whole))
    for cell in strange["cells"]:
        cell["metadata"]["tags"], cell["metadata"]["nbgrader"] = 7, ["a", {"b": 1}]
    (folder / "marks strange.ipynb").write_text(json.dumps(strange))
    loud = nbformat.reads(nbformat.writes(whole), as_version=4)
    loud.cells[5].outputs = [nbformat.v4.new_output("stream", text="x" * 25_000_000)]
    nbformat.write(loud, folder / "huge output.ipynb")
    formula = "=cmd|x"
    nbformat.write(whole, folder / f"{formula}.ipynb")
    return folder


@pytest.fixture(scope="module")
def graded(class_of_submissions, tmp_path_factory, isolation):
    out = tmp_path_factory.mktemp("graded")
    before = {path: path.stat().st_mtime_ns for path in ROOT.joinpath("coursework").rglob("*") if path.is_file()}
    handed_in = {path: path.lstat().st_mtime_ns for path in class_of_submissions.rglob("*")}
    assert grade.main([str(class_of_submissions), "--out", str(out)]) == 0
    assert {path: path.lstat().st_mtime_ns for path in class_of_submissions.rglob("*")} == handed_in
    assert {path: path.stat().st_mtime_ns for path in before} == before
    return out


FULL = ("good", "in a folder", "slips", "old format", "cells lost", "cells doubled", "'=cmd|x")
NONE = {
    "unfilled": "", "broken": "no notebook", "listed": "no notebook", "nested": "no notebook", "latin": "no notebook",
    "empty": "no notebook in it", "linked": "not followed", "marks lost": "marks are lost", "bomb": "bytes",
    "marks strange": "marks are lost", "huge output": "bytes",
}  # fmt: skip


@pytest.mark.slow
def test_each_submission_gets_what_it_earns_and_its_reason(graded):
    rows = rows_of(graded)
    assert rows.keys() == {*MALICE, *FULL, *NONE}
    for student in FULL:
        assert float(rows[student]["total"]) == AUTOMATIC, student
        assert rows[student]["q7 written (0-3)"] == ""
        assert rows[student]["still open"] == "3"
    for student, reason in NONE.items():
        assert float(rows[student]["total"]) == 0, student
        assert reason in rows[student]["remarks"]
    for student, (_, earned) in MALICE.items():
        assert float(rows[student]["q1 (0-4)"]) == earned, student
        assert float(rows[student]["total"]) == AUTOMATIC - 4 + earned, student


@pytest.mark.slow
def test_reasons_say_what_happened(graded):
    rows = rows_of(graded)
    for student, reason in {"exits": "exit code 0", "crashes": "signal 11", "hogs memory": "memory"}.items():
        assert reason in rows[student]["remarks"]
    assert "exit code 3" in (graded / "feedback" / "dies when called" / "1_data.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_no_page_carries_what_a_submission_wrote_as_markup(graded):
    page = (graded / "feedback" / "writes markup" / "1_data.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page
    for file in graded.rglob("*.html"):
        assert "<script" not in file.read_text(encoding="utf-8")
        assert "<img" not in file.read_text(encoding="utf-8")
    hidden = [line for line in secrets(source(DATA)) if len(line) > 30 and "=" in line]
    good = " ".join((graded / "feedback" / "unfilled" / "1_data.html").read_text(encoding="utf-8").split())
    assert not [line for line in hidden if line in good]
    assert all(not row["remarks"].startswith(("=", "+", "-", "@")) for row in rows_of(graded).values())


@pytest.mark.slow
def test_the_summary_counts_each_question(graded):
    summary = (graded / "1_data.html").read_text(encoding="utf-8")
    rows = rows_of(graded)
    assert f"{len(rows)} submissions" in summary
    full = sum(row["q2 (0-2)"] == "2" for row in rows.values())
    none = sum(row["q2 (0-2)"] == "0" for row in rows.values())
    cells = summary[summary.index("2 · Where does a value stand?") :].split("</tr>")[0]
    assert f'<td class="number">{full}</td><td class="number">0</td><td class="number">{none}</td>' in cells


@pytest.mark.slow
def test_manual_points_are_taken_back_and_nothing_is_graded_twice(graded, class_of_submissions, monkeypatch, capsys):
    monkeypatch.setattr(grade, "run_judge", lambda *_: pytest.fail("graded again"))
    path = graded / "1_data.csv"
    before = path.read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(before)))
    place = rows[0].index("q7 written (0-3)")
    for row in rows[1:]:
        if row[0] == "good":
            row[place] = "2,5"
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows(rows)  # as a spreadsheet saves it in half of Europe
    path.write_text(text.getvalue(), encoding="utf-8-sig")
    assert grade.main([str(class_of_submissions), "--out", str(graded)]) == 0
    assert float(rows_of(graded)["good"]["total"]) == AUTOMATIC + 2.5
    assert rows_of(graded)["good"]["still open"] == "0"
    assert rows_of(graded)["slips"]["still open"] == "3"
    path.write_text(text.getvalue().replace("2,5", "5"), encoding="utf-8-sig")
    assert grade.main([str(class_of_submissions), "--out", str(graded)]) == 1
    assert "Give a number, 0 to 3." in capsys.readouterr().err
    path.write_text(before, encoding="utf-8-sig")


@pytest.mark.slow
def test_a_neighbours_numbers_lose_their_points(tmp_path, isolation):
    """Every student's numbers differ, and the grader knows them: typed in by their owner they pass, by another not."""
    import numpy as np

    from coursework.grading import judge

    numbers = {}
    for student in ("ana", "ben"):
        names = judge.own_names(DATA, student)
        means = np.stack([names["images_learn"][names["labels_learn"] == c].mean(axis=0) for c in range(10)])
        for part in ("learn", "check"):
            scores = names[f"images_{part}"] @ means.T - (means**2).sum(axis=1) / 2
            numbers[student, part] = np.mean(scores.argmax(axis=1) == names[f"labels_{part}"])
    typed = f"learn_accuracy, check_accuracy = {numbers['ana', 'learn']}, {numbers['ana', 'check']}"
    for student in ("ana", "ben"):
        nbformat.write(answered("a1-q6", typed, "ana"), tmp_path / f"{student}.ipynb")
    assert grade.main([str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    rows = rows_of(tmp_path / "out")
    assert rows["ana"]["q6 (0-3)"] == "3"
    assert rows["ben"]["q6 (0-3)"] == "0"
    assert "names the student 'ana'" in rows["ben"]["remarks"]


@pytest.mark.slow
def test_all_five_solved_from_the_students_zips_get_full_points(zips, tmp_path, isolation):
    """Also: a student hands in all five in one folder, and the last changed of two versions counts."""
    folder = tmp_path / "submissions" / "zoë"
    folder.mkdir(parents=True)
    for assignment in ASSIGNMENTS:
        notebook = students_notebook(zips, assignment.name)
        nbformat.write(filled(notebook, assignment, "zoë"), folder / f"{assignment.name}.ipynb")
        nbformat.write(notebook, folder / f"{assignment.name}-before.ipynb")
        os.utime(folder / f"{assignment.name}-before.ipynb", (1, 1))
    assert grade.main([str(tmp_path / "submissions"), "--out", str(tmp_path / "out")]) == 0
    for assignment in ASSIGNMENTS:
        row = rows_of(tmp_path / "out", assignment.name)["zoë"]
        written = sum(question.points for question in assignment.questions if question.manual)
        assert float(row["total"]) == assignment.points - written, row
        assert row["still open"] == str(written)
        assert "Several notebooks" in row["remarks"]


def test_without_isolation_nothing_is_graded_unless_asked(tmp_path, monkeypatch, capsys):
    (tmp_path / "x.ipynb").write_text("{}")
    monkeypatch.setattr(grade.sandbox, "missing", lambda: "This system can't.")
    assert grade.main([str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "This system can't." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("what", ["absent", "empty"])
def test_a_folder_without_submissions_gets_a_sentence(what, tmp_path, capsys, isolation):
    folder = tmp_path / what
    if what == "empty":
        folder.mkdir()
    assert grade.main([str(folder), "--out", str(tmp_path / "out")]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_judge_that_stops_gives_a_reason(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "coursework", tmp_path / "coursework")
    (tmp_path / "coursework" / "grading" / "judge.py").write_text("raise RuntimeError('out of order')")
    monkeypatch.setattr(grade, "ROOT", tmp_path)
    result = grade.run_judge(DATA, grade.Found("x", "x.ipynb", b"{}"), {})
    assert "out of order" in result["remarks"][0]
    assert {test["question"] for test in result["tests"]} == {question_of(cell) for cell in DATA.tests}
