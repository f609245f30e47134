"""The hooks that run before a commit, and what they do to a notebook."""

import shlex
import shutil
import subprocess
import sys

import nbformat
import pytest
import yaml

from tests.series import PATHS, ROOT, code_cells, read
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
    config = ROOT / ".pre-commit-config.yaml"
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-config", config], check=True)
    lock = (ROOT / "requirements" / "test.txt").read_text(encoding="utf-8")
    for hook in HOOKS.values():
        assert hook["language"] == "python"  # no path of this environment, which differs between systems
        (pinned,) = hook["additional_dependencies"]
        assert f"\n{pinned} \\\n" in lock


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
    dirty, timing = read(PATHS[0]), {"iopub.execute_input": "2026-01-01T00:00:00.000000Z"}
    dirty.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {"a": 1}}}
    dirty.metadata["language_info"] = {"name": "python", "version": "3.12.1", "file_extension": ".py"}
    for cell in dirty.cells:
        cell.metadata |= {"execution": timing, "ExecuteTime": timing, "scrolled": True, "collapsed": False}
    first, second, *_ = code_cells(dirty)
    first.outputs.append(nbformat.v4.new_output("display_data", data={tidy.LIVE: {"model_id": "a"}}))
    second.outputs.append(nbformat.v4.new_output("stream", name="stderr", text="\r 50%|█ | 1/2\r            \r"))
    path = tmp_path / PATHS[0].name
    nbformat.write(dirty, path)
    run("tidy", path)
    assert path.read_bytes() == PATHS[0].read_bytes()
    assert any(cell.outputs for cell in code_cells(read(path)))
