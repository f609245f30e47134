"""Curves: accuracy and loss against steps, settings, and number of images, each with the noise of its estimate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from helpers.figures import in_series_style
from helpers.plots.figure import BLUE, GREEN, GREY, ORANGE, RED, new_figure

if TYPE_CHECKING:  # a Run is only read here: no need to wait for TensorFlow
    from helpers.softmax import Run

__all__ = [
    "batch_histogram",
    "compare_runs",
    "learning_curve",
    "overfitting_curves",
    "seed_spread",
    "step_budgets",
    "sweep",
    "training_curves",
]

GUESSING = np.log(10)  # the loss, in nats, of giving every class the probability 1/10


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Return the mean of up to `window` neighbours around each of (n,) values, (n,) float64; fewer at the ends."""
    half = max(0, min(window, len(values)) // 2)
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    position = np.arange(len(values))
    first, last = np.maximum(position - half, 0), np.minimum(position + half + 1, len(values))
    return (total[last] - total[first]) / (last - first)


def _error(accuracy: np.ndarray, images: int) -> np.ndarray:
    """Return the standard error of an accuracy (0 to 1) that was measured on so many images."""
    accuracy = np.asarray(accuracy)
    return np.sqrt(accuracy * (1 - accuracy) / images)


def _percent(axis, label: str = "accuracy") -> None:
    axis.set_ylabel(label)
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _plain(axis, ticks: Sequence[float]) -> None:
    """Make the x axis logarithmic, with these ticks written out."""
    axis.set_xscale("log")
    axis.set_xticks(ticks)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


@in_series_style
def training_curves(run: Run, batch_size: int):
    """Draw a run's accuracy (with the noise band of one batch) and, beside it, its loss, against steps.

    Args:
        run: with validation looks.
        batch_size: images a step; the band is one standard error of so many, around the smoothed accuracy.

    Returns:
        The figure.
    """
    figure, (left, right) = new_figure(1, 2, height=4.2)
    step, window = np.arange(run.step), max(1, run.step // 20)
    accuracy = smooth(run.accuracy, window)
    band = _error(accuracy, batch_size)
    left.plot(step, run.accuracy, ".", color=GREY, markersize=2.5, alpha=0.5, label="one training batch")
    left.fill_between(step, accuracy - band, accuracy + band, color=BLUE, alpha=0.2, lw=0, label="its noise band")
    left.plot(step, accuracy, color=BLUE, label=f"training, {window}-step average")
    left.plot(run.validation_step, run.validation_accuracy, "s--", color=ORANGE, markersize=5, label="validation set")
    _percent(left)
    right.plot(step, run.loss, ".", color=GREY, markersize=2.5, alpha=0.5)
    right.plot(step, smooth(run.loss, window), color=BLUE)
    right.plot(run.validation_step, run.validation_loss, "s--", color=ORANGE, markersize=5)
    right.axhline(GUESSING, color="black", linestyle=":", linewidth=1.5)
    right.annotate("guessing: ln 10", (run.step, GUESSING), (0, 4), textcoords="offset points", ha="right")
    right.set_ylabel("loss (nats)")
    high = float(np.nanpercentile(run.loss, 99.5)) * 1.05
    right.set_ylim(min(1.2, float(np.nanmin(run.loss))), max(2.5, high))
    for axis in (left, right):
        axis.set_xlabel("step")
    figure.legend(loc="outside upper center", ncols=4, fontsize=10, handletextpad=0.4, columnspacing=1.2)
    return figure


@in_series_style
def batch_histogram(accuracies: np.ndarray, expected: float, error: float):
    """Draw how often batches reach which accuracy, with one standard error to each side of the expected value.

    Args:
        accuracies: (n,) float, 0 to 1, one a batch.
        expected: the accuracy over all images, 0 to 1.
        error: standard error by the formula, 0 to 1.

    Returns:
        The figure.
    """
    figure, axis = new_figure(height=3.4)
    values, counts = np.unique(np.round(accuracies, 6), return_counts=True)
    gap = np.diff(values).min() if len(values) > 1 else 0.01
    axis.bar(values, counts / counts.sum(), width=0.8 * gap, color=GREY, zorder=2)
    axis.axvspan(expected - error, expected + error, color=BLUE, alpha=0.2, lw=0, zorder=1)
    axis.axvline(expected, color=BLUE)
    top = axis.get_ylim()[1] * 1.22
    axis.set_ylim(0, top)
    axis.text(expected, 0.97 * top, " all images", color=BLUE, va="top")
    axis.annotate("", (expected - error, 0.86 * top), (expected + error, 0.86 * top), arrowprops={"arrowstyle": "<->"})
    axis.text(expected + error, 0.86 * top, "  ± one standard error", va="center")
    axis.set_xlabel("accuracy of one batch")
    axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.set_ylabel("share of the batches")
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


@in_series_style
def compare_runs(runs: dict[str, Run]):
    """Draw up to three runs in one frame: smoothed batch accuracy, and loss on a logarithmic scale, against steps.

    Args:
        runs: name of each run, and the run.

    Returns:
        The figure.
    """
    figure, (left, right) = new_figure(1, 2, height=4.2)
    for (name, run), colour, line in zip(runs.items(), (RED, BLUE, GREEN), ("-", "--", "-."), strict=False):
        step, window = np.arange(run.step), max(1, run.step // 50)
        left.plot(step, smooth(run.accuracy, window), line, color=colour, label=name)
        right.plot(step, np.maximum(run.loss, 1e-3), line, color=colour, linewidth=1.2)
    _percent(left, "accuracy, moving average")
    left.set_ylim(0, 0.5)
    right.axhline(GUESSING, color="black", linestyle=":", linewidth=1.5)
    right.annotate("guessing: ln 10", (run.step, GUESSING), (0, 4), textcoords="offset points", ha="right")
    right.set_yscale("log")
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    right.set_ylabel("loss (nats), logarithmic scale")
    for axis in (left, right):
        axis.set_xlabel("step")
    figure.legend(loc="outside upper center", ncols=3, fontsize=10)
    return figure


@in_series_style
def seed_spread(accuracies: Sequence[float], images: int):
    """Draw the validation accuracy of runs that differ in their seed alone, each ± one standard error.

    Args:
        accuracies: one a run, 0 to 1.
        images: number of images each was measured on.

    Returns:
        The figure.
    """
    figure, axis = new_figure(height=2.8)
    seeds, mean = np.arange(len(accuracies)), float(np.mean(accuracies))
    axis.axhspan(mean - _error(mean, images), mean + _error(mean, images), color=ORANGE, alpha=0.15, lw=0)
    axis.axhline(mean, color=ORANGE, linestyle="--", linewidth=1.5)
    axis.plot(seeds, accuracies, "s", color=ORANGE, markersize=9)
    note = f"dashed: their mean; band: ± one standard error of {images:,} images"
    axis.text(len(seeds) - 0.55, mean + 1.2 * _error(mean, images), note, ha="right", va="bottom", fontsize=10)
    axis.set_xlim(-0.5, len(seeds) - 0.5)
    reach = max(0.025, 1.5 * float(np.ptp(accuracies)))
    axis.set_ylim(mean - reach, mean + reach)
    axis.set_xticks(seeds, [f"run {seed + 1}" for seed in seeds])
    _percent(axis, "validation accuracy")
    return figure


@in_series_style
def sweep(values: Sequence[float], curves: dict[str, Sequence[Run]], label: str, images: int, training: bool = False):
    """Draw final validation accuracy against a hyperparameter, each point ± one standard error of the estimate.

    The band marks what lies within one standard error of the best; a cross marks a run that diverges.

    Args:
        values: of the hyperparameter; a 0 among them is drawn at the left end of the logarithmic axis.
        curves: name, and one run a value (a curve may end early); the runs have a validation look at their end.
        label: of the x axis.
        images: number of validation images.
        training: also draw the mean batch accuracy of each run's last tenth.

    Returns:
        The figure.
    """
    figure, axis = new_figure(height=4.0)
    smallest = min(value for value in values if value > 0)
    place = np.array([value or smallest / 5 for value in values])
    best = max(run.validation_accuracy[-1] for runs in curves.values() for run in runs)
    axis.axhspan(best - _error(best, images), best + _error(best, images), color=ORANGE, alpha=0.15, lw=0,
                 label="ties with the best")  # fmt: skip
    crossed = False
    for (name, runs), colour, line in zip(curves.items(), (ORANGE, GREEN), ("s--", "^:"), strict=False):
        accuracy = np.array([run.validation_accuracy[-1] for run in runs])
        axis.errorbar(place[: len(runs)], accuracy, _error(accuracy, images), fmt=line, color=colour, capsize=4,
                      markersize=7, label=name)  # fmt: skip
        wild = np.array([run.diverged for run in runs])
        if wild.any():
            axis.plot(place[: len(runs)][wild], accuracy[wild], "X", color="black", markersize=13, zorder=5,
                      markeredgecolor="white", label=None if crossed else "diverges")  # fmt: skip
            crossed = True
        if training:
            learned = [run.accuracy[-max(1, run.step // 10) :].mean() for run in runs]
            axis.plot(place[: len(runs)], learned, "o-", color=BLUE, markersize=7, label="training batches")
    _plain(axis, place)
    axis.set_xticks(place, [f"{float(f'{value:.3g}'):,.10g}" for value in values])
    axis.set_xlabel(label)
    _percent(axis)
    figure.legend(loc="outside upper center", ncols=4, fontsize=10)
    return figure


@in_series_style
def learning_curve(sizes: Sequence[int], training: Sequence[float], validation: Sequence[float], images: int):
    """Draw training and validation accuracy against the number of images learned from, with the gap between them.

    Args:
        sizes: numbers of training images.
        training, validation: accuracies, 0 to 1, one a size.
        images: number of validation images.

    Returns:
        The figure.
    """
    figure, axis = new_figure(height=4.0)
    axis.fill_between(sizes, training, validation, color=GREY, alpha=0.15, lw=0, label="the gap")
    axis.plot(sizes, training, "o-", color=BLUE, markersize=7, label="training set")
    axis.errorbar(sizes, validation, _error(validation, images), fmt="s--", color=ORANGE, capsize=4, markersize=7,
                  label="validation set")  # fmt: skip
    axis.axhline(0.1, color="black", linestyle=":", linewidth=1.5)
    axis.annotate("guessing", (sizes[-1], 0.1), (0, 4), textcoords="offset points", ha="right")
    _plain(axis, sizes)
    axis.set_ylim(0, 1.03)
    axis.set_xlabel("images learned from, logarithmic scale")
    _percent(axis)
    figure.legend(loc="outside upper center", ncols=3, fontsize=10)
    return figure


@in_series_style
def overfitting_curves(run: Run):
    """Draw loss and accuracy of a run on its training batches and on the validation set; mark the lowest loss.

    Args:
        run: with validation looks.

    Returns:
        The figure.
    """
    figure, (left, right) = new_figure(1, 2, height=4.2)
    step, window = np.arange(run.step), max(1, run.step // 50)
    lowest = int(np.argmin(run.validation_loss))
    left.plot(step, smooth(run.loss, window), color=BLUE, label="training batches")
    left.plot(run.validation_step, run.validation_loss, "--", color=ORANGE, label="validation set")
    left.plot(run.validation_step[lowest], run.validation_loss[lowest], "v", color="black", markersize=10,
              label="lowest validation loss")  # fmt: skip
    left.set_ylim(0)
    left.set_ylabel("loss (nats)")
    right.plot(step, smooth(run.accuracy, window), color=BLUE)
    right.plot(run.validation_step, run.validation_accuracy, "--", color=ORANGE)
    right.plot(run.validation_step[lowest], run.validation_accuracy[lowest], "v", color="black", markersize=10)
    right.set_ylim(0, 1.03)
    _percent(right)
    for axis in (left, right):
        axis.set_xlabel("step")
    figure.legend(loc="outside upper center", ncols=3, fontsize=10)
    return figure


@in_series_style
def step_budgets(
    constant: Run,
    budgets: Sequence[int],
    known: Sequence[float],
    falling: Sequence[float],
    images: int,
    window: int,
):
    """Draw one long run at a constant rate, and the final accuracies of runs whose rate falls to 0, against steps.

    The axis of the steps is logarithmic.

    Args:
        constant: the long run, with validation looks.
        budgets: number of steps of each run with a falling rate.
        known: training accuracy, 0 to 1, of the last batches of each.
        falling: final validation accuracy, 0 to 1, of each.
        images: number of validation images.
        window: steps to average the training accuracy over, such as one epoch.

    Returns:
        The figure.
    """
    figure, axis = new_figure(height=4.0)
    accuracy = smooth(constant.accuracy, window)
    half = min(window // 2, len(accuracy) // 2)
    step = np.arange(constant.step)
    axis.plot(step[half:], accuracy[half:], color=BLUE, label="constant rate, training")
    axis.plot(constant.validation_step, constant.validation_accuracy, ".-.", color=GREEN, markersize=7, linewidth=1.5,
              label="constant rate, validation")  # fmt: skip
    axis.plot(budgets, known, "o--", color=BLUE, markersize=7, markerfacecolor="white",
              label="falling rate, training at the end")  # fmt: skip
    axis.errorbar(budgets, falling, _error(falling, images), fmt="s--", color=ORANGE, capsize=4, markersize=7,
                  label="falling rate, validation at the end")  # fmt: skip
    _plain(axis, budgets)
    axis.set_xlabel("steps, logarithmic scale")
    _percent(axis)
    figure.legend(loc="outside upper center", ncols=2, fontsize=10)
    return figure
