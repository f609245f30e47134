"""What a learner types wrongly gets one clear sentence, in Python and in a notebook."""

import math
import re

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from helpers.arguments import SAMPLINGS, SCHEDULES, check_settings, class_index
from helpers.data import CLASSES
from helpers.errors import ArgumentError, DatasetError

WHOLE = {"steps": "1 or more", "batch_size": "1 or more", "seed": "0 or more", "validate_every": "1 or more"}
POSITIVE = ("learning_rate", "divide_by")
NO_NUMBERS = [True, False, "3", "", None, [1], (1,), {}, 1j, np.array([1, 2]), np.bool_(True)]
ENDLESS = [math.nan, math.inf, -math.inf, np.nan, np.float32("inf"), np.float16("inf")]


def refusal(**values) -> str:
    with pytest.raises(ArgumentError) as caught:
        check_settings(**values)
    return str(caught.value)


class TestSenseless:
    @pytest.mark.parametrize("value", [-1, -100, 3.5, 3.0, np.float64(3), 10.0**6, *NO_NUMBERS, *ENDLESS], ids=repr)
    @pytest.mark.parametrize("name", WHOLE)
    def test_a_count_is_a_whole_number(self, name, value):
        assert refusal(**{name: value}) == f"{name} = {value!r} makes no sense. Give a whole number, {WHOLE[name]}."

    @pytest.mark.parametrize("name", ["steps", "batch_size", "validate_every"])
    def test_a_count_is_not_zero(self, name):
        assert refusal(**{name: 0}) == f"{name} = 0 makes no sense. Give a whole number, 1 or more."

    @pytest.mark.parametrize("value", [0, 0.0, -0.1, -5, 10**400, 1e39, *NO_NUMBERS, *ENDLESS], ids=str)
    @pytest.mark.parametrize("name", POSITIVE)
    def test_a_rate_is_a_number_above_0(self, name, value):
        assert refusal(**{name: value}) == f"{name} = {value!r} makes no sense. Give a number above 0, such as 0.3."

    @pytest.mark.parametrize("value", [-0.1, -5, 10**400, *NO_NUMBERS, *ENDLESS], ids=str)
    def test_weight_decay_is_0_or_a_positive_number(self, value):
        expected = f"weight_decay = {value!r} makes no sense. Give 0 or a small positive number."
        assert refusal(weight_decay=value) == expected

    @pytest.mark.parametrize(
        "value", ["Linear", "cosine", "", None, 1, True, ["linear"], np.array(["a", "b"])], ids=repr
    )
    def test_a_schedule_is_one_of_two_words(self, value):
        assert refusal(schedule=value) == f"schedule = {value!r} is not known. Choose 'constant' or 'linear'."

    @pytest.mark.parametrize("value", ["epoch", "with replacement", "", None, 0, np.array(["a", "b"])], ids=repr)
    def test_a_sampling_is_one_of_two_words(self, value):
        assert refusal(sampling=value) == f"sampling = {value!r} is not known. Choose 'epochs' or 'replacement'."

    def test_a_batch_holds_at_most_all_images(self):
        check_settings(images=100, batch_size=100)
        assert refusal(images=45_000, batch_size=45_001) == (
            "batch_size = 45001 is too large for 45,000 images. Give at most 45,000."
        )

    def test_the_first_senseless_value_is_the_one_named(self):
        assert refusal(steps=10, learning_rate=-1, seed=-1).startswith("learning_rate = -1")

    def test_an_unknown_name_is_a_programming_error(self):
        with pytest.raises(TypeError, match="learning_rte"):
            check_settings(learning_rte=0.1)


class TestSensible:
    @pytest.mark.parametrize("value", [1, 2, 10**6, np.int64(5), np.int32(5), np.uint8(5)], ids=repr)
    @pytest.mark.parametrize("name", WHOLE)
    def test_whole_numbers_of_python_and_numpy_are_taken(self, name, value):
        assert check_settings(**{name: value}) is None

    @pytest.mark.parametrize(
        "value", [0.3, 1, 325, 1e-9, np.float64(0.1), np.float32(0.1), np.float16(0.1), np.int64(2)], ids=repr
    )
    @pytest.mark.parametrize("name", [*POSITIVE, "weight_decay"])
    def test_numbers_of_python_and_numpy_are_taken(self, name, value):
        assert check_settings(**{name: value}) is None

    def test_zero_is_a_seed_and_a_weight_decay(self):
        assert check_settings(seed=0, weight_decay=0.0) is None
        assert check_settings(seed=np.int64(0), weight_decay=0) is None

    def test_the_offered_words_are_taken(self):
        assert (SCHEDULES, SAMPLINGS) == (("constant", "linear"), ("epochs", "replacement"))
        for schedule in SCHEDULES:
            for sampling in SAMPLINGS:
                assert check_settings(schedule=schedule, sampling=np.str_(sampling)) is None


class TestClassIndex:
    def test_each_name_gives_its_label(self):
        assert [class_index(name) for name in CLASSES] == list(range(10))

    @pytest.mark.parametrize(
        ("typed", "meant"), [("hors", "horse"), ("trucks", "truck"), ("Frog", "frog"), ("airplane", "plane")]
    )
    def test_a_near_miss_is_answered_with_the_class_meant(self, typed, meant):
        with pytest.raises(ArgumentError) as caught:
            class_index(typed)
        assert str(caught.value) == (
            f"There is no class {typed!r}. Did you mean {meant!r}? The classes are {', '.join(CLASSES)}."
        )

    @pytest.mark.parametrize("typed", ["zebra", "", 3, None])
    def test_anything_else_is_answered_with_the_list(self, typed):
        with pytest.raises(ArgumentError) as caught:
            class_index(typed)
        assert str(caught.value) == f"There is no class {typed!r}. The classes are {', '.join(CLASSES)}."


class TestInANotebook:
    @pytest.fixture
    def run_cell(self, capsys):
        """Return a function that runs a cell as IPython does and gives all that it shows."""
        shell = InteractiveShell()
        shell.colors = "nocolor"

        def run(cell: str) -> str:
            capsys.readouterr()
            shell.run_cell(cell)
            shown = capsys.readouterr()
            return re.sub(r"\x1b\[[0-9;]*m", "", shown.out + shown.err)

        return run

    def test_a_senseless_value_shows_its_sentence_and_no_traceback(self, run_cell):
        shown = run_cell("from helpers import check_settings\ncheck_settings(learning_rate=-0.3)")
        assert shown.strip() == (
            "ArgumentError: learning_rate = -0.3 makes no sense. Give a number above 0, such as 0.3."
        )

    def test_a_data_error_shows_its_sentence_and_no_traceback(self, run_cell):
        shown = run_cell("from helpers import DatasetError\nraise DatasetError('nothing there')")
        assert shown.strip() == "DatasetError: nothing there"

    def test_a_sentence_with_a_cause_shows_no_traceback_of_the_cause(self, run_cell):
        shown = run_cell(
            "from helpers import DatasetError\n"
            "try:\n    1 / 0\n"
            "except ZeroDivisionError as error:\n    raise DatasetError('nothing there') from error"
        )
        assert shown.strip() == "DatasetError: nothing there"

    def test_other_errors_keep_their_traceback(self, run_cell):
        shown = run_cell("1 / 0")
        assert "Traceback" in shown
        assert "ZeroDivisionError" in shown

    def test_it_is_a_value_error_too(self):
        with pytest.raises(ValueError, match="makes no sense"):
            check_settings(steps=0)
        assert not issubclass(DatasetError, ValueError)
