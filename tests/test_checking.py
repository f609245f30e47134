"""The sentences that the assignments' checks say about numbers that are off."""

import numpy as np
import pytest

from helpers.checking import check_close

RIGHT = np.array([[1.0, 2.0], [3.0, -5.0]])


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (RIGHT[0], r"the shape should be \(2, 2\), and is \(2,\)"),
        (RIGHT * 5, "5 times the right ones"),
        (RIGHT / 200, "0.005 times the right ones"),
        (-RIGHT, "all signs are the wrong way round"),
        (RIGHT + 0.25, "all numbers are too large by 0.25"),
        (RIGHT - [[0, 0], [0, 0.5]], r"1 of 4 numbers are off, by up to 0\.5"),
        (RIGHT * [[np.nan, 1], [1, np.inf]], "2 of 4 numbers are nan or infinite"),
        ("text", "numbers should stand here, not str"),
        ([[1, 2], [3]], "numbers should stand here, not list"),
    ],
)
def test_it_says_how_far_off_and_not_what_is_right(found, says):
    with pytest.raises(AssertionError, match=f"The weights: .*{says}") as caught:
        check_close(found, RIGHT, "The weights")
    assert "-5" not in str(caught.value)


def test_rounding_alone_is_forgiven_as_far_as_it_is_asked_for():
    check_close((RIGHT * (1 + 1e-7)).tolist(), RIGHT, "The weights")
    check_close(RIGHT + 0.09, RIGHT, "The weights", atol=0.1)
    check_close([], [], "Nothing")
    with pytest.raises(AssertionError, match=r"The loss: 2\.5 is too large"):
        check_close(2.5, 2.0, "The loss")
