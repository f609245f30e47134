"""One prediction taken apart, and what can be done to the image that it is about."""

import numpy as np

from helpers.data import scale_pixels, to_image
from helpers.softmax import Run, predict_logits

COLOURS = {
    "as they are": lambda picture: picture,
    "inverted": lambda picture: 255 - picture,
    "grey": lambda picture: np.repeat(picture.mean(axis=2, keepdims=True).round(), 3, axis=2),
    "red and blue swapped": lambda picture: picture[..., ::-1],
    "half as bright": lambda picture: picture // 2,
}


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of ten scores, (10,)."""
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def explain(run: Run, row: np.ndarray, truth: int | None = None) -> dict:
    """Take one prediction apart.

    Args:
        run: a trained `Run`.
        row: (3072,) uint8, one image.
        truth: its label, where it is known.

    Returns:
        `logits` and `probabilities`, (10,) float32 each; `winner` and `other`, labels: the answer, and the true class
        (the second-best class where the answer is right or the truth unknown); `contributions`, (10, 32, 32) float32:
        what each position adds to each class's score; the bias is the rest.
    """
    logits = predict_logits(row[np.newaxis], run)[0]
    pixels = scale_pixels(row[np.newaxis], run.mean, run.divide_by)[0]
    second, winner = logits.argsort()[-2:]
    return {
        "logits": logits,
        "probabilities": probabilities(logits),
        "winner": int(winner),
        "other": int(second if truth is None or truth == winner else truth),
        "contributions": (run.weights * pixels[:, np.newaxis]).T.reshape(10, 3, 32, 32).sum(axis=1),
    }


def change_image(
    row: np.ndarray,
    mean: np.ndarray,
    *,
    right: int = 0,
    down: int = 0,
    mirrored: bool = False,
    colours: str = "as they are",
    patch: int = 0,
    patch_left: int = 0,
    patch_top: int = 0,
    covered: np.ndarray | None = None,
) -> np.ndarray:
    """Return a changed copy of an image, (3072,) uint8: mirrored, shifted, recoloured, then partly covered.

    Args:
        row: (3072,) uint8.
        mean: (3072,) the mean image, which fills the patch: its pixels then add nothing to any score.
        right, down: shift in pixels, -31 to 31; the edge that is left behind is repeated.
        mirrored: exchange left and right.
        colours: one of `COLOURS`.
        patch: size of the square that is covered, in pixels; 0 covers nothing.
        patch_left, patch_top: its corner, 0 to 31.
        covered: (32, 32) bool, pixels to cover besides; none by default.
    """
    picture = to_image(row)[:, :: -1 if mirrored else 1]
    places = np.arange(32)
    picture = picture[np.clip(places - down, 0, 31)][:, np.clip(places - right, 0, 31)]
    picture = np.array(COLOURS[colours](picture), np.uint8)
    hidden = np.zeros((32, 32), bool) if covered is None else covered.copy()
    hidden[patch_top : patch_top + patch, patch_left : patch_left + patch] = True
    picture[hidden] = to_image(mean).round()[hidden]
    return picture.transpose(2, 0, 1).reshape(3072)
