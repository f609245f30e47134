"""What the site shows of each file; whether Sphinx is content with it, `make site` itself says."""

import re

import pytest

from docs import conf
from tests.series import PATHS, read, tags


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("[a](../docs/glossary.md#batch)", "[a](../docs/glossary.md#batch)"),
        ("[a](../LICENSE)", f"[a]({conf.REPOSITORY}/blob/main/LICENSE)"),
        ("![a](../docs/templates.png)", "![a](../docs/templates.png)"),
    ],
)
def test_links_lead_to_a_page_or_else_to_the_repository(link, becomes):
    assert conf.with_links_that_lead_somewhere(link, "notebooks/01_load_cifar10.ipynb") == becomes


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])
def test_a_page_has_the_figures_with_their_alt_text_and_no_cell_for_elsewhere(path):
    before, after = read(path), conf.page(read(path), f"notebooks/{path.name}")
    (badges,) = [cell.source for cell in after.cells if "badges" in tags(cell)]
    assert re.fullmatch(r"\[Open in Binder\]\(\S+\) · \[Open in Colab\]\(\S+\)", badges.strip())
    outputs = [output for cell in before.cells for output in cell.get("outputs", [])]
    alts = [output.metadata["image/png"]["alt"] for output in outputs if "image/png" in output.get("data", {})]
    assert alts
    assert [cell.metadata["mystnb"]["image"]["alt"] for cell in after.cells if "mystnb" in cell.metadata] == alts
    assert [cell.id for cell in after.cells] == [c.id for c in before.cells if not {"claims", "colab"} & set(tags(c))]
