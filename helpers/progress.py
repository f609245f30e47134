"""One progress bar for terminal and notebook."""

import contextlib
import sys

from tqdm import tqdm


class _Heedless:
    """A stream to which nothing can fail to be written: a bar is no reason to lose the work that it shows."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name: str):
        return getattr(self._stream, name)

    def __eq__(self, other) -> bool:
        """Be known as the stream itself: tqdm's `write` wipes the bars that stand on the stream it prints to."""
        return self._stream == getattr(other, "_stream", other)

    def __hash__(self) -> int:
        return hash(self._stream)

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def progress_bar(iterable=None, **options) -> tqdm:
    """Return tqdm's bar, shown once the work has taken over a second; `options` are tqdm's own.

    In a notebook the bar is plain text among the printed output and vanishes at the end: it needs no widget, so a
    saved notebook shows no trace of it. There, print inside the loop with the bar's `write`. Where there is no error
    stream, or nobody reads it any more, the work goes on without a bar.
    """
    options = {"delay": 1} | options
    if "ipykernel.kernelapp" in sys.modules:
        options = {"file": sys.stdout, "leave": False, "ncols": 90} | options
    stream = options.pop("file", None) or sys.stderr
    if stream is None:
        options["disable"] = True
    return tqdm(iterable, file=_Heedless(stream), **options)
