"""Checks of what a learner types: a senseless value gets one clear sentence."""

import difflib
from numbers import Integral, Real

import numpy as np

from helpers.data import CLASSES
from helpers.errors import ArgumentError

SCHEDULES = ("constant", "linear")
SAMPLINGS = ("epochs", "replacement")

# What each hyperparameter must be. `batch_size` is also checked against the number of images, where that is known.
_WHOLE = {
    "steps": 1, "batch_size": 1, "hidden_units": 1, "seed": 0, "validate_every": 1, "until": 1, "index": 0,
    "images_shown": 1, "validation": 1,
}  # fmt: skip
_NAMED = {"schedule": SCHEDULES, "sampling": SAMPLINGS}
LARGEST = 3.4e38  # what float32 can hold


def _is_number(value) -> bool:
    """Tell whether `value` is a real number, of Python or NumPy, that float32 can hold."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return abs(value.item() if isinstance(value, np.generic) else value) <= LARGEST


def check_settings(*, images: int | None = None, **values) -> None:
    """Raise `ArgumentError` for the first value that makes no sense; return nothing where all do.

    Args:
        images: how many images there are: the most that a batch may hold, and one more than the last index.
        values: settings by name: steps, batch_size, seed, validate_every, learning_rate, weight_decay, divide_by,
            schedule, sampling, hidden_units, class_name, index, images_shown, validation.
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
        elif name == "class_name":
            class_index(value)
        elif name == "weight_decay":
            if not number or value < 0:
                raise ArgumentError(f"{name} = {value!r} makes no sense. Give 0 or a small positive number.")
        elif name in ("learning_rate", "divide_by"):
            if not number or value <= 0:
                raise ArgumentError(f"{name} = {value!r} makes no sense. Give a number above 0, such as 0.3.")
        else:
            raise TypeError(f"check_settings knows no {name}")
    for name, most in () if images is None else (("batch_size", images), ("validation", images - 1)):
        if values.get(name, 0) > most:
            raise ArgumentError(f"{name} = {values[name]} is too large for {images:,} images. Give at most {most:,}.")
    if images is not None and values.get("index", 0) >= images:
        raise ArgumentError(f"index = {values['index']} is no image here. Give a whole number, 0 to {images - 1:,}.")


def _form(value) -> str:
    """Say of what kind a value is, after its name and a verb: "of shape (3, 4)", "of type list"."""
    return f"of shape {value.shape}" if isinstance(value, np.ndarray) else f"of type {type(value).__name__}"


def check_images(images, labels=None) -> None:
    """Raise `ArgumentError` unless images, and labels if given, are as `load_data` returns them.

    Args:
        images: what should be (count, 3072) uint8.
        labels: what should be (count,) integers, 0 to 9.
    """
    if not isinstance(images, np.ndarray) or images.ndim != 2 or images.shape[1] != 3_072 or len(images) == 0:
        raise ArgumentError(
            f"images are {_form(images)}. Give an array with a row of 3,072 numbers an image, as load_data() returns."
        )
    if images.dtype != np.uint8:
        raise ArgumentError(
            f"images hold {images.dtype} numbers. Give them as load_data() returns them, 0 to 255 in uint8: the mean "
            "image is subtracted and pixels are divided here."
        )
    if labels is None:
        return
    labels = np.asarray(labels)
    if labels.shape != (len(images),):
        raise ArgumentError(f"labels are of shape {labels.shape} for {len(images):,} images. Give one label an image.")
    wrong = labels if not np.issubdtype(labels.dtype, np.integer) else labels[(labels < 0) | (labels > 9)]
    if len(wrong):
        raise ArgumentError(f"labels hold {wrong[:1].tolist()[0]!r}. Give whole numbers, 0 to 9.")


def check_rows(count: int, **rows) -> None:
    """Raise `ArgumentError` unless each of `rows`, given by name, holds numbers of rows among `count` of them."""
    for name, given in rows.items():
        values = np.asarray(given)
        if values.dtype == bool:
            raise ArgumentError(f"{name} hold True and False. Give the numbers of rows: np.flatnonzero({name}).")
        if values.ndim != 1 or (len(values) and not np.issubdtype(values.dtype, np.integer)):
            form = f"= {given!r}" if values.ndim == 0 else f"of shape {values.shape} and type {values.dtype}"
            raise ArgumentError(f"{name} {form} makes no sense. Give the numbers of rows, such as np.arange(100).")
        if len(values) == 0 or values.min() < 0 or values.max() >= count:
            raise ArgumentError(f"{name} name no images, or some that are not there. Give rows 0 to {count - 1:,}.")


def class_index(name: str) -> int:
    """Return the label (0 to 9) of the class called `name`; raise `ArgumentError` where there is none."""
    if name in CLASSES:
        return CLASSES.index(name)
    close = difflib.get_close_matches(str(name), CLASSES, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise ArgumentError(f"There is no class {name!r}. {hint}The classes are {', '.join(CLASSES)}.")
