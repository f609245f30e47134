"""Weights as pictures: templates on a symmetric scale around mid-grey, and what they do to an image."""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.figure import Figure

from helpers.data import CLASSES, to_image
from helpers.errors import ArgumentError
from helpers.figures import in_series_style
from helpers.plots.figure import new_figure

__all__ = ["captioned_images", "contribution_map", "signed_image", "template_grid", "template_rows"]

SIGNED_COLOURS = "PuOr_r"  # purple below zero, white at it, orange above; told apart by colour-blind readers too


def usual_scale(values: np.ndarray) -> float:
    """Return the size that only one in two hundred of the values exceeds (1 if all are zero): shown as full colour."""
    return float(np.percentile(np.abs(values), 99.5)) or 1.0


def _signed(value: float, _position: int | None = None) -> str:
    """Write a number on a colour bar: with its sign and two digits that count."""
    return f"{value:+.2g}".replace("-", "−") if value else "0"


def signed_image(values: np.ndarray, scale: float) -> np.ndarray:
    """Turn signed values, a stored row (3072,) or a picture (32, 32, 3), into a picture of floats in 0 to 1.

    0 is mid-grey, scale full light, −scale none. Each colour stands for its own channel: red above grey where the red
    values are positive, and so on. It is born in notebook 7.
    """
    if values.ndim == 1:
        values = to_image(values)
    return np.clip(0.5 + values / (2 * scale), 0, 1)


def _named(count: int, titles: Sequence[str]) -> None:
    if count == 0 or len(titles) != count:
        raise ArgumentError(
            f"There are {len(titles)} titles for {count} pictures. Give a picture or more, a title each."
        )


def hang(axes, pictures: Iterable[np.ndarray], titles: Sequence[str], **style) -> None:
    """Show each picture on the next of the axes, under its title; leave out the axes that are over."""
    for axis in axes.flat:
        axis.axis("off")
    for axis, picture, title in zip(axes.flat, pictures, titles, strict=False):
        axis.imshow(picture)
        axis.set_title(title, **style)


@in_series_style
def template_grid(weights: np.ndarray, scale: float | None = None, titles=CLASSES, columns: int = 5) -> Figure:
    """Draw each column of (3072, k) weights as a picture, all on one symmetric scale.

    Args:
        weights: (3072, k) signed values, such as the weights of a classifier or their gradient.
        scale: the value shown as full colour; by default the 99.5th percentile of the sizes.
        titles: k titles; the class names by default.
        columns: pictures a row.

    Raises:
        ArgumentError: no columns, or not a title each.
    """
    _named(weights.shape[1], titles)
    scale = scale or usual_scale(weights)
    rows = -(-weights.shape[1] // columns)
    figure, axes = new_figure(rows, columns, height=1.75 * rows + 0.4, squeeze=False)
    hang(axes, [signed_image(column, scale) for column in weights.T], titles)
    figure.supxlabel(f"mid-grey: 0    brightest: +{scale:.3g} or more    darkest: −{scale:.3g} or less", fontsize=10)
    return figure


@in_series_style
def template_rows(rows: Sequence[np.ndarray], row_titles: Sequence[str], titles: Sequence[str] = CLASSES) -> Figure:
    """Draw sets of k templates (3072, k), one set a row, each row on its own symmetric scale; `titles` are k.

    Raises:
        ArgumentError: no rows, or not a title each.
    """
    _named(len(rows), row_titles)
    figure, axes = new_figure(len(rows), len(titles), height=0.69 * len(rows) + 0.3, squeeze=False)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    for line, weights, row_title in zip(axes, rows, row_titles, strict=True):
        for axis, column in zip(line, weights.T, strict=True):
            axis.imshow(signed_image(column, usual_scale(weights)))
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(row_title, rotation=0, ha="right", va="center", fontsize=10)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=11)
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
    upper, lower = contributions[:16].sum(), contributions[16:].sum()
    figure.words = f"The upper half contributes {upper:+.2f} to the score of {name}, the lower half {lower:+.2f}."
    return figure


@in_series_style
def captioned_images(images: np.ndarray, captions: Sequence[str], columns: int = 5) -> Figure:
    """Draw (n, 3072) uint8 images in a grid, each with its caption above it."""
    _named(len(images), captions)
    rows = -(-len(images) // columns)
    lines = 1 + max(caption.count("\n") for caption in captions)
    figure, axes = new_figure(rows, columns, height=rows * (7.6 / columns + 0.2 * lines), squeeze=False)
    hang(axes, map(to_image, images), captions, fontsize=10)
    return figure
