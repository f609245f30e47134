"""An instructor's term: from the sources to the students' versions, through many hands, to points and feedback."""

import csv
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import pytest
import requests
from nbclient import NotebookClient

from coursework.grading import discover, judge, tabulate
from coursework.grading.assignment import SOURCE, Assignment, all_assignments, mark, tags
from coursework.leaks import leaks, secrets
from tests.browser import browser, needs_chromium, shot
from tests.course import CELLS, PYTHON, Course, filled
from tools import remote

ASSIGNMENTS = all_assignments()
DATA, CLINIC = ASSIGNMENTS[0], ASSIGNMENTS[5]
POINTS = {mark(cell, "grade_id"): mark(cell, "points") for cell in DATA.tests}


def source(assignment) -> Path:
    return SOURCE / assignment.name / f"{assignment.name}.ipynb"


@pytest.fixture(scope="module")
def made(tmp_path_factory, isolation):
    """Return a course with its students' versions; no test changes it."""
    return Course.made(tmp_path_factory.mktemp("made"))


@pytest.fixture
def course(made, tmp_path):
    return made.copy(tmp_path / "course")


def students_notebook(course: Course, name: str):
    with zipfile.ZipFile(course.zips / f"{name}.zip") as zipped:
        return nbformat.reads(zipped.read(f"{name}/{name}.ipynb").decode(), as_version=4)


def answered(student: str, assignment=DATA, **answers: str):
    return filled(assignment.notebook, assignment, student, **answers)


@pytest.mark.slow
@pytest.mark.parametrize("assignment", ASSIGNMENTS, ids=lambda assignment: assignment.name)
def test_nothing_is_given_away_and_a_leak_is_found_wherever_it_is(assignment, made):
    notebook, instructors = students_notebook(made, assignment.name), json.loads(source(assignment).read_bytes())
    assert leaks(instructors, (made.zips / f"{assignment.name}.zip").read_bytes()) == []
    answers = [cell.source for cell in notebook.cells if mark(cell, "solution")]
    assert len(answers) == len(assignment.questions)
    assert all("YOUR CODE HERE" in answer or answer == "YOUR ANSWER HERE" for answer in answers)
    lines = sorted(secrets(instructors))
    assert len(lines) > 20
    for line, place in zip(lines[::3], itertools.cycle(["cell", "output", "metadata", "read me"])):
        notebook = students_notebook(made, assignment.name)
        if place == "cell":
            notebook.cells[3].source += "\n    " + line.replace(" ", "  ")
        elif place == "output":
            output = nbformat.v4.new_output("stream", text=line)
            notebook.cells.append(nbformat.v4.new_code_cell(outputs=[output], id="x"))
        elif place == "metadata":
            notebook.metadata[line] = [{"kept": line}]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as zipped:
            zipped.writestr("n.ipynb", nbformat.writes(notebook))
            zipped.writestr("README.txt", line if place == "read me" else "Open it.")
        assert leaks(instructors, packed.getvalue()), (place, line)


@pytest.mark.slow
def test_the_students_versions_work_in_the_learners_environment(made, tmp_path):
    """All in one kernel, which forgets each before the next, as starting TensorFlow takes longest."""
    cells = []
    for assignment in ASSIGNMENTS:
        empty = students_notebook(made, assignment.name)
        (student,) = [cell for cell in empty.cells if "student-id" in tags(cell)]
        assert '"your-id"' in student.source
        cells += [nbformat.v4.new_code_cell("%reset -f"), *filled(empty, assignment, "zoë").cells]
    for cell in cells:
        cell.id = nbformat.v4.new_code_cell().id
    together, resources = nbformat.v4.new_notebook(cells=cells), {"metadata": {"path": str(tmp_path)}}
    NotebookClient(together, timeout=600, kernel_name="python3", resources=resources).execute()


# ---- the term ----

CANVAS = {  # a download of Canvas: names, LATE, numbers, a second file of the same student
    "smithana_4711_88001_1_data.ipynb": answered("ana"),
    "bodaben_LATE_4712_88002_1_data-2.ipynb": answered(
        "ben",
        q1="import builtins, numpy as np\nnp.array_equal = np.allclose = np.isclose = lambda *a, **k: True\n"
        "builtins.AssertionError = Exception\ndef decode(record): return 0, np.zeros((32, 32, 3), np.uint8)",
        q2="import os\nprint('\\ud800<script>alert(1)</script>')\nos._exit(0)",
        q3="def divide(*given): raise ValueError(f'<b>{given} secret</b>')",
        q7="<script>alert(2)</script> Averages $a<b$ ![x](http://nowhere.invalid/x.png)",
    ),
}
MOODLE = {"Zoë Müller_901_assignsubmission_file/1_data.ipynb": answered("zoë", q7="YOUR ANSWER HERE")}


def zipped(folder: Path, name: str, notebooks: dict) -> Path:
    with zipfile.ZipFile(folder / name, "w") as made:
        for path, notebook in notebooks.items():
            made.writestr(path, nbformat.writes(notebook))
        made.writestr("notes.txt", "not a submission")
    return folder / name


@pytest.fixture(scope="module")
def graded(made, tmp_path_factory):
    """Play the first half of the term: take over downloads of Canvas and Moodle, and grade; return the course."""
    course = made.copy(tmp_path_factory.mktemp("graded") / "course")
    (course.root / "roster.csv").write_text(
        "id,first_name,last_name,email,lms_user_id\nana,Ana,Smith,ana@example.org,4711\nben,Ben,=Boda,,4712\n"
        "zoë,Zoë,Müller,,\nnobody,No,Body,,4714\n",
        encoding="utf-8",
    )
    course.nbgrader("db", "student", "import", str(course.root / "roster.csv"))
    said = course.grade("--submissions", str(zipped(course.root, "canvas.zip", CANVAS)))
    assert "Notebooks taken over: 2. Other files: 1" in said
    assert "notes.txt: it is no notebook." in said
    assert "Graded now: 1. Graded before: 2." in course.grade(
        "--submissions", str(zipped(course.root, "moodle.zip", MOODLE))
    )
    return course


@pytest.fixture
def term(graded, tmp_path):
    return graded.copy(tmp_path / "term")


@pytest.mark.slow
def test_each_gets_what_it_earns_and_the_form_and_feedback_show_nothing_hidden(term):
    full = {name: [points, None, False] for name, points in POINTS.items()}
    assert term.points("ana") == full | {"a1-q7": [None, None, True]}
    assert term.points("zoë") == full | {"a1-q7": [0, None, False]}
    ben, said = term.points("ben"), term.comments("ben")
    lost = {"a1-q1-test", "a1-q2-test", "a1-q3-test"}
    assert {name for name, points in POINTS.items() if ben[name][0] < points} == lost
    assert "exit code 0" in said["a1-q1"] + said["a1-q2"]
    assert term.comments("zoë")["a1-q7"] == "No answer."

    term.nbgrader("generate_feedback", "1_data", "--force")
    hidden = [line for line in secrets(json.loads(source(DATA).read_bytes())) if len(line) > 30 and "=" in line]
    for student in ("ana", "ben", "zoë"):
        notebook = nbformat.read(term.root / f"course/autograded/{student}/1_data/1_data.ipynb", as_version=4)
        nbformat.validate(notebook)
        assert sum(mark(cell, "grade") or False for cell in notebook.cells) == len(DATA.tests) + 1
        text = " ".join("\n".join(json.dumps(cell) for cell in notebook.cells if not mark(cell, "solution")).split())
        assert not [line for line in hidden if line in text]
        page = (term.root / f"course/feedback/{student}/1_data/1_data.html").read_text(encoding="utf-8")
        assert "<script>alert" not in page
        assert 'src="http://nowhere' not in page
        assert "All checks hold" in page
    assert "(Score: " in page


@pytest.mark.slow
@needs_chromium
def test_what_is_typed_into_the_form_is_in_the_gradebook(term):
    (port,) = remote.free_ports()
    address = f"http://127.0.0.1:{port}"
    command = [PYTHON, "-m", "jupyterlab", "--no-browser", "--allow-root", "--IdentityProvider.token=",
               f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]  # fmt: skip
    with open(term.root / "log", "w") as log:
        server = subprocess.Popen(command, cwd=term.root / "course", env=term.environment, stdout=log, stderr=log)
    ((identity,),) = term.book(f"SELECT DISTINCT n.id FROM grade {CELLS}", "zoë")
    with remote.serving(server, requests.Session(), f"{address}/api"), browser() as chromium:
        page = chromium.new_page()
        page.goto(f"{address}/formgrader/submissions/{identity}/?index=0", wait_until="domcontentloaded")
        assert not page.get_by_text("Zoë").filter(visible=True).count(), "answers are read without names"
        saved = re.compile(f"{address}/formgrader/api/(grade|comment)/")
        for place, typed in (("input.score#a1-q7", "1.5"), ("#a1-q7-comment", "Nearly.")):
            page.locator(place).fill(typed)
            with page.expect_response(saved) as answer:
                page.locator(place).blur()
            assert answer.value.ok
        shot(page, "formgrader")
    assert term.points("zoë")["a1-q7"] == [0, 1.5, False]
    assert term.comments("zoë")["a1-q7"] == "Nearly."
    term.grade("--again", "--student", "zoë")
    assert term.points("zoë")["a1-q7"] == [0, 1.5, False]
    assert term.comments("zoë")["a1-q7"] == "Nearly."


@pytest.mark.slow
def test_what_a_person_entered_survives_whatever_comes(term, tmp_path):
    """Points by hand, comments, overrides and extra credit, through regrades, a second folder and a late group."""
    term.enter("ana", "a1-q7", 2.5, extra=1)
    term.enter("ana", "a1-q2-test", 1)
    term.book(f"UPDATE comment SET manual_comment = 'Well seen.' WHERE id IN (SELECT one.id FROM comment {CELLS} "
              "AND name = 'a1-q7')", "ana")  # fmt: skip
    before = term.points("ana")
    path = term.root / "course" / "source" / "1_data" / "1_data.ipynb"
    text = path.read_text(encoding="utf-8")
    assert "assert share < 0.35" in text
    path.write_text(text.replace("assert share < 0.35", "assert share < -1"), encoding="utf-8")
    term.grade("--again", "--student", "ana", "--question", "a1-q3")
    assert term.points("ana") == before | {"a1-q3-test": [0, None, False]}, "one test has changed, and no other answer"
    assert "Two seeds have" in term.comments("ana")["a1-q3"]
    path.write_text(text, encoding="utf-8")
    assert "Graded now: 1." in term.grade()
    assert term.points("ana") == before
    late = tmp_path / "late"
    (late / "4715").mkdir(parents=True)  # a numeric id
    nbformat.write(answered("4715"), late / "4715" / "homework (3).ipynb")
    nbformat.write(answered("ana", q7="I now think otherwise."), late / "ana.ipynb")
    term.grade("--submissions", str(late))
    assert term.points("4715")["a1-q1-test"] == [4, None, False]
    after = term.points("ana")
    assert after.pop("a1-q7") == [None, 2.5, True], (
        "a new answer is to be read again, and the points for the old one stay"
    )
    before.pop("a1-q7")
    assert after == before
    assert term.comments("ana")["a1-q7"] == "Well seen."
    assert "Graded now: 0. Graded before: 4." in term.grade()

    for student, points in {"ana": 2.5, "ben": 2, "4715": 2}.items():
        term.enter(student, "a1-q7", points, extra=1)
    term.grade("--export", str(tmp_path / "grades"))
    rows = {
        name: list(csv.reader((tmp_path / "grades" / f"{name}.csv").read_text(encoding="utf-8").splitlines()))
        for name in ("canvas", "moodle")
    }
    column = rows["canvas"][0].index("1_data")
    canvas, moodle = ({row[key]: row for row in rows[name][1:]} for name, key in (("canvas", 1), ("moodle", 0)))
    full = sum(POINTS.values())
    assert canvas["4711"][column] == moodle["ana"][4] == f"{full - 2 + 1 + 2.5 + 1:g}"
    assert canvas["4714"][column] == moodle["nobody"][4] == "", "who handed in nothing keeps what Canvas has"
    assert moodle["zoë"][4] == f"{full:g}"
    assert not [cell for row in rows["moodle"] for cell in row if cell.startswith("=")]
    term.nbgrader("export", "--to", str(tmp_path / "all.csv"))
    assert "ana,Smith" in (tmp_path / "all.csv").read_text(encoding="utf-8")


@pytest.mark.slow
def test_nbgraders_own_ways_lead_to_the_locked_room(course):
    """Release and collect by the exchange on a shared folder, zip_collect, and nbgrader's autograde command."""
    course.nbgrader("release_assignment", "1_data")
    home = course.root / "students" / "eve"
    home.mkdir(parents=True)
    exchange = (f"--Exchange.root={course.root / 'exchange'}", f"--Exchange.cache={home / 'cache'}")
    students = {"where": "students/eve", "HOME": str(home)}
    course.nbgrader("fetch_assignment", "1_data", "--course=ten-templates", *exchange, **students)
    fetched = home / "1_data" / "1_data.ipynb"
    notebook = nbformat.read(fetched, as_version=4)
    attack = f"exec(open({str(source(DATA))!r}).read())"
    nbformat.write(filled(notebook, DATA, "eve", q1=attack), fetched)
    course.nbgrader("submit", "1_data", "--course=ten-templates", "--student=eve", *exchange, **students)
    course.nbgrader("collect", "1_data")
    archive = course.root / "course" / "downloaded" / "1_data" / "archive"
    archive.mkdir(parents=True)
    zipped(archive, "canvas.zip", {"lilu_LATE_4716_9_1_data-3.ipynb": answered("4716", q1=attack)})
    zipped(archive, "moodle.zip", {"Łu Cé_4717_assignsubmission_file/1_data.ipynb": MOODLE[next(iter(MOODLE))]})
    course.nbgrader("zip_collect", "1_data")
    assert {"eve", "4716", "4717"} <= {path.name for path in (course.root / "course" / "submitted").iterdir()}
    course.nbgrader("autograde", "1_data", "--student=4716")
    course.grade("--student", "eve")
    for student in ("4716", "eve"):
        assert course.points(student)["a1-q1-test"] == [0, None, False]
        assert course.points(student)["a1-q2-test"] == [2, None, False]
    for name in ("timestamp.txt", "submission_secret.txt"):  # without which nbgrader can't give feedback back
        places = (course.root / "course" / place / "eve" / "1_data" for place in ("submitted", "autograded"))
        assert len({(place / name).read_bytes() for place in places}) == 1


@pytest.mark.slow
def test_an_interrupt_loses_nothing(course, tmp_path):
    handed_in = tmp_path / "handed in"
    handed_in.mkdir()
    for student in ("i1", "i2", "i3"):
        nbformat.write(answered(student), handed_in / f"{student}.ipynb")
    process = course.start(
        "-m", "coursework.grading.grade", "--course", str(course.root / "course"), "--submissions", str(handed_in)
    )
    shown = course.root / "course" / "autograded"
    while not list(shown.glob("i?/1_data/1_data.ipynb")) and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "Stopped." in error
    assert "Traceback" not in error
    done = len(list(shown.glob("i?/1_data/1_data.ipynb")))
    said = course.grade()
    assert done >= 1
    assert int(re.search(r"Graded now: (\d)", said)[1]) >= 3 - done
    assert all(course.points(student)["a1-q3-test"][0] == 4 for student in ("i1", "i2", "i3"))


def test_what_cannot_be_done_gets_a_sentence(course):
    submitted = course.root / "course" / "submitted" / "x" / "1_data"
    submitted.mkdir(parents=True)
    nbformat.write(answered("x"), submitted / "1_data.ipynb")
    wrong = {
        ("--submissions", "absent"): "There is no absent. Name a folder or a zip",
        ("--assignment", "9_art"): "There is no 9_art; there are 1_data, ",
        ("--question", "a1-q99"): "There is no a1-q99; there are a1-q1, ",
        ("--student", "stranger"): "There is nothing to grade of stranger in",
        ("--question", "a1-q2", "--assignment", "2_softmax"): "There is nothing to grade in",
        (): "This system cannot. Submissions are not run unprotected",
    }
    code = f"""
from coursework.grading import grade
grade.sandbox.missing = lambda: 'This system cannot.'
for given in {list(wrong)}:
    try:
        grade.main(['--course', {str(course.root / "course")!r}, *given])
    except SystemExit as stopped:
        print(stopped)
"""
    for line, said in zip(course.run("-c", code).splitlines()[: len(wrong)], wrong.values(), strict=True):
        assert line.startswith(said)


# ---- discover ----


def test_what_is_no_submission_is_listed_with_its_reason(tmp_path):
    whole = nbformat.writes(answered("x"))
    folder, submitted = tmp_path / "handed in", tmp_path / "submitted"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "1_data (2).ipynb").write_text(whole)
    (folder / "good.ipynb").write_text(whole)
    for name, content in {
        "broken.ipynb": b"{'this': is no JSON", "listed.ipynb": b"[1, 2, 3]", "nested.ipynb": b"[" * 100_000,
        "latin.ipynb": b"\xff\xfe\x00", "notes.txt": b"", ".hidden.ipynb": whole.encode(),
        "=cmd|x.ipynb": whole.encode(),
        "huge.ipynb": bytes(25_000_000), "no zip.zip": b"PK",
    }.items():  # fmt: skip
        (folder / name).write_bytes(content)
    with zipfile.ZipFile(folder / "slips.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("../../../1_data.ipynb", whole)
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("1_data.ipynb", bytes(60_000_000))
    strange = json.loads(whole)
    for cell in strange["cells"]:
        cell["metadata"]["tags"], cell["metadata"]["nbgrader"] = 7, ["a", {"b": 1}]
    (folder / "strange.ipynb").write_text(json.dumps(strange))
    (folder / "good (1).ipynb").write_text(whole + "\n")
    os.utime(folder / "good (1).ipynb", (1.9e9, 1.9e9))
    os.utime(folder / "good.ipynb", (2e9, 2e9))
    expected = {"broken": "no notebook", "listed": "no notebook", "nested": "no notebook", "latin": "no notebook",
                "notes": "no notebook", ".hidden": "hidden", "=cmd|x": "no student's id", "huge": "bytes",
                "good (1)": "good.ipynb is later",
                "bomb": "bytes",
                "no zip": "cannot be read", "strange": "marks are lost"}  # fmt: skip
    if sys.platform == "linux":
        os.mkfifo(folder / "eve.zip")
        (folder / "linked.ipynb").symlink_to(folder / "good.ipynb")
        Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.ipynb")).write_text(whole)
        expected |= {"eve": "no file", "linked": "link", "caf\\udce9": "no student's id"}
    taken, left = discover.collect(folder, submitted, ASSIGNMENTS, lambda name, number: number)
    assert taken == 3
    assert {path.name for path in submitted.iterdir()} == {"deep", "good", "slips"}
    assert len(left) == len(expected)
    for name, reason in expected.items():
        assert [line for line in left if line.startswith(name) and reason in line], (name, left)
    (folder / "good (1).ipynb").unlink()
    (folder / "good.ipynb").write_text(whole + " ")  # an older one does not replace a later one
    os.utime(folder / "good.ipynb", (1e9, 1e9))
    _, left = discover.collect(folder, submitted, ASSIGNMENTS, lambda name, number: number)
    assert [line for line in left if line.startswith("good.ipynb: a later one, of 2033")]
    assert (submitted / "good" / "1_data" / "1_data.ipynb").read_text() == whole
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as made:
        made.write(folder / "slips.zip", "all/ben.zip")
        made.write(folder / "good.ipynb", "all/ana.ipynb")
    taken, left = discover.collect(tmp_path / "all.zip", tmp_path / "other", ASSIGNMENTS, lambda name, number: number)
    assert (taken, left) == (2, [])
    assert {path.name for path in (tmp_path / "other").iterdir()} == {"ana", "ben"}


@pytest.mark.parametrize(
    "whose",
    [
        {"ana.ipynb": "ana", "ben (1).ipynb": "ben", "1_data.ipynb": None, "1_data (2).ipynb": None},
        {"submissions/ana.ipynb": "ana", "submissions/ben.ipynb": "ben"},  # a zip of a folder
        {"submissions/ana/1_data.ipynb": "ana", "submissions/ben/1_data.ipynb": "ben"},
        {"submissions/ana/1_data.ipynb": "ana"},
        {"ana/1_data.ipynb": "ana", "ana/2_tensorflow.ipynb": "ana"},
        {"ana/deeper/1_data.ipynb": "ana", "ben.zip/1_data-2.ipynb": "ben", "eve/mine.ipynb": "eve"},
        {"all/Zoë Müller_901_assignsubmission_file/1_data.ipynb": "901", "all/x_LATE_902_1_1_data.ipynb": "902"},
    ],
)
def test_a_file_is_given_to_the_student_it_belongs_to(whose):
    names = tuple(assignment.name for assignment in ASSIGNMENTS)
    assert discover.students_of(list(whose), names, lambda name, number: number) == whose


# ---- judge and tabulate ----


def result_of(notebook, student: str, assignment=DATA) -> tuple[tabulate.Graded, dict]:
    """Return what a notebook gets in a student's name, and what the judge says."""
    result = judge.judge(Assignment(source(assignment), student), nbformat.writes(notebook).encode(), student)
    return tabulate.tabulate(assignment, result), result


@pytest.mark.slow
def test_cells_lost_doubled_and_changed_change_no_points(isolation):
    notebook = answered("x")
    notebook.cells = [cell for cell in notebook.cells if mark(cell, "solution") for _ in range(2)]
    notebook.cells.insert(0, nbformat.v4.new_code_cell("labels = images = split_indices = load_data = None"))
    graded, result = result_of(notebook, "x")
    assert graded.scores == POINTS | {"a1-q7": None}
    assert any("Two cells are marked" in remark for remark in result["remarks"])
    assert [mark(cell, "grade_id") for cell in graded.notebook.cells if mark(cell, "grade")] == [
        mark(cell, "grade_id") for cell in DATA.cells if mark(cell, "grade")
    ]


@pytest.mark.slow
def test_a_patient_of_another_id_costs_points_and_is_told(isolation):
    """A student who typed her name has, in a download of Canvas that no roster explains, a number for an id."""
    ana, number = (judge.own_names(Assignment(source(CLINIC), who)) for who in ("ana", "4711"))
    assert ana["program"] != number["program"]
    exec(CLINIC.cells[CLINIC.positions["a6-q1"]].source, ana)
    notebook = answered("ana", CLINIC, q1=f"fault = {ana['fault']!r}", q2="pass", q3="pass")
    own, _ = result_of(notebook, "ana", CLINIC)
    other, said = result_of(notebook, "4711", CLINIC)
    assert (own.scores["a6-q1-test"], other.scores["a6-q1-test"]) == (3, 0)
    (remark,) = said["remarks"]
    assert remark == (
        "The notebook names the student 'ana', and is graded as '4711', whose images and patient are others."
    )
    assert remark in other.comments["a6-q1"]


def test_a_written_answer_counts_where_it_is_written():
    result = tabulate.nothing(DATA, "Not run.")
    for nothing in ("YOUR ANSWER HERE", " \n"):
        notebook = answered("x", q7=nothing)
        assert tabulate.tabulate(DATA, result | {"cells": notebook.cells}).scores["a1-q7"] == 0
    notebook.cells.append(nbformat.v4.new_markdown_cell("Averages blur."))
    graded = tabulate.tabulate(DATA, result | {"cells": notebook.cells})
    assert graded.scores["a1-q7"] is None
    assert any("Averages blur." in cell.source for cell in graded.notebook.cells)
