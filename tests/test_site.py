"""What the site shows of each file; whether Sphinx is content with it, `make site` itself says."""

import re

import nbformat
import pytest

from docs import conf
from tests.series import PATHS, ROOT, read, tags, tracked_files


def test_every_text_of_the_repository_is_on_the_site():
    texts = {path.relative_to(ROOT).as_posix() for path in tracked_files() if path.suffix in (".md", ".ipynb")}
    assert {name for name in texts if not name.startswith("coursework/source/")} == set(conf.include_patterns)


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


def test_the_home_page_is_the_readme_without_badges():
    home = conf.home((ROOT / "README.md").read_text(encoding="utf-8"))
    assert "[![" not in home
    assert "| 1 | [Load CIFAR-10](notebooks/01_load_cifar10.ipynb) |" in home


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])
def test_a_page_has_the_figures_with_their_alt_text_and_no_cell_for_elsewhere(path):
    before, after = read(path), conf.page(read(path), f"notebooks/{path.name}")
    (doors,) = [cell.source for cell in after.cells if "badges" in tags(cell)]
    assert re.fullmatch(r"\[Open in Binder\]\(\S+\) · \[Open in Colab\]\(\S+\)", doors.strip())
    alts = [
        (cell.metadata["mystnb"]["image"]["alt"], output.metadata["image/png"]["alt"])
        for cell in after.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(alts) == nbformat.writes(before).count('"image/png": "iVBOR')
    assert all(shown == described for shown, described in alts)
    assert [cell.id for cell in after.cells] == [c.id for c in before.cells if not {"claims", "colab"} & set(tags(c))]
