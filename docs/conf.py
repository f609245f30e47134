"""How Sphinx turns the series into pages; `make site` (tools/build_site.py) lays out what it reads."""

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
