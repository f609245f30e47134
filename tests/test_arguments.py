"""What a learner types wrongly gets one clear sentence, in Python and in a notebook."""

import math
import re

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from helpers.arguments import SAMPLINGS, SCHEDULES, check_settings, class_index
from helpers.data import CLASSES
from helpers.errors import ArgumentError, DatasetError

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
    return str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_a_senseless_value_gets_its_sentence(name):
    sentence, values = REFUSED[name]
    assert [refusal(**{name: value}) for value in values] == [f"{name} = {value!r} {sentence}" for value in values]


def test_a_number_of_hundreds_of_digits_is_refused():
    assert refusal(learning_rate=10**400).endswith(RATE)
    assert refusal(steps=10**400) == "steps is too large. Give a whole number, 1 to 9,223,372,036,854,775,807."


@pytest.mark.parametrize("name", TAKEN)
def test_numbers_of_python_and_numpy_and_the_offered_words_are_taken(name):
    assert [check_settings(**{name: value}) for value in TAKEN[name]] == [None] * len(TAKEN[name])


def test_a_batch_holds_at_most_all_images():
    check_settings(images=100, batch_size=100)
    sentence = "batch_size = 45001 is too large for 45,000 images. Give at most 45,000."
    assert refusal(images=45_000, batch_size=45_001) == sentence


def test_the_first_senseless_value_is_the_one_named():
    assert refusal(steps=10, learning_rate=-1, seed=-1).startswith("learning_rate = -1")


def test_an_unknown_name_is_a_programming_error():
    with pytest.raises(TypeError, match="learning_rte"):
        check_settings(learning_rte=0.1)


def test_each_name_of_a_class_gives_its_label():
    assert [class_index(name) for name in CLASSES] == list(range(10))


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("hors", "Did you mean 'horse'? "), ("Frog", "Did you mean 'frog'? "), ("airplane", "Did you mean 'plane'? "),
     ("zebra", ""), ("", ""), (3, ""), (None, "")],
)  # fmt: skip
def test_any_other_name_is_answered_with_the_list(typed, hint):
    with pytest.raises(ArgumentError) as caught:
        class_index(typed)
    assert str(caught.value) == f"There is no class {typed!r}. {hint}The classes are {', '.join(CLASSES)}."


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("from helpers import check_settings\ncheck_settings(learning_rate=-0.3)",
         "ArgumentError: learning_rate = -0.3 makes no sense. Give a number above 0, such as 0.3."),
        ("from helpers import DatasetError\ntry:\n    1 / 0\nexcept ZeroDivisionError as error:\n"
         "    raise DatasetError('nothing there') from error", "DatasetError: nothing there"),
        ("1 / 0", "Traceback"),
    ],
    ids=["senseless value", "data with a cause", "any other error"],
)  # fmt: skip
def test_a_notebook_shows_the_sentence_without_a_traceback(cell, shown, capsys):
    shell = InteractiveShell()
    shell.colors = "nocolor"
    capsys.readouterr()
    shell.run_cell(cell)
    printed = re.sub(r"\x1b\[[0-9;]*m", "", "".join(capsys.readouterr())).strip()
    assert printed == shown or (shown == "Traceback" and "Traceback" in printed and "ZeroDivisionError" in printed)


def test_a_senseless_value_is_a_value_error_too():
    assert issubclass(ArgumentError, ValueError)
    assert not issubclass(DatasetError, ValueError)
