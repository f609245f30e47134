"""Labelling by hand: what is counted, what is kept, and what a saved notebook holds."""

import json

import numpy as np
import pytest

from helpers.errors import ArgumentError
from helpers.labelling import Labelling


@pytest.fixture
def four(tmp_path, monkeypatch):
    """Return a function that makes four plain images with labels 0 to 3; the model is right on the first two."""
    monkeypatch.chdir(tmp_path)
    images = np.repeat(np.arange(4)[:, np.newaxis] * 80, 3_072, axis=1)

    def make(*answers, brighter=0):
        labelling = Labelling(images + brighter, [0, 1, 2, 3], [0, 1, 9, 9])
        for label in answers:
            labelling.answer(label)
        return labelling

    return make


def test_right_answers_and_disagreements_are_counted(four):
    labelling = four()
    assert labelling.result() == "You have labelled no image yet."
    for label in (0, 7, 5, 2, 3, 8):  # a fifth image does not exist
        labelling.answer(label)
        if label == 7:
            labelling.undo()
    # By hand: sqrt(.75 * .25 / 4) = .217; you alone on images 2 and 3, the model on 1.
    accuracies, differences = labelling.result().split(" Only ")
    assert accuracies == "You: 75% ± 22% (3 of 4). The model: 50% ± 25% (2 of 4)."
    assert differences == "you are right on 2, only the model on 1; luck is ± 1.7."


def test_a_table_counts_each_answer_in_the_row_of_its_true_class(four):
    figure = four(0, 5, 5).tables()
    yours, models = (axis.images[0].get_array() for axis in figure.axes)
    expected = np.zeros((10, 10), int)
    expected[0, 0] = expected[1, 5] = expected[2, 5] = 1
    assert np.array_equal(yours, expected)
    assert np.array_equal(np.argwhere(models), [[0, 0], [1, 1], [2, 9]])


def test_labels_are_kept_for_the_images_they_belong_to_until_they_are_forgotten(four):
    first = four(7)
    assert first.save() == "Saved in my-labels.json: 1 labels."
    four(8, 9, brighter=1).save()
    assert (four().answers, four(brighter=1).answers, four(brighter=2).answers) == ([7], [8, 9], [])
    first.forget()
    assert (first.answers, four().answers, four(brighter=1).answers) == ([], [], [8, 9])
    assert [*json.loads(first.file.read_text()).values()] == [[], ["ship", "truck"]]


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"a": ["hores"]}', '{"a": 3}'])
def test_a_file_of_something_else_is_refused_and_left_alone(four, content):
    labelling = four()
    labelling.file.write_text(content)
    for act in (four, labelling.save):
        with pytest.raises(ArgumentError, match=r"my-labels\.json holds no labels of yours"):
            act()
    assert labelling.file.read_text() == content
    with pytest.raises(ArgumentError, match=r"1 images, 2 labels, 1 model's answers don't belong together"):
        Labelling(np.zeros((1, 3_072)), [0, 1], [0])
