"""Binder: what repo2docker would do to build the image, done here in a fresh folder; then every notebook in it.

The steps are those of the Dockerfile that repo2docker renders. What differs from the image: a fresh venv stands for
repo2docker's conda environment; Python is the one that runs the tests; the user is the one who runs them; and the data
comes from a file, not over the network.
"""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from tests.comparing import changed
from tests.environments import served
from tests.series import PATHS, ROOT, read, tracked_files

LIMIT = 1024  # MiB for a kernel; Binder stops all of a learner's processes together at 2 GB
PAGE = f"""# Memory on Binder

`make binder` wrote this page: it takes repo2docker's steps in a fresh folder and runs each notebook there, with no way
to the network. Counted is the most that its kernel held, with the files that it maps: here a notebook that takes more
than {LIMIT} MiB fails. Binder's limit is 2 GB, of which JupyterLab's own server needs its part.

| Notebook | MiB |
|---|---:|
"""
DEAD = "http://127.0.0.1:9"  # nothing answers there: a notebook that wants the network fails


@pytest.mark.skipif(sys.platform != "linux", reason="Binder's images are Linux")
def test_every_notebook_runs_within_the_limit_in_what_binder_builds(tmp_path, data_folder):
    home, prefix = tmp_path / "jovyan", tmp_path / "conda"
    for path in tracked_files():
        (home / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, home / path.relative_to(ROOT))
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "--user-id=1000", "--user-name=jovyan"]
    rendered = subprocess.run([*command, home], capture_output=True, text=True, check=True)
    dockerfile = re.sub(r"\\\n", "", rendered.stdout + rendered.stderr)
    after = dockerfile[dockerfile.index("COPY --chown=1000:1000 src/ ${REPO_DIR}/") :]  # the repository is in its place
    steps = re.findall(r"^RUN (.+)$", after, re.MULTILINE)
    assert len(steps) == 3, steps

    foreign = ("CIFAR10_", "XDG_", "PYTHON", "VIRTUAL")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | {
        "HOME": str(home), "REPO_DIR": str(home), "NB_PYTHON_PREFIX": str(prefix), "KERNEL_PYTHON_PREFIX": str(prefix),
        "PATH": f"{prefix / 'bin'}:{os.environ['PATH']}",
    }  # fmt: skip

    def shell(step: str, **more: str) -> str:
        options = {"cwd": home, "env": environment | more, "capture_output": True, "text": True, "check": False}
        done = subprocess.run(["bash", "-c", step], **options)
        assert done.returncode == 0, f"{step}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    subprocess.run([sys.executable, "-m", "venv", prefix], check=True)
    for step in steps:
        shell(step, CIFAR10_URL=served.archive(data_folder, tmp_path / "cifar-10-binary.tar.gz"))
    table = shell("python -m tools.run_notebooks", http_proxy=DEAD, https_proxy=DEAD, CIFAR10_URL=DEAD)
    peaks = dict(re.findall(r"^(\w+) +\d+ +(\d+) ", table, re.MULTILINE))
    for path in PATHS:
        assert not changed(read(path), nbformat.read(home / "_build" / path.name, as_version=4)), path
        assert 100 < int(peaks[path.stem]) <= LIMIT
    rows = "".join(f"| {name} | {peak} |\n" for name, peak in peaks.items())
    (ROOT / "docs" / "measurements" / "binder.md").write_text(PAGE + rows, encoding="utf-8")
