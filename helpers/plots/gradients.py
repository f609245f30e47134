"""Figures of notebook 5: checking a gradient, following it, and what a batch knows of it."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from helpers.figures import in_series_style
from helpers.plots.figure import BLUE, GREEN, GREY, ORANGE, RED, new_figure

__all__ = ["descent_curves", "gradient_check", "gradient_noise", "loss_along_step", "loss_history"]


def _plain_ticks(axis, ticks) -> None:
    """Put `ticks`, written out in full, on a logarithmic axis (an `Axis`, such as `axes.xaxis`)."""
    axis.set_ticks(ticks, labels=[f"{tick:,g}" for tick in ticks])
    axis.set_minor_locator(NullLocator())


@in_series_style
def gradient_check(by_hand: np.ndarray, by_nudging: np.ndarray, by_tape: np.ndarray) -> Figure:
    """Draw the same k slopes, (k,) float64 each, computed in three ways: their values, and how far they differ.

    Slopes are in nats of loss per unit of weight.
    """
    figure, (values, gaps) = new_figure(1, 2, height=3.9)
    span = np.array([by_hand.min(), by_hand.max()])
    values.plot(span, span, color=GREY, linewidth=1, zorder=0)
    values.plot(by_hand, by_tape, "o", color=BLUE, markersize=10, markerfacecolor="none", label="tape")
    values.plot(by_hand, by_nudging, "x", color=RED, markersize=6, label="nudging")
    values.set(xlabel="slope by hand", ylabel="the same slope, another way", title="Three ways, one gradient")
    values.legend(loc="upper left", frameon=False)

    smallest = 1e-18  # a logarithmic axis has no room for 0
    numbers = np.arange(1, len(by_hand) + 1)
    for other, mark, colour, name in ((by_nudging, "x", RED, "nudging"), (by_tape, "o", BLUE, "tape")):
        gap = np.maximum(np.abs(other - by_hand), smallest)
        face = "none" if mark == "o" else colour
        gaps.semilogy(numbers, gap, mark, color=colour, markerfacecolor=face, label=name)
    gaps.axhline(np.abs(by_hand).mean(), color=GREY, linestyle="--", linewidth=1.5)
    gaps.text(1, np.abs(by_hand).mean() * 1.8, "size of the slopes themselves", color=GREY, fontsize=10)
    gaps.set(xlabel="which of the slopes", ylabel="difference from the slope by hand", title="How far they differ")
    gaps.set_ylim(smallest / 3, 10)
    return figure


@in_series_style
def loss_along_step(rates: np.ndarray, losses: np.ndarray, slope: float, marked: float) -> Figure:
    """Draw the loss after one step from zero weights, for steps of every length.

    Args:
        rates: (k,) learning rates in rising order, the first of them 0.
        losses: (k,) losses in nats after one step with each.
        slope: of the loss at rate 0, in nats per unit of learning rate; drawn as a straight line.
        marked: the learning rate to mark.
    """
    figure, axis = new_figure(height=3.8)
    axis.axhline(losses[0], color=GREY, linestyle=":", linewidth=1.5)
    axis.text(rates[-1], losses[0], "loss before the step", color=GREY, ha="right", va="bottom", fontsize=10)
    axis.plot(rates, losses, color=BLUE)
    bottom = losses.min() - 0.35 * np.ptp(losses)
    end = min((losses[0] - bottom) / -slope, rates[-1])
    axis.plot([0, end], [losses[0], losses[0] + slope * end], color=RED, linestyle="--")
    axis.text(end * 0.97, bottom + 0.02 * np.ptp(losses), "  what the gradient sees", color=RED, va="bottom")
    axis.text(rates[-1], losses[-1], "what happens  ", color=BLUE, ha="right", va="center")
    lowest = int(np.argmin(losses))
    axis.plot(rates[lowest], losses[lowest], "v", color=GREEN, markersize=8)
    axis.annotate(
        f"lowest at {rates[lowest]:.2f}", (rates[lowest], losses[lowest]), (6, 14), textcoords="offset points",
        color=GREEN, ha="center",
    )  # fmt: skip
    if rates[0] < marked < rates[-1]:
        height = np.interp(marked, rates, losses)
        axis.plot(marked, height, "o", color=BLUE, markersize=15, markerfacecolor="none", markeredgewidth=2)
        axis.annotate(
            f"learning_rate = {marked:g}", (marked, height), (12, -16), textcoords="offset points", color=BLUE,
        )  # fmt: skip
    axis.set(xlabel="learning rate of the one step", ylabel="loss after the step (nats)", ylim=(bottom, None))
    axis.set_xlim(0, rates[-1])
    return figure


@in_series_style
def descent_curves(curves: dict[float, list[float]]) -> Figure:
    """Draw the loss (nats) before every step, one curve for each learning rate, on a logarithmic scale."""
    figure, axis = new_figure(height=3.8)
    start = next(iter(curves.values()))[0]
    axis.axhline(start, color=GREY, linestyle=":", linewidth=1.5)
    looks = ((ORANGE, "-", "s"), (BLUE, "-", "o"), (RED, "--", "^"))
    for (rate, losses), (colour, line, marker) in zip(curves.items(), looks, strict=True):
        axis.plot(losses, color=colour, linestyle=line, marker=marker, markersize=4, label=f"learning rate {rate:g}")
    axis.set_yscale("log")
    _plain_ticks(axis.yaxis, [1, 1.5, 2, 3, 4, 6, 8])
    axis.set_ylim(1, None)
    axis.text(len(losses) - 1, start, "guessing: ln 10", color=GREY, ha="right", va="bottom", fontsize=10)
    axis.set(xlabel="step", ylabel="loss before the step (nats)")
    axis.legend(loc="upper right", frameon=False)
    return figure


@in_series_style
def gradient_noise(batch_sizes, curves: dict[str, list[np.ndarray]]) -> Figure:
    """Draw how well batch gradients agree with the full gradient, for one or two moments of training.

    Args:
        batch_sizes: k batch sizes in rising order.
        curves: by the name of a moment, for each size the cosines, (r,), of r batches.
    """
    figure, axis = new_figure(height=4.0)
    apart = 1.06 if len(curves) > 1 else 1.0  # two curves stand a little to either side
    looks = ((BLUE, "o", "-", 1 / apart), (ORANGE, "s", "--", apart))
    for (name, cosines), (colour, marker, line, aside) in zip(curves.items(), looks, strict=False):
        sizes = np.array(batch_sizes) * aside
        for size, row in zip(sizes, cosines, strict=True):
            axis.plot([size] * len(row), row, marker, color=colour, markersize=4, alpha=0.4)
        axis.plot(sizes, [np.mean(row) for row in cosines], marker + line, color=colour, markersize=9, label=name)
    for height, meaning in ((1, "the same\ndirection"), (0, "right\nangles")):
        axis.axhline(height, color=GREY, linewidth=1, zorder=0)
        axis.text(1.01, height, meaning, transform=axis.get_yaxis_transform(), color=GREY, va="center", fontsize=10)
    axis.set_xscale("log")
    _plain_ticks(axis.xaxis, batch_sizes)
    axis.set(xlabel="images in the batch", ylabel="cosine with the full gradient")
    if len(curves) > 1:
        axis.legend(loc="upper left", bbox_to_anchor=(0, 0.95), frameon=False)
    return figure


@in_series_style
def loss_history(losses: np.ndarray, window: int = 50) -> Figure:
    """Draw each step's batch loss (nats) as a dot, and as a line the mean of the last `window` steps."""
    figure, axis = new_figure(height=3.8)
    losses = np.asarray(losses)
    axis.axhline(losses[0], color=GREY, linestyle=":", linewidth=1.5)
    axis.text(len(losses), losses[0], "guessing: ln 10", color=GREY, ha="right", va="bottom", fontsize=10)
    finite = losses[np.isfinite(losses)]
    span = np.ptp(finite) or 1.0
    axis.set_ylim(finite.min() - 0.05 * span, finite.max() + 0.2 * span)
    axis.plot(losses, ".", color=BLUE, alpha=0.45, markersize=5, label="loss of each batch, before its update")
    window = min(window, len(losses))
    means = np.convolve(losses, np.full(window, 1 / window), mode="valid")
    axis.plot(np.arange(window - 1, len(losses)), means, color=RED, linewidth=3, label=f"mean of {window} steps")
    axis.set(xlabel="step", ylabel="loss (nats)")
    axis.legend(loc="upper right", ncols=2, frameon=False)
    return figure
