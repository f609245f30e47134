"""Figures show what they claim: pictures the right way round, one scale for all, a description made from the data."""

import base64
import io
import json
import re

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from PIL import Image

from helpers import ArgumentError, compute_logits, cross_entropy, to_image
from helpers.data import CLASSES
from helpers.figures import bundle, describe, in_series_style, new_figure, png, show_figure
from helpers.plots import captioned_images, operation_graph, template_grid, template_rows
from helpers.plots.templates import signed_image
from tests.series import kernel


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
    assert np.array_equal(signed_image(to_image(values), 2.0), picture), "a picture is drawn as its row is"
    assert np.all(template_grid(np.zeros((3_072, 1)), titles=["none"]).axes[0].images[0].get_array() == 0.5)


def test_templates_share_one_scale_in_the_order_of_the_classes():
    weights = np.outer(np.ones(3_072), np.arange(10) - 4.5)
    figure = template_grid(weights, scale=4.5)
    shown = {axis.get_title(): axis.images[0].get_array() for axis in figure.axes if axis.images}
    assert tuple(shown) == CLASSES
    levels = [float(np.mean(picture)) for picture in shown.values()]
    assert np.allclose(levels, np.arange(10) / 9)


@pytest.mark.parametrize("draw", [
    lambda count, titles: template_grid(np.ones((3_072, count)), titles=titles),
    lambda count, titles: template_rows([np.ones((3_072, 10))] * count, titles),
    lambda count, titles: captioned_images(np.zeros((count, 3_072), np.uint8), titles),
])  # fmt: skip
def test_figures_of_many_pictures_draw_all_or_say_why_not(draw):
    for count in (1, 4, 11):
        names = [f"number {number}" for number in range(count)]
        figure = draw(count, names)
        shown = [axis.get_title() + axis.get_ylabel() for axis in figure.axes if axis.images]
        assert all(any(name in text for text in shown) for name in names)
        for wrong in (names[1:], [*names, "one more"]):
            with pytest.raises(ArgumentError, match=f"{len(wrong)} titles for {count} pictures"):
                draw(count, wrong)
    with pytest.raises(ArgumentError, match="Give a picture or more"):
        draw(0, [])


@in_series_style
def rising(title="A rise"):
    figure, axis = new_figure()
    axis.plot([1.5, 2.5, 4.0], label="a line")
    axis.imshow(np.arange(12).reshape(3, 4) / 11)
    axis.set(title=title, xlabel="step", ylabel="loss (nats)")
    return figure


def test_a_figure_is_shown_with_a_description_made_from_its_data():
    InteractiveShell.instance()
    with capture_output() as captured:
        show_figure(rising())
    output, unseen = captured.outputs
    words = "A rise: a line: 1.5 at 0, 2.5 at 1, 4.0 at 2; a picture of 4 × 3."
    assert output.data["text/plain"] == output.metadata["image/png"]["alt"] == words
    assert re.fullmatch(f'<img alt="{words}" width="1" height="1" [^>]+>', unseen.data["text/html"])
    picture = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
    assert picture.size == (800, 400)


def test_a_description_names_bars_whiskers_levels_and_extremes():
    @in_series_style
    def draw():
        figure, (left, right) = new_figure(1, 2)
        left.bar(["cat", "dog"], [0.25, 0.5])
        left.axhline(0.1, label="chance")
        right.errorbar([10, 100], [0.28, 0.41], [0.01, 0.01], label="validation")
        right.plot(np.arange(100), np.r_[np.full(50, 3.0), np.full(49, 0.5), 1.25])
        right.plot([], [], label="none")
        right.plot([5, 5, 5], [0.75, 1.5, 0.25], "o")
        left.yaxis.set_major_formatter("{x:.0%}")
        return figure

    words = describe(draw())
    for part in ("cat 25.0%, dog 50.0%", "chance: level at 10.0%", "validation: 0.28 at 10, 0.41 at 100",
                 "from 3.0 at 0 to 1.25 at 99, lowest 0.5, highest 3.0", "none: nothing to draw",
                 "3 points at 5, from 0.25 to 1.5"):  # fmt: skip
        assert part in words, words


def test_pictures_of_weights_that_have_run_off_go_into_a_notebook():
    """A notebook is JSON, which knows no NaN."""
    run_off = np.where(np.arange(3_072) < 1_500, np.nan, 0.5)[:, np.newaxis]
    json.dumps(bundle(template_grid(np.repeat(run_off, 10, axis=1))), allow_nan=False)


def test_the_graph_has_the_boxes_and_arrows_that_tensorflow_noted_and_refuses_others():
    import tensorflow as tf

    signature = [tf.TensorSpec([None, 3072], name="pixels"), tf.TensorSpec([None], tf.int64, name="labels")]
    weights, biases = tf.Variable(tf.zeros([3072, 10]), name="weights"), tf.Variable(tf.zeros([10]), name="biases")

    def loss(pixels, labels):
        return cross_entropy(compute_logits(pixels, weights, biases), labels)

    def loss_of_one_layer_more(pixels, labels):
        return cross_entropy(tf.nn.relu(compute_logits(pixels, weights, biases)), labels)

    words = operation_graph(tf.function(loss, signature).get_concrete_function()).words
    assert "8 boxes and 7 arrows" in words
    assert "weights to matrix product" in words
    assert "labels to softmax and cross-entropy" in words
    assert "accuracy" not in words
    with pytest.raises(ArgumentError, match="Relu"):
        operation_graph(tf.function(loss_of_one_layer_more, signature).get_concrete_function())


@pytest.mark.parametrize("style", ["dark_background", {"savefig.transparent": True, "image.origin": "lower"}], ids=str)
def test_a_learners_style_changes_no_figure_of_the_series(style):
    from matplotlib import style as styles

    expected = png(rising())
    with styles.context(style):
        assert png(rising()) == expected


@pytest.mark.slow
def test_a_learners_own_figure_appears_whatever_was_drawn_before():
    """Also when the series has drawn first, at once, and each in a figure of its own."""
    with kernel() as run:
        run("import numpy as np\nfrom helpers.plots import template_grid")
        run("template_grid(np.zeros((3072, 10)))")
        run("import matplotlib.pyplot as plt")
        for source in ("plt.plot([1, 2.5])", "plt.plot([1, 2.5])\nplt.show()", "plt.imshow(np.eye(3))"):
            pictures = [output for output in run(source).outputs if "image/png" in output.get("data", {})]
            assert len(pictures) == 1, source
            assert pictures[0].metadata["image/png"]["alt"] in ("1.0 at 0, 2.5 at 1.", "A picture of 3 × 3.")
        shown = run("template_grid(np.ones((3072, 10)))").outputs
        assert [list(output["data"]) for output in shown] == [["image/png", "text/plain"], ["text/html", "text/plain"]]
