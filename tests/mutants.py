"""A copy of the project with one mistake in it, and what the tests say of that copy."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.series import ROOT


def run_tests(folder: Path, file: str, right: str, wrong: str, *tests: str, timeout: float | None = None):
    """Put `wrong` in the place of `right` in a copy of the project in `folder`, and run pytest there.

    Returns:
        (pytest's exit code, what it printed), or (None, "") where the tests still ran after `timeout` seconds.
    """
    for name in ("helpers", "tests", "tools", "notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, folder)
    code = (folder / file).read_text(encoding="utf-8")
    assert code.count(right) == 1, f"{right!r} should stand once in {file}"
    (folder / file).write_text(code.replace(right, wrong), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests], cwd=folder, text=True,
        env=os.environ | {"PYTHONPATH": str(folder)}, stdout=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            said, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            return None, ""
        finally:
            with contextlib.suppress(ProcessLookupError, AttributeError):
                os.killpg(process.pid, signal.SIGKILL)  # with all that it started
    return process.returncode, said
