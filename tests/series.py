"""The committed notebooks, and a fresh kernel to run their cells in."""

import ast
import contextlib
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat

from tools.run_notebooks import client_for

ROOT = Path(__file__).resolve().parents[1]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTION = re.compile(r"<details>.*?```python\n(.*?)```.*?</details>", re.DOTALL)
# Sensible settings on either side of the defaults, the quicker ones first: a notebook must run to its end with both.
# `make settings` tries each alone, and odd ones besides.
OTHER = {
    "01": [{"seed": 3, "validation": 2_000, "index": 123}, {"seed": 11, "validation": 10_000, "index": 49_999}],
    "02": [{"seed": 3, "class_name": "ship", "index": 0}, {"seed": 11, "class_name": "cat", "index": 4_999}],
    "03": [{"seed": 3, "class_name": "frog"}, {"seed": 11, "class_name": "cat"}],
    "04": [{"seed": 3, "batch_size": 64, "learning_rate": 0.1}, {"seed": 11, "batch_size": 101, "learning_rate": 1.0}],
    "05": [
        {"seed": 3, "batch_size": 64, "learning_rate": 0.1, "steps": 60},
        {"seed": 11, "batch_size": 101, "learning_rate": 1.0, "steps": 1_010},
    ],
    "06": [
        {"seed": 1, "learning_rate": 0.1, "batch_size": 50, "steps": 60, "weight_decay": 0.001},
        {"seed": 2, "learning_rate": 0.9, "batch_size": 101, "steps": 1_010, "weight_decay": 0.02},
    ],
    "07": [
        {"seed": 3, "learning_rate": 0.1, "batch_size": 50, "steps": 60, "weight_decay": 0.001, "class_name": "ship"},
        {"seed": 11, "learning_rate": 0.9, "batch_size": 101, "steps": 1_010, "weight_decay": 0.1, "class_name": "cat"},
    ],
    "08": [
        {"seed": 3, "learning_rate": 0.1, "batch_size": 50, "steps": 60, "weight_decay": 0.01, "index": 4_321},
        {"seed": 11, "learning_rate": 0.9, "batch_size": 101, "steps": 1_010, "weight_decay": 0.1, "index": 9_999},
    ],
    "09": [
        {"seed": 3, "learning_rate": 0.000_002, "batch_size": 50, "steps": 60},
        {"seed": 11, "learning_rate": 0.05, "batch_size": 101, "steps": 1_010},
    ],
    "10": [
        {"seed": 3, "hidden_units": 17, "learning_rate": 0.1, "batch_size": 64, "steps": 60},
        {"seed": 11, "hidden_units": 130, "learning_rate": 0.5, "batch_size": 101, "steps": 1_010},
    ],
    "11": [{"seed": 3, "strides": 24}, {"seed": 11, "strides": 15}],
    "12": [{"seed": 3, "steps": 60}, {"seed": 11, "steps": 320}],
}  # fmt: skip


def tracked_files() -> list[Path]:
    """Return the files of the repository as they are now, whatever else lies beside them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def read_with(path: Path, settings: dict) -> nbformat.NotebookNode:
    """Return the notebook with other values in its parameters cell."""
    notebook = read(path)
    tagged(notebook, "parameters").source = "\n".join(f"{name} = {value!r}" for name, value in settings.items())
    return notebook


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook, tag: str):
    """Return the one cell that carries `tag`."""
    (cell,) = [cell for cell in notebook.cells if tag in tags(cell)]
    return cell


def check_cell(notebook):
    """Return the code cell that follows the parameters: it checks them and says whether they are as printed."""
    cells = code_cells(notebook)
    return cells[cells.index(tagged(notebook, "parameters")) + 1]


def parameters(notebook) -> dict:
    """Return the names and values that the parameters cell assigns."""
    tree = ast.parse(tagged(notebook, "parameters").source)
    return {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body}


def solutions(notebook) -> list[str]:
    """Return the code of each folded solution."""
    return [code for cell in notebook.cells if cell.cell_type == "markdown" for code in SOLUTION.findall(cell.source)]


@contextlib.contextmanager
def kernel() -> Iterator[Callable]:
    """Start a kernel in a folder of its own, so that what a cell writes meets no other run; give what runs code there.

    It returns the cell with its outputs.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        client = client_for(nbformat.v4.new_notebook(), folder)

        def run(source: str):
            client.nb.cells.append(nbformat.v4.new_code_cell(source))
            return client.execute_cell(client.nb.cells[-1], len(client.nb.cells) - 1)

        with client.setup_kernel():
            yield run
