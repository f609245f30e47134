"""Every notebook in JupyterLab in a real browser, run to its end: nothing red, and controls that can be heard."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

from tests import browser
from tests.browser import open_notebook, run_all
from tests.series import PATHS, read_with_others

CONTROLS = ".jp-Notebook .series-panel, .jp-Notebook .series-slide"
COUNT_CONTROLS = """() => {
    const cells = window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells;
    const data = cells.flatMap(cell => cell.getOutputs?.() ?? []).map(output => output.data ?? {});
    return data.filter(each => 'application/vnd.jupyter.widget-view+json' in each ||
        [each['text/html'] ?? ''].flat().join('').includes('series-slide')).length;
}"""
pytestmark = [pytest.mark.slow, browser.needs_chromium]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Give a page of a browser, and the address of a JupyterLab with copies of all notebooks, at other settings."""
    folder = tmp_path_factory.mktemp("lab")
    for path in PATHS:
        nbformat.write(read_with_others(path), folder / path.name)
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}  # or it is asked for
    cells = [new_code_cell('import sys; print("warm", file=sys.stderr); 1 / 0')]
    red = new_notebook(cells=cells, metadata=kernel)
    nbformat.write(red, folder / "red.ipynb")
    with browser.jupyterlab(folder) as address, browser.browser() as started:
        yield started.new_page(viewport={"width": 1100, "height": 900}), address


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])
def test_a_notebook_runs_to_its_end_with_nothing_red(lab, path):
    page, address = lab
    open_notebook(page, address, path.name)
    assert run_all(page) == []
    browser.shot(page, path.stem)
    if controls := page.evaluate(COUNT_CONTROLS):
        page.set_viewport_size({"width": 1100, "height": 30_000})  # JupyterLab leaves out what is far from the window
        expect(page.locator(CONTROLS)).to_have_count(controls, timeout=browser.PATIENCE)
        browser.no_serious_fault(page, *CONTROLS.split(", "))
        page.set_viewport_size({"width": 1100, "height": 900})
    browser.end_kernel(page)


def test_red_would_be_seen(lab):
    page, address = lab
    open_notebook(page, address, "red.ipynb")
    assert run_all(page) == ["warm\n", "division by zero"]
    browser.end_kernel(page)
