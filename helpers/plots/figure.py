"""What the figures of the series share: sizes, the classes' colours and markers, and how diagrams are drawn."""

import numpy as np
from matplotlib.patches import Rectangle

from helpers.figures import UNSEEN, SeriesFigure, new_figure, show_png  # noqa: F401

WIDTH = 8.0  # inches
SMALL = 9.5  # points

# The same colour, marker and order for a class in every figure. Okabe and Ito's palette, safe for colour-blind
# readers, with two darker companions; no two neighbours share a marker, so none is told by colour alone.
CLASS_COLOURS = (
    "#0072B2", "#E69F00", "#56B4E9", "#000000", "#8C510A", "#CC79A7", "#009E73", "#D55E00", "#332288", "#999933",
)  # fmt: skip
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")

# For curves that are not classes: told apart by line style as well.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"


def drawing(height: float):
    """Return a figure and one axis without frame, measured in inches from its lower left corner."""
    figure, axis = new_figure(height=height)
    axis.set(xlim=(0, WIDTH), ylim=(0, height))
    axis.axis("off")
    return figure, axis


def write(axis, x: float, y: float, text: str, **style) -> None:
    """Write a text around a place, or with `ha` beside it."""
    axis.text(x, y, text, **{"ha": "center", "va": "center", "fontsize": 11} | style)


def put(axis, picture: np.ndarray, left: float, bottom: float, size: float, **style) -> None:
    """Put a picture into a drawing; position and size in inches."""
    extent = (left, left + size, bottom, bottom + size)
    axis.imshow(picture, extent=extent, aspect="auto", interpolation="nearest", zorder=2, **style)


def shade(axis, left: float, bottom: float, width: float, height: float, colour: str) -> None:
    """Lay a light colour over a part of a drawing; position and size in inches."""
    axis.add_patch(Rectangle((left, bottom), width, height, color=colour, alpha=0.13, linewidth=0))
