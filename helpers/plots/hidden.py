"""The diagram of a hidden layer (notebook 10)."""

import numpy as np
from matplotlib.figure import Figure

from helpers.data import CLASSES, to_image
from helpers.figures import in_series_style
from helpers.plots.figure import BLUE, CLASS_COLOURS, GREY, new_figure

__all__ = ["network_diagram"]


@in_series_style
def network_diagram(image: np.ndarray, hidden_units: int) -> Figure:
    """Draw the two models side by side: image to ten scores, and image to hidden units to ten scores.

    Args:
        image: (3072,) uint8, the picture at the left of both.
        hidden_units: number of units, at most eight of which are drawn.

    Returns:
        The figure.
    """
    figure, panels = new_figure(1, 2, height=4.4, width=8.4, gridspec_kw={"width_ratios": [3, 4]})
    drawn = min(hidden_units, 8)
    places = {
        "units": np.linspace(0.86, 0.14, drawn) if drawn > 1 else np.array([0.5]),
        "scores": np.linspace(0.95, 0.05, 10),
    }
    for axis, columns in zip(panels, (("scores",), ("units", "scores")), strict=True):
        axis.set(xlim=(0, 1), ylim=(-0.08, 1.02))
        axis.axis("off")
        picture = axis.inset_axes([0.0, 0.387, 0.72 / (2 + len(columns)), 0.28])
        picture.imshow(to_image(image))
        picture.axis("off")
        left, before = 0.72 / (2 + len(columns)) + 0.03, np.full(1, 0.5)
        for column in columns:
            x = {("scores",): 0.72, ("units", "scores"): 0.78 if column == "scores" else 0.5}[columns]
            for start in before:
                for end in places[column]:
                    axis.plot([left, x - 0.03], [start, end], color=GREY, linewidth=0.6, alpha=0.45, linestyle="-")
            before, left = places[column], x + 0.03
            if column == "units":
                axis.plot(np.full(drawn, x), before, "o", color=BLUE, markersize=15)
                if hidden_units > drawn:
                    axis.text(x, 0.045, "⋮", ha="center", va="center", fontsize=16, color=BLUE)
                axis.text(x, -0.03, f"{hidden_units} unit{'s' * (hidden_units > 1)}", ha="center", va="top")
            else:
                for y, name, colour in zip(before, CLASSES, CLASS_COLOURS, strict=True):
                    axis.plot(x, y, "s", color=colour, markersize=9)
                    axis.text(x + 0.045, y, name, va="center", fontsize=10)
                axis.text(x + 0.06, -0.03, "10 scores", ha="center", va="top")
        below = {"transform": axis.transAxes, "ha": "center", "va": "top", "fontsize": 10}
        axis.text(0.36 / (2 + len(columns)), 0.375, "3,072\nnumbers", **below)
    panels[0].set_title("softmax regression")
    panels[1].set_title("with one hidden layer")
    figure.words = (
        "Two diagrams. Left, softmax: every number of the image is tied to each of ten scores. Right: the image is "
        "tied to the hidden units, and every unit to each of the ten scores."
    )
    return figure
