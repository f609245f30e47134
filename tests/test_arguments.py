"""What a learner types wrongly gets one clear sentence, in Python and in a notebook."""

import math

import numpy as np
import pytest

from helpers.arguments import SAMPLINGS, SCHEDULES, check_settings, class_index
from helpers.data import CLASSES
from helpers.errors import ArgumentError

NO_NUMBERS = [True, "3", "", None, [1], 1j, np.array([1, 2]), np.bool_(True), math.nan, -math.inf, np.float32("inf")]
NO_WORDS = ["Linear", "with replacement", "", None, 1, ["linear"], np.array(["a", "b"])]
COUNT, SEED = "makes no sense. Give a whole number, 1 or more.", "makes no sense. Give a whole number, 0 or more."
RATE = "makes no sense. Give a number above 0, such as 0.3."
DECAY = "makes no sense. Give 0 or a small positive number."
REFUSED = {
    **dict.fromkeys(("steps", "batch_size", "validate_every"), (COUNT, [0, -1, 3.5, 3.0, np.float64(3), *NO_NUMBERS])),
    "seed": (SEED, [-1, 3.5, *NO_NUMBERS]),
    **dict.fromkeys(("learning_rate", "divide_by"), (RATE, [0, 0.0, -0.1, 1e39, *NO_NUMBERS])),
    "weight_decay": (DECAY, [-0.1, 1e39, *NO_NUMBERS]),
    "schedule": ("is not known. Choose 'constant' or 'linear'.", NO_WORDS),
    "sampling": ("is not known. Choose 'epochs' or 'replacement'.", NO_WORDS),
}
WHOLE, REAL = [1, 10**6, np.int64(5), np.uint8(5)], [0.3, 1, 1e-9, np.float64(0.1), np.float16(0.1), np.int64(2)]
TAKEN = {
    **dict.fromkeys(("steps", "batch_size", "validate_every"), WHOLE),
    "seed": [0, np.int64(0), *WHOLE],
    **dict.fromkeys(("learning_rate", "divide_by"), REAL),
    "weight_decay": [0, 0.0, *REAL],
    "schedule": [*SCHEDULES, np.str_("linear")],
    "sampling": SAMPLINGS,
}


def refusal(**values) -> str:
    with pytest.raises(ArgumentError) as caught:
        check_settings(**values)
    assert isinstance(caught.value, ValueError)
    return str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_a_senseless_value_gets_its_sentence(name):
    sentence, values = REFUSED[name]
    assert [refusal(**{name: value}) for value in values] == [f"{name} = {value!r} {sentence}" for value in values]


def test_a_number_that_is_too_large_is_refused():
    assert refusal(learning_rate=10**400).endswith(RATE)
    assert refusal(seed=2**63) == "seed is too large. Give a whole number, 0 to 9,223,372,036,854,775,807."
    sentence = "batch_size = 45001 is too large for 45,000 images. Give at most 45,000."
    assert refusal(images=45_000, batch_size=45_001) == sentence
    check_settings(images=45_000, batch_size=45_000)


@pytest.mark.parametrize("name", TAKEN)
def test_numbers_of_python_and_numpy_and_the_offered_words_are_taken(name):
    assert [check_settings(**{name: value}) for value in TAKEN[name]] == [None] * len(TAKEN[name])


def test_each_name_of_a_class_gives_its_label():
    assert [class_index(name) for name in CLASSES] == list(range(10))


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("Frog", "Did you mean 'frog'? "), ("airplane", "Did you mean 'plane'? "), ("zebra", ""), (3, ""), (None, "")],
)
def test_any_other_name_is_answered_with_the_list(typed, hint):
    with pytest.raises(ArgumentError) as caught:
        class_index(typed)
    assert str(caught.value) == f"There is no class {typed!r}. {hint}The classes are {', '.join(CLASSES)}."
