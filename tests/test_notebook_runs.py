"""Every notebook's cells say the same when run again, at other settings; nbval runs it as it is (see conftest.py)."""

import pytest

from tests.comparing import differences
from tests.series import PATHS, code_cells, kernel, read_with_others


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])
def test_cells_run_again_from_the_last_to_the_first_at_other_settings(path):
    at_once = path.stem == "08_playground"  # whose cells show the newest run, whatever it is
    with kernel() as run:
        pairs = [(cell, run(cell.source), at_once and run(cell.source)) for cell in code_cells(read_with_others(path))]
        for cell, before, now in reversed(pairs):
            changed = differences(before.outputs, (now or run(cell.source)).outputs, cell.metadata.get("tolerance"))
            assert not changed, f"run again, this cell says something else:\n{cell.source}\n\n{changed}"
