"""`make run` and `make refresh`: what they write, what they say, and how they fail."""

import nbformat
import pytest

from tools import run_notebooks

pytestmark = pytest.mark.slow


@pytest.fixture
def series(tmp_path, monkeypatch):
    """Return a function that writes a notebook of code cells, (source, tags), into a series of its own."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(run_notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(run_notebooks, "NOTEBOOKS", folder)
    monkeypatch.setattr(run_notebooks, "BUILD", tmp_path / "_build")
    monkeypatch.setattr(run_notebooks, "PICTURE", tmp_path / "docs" / "templates.png")

    def write(name, *cells):
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(source, metadata={"tags": tags}) for source, tags in cells]
        nbformat.write(notebook, folder / name)
        return folder / name

    return write


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["run_notebooks.py", *arguments])
    return run_notebooks.main()


def test_run_leaves_copies_and_a_table_and_the_notebooks_as_they_were(series, monkeypatch, capsys, tmp_path):
    path = series("01_a.ipynb", ("x = 6 * 7", []), ("print('noise')\nprint('the answer is', x)", ["headline"]))
    before = path.read_bytes()
    assert run(monkeypatch) == 0
    table = capsys.readouterr().out
    assert "01_a" in table
    assert "the answer is 42" in table
    assert "noise" not in table
    assert path.read_bytes() == before
    executed = nbformat.read(tmp_path / "_build" / "01_a.ipynb", as_version=4)
    assert [cell.execution_count for cell in executed.cells] == [1, 2]
    assert "the answer is 42" in executed.cells[1].outputs[0].text


def test_a_failing_notebook_is_named_and_the_others_still_run(series, monkeypatch, capsys):
    series("01_a.ipynb", ("1 / 0", []))
    series("02_b.ipynb", ("print('well')", ["headline"]))
    assert run(monkeypatch, "08") == 1
    assert "There are 01_a, 02_b." in capsys.readouterr().err
    assert run(monkeypatch) == 1
    said = capsys.readouterr()
    assert "failed: ZeroDivisionError: division by zero" in said.out
    assert "well" in said.out
    assert "01_a.ipynb" in said.err


def test_refresh_keeps_outputs_without_progress_bars_and_saves_the_picture(series, monkeypatch, tmp_path):
    bar = (
        "import time\nfrom helpers import progress_bar\nbar = progress_bar(range(4))\n"
        "for i in bar:\n    time.sleep(0.5)\n    bar.write(f'step {i}')\nprint('done')"
    )
    draw = "from helpers.plots import new_figure\nfigure, axes = new_figure()\nfigure"
    path = series("01_a.ipynb", (bar, []), (draw, ["picture"]))
    assert run(monkeypatch, "--in-place") == 0
    saved = nbformat.read(path, as_version=4)
    (printed,) = saved.cells[0].outputs
    assert (printed.name, printed.text) == ("stdout", "step 0\nstep 1\nstep 2\nstep 3\ndone\n")
    assert saved.cells[1].outputs[0].metadata["image/png"]["alt"] == "An empty figure."
    assert (tmp_path / "docs" / "templates.png").read_bytes().startswith(b"\x89PNG")
