"""Every notebook's cells say the same when run twice, at smaller settings.

nbval runs it as it is (conftest.py at the root says what that holds), the browser's test with larger settings.
"""

import pytest

from tests.comparing import differences
from tests.series import OTHER, PATHS, code_cells, kernel, read_with

pytestmark = pytest.mark.slow
each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])


@each_notebook
def test_cells_run_twice_at_smaller_settings_then_a_learners_figure_is_shown(path):
    with kernel() as run:
        for cell in code_cells(read_with(path, OTHER[path.name[:2]][0])):
            first, second = run(cell.source), run(cell.source)
            changed = differences(first.outputs, second.outputs, cell.metadata.get("tolerance"))
            assert not changed, f"run again, this cell says something else:\n{cell.source}\n\n{changed}"
        outputs = run("import matplotlib.pyplot as plt\nplt.plot([1, 2])").outputs
        assert any("image/png" in output.get("data", {}) for output in outputs), "a learner's own figure is not shown"
