"""The series as a static site, from the committed notebooks, without running them: `make site` calls Sphinx with this.

Every page keeps its place in the repository, so that a link between two files holds here, on GitHub and in JupyterLab.
The README is the home page. A warning of Sphinx, such as a link that leads nowhere, fails the build.
"""

import base64
import hashlib
import html
import posixpath
import re
import shutil
from pathlib import PurePosixPath

import nbformat

from tools import links

ROOT = links.ROOT
# The menu: headings, and beneath each what belongs there, in this order.
MENU = {
    "The series": ["notebooks/*.ipynb"],
    "To look up": ["docs/glossary.md", "docs/references.md", "docs/*.md"],
    "For instructors": ["coursework/*.md", "hub/*.md"],
    "Measurements": ["docs/measurements/*.md"],
    "The project": ["CONTRIBUTING.md", "CHANGELOG.md"],
}

project = "Ten Templates"
html_title = project
root_doc = "README"
include_patterns = ["README.md", *(pattern for patterns in MENU.values() for pattern in patterns)]
exclude_patterns = [".*", "_build", "my-notebooks"]  # not looked through

extensions = ["myst_nb", "sphinx_copybutton"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_merge_streams = True

linkcheck_timeout = 30
linkcheck_retries = 3
linkcheck_anchors = False  # many servers make their anchors in the browser only
linkcheck_ignore = [r"https://doi\.org/"]  # made to last, and the publishers behind them turn programs away

html_theme = "furo"
html_math_renderer = "mathml"
html_favicon = "static/icon.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_use_index = False
REPOSITORY = f"https://github.com/{links.ADDRESS}"
html_theme_options = {
    "footer_icons": [{"name": "The repository", "html": "Repository", "class": "", "url": REPOSITORY}]
}

LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)([^)\s]*)(?=\))")
BADGE = re.compile(r"\[!\[([^\]]*)\]\([^)]*\)\]")
ELSEWHERE = re.compile(r"<!-- not on the site -->.*?<!-- /not on the site -->\n", re.DOTALL)
INLINE = re.compile(r"data:image/(\w+);base64,([\w+/=]+)")
PICTURE = re.compile(r'<img [^>]*src="[^"]*/?_images/([^"]+)"')


def with_links_that_lead_somewhere(text: str, name: str) -> str:
    """Return a page's text in which links to files that are no pages lead to the repository."""

    def link(match: re.Match) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), match[1]))
        is_page = any(PurePosixPath(target).match(pattern) for pattern in include_patterns)
        if is_page or target.endswith((".png", ".svg")) or not (ROOT / target).exists():
            return match[0]
        return f"{REPOSITORY}/blob/main/{target}{match[2]}"

    return LINK.sub(link, text)


def home(text: str) -> str:
    """Return the README as the site's home: without badges and what is marked, with the menu."""
    text = links.TABLE.sub(lambda match: re.sub(r"(?m)\|[^|]*\|$", "|", match[0]), ELSEWHERE.sub("", text))
    for heading, patterns in MENU.items():
        listed = "\n".join(pattern.rpartition(".")[0] for pattern in patterns)
        text += f"\n```{{toctree}}\n:caption: {heading}\n:glob:\n:hidden:\n\n{listed}\n```\n"
    return text


def page(notebook, name: str):
    """Return the notebook as a page shows it: no cell for Colab, badges as words, a figure's sentence as its alt."""
    notebook.cells = [cell for cell in notebook.cells if not {"claims", "colab"} & set(cell.metadata.get("tags", []))]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_links_that_lead_somewhere(cell.source, name)
        if "badges" in cell.metadata.get("tags", []):
            cell.source = BADGE.sub(r"[\1]", cell.source).partition("[Read it as a page]")[0].replace(") [", ") · [")
        figures = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
        if figures:
            (figure,) = figures
            cell.metadata["mystnb"] = {"image": {"alt": figure.metadata["image/png"]["alt"]}}
            cell.outputs = [each for each in cell.outputs if "text/html" not in each.get("data", {}) or each is figure]
    return notebook


def read(app, name, source) -> None:
    """Put in place of a page's source what the site shows of it."""
    if app.env.doc2path(name).suffix == ".ipynb":
        source[0] = nbformat.writes(page(nbformat.reads(source[0], as_version=4), f"{name}.ipynb"))
    else:
        text = with_links_that_lead_somewhere(source[0], f"{name}.md")
        source[0] = home(text) if name == root_doc else text


def finish(app, name, template, context, doctree) -> None:
    """Describe a page to search engines, by its first paragraph, and let its pictures wait until they are scrolled to.

    Room is left for them. Pictures inside the page, as sliders bring them, become files, so that the text comes first.
    """
    import imagesize
    from docutils.nodes import paragraph

    body = context.get("body", "")
    if doctree and (first := next(doctree.findall(paragraph), None)):
        words = html.escape(" ".join(first.astext().split()))
        context["metatags"] += f'<meta name="description" content="{words}" />\n'
    seen = iter(range(len(body)))
    pictures = {shown: app.srcdir / path for path, shown in app.builder.images.items() if path.endswith(".png")}

    def picture(match: re.Match) -> str:
        room = 'width="{}" height="{}" '.format(*imagesize.get(pictures[match[1]])) if match[1] in pictures else ""
        later = 'loading="lazy" ' if next(seen) else ""  # the first is in sight
        return f"<img {room}{later}{match[0][5:]}"

    def file_of(match: re.Match) -> str:
        written = base64.b64decode(match[2])
        path = app.outdir / "_images" / f"{hashlib.sha256(written).hexdigest()[:16]}.{match[1]}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(written)
        return context["pathto"](f"_images/{path.name}", 1)

    if body:
        context["body"] = PICTURE.sub(picture, INLINE.sub(file_of, body))
    if tree := context.get("furo_navigation_tree"):  # the menu's headings, of which the theme states no level
        context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def formula(writer, node) -> None:
    """Write a formula as MathML, which browsers draw and screen readers speak without a script."""
    from docutils.nodes import SkipNode
    from docutils.utils.math.latex2mathml import tex2mathml

    block = node.tagname == "math_block"
    mathml = tex2mathml(node.astext(), as_block=block).replace("<mo>&Apply", '<mo rspace="0.17em">&Apply')  # "ln 10"
    writer.body.append(f"<div>{mathml}</div>" if block else mathml)
    raise SkipNode


def copy_home(app, error) -> None:
    """Let the home page answer for the site's address alone, too."""
    if not error and app.builder.name == "html":
        shutil.copy(app.outdir / "README.html", app.outdir / "index.html")


def setup(app) -> None:
    app.connect("source-read", read)
    app.connect("html-page-context", finish, priority=900)
    app.connect("build-finished", copy_home)
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
