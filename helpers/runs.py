"""A training run: what it has learned and how it got there, in memory and in a file."""

import errno
import io
import os
import zipfile
from dataclasses import dataclass, field, fields
from typing import Any, BinaryIO

import numpy as np

from helpers.arguments import check_settings
from helpers.errors import ArgumentError
from helpers.files import write_file

GUESSING = float(np.log(10))  # the loss, in nats, of one who gives each of ten classes the same probability
SETTINGS = ("divide_by", "images", "batch_size", "sampling", "seed")  # what a run keeps to when it goes on
RECENT = 50  # batches, at the most, that decide whether a run diverges


def _nothing() -> np.ndarray:
    return np.zeros(0, np.float32)


@dataclass(frozen=True)
class Run:
    """A training run: what it has learned so far, how it got there, and what it must keep to when it goes on."""

    weights: np.ndarray  # (3072, 10) float32
    biases: np.ndarray  # (10,) float32
    mean: np.ndarray  # (3072,) float32, the image subtracted from every image
    divide_by: float  # pixels are divided by this after the subtraction
    # Of each batch, before its update: (steps done,) float32.
    loss: np.ndarray = field(default_factory=_nothing)
    accuracy: np.ndarray = field(default_factory=_nothing)
    # Of each evaluation: the steps done, (evaluations,) int64, and what it found, (evaluations,) float32.
    validation_step: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    validation_loss: np.ndarray = field(default_factory=_nothing)
    validation_accuracy: np.ndarray = field(default_factory=_nothing)
    images: int | None = None  # how many images it learns from; None: not known, and so with the three below
    batch_size: int | None = None
    sampling: str | None = None
    seed: int | None = None

    @property
    def step(self) -> int:
        """Number of steps done."""
        return len(self.loss)

    @property
    def diverged(self) -> bool:
        """True if the loss is well above that of guessing at present, or is no number any more.

        "At present" is the mean over the last tenth of the steps, at most the last 50; "well above" is more than one
        and a half times ln 10. So a run that a smaller learning rate brings back counts no longer.
        """
        if self.step == 0:
            return False
        recent = self.loss[-min(RECENT, max(1, self.step // 10)) :]
        return not float(np.mean(recent, dtype=np.float64)) <= 1.5 * GUESSING


def check_run(run) -> None:
    """Raise `ArgumentError` unless `run` is a `Run`."""
    if not isinstance(run, Run):
        raise ArgumentError(f"This is no run but {run!r:.60}. Give what train(...) returned, or load_run(file).")


def save_run(run: Run, path: str | os.PathLike) -> None:
    """Write a run to a NumPy .npz file, whole or not at all; a file that is there already is replaced.

    Raises:
        ArgumentError: the file can't be written, or `run` is none.
    """
    check_run(run)
    file = io.BytesIO()
    np.savez(file, **{part.name: value for part in fields(Run) if (value := getattr(run, part.name)) is not None})
    write_file(path, file.getbuffer())


def load_run(path: str | os.PathLike) -> Run:
    """Read what `save_run` wrote; `train(..., resume=run)` goes on from it. Nothing in the file is executed.

    Raises:
        ArgumentError: there is no such file, or it holds something else.
    """
    try:
        with open(os.path.expanduser(path), "rb") as file:
            parts = _read_parts(file)
        settings = {name: parts.pop(name).item() for name in SETTINGS if name in parts}
        check_settings(**settings)
        if not _are_sound(**parts):
            raise ValueError("arrays that no run has")
    except Exception as error:  # whatever zipfile and NumPy say of garbled bytes, which may point to impossible places
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            reason = error.strerror or error
            raise ArgumentError(f"{path} can't be read: {reason}. Give a file from save_run.") from error
        raise ArgumentError(f"{path} is not a run, or is damaged. Give a file from save_run.") from error
    return Run(**parts, **settings)


def _read_parts(file: BinaryIO) -> dict[str, Any]:
    """Return the arrays of an open .npz file; raise `ValueError` for what `save_run` did not write."""
    names = {f"{part.name}.npy": part.name for part in fields(Run)}
    parts: dict[str, Any] = {}
    with zipfile.ZipFile(file) as members:
        for member in members.infolist():
            # `save_run` compresses nothing, and a file in which a lot is packed small is not from there.
            if names.get(member.filename, "") in ("", *parts) or member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{member.filename} is not of a run")
            with members.open(member) as stream:
                np.lib.format.read_magic(stream)
                shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
                values = np.frombuffer(bytearray(stream.read()), dtype)  # as many as there are, whatever the shape says
                parts[names[member.filename]] = values.reshape(shape, order="F" if by_columns else "C")
    return parts


def _are_sound(weights, biases, mean, loss, accuracy, validation_step, validation_loss, validation_accuracy) -> bool:
    """Tell whether arrays from a file have the shapes, dtypes and values that those of a run can have."""
    steps, evaluations = (loss.size,), (validation_step.size,)
    shapes = [
        (weights, (3072, 10)), (biases, (10,)), (mean, (3072,)), (loss, steps), (accuracy, steps),
        (validation_loss, evaluations), (validation_accuracy, evaluations),
    ]  # fmt: skip
    return (
        all(array.shape == shape and array.dtype == np.float32 for array, shape in shapes)
        and (validation_step.shape, validation_step.dtype) == (evaluations, np.int64)
        and bool(np.isfinite(mean).all())
        and all(((values >= 0) & (values <= 1)).all() for values in (accuracy, validation_accuracy))
        and bool((np.diff(validation_step, prepend=0) > 0).all() and (validation_step <= loss.size).all())
    )
