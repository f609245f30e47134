"""The learner's copy: no answer in sight, nothing of theirs lost, and the same on the branch that others open."""

import os
import subprocess

import nbformat
import pytest

from tests.series import PATHS, ROOT
from tools import working_copy


@pytest.fixture
def series(tmp_path, monkeypatch):
    """Return a folder of two notebooks that stands for the series, and the folder of the copies made of it."""
    for name in ("01_a", "02_b"):
        write(tmp_path / "notebooks" / f"{name}.ipynb", f"print({name!r})")
    monkeypatch.setattr(working_copy, "ROOT", tmp_path)
    return tmp_path / "notebooks", tmp_path / "my-notebooks"


def write(path, source: str) -> None:
    path.parent.mkdir(exist_ok=True)
    output = nbformat.v4.new_output("stream", text="the answer\n")
    cell = nbformat.v4.new_code_cell(source, id="a", outputs=[output], execution_count=3)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)


def change(path, source: str | None = None) -> str:
    """Run a copy as a learner does, with a change of theirs or without; return the file's text."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = source or notebook.cells[0].source
    notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text="mine\n")]
    notebook.cells[0].metadata["execution"] = {"shell.execute_reply": "2026-01-01"}
    nbformat.write(notebook, path)
    return path.read_text(encoding="utf-8")


def sources(folder) -> dict[str, str]:
    return {path.name: nbformat.read(path, as_version=4).cells[0].source for path in folder.glob("*.ipynb")}


def test_a_copy_has_no_outputs_and_follows_the_series_until_it_is_the_learners(series, capsys):
    notebooks, copies = series
    working_copy.main([])
    (cell,) = nbformat.read(copies / "01_a.ipynb", as_version=4).cells
    assert (cell.id, cell.source, cell.outputs, cell.execution_count) == ("a", "print('01_a')", [], None)
    assert sources(copies) == sources(notebooks)
    change(copies / "01_a.ipynb")
    write(notebooks / "01_a.ipynb", "print('better')")
    mine = change(copies / "02_b.ipynb", "print('mine')")
    working_copy.main([])
    assert sources(copies) == {"01_a.ipynb": "print('better')", "02_b.ipynb": "print('mine')"}
    assert (copies / "02_b.ipynb").read_text(encoding="utf-8") == mine
    assert capsys.readouterr().err == ""


def test_where_both_have_changed_both_are_kept_and_one_sentence_says_so(series, capsys):
    notebooks, copies = series
    for name in ("01_a.ipynb", "01_a.new.ipynb"):
        working_copy.main([])
        assert capsys.readouterr().err == ""
        mine = change(copies / name, "print('mine')")
        write(notebooks / "01_a.ipynb", f"print('better than {name}')")
        working_copy.main([])
        assert (copies / name).read_text(encoding="utf-8") == mine
        beside = name.replace(".ipynb", ".new.ipynb")
        assert sources(copies)[beside] == f"print('better than {name}')"
        (said,) = capsys.readouterr().err.splitlines()
        assert said.endswith(f"my-notebooks/{beside}")


def test_a_file_that_is_no_notebook_is_the_learners(series):
    _, copies = series
    copies.mkdir()
    broken = {"01_a.ipynb": "", "02_b.ipynb": '{"cells": 3, "nbformat": 4}'}
    for name, text in broken.items():
        (copies / name).write_text(text)
    working_copy.main([])
    assert {name: (copies / name).read_text() for name in broken} == broken
    assert nbformat.read(copies / "01_a.new.ipynb", as_version=4).cells[0].source == "print('01_a')"


def test_the_notebook_that_is_asked_for_is_named_and_a_wrong_one_told_in_a_sentence(series, capsys):
    working_copy.main(["02"])
    assert capsys.readouterr() == ("02_b.ipynb\n", "")
    with pytest.raises(SystemExit, match=r"^No notebook begins with zz. There are 01_a, 02_b.$"):
        working_copy.main(["zz"])


def test_the_branch_holds_the_same_notebooks_and_all_else_of_the_series(tmp_path, monkeypatch):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", ROOT.as_uri(), clone], check=True)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)  # as where nobody has said who they are

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=clone, check=True, capture_output=True).stdout.decode()

    first = working_copy.commit_to("learner", clone)
    changed = git("diff", "--name-only", "HEAD", "learner").splitlines()
    assert changed == [f"notebooks/{path.name}" for path in PATHS]
    for name in changed:
        text = git("show", f"learner:{name}")
        assert text == working_copy.cleared(git("show", f"HEAD:{name}"))[0]
        assert not any(cell.get("outputs") for cell in nbformat.reads(text, as_version=4).cells)
    assert working_copy.commit_to("learner", clone) == first
    (clone / "new.txt").write_text("new")
    git("add", "new.txt")
    git("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message=New")
    second = working_copy.commit_to("learner", clone)
    assert git("rev-list", "learner").split() == [second, first]
    assert git("show", "learner:new.txt") == "new"
    assert git("status", "--short") == ""
