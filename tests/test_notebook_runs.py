"""Every notebook's cells say the same when run twice, at other settings; nbval runs it as it is (see conftest.py)."""

import pytest

from tests.comparing import differences
from tests.series import PATHS, code_cells, kernel, read_with_others


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])
def test_cells_run_twice_at_other_settings(path):
    with kernel() as run:
        for cell in code_cells(read_with_others(path)):
            first, second = run(cell.source), run(cell.source)
            changed = differences(first.outputs, second.outputs, cell.metadata.get("tolerance"))
            assert not changed, f"run again, this cell says something else:\n{cell.source}\n\n{changed}"
