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
# Of each setting: another sensible value, with which every notebook must run to its end; more values, which
# `make settings` tries one at a time; and senseless ones, which every notebook refuses in a sentence.
SETTINGS = {
    "seed": (3, [11], [-1, 1.5]),
    "learning_rate": (0.9, [1e-6, 1e-4, 0.1, 10.0], [-0.1, 0, "fast", float("nan")]),
    "batch_size": (64, [1, 101, 200, 45_000], [0, 60_000, 2.5]),
    "steps": (60, [1, 1_010, 1_500, 5_000], [0, 3.5]),
    "weight_decay": (0.1, [0.0, 0.001, 1.0], [-1]),
    "hidden_units": (130, [1, 17, 60], [0, 2.5]),
    "strides": (4, [15, 24], [0, 2.5]),
    "class_name": ("cat", ["ship"], ["hores"]),
    "validation": (2_000, [1, 10_000, 49_000], [0, 50_000]),
    "index": (4_999, [123], [-1, 50_000, 1.5]),
}


def tracked_files() -> list[Path]:
    """Return the files of the repository as they are now, whatever else lies beside them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def read_with_others(path: Path) -> nbformat.NotebookNode:
    """Return the notebook with other values of its settings."""
    notebook = read(path)
    others = [f"{name} = {SETTINGS[name][0]!r}" for name in parameters(notebook)]
    tagged(notebook, "parameters").source = "\n".join(others)
    return notebook


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook, tag: str):
    """Return the one cell that carries `tag`."""
    (cell,) = [cell for cell in notebook.cells if tag in tags(cell)]
    return cell


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
