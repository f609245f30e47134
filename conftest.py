"""Let nbval compare numbers and pictures within a tolerance and all text exactly; tests/comparing.py says which."""

import nbformat
from comparing import align, without_progress
from nbval.plugin import IPyNbCell, coalesce_streams

_compare_exactly = IPyNbCell.compare_outputs


def _compare(cell, fresh, saved, skip_compare=None):
    saved = coalesce_streams([nbformat.from_dict(output) for output in without_progress(saved)])
    fresh = align(saved, without_progress(fresh), cell.cell.metadata.get("tolerance"))
    # Pictures are compared too: nbval skips them unless it is told which keys to skip.
    skip = tuple(key for key in (skip_compare or cell.parent.skip_compare) if key != "image/png")
    return _compare_exactly(cell, [nbformat.from_dict(output) for output in fresh], saved, skip)


IPyNbCell.compare_outputs = _compare
