"""Run notebooks from top to bottom, each in a fresh kernel, with one progress bar and a closing table.

`make run` puts executed copies into _build/; `make refresh` (--in-place) rewrites the committed notebooks with the
outputs of this run.
"""

import argparse
import asyncio
import base64
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm
from traitlets.config import Config

from tools.memory import peak_memory
from tools.tidy import tidy

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
BUILD = ROOT / "_build"
PICTURE = ROOT / "docs" / "templates.png"
CELL_TIMEOUT = 600  # seconds
ENCRYPTED = Config({"KernelManager": {"transport_encryption": "auto"}})  # nobody else on the machine listens in


def headline(notebook) -> str:
    """Return the last line printed by the cell tagged `headline`."""
    for cell in notebook.cells:
        if "headline" in cell.metadata.get("tags", []):
            text = "".join(output.get("text", "") for output in cell.outputs)
            return text.strip().splitlines()[-1] if text.strip() else ""
    return ""


def save_picture(notebook) -> None:
    """Write the figure of the cell tagged `picture`, where there is one, as the README's picture."""
    for cell in notebook.cells:
        if "picture" in cell.metadata.get("tags", []):
            (figure,) = [output for output in cell.outputs if "image/png" in output.get("data", {})]
            PICTURE.parent.mkdir(exist_ok=True)
            PICTURE.write_bytes(base64.b64decode(figure.data["image/png"]))


def describe_pictures(notebook) -> None:
    """Put an author's sentence about a picture, kept in its cell's metadata, before what the data say of it."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            described = output.get("metadata", {}).get("image/png", {})
            if "alt" in described and "alt" in cell.metadata:
                described["alt"] = f"{cell.metadata['alt']} {described['alt']}"


def run(path: Path, bar: tqdm) -> tuple[nbformat.NotebookNode, float, float]:
    """Execute the notebook at `path`; return it with its seconds and its kernel's peak memory in MiB."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=CELL_TIMEOUT, kernel_name="python3", record_timing=False, coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}}, config=ENCRYPTED,
    )  # fmt: skip
    client.on_cell_start = lambda cell, cell_index: bar.set_description(f"{path.stem}, cell {cell_index + 1}")
    client.on_cell_complete = lambda cell, cell_index: bar.update()
    started, peak = time.monotonic(), 0.0

    async def execute() -> None:
        nonlocal peak
        async with client.async_setup_kernel():
            for index, cell in enumerate(notebook.cells):
                await client.async_execute_cell(cell, index)
            peak = peak_memory(client.km.provisioner.process.pid)
        client.set_widgets_metadata()

    asyncio.run(execute())
    tidy(notebook)
    describe_pictures(notebook)
    return notebook, time.monotonic() - started, peak


def main() -> int:
    """Run the chosen notebooks; return 0 if every one ran to its end, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("only", nargs="*", help="beginnings of names, such as 06; all notebooks by default")
    parser.add_argument("--in-place", action="store_true", help="rewrite the notebooks themselves")
    options = parser.parse_args()
    paths = [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if path.name.startswith(tuple(options.only) or "")]
    if not paths:
        names = ", ".join(path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb")))
        print(f"No notebook begins with {' or '.join(options.only)}. There are {names}.", file=sys.stderr)
        return 1
    BUILD.mkdir(exist_ok=True)
    cells = sum(cell.cell_type == "code" for path in paths for cell in nbformat.read(path, as_version=4).cells)
    rows, failed = [], []
    with tqdm(total=cells, unit="cell", bar_format="{percentage:3.0f}%|{bar:20}| {elapsed} {desc}") as bar:
        for path in paths:
            try:
                notebook, seconds, peak = run(path, bar)
            except CellExecutionError as error:
                failed.append((path, error))
                rows.append((path.stem, "", "", f"failed: {error.ename}: {error.evalue}"))
                continue
            rows.append((path.stem, f"{seconds:.0f}", f"{peak:.0f}", headline(notebook)))
            if options.in_place:
                nbformat.write(notebook, path)
                save_picture(notebook)
            else:
                nbformat.write(notebook, BUILD / path.name)
    width = max(len(row[0]) for row in rows)
    print(f"\n{'notebook':{width}}  seconds  peak MiB  headline")
    for name, seconds, peak, result in rows:
        print(f"{name:{width}}  {seconds:>7}  {peak:>8}  {result.splitlines()[0] if result else ''}")
    for path, error in failed:
        print(f"\n{path.relative_to(ROOT)} stopped:\n{error}", file=sys.stderr)
    if not options.in_place and not failed:
        print(f"\nExecuted copies: {BUILD.relative_to(ROOT)}/")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
