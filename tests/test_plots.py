"""Figures show what they claim: pictures the right way round, one scale for all, alt text that travels with them."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from PIL import Image

from helpers import to_image
from helpers.data import CLASSES
from helpers.plots import new_figure, show, template_grid
from helpers.plots.figure import CLASS_COLOURS, CLASS_MARKERS
from helpers.plots.templates import signed_image


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    yield
    plt.close("all")


def one_bright_value(channel, row, column):
    """Return (3072,) zeros but for one 1.0, placed by the published layout: channel, then row, then column."""
    values = np.zeros(3_072)
    values[channel * 1_024 + row * 32 + column] = 1.0
    return values


@pytest.mark.parametrize(("channel", "row", "column"), [(0, 0, 31), (1, 5, 2), (2, 31, 0)])
def test_a_template_stands_upright_in_its_own_colours(channel, row, column):
    picture = signed_image(one_bright_value(channel, row, column), scale=1.0)
    assert picture.shape == (32, 32, 3)
    assert picture[row, column, channel] == 1.0
    assert np.count_nonzero(picture != 0.5) == 1


def test_a_signed_image_is_symmetric_around_grey_and_clipped():
    values = np.linspace(-3, 3, 3_072)
    picture, mirrored = signed_image(values, 2.0), signed_image(-values, 2.0)
    assert np.allclose(picture + mirrored, 1.0)
    assert (picture.min(), picture.max()) == (0.0, 1.0)


def test_templates_share_one_scale_in_the_order_of_the_classes():
    weights = np.outer(np.ones(3_072), np.arange(10) - 4.5)
    figure = template_grid(weights, scale=4.5)
    shown = {axis.get_title(): axis.images[0].get_array() for axis in figure.axes if axis.images}
    assert tuple(shown) == CLASSES
    levels = [float(np.mean(picture)) for picture in shown.values()]
    assert np.allclose(levels, np.arange(10) / 9)


def test_zero_weights_are_grey_and_no_error():
    figure = template_grid(np.zeros((3_072, 10)))
    assert all(np.all(axis.images[0].get_array() == 0.5) for axis in figure.axes if axis.images)


def test_a_real_image_is_drawn_as_it_was_taken(data):
    assert np.array_equal(to_image(data.images_train[0])[0, 0], [59, 62, 63])  # the frog's first pixel, as published


def test_show_puts_picture_and_alt_text_into_the_output_and_closes_the_figure():
    InteractiveShell.instance()
    figure, axes = new_figure()
    axes.plot([1, 2, 3])
    with capture_output() as captured:
        show(figure, "A line rises from 1 to 3.")
    output, unseen = captured.outputs
    assert ">A line rises from 1 to 3.</p>" in unseen.data["text/html"]
    assert output.data["text/plain"] == "A line rises from 1 to 3."
    assert output.metadata["image/png"]["alt"] == "A line rises from 1 to 3."
    picture = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
    assert picture.size == (800, 400)
    assert not plt.fignum_exists(figure.number)


def test_the_same_figure_gives_the_same_bytes():
    InteractiveShell.instance()
    shown = []
    for _ in range(2):
        with capture_output() as captured:
            show(template_grid(np.random.default_rng(0).normal(size=(3_072, 10))), "Ten squares of noise.")
        shown.append(captured.outputs[0].data["image/png"])
    assert shown[0] == shown[1]


def test_classes_are_told_apart_without_colour():
    assert len(set(CLASS_MARKERS)) == len(set(CLASS_COLOURS)) == len(CLASSES)
