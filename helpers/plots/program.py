"""The 2016 program: what a fetch pulls, its printed log, and how far apart two runs of it drift."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from helpers.figures import in_series_style
from helpers.plots.figure import BLUE, GREY, ORANGE, RED, new_figure

__all__ = ["distance_curves", "fetch_diagram", "printed_logs"]

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
    return figure


@in_series_style
def printed_logs(
    steps: Sequence[int], accuracies: Sequence[float], test: float, post: Sequence[float], post_test: float
) -> Figure:
    """Draw a run's printed log beside the one in the 2016 post.

    Args:
        steps: the steps at which this run printed the accuracy of its batch.
        accuracies: those accuracies, 0 to 1.
        test: this run's test accuracy, 0 to 1.
        post: the post's ten printed accuracies, at steps 0, 100, ..., 900.
        post_test: the post's test accuracy.

    Returns:
        The figure.
    """
    figure, axis = new_figure(height=3.6)
    last = max(900, *steps)
    for x, y, final, colour, marker, style, name in (
        (np.arange(0, 1_000, 100), post, post_test, ORANGE, "s", "--", "the post, 2016"),
        (steps, accuracies, test, BLUE, "o", "-", "this run"),
    ):
        axis.plot(x, y, color=colour, marker=marker, linestyle=style, label=f"{name}: one batch")
        axis.plot(
            1.1 * last, final, marker, color=colour, markersize=12, markeredgecolor="black", linestyle="none",
            label=f"{name}: test set",
        )  # fmt: skip
    axis.axhline(0.1, color=GREY, linestyle=":", linewidth=1.5)
    axis.annotate("guessing", (0.4 * last, 0.1), (0, 4), textcoords="offset points", color=GREY)
    top = max(0.52, 1.05 * max(test, *accuracies))
    axis.set(xlabel="step", ylabel="accuracy", ylim=(0, top), xlim=(-0.03 * last, 1.16 * last))
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ticks = [tick for tick in axis.get_xticks() if 0 <= tick <= last]
    axis.set_xticks([*ticks, 1.1 * last], [*(f"{tick:,.0f}" for tick in ticks), "test"])
    figure.legend(loc="outside upper center", ncols=2, fontsize=10, frameon=False)
    return figure


@in_series_style
def distance_curves(distances: Mapping[str, np.ndarray], names: Sequence[str]) -> Figure:
    """Draw how far apart the weights of twin runs are after each step, on logarithmic axes.

    Args:
        distances: for each setting, (steps, twins) distances from the first run, as a share of its weights' length.
            A distance of 0 cannot be drawn and is left out.
        names: one for each twin.

    Returns:
        The figure.
    """
    figure, axis = new_figure(height=4.2)
    looks = ((RED, "-", "--"), (BLUE, "-", "--"))
    for (setting, curves), (colour, *styles) in zip(distances.items(), looks, strict=True):
        for curve, name, style in zip(curves.T, names, styles, strict=True):
            step = np.arange(1, len(curve) + 1)
            label = f"{setting}, {name}"
            axis.plot(step, np.where(curve > 0, curve, np.nan), color=colour, linestyle=style, lw=1.6, label=label)
    steps = max(len(curves) for curves in distances.values())
    axis.axhline(1, color=GREY, linestyle=":", linewidth=1.5)
    axis.annotate("as far apart as the weights are long", (1.1, 1), (0, 4), textcoords="offset points", color=GREY)
    axis.set(xscale="log", yscale="log", xlim=(1, max(10, steps)), ylim=(1e-8, 10))
    axis.set(xlabel="step", ylabel="relative distance of the weights")
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    figure.legend(loc="outside upper center", ncols=2, fontsize=10, frameon=False)
    return figure
