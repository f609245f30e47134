"""Let nbval compare numbers within a tolerance and all text exactly; tests/comparing.py says which."""

import nbformat
from nbval.plugin import IPyNbCell, coalesce_streams

from tests.comparing import align, comparable

_compare_exactly = IPyNbCell.compare_outputs


def _compare(cell, fresh, saved, skip_compare=None):
    saved = coalesce_streams([nbformat.from_dict(output) for output in comparable(saved)])
    fresh = align(saved, comparable(fresh), cell.cell.metadata.get("tolerance"))
    return _compare_exactly(cell, [nbformat.from_dict(output) for output in fresh], saved, skip_compare)


IPyNbCell.compare_outputs = _compare
