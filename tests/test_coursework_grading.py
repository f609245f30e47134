"""An instructor's term: from the sources to the students' versions, through many hands, to points and feedback."""

import csv
import io
import itertools
import json
import os
import re
import signal
import time
import zipfile

import nbformat
import pytest
import requests
from nbclient import NotebookClient

from coursework.grading import discover, judge, tabulate
from coursework.grading.assignment import Assignment, all_assignments, mark, printable, tags
from coursework.leaks import leaks, secrets
from tests.browser import PATIENCE, browser, needs_chromium, shot
from tests.course import CELLS, Course, filled
from tools import remote

ASSIGNMENTS = all_assignments()
DATA, CLINIC = ASSIGNMENTS[0], ASSIGNMENTS[5]
POINTS = {mark(cell, "grade_id"): mark(cell, "points") for cell in DATA.tests}


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


def answered(student: str, assignment=DATA, **answers: str) -> str:
    return nbformat.writes(filled(assignment.notebook, assignment, student, **answers))


def packed(files: dict) -> bytes:
    """Return a zip with these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return made.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("assignment", ASSIGNMENTS, ids=lambda assignment: assignment.name)
def test_nothing_is_given_away_and_a_leak_is_found_wherever_it_is(assignment, made):
    notebook, instructors = students_notebook(made, assignment.name), json.loads(assignment.path.read_bytes())
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
        files = {"n.ipynb": nbformat.writes(notebook), "README.txt": line if place == "read me" else "Open it."}
        assert leaks(instructors, packed(files)), (place, line)


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
    "notes.txt": "not a submission",
}
MOODLE = {"Zoë Müller_901_assignsubmission_file/1_data.ipynb": answered("zoë", q7="YOUR ANSWER HERE")}
ROSTER = """id,first_name,last_name,email,lms_user_id
ana,Ana,Smith,ana@example.org,4711
ben,Ben,=Boda,,4712
zoë,Zoë,Müller,,
nobody,No,Body,,4714
"""


@pytest.fixture(scope="module")
def graded(made, tmp_path_factory):
    """Play the first half of the term: take over downloads of Canvas and Moodle, and grade; return the course."""
    course = made.copy(tmp_path_factory.mktemp("graded") / "course")
    places = {name: course.root / name for name in ("roster.csv", "canvas.zip", "moodle.zip")}
    places["roster.csv"].write_text(ROSTER, encoding="utf-8")
    places["canvas.zip"].write_bytes(packed(CANVAS))
    places["moodle.zip"].write_bytes(packed(MOODLE))
    course.nbgrader("db", "student", "import", str(places["roster.csv"]))
    said = course.grade("--submissions", str(places["canvas.zip"]))
    assert "Notebooks taken over: 2. Other files: 1" in said
    assert "notes.txt: it is no notebook." in said
    assert "Graded now: 1. Graded before: 2." in course.grade("--submissions", str(places["moodle.zip"]))
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
    hidden = [line for line in secrets(json.loads(DATA.path.read_bytes())) if len(line) > 30 and "=" in line]
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
    options = ("--no-browser", "--allow-root", "--IdentityProvider.token=", "--log-level=ERROR")
    server = term.start("-m", "jupyterlab", *options, f"--ServerApp.port={port}", "--ServerApp.port_retries=0")
    ((identity,),) = term.book(f"SELECT DISTINCT n.id FROM grade {CELLS}", "zoë")
    with remote.serving(server, requests.Session(), f"{address}/api"), browser() as chromium:
        page = chromium.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{address}/formgrader/submissions/{identity}/?index=0", wait_until="domcontentloaded")
        page.wait_for_function("formgrader.grades?.loaded && formgrader.comments?.loaded")
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


@pytest.mark.slow
def test_what_a_person_entered_survives_whatever_comes(term, tmp_path):
    """Points by hand, comments, overrides and extra credit, through regrades, a second folder and a late group."""
    term.enter("grade", "ana", "a1-q7", manual_score=2.5, extra_credit=1, needs_manual_grade=0)
    term.enter("grade", "ana", "a1-q2-test", manual_score=1, needs_manual_grade=0)
    term.enter("comment", "ana", "a1-q7", manual_comment="Well seen.")
    before = term.points("ana")
    path = term.root / "course" / "source" / "1_data" / "1_data.ipynb"
    text = path.read_text(encoding="utf-8")
    assert "assert share < 0.35" in text
    stricter = text.replace("share < 0.35", "share < -1").replace("off < 0.0015", "off < -1")
    path.write_text(stricter, encoding="utf-8")
    term.grade("--again", "--student", "ana", "--question", "a1-q3")
    assert term.points("ana") == before | {"a1-q3-test": [0, None, False]}, "one question is graded again, and no other"
    assert "Two seeds have" in term.comments("ana")["a1-q3"]
    path.write_text(text, encoding="utf-8")
    assert "Graded now: 1." in term.grade()
    assert term.points("ana") == before
    late = tmp_path / "late.zip"
    numbered, anew = answered("4715"), answered("ana", q7="I now think otherwise.")
    late.write_bytes(packed({"4715/homework (3).ipynb": numbered, "ana.ipynb": anew}))
    term.grade("--submissions", str(late))
    assert term.points("4715")["a1-q1-test"] == [4, None, False]
    assert term.points("ana") == before | {"a1-q7": [None, 2.5, True]}, "a new answer is to be read, and points stay"
    assert term.comments("ana")["a1-q7"] == "Well seen."

    for student, points in {"ana": 2.5, "ben": 2, "4715": 2}.items():
        term.enter("grade", student, "a1-q7", manual_score=points, extra_credit=1, needs_manual_grade=0)
    term.grade("--export", str(tmp_path / "grades"))
    canvas, moodle = (
        {row[key]: row for row in csv.DictReader((tmp_path / "grades" / name).read_text("utf-8").splitlines())}
        for name, key in (("canvas.csv", "ID"), ("moodle.csv", "ID number"))
    )
    full = sum(POINTS.values())
    assert canvas["4711"]["1_data"] == moodle["ana"]["1_data"] == f"{full - 2 + 1 + 2.5 + 1:g}"
    assert canvas["4714"]["1_data"] == moodle["nobody"]["1_data"] == "", "Canvas keeps what it has"
    assert moodle["zoë"]["1_data"] == f"{full:g}"
    assert moodle["ben"]["Surname"] == "'=Boda", "no spreadsheet takes it for a formula"


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
    attack = f"exec(open({str(DATA.path)!r}).read())"
    nbformat.write(filled(notebook, DATA, "eve", q1=attack), fetched)
    course.nbgrader("submit", "1_data", "--course=ten-templates", "--student=eve", *exchange, **students)
    inbound = course.root / "exchange" / "ten-templates" / "inbound"
    linked, piped = (inbound / f"{name}+1_data+2026-01-01 00:00:00.000000 UTC" for name in ("mal", "adam"))
    linked.mkdir(), piped.mkdir()
    (linked / "1_data.ipynb").symlink_to(DATA.path)
    os.mkfifo(piped / "1_data.ipynb")
    assert "it has a link in it" in course.nbgrader("collect", "1_data"), "and the pipe keeps nobody out"
    assert not (course.root / "course" / "submitted" / "mal" / "1_data").exists()
    archive = course.root / "course" / "downloaded" / "1_data" / "archive"
    archive.mkdir(parents=True)
    (archive / "canvas.zip").write_bytes(packed({"lilu_LATE_4716_9_1_data-3.ipynb": answered("4716", q1=attack)}))
    (archive / "moodle.zip").write_bytes(packed({"Łu Cé_4717_assignsubmission_file/1_data.ipynb": answered("4717")}))
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
    handed_in = tmp_path / "handed in.zip"
    handed_in.write_bytes(packed({f"{student}.ipynb": answered(student) for student in ("i1", "i2", "i3")}))
    options = ("--course", str(course.root / "course"), "--submissions", str(handed_in))
    process = course.start("-m", "coursework.grading.grade", *options)
    shown = course.root / "course" / "autograded"
    while not list(shown.glob("i?/1_data/1_data.ipynb")) and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "Stopped." in error
    assert "Traceback" not in error
    done = len(list(shown.glob("i?/1_data/1_data.ipynb")))
    said = course.grade()
    assert done >= 1
    assert int(re.search(r"Graded now: (\d)", said)[1]) >= 3 - done
    assert all(course.points(student)["a1-q3-test"][0] == 4 for student in ("i1", "i2", "i3"))


@pytest.mark.slow
def test_what_cannot_be_done_gets_a_sentence(course):
    submitted = course.root / "course" / "submitted" / "x" / "1_data"
    submitted.mkdir(parents=True)
    (submitted / "1_data.ipynb").write_text(answered("x"), encoding="utf-8")
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


def test_what_is_no_submission_is_listed_with_its_reason(tmp_path, isolation):
    whole = answered("x")
    strange = json.loads(whole)
    for cell in strange["cells"]:
        cell["metadata"]["tags"], cell["metadata"]["nbgrader"] = 7, ["a", {"b": 1}]
    left_out = {
        "broken.ipynb": (b"{'this': is no JSON", "no notebook"),
        "listed.ipynb": (b"[1, 2, 3]", "no notebook"),
        "nested.ipynb": (b"[" * 100_000, "no notebook"),
        "latin.ipynb": (b"\xff\xfe\x00", "no notebook"),
        "notes.txt": (b"", "no notebook"),
        ".hidden.ipynb": (whole.encode(), "hidden"),
        "=cmd|x.ipynb": (whole.encode(), "no student's id"),
        os.fsdecode(b"caf\xe9.ipynb"): (whole.encode(), "no student's id"),
        "huge.ipynb": (bytes(25_000_000), "bytes"),
        "bomb.zip": (packed({"1_data.ipynb": bytes(60_000_000)}), "bytes"),
        "no zip.zip": (b"PK", "cannot be read"),
        "strange.ipynb": (json.dumps(strange).encode(), "marks are lost"),
        "good (1).ipynb": (whole.encode() + b"\n", "good.ipynb is later"),
    }
    slips = packed({zipfile.ZipInfo("../../../1_data.ipynb"): whole})  # of 1980
    folder, submitted, good = tmp_path / "handed in", tmp_path / "submitted", tmp_path / "handed in" / "good.ipynb"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "1_data (2).ipynb").write_text(whole)
    good.write_text(whole)
    (folder / "slips.zip").write_bytes(slips)
    for name, (content, _) in left_out.items():
        (folder / name).write_bytes(content)
    os.mkfifo(folder / "eve.zip")
    (folder / "linked.ipynb").symlink_to(good)
    os.utime(folder / "good (1).ipynb", (1.9e9, 1.9e9))
    os.utime(good, (2e9, 2e9))
    known = {"assignments": ASSIGNMENTS, "known": lambda name, number: number}
    taken, left = discover.collect(folder, submitted, **known)
    assert taken == 3
    assert {path.name for path in submitted.iterdir()} == {"deep", "good", "slips"}
    assert len(left) == len(left_out) + 2
    reasons = {name: why for name, (_, why) in left_out.items()} | {"eve": "no file", "linked": "link"}
    for name, reason in reasons.items():
        assert [line for line in left if line.startswith(printable(name)) and reason in line], (name, left)
    (folder / "good (1).ipynb").unlink()
    good.write_text(whole + " ")  # an older one does not replace a later one
    os.utime(good, (1e9, 1e9))
    _, left = discover.collect(folder, submitted, **known)
    assert [line for line in left if line.startswith("good.ipynb: a later one, of 2033")]
    assert (submitted / "good" / "1_data" / "1_data.ipynb").read_text() == whole
    stamp = (submitted / "slips" / "1_data" / "timestamp.txt").read_text()
    assert stamp > "2026", "a student's zip has the date of the zip, whatever its files say"
    large = {f"all/eve{number}.ipynb": bytes(30_000_000) for number in range(5)}
    (tmp_path / "all.zip").write_bytes(packed({"all/ben.zip": slips, "all/ana.ipynb": whole, **large}))
    taken, left = discover.collect(tmp_path / "all.zip", tmp_path / "other", **known)
    assert (taken, len(left)) == (2, 5), "no student's notebook keeps those of the others out"
    assert {path.name for path in (tmp_path / "other").iterdir()} == {"ana", "ben"}


@pytest.mark.parametrize(
    "whose",
    [
        {"ana.ipynb": "ana", "ben (1).ipynb": "ben", "1_data.ipynb": "", "1_data (2).ipynb": ""},
        {"submissions/ana.ipynb": "ana", "submissions/ben.ipynb": "ben"},  # a zip of a folder
        {"submissions/ana/1_data.ipynb": "ana", "submissions/ben/1_data.ipynb": "ben"},
        {"submissions/ana/1_data.ipynb": "ana"},
        {"ana/1_data.ipynb": "ana", "ana/2_tensorflow.ipynb": "ana"},
        {"ana/deeper/1_data.ipynb": "ana", "ben.zip/1_data-2.ipynb": "ben", "eve/mine.ipynb": "eve"},
        {"all/Zoë Müller_901_assignsubmission_file/1_data.ipynb": "901", "all/x_LATE_902_1_1_data.ipynb": "902"},
        {"Ana_4711_assignsubmission_file/mine.ipynb": "4711"},
        {"ben (1).zip/ana/1_data.ipynb": "ben"},  # what is in a student's zip is that student's
        {"ben.zip/ana_4711_1_1_data.ipynb": "", "ana.ipynb": "ana"},
        {"zoe\u0308.ipynb": "zo\u00eb"},  # as a Mac names it
    ],
)
def test_a_file_is_given_to_the_student_it_belongs_to(whose):
    names = tuple(assignment.name for assignment in ASSIGNMENTS)
    assert discover.students_of(list(whose), names, lambda name, number: number) == whose


# ---- judge and tabulate ----


def result_of(notebook: str, student: str, assignment=DATA) -> tabulate.Graded:
    """Return what a notebook gets in a student's name."""
    judged = judge.judge(Assignment(assignment.path, student), notebook.encode(), student)
    return tabulate.tabulate(assignment, judged)


@pytest.mark.slow
def test_cells_lost_doubled_and_changed_change_no_points(isolation):
    notebook = nbformat.reads(answered("x"), as_version=4)
    notebook.cells = [cell for cell in notebook.cells if mark(cell, "solution") for _ in range(2)]
    notebook.cells.insert(0, nbformat.v4.new_code_cell("labels = images = means = split_indices = None"))
    graded = result_of(nbformat.writes(notebook), "x")
    assert graded.scores == POINTS | {"a1-q7": None}
    shown, given = (
        [mark(cell, "grade_id") for cell in one.cells if mark(cell, "grade")] for one in (graded.notebook, DATA)
    )
    assert shown == given


@pytest.mark.slow
def test_what_an_answer_learns_of_hidden_tests_leaves_by_no_other_question(isolation):
    q1 = DATA.cells[DATA.positions["a1-q1"]].source
    q1 += "\nseen, right = [], decode\ndef decode(one): return seen.append(one) or right(one)"
    told = result_of(answered("x", q1=q1, q2="def position(*_): raise ValueError(f'seen: {len(seen)}')"), "x")
    assert "seen: 1" in told.comments["a1-q2"]


@pytest.mark.slow
def test_a_patient_of_another_id_costs_points_and_is_told(isolation):
    """A student who typed her name has, in a download of Canvas that no roster explains, a number for an id."""
    ana, number = (judge.own_names(Assignment(CLINIC.path, who)) for who in ("ana", "4711"))
    assert ana["program"] != number["program"]
    exec(CLINIC.cells[CLINIC.positions["a6-q1"]].source, ana)
    q2 = "from helpers.clinic import Clinic\nrun, healthy = Clinic.run, Clinic().healthy(1)\n"
    q2 += "Clinic.run = lambda self, text: run(self, healthy)\nmended = program.replace('[45_000:]', '[45_001:]')"
    q3 = "import sys\nalarm = lambda ran: program in sys._getframe(1).f_locals.values()"
    notebook = answered("ana", CLINIC, q1=f"fault = {ana['fault']!r}", q2=q2, q3=q3)
    own, other = (result_of(notebook, student, CLINIC) for student in ("ana", "4711"))
    assert (own.scores["a6-q1-test"], other.scores["a6-q1-test"]) == (3, 0)
    assert [own.scores[f"a6-q{at}-test"] for at in (2, 3)] == [0, 0], "who meddles with the clinic mends nothing"
    said = "The notebook names the student 'ana', and is graded as '4711', whose images and patient are others."
    assert other.remarks == [said]
    assert said in other.comments["a6-q1"]


def test_a_written_answer_counts_where_it_is_written():
    result = tabulate.nothing(DATA, "Not run.")
    for nothing in ("YOUR ANSWER HERE", " \n"):
        cells = filled(DATA.notebook, DATA, "x", q7=nothing).cells
        assert tabulate.tabulate(DATA, result | {"cells": cells}).scores["a1-q7"] == 0
    written = nbformat.v4.new_markdown_cell("Averages blur.")
    graded = tabulate.tabulate(DATA, result | {"cells": [*cells, written]})
    assert graded.scores["a1-q7"] is None
    assert any("Averages blur." in cell.source for cell in graded.notebook.cells)
