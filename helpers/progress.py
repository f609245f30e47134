"""One progress bar for terminal and notebook."""

import sys

from tqdm import tqdm


def progress_bar(iterable=None, **options) -> tqdm:
    """Return tqdm's bar, shown once the work has taken over a second; `options` are tqdm's own.

    In a notebook the bar is plain text among the printed output and vanishes at the end: it needs no widget, so a
    saved notebook shows no trace of it. There, print inside the loop with the bar's `write`.
    """
    if "ipykernel.kernelapp" in sys.modules:
        options = {"file": sys.stdout, "leave": False, "ncols": 90, "delay": 1} | options
    return tqdm(iterable, **{"delay": 1} | options)
