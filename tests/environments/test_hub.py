"""A class on a real JupyterHub: `make hub` starts it here, and as many students as fit log in at once.

Each student opens the link from hub/README.md, as in a browser: logs in, gets a server, has nbgitpuller fetch the
series, opens notebook 5 and runs it to the end. What that took, and what it comes to for 300, goes into
docs/measurements/hub.md.
"""

import contextlib
import os
import re
import secrets
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import nbformat
import psutil
import pytest
import requests

from coursework.grading.assignment import all_assignments
from tests.comparing import differences
from tests.course import Course, filled
from tests.environments import served
from tests.environments.hub_report import Class, Study, how_many_fit, write_report
from tests.series import ROOT
from tools import remote
from tools.memory import memory_of, watching

HUB = ROOT / "hub"
BUILD = ROOT / "_build" / "hub"  # `make hub` puts the students' environment, the proxy and the shared data there
NOTEBOOK = "notebooks/05_train_it_step_by_step.ipynb"
XSRF = re.compile(r'name="_xsrf" value="([^"]+)"')
LINK = re.search(r"https://HUB(/hub/user-redirect/git-pull\S+)", (HUB / "README.md").read_text(encoding="utf-8"))[1]
DATA = all_assignments()[0]
PASSWORD = secrets.token_hex()
MINUTES = 30  # a student who has not finished by then is given up


class Hub(NamedTuple):
    url: str
    process: psutil.Process
    homes: Path

    def families(self) -> dict[str, list[int]]:
        """Return the process ids of each student: the server and its kernels. Under "" stand the hub and its proxy."""
        found = {"": [self.process.pid]}
        for process in self.process.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                student = process.environ().get("JUPYTERHUB_USER", "")
                found.setdefault(student, []).extend([process.pid, *(p.pid for p in process.children(recursive=True))])
        return found


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Return the address of a repository that holds what is committed here."""
    return served.repository(tmp_path_factory.mktemp("course") / "series.git")


@contextlib.contextmanager
def serve(folder: Path, environment: Path, more: str = ""):
    """Start a hub whose students use `environment`; `more` is configuration."""
    homes = folder / "homes"
    homes.mkdir()
    public, inside, api = remote.free_ports(3)
    (folder / "jupyterhub_config.py").write_text(f"""
load_subconfig({str(HUB / "jupyterhub_config.py")!r})
c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.hub_port = {inside}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = [{str(BUILD / "proxy/node_modules/.bin/configurable-http-proxy")!r}]
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {PASSWORD!r}
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {str(homes / "{username}")!r}
c.Spawner.cmd = [{str(environment / "bin/jupyterhub-singleuser")!r}]
c.Spawner.args = {["--allow-root"] if os.geteuid() == 0 else []}
c.Spawner.environment.update({{"CIFAR10_SHARED": {str(BUILD / "cifar-10")!r}}})
{more}
""")
    variables = os.environ | {"PATH": f"{environment / 'bin'}:{os.environ['PATH']}"}
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [environment / "bin/jupyterhub"], cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True
        )
    url = f"http://127.0.0.1:{public}"
    try:
        with remote.serving(process, requests.Session(), f"{url}/hub/health") as server:
            yield Hub(url, server, homes)
    except RuntimeError as error:
        raise RuntimeError((folder / "log").read_text()) from error


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("hub"), BUILD / "env") as served:
        yield served


def log_in(hub: Hub, student: str, link: str, page: str) -> tuple[requests.Session, str]:
    """Follow a link to a page as a new student's browser does; return the session and the student's server."""
    session = requests.Session()
    shown = session.get(link, timeout=300)
    assert "/hub/login" in shown.url
    form = {"username": student, "password": PASSWORD, "_xsrf": XSRF.search(shown.text)[1]}
    shown = session.post(urljoin(shown.url, re.search(r'<form action="([^"]+)"', shown.text)[1]), form, timeout=300)
    base = f"{hub.url}/user/{student}/"
    deadline = time.monotonic() + 60 * MINUTES
    while not shown.url.startswith(base + page):  # the page that says "your server is starting" tries again
        assert shown.status_code in (200, 429, 503), f"{shown.url}: {shown.status_code}"
        assert time.monotonic() < deadline, f"no server for {student}"
        time.sleep(2)
        shown = session.get(link, timeout=300)
    return session, base


def log_in_and_pull(hub: Hub, course: str, student: str) -> tuple[requests.Session, str]:
    """Follow the link to the series; return the session and the student's server."""
    query = dict(parse_qsl(urlsplit(LINK).query)) | {"repo": course}
    session, base = log_in(hub, student, f"{hub.url}{urlsplit(LINK).path}?{urlencode(query)}", "git-pull")
    del query["urlpath"]
    with session.get(f"{base}git-pull/api?{urlencode(query)}", stream=True, timeout=300) as events:
        said = "\n".join(line.decode() for line in events.iter_lines())
    assert '"phase": "finished"' in said, said
    return session, base


def study(hub: Hub, course: str, student: str, start: threading.Barrier) -> Study:
    start.wait()
    began = time.monotonic()
    session, base = log_in_and_pull(hub, course, student)
    pulled = time.monotonic()
    folder = dict(parse_qsl(urlsplit(LINK).query))["targetpath"]
    notebook, _ = remote.run_notebook(session, base, f"{folder}/{NOTEBOOK}")
    return Study(student, notebook, time.monotonic() - began, pulled - began)


def run_class(hub: Hub, course: str, students: list[str]) -> Class:
    """Let `students` study at once; return what each got, and what it took."""
    highest = dict.fromkeys(students, 0.0)

    def look():
        for student, family in hub.families().items():
            if student in highest:
                highest[student] = max(highest[student], memory_of(family).private)

    start = threading.Barrier(len(students))
    with watching(look, 3), ThreadPoolExecutor(len(students)) as pool:
        studies = list(pool.map(lambda student: study(hub, course, student, start), students))
    families = {student: family for student, family in hub.families().items() if student in students}
    memory = [memory_of(families[student]) for student in students]
    return Class(
        studies,
        memory,
        [max(highest[student], after.private) for student, after in zip(students, memory, strict=True)],
        [sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in family) for family in families.values()],
        memory_of(hub.families()[""]),
    )


def check_results(hub: Hub, taken: Class) -> None:
    """Raise AssertionError unless every student got the notebook's saved outputs, from the one copy of the data."""
    saved = nbformat.read(ROOT / NOTEBOOK, as_version=4)
    for each in taken.studies:
        for old, new in zip(saved.cells, each.notebook.cells, strict=True):
            if old.cell_type == "code":
                changed = differences(old.outputs, new.outputs, old.metadata.get("tolerance"))
                assert not changed, f"{each.student}, cell {old.id}: {changed}"
        home = hub.homes / each.student
        assert (home / "ten-templates" / NOTEBOOK).is_file()
        assert not list(home.rglob("train.bin")), f"{each.student} has a copy of the data"


def test_a_class_studies_at_once(hub, course):
    data = [(path.name, path.stat().st_mtime_ns) for path in sorted((BUILD / "cifar-10").iterdir())]
    alone = run_class(hub, course, ["first"])
    check_results(hub, alone)
    count = int(os.environ.get("STUDENTS") or how_many_fit(alone))
    together = run_class(hub, course, [f"student{number:03}" for number in range(1, count + 1)])
    check_results(hub, together)
    assert [(path.name, path.stat().st_mtime_ns) for path in sorted((BUILD / "cifar-10").iterdir())] == data
    write_report(alone, together)


def test_students_may_read_the_data_and_not_write_it():
    for path in [BUILD / "cifar-10", *(BUILD / "cifar-10").iterdir()]:
        assert path.stat().st_mode & 0o444 == 0o444
        assert not path.stat().st_mode & 0o022


def test_a_second_click_on_the_link_keeps_what_a_student_changed(hub, course):
    session, base = log_in_and_pull(hub, course, "second")
    path = hub.homes / "second" / "ten-templates" / NOTEBOOK
    mine = path.read_text(encoding="utf-8").replace("learning_rate = 0.3", "learning_rate = 0.1", 1)
    path.write_text(mine, encoding="utf-8")
    query = dict(parse_qsl(urlsplit(LINK).query)) | {"repo": course}
    del query["urlpath"]
    assert '"phase": "finished"' in session.get(f"{base}git-pull/api?{urlencode(query)}", timeout=300).text
    assert path.read_text(encoding="utf-8") == mine


def test_an_assignment_goes_to_a_student_and_back_through_the_exchange(tmp_path):
    """She fetches and submits on her own server, by what JupyterLab's Nbgrader menu calls; the instructor grades."""
    course = Course.made(tmp_path)
    (tmp_path / "jupyter").mkdir()
    (tmp_path / "jupyter" / "nbgrader_config.py").write_text(
        f"import os\nc = get_config()\nc.Exchange.root = {str(tmp_path / 'exchange')!r}\n"
        "c.CourseDirectory.student_id = os.environ['JUPYTERHUB_USER']\n",
        encoding="utf-8",
    )
    variables = {"JUPYTER_CONFIG_PATH": str(tmp_path / "jupyter"), "PYTHONPATH": str(ROOT)}
    one = {"course_id": "ten-templates", "assignment_id": "1_data"}
    course.nbgrader("release_assignment", "1_data")
    with serve(tmp_path, BUILD / "graded", f"c.Spawner.environment.update({variables!r})") as hub:
        session, base = log_in(hub, "ana", f"{hub.url}/hub/user-redirect/lab", "lab")

        def do(what: str) -> list[dict]:
            answer = remote.request(session, "POST", f"{base}assignments/{what}", data=one).json()
            assert answer["success"], answer
            return answer["value"]

        do("fetch")
        address = f"{base}api/contents/1_data/1_data.ipynb"
        file = remote.request(session, "GET", address).json()
        file["content"] = filled(file["content"], DATA, "ana", q3="def divide(labels, share, seed):\n    return labels")
        remote.request(session, "PUT", address, json={key: file[key] for key in ("type", "format", "content")})
        assert do("submit")[-1]["submissions"]
        course.nbgrader("collect", "1_data")
        assert "Graded now: 1." in course.grade()
        points = course.points("ana")
        assert points["a1-q3-test"] == [0, None, False]
        assert points["a1-q2-test"] == [2, None, False]
        course.nbgrader("generate_feedback", "1_data")
        course.nbgrader("release_feedback", "1_data")
        (submission,) = do("fetch_feedback")[-1]["submissions"]
        assert submission["has_local_feedback"]
        page = hub.homes / "ana" / submission["local_feedback_path"] / "1_data.html"
        assert "All checks hold" in page.read_text(encoding="utf-8")
