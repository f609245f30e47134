"""The hidden layer: its diagram, its training beside the softmax's, what it gains, and how it reaches an answer."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from helpers.data import CLASSES, to_image
from helpers.figures import in_series_style
from helpers.plots.figure import BLUE, CLASS_COLOURS, GREEN, GREY, ORANGE, RED, new_figure
from helpers.plots.templates import signed_image, usual_scale

__all__ = ["answer_path", "class_gains", "network_curves", "network_diagram", "start_losses", "width_curves"]


def _average(values: np.ndarray, window: int) -> np.ndarray:
    """Return the mean of each `window` neighbours of (n,) values: (n - window + 1,) float64."""
    return np.convolve(np.asarray(values, np.float64), np.ones(window) / window, mode="valid")


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
                    axis.plot([left, x - 0.03], [start, end], color=GREY, linewidth=0.6, alpha=0.45)
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
    return figure


@in_series_style
def start_losses(losses: dict[str, np.ndarray], window: int = 10) -> Figure:
    """Draw the loss of up to three runs, averaged over `window` steps, against steps.

    Args:
        losses: the name of each start, and (steps,) losses in nats.
        window: steps to average over.

    Returns:
        The figure.
    """
    figure, axis = new_figure(height=3.6)
    looks = ((RED, "-", "s"), (ORANGE, "--", "^"), (BLUE, "-", "o"))
    for (name, values), (colour, line, marker) in zip(losses.items(), looks, strict=False):
        smooth = _average(values, min(window, len(values)))
        steps = np.arange(len(smooth)) + min(window, len(values)) / 2
        axis.plot(steps, smooth, line, color=colour, marker=marker, markevery=max(1, len(smooth) // 8), label=name)
    axis.set(xlabel="step", ylabel="loss (nats)")
    axis.margins(y=0.12)
    axis.axhline(np.log(10), color=GREY, linestyle=":", linewidth=1.5, zorder=0, label="guessing: ln 10")
    figure.legend(loc="outside upper center", ncols=4, fontsize=10, frameon=False)
    return figure


@in_series_style
def network_curves(runs: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]], window: int) -> Figure:
    """Draw training and validation accuracy of up to two models against steps, the gap between the two shaded.

    Args:
        runs: name, and (batch accuracies (steps,), steps of the looks (k,), validation accuracies (k,)), 0 to 1.
        window: the steps before each step to average the batch accuracy over, such as one epoch.

    Returns:
        The figure.
    """
    figure, axis = new_figure(height=4.2)
    for (name, (batches, looks, validation)), colour, marker in zip(runs.items(), (ORANGE, BLUE), "so", strict=False):
        wide = max(1, min(window, len(batches) // 2))
        training = _average(batches, wide)
        steps = np.arange(len(training)) + wide
        inside = (steps >= looks[0]) & (steps <= looks[-1])
        held_out = np.interp(steps[inside], looks, validation)
        gap = training[inside] > held_out
        axis.fill_between(steps[inside], held_out, training[inside], where=gap, color=colour, alpha=0.15, lw=0)
        axis.plot(steps, training, color=colour, label=f"{name}, training")
        axis.plot(looks, validation, marker + "--", color=colour, markersize=6, label=f"{name}, validation")
        axis.annotate(name, (looks[-1], validation[-1]), (9, -3), textcoords="offset points", color="black")
    axis.axhline(0.1, color="black", linestyle=":", linewidth=1.5)
    axis.annotate("guessing", (0, 0.1), (2, 4), textcoords="offset points")
    axis.set(xlabel="step", ylabel="accuracy", xlim=(0, None), ylim=(0, None))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.legend(loc="outside upper center", ncols=4, fontsize=10, columnspacing=1.2, frameon=False)
    return figure


@in_series_style
def width_curves(
    widths: Sequence[int], training: Sequence[float], validation: Sequence[float], softmax: float
) -> Figure:
    """Draw training and validation accuracy (0 to 1) against the number of hidden units, and the softmax's as a line.

    Args:
        widths: numbers of hidden units, rising.
        training, validation: accuracies, one a width.
        softmax: validation accuracy without a hidden layer.

    Returns:
        The figure.
    """
    figure, axis = new_figure(height=3.9)
    axis.fill_between(widths, training, validation, color=GREY, alpha=0.15, lw=0, label="the gap")
    axis.plot(widths, training, "o-", color=BLUE, markersize=7, label="training set")
    axis.plot(widths, validation, "s--", color=ORANGE, markersize=7, label="validation set")
    axis.axhline(softmax, color=GREEN, linestyle="-.", linewidth=1.5, label="softmax, validation set")
    axis.set_xscale("log")
    axis.set_xticks(widths, [f"{width:,}" for width in widths])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.set(xlabel="hidden units, logarithmic scale", ylabel="accuracy")
    figure.legend(loc="outside upper center", ncols=4, fontsize=10, frameon=False)
    return figure


@in_series_style
def class_gains(before: np.ndarray, after: np.ndarray) -> Figure:
    """Draw each class's accuracy (10,), 0 to 1, without and with a hidden layer as two bars, and the gain in points."""
    figure, axis = new_figure(height=4.0)
    place = np.arange(10)
    axis.bar(place - 0.2, before, 0.38, color="white", edgecolor=GREY, hatch="////", linewidth=1, label="softmax")
    axis.bar(place + 0.2, after, 0.38, color=BLUE, label="with a hidden layer")
    for x, old, new in zip(place, before, after, strict=True):
        axis.text(x, max(old, new) + 0.012, f"{100 * (new - old):+.0f}".replace("-", "−"), ha="center", weight="bold")
    axis.set_xticks(place, CLASSES)
    axis.tick_params(axis="x", length=0)
    axis.set(ylabel="test accuracy", ylim=(0, max(np.max(before), np.max(after)) + 0.08))
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


@in_series_style
def answer_path(
    image: np.ndarray,
    templates: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    scores: np.ndarray,
    label: int,
) -> Figure:
    """Draw how one image reaches an answer: the image, the chosen units' parts in one score, and the ten scores.

    Args:
        image: (3072,) uint8.
        templates: (3072, k), the pictures of the k units to draw.
        values: (k,), what each unit says to the image.
        weights: (k,), from each unit to the score of the class `label`.
        scores: (10,) logits.
        label: the class, 0 to 9, whose score is taken apart.

    Returns:
        The figure.
    """
    figure, axes = new_figure(height=4.0)
    axes.axis("off")
    picture = axes.inset_axes([0.0, 0.28, 0.2, 0.4])
    picture.imshow(to_image(image))
    picture.set_title("the image", fontsize=11)
    picture.axis("off")
    bars = axes.inset_axes([0.74, 0.06, 0.26, 0.84])
    bars.barh(range(10), scores, color=[CLASS_COLOURS[label] if c == label else "#BBBBBB" for c in range(10)])
    bars.axvline(0, color="black", linewidth=1)
    bars.set_yticks(range(10), CLASSES, fontsize=10)
    bars.get_yticklabels()[label].set_weight("bold")
    bars.invert_yaxis()
    bars.tick_params(axis="y", length=0)
    bars.spines[["top", "right", "left"]].set_visible(False)
    bars.set_title("ten scores", fontsize=11)
    axes.text(0.45, 0.93, f"value × weight to {CLASSES[label]}", ha="center", fontsize=11)
    scale, height = usual_scale(templates), 0.88 / len(values)
    for i, (template, value, weight) in enumerate(zip(templates.T, values, weights, strict=True)):
        middle = 0.88 - (i + 0.5) * height
        unit = axes.inset_axes([0.28, middle - 0.12, 0.12, 0.24])
        unit.imshow(signed_image(template, scale))
        unit.axis("off")
        sum_ = f"{value:.1f} × {weight:.2f} = {value * weight:.1f}".replace("-", "−")
        axes.text(0.415, middle, sum_, va="center", fontsize=11)
        line = {"color": GREY, "linewidth": 0.8, "alpha": 0.7}
        figure.add_artist(ConnectionPatch((1.0, 0.5), (0.0, 0.5), picture.transAxes, unit.transAxes, **line))
        to_score = ConnectionPatch((0.6, middle), (-0.28, label), axes.transAxes, bars.get_yaxis_transform(), **line)
        figure.add_artist(to_score)
    return figure
