"""Checks of what a learner types: a senseless value gets one clear sentence."""

import difflib
from numbers import Integral, Real
from typing import Any

import numpy as np

from helpers.archive import CLASSES
from helpers.errors import ArgumentError

SCHEDULES = ("constant", "linear")
SAMPLINGS = ("epochs", "replacement")

# What each hyperparameter must be. `batch_size` is also checked against the number of images, where that is known.
_WHOLE = {
    "steps": 1, "batch_size": 1, "hidden_units": 1, "seed": 0, "validate_every": 1, "until": 1, "index": 0,
    "count": 2, "validation": 1, "strides": 1,
}  # fmt: skip
_ABOVE_0 = (False, "a number above 0, such as 0.3")
_REAL = {"learning_rate": _ABOVE_0, "divide_by": _ABOVE_0, "weight_decay": (True, "0 or a small positive number")}
_NAMED = {"schedule": SCHEDULES, "sampling": SAMPLINGS}
LARGEST, SMALLEST = 3.4e38, 1.2e-38  # what float32 can hold; TensorFlow takes what is smaller for 0
LARGEST_WHOLE = 2**63 - 1  # what int64 can hold


def _is_number(value) -> bool:
    """Tell whether `value` is a real number, of Python or NumPy, that float32 can hold: as 0 only what is 0."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    size: Any = abs(value.item() if isinstance(value, np.generic) else value)
    return size == 0 or SMALLEST <= size <= LARGEST


def _check_setting(name: str, value) -> None:
    if name == "class_name":
        class_index(value)
    elif name in _NAMED:
        if not isinstance(value, str) or value not in _NAMED[name]:
            raise ArgumentError(f"{name} = {value!r} is not known. Choose {' or '.join(map(repr, _NAMED[name]))}.")
    elif name in _WHOLE:
        least = _WHOLE[name]
        if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < least:
            raise ArgumentError(f"{name} = {value!r} makes no sense. Give a whole number, {least} or more.")
        if int(value) > LARGEST_WHOLE:
            raise ArgumentError(f"{name} is too large. Give a whole number, {least} to {LARGEST_WHOLE:,}.")
    elif not _is_number(value) or value < 0 or (value == 0 and not _REAL[name][0]):
        raise ArgumentError(f"{name} = {value!r} makes no sense. Give {_REAL[name][1]}.")


def check_settings(*, images: int | None = None, **values) -> None:
    """Raise `ArgumentError` for the first value that makes no sense; return nothing where all do.

    Args:
        images: how many images there are: the most that a batch may hold, and one more than the last index.
        values: settings by name: steps, batch_size, seed, validate_every, learning_rate, weight_decay, divide_by,
            schedule, sampling, hidden_units, strides, class_name, index, count, validation.
    """
    for name, value in values.items():
        _check_setting(name, value)
    for name, most in () if images is None else (("batch_size", images), ("validation", images - 1)):
        if values.get(name, 0) > most:
            raise ArgumentError(f"{name} = {values[name]} is too large for {images:,} images. Give at most {most:,}.")
    if images is not None and values.get("index", 0) >= images:
        raise ArgumentError(f"index = {values['index']} is no image here. Give a whole number, 0 to {images - 1:,}.")


def check_images(images) -> None:
    """Raise `ArgumentError` unless images are as `load_data` returns them, (count, 3072) uint8 of at least one."""
    if not isinstance(images, np.ndarray):
        problem = f"are of type {type(images).__name__}"
    elif images.ndim != 2 or images.shape[1] != 3_072 or len(images) == 0:
        problem = f"are of shape {images.shape}"
    elif images.dtype != np.uint8:
        problem = f"hold {images.dtype} numbers"
    else:
        return
    raise ArgumentError(
        f"images {problem}. Give them as load_data() returns them, (count, 3072) numbers, 0 to 255 in uint8: the mean "
        "image is subtracted and pixels are divided here."
    )


def checked_labels(labels, count: int, name: str = "labels", of: str = "images") -> np.ndarray:
    """Return `labels` as (count,) int64, 0 to 9; raise `ArgumentError`, which speaks of `name`, where they are not."""
    values = _array(labels, name, "one whole number, 0 to 9, for each of the images")
    if values.shape != (count,):
        raise ArgumentError(f"{name} are of shape {values.shape} for {count:,} {of}. Give one of {name} for each.")
    wrong = values if not np.issubdtype(values.dtype, np.integer) else values[(values < 0) | (values > 9)]
    if len(wrong):
        raise ArgumentError(f"{name} hold {wrong[:1].tolist()[0]!r}. Give whole numbers, 0 to 9.")
    return values.astype(np.int64)


def checked_rows(rows, count: int, name: str) -> np.ndarray:
    """Return the numbers of rows among `count`, all where `rows` is None, as (n,) int64; raise `ArgumentError`."""
    if rows is None:
        return np.arange(count)
    values = _array(rows, name, "the numbers of rows, such as np.arange(100)")
    if values.dtype == bool:
        raise ArgumentError(f"{name} hold True and False. Give the numbers of rows: np.flatnonzero({name}).")
    if values.ndim != 1 or (len(values) and not np.issubdtype(values.dtype, np.integer)):
        form = f"= {rows!r}" if values.ndim == 0 else f"of shape {values.shape} and type {values.dtype}"
        raise ArgumentError(f"{name} {form} makes no sense. Give the numbers of rows, such as np.arange(100).")
    if len(values) == 0 or values.min() < 0 or values.max() >= count:
        raise ArgumentError(f"{name} name no images, or some that are not there. Give rows 0 to {count - 1:,}.")
    return values.astype(np.int64)


def checked_mean(mean) -> np.ndarray:
    """Return a mean image as (3072,) float32; raise `ArgumentError` where it is none."""
    values = _array(mean, "mean", "(3072,) numbers, such as mean_image(images)")
    if values.shape != (3_072,):
        raise ArgumentError(f"mean is of shape {values.shape}. Give (3072,), such as mean_image(images).")
    if values.dtype.kind not in "iuf" or not (abs(values.astype(np.float64)) <= LARGEST).all():
        raise ArgumentError("mean holds what is no number, or none that float32 can hold. Give mean_image(images).")
    return values.astype(np.float32)


def _array(values, name: str, wanted: str) -> np.ndarray:
    """Return `values` as an array; raise `ArgumentError` where they are ragged."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ArgumentError(f"{name} are of rows of different lengths. Give {wanted}.") from error


def class_index(name: str) -> int:
    """Return the label (0 to 9) of the class called `name`; raise `ArgumentError` where there is none."""
    if name in CLASSES:
        return CLASSES.index(name)
    close = difflib.get_close_matches(str(name), CLASSES, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise ArgumentError(f"There is no class {name!r}. {hint}The classes are {', '.join(CLASSES)}.")
