"""The committed notebooks, and a fresh kernel to run their cells in."""

import ast
import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tools.run_notebooks import ENCRYPTED

ROOT = Path(__file__).resolve().parents[1]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTION = re.compile(r"<details>.*?```python\n(.*?)```.*?</details>", re.DOTALL)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


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


class Kernel:
    """A fresh kernel in a folder of its own, so that what a cell writes meets no other run.

    `run` executes code in it and returns the cell with its outputs.
    """

    def __init__(self, client: NotebookClient):
        self._client = client

    @property
    def pid(self) -> int:
        return self._client.km.provisioner.process.pid

    def run(self, source: str, allow_errors: bool = False):
        cell = nbformat.v4.new_code_cell(source)
        self._client.nb.cells.append(cell)
        self._client.allow_errors = allow_errors
        return self._client.execute_cell(cell, len(self._client.nb.cells) - 1)


@contextlib.contextmanager
def kernel() -> Iterator[Kernel]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        client = NotebookClient(
            nbformat.v4.new_notebook(), timeout=300, kernel_name="python3", record_timing=False, coalesce_streams=True,
            resources={"metadata": {"path": folder}}, config=ENCRYPTED,
        )  # fmt: skip
        with client.setup_kernel():
            yield Kernel(client)
