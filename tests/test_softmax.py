"""The softmax classifier against plain NumPy in float64, and the promises of `train`: history, resuming, stopping."""

import dataclasses
import mmap
import os
import signal
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from tqdm import tqdm

from helpers import softmax
from helpers.data import split_indices
from helpers.errors import ArgumentError
from helpers.softmax import (
    Run,
    batch_indices,
    compute_accuracy,
    compute_logits,
    cross_entropy,
    evaluate,
    load_run,
    predict_logits,
    save_run,
    train,
)


def reference_logits(images, weights, biases, mean, divide_by):
    return (images.astype(np.float64) - mean) / divide_by @ weights + biases


def reference_loss(logits, labels):
    """Return the loss of each image, -ln(probability of the true class)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]


def reference_gradient(pixels, labels, weights, biases):
    """Return the gradient of the mean loss with respect to weights and biases, from the textbook's formula."""
    logits = pixels @ weights + biases
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    share[np.arange(len(labels)), labels] -= 1
    share /= len(labels)
    return pixels.T @ share, share.sum(axis=0)


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
        for_weights, for_biases = reference_gradient(pixels, labels[rows], weights, biases)
        rate = learning_rate * (1 - step / steps) if schedule == "linear" else learning_rate
        weights = weights - rate * (for_weights + weight_decay * weights)
        biases = biases - rate * for_biases
    return weights, biases, np.array(losses), np.array(accuracies)


def start_from(weights, biases, mean=None, divide_by=255.0) -> Run:
    """Return a run that has done no step yet and stands at these weights."""
    nothing = np.zeros(0, np.float32)
    mean = np.zeros(3072, np.float32) if mean is None else mean.astype(np.float32)
    return Run(weights.astype(np.float32), biases.astype(np.float32), mean, divide_by, nothing, nothing)


def assert_same_bits(one: Run, other: Run, validation: bool = True) -> None:
    names = ["weights", "biases", "mean", "loss", "accuracy"]
    for name in [*names, "validation_step", "validation_loss", "validation_accuracy"] if validation else names:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        assert getattr(one, name).dtype == getattr(other, name).dtype


@pytest.fixture(scope="module")
def small(data):
    """Return 600 training images and their labels."""
    return data.images_train[:600], data.labels_train[:600]


@pytest.fixture
def numbers():
    """Return random logits (50, 10) and labels (50,)."""
    rng = np.random.default_rng(0)
    return rng.normal(scale=3, size=(50, 10)), rng.integers(10, size=50)


class TestForward:
    def test_logits_are_pixels_times_weights_plus_biases(self):
        rng = np.random.default_rng(0)
        pixels, weights, biases = rng.normal(size=(7, 3072)), rng.normal(size=(3072, 10)), rng.normal(size=10)
        logits = compute_logits(*(part.astype(np.float32) for part in (pixels, weights, biases)))
        assert tuple(logits.shape) == (7, 10)
        np.testing.assert_allclose(logits, pixels @ weights + biases, atol=1e-3)

    def test_loss_is_the_mean_of_minus_ln_of_the_true_class(self, numbers):
        logits, labels = numbers
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        expected = -np.log(shares[np.arange(50), labels]).mean()
        np.testing.assert_allclose(cross_entropy(logits.astype(np.float32), labels), expected, rtol=1e-6)

    def test_loss_of_equal_logits_is_ln_10(self):
        np.testing.assert_allclose(cross_entropy(np.full((4, 10), 7, np.float32), np.arange(4)), np.log(10), rtol=1e-6)

    def test_huge_logits_do_not_overflow(self):
        logits = np.zeros((2, 10), np.float32)
        logits[:, 3] = 1e6
        np.testing.assert_allclose(cross_entropy(logits, np.array([3, 4])), 5e5, rtol=1e-6)

    def test_accuracy_is_the_share_of_right_answers(self, numbers):
        logits, labels = numbers
        labels[:20] = logits[:20].argmax(axis=1)
        labels[20:] = (logits[20:].argmax(axis=1) + 1) % 10
        np.testing.assert_allclose(compute_accuracy(logits.astype(np.float32), labels), 0.4, rtol=1e-6)


class TestEvaluation:
    @pytest.fixture
    def run(self):
        rng = np.random.default_rng(1)
        return start_from(rng.normal(size=(3072, 10)), rng.normal(size=10), rng.uniform(100, 150, 3072), 64.0)

    def test_logits_equal_the_float64_formula(self, data, run):
        images = data.images_test[:1_234]
        logits = predict_logits(images, run)
        assert (logits.shape, logits.dtype) == ((1_234, 10), np.float32)
        np.testing.assert_allclose(
            logits, reference_logits(images, run.weights, run.biases, run.mean, run.divide_by), atol=2e-3
        )

    def test_loss_and_accuracy_equal_the_float64_formula(self, data, run):
        images, labels = data.images_test[:1_500], data.labels_test[:1_500]
        logits = reference_logits(images, run.weights, run.biases, run.mean, run.divide_by)
        loss, accuracy = evaluate(images, labels, run)
        assert (type(loss), type(accuracy)) == (float, float)
        assert loss == pytest.approx(reference_loss(logits, labels).mean(), rel=1e-5)
        assert accuracy == pytest.approx((logits.argmax(axis=1) == labels).mean(), abs=1e-6)

    def test_chosen_rows_are_the_rows_evaluated(self, data, run):
        indices = np.random.default_rng(2).integers(10_000, size=1_777)
        expected = predict_logits(data.images_test[indices], run)
        np.testing.assert_array_equal(predict_logits(data.images_test, run, indices), expected)
        assert evaluate(data.images_test, data.labels_test, run, indices) == evaluate(
            data.images_test[indices], data.labels_test[indices], run
        )

    def test_in_pieces_equals_at_once(self, data, run):
        images, labels = data.images_test[:2_500], data.labels_test[:2_500]
        whole = evaluate(images, labels, run)
        pieces = [evaluate(images[part], labels[part], run) for part in (slice(700), slice(700, 2_500))]
        np.testing.assert_allclose(np.average(pieces, axis=0, weights=[700, 1_800]), whole, rtol=1e-5)

    def test_one_image_is_enough(self, data, run):
        np.testing.assert_allclose(
            predict_logits(data.images_test[:1], run), predict_logits(data.images_test[:5], run)[:1], atol=2e-3
        )

    def test_a_fresh_run_guesses(self, data):
        run = start_from(np.zeros((3072, 10)), np.zeros(10))
        loss, accuracy = evaluate(data.images_test, data.labels_test, run)
        assert loss == pytest.approx(np.log(10), rel=1e-5)
        assert accuracy == pytest.approx(0.1)

    @pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
    def test_labels_of_any_integer_type_are_taken(self, data, run, kind):
        images, labels = data.images_test[:100], data.labels_test[:100]
        assert evaluate(images, labels.astype(kind), run) == evaluate(images, labels, run)


class TestGradient:
    """One step with the whole set as its batch shows the gradient: it is what the step took away, over the rate."""

    RATE = 0.25

    @pytest.fixture(params=["zero weights", "random weights"])
    def one_step(self, data, request):
        """Return pixels, labels, where the step began and the gradient that it used."""
        rng = np.random.default_rng(3)
        images, labels = data.images_train[100:130], data.labels_train[100:130]
        scale = 0 if request.param == "zero weights" else 0.02
        weights = (scale * rng.normal(size=(3072, 10))).astype(np.float32)
        biases = (scale * rng.normal(size=10)).astype(np.float32)
        run = start_from(weights, biases, rng.uniform(100, 150, 3072))
        after = train(
            images, labels, steps=1, batch_size=30, learning_rate=self.RATE, schedule="constant", resume=run,
            progress=False,
        )  # fmt: skip
        used = [(before.astype(np.float64) - now) / self.RATE for before, now in
                ((weights, after.weights), (biases, after.biases))]  # fmt: skip
        pixels = (images.astype(np.float64) - run.mean) / 255
        return pixels, labels, weights.astype(np.float64), biases.astype(np.float64), *used

    def test_equals_the_formula(self, one_step):
        pixels, labels, weights, biases, *used = one_step
        for gradient, expected in zip(used, reference_gradient(pixels, labels, weights, biases), strict=True):
            np.testing.assert_allclose(gradient, expected, atol=1e-6)

    def test_equals_finite_differences(self, one_step):
        pixels, labels, weights, biases, for_weights, for_biases = one_step

        def loss():
            return reference_loss(pixels @ weights + biases, labels).mean()

        places = np.random.default_rng(4).integers((3072, 10), size=(25, 2))
        chosen = [(weights, for_weights, tuple(place)) for place in places]
        chosen += [(biases, for_biases, (label,)) for label in range(10)]
        for parameter, gradient, place in chosen:
            kept = parameter[place]
            losses = []
            for nudge in (1e-4, -1e-4):
                parameter[place] = kept + nudge
                losses.append(loss())
            parameter[place] = kept
            assert gradient[place] == pytest.approx((losses[0] - losses[1]) / 2e-4, abs=1e-6)

    def test_sums_to_zero_over_the_classes(self, one_step):
        *_, for_weights, for_biases = one_step
        np.testing.assert_allclose(for_weights.sum(axis=1), 0, atol=1e-6)
        assert for_biases.sum() == pytest.approx(0, abs=1e-6)


class TestTraining:
    @pytest.mark.parametrize(
        "settings",
        [
            {"schedule": "linear"},
            {"schedule": "constant"},
            {"schedule": "linear", "sampling": "replacement"},
            {"schedule": "constant", "sampling": "replacement", "weight_decay": 0.05},
            {"schedule": "linear", "weight_decay": 0.05},
            {"schedule": "linear", "divide_by": 1, "learning_rate": 1e-7},
            {"schedule": "constant", "divide_by": 1.0, "learning_rate": 1e-7, "weight_decay": 10.0},
            {"batch_size": 7, "steps": 120, "seed": 11},
            {"batch_size": 600, "steps": 5},
            {"batch_size": 1, "steps": 60, "learning_rate": 0.01},
        ],
        ids=str,
    )
    def test_equals_the_plain_float64_loop(self, small, settings):
        settings = {"steps": 30, "batch_size": 50, "learning_rate": 0.05, "seed": 3, **settings}
        run = train(*small, **settings, progress=False)
        weights, biases, losses, accuracies = reference_train(*small, **settings)
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

    def test_a_list_of_rows_is_taken(self, small):
        rows = list(range(100, 200))
        settings = {"steps": 3, "batch_size": 20, "progress": False}
        assert_same_bits(train(*small, indices=rows, **settings), train(*small, indices=np.array(rows), **settings))

    def test_a_mean_of_ones_own_is_subtracted(self, small):
        mean = np.full(3072, 120.5)
        run = train(*small, mean=mean, steps=2, batch_size=600, learning_rate=0.1, progress=False)
        assert run.mean.dtype == np.float32
        np.testing.assert_array_equal(run.mean, mean)
        expected = reference_train(*small, mean=mean, steps=2, batch_size=600, learning_rate=0.1)
        np.testing.assert_allclose(run.weights, expected[0], atol=1e-5)
        assert abs(run.weights - train(*small, steps=2, batch_size=600, progress=False).weights).max() > 0.001

    def test_the_first_loss_is_ln_10(self, small):
        run = train(*small, steps=1, batch_size=100, progress=False)
        assert run.loss.shape == run.accuracy.shape == (1,)
        assert run.loss[0] == pytest.approx(np.log(10), rel=1e-6)

    def test_weights_of_all_classes_sum_to_zero(self, small):
        run = train(*small, steps=50, batch_size=50, progress=False)
        np.testing.assert_allclose(run.weights.sum(axis=1), 0, atol=1e-5)
        assert run.biases.sum() == pytest.approx(0, abs=1e-5)

    def test_images_and_labels_stay_as_they_were(self, small):
        images, labels = (part.copy() for part in small)
        train(images, labels, steps=5, batch_size=50, validation=np.arange(100), progress=False)
        np.testing.assert_array_equal(images, small[0])
        np.testing.assert_array_equal(labels, small[1])

    @pytest.mark.parametrize("kind", [np.uint8, np.int32])
    def test_labels_of_any_integer_type_are_taken(self, small, kind):
        images, labels = small
        settings = {"steps": 4, "batch_size": 50, "validation": np.arange(90), "progress": False}
        assert_same_bits(train(images, labels.astype(kind), **settings), train(images, labels, **settings))

    def test_numpy_numbers_are_taken_as_settings(self, small):
        plain = {"steps": 60, "batch_size": 100, "seed": 3, "validate_every": 20, "learning_rate": 0.25,
                 "weight_decay": 0.5, "divide_by": 128}  # fmt: skip
        kinds = dict(zip(plain, (np.uint8, np.uint8, np.int32, np.int8, np.float16, np.float64, np.uint8), strict=True))
        typed = {name: kinds[name](value) for name, value in plain.items()}
        same = {"validation": np.arange(50), "progress": False}
        assert_same_bits(train(*small, **typed, **same), train(*small, **plain, **same))

    def test_the_same_seed_gives_the_same_bits_and_another_seed_others(self, small):
        first, again, other = (train(*small, steps=60, batch_size=50, seed=s, progress=False) for s in (1, 1, 2))
        assert_same_bits(first, again)
        assert (first.weights != other.weights).any()

    def test_the_loop_is_traced_once_whatever_the_settings(self, small):
        train(*small, steps=3, batch_size=100, progress=False)
        traced = [made for made in vars(softmax).values() if hasattr(made, "experimental_get_tracing_count")]
        before = [function.experimental_get_tracing_count() for function in traced]
        assert traced
        assert sum(before) > 0
        for batch_size, steps, more in (
            (1, 3, {}),
            (17, 120, {"sampling": "replacement", "schedule": "constant"}),
            (600, 2, {"weight_decay": 0.1, "divide_by": 1, "learning_rate": 1}),
            (64, 20, {"learning_rate": 1e-3, "validation": np.arange(30), "validate_every": 7, "seed": 5}),
        ):
            train(*small, steps=steps, batch_size=batch_size, progress=False, **more)
        assert [function.experimental_get_tracing_count() for function in traced] == before

    @pytest.mark.parametrize("schedule", ["constant", "linear"])
    def test_a_run_cannot_be_written_over(self, small, schedule):
        run = train(*small, steps=1, batch_size=10, schedule=schedule, progress=False)
        with pytest.raises(AttributeError):
            run.weights = None

    @pytest.mark.slow
    def test_a_thousand_steps_reach_the_accuracy_of_the_literature(self, data):
        run = train(data.images_train, data.labels_train, progress=False)
        loss, accuracy = evaluate(data.images_test, data.labels_test, run)
        assert 0.40 <= accuracy <= 0.43
        assert 1.6 < loss < 1.8
        assert not run.diverged


class TestBatches:
    @pytest.mark.parametrize(("count", "batch_size"), [(600, 100), (601, 100), (50, 7), (10, 10), (3, 1), (5, 5)])
    def test_an_epoch_shows_every_image_once(self, count, batch_size):
        steps = 4 * count // batch_size + 1
        batches = batch_indices(count, batch_size, "epochs", 0, 0, steps)
        assert (batches.shape, batches.dtype) == ((steps, batch_size), np.int64)
        epochs = batches.ravel()[: 4 * count].reshape(4, count)
        for epoch in epochs:
            assert sorted(epoch.tolist()) == list(range(count))

    def test_each_epoch_has_an_order_of_its_own(self):
        epochs = batch_indices(500, 100, "epochs", 0, 0, 15).reshape(3, 500)
        for one, other in ((0, 1), (1, 2), (0, 2)):
            assert (epochs[one] == epochs[other]).mean() < 0.1

    def test_an_epoch_is_in_random_order(self):
        order = batch_indices(5_000, 5_000, "epochs", 0, 0, 1).ravel()
        assert abs(np.corrcoef(order, np.arange(5_000))[0, 1]) < 0.08  # over five standard deviations

    @pytest.mark.parametrize("sampling", ["epochs", "replacement"])
    @pytest.mark.parametrize(("count", "batch_size"), [(100, 30), (100, 100), (64, 1), (97, 10)])
    def test_a_step_sees_the_same_images_wherever_one_starts(self, count, batch_size, sampling):
        whole = batch_indices(count, batch_size, sampling, 7, 0, 25)
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

    def test_drawing_with_replacement_repeats_some_images_and_leaves_out_others(self):
        seen = len(np.unique(batch_indices(10_000, 100, "replacement", 0, 0, 100)))
        assert abs(seen / 10_000 - (1 - np.exp(-1))) < 0.02

    @pytest.mark.parametrize("sampling", ["epochs", "replacement"])
    def test_the_seed_decides(self, sampling):
        first, again, other = (batch_indices(1_000, 100, sampling, seed, 0, 5) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert (first == other).mean() < 0.1

    def test_training_sees_exactly_these_batches(self, data):
        images, labels = data.images_train[:40], data.labels_train[:40]
        settings = {"steps": 9, "batch_size": 15, "seed": 2, "sampling": "replacement", "learning_rate": 0.1}
        run = train(images, labels, **settings, progress=False)
        np.testing.assert_allclose(run.loss, reference_train(images, labels, **settings)[2], atol=1e-5)


class TestValidation:
    @pytest.mark.parametrize(
        ("steps", "every", "expected"),
        [
            (100, 25, [25, 50, 75, 100]),
            (90, 25, [25, 50, 75, 90]),
            (10, 100, [10]),
            (3, 1, [1, 2, 3]),
            (120, 60, [60, 120]),
        ],
    )
    def test_is_measured_every_so_many_steps_and_at_the_end(self, small, steps, every, expected):
        run = train(*small, steps=steps, batch_size=20, validation=np.arange(50), validate_every=every, progress=False)
        assert run.validation_step.tolist() == expected
        assert run.validation_step.dtype == np.int64
        assert run.validation_loss.shape == run.validation_accuracy.shape == (len(expected),)
        assert run.validation_loss.dtype == run.validation_accuracy.dtype == np.float32

    def test_without_validation_rows_nothing_is_measured(self, small):
        run = train(*small, steps=10, batch_size=20, validate_every=2, progress=False)
        assert len(run.validation_step) == len(run.validation_loss) == len(run.validation_accuracy) == 0

    def test_equals_evaluate_at_that_step(self, small):
        learning, held_back = split_indices(600, 100)
        settings = {"indices": learning, "batch_size": 30, "schedule": "constant", "progress": False}
        run = train(*small, steps=70, validation=held_back, validate_every=30, **settings)
        for place, step in enumerate(run.validation_step):
            there = train(*small, steps=int(step), **settings)
            loss, accuracy = evaluate(*small, there, held_back)
            assert run.validation_loss[place] == np.float32(loss)
            assert run.validation_accuracy[place] == np.float32(accuracy)

    def test_measuring_does_not_change_the_training(self, small):
        learning, held_back = split_indices(600, 100)
        settings = {"indices": learning, "steps": 80, "batch_size": 30, "progress": False}
        measured = train(*small, validation=held_back, validate_every=7, **settings)
        assert_same_bits(measured, train(*small, **settings), validation=False)


class StopsAt:
    """A stand-in for `helpers.softmax.NAME` during which an interrupt comes, at the call that `when` picks."""

    def __init__(self, monkeypatch, name, when):
        self.real, self.calls = getattr(softmax, name), 0
        self.when = when
        monkeypatch.setattr(softmax, name, self)

    def __call__(self, *arguments, **settings):
        self.calls += 1
        if self.when(self.calls, arguments):
            self.when = lambda *_: False
            signal.raise_signal(signal.SIGINT)
        return self.real(*arguments, **settings)


def interrupted(small, settings) -> Run:
    """Return what `train` returns; an interrupt that it lets through fails the test instead of ending them all."""
    try:
        return train(*small, **settings)
    except KeyboardInterrupt:
        pytest.fail("the interrupt came through and what was learned is lost")


SETTINGS = {"steps": 130, "batch_size": 20, "seed": 6, "weight_decay": 0.01, "validate_every": 40, "progress": False}


class TestStoppingAndGoingOn:
    @pytest.mark.parametrize("sampling", ["epochs", "replacement"])
    @pytest.mark.parametrize("stop", [1, 29, 30, 31, 40, 50, 100, 129])
    def test_a_stopped_run_goes_on_bit_for_bit(self, small, stop, sampling):
        settings = {**SETTINGS, "schedule": "constant", "sampling": sampling}
        whole = train(*small, **settings)
        part = train(*small, **{**settings, "steps": stop})
        np.testing.assert_array_equal(part.loss, whole.loss[:stop])
        assert_same_bits(train(*small, **settings, resume=part), whole)

    def test_a_run_goes_on_in_many_pieces(self, small):
        settings = {**SETTINGS, "schedule": "constant"}
        run = None
        for steps in (3, 4, 40, 80, 101, 130):
            run = train(*small, **{**settings, "steps": steps}, resume=run)
        assert_same_bits(run, train(*small, **settings))

    def test_slices_of_a_run_add_up_to_it_whatever_the_schedule(self, small):
        settings = {**SETTINGS, "validation": np.arange(50)}
        run = None
        for until in (3, 40, 41, 125, 500):
            run = train(*small, **settings, resume=run, until=until)
            assert run.step == min(until, 130)
        assert_same_bits(run, train(*small, **settings))

    def test_slices_follow_a_learning_rate_that_changes(self, small):
        settings = {**SETTINGS, "schedule": "constant", "until": 20}
        slow, fast = ({**settings, "learning_rate": rate} for rate in (0.01, 0.1))
        first = train(*small, **slow)
        assert_same_bits(
            train(*small, **{**fast, "until": 40}, resume=first),
            train(*small, **{**fast, "until": None, "steps": 40}, resume=first),
            validation=False,
        )

    def test_the_steps_taken_in_one_call_change_no_bit(self, small, monkeypatch):
        whole = train(*small, **SETTINGS)
        monkeypatch.setattr(softmax, "CHUNK_IMAGES", 7 * SETTINGS["batch_size"])
        assert_same_bits(train(*small, **SETTINGS), whole)

    def test_going_on_leaves_the_earlier_run_as_it_was(self, small):
        part = train(*small, **{**SETTINGS, "steps": 20})
        kept = part.weights.copy()
        train(*small, **SETTINGS, resume=part)
        np.testing.assert_array_equal(part.weights, kept)
        assert part.step == 20

    @pytest.mark.parametrize("stop", [40, 80, 20, 100])
    def test_validation_history_goes_on_too(self, small, stop):
        settings = {**SETTINGS, "schedule": "constant", "validation": np.arange(50)}
        whole = train(*small, **settings)
        run = train(*small, **settings, resume=train(*small, **{**settings, "steps": stop}))
        assert_same_bits(run, whole, validation=False)
        assert run.validation_step.tolist() == sorted({stop, 40, 80, 120, 130})
        shared = np.isin(run.validation_step, whole.validation_step)
        np.testing.assert_array_equal(run.validation_loss[shared], whole.validation_loss)
        np.testing.assert_array_equal(run.validation_accuracy[shared], whole.validation_accuracy)

    @pytest.mark.parametrize(
        ("name", "when"),
        [
            ("batch_indices", lambda calls, arguments: arguments[4] >= 40),
            ("batch_indices", lambda calls, arguments: arguments[4] >= 80),
            ("batch_indices", lambda calls, arguments: calls == 1),
            ("evaluate", lambda calls, arguments: calls == 1),
            ("evaluate", lambda calls, arguments: calls == 3),
            ("evaluate", lambda calls, arguments: calls == 4),
        ],
        ids=[
            "batch after 40",
            "batch after 80",
            "first batch",
            "first evaluation",
            "third evaluation",
            "last evaluation",
        ],
    )
    def test_an_interrupt_keeps_what_was_learned_says_the_step_and_can_go_on(
        self, small, monkeypatch, capsys, name, when
    ):
        settings = {**SETTINGS, "validation": np.arange(50)}
        whole = train(*small, **settings)
        capsys.readouterr()
        StopsAt(monkeypatch, name, when)
        part = interrupted(small, settings)
        assert f"Stopped after {part.step} of 130 steps." in capsys.readouterr().out
        np.testing.assert_array_equal(part.loss, whole.loss[: part.step])
        np.testing.assert_array_equal(part.accuracy, whole.accuracy[: part.step])
        if part.step < 130:
            assert_same_bits(train(*small, **settings, resume=part), whole)
        else:
            assert_same_bits(part, whole, validation=False)

    @pytest.mark.parametrize("call", [1, 2])
    def test_an_interrupt_while_the_bar_moves_loses_no_step(self, small, monkeypatch, capsys, call):
        monkeypatch.setattr(softmax, "CHUNK_STEPS", 50)  # so that the bar moves more than once
        whole = train(*small, **SETTINGS)

        class Bar(tqdm):
            moves = 0

            def update(self, n=1):
                Bar.moves += 1
                if Bar.moves == call:
                    signal.raise_signal(signal.SIGINT)
                return super().update(n)

        with monkeypatch.context() as patch:
            patch.setattr(softmax, "progress_bar", Bar)
            part = interrupted(small, SETTINGS)
        assert 0 < part.step < 130
        assert f"Stopped after {part.step} of 130 steps." in capsys.readouterr().out
        assert_same_bits(train(*small, **SETTINGS, resume=part), whole)

    def test_a_run_that_is_done_cannot_go_on(self, small):
        run = train(*small, **{**SETTINGS, "steps": 20})
        for steps in (20, 10):
            with pytest.raises(ArgumentError, match="has done 20 steps already"):
                train(*small, **{**SETTINGS, "steps": steps}, resume=run)


class TestDivergence:
    def test_a_slice_of_a_run_says_nothing(self, data, capsys):
        settings = {"learning_rate": 0.005, "divide_by": 1.0, "progress": False}
        run = train(data.images_train, data.labels_train, **settings, until=30)
        assert run.diverged
        assert capsys.readouterr().out == ""

    def test_the_settings_of_2016_diverge_and_say_so(self, data, capsys):
        run = train(
            data.images_train[:5_000], data.labels_train[:5_000], steps=300, learning_rate=0.005, divide_by=1,
            schedule="constant", sampling="replacement", mean=np.zeros(3072), progress=False,
        )  # fmt: skip
        assert run.diverged
        assert "diverges" in capsys.readouterr().out
        assert run.loss[-30:].mean() > 100

    def test_a_healthy_run_does_not_and_says_nothing(self, small, capsys):
        assert not train(*small, steps=150, batch_size=50, progress=False).diverged
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize("steps", [1, 2, 9])
    def test_a_short_healthy_run_does_not(self, small, steps):
        assert not train(*small, steps=steps, batch_size=50, progress=False).diverged

    @pytest.mark.parametrize(
        ("losses", "diverged"),
        [
            ([], False),
            ([2.303], False),
            ([2.3, 2.2, 2.0, 1.9], False),
            ([2.3, 9.0, 5.0, 2.0], False),
            ([2.3, 2.0, 1.9, 40.0], True),
            ([2.3, 2.0, np.nan], True),
            ([2.3, 2.0, np.inf], True),
            ([np.nan] * 3, True),
            ([2.3] * 99 + [np.nan], True),
            ([0.5] * 100 + [1.5] * 100, False),
            ([2.3] * 90 + [1.0] * 9 + [5.0], False),  # a tenth of the steps decides, not the last of them
            ([2.3] * 90 + [50.0] * 9 + [1.0], True),
        ],
    )
    def test_a_run_that_ends_above_guessing_or_in_no_number_diverged(self, losses, diverged):
        losses = np.array(losses, np.float32)
        run = replace(start_from(np.zeros((3072, 10)), np.zeros(10)), loss=losses, accuracy=losses)
        assert bool(run.diverged) is diverged

    def test_a_loss_that_overflows_is_noticed(self, small, capsys):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run = train(*small, steps=60, batch_size=50, learning_rate=1e37, schedule="constant", progress=False)
        assert run.diverged
        assert "diverges" in capsys.readouterr().out


class TestWrongSettings:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"steps": 0}, {"steps": 2.5}, {"batch_size": 0}, {"batch_size": 601}, {"batch_size": True},
            {"learning_rate": -0.1}, {"learning_rate": float("nan")}, {"learning_rate": "0.1"},
            {"schedule": "cosine"}, {"weight_decay": -1}, {"sampling": "shuffled"}, {"seed": -1}, {"seed": None},
            {"divide_by": 0}, {"validate_every": 0}, {"validate_every": 1.5},
        ],
        ids=str,
    )  # fmt: skip
    def test_a_senseless_setting_is_named_before_anything_runs(self, small, wrong):
        ((name, value),) = wrong.items()
        with pytest.raises(ArgumentError, match=f"^{name} = {value!r}"):
            train(*small, **{"steps": 2, "batch_size": 10, "progress": False, **wrong})

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (lambda images, labels: (images.tolist(), labels), "images are of type list"),
            (lambda images, labels: (None, labels), "images are of type NoneType"),
            (lambda images, labels: (labels, images), r"images are of shape \(600,\)"),
            (lambda images, labels: (images.reshape(-1, 32, 32, 3), labels), r"images are of shape \(600, 32, 32, 3\)"),
            (lambda images, labels: (images[:, :1_024], labels), r"images are of shape \(600, 1024\)"),
            (lambda images, labels: (images[:0], labels[:0]), r"images are of shape \(0, 3072\)"),
            (lambda images, labels: (images / np.float32(255), labels), "images hold float32 numbers"),
            (lambda images, labels: (images, labels[:-1]), r"labels are of shape \(599,\) for 600 images"),
            (lambda images, labels: (images, np.eye(10)[labels]), r"labels are of shape \(600, 10\) for 600 images"),
            (lambda images, labels: (images, labels + 1), "labels hold 10"),
            (lambda images, labels: (images, -1 - labels), "labels hold -"),
            (lambda images, labels: (images, labels + 0.0), r"labels hold \d\.0"),
            (lambda images, labels: (images, np.array(["cat"] * 600)), "labels hold 'cat'"),
        ],
    )
    def test_images_and_labels_must_be_as_load_data_returns_them(self, small, change, sentence):
        fresh = train(*small, steps=1, batch_size=10, progress=False)
        images, labels = change(*small)
        acts = [lambda: train(images, labels, steps=1, batch_size=10), lambda: evaluate(images, labels, fresh)]
        acts += [lambda: predict_logits(images, fresh)] if sentence.startswith("images") else []
        for act in acts:
            with pytest.raises(ArgumentError, match=f"^{sentence}.*Give "):
                act()

    @pytest.mark.parametrize(
        ("rows", "sentence"),
        [
            (np.array([], int), "name no images, or some that are not there"),
            ([-1, 3], "name no images, or some that are not there"),
            (np.array([0, 600]), "name no images, or some that are not there"),
            (np.arange(600) < 100, "hold True and False"),
            ([0.0, 1.0], r"of shape \(2,\) and type float64 makes no sense"),
            (0.1, "= 0.1 makes no sense"),
            (np.ones((5, 2), int), r"of shape \(5, 2\) and type int64 makes no sense"),
        ],
        ids=str,
    )
    def test_rows_must_be_the_numbers_of_rows(self, small, rows, sentence):
        fresh = train(*small, steps=1, batch_size=10, progress=False)
        for name, act in (
            ("indices", lambda: train(*small, indices=rows, steps=1, batch_size=1)),
            ("validation", lambda: train(*small, validation=rows, steps=1, batch_size=1)),
            ("indices", lambda: evaluate(*small, fresh, rows)),
            ("indices", lambda: predict_logits(small[0], fresh, rows)),
        ):
            with pytest.raises(ArgumentError, match=f"^{name} {sentence}"):
                act()

    @pytest.mark.parametrize("mean", [0.0, np.zeros(3, np.float32), np.zeros((1, 3072), np.float32)], ids=np.shape)
    def test_a_mean_image_has_3072_numbers(self, small, mean):
        with pytest.raises(ArgumentError, match=r"^mean is of shape .* Give "):
            train(*small, mean=mean, steps=1, batch_size=10)

    @pytest.mark.parametrize("wrong", ["my_run.npz", 5, {"weights": 0}], ids=str)
    def test_a_run_must_be_one(self, small, wrong):
        for act in (
            lambda: train(*small, resume=wrong, steps=5, batch_size=10),
            lambda: evaluate(*small, wrong),
            lambda: predict_logits(small[0], wrong),
        ):
            with pytest.raises(ArgumentError, match=r"^This is no run but .* Give what train"):
                act()

    def test_a_batch_holds_at_most_the_chosen_rows(self, small):
        with pytest.raises(ArgumentError, match="too large for 50 images"):
            train(*small, indices=np.arange(50), batch_size=51, progress=False)

    def test_settings_are_given_by_name(self, small):
        with pytest.raises(TypeError):
            train(*small, 10)


def misaligned(images):
    """Return a copy of `images` that begins one byte past a multiple of 64."""
    room = np.empty(images.size + 128, np.uint8)
    skip = -room.ctypes.data % 64 + 1
    room[skip : skip + images.size] = images.ravel()
    return room[skip : skip + images.size].reshape(images.shape)


class TestMemory:
    LAYOUTS = {  # noqa: RUF012
        "a copy": np.array,
        "a misaligned copy": misaligned,
        "column by column": np.asfortranarray,
        "every second of twice as many": lambda images: np.repeat(images, 2, axis=0)[::2],
        "columns of wider rows": lambda images: np.hstack([np.zeros((len(images), 5), np.uint8), images])[:, 5:],
        "columns before others": lambda images: np.hstack([images, np.zeros((len(images), 5), np.uint8)])[:, :-5],
        "backwards": lambda images: images[::-1].copy()[::-1],
    }

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_the_images_layout_in_memory_changes_no_bit(self, data, layout):
        images, labels = data.images_train[:2_000], data.labels_train[:2_000]
        other = self.LAYOUTS[layout](images)
        assert np.array_equal(other, images)
        settings = {"steps": 30, "batch_size": 64, "progress": False}
        assert_same_bits(train(images, labels, **settings), train(other, labels, **settings))

    def test_images_of_the_file_are_shared_and_others_are_not_touched(self, data):
        assert softmax._share(data.images_train) is not None
        assert softmax._share(misaligned(data.images_train[:10])) is None
        assert np.array_equal(softmax._share(data.images_train)[:3, 1:], data.images_train[:3])

    @pytest.mark.parametrize(
        "layout",
        [
            lambda room: room[: 10 * 3_072].reshape(10, 3_072)[::-1],
            lambda room: room[: 10 * 3_136].reshape(10, 3_136)[:, :3_072],
            lambda room: np.broadcast_to(room[-3_072:], (10, 3_072)),
        ],
        ids=["backwards", "columns before others", "one image for all"],
    )
    def test_memory_that_is_no_table_ending_in_pixels_is_not_shared(self, layout):
        room = np.frombuffer(mmap.mmap(-1, 20 * 3_072), np.uint8)  # a page begins at a multiple of 64
        assert softmax._share(room.reshape(20, 3_072)) is not None
        assert softmax._share(layout(room)) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "dense"),
    [
        ("", "tf.keras.layers.Dense"),
        ("import keras", "keras.layers.Dense"),
        ("from tensorflow.keras import layers", "layers.Dense"),
    ],
)
def test_keras_comes_only_when_it_is_used(line, dense):
    code = (
        "import sys; from helpers.softmax import tf; assert 'keras' not in sys.modules\n"
        f"{line}\nprint({dense}(3)(tf.ones([2, 5])).shape, type(tf.keras.optimizers.SGD(0.1)).__name__)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout == "(2, 3) SGD\n", ran.stderr


class TestSaving:
    @pytest.fixture
    def run(self, small) -> Run:
        return train(*small, **{**SETTINGS, "steps": 90, "validation": np.arange(50)})

    def test_what_is_loaded_is_what_was_saved(self, run, tmp_path):
        save_run(run, tmp_path / "run.npz")
        again = load_run(tmp_path / "run.npz")
        assert_same_bits(again, run)
        assert (again.divide_by, type(again.divide_by)) == (run.divide_by, float)
        np.testing.assert_array_equal(again.mean, run.mean)
        assert os.listdir(tmp_path) == ["run.npz"]

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
    def test_others_may_read_it_as_umask_says(self, run, tmp_path):
        kept = os.umask(0o022)
        try:
            save_run(run, tmp_path / "run.npz")
        finally:
            os.umask(kept)
        assert (tmp_path / "run.npz").stat().st_mode & 0o777 == 0o644

    def test_a_loaded_run_goes_on_bit_for_bit(self, small, tmp_path):
        settings = {**SETTINGS, "schedule": "constant"}
        save_run(train(*small, **{**settings, "steps": 77}), tmp_path / "run")
        assert_same_bits(train(*small, **settings, resume=load_run(tmp_path / "run")), train(*small, **settings))

    def test_the_file_is_read_without_pickle_and_by_its_names(self, run, tmp_path):
        save_run(run, tmp_path / "run.npz")
        with np.load(tmp_path / "run.npz", allow_pickle=False) as file:
            assert sorted(file) == sorted(name.name for name in dataclasses.fields(Run))
            np.testing.assert_array_equal(file["weights"], run.weights)

    def test_a_file_that_would_run_code_is_refused_and_runs_none(self, run, tmp_path):
        class Trap:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "sprung"),)

        parts = dataclasses.asdict(run) | {"mean": np.array([Trap()], dtype=object)}
        np.savez(tmp_path / "trap.npz", **parts)
        with pytest.raises(ArgumentError, match="not a run"):
            load_run(tmp_path / "trap.npz")
        assert not (tmp_path / "sprung").exists()

    @pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: b"text", lambda whole: whole[:5_000],
                                        lambda whole: whole[:60_000] + b"\0\0\0\0" + whole[60_004:]],
                             ids=["empty", "text", "cut short", "flipped"])  # fmt: skip
    def test_a_damaged_file_is_named(self, run, tmp_path, damage):
        path = tmp_path / "run.npz"
        save_run(run, path)
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(ArgumentError, match=r"run\.npz is not a run, or is damaged\. Give a file from save_run"):
            load_run(path)

    @pytest.mark.parametrize("change", [
        {"weights": np.zeros((10, 3072), np.float32)}, {"weights": np.zeros((3072, 10))},
        {"loss": np.zeros(3, np.float32)}, {"loss": np.float32(3)},
        {"divide_by": np.zeros(2)}, {"validation_step": np.zeros((2, 3), np.int64)},
    ], ids=str)  # fmt: skip
    def test_other_arrays_are_refused(self, run, tmp_path, change):
        np.savez(tmp_path / "other.npz", **dataclasses.asdict(run) | change)
        with pytest.raises(ArgumentError, match="is not a run, or is damaged"):
            load_run(tmp_path / "other.npz")

    def test_a_file_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(ArgumentError, match=r"none\.npz can't be read: No such file"):
            load_run(tmp_path / "none.npz")

    def test_a_folder_that_is_not_there_is_named(self, run, tmp_path):
        with pytest.raises(ArgumentError, match=r"can't be written: No such file"):
            save_run(run, tmp_path / "nowhere" / "run.npz")

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no limit on the size of a file")
    def test_a_full_disk_leaves_the_earlier_file_and_no_litter(self, run, tmp_path):
        import resource
        import signal

        path = tmp_path / "run.npz"
        save_run(run, path)
        before = path.read_bytes()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        try:
            with pytest.raises(ArgumentError, match="File too large"):
                save_run(run, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, kept)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["run.npz"]
