"""How Sphinx turns the series into pages; `make site` (tools/build_site.py) lays out what it reads."""

import base64
import hashlib
import html
import re
import struct
from pathlib import Path

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

from tools import links

project = "Ten Templates"
author = "The Ten Templates authors"
html_title = project
language = "en"
root_doc = "index"

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
REPOSITORY = {
    "name": "The repository",
    "html": "Repository",
    "class": "",
    "url": f"https://github.com/{links.address()}",
}
html_theme_options = {"footer_icons": [REPOSITORY]}

TEXT = re.compile(r"<blockquote>.*?<p>(.*?)</p>|<p>(.*?)</p>", re.DOTALL)
INLINE = re.compile(r"data:image/(\w+);base64,([\w+/=]+)")
PICTURE = re.compile(r'<img [^>]*src="[^"]*/?_images/([^"]+)"')


def finish(app, name, template, context, doctree) -> None:
    """Give a page a description for search engines, and let its pictures wait until they are scrolled to.

    A notebook's lesson describes it; any other page's first paragraph does. Pictures inside the page, as sliders bring
    them, become files, so that the text comes first.
    """
    body = context.get("body", "")
    if found := TEXT.search(body):
        words = html.unescape(re.sub(r"<[^>]+>", "", found[1] or found[2])).split()
        context["metatags"] += f'<meta name="description" content="{html.escape(" ".join(words))}" />\n'
    pictures = {shown: app.srcdir / path for path, shown in app.builder.images.items() if path.endswith(".png")}
    seen = iter(range(len(body)))

    def picture(match: re.Match) -> str:
        room = 'width="{}" height="{}" '.format(*size_of(pictures[match[1]])) if match[1] in pictures else ""
        later = 'loading="lazy" ' if next(seen) else ""
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


def size_of(path: Path) -> tuple[int, int]:
    """Return (width, height) of a PNG file, in pixels."""
    with open(path, "rb") as file:
        return struct.unpack(">II", file.read(24)[16:])


def formula(writer, node) -> None:
    """Write a formula as MathML, which browsers draw and screen readers speak without a script."""
    block = node.tagname == "math_block"
    mathml = tex2mathml(node.astext(), as_block=block).replace("<mo>&Apply", '<mo rspace="0.17em">&Apply')  # "ln 10"
    writer.body.append(f"<div>{mathml}</div>" if block else mathml)
    raise SkipNode


def setup(app) -> None:
    app.connect("html-page-context", finish, priority=900)
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
