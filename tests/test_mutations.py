"""The tests bite: each small mistake below, made in a copy of the project, is caught by the tests named beside it."""

import shutil
import subprocess
import sys

import pytest
from series import ROOT

pytestmark = pytest.mark.slow

MUTATIONS = {
    "a label read from the wrong byte": (
        "helpers/data.py", "np.array(records[:, 0]", "np.array(records[:, 1]", "tests/test_data.py",
    ),
    "a picture without its transpose": (
        "helpers/data.py", "reshape(3, 32, 32).transpose(1, 2, 0)", "reshape(32, 32, 3)", "tests/test_data.py",
    ),
    "a transposed template": (
        "helpers/plots/templates.py", "to_image(np.asarray(values, dtype=np.float64))",
        "to_image(np.asarray(values, dtype=np.float64)).transpose(1, 0, 2)", "tests/test_plots.py",
    ),
    "a wrong byte let through": (
        "helpers/archive.py", "if digest.hexdigest() != SHA256[name]:", "if False:",
        "tests/test_data.py",
    ),
    "a gradient with the wrong sign": (
        "helpers/softmax.py", "biases -= tf.reduce_sum(errors, axis=1)", "biases += tf.reduce_sum(errors, axis=1)",
        "tests/test_softmax.py",
    ),
    "a gradient that forgets the mean image": (
        "helpers/softmax.py", "[:, tf.newaxis] * mean", "[:, tf.newaxis] * 0 * mean", "tests/test_softmax.py",
    ),
    "weight decay forgotten": (
        "helpers/softmax.py", "1 - learning_rates * weight_decay", "1 - 0 * learning_rates * weight_decay",
        "tests/test_softmax.py",
    ),
    "validation images learned from": (
        "helpers/data.py", "return np.sort(order[validation:])", "return np.sort(order)", "tests/test_data.py",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MUTATIONS)
def test_a_mistake_is_caught(mistake, tmp_path):
    name, right, wrong, tests = MUTATIONS[mistake]
    for folder in ("helpers", "tests", "tools", "notebooks"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / "conftest.py", tmp_path)
    code = (tmp_path / name).read_text(encoding="utf-8")
    assert code.count(right) == 1, f"{right!r} should stand once in {name}"
    (tmp_path / name).write_text(code.replace(right, wrong), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", tests]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1, f"{tests} did not notice {mistake}:\n{result.stdout[-2000:]}"
