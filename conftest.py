"""What nbval does here beside running each notebook's cells: it compares as tests/comparing.py says, and at the end it
holds the memory limit and runs the exercises' solutions."""

from collections import defaultdict

from nbformat.v4 import new_code_cell
from nbval.plugin import IPyNbCell, IPyNbFile

from tests.comparing import differences
from tests.series import solutions

MEMORY_LIMIT = 1024  # MiB
WITHIN_MEMORY = f"""\
from pathlib import Path as _Path
_status = _Path("/proc/self/status")  # Linux keeps a record of the peak
if _status.exists():
    _peak = int(_status.read_text().split("VmHWM:")[1].split()[0]) // 1024
    assert _peak < {MEMORY_LIMIT}, f"{{_peak}} MiB were in use, and the limit is {MEMORY_LIMIT}"
"""
_cells = IPyNbFile.collect


def _compare(cell, fresh, saved, skip_compare=None):
    changed = differences(saved, fresh, cell.cell.metadata.get("tolerance"))
    cell.comparison_traceback = [changed]
    return not changed


def _collect(notebook):
    cells = list(_cells(notebook))
    yield from cells
    for place, code in enumerate([WITHIN_MEMORY, *solutions(notebook.nb)]):
        yield IPyNbCell.from_parent(
            notebook, name=f"Solution {place}" if place else "Memory", cell_num=len(cells) + place,
            cell=new_code_cell(code), options=defaultdict(bool),
        )  # fmt: skip


IPyNbCell.compare_outputs = _compare
IPyNbFile.collect = _collect
