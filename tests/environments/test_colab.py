"""The series on Google Colab's versions: `make colab` installs them and runs every notebook as Colab does.

What stands in for Colab: its packages at its versions on Python 3.13, a kernel that has imported `google.colab` before
the first cell (an empty module here), git, told to take this repository's address from a clone on this disk, and the
archive of the data on this disk as the nearest copy. All else is real: the first cell's pip fetches and builds the
package, and the data is verified.
"""

import json
import os
import subprocess

import nbformat
import pytest
from nbclient import NotebookClient

from tests.comparing import changed
from tests.environments import served
from tests.series import PATHS, ROOT, read, tagged
from tools import links

ENVIRONMENT = ROOT / "_build" / "colab" / "env"
PYTHON = ENVIRONMENT / "bin" / "python"
LAUNCH = "import google.colab; from ipykernel import kernelapp; kernelapp.launch_new_instance()"


def installed() -> set[str]:
    listed = subprocess.run([PYTHON, "-m", "pip", "freeze", "--all"], capture_output=True, text=True, check=True).stdout
    return {line.replace("_", "-").lower() for line in listed.splitlines() if not line.startswith("ten-templates")}


@pytest.fixture(scope="module")
def colab(tmp_path_factory, data_folder):
    """Return a folder that stands for a runtime on Colab's versions, with neither helpers nor data, and its kernel."""
    folder = tmp_path_factory.mktemp("colab")
    (folder / "stub" / "google" / "colab").mkdir(parents=True)
    (folder / "stub" / "google" / "colab" / "__init__.py").touch()
    environment = {
        "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "stub"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "CIFAR10_HOME": "",
        "CIFAR10_SHARED": "",
        "CIFAR10_URL": served.archive(data_folder, folder / "cifar-10-binary.tar.gz"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{served.repository(folder / 'series.git')}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://github.com/{links.ADDRESS}",
    }
    argv = [str(PYTHON), "-c", LAUNCH, "-f", "{connection_file}"]
    kernel = {"argv": argv, "display_name": "Colab", "language": "python", "env": environment}
    (folder / "kernels" / "colab").mkdir(parents=True)
    (folder / "kernels" / "colab" / "kernel.json").write_text(json.dumps(kernel))
    subprocess.run([PYTHON, "-m", "pip", "uninstall", "--quiet", "--yes", "ten-templates"], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        yield folder


def run(notebook, folder) -> nbformat.NotebookNode:
    where = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, timeout=600, kernel_name="colab", coalesce_streams=True, resources=where).execute()


def test_the_first_cell_brings_two_packages_and_the_data_to_colabs_versions_and_changes_nothing_else(colab):
    before = installed()
    assert {line for line in (ROOT / "requirements" / "colab.txt").read_text().splitlines() if "==" in line} <= before
    run(nbformat.v4.new_notebook(cells=[tagged(read(PATHS[0]), "colab")]), colab)
    assert before <= installed()
    assert {line.partition("==")[0] for line in installed() - before} <= {"anywidget", "psygnal"}
    assert (colab / "cache" / "ten-templates" / "cifar-10" / "train.bin").is_file()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])
def test_a_notebook_gives_its_saved_outputs(colab, path):
    assert not changed(read(path), run(read(path), colab))
