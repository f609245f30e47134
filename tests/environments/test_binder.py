"""Binder: what repo2docker would do to build the image, done here in a fresh folder; then every notebook in it.

The steps are those of the Dockerfile that repo2docker renders. What differs from the image: a venv with the Jupyter
packages of repo2docker's conda environment, at its versions, stands for that environment; Python is the one that runs
the tests; the user is the one who runs them; and the data comes from a file, not over the network.

Every notebook stays within 1 GiB: what its server and its kernel have written, and the files that they map.
"""

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.comparing import differences
from tests.environments import served
from tests.series import PATHS, ROOT, code_cells, read, tracked_files
from tools import links, remote
from tools.memory import Memory, memory_of, watching

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="Binder's images are Linux")]

LIMIT = 1024  # MiB that processes may write; Binder stops a server at 2 GB
JUPYTER = ("ipywidgets", "jupyter-offlinenotebook", "jupyter-resource-usage", "jupyterhub", "jupyterlab", "notebook")


def render(folder: Path) -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile that BinderHub's repo2docker writes for the repository in `folder`."""
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "--user-id=1000", "--user-name=jovyan"]
    result = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=True)
    joined = re.sub(r"\\\n", "", result.stdout + result.stderr)
    return re.findall(r"^(FROM|ENV|COPY|USER|RUN|WORKDIR|CMD) (.+)$", joined, re.MULTILINE)


def jupyter_of_the_image() -> list[str]:
    """Return repo2docker's own Jupyter packages, as pip names and pins them."""
    import repo2docker.buildpacks.conda

    python = (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    folder = Path(repo2docker.buildpacks.conda.__file__).parent
    lock = (folder / f"environment.py-{python}-linux-64.lock").read_text()
    found = dict(re.findall(r"/([\w-]+)-(\d[\w.]*)-[^/-]+\.(?:conda|tar\.bz2)", lock))
    found["jupyterhub"] = found["jupyterhub-base"]
    return [f"{name}=={found[name]}" for name in JUPYTER]


class Image(NamedTuple):
    home: Path
    prefix: Path
    environment: dict[str, str]


def copy_repository(folder: Path) -> None:
    for path in tracked_files():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


@pytest.fixture(scope="module")
def image(tmp_path_factory, data_folder):
    """Build what Binder builds: the steps of the Dockerfile after the repository is copied into the home folder."""
    home, prefix, mirror, context = (tmp_path_factory.mktemp(name) for name in ("jovyan", "conda", "mirror", "context"))
    copy_repository(home)
    copy_repository(context)
    instructions = render(context)
    foreign = ("CIFAR10_", "XDG_", "PYTHON", "VIRTUAL")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | {
        "HOME": str(home), "REPO_DIR": str(home), "NB_PYTHON_PREFIX": str(prefix), "KERNEL_PYTHON_PREFIX": str(prefix),
        "PATH": f"{prefix / 'bin'}:{os.environ['PATH']}",
    }  # fmt: skip
    subprocess.run([sys.executable, "-m", "venv", prefix], check=True)
    subprocess.run([prefix / "bin/pip", "install", "--quiet", *jupyter_of_the_image()], check=True, env=environment)
    copied = instructions.index(("COPY", "--chown=1000:1000 src/ ${REPO_DIR}/"))
    assert ("USER", "${NB_USER}") in instructions[copied:]
    steps = [argument for name, argument in instructions[copied:] if name == "RUN"]
    assert len(steps) == 3, steps
    building = environment | {"CIFAR10_URL": served.archive(data_folder, mirror / "cifar-10-binary.tar.gz")}
    for step in steps:
        done = subprocess.run(["bash", "-c", step], cwd=home, env=building, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{step}\n{done.stdout}\n{done.stderr}"
    return Image(home, prefix, environment)


def test_the_image_holds_the_lock_the_helpers_and_the_data(image):
    pip = [image.prefix / "bin/pip", "freeze", "--all"]
    installed = subprocess.run(pip, capture_output=True, text=True, check=True).stdout.lower().splitlines()
    lock = (ROOT / "requirements" / "learner.txt").read_text(encoding="utf-8")
    for name in ("tensorflow-cpu", "numpy", "matplotlib", "jupyterlab", "ipykernel", "ipywidgets", "tqdm"):
        (pinned,) = re.findall(rf"^{name}==\S+", lock, re.MULTILINE)
        assert {pinned, pinned.replace("-", "_", 1)} & set(installed)
    cache = image.home / ".cache" / "ten-templates" / "cifar-10"
    assert {path.name for path in cache.iterdir()} == {"train.bin", "test.bin"}


@contextlib.contextmanager
def started(image: Image):
    """Start JupyterLab with no way to the network; yield a session, its address, its process."""
    (port,) = remote.free_ports()
    token = secrets.token_hex()
    dead = "http://127.0.0.1:9"  # nothing answers there: a notebook that wants the network fails
    command = [
        image.prefix / "bin/jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
        f"--IdentityProvider.token={token}", *(["--allow-root"] if os.geteuid() == 0 else []),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=image.home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=image.environment | {"http_proxy": dead, "https_proxy": dead, "no_proxy": "127.0.0.1"},
    )  # fmt: skip
    session, base = requests.Session(), f"http://127.0.0.1:{port}/"
    session.headers["Authorization"] = f"token {token}"
    session.trust_env = False
    with remote.serving(process, session, f"{base}api/status") as server:
        yield session, base, server


@pytest.fixture(scope="module")
def report():
    """Return a list for one row a notebook; `make binder` has them written where BINDER_REPORT says."""
    rows = []
    yield rows
    if (name := os.environ.get("BINDER_REPORT")) and len(rows) == len(PATHS):
        lines = [
            "# Memory on Binder",
            "",
            "`make binder` wrote this page: it takes repo2docker's steps in a fresh folder, starts JupyterLab, opens",
            "each notebook in turn and runs it to the end. Counted are the server and its kernel together. Binder's",
            f"limit is 2 GB; here a notebook that writes more than {LIMIT} MiB fails.",
            "",
            "| Notebook | MiB written by the processes | MiB with the files that they map (PSS) |",
            "|---|---|---|",
            *rows,
            "",
            "Both are the highest of ten readings a second. Files can be dropped and read again, what processes have",
            "written cannot: the first number has to stay below the limit, the second need not.",
        ]
        (ROOT / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])
def test_a_notebook_opens_and_runs_within_the_limit(image, path, report):
    data = image.home / ".cache" / "ten-templates" / "cifar-10"
    stamps = [file.stat().st_mtime_ns for file in sorted(data.iterdir())]
    peak = Memory(0, 0, 0)
    with started(image) as (session, base, process):

        def look():
            nonlocal peak
            now = memory_of([process.pid, *(child.pid for child in process.children(recursive=True))])
            peak = Memory(*map(max, peak, now))

        with watching(look, 0.1):
            badge = re.search(r"urlpath=(\S+?)\)", links.badges(path, links.address()))[1]
            page = session.get(base + badge, timeout=60)
            assert page.ok
            assert "JupyterLab" in page.text
            notebook, kernel = remote.run_notebook(session, base, f"notebooks/{path.name}")
            remote.stop_kernel(session, base, kernel)
    for old, new in zip(code_cells(read(path)), code_cells(notebook), strict=True):
        assert not differences(old.outputs, new.outputs, old.metadata.get("tolerance")), old.id
    assert [file.stat().st_mtime_ns for file in sorted(data.iterdir())] == stamps
    assert 100 < peak.anonymous <= min(peak.proportional, LIMIT)
    report.append(f"| {path.stem} | {peak.anonymous:,.0f} | {peak.proportional:,.0f} |")
