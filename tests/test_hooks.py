"""The hooks that run before a commit, and what they do to a notebook."""

import shlex
import shutil
import subprocess
import sys

import nbformat
import pytest
import yaml

from tests.series import PATHS, ROOT, read
from tools import tidy

HOOKS = {
    hook["id"]: hook
    for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    for hook in repo["hooks"]
}


def run(hook: str, *files) -> None:
    """Run a hook's own command on `files`, with the tools of this environment."""
    python, module, tool, *options = shlex.split(HOOKS[hook]["entry"])
    assert (python, module) == ("python", "-m")
    done = subprocess.run([sys.executable, "-m", tool, *options, *files], cwd=ROOT, capture_output=True)
    assert done.returncode in (0, 1), done.stderr.decode()


def test_pre_commit_makes_its_environments_from_the_versions_of_the_lock():
    lock = (ROOT / "requirements" / "test.txt").read_text(encoding="utf-8")
    for hook in HOOKS.values():
        assert hook["language"] == "python"  # no path of this environment, which differs between systems
        (pinned,) = hook["additional_dependencies"]
        assert f"\n{pinned} \\\n" in lock


def test_pre_commit_accepts_the_configuration():
    config = ROOT / ".pre-commit-config.yaml"
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-config", config], check=True)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_committed_notebooks_pass_unchanged(hook, tmp_path):
    folder = tmp_path / "notebooks"  # with the settings that hold for notebooks
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns("*.npz", ".ipynb_checkpoints"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "helpers", tmp_path / "helpers")  # ruff sorts imports of the project apart
    run(hook, *(folder / path.name for path in PATHS))
    for path in PATHS:
        assert (folder / path.name).read_bytes() == path.read_bytes()


def test_what_changes_by_itself_is_stripped_and_outputs_are_kept(tmp_path):
    clean = read(PATHS[0])
    dirty = read(PATHS[0])
    timing = {"iopub.execute_input": "2026-01-01T00:00:00.000000Z"}
    dirty.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {"a": 1}}}
    dirty.metadata["language_info"] = {
        "name": "python",
        "version": "3.12.1",
        "mimetype": "text/x-python",
        "file_extension": ".py",
        "pygments_lexer": "ipython3",
        "nbconvert_exporter": "python",
        "codemirror_mode": {"name": "ipython", "version": 3},
    }
    for cell in dirty.cells:
        cell.metadata |= {"execution": timing, "ExecuteTime": timing, "scrolled": True, "collapsed": False}
    live = {tidy.LIVE: {"model_id": "a", "version_major": 2, "version_minor": 0}}
    code = [cell for cell in dirty.cells if cell.cell_type == "code"]
    code[0].outputs.append(nbformat.v4.new_output("display_data", data=live))
    bar = nbformat.v4.new_output("stream", name="stderr", text="\r 50%|█ | 1/2\r            \r")
    code[1].outputs.append(bar)
    path = tmp_path / PATHS[0].name
    nbformat.write(dirty, path)
    assert nbformat.read(path, as_version=4) != clean
    run("tidy", path)
    assert path.read_bytes() == PATHS[0].read_bytes()
    assert any(cell.get("outputs") for cell in nbformat.read(path, as_version=4).cells)


def test_untidy_code_in_a_notebook_is_put_in_order(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import os\nx   = 'a'\nprint( x )")])
    nbformat.write(notebook, tmp_path / "01_a.ipynb")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    run("ruff-check", tmp_path / "01_a.ipynb")
    run("ruff-format", tmp_path / "01_a.ipynb")
    (cell,) = nbformat.read(tmp_path / "01_a.ipynb", as_version=4).cells
    assert cell.source == 'x = "a"\nprint(x)'
