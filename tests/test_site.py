"""What `make site` lays out for Sphinx; whether Sphinx is content with it, `make site` itself says."""

import re

import nbformat
import pytest

from tests.series import PATHS, ROOT, read, tags, tracked_files
from tools import build_site

PAGES = {name for names in build_site.menu().values() for name in names}
NO_PAGES = {"README.md"}  # the home page


def test_every_text_of_the_repository_is_in_the_menu():
    texts = {path.relative_to(ROOT).as_posix() for path in tracked_files() if path.suffix in (".md", ".ipynb")}
    assert {name for name in texts if not name.startswith("coursework/source/")} - NO_PAGES == PAGES
    assert all(build_site.menu().values())
    assert not [name for name in PAGES if name.endswith(".ipynb") and not name.startswith("notebooks/")]  # solutions


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("[a](../docs/glossary.md#batch)", "[a](../docs/glossary.md#batch)"),
        ("[a](../README.md#start)", "[a](../index.md#start)"),
        ("[a](../LICENSE)", "[a](https://github.com/{}/blob/main/LICENSE)"),
        ("![a](../docs/templates.png)", "![a](../docs/templates.png)"),
    ],
)
def test_links_lead_to_a_page_or_else_to_the_repository(link, becomes):
    written = build_site.with_links_that_lead_somewhere(link, "notebooks/01_load_cifar10.ipynb", PAGES)
    assert written == becomes.format(build_site.links.address())


def test_the_home_page_is_the_readme_without_badges():
    home = build_site.home((ROOT / "README.md").read_text(encoding="utf-8"), build_site.menu())
    assert "[![" not in home
    assert "| 1 | [Load CIFAR-10](notebooks/01_load_cifar10.ipynb) |" in home
    for name in PAGES:
        assert f"\n{name.rpartition('.')[0]}\n" in home


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])
def test_a_page_has_the_figures_with_their_alt_text_and_no_cell_for_elsewhere(path):
    before, after = read(path), build_site.page(read(path))
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


def test_what_comes_from_another_server_is_found(tmp_path):
    page = tmp_path / "index.html"
    page.write_text('<a href="https://example.org">a link is fine</a><script src="_static/a.js"></script>')
    assert not build_site.loaded_from_outside(tmp_path)
    for tag in ('<script async src="https://cdn.example/m.js">', "<img src='//x.example/a.png'>",
                '<link rel="stylesheet" href="https://fonts.example/css">'):  # fmt: skip
        page.write_text(tag)
        assert len(build_site.loaded_from_outside(tmp_path)) == 1
    page.write_text("")
    (tmp_path / "a.css").write_text("@font-face { src: url(https://fonts.example/a.woff2) }")
    assert len(build_site.loaded_from_outside(tmp_path)) == 1
