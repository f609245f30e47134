"""Every notebook does more than run once: its cells say again what is saved, and the same when run twice; it stays
within memory, and its exercises' solutions run. The browser's test runs it a third time, with larger settings."""

import sys

import pytest

from tests.comparing import differences
from tests.series import OTHER, PATHS, code_cells, kernel, read, read_with, solutions
from tools.memory import peak_memory

pytestmark = pytest.mark.slow
each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])

MEMORY_LIMIT = 1024  # MiB


@each_notebook
def test_outputs_are_those_saved_within_the_memory_limit_then_a_learners_figure_and_the_solutions(path):
    notebook, stale = read(path), []
    with kernel() as fresh:
        for cell in code_cells(notebook):
            outputs = fresh.run(cell.source).outputs
            if changed := differences(cell.outputs, outputs, cell.metadata.get("tolerance")):
                stale.append(f"{cell.source}\n\n{changed}")
        if sys.platform == "linux":
            assert peak_memory(fresh.pid) < MEMORY_LIMIT
        outputs = fresh.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])").outputs
        assert any("image/png" in output.get("data", {}) for output in outputs), "a learner's own figure is not shown"
        for code in solutions(notebook):
            fresh.run(code)
    assert not stale, "run anew, these cells say something else:\n\n" + "\n\n".join(stale)


@each_notebook
def test_cells_run_twice_at_smaller_settings(path):
    with kernel() as fresh:
        for cell in code_cells(read_with(path, OTHER[path.name[:2]][0])):
            first, second = fresh.run(cell.source), fresh.run(cell.source)
            changed = differences(first.outputs, second.outputs, cell.metadata.get("tolerance"))
            assert not changed, f"run again, this cell says something else:\n{cell.source}\n\n{changed}"
