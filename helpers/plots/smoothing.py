"""How curves are smoothed."""

import numpy as np

__all__ = ["smooth"]


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Return the mean of `window` neighbours around each of (n,) values, (n,) float64; of fewer at both ends.

    Notebook 6 leaves out the ends; a curve that grows while you watch needs them.
    """
    around = np.ones(max(1, min(window, len(values))))
    return np.convolve(values, around, mode="same") / np.convolve(np.ones(len(values)), around, mode="same")
