"""How Sphinx turns the series into pages; `make site` (tools/build_site.py) lays out what it reads."""

import html
import re
import struct
from pathlib import Path

from tools import links

project = "Ten Templates"
author = "The Ten Templates authors"
html_title = project
language = "en"
root_doc = "index"

extensions = ["myst_nb", "sphinx_copybutton", "sphinx-mathjax-offline"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_merge_streams = True

linkcheck_timeout = 30
linkcheck_retries = 3
linkcheck_anchors = False  # many servers make their anchors in the browser only
linkcheck_ignore = [r"https://doi\.org/"]  # made to last, and the publishers behind them turn programs away

html_theme = "sphinx_book_theme"
html_favicon = "static/icon.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_use_index = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "repository_url": f"https://github.com/{links.address()}",
    "repository_branch": links.LEARNERS,
    "use_repository_button": True,
    "use_issues_button": True,
    "use_download_button": False,
    "home_page_in_toc": True,
    "navbar_persistent": [],
    "toc_title": "On this page",
    "launch_buttons": {
        "notebook_interface": "jupyterlab",
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
    },
}

TEXT = re.compile(r"<blockquote>.*?<p>(.*?)</p>|<p>(.*?)</p>", re.DOTALL)
PICTURE = re.compile(r'<img [^>]*src="[^"]*/?_images/([^"]+)"')
LATER = re.compile(r'<script (?=src="[^"]*_static/(?!documentation_options)|src="[^"]*searchindex)')
ICONS = re.compile(r"<script[^>]*fontawesome\.js[^>]*></script>")


def finish(app, name, template, context, doctree) -> None:
    """Give a page a description for search engines, and let its pictures wait until they are scrolled to.

    A notebook's lesson describes it; any other page's first paragraph does.
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

    if body:
        context["body"] = PICTURE.sub(picture, body)


def size_of(path: Path) -> tuple[int, int]:
    """Return (width, height) of a PNG file, in pixels."""
    with open(path, "rb") as file:
        return struct.unpack(">II", file.read(24)[16:])


def lighten(app, error) -> None:
    """Take out 1.5 MB of script for icons that the theme's fonts draw as well, and the home page's doubled title.

    All scripts but the first, of a few bytes, wait until the page is there to read.
    """
    if error is None and app.builder.name == "html":
        for path in app.outdir.rglob("*.html"):
            text = LATER.sub("<script defer ", ICONS.sub("", path.read_text(encoding="utf-8")))
            text = text.replace(f"<title>{project} &#8212; {project}", f"<title>{project}")
            path.write_text(text, encoding="utf-8")


def setup(app) -> None:
    app.connect("html-page-context", finish, priority=900)
    app.connect("build-finished", lighten)
