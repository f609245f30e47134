"""Write every link and badge from the one address in pyproject.toml.

    python -m tools.links                 make README and notebooks agree with pyproject.toml
    python -m tools.links OWNER/NAME      move to another address

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
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"].removeprefix("https://github.com/")  # OWNER/NAME
TABLE = re.compile(r"(<!-- notebooks -->\n).*?(<!-- /notebooks -->)", re.DOTALL)
LEARNERS = "learner"  # the branch without outputs, which CI makes from main: see tools/working_copy.py
HEADER = re.compile(r"# (\d+) · (.+)\n\n> (.+)\n(?:.*\n)*?\*\*Time\*\* about (\d+) minutes")


def site(where: str) -> str:
    """Return the address at which GitHub Pages publishes what `make site` builds."""
    owner, _, name = where.partition("/")
    return f"https://{owner.lower()}.github.io/{name}"


def badges(name: str, where: str) -> str:
    """Return the badges that open the notebook of that file name on Binder and on Colab."""
    binder = f"https://mybinder.org/v2/gh/{where}/{LEARNERS}?urlpath=lab/tree/notebooks/{name}"
    colab = f"https://colab.research.google.com/github/{where}/blob/{LEARNERS}/notebooks/{name}"
    return (
        f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder}) "
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})"
    )


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


def expected(where: str) -> dict[Path, str]:
    """Return what every file that names the address must contain for the address `where`."""

    def moved(text: str) -> str:
        return text.replace(site(ADDRESS), site(where)).replace(ADDRESS, where)

    readme, citation, *others = (
        ROOT / name for name in ("README.md", "CITATION.cff", "environment.yml", "pyproject.toml")
    )
    named = {readme, citation, *others, *ROOT.glob("*.md"), *ROOT.glob("[!_.]*/**/*.md")}
    texts = {path: moved(path.read_text(encoding="utf-8")) for path in named}
    texts[citation] = re.sub(r"(?m)^version: .+$", f"version: {PROJECT['version']}", texts[citation])
    table = "| No. | Notebook | What you learn | Minutes | Open |\n|---|---|---|---|---|\n"
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook, buttons = nbformat.read(path, as_version=4), badges(path.name, where)
        number, title, lesson, minutes = HEADER.match(notebook.cells[0].source).groups()
        table += f"| {number} | [{title}](notebooks/{path.name}) | {lesson} | {minutes} | {buttons} |\n"
        for cell in notebook.cells:
            tags = cell.metadata.get("tags", [])
            if "badges" in tags:  # where else to open it, where to read it, where to look words up
                page = f"[Read it as a page]({site(where)}/notebooks/{path.stem}.html)"
                cell.source = f"{buttons} {page} · [Glossary]({site(where)}/docs/glossary.html)"
            elif "colab" in tags:
                cell.source = colab_cell(where)
                cell.metadata |= {"cellView": "form", "jupyter": {"source_hidden": True}}  # on Colab; in JupyterLab
            elif cell.cell_type == "markdown":
                cell.source = moved(cell.source)
        texts[path] = nbformat.writes(notebook) + "\n"
    texts[readme] = TABLE.sub(lambda match: match[1] + table + match[2], texts[readme])
    return texts


def main(where: str) -> int:
    """Write what does not agree with the address `where`; return the exit code."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", where):
        print(f"{where!r} is no address. Give it as OWNER/NAME, such as {ADDRESS}.", file=sys.stderr)
        return 2
    for path, text in expected(where).items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or [ADDRESS]))
