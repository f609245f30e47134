"""Build the series as a static site in _build/site/, from the committed notebooks, without running them.

Every page keeps its place in the repository, so that a link between two files holds here, on GitHub and in JupyterLab.
The README is the home page. A warning of Sphinx, such as a link that leads nowhere, fails the build; so does a page
that would load anything from another server.

    python -m tools.build_site                  build
    python -m tools.build_site --dead-links     ask every address outside that the pages name whether it still answers
"""

import argparse
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from tools import links

ROOT = links.ROOT
PAGES = ROOT / "_build" / "pages"
SITE = ROOT / "_build" / "site"
# The menu: headings, and beneath each what belongs there, in this order. A file that is not there yet is left out.
MENU = {
    "The series": ["notebooks/*.ipynb"],
    "To look up": ["docs/glossary.md", "docs/references.md", "docs/*.md"],
    "For instructors": ["coursework/README.md", "coursework/*.md", "hub/*.md"],
    "Measurements": ["docs/measurements/*.md"],
    "The project": ["CONTRIBUTING.md", "CHANGELOG.md"],
}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)([^)\s]*)(?=\))")
NOT_FOR_READERS = {"claims", "colab"}  # tags of cells
BADGE = re.compile(r"\[!\[([^\]]*)\]\([^)]*\)\]")
ELSEWHERE = re.compile(r"<!-- not on the site -->.*?<!-- /not on the site -->\n", re.DOTALL)
FROM_OUTSIDE = re.compile(
    r"""<(?:script|img|iframe|link)\b[^>]*(?:src|href)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//"""
)


def menu() -> dict[str, list[str]]:
    """Return the headings of the menu, each with the pages that exist."""
    found = {}
    for heading, patterns in MENU.items():
        names = [path.relative_to(ROOT).as_posix() for pattern in patterns for path in sorted(ROOT.glob(pattern))]
        found[heading] = list(dict.fromkeys(names))
    return found


def with_links_that_lead_somewhere(text: str, name: str, pages: set[str]) -> str:
    """Return a page's text in which links to files that are no pages lead to the repository."""

    def link(match: re.Match) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), match[1]))
        if target == "README.md":
            return posixpath.relpath("index.md", posixpath.dirname(name) or ".") + match[2]
        if target in pages or target.endswith((".png", ".svg")) or not (ROOT / target).exists():
            return match[0]
        return f"https://github.com/{links.address()}/blob/main/{target}{match[2]}"

    return LINK.sub(link, text)


def home(text: str, entries: dict[str, list[str]]) -> str:
    """Return the README as the site's home: without badges and what is marked, with the menu."""
    text = links.TABLE.sub(lambda match: re.sub(r"(?m)\|[^|]*\|$", "|", match[0]), ELSEWHERE.sub("", text))
    for heading, names in entries.items():
        listed = "\n".join(name.rpartition(".")[0] for name in names)
        text += f"\n```{{toctree}}\n:caption: {heading}\n:hidden:\n\n{listed}\n```\n"
    return text


def page(notebook):
    """Return the notebook as a page shows it: no cell for Colab, badges as words, a figure's sentence as its alt."""
    notebook.cells = [cell for cell in notebook.cells if not NOT_FOR_READERS & set(cell.metadata.get("tags", []))]
    for cell in notebook.cells:
        if "badges" in cell.metadata.get("tags", []):
            cell.source = BADGE.sub(r"[\1]", cell.source).partition("[Read it as a page]")[0].replace(") [", ") · [")
        figures = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
        if figures:
            (figure,) = figures
            cell.metadata["mystnb"] = {"image": {"alt": figure.metadata["image/png"]["alt"]}}
            cell.outputs = [each for each in cell.outputs if "text/html" not in each.get("data", {}) or each is figure]
    return notebook


def lay_out() -> None:
    """Write the pages, and the pictures that they show, into _build/pages/."""
    entries = menu()
    pages = {name for names in entries.values() for name in names}
    shutil.rmtree(PAGES, ignore_errors=True)
    for name in ["README.md", *pages]:
        target = PAGES / ("index.md" if name == "README.md" else name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".ipynb"):
            notebook = page(nbformat.read(ROOT / name, as_version=4))
            for cell in notebook.cells:
                if cell.cell_type == "markdown":
                    cell.source = with_links_that_lead_somewhere(cell.source, name, pages)
            nbformat.write(notebook, target)
        else:
            text = with_links_that_lead_somewhere((ROOT / name).read_text(encoding="utf-8"), name, pages)
            target.write_text(home(text, entries) if name == "README.md" else text, encoding="utf-8")
    for picture in [*ROOT.glob("docs/**/*.png"), *ROOT.glob("docs/**/*.svg")]:
        target = PAGES / picture.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, target)


def loaded_from_outside(folder: Path) -> list[str]:
    """Return the pages and style sheets in `folder` that would load something from another server."""
    files = sorted([*folder.rglob("*.html"), *folder.rglob("*.css")])
    return [
        f"{path.relative_to(folder)} would load something from another server: {match[0]}..."
        for path in files
        if (match := FROM_OUTSIDE.search(path.read_text(encoding="utf-8")))
    ]


def main() -> int:
    """Build, or look for dead links; return 0 if all is well."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dead-links", action="store_true", help="check every address outside instead")
    builder, folder = ("linkcheck", ROOT / "_build" / "links") if parser.parse_args().dead_links else ("html", SITE)
    lay_out()
    shutil.rmtree(folder, ignore_errors=True)
    sphinx = [sys.executable, "-m", "sphinx", "--builder", builder, "--conf-dir", ROOT / "docs", "--quiet"]
    strict = ["--nitpicky", "--fail-on-warning", "--fresh-env", "--doctree-dir", ROOT / "_build" / "doctrees"]
    if subprocess.run([*sphinx, *strict, PAGES, folder], cwd=ROOT).returncode:
        return 1
    outside = loaded_from_outside(folder)
    print("\n".join(outside) or f"{folder.relative_to(ROOT)}/ is built.", file=sys.stderr if outside else sys.stdout)
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
