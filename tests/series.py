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
# Sensible values on either side of the defaults, the quicker ones first: a notebook must run to its end with both.
# `make settings` tries each alone, and odd ones besides.
OTHER = {
    "seed": (3, 11),
    "learning_rate": (0.1, 0.9),
    "batch_size": (64, 101),
    "steps": (60, 1_010),
    "weight_decay": (0.001, 0.1),
    "hidden_units": (17, 130),
    "strides": (24, 18),
    "class_name": ("ship", "cat"),
    "validation": (2_000, 10_000),
    "index": (123, 4_999),
}
EXCEPTIONS = {"09": {"learning_rate": (0.000_002, 0.05)}, "12": {"steps": (60, 320)}}


def tracked_files() -> list[Path]:
    """Return the files of the repository as they are now, whatever else lies beside them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def other(path: Path) -> dict[str, tuple]:
    """Return two other values, the quicker first, for each setting of a notebook."""
    return {name: EXCEPTIONS.get(path.name[:2], OTHER).get(name, OTHER[name]) for name in parameters(read(path))}


def read_with(path: Path, side: int) -> nbformat.NotebookNode:
    """Return the notebook with the quicker (0) or the slower (1) of two other values for each setting."""
    notebook = read(path)
    tagged(notebook, "parameters").source = "\n".join(f"{name} = {both[side]!r}" for name, both in other(path).items())
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
