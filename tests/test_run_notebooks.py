"""`make run`, `make refresh` and the hook before a commit: what they write, what they say, and how they fail."""

import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.series import PATHS, code_cells, read
from tools import run_notebooks
from tools.tidy import LIVE, tidy


@pytest.fixture
def series(tmp_path, monkeypatch):
    """Return a function that writes a notebook of code cells, (source, tags), into a series of its own."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(run_notebooks, "ROOT", tmp_path)

    def write(name, *cells):
        path = tmp_path / "notebooks" / name
        nbformat.write(new_notebook(cells=[new_code_cell(code, metadata={"tags": tags}) for code, tags in cells]), path)
        return path

    return write


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["run_notebooks.py", *arguments])
    return run_notebooks.main()


@pytest.mark.slow
def test_run_leaves_copies_and_a_table_and_names_the_notebook_that_fails(series, monkeypatch, capsys, tmp_path):
    series("01_a.ipynb", ("1 / 0", []))
    path = series("02_b.ipynb", ("x = 6 * 7", []), ("print('noise')\nprint('the answer is', x)", ["headline"]))
    before = path.read_bytes()
    assert run(monkeypatch) == 1
    said = capsys.readouterr()
    assert "failed: ZeroDivisionError: division by zero" in said.out
    assert "the answer is 42" in said.out
    assert "noise" not in said.out
    assert "01_a.ipynb stopped" in said.err
    assert path.read_bytes() == before
    executed = nbformat.read(tmp_path / "_build" / "02_b.ipynb", as_version=4)
    assert [cell.execution_count for cell in executed.cells] == [1, 2]
    assert "the answer is 42" in executed.cells[1].outputs[0].text
    assert run(monkeypatch, "02") == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="one process can't be interrupted alone there")
def test_an_interrupt_ends_in_a_sentence_keeps_what_was_finished_and_leaves_no_kernel(series, tmp_path):
    series("01_a.ipynb", ("print('done')", []))
    series("02_b.ipynb", ("import os, time\nopen('pid', 'w').write(f'{os.getpid()} ')\ntime.sleep(600)", []))
    code = f"import pathlib, sys\nfrom tools import run_notebooks as it\nit.ROOT = pathlib.Path({str(tmp_path)!r})"
    command = [sys.executable, "-c", f"{code}\nsys.argv[1:] = []\nsys.exit(it.main())"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        kept, pid = tmp_path / "_build" / "01_a.ipynb", tmp_path / "notebooks" / "pid"
        while running.poll() is None and not (kept.exists() and pid.exists() and pid.read_text().endswith(" ")):
            time.sleep(0.1)
        kernel = psutil.Process(int(pid.read_text()))
        running.send_signal(signal.SIGINT)
        assert "Stopped. Notebooks that were finished are kept." in running.communicate()[1]
    assert running.returncode == 130
    psutil.wait_procs([kernel])
    assert "done" in nbformat.read(kept, as_version=4).cells[0].outputs[0].text


@pytest.mark.slow
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


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])
def test_what_changes_by_itself_is_stripped_and_outputs_are_kept(path):
    committed, timing = path.read_text(encoding="utf-8"), {"iopub.execute_input": "2026-01-01T00:00:00.000000Z"}
    assert tidy(read(path)) == committed
    dirty = read(path)
    dirty.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {"a": 1}}}
    dirty.metadata["language_info"] = {"name": "python", "version": "3.12.1", "file_extension": ".py"}
    for cell in dirty.cells:
        cell.metadata |= {"execution": timing, "ExecuteTime": timing, "scrolled": True, "collapsed": False}
    first, second, *_ = code_cells(dirty)
    first.outputs.append(new_output("display_data", data={LIVE: {"model_id": "a"}}))
    second.outputs.append(new_output("stream", name="stderr", text="\r 50%|█ | 1/2\r            \r"))
    assert tidy(dirty) == committed
