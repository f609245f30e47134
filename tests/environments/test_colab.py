"""The series on Google Colab's versions: `make colab` installs them and runs every notebook as Colab does.

What stands in for Colab: its packages at its versions on Python 3.13, a kernel that has imported `google.colab` before
the first cell (an empty module here), git, told to take this repository's address from a clone on this disk, and the
archive of the data on this disk as the nearest copy. All else is real: the first cell's pip fetches and builds the
package, and the data is verified.
"""

import json
import os
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from helpers.data import find_data
from tests.comparing import differences
from tests.environments import served
from tests.series import PATHS, ROOT, code_cells, read, tagged
from tools import links

ENVIRONMENT = ROOT / "_build" / "colab" / "env"
PYTHON = ENVIRONMENT / "bin" / "python"
LAUNCH = "import google.colab; from ipykernel import kernelapp; kernelapp.launch_new_instance()"


def installed() -> set[str]:
    listed = subprocess.run([PYTHON, "-m", "pip", "freeze", "--all"], capture_output=True, text=True, check=True).stdout
    return {line for line in listed.splitlines() if not line.startswith("ten-templates")}


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    """Return a function that runs cells in a fresh runtime: on Colab's versions, with neither helpers nor data."""
    folder = tmp_path_factory.mktemp("colab")
    (folder / "stub" / "google" / "colab").mkdir(parents=True)
    (folder / "stub" / "google" / "colab" / "__init__.py").touch()
    (folder / "content").mkdir()
    environment = {
        "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
        "CIFAR10_HOME": "",
        "CIFAR10_SHARED": "",
        "CIFAR10_URL": served.archive(find_data(), folder / "cifar-10-binary.tar.gz"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{served.repository(folder / 'series.git')}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://github.com/{links.address()}",
    }

    def run(notebook, cache: Path = folder / "cache") -> nbformat.NotebookNode:
        specification = folder / "kernels" / "colab"
        specification.mkdir(parents=True, exist_ok=True)
        argv = [str(PYTHON), "-c", LAUNCH, "-f", "{connection_file}"]
        here = {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(folder / "stub")}
        kernel = {"argv": argv, "display_name": "Colab", "language": "python", "env": environment | here}
        (specification / "kernel.json").write_text(json.dumps(kernel))
        client = NotebookClient(
            notebook, timeout=600, kernel_name="colab", coalesce_streams=True,
            resources={"metadata": {"path": str(folder / "content")}},
        )  # fmt: skip
        return client.execute()

    before = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = str(folder)
    subprocess.run([PYTHON, "-m", "pip", "uninstall", "--quiet", "--yes", "ten-templates"], check=True)
    yield run
    os.environ.pop("JUPYTER_PATH") if before is None else os.environ.__setitem__("JUPYTER_PATH", before)


def first_cell() -> nbformat.NotebookNode:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [tagged(read(PATHS[0]), "colab")]
    return notebook


def test_the_versions_are_colabs():
    wanted = {line for line in (ROOT / "requirements" / "colab.txt").read_text().splitlines() if "==" in line}
    spelled = {line.replace("_", "-").lower() for line in installed()}
    assert wanted <= spelled


def test_the_first_cell_brings_two_packages_and_the_data_and_changes_nothing_else(colab, tmp_path):
    before = installed()
    notebook = first_cell()
    notebook.cells.append(nbformat.v4.new_code_cell("import helpers\nfrom helpers.data import find_data\nfind_data()"))
    colab(notebook, cache=tmp_path)
    assert before <= installed()
    assert {line.partition("==")[0] for line in installed() - before} <= {"anywidget", "psygnal"}
    assert (tmp_path / "ten-templates" / "cifar-10" / "train.bin").is_file()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])
def test_a_notebook_gives_its_saved_outputs(colab, path):
    saved = read(path)
    fresh = colab(read(path))
    for old, new in zip(code_cells(saved), code_cells(fresh), strict=True):
        if "colab" not in old.metadata.get("tags", []):
            assert not differences(old.outputs, new.outputs, old.metadata.get("tolerance")), old.id
