"""Write every link and badge from the one address in pyproject.toml.

    python -m tools.links                 make README and notebooks agree with pyproject.toml
    python -m tools.links OWNER/NAME      move to another address
    python -m tools.links --check         change nothing; exit 1 where something disagrees

Generated are: the README's table of notebooks, between its markers, from each notebook's own header; in each notebook
the cell tagged `badges` and the cell tagged `colab`; and the addresses in other prose (the README, hub/README.md, ...)
and the version in CITATION.cff.
"""

import re
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
TABLE = re.compile(r"(<!-- notebooks -->\n).*?(<!-- /notebooks -->)", re.DOTALL)
LEARNERS = "learner"  # the branch without outputs, which CI makes from main: see tools/working_copy.py
HEADER = re.compile(r"# (?P<number>\d+) · (?P<title>.+)\n\n> (?P<lesson>.+)\n")
MINUTES = re.compile(r"\*\*Time\*\* about (\d+) minutes")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def address() -> str:
    """Return OWNER/NAME as pyproject.toml has it."""
    return project()["urls"]["Repository"].removeprefix("https://github.com/")


def site(where: str) -> str:
    """Return the address at which GitHub Pages publishes what `make site` builds."""
    owner, _, name = where.partition("/")
    return f"https://{owner.lower()}.github.io/{name}"


def moved(text: str, where: str) -> str:
    """Return `text` with the repository's address, and that of its pages, replaced by those for `where`."""
    return text.replace(site(address()), site(where)).replace(address(), where)


def badges(path: Path, where: str) -> str:
    """Return the badges that open the notebook at `path` on Binder and on Colab."""
    binder = f"https://mybinder.org/v2/gh/{where}/{LEARNERS}?urlpath=lab/tree/notebooks/{path.name}"
    colab = f"https://colab.research.google.com/github/{where}/blob/{LEARNERS}/notebooks/{path.name}"
    return (
        f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder}) "
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})"
    )


def doors(path: Path, where: str) -> str:
    """Return what stands below a notebook's header: where else to open it, where to read it, where to look words up."""
    page = f"[Read it as a page]({site(where)}/notebooks/{path.stem}.html)"
    return f"{badges(path, where)} {page} · [Glossary]({site(where)}/docs/glossary.html)"


def colab_cell(where: str) -> str:
    """Return the code that fetches the helpers on Colab and does nothing elsewhere."""
    return (
        "# @title On Google Colab, run this cell first: it fetches the helpers and the data.\n"
        "import sys\n\n"
        'if "google.colab" in sys.modules:  # anywhere else, this cell does nothing\n'
        "    %pip install --quiet --no-deps anywidget psygnal\n"
        f"    %pip install --quiet --no-deps git+https://github.com/{where}\n"
        "    from helpers.colab import prepare\n\n"
        "    prepare()"
    )


def notebooks() -> list[Path]:
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def table(where: str) -> str:
    """Return the README's table of notebooks, each row from that notebook's header cell."""
    rows = ["| No. | Notebook | What you learn | Minutes | Open |", "|---|---|---|---|---|"]
    for path in notebooks():
        source = nbformat.read(path, as_version=4).cells[0].source
        header, minutes = HEADER.match(source), MINUTES.search(source)
        link = f"[{header['title']}](notebooks/{path.name})"
        rows.append(f"| {header['number']} | {link} | {header['lesson']} | {minutes[1]} | {badges(path, where)} |")
    return "\n".join(rows) + "\n"


def expected(where: str) -> dict[Path, str]:
    """Return what every file that names the address must contain for the address `where`."""
    named = [
        *ROOT.glob("*.md"),
        *ROOT.glob("[!_.]*/**/*.md"),
        *(ROOT / name for name in ("CITATION.cff", "environment.yml", "pyproject.toml")),
    ]
    texts = {path: moved(path.read_text(encoding="utf-8"), where) for path in named}
    texts[README] = TABLE.sub(lambda match: match[1] + table(where) + match[2], texts[README])
    citation = ROOT / "CITATION.cff"
    texts[citation] = re.sub(r"(?m)^version: .+$", f"version: {project()['version']}", texts[citation])
    for path in notebooks():
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            tags = cell.metadata.get("tags", [])
            if "badges" in tags:
                cell.source = doors(path, where)
            elif "colab" in tags:
                cell.source = colab_cell(where)
                cell.metadata |= {"cellView": "form", "jupyter": {"source_hidden": True}}  # on Colab; in JupyterLab
            elif cell.cell_type == "markdown":
                cell.source = moved(cell.source, where)
        texts[path] = nbformat.writes(notebook) + "\n"
    return texts


def main(arguments: list[str]) -> int:
    """Check or write; return the exit code."""
    check = arguments == ["--check"]
    where = address() if check or not arguments else arguments[0]
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", where):
        print(f"{where!r} is no address. Give it as OWNER/NAME, such as {address()}.", file=sys.stderr)
        return 2
    stale = {path: text for path, text in expected(where).items() if path.read_text(encoding="utf-8") != text}
    for path, text in stale.items():
        if not check:
            path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {'disagrees; run make links' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
