"""TensorFlow starts without a word, and dies with its last ones. A stand-in that aborts is imported in its place."""

import subprocess
import sys

import pytest
from numpy._core._multiarray_umath import __cpu_features__

from helpers import quiet_tensorflow
from helpers.errors import ProcessorError


def python(code: str, *paths) -> subprocess.CompletedProcess:
    code = f"import sys; sys.path[:0] = {[str(path) for path in paths]}\n{code}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.slow
def test_it_says_nothing_and_keras_comes_only_when_it_is_used():
    ran = python(
        "from helpers.softmax import tf; assert 'keras' not in sys.modules\n"
        "print(tf.keras.layers.Dense(3)(tf.ones([2, 5])).shape)\n"
        "from tensorflow.keras import layers; print(layers.Dense(3)(tf.ones([2, 5])).shape)"
    )
    assert (ran.stdout, ran.stderr) == ("(2, 3)\n(2, 3)\n", "")


@pytest.mark.parametrize("end", ["os.abort()", "raise ImportError('broken')"])
def test_its_last_words_are_shown(tmp_path, end):
    (tmp_path / "tensorflow.py").write_text(f"import os; os.write(2, b'F0000 wrong version\\n'); {end}")
    ran = python("from helpers.quiet_tensorflow import tf", tmp_path)
    assert ran.returncode != 0
    assert "F0000 wrong version" in ran.stderr
    assert ("ImportError: broken" in ran.stderr) is ("broken" in end)


@pytest.mark.slow
def test_who_started_tensorflow_before_is_told_what_that_means():
    ran = python("import tensorflow as tf; tf.ones(3) + 1; import helpers.softmax; print('works')")
    assert ran.stdout == "works\n"
    assert "TensorFlow was at work before helpers was imported" in ran.stderr


@pytest.mark.parametrize(
    ("machine", "features", "sound"),
    [
        ("x86_64", {"AVX": True}, True),
        ("AMD64", {"AVX": False, "AVX2": True}, False),
        ("arm64", {"AVX": False}, True),
        ("x86_64", {}, True),  # nothing is known: no reason to stop
    ],
)
def test_a_processor_without_avx_is_named_before_tensorflow_is_imported(machine, features, sound, monkeypatch):
    assert "AVX" in __cpu_features__
    monkeypatch.setattr(quiet_tensorflow.platform, "machine", lambda: machine)
    monkeypatch.setattr("numpy._core._multiarray_umath.__cpu_features__", features)
    if sound:
        return quiet_tensorflow.check_processor()
    with pytest.raises(ProcessorError, match="has no AVX instructions, which TensorFlow needs"):
        quiet_tensorflow.check_processor()
