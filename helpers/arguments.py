"""Checks of what a learner types: a senseless value gets one clear sentence."""

import difflib
from numbers import Integral, Real

import numpy as np

from helpers.data import CLASSES
from helpers.errors import ArgumentError

SCHEDULES = ("constant", "linear")
SAMPLINGS = ("epochs", "replacement")

# What each hyperparameter must be. `batch_size` is also checked against the number of images, where that is known.
_WHOLE = {"steps": 1, "batch_size": 1, "hidden_units": 1, "seed": 0, "validate_every": 1, "until": 1}
_NAMED = {"schedule": SCHEDULES, "sampling": SAMPLINGS}
LARGEST = 3.4e38  # what float32 can hold


def _is_number(value) -> bool:
    """Tell whether `value` is a real number, of Python or NumPy, that float32 can hold."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return abs(value.item() if isinstance(value, np.generic) else value) <= LARGEST


def check_hyperparameters(*, images: int | None = None, **values) -> None:
    """Raise `ArgumentError` for the first value that makes no sense; return nothing where all do.

    Args:
        images: number of training images, the most that a batch may hold.
        values: hyperparameters by name: steps, batch_size, seed, validate_every, learning_rate, weight_decay,
            divide_by, schedule, sampling.
    """
    for name, value in values.items():
        number = _is_number(value)
        if name in _WHOLE:
            least = _WHOLE[name]
            if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
                raise ArgumentError(f"{name} = {value!r} makes no sense. Give a whole number, {least} or more.")
        elif name in _NAMED:
            if not isinstance(value, str) or value not in _NAMED[name]:
                raise ArgumentError(f"{name} = {value!r} is not known. Choose {' or '.join(map(repr, _NAMED[name]))}.")
        elif name == "weight_decay":
            if not number or value < 0:
                raise ArgumentError(f"{name} = {value!r} makes no sense. Give 0 or a small positive number.")
        elif name in ("learning_rate", "divide_by"):
            if not number or value <= 0:
                raise ArgumentError(f"{name} = {value!r} makes no sense. Give a number above 0, such as 0.3.")
        else:
            raise TypeError(f"check_hyperparameters knows no {name}")
    if images is not None and values.get("batch_size", 0) > images:
        raise ArgumentError(
            f"batch_size = {values['batch_size']} is larger than the {images:,} training images. Choose at most that."
        )


def class_index(name: str) -> int:
    """Return the label (0 to 9) of the class called `name`; raise `ArgumentError` where there is none."""
    if name in CLASSES:
        return CLASSES.index(name)
    close = difflib.get_close_matches(str(name), CLASSES, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise ArgumentError(f"There is no class {name!r}. {hint}The classes are {', '.join(CLASSES)}.")
