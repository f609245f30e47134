"""Every notebook's cells say the same when run twice, at other settings.

nbval runs it as it is (conftest.py at the root says what that holds), the browser's test with other settings again.
"""

import pytest

from tests.comparing import differences
from tests.series import PATHS, code_cells, kernel, read_with


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])
def test_cells_run_twice_at_other_settings_then_a_learners_figure_is_shown(path):
    with kernel() as run:
        for cell in code_cells(read_with(path, 0)):
            first, second = run(cell.source), run(cell.source)
            changed = differences(first.outputs, second.outputs, cell.metadata.get("tolerance"))
            assert not changed, f"run again, this cell says something else:\n{cell.source}\n\n{changed}"
        outputs = run("import matplotlib.pyplot as plt\nplt.plot([1, 2])").outputs
        assert any("image/png" in output.get("data", {}) for output in outputs), "a learner's own figure is not shown"
