"""Values that cross between the grader and a submission's process: numbers, text and arrays, never code or pickles."""

import base64

import numpy as np

KINDS = "biuf"  # of arrays: bool, integers and floats
LARGEST = 64_000_000  # bytes of one message


class ValueTrouble(Exception):
    """A value that cannot cross; the message says what it is."""


def plain(value):
    """Return `value` in terms of JSON; raise `ValueTrouble` where it is no number, text, array or list of such."""
    if value is None or isinstance(value, bool | int | float | str):  # NumPy's strings as well
        return value
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, tuple):  # named ones as well
        return {"tuple": [plain(item) for item in value]}
    if isinstance(value, dict):  # ordered ones as well
        return {"dict": [[plain(key), plain(item)] for key, item in value.items()]}
    array = np.asarray(value)  # TensorFlow's tensors and variables as well
    if array.dtype.kind == "U":
        return plain(array.tolist())
    if array.dtype.kind not in KINDS:
        raise ValueTrouble(f"a {type(value).__name__} of type {array.dtype}")
    if array.nbytes > LARGEST // 2:
        raise ValueTrouble(f"{array.nbytes:,} bytes of answer, more than the {LARGEST // 2:,} allowed")
    return {"array": [array.dtype.str, array.shape, base64.b64encode(array.tobytes()).decode()]}


def restore(plain):
    """Return the value that terms of JSON mean; raise `ValueTrouble` for anything odd, as nobody vouches for them."""
    try:
        if isinstance(plain, list):
            return [restore(item) for item in plain]
        if not isinstance(plain, dict):
            return plain
        ((kind, content),) = plain.items()
        if kind == "tuple":
            return tuple(restore(item) for item in content)
        if kind == "dict":
            return {restore(key): restore(item) for key, item in content}
        dtype, shape, data = np.dtype(content[0]), content[1], base64.b64decode(content[2])
        if kind != "array" or dtype.kind not in KINDS:
            raise ValueTrouble(f"{kind!r:.20} of type {dtype}")
        return np.frombuffer(data, dtype).reshape(shape).copy()[()]
    except Exception as error:
        raise ValueTrouble(f"a message that makes no sense ({type(error).__name__})") from None
