"""Labelling by hand: what is counted, what is kept, and what a saved notebook holds."""

import numpy as np
import pytest

from helpers.errors import ArgumentError
from helpers.figures import describe
from helpers.labelling import Labelling


@pytest.fixture
def four(tmp_path, monkeypatch):
    """Return a function that makes four plain images with labels 0 to 3; the model is right on the first two."""
    monkeypatch.chdir(tmp_path)
    images = np.repeat(np.arange(4)[:, np.newaxis] * 80, 3_072, axis=1)
    return lambda brighter=0: Labelling(images + brighter, [0, 1, 2, 3], [0, 1, 9, 9])


def test_right_answers_and_disagreements_are_counted(four):
    labelling = four()
    labelling.undo()
    assert labelling.result() == "You have labelled no image yet."
    labelling.answer(4)
    assert labelling.result().startswith(
        "You: 0% ± 0% (0 of 1). The model: 100% ± 0% (1 of 1). Only you are right on 0"
    )
    labelling.undo()
    for label in (0, 5, 2, 3, 8):  # the fifth has no image
        labelling.answer(label)
    assert labelling.answers == [0, 5, 2, 3]
    # By hand: 3 of 4, sqrt(.75 * .25 / 4) = .217; 2 of 4, .25; you alone on images 2 and 3, the model on 1; sqrt(3).
    assert labelling.result() == (
        "You: 75% ± 22% (3 of 4). The model: 50% ± 25% (2 of 4). Only you are right on 2, only the model on 1; "
        "luck is ± 1.7."
    )


def test_a_table_counts_each_answer_in_the_row_of_its_true_class(four):
    labelling = four()
    for label in (0, 5, 5):
        labelling.answer(label)
    figure = labelling.tables()
    yours, models = (axis.images[0].get_array() for axis in figure.axes)
    expected = np.zeros((10, 10), int)
    expected[0, 0] = expected[1, 5] = expected[2, 5] = 1
    assert np.array_equal(yours, expected)
    assert np.array_equal(np.argwhere(models), [[0, 0], [1, 1], [2, 9]])
    assert describe(figure).startswith("You: 33% ± 27% (1 of 3).")


def test_labels_are_kept_for_the_images_they_belong_to_until_they_are_forgotten(four):
    first, second = four(), four(brighter=1)
    first.answer(7)
    assert first.save() == "Saved in my-labels.json: 1 labels."
    second.answer(8)
    second.answer(9)
    second.save()
    assert (four().answers, four(brighter=1).answers, four(brighter=2).answers) == ([7], [8, 9], [])
    assert "horse" in first.file.read_text()
    first.forget()
    assert (first.answers, four().answers, four(brighter=1).answers) == ([], [], [8, 9])
    second.forget()
    assert not first.file.exists()


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


def test_the_saved_notebook_holds_a_still_picture_and_no_controls(four, monkeypatch):
    shown = []
    monkeypatch.setattr("helpers.panel.display", lambda data, **_: shown.append(data))
    four().show()
    controls, still = shown
    assert controls.keys() == {"application/vnd.jupyter.widget-view+json", "text/plain"}
    assert still.keys() == {"image/png", "text/html", "text/plain"}
    assert 'alt="To label these, run this cell' in still["text/html"]
