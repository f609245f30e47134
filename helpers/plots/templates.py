"""Weights as pictures: one template a class, and signed images like it, on a shared symmetric scale."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from helpers.data import CLASSES, to_image
from helpers.figures import in_series_style
from helpers.plots.figure import BLUE, GREY, ORANGE, new_figure

__all__ = [
    "captioned_images",
    "colour_key",
    "confusion_heatmap",
    "contribution_map",
    "shift_curves",
    "signed_image",
    "signed_pictures",
    "template_channels",
    "template_grid",
    "template_rows",
]

SIGNED_COLOURS = "PuOr_r"  # purple below zero, white at it, orange above; told apart by colour-blind readers too


def usual_scale(values: np.ndarray) -> float:
    """Return the size that only one in two hundred of the values exceeds (1 if all are zero): shown as full colour."""
    return float(np.percentile(np.abs(values), 99.5)) or 1.0


def _signed(value: float, _position: int | None = None) -> str:
    """Write a number on a colour bar: with its sign and two digits that count."""
    return f"{value:+.2g}".replace("-", "−") if value else "0"


def signed_image(values: np.ndarray, scale: float) -> np.ndarray:
    """Turn (3072,) signed values into a picture (32, 32, 3) of floats in 0 to 1: 0 is mid-grey, ±scale full or none.

    Each colour stands for its own channel: red above grey where the red values are positive, and so on.
    """
    return np.clip(0.5 + to_image(np.asarray(values, dtype=np.float64)) / (2 * scale), 0, 1)


@in_series_style
def template_grid(weights: np.ndarray, scale: float | None = None, titles=CLASSES, columns: int = 5) -> Figure:
    """Draw each column of (3072, k) weights as a picture, all on one symmetric scale around mid-grey.

    Args:
        weights: (3072, k) signed values, such as the weights of a classifier or their gradient.
        scale: the value shown as full colour; by default the 99.5th percentile of the sizes.
        titles: k titles; the class names by default.
        columns: pictures a row.

    Returns:
        The figure.
    """
    weights = np.asarray(weights)
    scale = scale or usual_scale(weights)  # all-zero weights are all grey
    rows = -(-weights.shape[1] // columns)
    figure, axes = new_figure(rows, columns, height=1.75 * rows + 0.4, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, column, title in zip(axes.flat, weights.T, titles, strict=False):
        axis.imshow(signed_image(column, scale))
        axis.set_title(title)
    figure.supxlabel(f"mid-grey: 0    brightest: +{scale:.3g} or more    darkest: −{scale:.3g} or less", fontsize=10)
    return figure


@in_series_style
def template_rows(rows: Sequence[np.ndarray], row_titles: Sequence[str], titles: Sequence[str] = CLASSES) -> Figure:
    """Draw several sets of templates, one a row; each row is on its own symmetric scale around mid-grey.

    Args:
        rows: weights (3072, k), one array a row.
        row_titles: one a row.
        titles: k titles; the class names by default.

    Returns:
        The figure.
    """
    figure, axes = new_figure(len(rows), len(titles), height=0.69 * len(rows) + 0.3, squeeze=False)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    for line, weights, row_title in zip(axes, rows, row_titles, strict=True):
        scale = usual_scale(weights)
        for axis, column in zip(line, weights.T, strict=True):
            axis.imshow(signed_image(column, scale))
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(row_title, rotation=0, ha="right", va="center", fontsize=10)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=11)
    return figure


@in_series_style
def signed_pictures(pictures: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Draw signed pictures (32, 32, 3), already in the order row, column, colour, side by side on one scale."""
    scale = usual_scale(np.stack(pictures))
    figure, axes = new_figure(1, len(pictures), height=3.1, width=6.0, squeeze=False)
    for axis, picture, title in zip(axes[0], pictures, titles, strict=True):
        axis.imshow(np.clip(0.5 + np.asarray(picture, np.float64) / (2 * scale), 0, 1))
        axis.set_title(title)
        axis.axis("off")
    return figure


@in_series_style
def colour_key() -> Figure:
    """Draw what each colour of a template means: the signs of the red, green and blue weights behind it."""
    colours = {
        "grey": (0, 0, 0), "white": (1, 1, 1), "black": (-1, -1, -1), "red": (1, -1, -1), "green": (-1, 1, -1),
        "blue": (-1, -1, 1), "yellow": (1, 1, -1), "magenta": (1, -1, 1), "cyan": (-1, 1, 1),
    }  # fmt: skip
    figure, axes = new_figure(1, len(colours), height=1.75)
    sign = {0: "0", 1: "+", -1: "−"}
    for axis, (name, signs) in zip(axes, colours.items(), strict=True):
        axis.imshow((0.5 + 0.5 * np.array(signs)).reshape(1, 1, 3))
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(True)
        axis.set_title(name, fontsize=11)
        axis.set_xlabel("\n".join(f"{channel} {sign[s]}" for channel, s in zip("RGB", signs, strict=True)), fontsize=11)
    return figure


@in_series_style
def template_channels(template: np.ndarray, name: str) -> Figure:
    """Draw one template (3072,) in colour, and its red, green and blue weights apart, all on one symmetric scale."""
    scale = usual_scale(template)
    figure, axes = new_figure(1, 4, height=2.1)
    axes[0].imshow(signed_image(template, scale))
    axes[0].set_title(name)
    for axis, values, channel in zip(axes[1:], template.reshape(3, 32, 32), ("red", "green", "blue"), strict=True):
        picture = axis.imshow(values, cmap="gray", vmin=-scale, vmax=scale)
        axis.set_title(f"{channel} weights")
    for axis in axes:
        axis.axis("off")
    figure.colorbar(picture, ax=axes[3], ticks=[-scale, 0, scale], format=_signed, fraction=0.05)
    return figure


@in_series_style
def contribution_map(image: np.ndarray, pixels: np.ndarray, template: np.ndarray, name: str) -> Figure:
    """Draw how one image earns its score: image, image minus mean, template, and their product at each position.

    Args:
        image: (3072,) uint8.
        pixels: (3072,) float32, the image minus the mean image, scaled.
        template: (3072,) weights of the class.
        name: of the class.

    Returns:
        The figure; the last picture shows the sum of the three channels' products, in units of the score.
    """
    contributions = (template * pixels).reshape(3, 32, 32).sum(axis=0)
    largest = np.abs(contributions).max() or 1.0
    figure, axes = new_figure(1, 4, height=2.05)
    axes[0].imshow(to_image(image))
    axes[1].imshow(signed_image(pixels, usual_scale(pixels)))
    axes[2].imshow(signed_image(template, usual_scale(template)))
    heat = axes[3].imshow(contributions, cmap=SIGNED_COLOURS, vmin=-largest, vmax=largest)
    titles = ("the image", "minus the mean", f"{name} template", "contributions")
    for axis, title, sign in zip(axes, titles, (" ", "×", "=", ""), strict=True):
        axis.set_title(title)
        axis.axis("off")
        axis.text(1.09, 0.5, sign, transform=axis.transAxes, ha="center", va="center", fontsize=16)
    figure.colorbar(heat, ax=axes[3], ticks=[-largest, 0, largest], format=_signed, fraction=0.05)
    return figure


@in_series_style
def captioned_images(images: np.ndarray, captions: Sequence[str], columns: int = 5) -> Figure:
    """Draw (n, 3072) uint8 images in a grid, each with its caption above it."""
    rows = -(-len(images) // columns)
    lines = 1 + max(caption.count("\n") for caption in captions)
    figure, axes = new_figure(rows, columns, height=rows * (7.6 / columns + 0.2 * lines), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, caption in zip(axes.flat, images, captions, strict=False):
        axis.imshow(to_image(image))
        axis.set_title(caption, fontsize=10)
    return figure


@in_series_style
def confusion_heatmap(shares: np.ndarray) -> Figure:
    """Draw a confusion matrix (10, 10), rows the true classes, each row's shares (0 to 1) written as percentages."""
    figure, axis = new_figure(height=6.4, width=6.4)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=max(0.6, shares.max()))
    for (row, column), share in np.ndenumerate(shares):
        weight = "bold" if row == column else "normal"
        colour = "white" if share > 0.38 else "black"
        axis.text(column, row, f"{share:.0%}"[:-1], ha="center", va="center", color=colour, weight=weight)
    axis.set_xticks(range(10), CLASSES)
    axis.set_yticks(range(10), CLASSES)
    axis.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False)
    axis.xaxis.set_label_position("top")
    axis.set_xlabel("answer", labelpad=8, weight="bold")
    axis.set_ylabel("true class", labelpad=4, weight="bold")
    axis.spines[:].set_visible(False)
    figure.supxlabel("percentage of the row's images; the right answers, bold, stand on the diagonal", fontsize=10)
    return figure


@in_series_style
def shift_curves(shifts: Sequence[int], sideways: Sequence[float], up_down: Sequence[float]) -> Figure:
    """Draw accuracy (0 to 1) against the size of a shift in pixels, sideways and up or down."""
    figure, axis = new_figure(height=3.6)
    curves = ((sideways, BLUE, "o", "-", "left or right"), (up_down, ORANGE, "s", "--", "up or down"))
    for accuracy, colour, marker, style, name in curves:
        axis.plot(shifts, np.multiply(accuracy, 100), color=colour, marker=marker, linestyle=style, label=name)
        axis.annotate(name, (shifts[-1], 100 * accuracy[-1]), xytext=(10, 0), textcoords="offset points", va="center")
    axis.axhline(10, color=GREY, linestyle=":", linewidth=1.5)
    axis.annotate("guessing", (shifts[0], 10), xytext=(0, 4), textcoords="offset points", va="bottom")
    axis.set(xlabel="shift (pixels)", ylabel="test accuracy (%)", xticks=shifts, ylim=(0, None))
    return figure
