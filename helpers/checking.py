"""What the checks of the assignments say about numbers that are off: by how much, never what is right."""

import numpy as np


def check_close(found, right, what: str, rtol: float = 1e-6, atol: float = 1e-8) -> None:
    """Compare an answer with what it should be.

    Args:
        found: numbers of any kind and shape.
        right: what they should be, to within `atol` plus `rtol` times their size.
        what: what the numbers are called in the error.

    Raises:
        AssertionError: they differ; the message says how, in shape, factor, constant or size.
    """
    try:
        found = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError):
        raise AssertionError(f"{what}: numbers should stand here, not {type(found).__name__}.") from None
    right = np.asarray(right, dtype=np.float64)
    assert found.shape == right.shape, f"{what}: the shape should be {right.shape}, and is {found.shape}."
    close = np.isclose(found, right, rtol, atol)
    assert close.all(), f"{what}: {_difference(found, right, close, rtol, atol)}"


def _difference(found, right, close, rtol, atol) -> str:
    """Say in a sentence how `found` differs from `right`."""
    if odd := np.count_nonzero(~np.isfinite(found) & np.isfinite(right)):
        return f"{odd:,} of {found.size:,} numbers are nan or infinite."
    if found.size == 1:
        return f"{float(found.ravel()[0]):.4g} is too {'large' if found.sum() > right.sum() else 'small'}."
    factor = np.vdot(found, right) / (np.vdot(right, right) or 1)
    if factor and np.allclose(found, factor * right, rtol, abs(factor) * atol):
        if abs(factor + 1) < 1e-6:
            return "all signs are the wrong way round."
        return f"the numbers are {factor:.4g} times the right ones."
    shift = np.mean(found - right)
    if found.size > 2 and np.allclose(found, right + shift, rtol, atol):
        return f"all numbers are too {'large' if shift > 0 else 'small'} by {abs(shift):.4g}."
    worst = np.max(np.abs(found - right))
    return f"{np.count_nonzero(~close):,} of {found.size:,} numbers are off, by up to {worst:.4g}."
