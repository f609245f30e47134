"""What every figure of the series shares: its sizes, and the ten classes' colours and markers."""

from helpers.figures import UNSEEN, SeriesFigure, new_figure, show_png  # noqa: F401

WIDTH = 8.0  # inches

# The same colour, marker and order for a class in every figure. Okabe and Ito's palette, safe for colour-blind
# readers, with two darker companions; no two neighbours share a marker, so none is told by colour alone.
CLASS_COLOURS = (
    "#0072B2", "#E69F00", "#56B4E9", "#000000", "#8C510A", "#CC79A7", "#009E73", "#D55E00", "#332288", "#999933",
)  # fmt: skip
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")

# For curves that are not classes: told apart by line style as well.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"
