"""What several tests share: the real CIFAR-10, loaded once, and what the grading of submissions needs."""

import os
import subprocess
import sys

import pytest
from series import ROOT

from helpers.data import find_data, load_data


@pytest.fixture(scope="session")
def data_folder():
    """Return the folder of the verified cache; no test may write there."""
    return find_data()


@pytest.fixture(scope="session")
def data(data_folder):
    return load_data(data_folder)


@pytest.fixture(scope="session")
def isolation():
    """Skip where submissions can't be locked in; fail instead on Linux in CI, where they must be."""
    import sandbox

    if problem := sandbox.missing():
        if sys.platform == "linux" and os.environ.get("CI"):
            pytest.fail(problem)
        pytest.skip(problem)


@pytest.fixture(scope="session")
def grading_settings(data_folder, tmp_path_factory):
    """Return the paths that grading hands to a submission's process."""
    fonts = tmp_path_factory.mktemp("fonts")
    command = [sys.executable, "-c", "import matplotlib.font_manager"]
    subprocess.run(command, check=True, env=os.environ | {"MPLCONFIGDIR": str(fonts)})
    return {
        "data": str(data_folder), "fonts": str(fonts), "helpers": str(ROOT / "helpers"),
        "forbidden": str(ROOT / "Makefile"), "isolated": True,
    }  # fmt: skip
