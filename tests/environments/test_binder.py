"""Binder: what repo2docker would do to build the image, done here in a fresh folder; then every notebook in it.

The steps are those of the Dockerfile that repo2docker renders. What differs from the image: a venv with the Jupyter
packages of repo2docker's conda environment, at its versions, stands for that environment; Python is the one that runs
the tests; the user is the one who runs them; and the data comes from a file, not over the network.
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

from tests.comparing import changed
from tests.environments import served
from tests.series import PATHS, ROOT, read, tracked_files
from tools import links, remote
from tools.memory import peak_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Binder's images are Linux")

RESULTS = ROOT / "docs" / "measurements" / "binder.md"
LIMIT = 1536  # MiB; Binder stops a server at 2 GB
JUPYTER = ("ipywidgets", "jupyter-offlinenotebook", "jupyter-resource-usage", "jupyterhub", "jupyterlab", "notebook")
DEAD = "http://127.0.0.1:9"  # nothing answers there: a notebook that wants the network fails
CACHE = ".cache/ten-templates/cifar-10"


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
    bin: Path
    environment: dict[str, str]


@pytest.fixture(scope="module")
def image(tmp_path_factory, data_folder):
    """Build what Binder builds: the steps of the Dockerfile after the repository is copied into the home folder."""
    home, prefix, mirror = (tmp_path_factory.mktemp(name) for name in ("jovyan", "conda", "mirror"))
    for path in tracked_files():
        (home / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, home / path.relative_to(ROOT))
    instructions = render(home)
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
    return Image(home, prefix / "bin", environment)


def test_the_image_holds_the_lock_the_helpers_and_the_data(image):
    installed = subprocess.run(
        [image.bin / "pip", "freeze", "--all"], capture_output=True, text=True, check=True
    ).stdout
    lock = (ROOT / "requirements" / "learner.txt").read_text(encoding="utf-8")
    for name in ("tensorflow-cpu", "numpy", "matplotlib", "jupyterlab", "ipykernel", "ipywidgets", "tqdm"):
        (pinned,) = re.findall(rf"^{name}==\S+", lock, re.MULTILINE)
        assert pinned in installed.lower().replace("_", "-").splitlines()
    assert {path.name for path in (image.home / CACHE).iterdir()} == {"train.bin", "test.bin"}


@contextlib.contextmanager
def started(image: Image):
    """Start JupyterLab with no way to the network; yield a session, its address, its process."""
    (port,), token = remote.free_ports(), secrets.token_hex()
    command = [image.bin / "jupyter", "lab", "--no-browser", f"--port={port}", f"--IdentityProvider.token={token}"]
    root = ["--allow-root"] if os.geteuid() == 0 else []
    nowhere = {"http_proxy": DEAD, "https_proxy": DEAD, "no_proxy": "127.0.0.1"}
    with open(image.home / "log", "wb") as log:
        process = subprocess.Popen(
            [*command, *root], cwd=image.home, stdout=log, stderr=log, env=image.environment | nowhere
        )
    session, base = requests.Session(), f"http://127.0.0.1:{port}/"
    session.headers["Authorization"] = f"token {token}"
    session.trust_env = False
    with remote.serving(process, session, f"{base}api/status") as server:
        yield session, base, server


@pytest.fixture(scope="module")
def report():
    """Return a list for one row a notebook, which goes into the page when all are there."""
    rows = []
    yield rows
    if len(rows) == len(PATHS):
        lines = [
            "# Memory on Binder",
            "",
            "`make binder` wrote this page: it takes repo2docker's steps in a fresh folder, starts JupyterLab, opens",
            "each notebook in turn and runs it to the end. Counted is the most that server and kernel held, each at",
            f"its own peak, with the files that it maps. Binder's limit is 2 GB; here it is {LIMIT} MiB.",
            "",
            "| Notebook | MiB |",
            "|---|---:|",
            *rows,
        ]
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])
def test_a_notebook_opens_and_runs_within_the_limit(image, path, report):
    stamps = [file.stat().st_mtime_ns for file in sorted((image.home / CACHE).iterdir())]
    with started(image) as (session, base, process):
        badge = re.search(r"urlpath=(\S+?)\)", links.badges(path, links.address()))[1]
        page = session.get(base + badge, timeout=60)
        assert page.ok
        assert "JupyterLab" in page.text
        notebook, _ = remote.run_notebook(session, base, f"notebooks/{path.name}")
        peak = sum(peak_memory(each.pid) for each in [process, *process.children(recursive=True)])
    assert not changed(read(path), notebook)
    assert [file.stat().st_mtime_ns for file in sorted((image.home / CACHE).iterdir())] == stamps
    assert 100 < peak <= LIMIT
    report.append(f"| {path.stem} | {peak:,.0f} |")
