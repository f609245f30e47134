"""The softmax classifier against plain NumPy in float64, and the promises of `train`: history, resuming, stopping."""

import signal
from fractions import Fraction

import numpy as np
import pytest

from helpers import softmax
from helpers.data import scale_pixels, split_indices
from helpers.errors import ArgumentError
from helpers.softmax import (
    Run,
    batch_indices,
    compute_logits,
    confusion_matrix,
    cross_entropy,
    evaluate,
    predict_logits,
    tf,
    train,
)


def reference_logits(images, weights, biases, mean, divide_by):
    return (images.astype(np.float64) - mean) / divide_by @ weights + biases


def reference_loss(logits, labels):
    """Return the loss of each image, -ln(probability of the true class)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]


def reference_train(
    images, labels, *, steps, batch_size, learning_rate, schedule="linear", weight_decay=0.0, sampling="epochs", seed=0,
    divide_by=255.0, indices=None, mean=None,
):  # fmt: skip
    """Train as `train` promises to, step by step in float64, on the batches of `batch_indices`."""
    indices = np.arange(len(images)) if indices is None else indices
    mean = images[indices].astype(np.float64).mean(axis=0) if mean is None else mean
    weights, biases = np.zeros((3072, 10)), np.zeros(10)
    losses, accuracies = [], []
    for step, batch in enumerate(batch_indices(len(indices), batch_size, sampling, seed, 0, steps)):
        rows = indices[batch]
        pixels = (images[rows].astype(np.float64) - mean) / divide_by
        logits = pixels @ weights + biases
        losses.append(reference_loss(logits, labels[rows]).mean())
        accuracies.append((logits.argmax(axis=1) == labels[rows]).mean())
        errors = np.exp(logits - logits.max(axis=1, keepdims=True))
        errors /= errors.sum(axis=1, keepdims=True)
        errors[np.arange(batch_size), labels[rows]] -= 1
        rate = learning_rate * (1 - step / steps) if schedule == "linear" else learning_rate
        weights = weights - rate * (pixels.T @ errors / batch_size + weight_decay * weights)
        biases = biases - rate * errors.mean(axis=0)
    return weights, biases, np.array(losses), np.array(accuracies)


def start_from(weights, biases, mean=None, divide_by=255.0) -> Run:
    """Return a run that has done no step yet and stands at these weights."""
    mean = np.zeros(3072, np.float32) if mean is None else mean.astype(np.float32)
    return Run(weights.astype(np.float32), biases.astype(np.float32), mean, divide_by)


def assert_same_bits(one: Run, other: Run, validation: bool = True) -> None:
    names = ["weights", "biases", "mean", "loss", "accuracy"]
    for name in [*names, "validation_step", "validation_loss", "validation_accuracy"] if validation else names:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        assert getattr(one, name).dtype == getattr(other, name).dtype


@pytest.fixture(scope="module")
def small(data):
    """Return 600 training images and their labels."""
    return data.images_train[:600], data.labels_train[:600]


def test_huge_logits_do_not_overflow():
    logits = np.zeros((2, 10), np.float32)
    logits[:, 3] = 1e6
    np.testing.assert_allclose(cross_entropy(logits, np.array([3, 4])), 5e5, rtol=1e-6)


def test_evaluation_equals_the_float64_formula_of_all_rows_or_of_those_chosen(data):
    rng = np.random.default_rng(1)
    run = start_from(rng.normal(size=(3072, 10)), rng.normal(size=10), rng.uniform(100, 150, 3072), 64.0)
    images, labels, indices = data.images_test, data.labels_test, rng.integers(10_000, size=1_777)
    logits = reference_logits(images[indices], run.weights, run.biases, run.mean, run.divide_by)
    loss, accuracy = evaluate(images, labels, run, indices)
    assert (type(loss), type(accuracy)) == (float, float)
    assert loss == pytest.approx(reference_loss(logits, labels[indices]).mean(), rel=1e-5)
    assert accuracy == pytest.approx((logits.argmax(axis=1) == labels[indices]).mean(), abs=1e-6)
    np.testing.assert_allclose(predict_logits(images, run, indices), logits, rtol=1e-4, atol=1e-3)
    pixels = scale_pixels(images[indices], run.mean, 64.0)
    np.testing.assert_allclose(compute_logits(pixels, run.weights, run.biases), logits, rtol=1e-4, atol=1e-3)
    assert evaluate(images[indices], labels[indices], run) == (loss, accuracy)


@pytest.mark.parametrize("scale", [0, 0.02])
def test_a_step_goes_down_the_slope_that_nudging_each_parameter_shows(data, scale):
    """One step with the whole set as its batch shows the gradient: it is what the step took away, over the rate."""
    rng = np.random.default_rng(3)
    images, labels = data.images_train[100:130], data.labels_train[100:130]
    run = start_from(scale * rng.normal(size=(3072, 10)), scale * rng.normal(size=10), rng.uniform(100, 150, 3072))
    settings = {"steps": 1, "batch_size": 30, "learning_rate": 0.25, "schedule": "constant", "progress": False}
    after = train(images, labels, **settings, resume=run)
    pixels = (images.astype(np.float64) - run.mean) / 255
    before = [run.weights.astype(np.float64), run.biases.astype(np.float64)]
    used = [(old - new) / 0.25 for old, new in zip(before, (after.weights, after.biases), strict=True)]
    places = [(0, tuple(place)) for place in rng.integers((3072, 10), size=(25, 2))] + [(1, (n,)) for n in range(10)]
    for which, place in places:
        losses, kept = [], before[which][place]
        for nudge in (1e-4, -1e-4):
            before[which][place] = kept + nudge
            losses.append(reference_loss(pixels @ before[0] + before[1], labels).mean())
        before[which][place] = kept
        assert used[which][place] == pytest.approx((losses[0] - losses[1]) / 2e-4, abs=1e-6)


class TestTraining:
    @pytest.mark.parametrize(
        "settings",
        [
            {"schedule": "linear", "mean": np.full(3072, 120.5)},
            {"schedule": "constant", "sampling": "replacement", "weight_decay": 0.05},
            {"schedule": "linear", "divide_by": 1, "learning_rate": 1e-7, "weight_decay": 10.0},
            {"batch_size": np.uint8(7), "steps": np.uint8(120), "seed": np.int8(11)},  # whose products overflow
            {"batch_size": 600, "steps": 5},
            {"batch_size": 201, "steps": 20, "weight_decay": 0.5},
            {"batch_size": 1, "steps": 60, "learning_rate": 0.01},
        ],
        ids=lambda settings: f"{settings!s:.40}",
    )
    def test_equals_the_plain_float64_loop(self, small, settings):
        settings = {"steps": 30, "batch_size": 50, "learning_rate": 0.05, "seed": 3, **settings}
        run = train(*small, **settings, progress=False)
        plain = {name: value.item() if isinstance(value, np.integer) else value for name, value in settings.items()}
        weights, biases, losses, accuracies = reference_train(*small, **plain)
        assert (run.weights.dtype, run.biases.dtype, run.loss.dtype) == (np.float32,) * 3
        scale = min(1.0, float(abs(weights).max()) / 0.01)
        np.testing.assert_allclose(run.weights, weights, atol=1e-5 * scale)
        np.testing.assert_allclose(run.biases, biases, atol=1e-5)
        np.testing.assert_allclose(run.loss, losses, atol=2e-5)
        assert (abs(run.accuracy - accuracies) < 1.01 / settings["batch_size"]).all()
        assert (abs(run.accuracy - accuracies) > 1e-6).sum() <= 1  # a tie may fall either way
        assert run.step == settings["steps"]

    def test_learns_from_the_chosen_rows_alone(self, small, data):
        images, labels = small
        indices = np.random.default_rng(5).permutation(600)[:150]
        run = train(images, labels, indices=indices, steps=30, batch_size=40, progress=False)
        expected = reference_train(images, labels, indices=indices, steps=30, batch_size=40, learning_rate=0.3)
        np.testing.assert_allclose(run.weights, expected[0], atol=1e-4)
        np.testing.assert_allclose(run.mean, images[indices].mean(axis=0, dtype=np.float64), rtol=1e-6)
        others = np.setdiff1d(np.arange(600), indices)
        changed = images.copy()
        changed[others] = 255 - changed[others]
        assert_same_bits(run, train(changed, labels, indices=indices, steps=30, batch_size=40, progress=False))

    def test_the_loop_is_traced_once_whatever_the_settings(self, small):
        train(*small, steps=3, batch_size=100, progress=False)
        traced = [made for made in vars(softmax).values() if hasattr(made, "experimental_get_tracing_count")]
        before = [function.experimental_get_tracing_count() for function in traced]
        train(*small, steps=120, batch_size=17, sampling="replacement", schedule="constant", progress=False)
        train(*small, steps=2, batch_size=600, weight_decay=0.1, divide_by=1, learning_rate=1, progress=False)
        assert sum(before) > 0
        assert [function.experimental_get_tracing_count() for function in traced] == before


class TestBatches:
    @pytest.mark.parametrize(("count", "batch_size"), [(601, 100), (50, 7), (3, 1), (5, 5)])
    def test_an_epoch_shows_every_image_once(self, count, batch_size):
        steps = 4 * count // batch_size + 1
        batches = batch_indices(count, batch_size, "epochs", 0, 0, steps)
        assert (batches.shape, batches.dtype) == ((steps, batch_size), np.int64)
        epochs = batches.ravel()[: 4 * count].reshape(4, count)
        for epoch in epochs:
            assert sorted(epoch.tolist()) == list(range(count))
        assert count < 50 or (epochs[0] == epochs[1]).mean() < 0.1  # each epoch has an order of its own

    @pytest.mark.parametrize("sampling", ["epochs", "replacement"])
    @pytest.mark.parametrize(("count", "batch_size"), [(100, 30), (10, 10), (64, 1)])
    def test_a_step_sees_the_same_images_wherever_one_starts(self, count, batch_size, sampling):
        whole, other = (batch_indices(count, batch_size, sampling, seed, 0, 25) for seed in (7, 8))
        assert (whole == other).mean() < 0.3
        for first in range(25):
            for last in range(first + 1, 26):
                part = batch_indices(count, batch_size, sampling, 7, first, last)
                np.testing.assert_array_equal(part, whole[first:last])

    def test_drawing_with_replacement_is_even_and_independent(self):
        drawn = batch_indices(1_000, 100, "replacement", 0, 0, 2_000)
        counts = np.bincount(drawn.ravel(), minlength=1_000)
        assert (drawn.min(), drawn.max(), len(counts)) == (0, 999, 1_000)
        chi_square = ((counts - 200) ** 2 / 200).sum()
        assert abs(chi_square - 999) < 5 * np.sqrt(2 * 999)


class TestValidation:
    @pytest.mark.parametrize(
        ("steps", "every", "expected"), [(70, 30, [30, 60, 70]), (10, 100, [10]), (3, 1, [1, 2, 3])]
    )
    def test_is_what_evaluate_says_every_so_many_steps_and_at_the_end(self, small, steps, every, expected):
        learning, held_back = split_indices(600, 100)
        settings = {"indices": learning, "batch_size": 30, "schedule": "constant", "progress": False}
        run = train(*small, steps=steps, validation=held_back, validate_every=every, **settings)
        assert_same_bits(run, train(*small, steps=steps, **settings), validation=False)
        assert run.validation_step.tolist() == expected
        histories = run.validation_step, run.validation_loss, run.validation_accuracy
        assert [history.dtype for history in histories] == [np.int64, np.float32, np.float32]
        for step, *measured in zip(*histories, strict=True):
            there = train(*small, steps=int(step), **settings)
            assert measured == [np.float32(value) for value in evaluate(*small, there, held_back)]


SETTINGS = {"steps": 130, "batch_size": 20, "seed": 6, "weight_decay": 0.01, "validate_every": 40, "progress": False}


class TestStoppingAndGoingOn:
    @pytest.mark.parametrize("sampling", ["epochs", "replacement"])
    @pytest.mark.parametrize("stop", [1, 30, 31, 129])
    def test_a_stopped_run_goes_on_bit_for_bit(self, small, stop, sampling):
        settings = {**SETTINGS, "schedule": "constant", "sampling": sampling}
        whole = train(*small, **settings)
        part = train(*small, **{**settings, "steps": stop})
        np.testing.assert_array_equal(part.loss, whole.loss[:stop])
        assert_same_bits(train(*small, **settings, resume=part), whole)

    def test_slices_of_a_run_add_up_to_it_whatever_the_schedule(self, small):
        settings = {**SETTINGS, "validation": np.arange(50)}
        run = None
        for until in (3, 40, 41, 125, 500):
            run = train(*small, **settings, resume=run, until=until)
            assert run.step == min(until, 130)
        assert_same_bits(run, train(*small, **settings))

    @pytest.mark.parametrize(("name", "call"), [("batch_indices", 1), ("evaluate", 3)])
    def test_an_interrupt_keeps_what_was_learned_says_the_step_and_can_go_on(
        self, small, monkeypatch, capsys, name, call
    ):
        settings = {**SETTINGS, "validation": np.arange(50)}
        whole, real, calls = train(*small, **settings), getattr(softmax, name), []

        def interrupted(*arguments):
            calls.append(arguments)
            if len(calls) == call:
                signal.raise_signal(signal.SIGINT)
            return real(*arguments)

        monkeypatch.setattr(softmax, name, interrupted)
        part = train(*small, **settings)
        assert part.step == 40 * call
        assert capsys.readouterr().out.startswith(f"Stopped after {part.step} of 130 steps.")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert_same_bits(train(*small, **settings, resume=part), whole)

    @pytest.mark.parametrize(
        ("other", "named"),
        [
            ({"batch_size": 21}, "batch_size = 20, and here batch_size = 21"),
            ({"seed": 7}, "seed = 6, and here seed = 7"),
            ({"sampling": "replacement"}, "sampling = 'epochs', and here sampling = 'replacement'"),
            ({"divide_by": 1}, r"divide_by = 255\.0, and here divide_by = 1\.0"),
            ({"indices": np.arange(500)}, "images = 600, and here images = 500"),
            ({"mean": np.zeros(3072)}, "another mean"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_a_run_goes_on_only_by_the_settings_that_it_began_with(self, small, other, named):
        part = train(*small, **SETTINGS, until=20)
        with pytest.raises(ArgumentError, match=f"^The run to go on from has {named}"):
            train(*small, **{**SETTINGS, **other}, resume=part)
        again = {"mean": part.mean.astype(np.float64), "divide_by": np.float32(255), "indices": np.arange(600)}
        assert train(*small, **SETTINGS, **again, resume=part, until=30).step == 30

    def test_a_run_that_is_done_cannot_go_on(self, small):
        run = train(*small, **{**SETTINGS, "steps": 20})
        for steps in (20, 10):
            with pytest.raises(ArgumentError, match="has done 20 steps already"):
                train(*small, **{**SETTINGS, "steps": steps}, resume=run)


def each_way(small, **given):
    """Return `train`, `evaluate` and `predict_logits`, ready to be called with these values in place of sound ones."""
    images, labels = (given.pop(name, value) for name, value in zip(("images", "labels"), small, strict=True))
    run = start_from(np.zeros((3072, 10)), np.zeros(10))
    return [
        lambda: train(images, labels, **{"steps": 2, "batch_size": 1, "progress": False} | given),
        lambda: evaluate(images, labels, run, **given),
        lambda: predict_logits(images, run, **given),
    ]


class TestWrongArguments:
    @pytest.mark.parametrize(
        ("name", "value"),
        [("steps", 0), ("learning_rate", 1e-50), ("schedule", "cosine"), ("divide_by", 1e-40), ("validate_every", 1.5),
         ("until", 0), ("batch_size", Fraction(3, 2)), ("batch_size", 601), ("seed", 2**63), ("resume", "run.npz"),
         ("mean", 0.0), ("mean", np.full(3072, np.nan)), ("mean", np.full(3072, "1")), ("mean", [[1], [2, 3]])],
        ids=lambda value: f"{value!s:.20}",
    )  # fmt: skip
    def test_a_senseless_setting_is_named_before_anything_runs(self, small, name, value):
        begins = "This is no run but 'run.npz'" if name == "resume" else name
        with pytest.raises(ArgumentError, match=rf"^{begins}.* (Give|Choose) "):
            each_way(small, **{name: value})[0]()

    @pytest.mark.parametrize(
        ("name", "wrong", "sentence"),
        [
            ("images", lambda images: images.tolist(), "are of type list"),
            ("images", lambda images: images[:0], r"are of shape \(0, 3072\)"),
            ("images", lambda images: images / np.float32(255), "hold float32 numbers"),
            ("labels", lambda labels: labels[:-1], r"are of shape \(599,\) for 600 images"),
            ("labels", lambda _: [[1], [2, 3]], "are of rows of different lengths"),
            ("labels", lambda labels: -1 - labels, "hold -"),
            ("labels", lambda labels: labels + 0.0, r"hold \d\.0"),
            ("indices", lambda _: [], "name no images, or some that are not there"),
            ("indices", lambda _: [-1, 600], "name no images, or some that are not there"),
            ("validation", lambda _: [600], "name no images, or some that are not there"),
            ("indices", lambda labels: labels < 5, "hold True and False"),
            ("indices", lambda _: [0.0, 1.0], r"of shape \(2,\) and type float64 makes no sense"),
            ("indices", lambda _: [[1], [2, 3]], "are of rows of different lengths"),
        ],
    )
    def test_images_labels_and_rows_must_be_as_the_functions_take_them(self, small, name, wrong, sentence):
        ways = each_way(small, **{name: wrong(small[0] if name == "images" else small[1])})
        for way in ways[: {"labels": 2, "validation": 1}.get(name, 3)]:
            with pytest.raises(ArgumentError, match=f"^{name} {sentence}.*Give "):
                way()

    @pytest.mark.parametrize("kind", [tuple, lambda rows: np.array(rows, np.uint8)])
    def test_rows_and_labels_of_any_kind_are_taken(self, small, kind):
        rows, run = kind(range(100, 200)), start_from(np.ones((3072, 10)), np.arange(10))
        images, labels = small[0][100:200], kind(small[1][100:200].tolist())
        settings = {"steps": 3, "batch_size": 20, "progress": False}
        assert evaluate(*small, run, rows) == evaluate(images, labels, run)
        one, other = train(*small, indices=rows, **settings), train(np.array(images), labels, **settings)
        np.testing.assert_array_equal(one.weights, other.weights)

    def test_batches_are_checked_where_they_are_drawn(self):
        with pytest.raises(ArgumentError, match="batch_size = 11 is too large for 10 images"):
            batch_indices(10, 11, "epochs", 0, 0, 1)
        with pytest.raises(ArgumentError, match="Steps 3 to 3 make no sense"):
            batch_indices(10, 5, "epochs", 0, 3, 3)

    def test_where_tensorflow_builds_a_graph_one_sentence_says_so(self, small):
        for way in each_way(small):
            with pytest.raises(ArgumentError, match="only builds a graph here"), tf.Graph().as_default():
                way()
            with pytest.raises(ArgumentError, match="only builds a graph here"):
                tf.function(way, autograph=False)()


def test_the_confusion_matrix_counts_each_pair_of_truth_and_answer():
    labels, answers = np.random.default_rng(0).integers(10, size=(2, 500))
    counts = confusion_matrix(labels, answers)
    assert counts.dtype == np.int64
    pairs = list(zip(labels, answers, strict=True))
    assert counts.tolist() == [[pairs.count((truth, answer)) for answer in range(10)] for truth in range(10)]


def misaligned(images):
    """Return a copy of `images` that begins one byte past a multiple of 64."""
    room = np.empty(images.size + 128, np.uint8)
    skip = -room.ctypes.data % 64 + 1
    room[skip : skip + images.size] = images.ravel()
    return room[skip : skip + images.size].reshape(images.shape)


class TestMemory:
    @pytest.mark.parametrize(
        "layout",
        [
            misaligned,
            np.asfortranarray,
            lambda images: np.hstack([np.zeros((len(images), 5), np.uint8), images])[:, 5:],
            lambda images: np.hstack([images, np.zeros((len(images), 64), np.uint8)])[:, :3_072],
            lambda images: images[::-1].copy()[::-1],
        ],
        ids=["a misaligned copy", "column by column", "columns of wider rows", "columns before others", "backwards"],
    )
    def test_the_images_layout_in_memory_changes_no_bit(self, data, layout, monkeypatch):
        images, labels = data.images_train[:2_000], data.labels_train[:2_000]
        other = layout(images)
        assert np.array_equal(other, images)
        assert softmax._share(images) is not None, "pixels are copied"
        settings = {"steps": 30, "batch_size": 64, "progress": False}
        run = train(images, labels, **settings)
        logits = predict_logits(images, run)
        expected = reference_logits(images, run.weights, run.biases, run.mean, run.divide_by)
        np.testing.assert_allclose(logits, expected, atol=1e-5)
        monkeypatch.setattr(softmax, "CHUNK_COPIES", 700)
        monkeypatch.setattr(softmax, "CHUNK_IMAGES", 900)
        assert_same_bits(run, train(other, labels, **settings))
        np.testing.assert_array_equal(logits, predict_logits(images, run))
        np.testing.assert_array_equal(logits, predict_logits(other, run))
