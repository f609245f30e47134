"""The process in which a submission's code runs, locked in. It knows no test and no answer, and decides nothing.

student.py hands it one line of settings, then requests, a line each: to run a cell, to tell what lies under a name, to
call a function with given inputs. To each it replies with a line. Whatever the submission does to this process, to
NumPy or to `assert`, the tests run elsewhere and see only the values that come back.
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from coursework.grading import sandbox, values

MOST_TEXT = 10_000  # characters kept of what a cell prints


class CellTimeout(BaseException):
    """A cell took too long. Not an Exception, so that `except Exception` in a submission does not swallow it."""


def new_shell() -> InteractiveShell:
    """Return an IPython that runs cells, magics included, and shows nothing."""
    config = Config(HistoryManager={"enabled": False}, InteractiveShell={"colors": "NoColor"})
    shell = InteractiveShell(config=config)
    shell.display_pub.publish = shell.displayhook.write_format_data = lambda *_, **__: None
    shell.displayhook.write_output_prompt = shell._showtraceback = shell.enable_gui = lambda *_, **__: None
    shell.showtraceback = lambda *_, **__: None  # with TensorFlow loaded, a long one takes 15 seconds to make
    return shell


def sentence(error: BaseException) -> str:
    """Return an error in one line."""
    try:
        return f"{type(error).__name__}: {error}"[:500].replace("\n", " ").rstrip(": ")
    except Exception:
        return type(error).__name__


def answer(shell: InteractiveShell, request: dict) -> dict:
    """Return the reply to a request."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        if "source" in request:
            result = shell.run_cell(request["source"], store_history=False)
            error = result.error_before_exec or result.error_in_exec
            return {"error": error and sentence(error), "printed": printed.getvalue()[:MOST_TEXT]}
        names = shell.user_ns
        if request["probe"]:  # the instructor's code, which no later cell changes
            names = dict(names)
            exec(request["probe"], names)
        if request["name"] not in names:
            return {"missing": True}
        value = names[request["name"]]
        if "inputs" in request:
            positional, named = values.restore(request["inputs"])
            value = value(*positional, **named)
        elif callable(value) and not hasattr(value, "__array__"):
            return {"function": True}
        return {"value": values.plain(value)}


def main() -> None:
    # The line to the grader moves away from the standard streams; what is printed past Python is lost.
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    settings, folder = json.loads(requests.readline()), Path.cwd()
    sys.path.insert(0, str(folder))  # modules that a cell writes
    shell, line = new_shell(), "{}"
    sandbox.set_limits(settings["limits"])
    try:
        sandbox.enter(settings["readable"], [folder, os.devnull])
    except sandbox.Refused as problem:
        line = json.dumps({"refused": str(problem)})
    while True:
        with contextlib.suppress(BaseException):
            replies.write(line.encode() + b"\n")
            replies.flush()
        request = json.loads(requests.readline())
        try:
            late = CellTimeout(f"still running after {request['seconds']:.0f} s of processor time")
            with sandbox.time_limit(request["seconds"], late):
                line = json.dumps(answer(shell, request))
        except BaseException as error:
            line = json.dumps({"error": sentence(error)})


if __name__ == "__main__":
    main()
