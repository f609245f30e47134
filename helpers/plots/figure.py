"""What every figure of the series shares: how it is shown, its sizes, and the ten classes' colours and markers."""

import base64
import io
from html import escape

import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure

WIDTH = 8.0  # inches; at DPI dots an inch this fills a notebook's column
DPI = 100
UNSEEN = '<p style="position: absolute; width: 1px; height: 1px; overflow: hidden">{}</p>'
STYLE = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "figure.facecolor": "white",
    "legend.frameon": False,
    "lines.linewidth": 2,
    "image.interpolation": "nearest",
}

# The same colour, marker and order for a class in every figure. Okabe and Ito's palette, safe for colour-blind
# readers, with two darker companions; no two neighbours share a marker, so none is told by colour alone.
CLASS_COLOURS = (
    "#0072B2", "#E69F00", "#56B4E9", "#000000", "#8C510A", "#CC79A7", "#009E73", "#D55E00", "#332288", "#999933",
)  # fmt: skip
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")

# For curves that are not classes: told apart by line style as well.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"


def new_figure(rows: int = 1, columns: int = 1, *, height: float = 4.0, width: float = WIDTH, **options):
    """Return (figure, axes) in the series' style, laid out so that no label is clipped; sizes in inches."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **options)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # inches of white around everything
    return figure, axes


def show(figure: Figure, alt: str) -> None:
    """Show a figure below the cell, with `alt`, one or two sentences for those who cannot see it.

    The picture is part of the saved notebook, with the sentence as its alt text. JupyterLab shows pictures without
    their alt text (4.6 does), so a screen reader finds the sentence once more below, where nobody else sees it.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=DPI, metadata={"Software": None})
    plt.close(figure)
    show_png(picture.getvalue(), alt)


def show_png(png: bytes, alt: str) -> None:
    """Show a picture that is a PNG already, as `show` does a figure."""
    data = {"image/png": base64.b64encode(png).decode(), "text/plain": alt}
    display(data, raw=True, metadata={"image/png": {"alt": alt}})
    display({"text/html": UNSEEN.format(escape(alt)), "text/plain": ""}, raw=True)
