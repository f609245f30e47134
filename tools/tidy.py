"""Take out of notebooks what changes by itself: progress bars, live controls, timings, versions. Outputs stay.

python -m tools.tidy NOTEBOOK ...     what the hook does before each commit
"""

import sys
from pathlib import Path

import nbformat

LIVE = "application/vnd.jupyter.widget-view+json"  # controls, which show nothing but an error without their kernel
NOTED = ("execution", "ExecuteTime", "collapsed", "scrolled")  # by JupyterLab, in a cell's metadata


def without_bars(text: str) -> str:
    """Return printed text as a terminal leaves it: what follows a carriage return overwrites what was there."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip() if "\r" in line else line)
    return "\n".join(lines)


def tidy(notebook) -> str:
    """Drop from `notebook` what differs from run to run without meaning anything; return it as its file holds it."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        for name in NOTED:
            cell.metadata.pop(name, None)
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.text = without_bars(output.text)
            output.get("data", {}).pop(LIVE, None)
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if {"text", "data", "ename"} & {k for k in each if each[k]}]
    return nbformat.writes(notebook) + "\n"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):  # pre-commit sees by itself whether one has changed
        path.write_text(tidy(nbformat.read(path, as_version=4)), encoding="utf-8", newline="\n")
