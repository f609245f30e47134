"""Weights as pictures: one template a class, and signed images like it, on a shared symmetric scale."""

import numpy as np

from helpers.data import CLASSES, to_image
from helpers.plots.figure import new_figure

__all__ = ["signed_image", "template_grid"]


def signed_image(values: np.ndarray, scale: float) -> np.ndarray:
    """Turn (3072,) signed values into a picture (32, 32, 3) of floats in 0 to 1: 0 is mid-grey, ±scale full or none.

    Each colour stands for its own channel: red above grey where the red values are positive, and so on.
    """
    return np.clip(0.5 + to_image(np.asarray(values, dtype=np.float64)) / (2 * scale), 0, 1)


def template_grid(weights: np.ndarray, scale: float | None = None, titles=CLASSES, columns: int = 5):
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
    scale = float(np.percentile(np.abs(weights), 99.5)) if scale is None else scale
    scale = scale or 1.0  # all-zero weights are all grey
    rows = -(-weights.shape[1] // columns)
    figure, axes = new_figure(rows, columns, height=1.75 * rows + 0.4, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, column, title in zip(axes.flat, weights.T, titles, strict=False):
        axis.imshow(signed_image(column, scale))
        axis.set_title(title)
    figure.supxlabel(f"mid-grey: 0    brightest: +{scale:.3g} or more    darkest: −{scale:.3g} or less", fontsize=10)
    return figure
