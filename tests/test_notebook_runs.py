"""Every notebook does more than run once: its cells run twice, its exercises' solutions run, its parameters can be
changed, and a senseless value gets one sentence. nbval compares the outputs themselves (`make test`)."""

import sys

import pytest

from tests.comparing import differences
from tests.series import (
    OTHER,
    PATHS,
    check_cell,
    code_cells,
    kernel,
    parameters,
    read,
    read_with,
    solutions,
    tagged,
)
from tools.memory import peak_memory

pytestmark = pytest.mark.slow
each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])

MEMORY_LIMIT = 1024  # MiB

SENSELESS = {
    "strides": [0, 2.5],
    "seed": [-1, 1.5],
    "learning_rate": [-0.1, 0, "fast", float("nan")],
    "batch_size": [0, 60_000, 2.5],
    "steps": [0, 3.5],
    "weight_decay": [-1],
    "class_name": ["hores"],
    "validation": [0, 50_000],
    "index": [-1, 50_000, 1.5],
    "hidden_units": [0, 2.5],
}


@each_notebook
def test_cells_run_twice_at_smaller_settings(path):
    with kernel() as fresh:
        for cell in code_cells(read_with(path, OTHER[path.name[:2]][0])):
            first, second = fresh.run(cell.source), fresh.run(cell.source)
            changed = differences(first.outputs, second.outputs, cell.metadata.get("tolerance"))
            assert not changed, f"run again, this cell says something else:\n{cell.source}\n\n{changed}"


@each_notebook
def test_within_the_memory_limit_then_a_learners_figure_and_the_solutions(path):
    notebook = read(path)
    with kernel() as fresh:
        for cell in code_cells(notebook):
            fresh.run(cell.source)
        if sys.platform == "linux":
            assert peak_memory(fresh.pid) < MEMORY_LIMIT
        outputs = fresh.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])").outputs
        assert any("image/png" in output.get("data", {}) for output in outputs), "a learner's own figure is not shown"
        for code in solutions(notebook):
            fresh.run(code)


@each_notebook
def test_a_senseless_parameter_gets_one_sentence(path):
    notebook = read(path)
    cells = code_cells(notebook)
    setting, check = tagged(notebook, "parameters"), check_cell(notebook)
    with kernel() as fresh:
        for cell in cells[: cells.index(setting)]:
            fresh.run(cell.source)
        for name in parameters(notebook):
            for value in SENSELESS[name]:
                fresh.run(setting.source)
                given = 'float("nan")' if value != value else repr(value)
                outputs = fresh.run(f"{name} = {given}\n{check.source}", allow_errors=True).outputs
                assert [output.output_type for output in outputs] == ["error"], f"{name} = {value!r} is let through"
                (error,) = outputs
                assert error.ename == "ArgumentError"
                assert name.replace("class_name", "class") in error.evalue
                assert str(value) in error.evalue
                assert len(error.traceback) == 1, "a traceback is shown, not a sentence"


def test_the_comparison_of_a_second_run_notices_a_change():
    with kernel() as fresh:
        fresh.run("import numpy as np\nx = 1.0")
        first, second = fresh.run("x *= 1.5\nprint(f'{x:.3f}')"), fresh.run("x *= 1.5\nprint(f'{x:.3f}')")
    assert differences(first.outputs, second.outputs)


def test_every_parameter_has_values_below_and_above_and_senseless_ones_to_try():
    for path in PATHS:
        names = parameters(read(path)).keys()
        assert all(settings.keys() == names for settings in OTHER[path.name[:2]])
        assert names <= SENSELESS.keys()
