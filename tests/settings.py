"""Every setting of every notebook, one at a time: on either side of its default, and odd. `make settings` (an hour).

make settings ONLY=05       one notebook
"""

import papermill
import pytest

from tests.series import PATHS, SETTINGS, parameters, read

WHOLE_SET = {"08": 10_000}  # images that the playground trains on; elsewhere 45,000
CASES = [
    pytest.param(path, name, value, id=f"{path.stem[:2]}-{name}-{value}")
    for path in PATHS
    for name in parameters(read(path))
    for value in [SETTINGS[name][0], *SETTINGS[name][1]]
]


@pytest.mark.parametrize(("path", "name", "value"), CASES)
def test_a_notebook_runs_to_its_end_without_a_warning(path, name, value, tmp_path):
    settings = {name: min(value, WHOLE_SET.get(path.stem[:2], 45_000)) if name == "batch_size" else value}
    if name == "batch_size" and value >= 10_000:
        settings["steps"] = 20  # a thousand steps of the whole set would take an hour
    ran = papermill.execute_notebook(path, tmp_path / path.name, parameters=settings, cwd=tmp_path, progress_bar=False)
    said = [output.text for cell in ran.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    assert not said
