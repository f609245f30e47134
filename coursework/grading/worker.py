"""The process in which a submission's code runs, locked in. It knows no test and no answer, and decides nothing.

student.py starts it and hands it one line of settings, then requests, a line each: to run a cell, to tell what lies
under a name, to call a function with given inputs. To each it replies with a line. Whatever the submission does to this
process, to NumPy or to `assert`, the tests run elsewhere and see only the values that come back.
"""

import contextlib
import io
import json
import os
import signal
import sys
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from coursework.grading import sandbox, values

MOST_TEXT = 10_000  # characters kept of what a cell prints


class CellTimeout(BaseException):
    """A cell took too long. Not an Exception, so that `except Exception` in a submission does not swallow it."""


class Tail(io.TextIOBase):
    """What a cell prints: its first characters are kept, the rest is dropped."""

    def __init__(self):
        self.text, self.dropped = "", False

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        room = MOST_TEXT - len(self.text)
        self.text += str(text)[: max(0, room)]
        self.dropped |= len(text) > room
        return len(text)


def private_channels() -> tuple[io.BufferedReader, io.BufferedWriter]:
    """Move the line to the grader away from the standard streams; what is printed past Python is lost."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    return requests, replies


def time_limit(seconds: float) -> None:
    """Raise `CellTimeout` after so many seconds of processor time; 0 lifts the limit. The grader has one of its own."""

    def stop(*_):
        raise CellTimeout(f"still running after {seconds:.0f} s of processor time")

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def new_shell() -> InteractiveShell:
    """Return an IPython that runs cells, magics included, and shows nothing."""
    config = Config(HistoryManager={"enabled": False}, InteractiveShell={"colors": "NoColor"})
    shell = InteractiveShell(config=config)
    shell.display_pub.publish = shell.displayhook.write_format_data = lambda *_, **__: None
    shell.displayhook.write_output_prompt = shell._showtraceback = lambda *_, **__: None
    return shell


def sentence(error: BaseException | None) -> str | None:
    """Return an error in one line."""
    if error is None:
        return None
    try:
        return f"{type(error).__name__}: {error}"[:500].replace("\n", " ")
    except Exception:
        return type(error).__name__


def main() -> None:
    requests, replies = private_channels()
    settings = json.loads(requests.readline())
    folder = Path(settings["folder"])
    os.chdir(folder)
    sys.path.insert(0, str(folder))  # modules that a cell writes
    shell = new_shell()
    sandbox.set_limits(settings["limits"])
    if settings["isolated"]:
        try:
            sandbox.enter(settings["readable"], [folder, os.devnull], Path(settings["forbidden"]))
        except sandbox.SandboxError as problem:
            replies.write(json.dumps({"refused": str(problem)}).encode() + b"\n")
            replies.flush()
            return

    def run(request: dict) -> dict:
        printed = Tail()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            result = shell.run_cell(request["source"], store_history=False)
        error = result.error_before_exec or result.error_in_exec
        return {"error": sentence(error), "printed": printed.text + ("\n[more is dropped]" if printed.dropped else "")}

    def names(request: dict) -> dict:
        """Return the names that a request means: the submission's, or those of a probe, which no later cell changes."""
        if request["probe"] is None:
            return shell.user_ns
        own = dict(shell.user_ns)
        exec(request["probe"], own)
        return own

    def tell(request: dict) -> dict:
        missing = object()
        value = names(request).get(request["name"], missing)
        if value is missing:
            return {"kind": "missing"}
        if callable(value) and not hasattr(value, "__array__"):
            return {"kind": "function"}
        return {"kind": "value", "value": values.encode(value).decode()}

    def call(request: dict) -> dict:
        positional, named = values.decode(request["inputs"].encode())
        with contextlib.redirect_stdout(Tail()), contextlib.redirect_stderr(Tail()):
            result = names(request)[request["name"]](*positional, **named)
        return {"value": values.encode(result).decode()}

    replies.write(b'{"ready": true}\n')
    replies.flush()
    for line in requests:
        request = json.loads(line)
        try:
            time_limit(request["seconds"])
            reply = {"run": run, "tell": tell, "call": call}[request["do"]](request)
            time_limit(0)
        except BaseException as error:
            time_limit(0)
            reply = {"error": sentence(error)}
        with contextlib.suppress(BaseException):
            replies.write(json.dumps(reply).encode() + b"\n")
            replies.flush()


if __name__ == "__main__":
    main()
