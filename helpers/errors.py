"""Errors that a learner can read: one sentence that says what was wrong and what to do."""

import contextlib
import sys


class PlainError(Exception):
    """An error whose message says all that a learner needs, so a notebook shows it without the traceback."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython prints in place of a traceback (IPython's own hook)."""
        return [f"{type(self).__name__}: {self}"]


def warn(warning: str) -> None:
    """Print a warning as one plain line: Python's own would show a learner the line of code that gave it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # nobody listens any more
            print(warning, file=sys.stderr)


class DatasetError(PlainError):
    """CIFAR-10 could not be fetched, verified or opened."""


class ArgumentError(PlainError, ValueError):
    """A value that makes no sense, such as a negative learning rate."""


class ProcessorError(PlainError, ImportError):
    """TensorFlow cannot run on this computer."""
