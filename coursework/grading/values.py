"""Values as they cross from a submission's process to the grader's: numbers, text and arrays, never code or pickles."""

import base64
import json
import math

import numpy as np

from coursework.grading.text import printable

KINDS = "biuf"  # of arrays: bool, integers and floats of at most 8 bytes
LARGEST = 64_000_000  # bytes of one message
DEEPEST = 8  # lists within lists
MOST_ITEMS = 2_000_000  # of all lists in one message; an array counts as one


class ValueTrouble(Exception):
    """A value that cannot cross; the message says what it is."""


def _plain(value, depth: int = 0):
    """Return `value` in terms of JSON."""
    if depth > DEEPEST:
        raise ValueTrouble("lists nested too deeply")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):  # NumPy's strings as well
        return str.__str__(value)
    if isinstance(value, int):
        if abs(value) >= 2**63:
            raise ValueTrouble("a whole number of more than 64 bits")
        return int(value)
    if isinstance(value, float) and not isinstance(value, np.generic):
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, list | tuple):  # named tuples as well
        return {"list" if isinstance(value, list) else "tuple": [_plain(item, depth + 1) for item in value]}
    if isinstance(value, dict):  # ordered ones as well
        return {"dict": [[_plain(key, depth + 1), _plain(item, depth + 1)] for key, item in value.items()]}
    if hasattr(value, "numpy") and not isinstance(value, np.ndarray):  # TensorFlow's tensors and variables
        value = value.numpy()
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.kind == "U":
            return _plain(array.tolist(), depth)
        if array.dtype.kind not in KINDS or array.dtype.itemsize > 8:
            raise ValueTrouble(f"an array of type {array.dtype}")
        if array.nbytes > LARGEST // 2:
            raise ValueTrouble(f"{array.nbytes:,} bytes of answer, more than the {LARGEST // 2:,} allowed")
        array = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
        return {"array": [array.dtype.str, list(np.shape(value)), base64.b64encode(array.tobytes()).decode()]}
    raise ValueTrouble(f"a {type(value).__name__}")


def encode(value) -> bytes:
    """Return `value` as a line of JSON; raise `ValueTrouble` where it is no number, text, array or list of such."""
    line = json.dumps(_plain(value)).encode() + b"\n"
    if len(line) > LARGEST:
        raise ValueTrouble(f"{len(line):,} bytes of answer, more than the {LARGEST:,} allowed")
    return line


def _value(plain, depth: int = 0):
    if depth > 2 * DEEPEST + 4:
        raise ValueTrouble("lists nested too deeply")
    if isinstance(plain, list):
        raise ValueTrouble("a bare list")
    if not isinstance(plain, dict):
        return printable(plain, LARGEST) if isinstance(plain, str) else plain
    ((kind, content),) = plain.items()
    if kind == "float":
        return float(content)
    if not isinstance(content, list):
        raise ValueTrouble(f"a {kind!r:.20} of something else than a list")
    if kind in ("list", "tuple"):
        return {"list": list, "tuple": tuple}[kind](_value(item, depth + 1) for item in content)
    if kind == "dict":
        return {_value(key, depth + 1): _value(item, depth + 1) for key, item in content}
    if kind == "array":
        dtype, shape, data = np.dtype(content[0]), [int(size) for size in content[1]], base64.b64decode(content[2])
        if dtype.kind not in KINDS or dtype.itemsize > 8 or len(shape) > 16 or min(shape, default=0) < 0:
            raise ValueTrouble(f"an array of type {dtype}")
        return np.frombuffer(data, dtype).reshape(shape).copy() if shape else np.frombuffer(data, dtype)[0]
    raise ValueTrouble(f"something called {kind!r:.20}")


def decode(line: bytes):
    """Return the value in a line of JSON that nobody vouches for; raise `ValueTrouble` for anything odd in it."""
    if line.count(b",") > MOST_ITEMS or line.count(b"{") > MOST_ITEMS // 10:
        raise ValueTrouble(f"more than {MOST_ITEMS:,} numbers in lists")
    try:
        return _value(json.loads(line))
    except ValueTrouble:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError,
            MemoryError, AssertionError) as error:  # fmt: skip
        raise ValueTrouble(f"a message that makes no sense ({type(error).__name__})") from None
