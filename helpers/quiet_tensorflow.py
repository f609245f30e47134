"""TensorFlow, started without its greetings, without Keras, and as this series uses it: import `tf` from here."""

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator

from helpers.errors import ProcessorError, warn

# A process of its own keeps what is said, and shows it unless the last byte says that all went well.
LISTENER = """
import sys
said = sys.stdin.buffer.read()
if not said.endswith(b"\\0"):
    sys.stderr.buffer.write(said)
"""


def check_processor() -> None:
    """Raise `ProcessorError` on a processor without AVX, on which importing TensorFlow kills Python without a word."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return  # AVX belongs to Intel's and AMD's processors; others need none
    try:
        from numpy._core._multiarray_umath import __cpu_features__ as features
    except ImportError:
        return  # a NumPy that doesn't say, so let TensorFlow try
    if not features.get("AVX", True):
        raise ProcessorError(
            "This computer's processor has no AVX instructions, which TensorFlow needs. Open the series on Binder or "
            "Colab, or on a computer built after about 2012; in a virtual machine, pass the host's processor through."
        )


@contextlib.contextmanager
def errors_kept_back() -> Iterator[None]:
    """Keep the process's error stream back inside the `with` block, and show it after all where the block fails.

    TensorFlow's libraries greet on file descriptor 2, and no setting silences all of them. If they abort instead, the
    listener still shows their last words.
    """
    try:
        listener = subprocess.Popen([sys.executable, "-I", "-S", "-c", LISTENER], stdin=subprocess.PIPE)
        usual = os.dup(2)
    except (OSError, TypeError, ValueError):  # no processes allowed, no interpreter, no error stream
        yield
        return
    assert listener.stdin is not None
    os.dup2(listener.stdin.fileno(), 2)
    try:
        yield
        listener.stdin.write(b"\0")
    finally:
        os.dup2(usual, 2)
        os.close(usual)
        listener.communicate()


@contextlib.contextmanager
def keras_later() -> Iterator[None]:
    """Keep TensorFlow from importing all of Keras, 50 MB that few notebooks need: it comes when it is first used."""
    eager = "keras.src.optimizers"  # what TensorFlow imports as its last act, if it can
    later = sys.modules.setdefault(eager, None) is None  # type: ignore[arg-type]  # None: not to be found
    try:
        yield
    finally:
        if later:
            del sys.modules[eager]


check_processor()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Intel's library of matrix products, which TensorFlow uses of its own accord on newer processors only: on older ones
# a tape's X^T g takes four times as long without it (docs/measurements/speed.md).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with errors_kept_back(), keras_later():
    import tensorflow as tf
try:
    # Steps as small as ours take longer on two threads than on one, and a class shares its machine's cores.
    tf.config.threading.set_intra_op_parallelism_threads(1)
except RuntimeError:
    warn(
        "TensorFlow was at work before helpers was imported and keeps its own threads: training works, but its last "
        "digits may differ from run to run. Import helpers first, in a fresh kernel, for the same result each time."
    )
