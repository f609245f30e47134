"""A class on a real JupyterHub: `make hub` starts it here, and as many students as fit log in at once.

Each student opens the link from hub/README.md, as in a browser: logs in, gets a server, has nbgitpuller fetch the
series, opens notebook 5 and runs it to the end. What that took, and what it comes to for 300, goes into
docs/measurements/hub.md.
"""

import contextlib
import os
import platform
import re
import secrets
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import psutil
import requests

from coursework.grading.assignment import all_assignments
from tests.comparing import changed
from tests.course import Course, filled
from tests.environments import served
from tests.series import ROOT, read
from tools import remote

HUB = ROOT / "hub"
BUILD = ROOT / "_build" / "hub"  # `make hub` puts the students' environment, the proxy and the shared data there
RESULTS = ROOT / "docs" / "measurements" / "hub.md"
NOTEBOOK = "notebooks/05_train_it_step_by_step.ipynb"
XSRF = re.compile(r'name="_xsrf" value="([^"]+)"')
LINK = urlsplit(re.search(r"https://HUB\S+", (HUB / "README.md").read_text(encoding="utf-8"))[0])
QUERY = dict(parse_qsl(LINK.query))
PASSWORD = secrets.token_hex()
MINUTES = 30  # a student who has not finished by then is given up
CLASS = 300
A_STUDENTS_SHARE = 640 * 2**20  # bytes: of the memory that is free, for each who logs in
CORE, PRIVATE, SHARED = "seconds of one core", "MiB private to them (USS)", "MiB with their share of what all map (PSS)"


class Hub(NamedTuple):
    url: str
    process: psutil.Process
    homes: Path

    def families(self) -> dict[str, list[psutil.Process]]:
        """Return the processes of each student: the server and its kernels. Under "" stand the hub and its proxy."""
        found = {"": [self.process]}
        for process in self.process.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                student = process.environ().get("JUPYTERHUB_USER", "")
                found.setdefault(student, []).extend([process, *process.children(recursive=True)])
        return found


def memory(family: list[psutil.Process], kind: str) -> float:
    """Return the MiB that processes hold together: "uss", mapped by nobody else, or "pss", with a share of the rest."""
    return sum(getattr(process.memory_full_info(), kind) for process in family) / 2**20


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


def study(hub: Hub, course: str, student: str) -> tuple[float, float]:
    """Return the seconds from a student's click on the link until the series lies there, and until the notebook ran.

    Raises AssertionError unless the student gets the notebook's saved outputs, from the one copy of the data.
    """
    query = urlencode(QUERY | {"repo": course})
    began = time.monotonic()
    session, base = log_in(hub, student, f"{hub.url}{LINK.path}?{query}", "git-pull")
    assert '"phase": "finished"' in session.get(f"{base}git-pull/api?{query}", timeout=300).text
    pulled = time.monotonic()
    notebook, _ = remote.run_notebook(session, base, f"{QUERY['targetpath']}/{NOTEBOOK}")
    ended = time.monotonic()
    assert not changed(read(ROOT / NOTEBOOK), notebook), student
    assert not list((hub.homes / student).rglob("train.bin")), f"{student} has a copy of the data"
    return pulled - began, ended - began


def write_report(took: dict[str, list[float]], services: float) -> None:
    """Write the page from what a class took, and the MiB of the hub and its proxy."""
    mean, count = {name: statistics.mean(values) for name, values in took.items()}, len(took[CORE])
    rows = [f"| {name} | {mean[name]:,.0f} | {max(values):,.0f} |" for name, values in took.items()]
    shared, table = count * (mean[SHARED] - mean[PRIVATE]), "\n".join(rows)
    waits = {minutes: CLASS * mean[CORE] / 60 / minutes for minutes in (5, 10, 20)}
    text = f"""# A class on one machine

`make hub` wrote this page. It started JupyterHub and its proxy here, and let students log in through it, all
in the same second. Each followed the nbgitpuller link, got a server, opened notebook 5 and ran all of it.
Every output was the saved one. All servers and kernels were still open when memory was read.

{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, Python {platform.python_version()};
hub and students on the same machine. Times depend on what else it was doing.

| One student's server and kernel, {count} at once | mean | the most |
|---|---:|---:|
{table}

The {count} students share {shared:,.0f} MiB of programs and data, held once. The hub and its proxy hold
{services:,.0f} MiB.

## What {CLASS} need

**Memory:** {CLASS} x {mean[PRIVATE]:,.0f} MiB, {shared:,.0f} MiB shared and {services:,.0f} MiB for the hub:
**{(CLASS * mean[PRIVATE] + shared + services) / 1024:,.0f} GiB**, on one machine or over several (what is shared
counts once on each).

**Processors:** a run of notebook 5 keeps one core busy for {mean[CORE]:.0f} seconds, so {CLASS} runs take
{CLASS * mean[CORE] / 3600:.1f} hours of one core. If all start in the same minute, the slowest is done after
{", ".join(f"{minutes} minutes on {cores:.0f} cores" for minutes, cores in waits.items())}.
Readers run a cell now and then: a lesson in which each learner goes at their own pace needs far fewer.
"""
    RESULTS.write_text(text, encoding="utf-8")


def test_a_class_studies_at_once(tmp_path):
    data = BUILD / "cifar-10"
    before = {path: path.stat().st_mtime_ns for path in data.iterdir()}
    course = served.repository(tmp_path / "series.git")  # what is committed here
    count = int(os.environ.get("STUDENTS") or psutil.virtual_memory().available // A_STUDENTS_SHARE)
    students = [f"student{number}" for number in range(count)]
    with serve(tmp_path, BUILD / "env") as hub, ThreadPoolExecutor(count) as pool:
        waits = list(pool.map(lambda student: study(hub, course, student), students))
        families = hub.families()  # all kernels are still open
        took = {
            "seconds until the series lies in the student's home": [pulled for pulled, _ in waits],
            "seconds until the notebook has run to its end": [ended for _, ended in waits],
            CORE: [sum(sum(process.cpu_times()[:2]) for process in families[student]) for student in students],
            PRIVATE: [memory(families[student], "uss") for student in students],
            SHARED: [memory(families[student], "pss") for student in students],
        }
        write_report(took, memory(families[""], "uss"))
    assert {path: path.stat().st_mtime_ns for path in data.iterdir()} == before
    assert {path.stat().st_mode & 0o466 for path in [data, *before]} == {0o444}, (
        "students read the data and don't write it"
    )


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
        file["content"] = filled(
            file["content"], all_assignments()[0], "ana", q3="def divide(labels, share, seed):\n    return labels"
        )
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
