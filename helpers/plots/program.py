"""The 2016 program: what a fetch pulls."""

from collections.abc import Collection, Mapping

from matplotlib.figure import Figure

from helpers.figures import in_series_style
from helpers.plots.figure import BLUE, GREY, RED, new_figure

__all__ = ["fetch_diagram"]

# Where the parts of the program's graph stand in a panel, and which part needs which.
_PLACES = {
    "weights": (0.62, 0.0), "biases": (2.0, 0.0), "images": (3.38, 0.0), "logits": (1.1, 1.15), "labels": (3.3, 1.15),
    "losses": (1.1, 2.3), "correct": (3.3, 2.3), "train_step": (0.62, 3.45), "loss": (2.0, 3.45),
    "accuracy": (3.3, 3.45),
}  # fmt: skip
_NEEDS = {
    "logits": ("weights", "biases", "images"), "losses": ("logits", "labels"), "correct": ("logits", "labels"),
    "train_step": ("losses",), "loss": ("losses",), "accuracy": ("correct",),
}  # fmt: skip


@in_series_style
def fetch_diagram(pulled: Mapping[str, Collection[str]]) -> Figure:
    """Draw the program's graph once for each fetch, with the parts that it pulls filled and the others dashed.

    Args:
        pulled: for each fetch, by its name, the names of the parts that run. The parts are weights, biases, images,
            labels, logits, losses, loss, correct, accuracy and train_step.

    Returns:
        The figure.
    """
    figure, axes = new_figure(1, len(pulled), height=4.0, squeeze=False)
    for axis, (fetch, parts) in zip(axes[0], pulled.items(), strict=True):
        for part, sources in _NEEDS.items():
            for source in sources:
                runs = part in parts and source in parts
                look = {"color": BLUE, "lw": 1.8} if runs else {"color": GREY, "lw": 0.9, "linestyle": (0, (4, 3))}
                arrow = {"arrowstyle": "-|>", "shrinkA": 9, "shrinkB": 11, **look}
                axis.annotate("", _PLACES[part], _PLACES[source], arrowprops=arrow, zorder=1)
        if "train_step" in parts:
            arrow = {"arrowstyle": "-|>", "color": RED, "lw": 2.2, "connectionstyle": "arc3,rad=0.17"}
            start, end = (_PLACES["train_step"][0] - 0.45, 3.22), (_PLACES["weights"][0] - 0.35, 0.24)
            axis.annotate("", end, start, arrowprops=arrow, zorder=1)
            axis.text(
                0.22, 1.75, "changes weights, biases", rotation=90, color=RED, ha="center", va="center", fontsize=9.5
            )
        for part, (x, y) in _PLACES.items():
            if part in parts:
                text, box = ("white", "bold"), {"facecolor": BLUE, "edgecolor": BLUE}
            else:
                text, box = (GREY, "normal"), {"facecolor": "white", "edgecolor": GREY, "linestyle": "--"}
            box = {"boxstyle": "round,pad=0.3", **box}
            axis.text(x, y, part, ha="center", va="center", fontsize=9.5, color=text[0], weight=text[1], bbox=box)
        axis.set(xlim=(-0.15, 4.05), ylim=(-0.4, 3.85), title=f"run({fetch})")
        axis.axis("off")
    figure.supxlabel("filled: runs        dashed: left alone", fontsize=10)
    figure.words = " ".join(f"run({fetch}) runs {', '.join(parts)}." for fetch, parts in pulled.items())
    return figure
