"""Every notebook does more than run once: its cells run twice, its exercises' solutions run, its parameters can be
changed, and a senseless value gets one sentence. nbval compares the outputs themselves (`make test`)."""

import sys

import papermill
import pytest

from tests.comparing import differences
from tests.series import PATHS, check_cell, code_cells, kernel, parameters, read, solutions, tagged
from tools.run_notebooks import peak_memory

pytestmark = pytest.mark.slow
each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])

MEMORY_LIMIT = 1024  # MiB

# Sensible settings below the defaults, and above them: a notebook must run to its end with either.
# `make settings` tries each alone, and odd ones besides.
OTHER = {
    "01": [{"seed": 3, "validation": 2_000, "index": 123}, {"seed": 11, "validation": 10_000, "index": 49_999}],
    "02": [{"seed": 3, "class_name": "ship", "index": 0}, {"seed": 11, "class_name": "cat", "index": 4_999}],
    "03": [{"seed": 3, "class_name": "frog"}, {"seed": 11, "class_name": "cat"}],
    "04": [{"seed": 3, "batch_size": 64, "learning_rate": 0.1}, {"seed": 11, "batch_size": 500, "learning_rate": 1.0}],
    "05": [
        {"seed": 3, "batch_size": 64, "learning_rate": 0.1, "steps": 250},
        {"seed": 11, "batch_size": 200, "learning_rate": 1.0, "steps": 1_500},
    ],
    "06": [
        {"seed": 1, "learning_rate": 0.1, "batch_size": 50, "steps": 300, "weight_decay": 0.001},
        {"seed": 2, "learning_rate": 0.9, "batch_size": 200, "steps": 1_500, "weight_decay": 0.02},
    ],
    "07": [
        {"seed": 3, "learning_rate": 0.1, "batch_size": 50, "steps": 300, "weight_decay": 0.001, "class_name": "ship"},
        {"seed": 11, "learning_rate": 0.9, "batch_size": 200, "steps": 1_500, "weight_decay": 0.1, "class_name": "cat"},
    ],
    "08": [
        {"seed": 3, "learning_rate": 0.1, "batch_size": 50, "steps": 300, "weight_decay": 0.01, "index": 4_321},
        {"seed": 11, "learning_rate": 0.9, "batch_size": 200, "steps": 1_500, "weight_decay": 0.1, "index": 9_999},
    ],
    "09": [
        {"seed": 3, "learning_rate": 0.000_002, "batch_size": 50, "steps": 300},
        {"seed": 11, "learning_rate": 0.05, "batch_size": 200, "steps": 1_500},
    ],
    "10": [
        {"seed": 3, "hidden_units": 17, "learning_rate": 0.1, "batch_size": 64, "steps": 250},
        {"seed": 11, "hidden_units": 60, "learning_rate": 0.5, "batch_size": 200, "steps": 1_500},
    ],
    "11": [{"seed": 3, "strides": 4}, {"seed": 11, "strides": 24}],
    "12": [{"seed": 3, "steps": 100}, {"seed": 11, "steps": 500}],
}  # fmt: skip
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
def test_cells_run_twice_within_the_memory_limit_then_a_learners_figure_and_the_solutions(path):
    notebook = read(path)
    with kernel() as fresh:
        for cell in code_cells(notebook):
            first, second = fresh.run(cell.source), fresh.run(cell.source)
            changed = differences(first.outputs, second.outputs, cell.metadata.get("tolerance"))
            assert not changed, f"run again, this cell says something else:\n{cell.source}\n\n{changed}"
        if sys.platform == "linux":
            assert peak_memory(fresh.pid) < MEMORY_LIMIT
        outputs = fresh.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])").outputs
        assert any("image/png" in output.get("data", {}) for output in outputs), "a learner's own figure is not shown"
        for code in solutions(notebook):
            fresh.run(code)


@each_notebook
@pytest.mark.parametrize("side", [0, 1], ids=["below", "above"])
def test_other_parameters_work(path, side, tmp_path):
    settings = OTHER[path.name[:2]][side]
    assert settings.keys() == parameters(read(path)).keys()
    papermill.execute_notebook(path, tmp_path / path.name, parameters=settings, cwd=tmp_path, progress_bar=False)


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


def test_every_parameter_has_senseless_values_to_try():
    names = {name for path in PATHS for name in parameters(read(path))}
    assert names <= SENSELESS.keys()
