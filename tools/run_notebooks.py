"""Run notebooks from top to bottom, each in a fresh kernel, with one progress bar and a closing table.

`make run` takes two at a time and puts executed copies into _build/; `make refresh` (--in-place) rewrites the committed
notebooks with the outputs of this run, one at a time, since some print how long a thing took.
"""

import argparse
import base64
import os
import sys
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm
from traitlets.config import Config

from tools.memory import peak_memory
from tools.tidy import tidy
from tools.working_copy import chosen

ROOT = Path(__file__).resolve().parents[1]


def client_for(notebook, folder: Path | str, seconds: int = 600) -> NotebookClient:
    """Return what runs a notebook in a fresh kernel in `folder`, for so many seconds a cell at most."""
    encrypted = Config({"KernelManager": {"transport_encryption": "auto"}})  # nobody else on the machine listens in
    return NotebookClient(
        notebook, timeout=seconds, kernel_name="python3", record_timing=False, coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}}, config=encrypted,
    )  # fmt: skip


def run(path: Path, bar: tqdm, alone: bool) -> tuple[nbformat.NotebookNode, float, float]:
    """Execute the notebook at `path`; return it with its seconds and its kernel's peak memory in MiB."""
    notebook, started = nbformat.read(path, as_version=4), time.monotonic()
    client = client_for(notebook, path.parent)
    one_thread = {} if alone else {"OPENBLAS_NUM_THREADS": "1"}  # of NumPy's: two kernels share two cores
    with client.setup_kernel(env=os.environ | one_thread):
        for index, cell in enumerate(notebook.cells):
            bar.set_description(f"{path.stem}, cell {index + 1}")
            client.execute_cell(cell, index)
            bar.update()
        peak = peak_memory(client.km.provisioner.process.pid)
    for cell in notebook.cells:  # an author's sentence about a picture comes before what the data say of it
        for output in cell.get("outputs", []):
            described = output.get("metadata", {}).get("image/png", {})
            if "alt" in described and "alt" in cell.metadata:
                described["alt"] = f"{cell.metadata['alt']} {described['alt']}"
    return notebook, time.monotonic() - started, peak


def outputs_of(notebook, tag: str) -> list:
    """Return the outputs of the cells that carry a tag."""
    return [output for cell in notebook.cells if tag in cell.metadata.get("tags", []) for output in cell.outputs]


def save(notebook, path: Path, in_place: bool) -> str:
    """Write an executed notebook, and the README's picture where it is drawn; return the last line of its headline."""
    target = path if in_place else ROOT / "_build" / path.name
    target.parent.mkdir(exist_ok=True)
    target.write_text(tidy(notebook), encoding="utf-8", newline="\n")
    for output in outputs_of(notebook, "picture"):
        if in_place and "image/png" in output.get("data", {}):
            (ROOT / "docs" / "templates.png").write_bytes(base64.b64decode(output.data["image/png"]))
    said = "".join(output.get("text", "") for output in outputs_of(notebook, "headline"))
    return (said.strip().splitlines() or [""])[-1]


def main() -> int:
    """Run the chosen notebooks; return 0 if every one ran to its end, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("only", nargs="*", help="beginnings of names, such as 06; all notebooks by default")
    parser.add_argument("--in-place", action="store_true", help="rewrite the notebooks themselves")
    options = parser.parse_args()
    paths = chosen(ROOT, *options.only)
    cells = sum(len(nbformat.read(path, as_version=4).cells) for path in paths)
    bar = tqdm(total=cells, unit="cell", bar_format="{percentage:3.0f}%|{bar:20}| {elapsed} {desc}")
    failed, alone = [], options.in_place or len(paths) == 1

    def row(path: Path) -> str:
        try:
            notebook, seconds, peak = run(path, bar, alone)
            return f"{path.stem:28}  {seconds:7.0f}  {peak:8.0f}  {save(notebook, path, options.in_place)}"
        except CellExecutionError as error:
            failed.append(path)
            bar.write(f"{path.name} stopped:\n{error}", file=sys.stderr)
            return f"{path.stem:28}  failed: {error.ename}: {error.evalue.partition(chr(10))[0]}"

    try:
        with bar, ThreadPool(1 if alone else 2) as pool:
            rows = pool.map(row, paths, chunksize=1)
    except KeyboardInterrupt:  # kernels end when this process does
        print("Stopped. Notebooks that were finished are kept.", file=sys.stderr)
        return 130
    print(f"\n{'notebook':28}  seconds  peak MiB  headline", *rows, sep="\n")
    if not options.in_place:
        print("\nExecuted copies: _build/")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
