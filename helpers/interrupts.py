"""Let an interrupt wait for a moment at which nothing can be lost."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import SimpleNamespace


@contextlib.contextmanager
def interrupts_held() -> Iterator[SimpleNamespace]:
    """Hold SIGINT (Ctrl-C, a notebook's stop button) back inside the `with` block; `came` turns true when one comes.

    An exception in the midst of a call of TensorFlow may leave a lock closed for ever, or come out as something else.
    Threads other than the main one, which no interrupt reaches, are left as they are.
    """
    held = SimpleNamespace(came=False)
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield held
        return

    def hold(*_) -> None:
        held.came = True

    signal.signal(signal.SIGINT, hold)
    try:
        yield held
    finally:
        signal.signal(signal.SIGINT, usual)
