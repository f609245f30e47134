"""The tests bite: each small mistake below, made in a copy of the project, is caught by the tests named beside it."""

import pytest

from tests import mutants

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
        "helpers/softmax.py", "biases -= rate", "biases += rate",
        "tests/test_softmax.py",
    ),
    "a gradient that forgets the mean image": (
        "helpers/softmax.py", "tf.float32) - mean", "tf.float32) - 0 * mean", "tests/test_softmax.py",
    ),
    "weight decay forgotten": (
        "helpers/softmax.py", " + weight_decay * weights)", " + 0 * weight_decay * weights)",
        "tests/test_softmax.py",
    ),
    "validation images learned from": (
        "helpers/data.py", "return np.sort(order[validation:])", "return np.sort(order)", "tests/test_data.py",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MUTATIONS)
def test_a_mistake_is_caught(mistake, tmp_path):
    file, right, wrong, tests = MUTATIONS[mistake]
    code, said = mutants.run_tests(tmp_path, file, right, wrong, "-m", "not slow", tests)
    assert code == 1, f"{tests} did not notice {mistake}:\n{said[-2000:]}"
