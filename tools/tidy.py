"""Take out of notebooks what changes by itself: progress bars, live controls, timings, versions. Outputs stay.

python -m tools.tidy NOTEBOOK ...     what the hook does before each commit
"""

import sys

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


def tidy(notebook) -> None:
    """Drop from `notebook` what differs from run to run without meaning anything."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        for name in NOTED:
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            for output in cell.outputs:
                if output.output_type == "stream":
                    output.text = without_bars(output.text)
                output.get("data", {}).pop(LIVE, None)
            cell.outputs = [output for output in cell.outputs if output.get("text") or output.get("data")
                            or output.output_type == "error"]  # fmt: skip


def main(paths: list[str]) -> int:
    """Tidy each notebook that needs it; return 1 if one did, as a hook has to."""
    changed = 0
    for path in paths:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
        notebook = nbformat.reads(text, as_version=4)
        tidy(notebook)
        if (tidied := nbformat.writes(notebook) + "\n") != text:
            changed = 1
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(tidied)
    return changed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
