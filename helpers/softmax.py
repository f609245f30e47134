"""The softmax classifier: the model, its training and its evaluation.

Its functions are born in notebooks 3 and 5, where each is built and explained. Everywhere, n is the number of images
in a batch, 3072 the numbers per image and 10 the number of classes.
"""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from helpers.arguments import check_images, check_settings, checked_labels, checked_mean, checked_rows
from helpers.data import mean_image
from helpers.errors import ArgumentError
from helpers.interrupts import interrupts_held
from helpers.progress import progress_bar
from helpers.quiet_tensorflow import tf
from helpers.runs import SETTINGS, Run, check_run, load_run, save_run

__all__ = [
    "Run", "batch_indices", "compute_accuracy", "compute_logits", "confusion_matrix", "cross_entropy", "evaluate",
    "load_run", "predict_logits", "save_run", "tf", "train",
]  # fmt: skip

PIECE = 100  # images turned into float32 at a time: 1.2 MB, which a processor's cache holds
CHUNK_STEPS = 1_000  # at the most, that one call of TensorFlow takes, since an interrupt waits for its end
CHUNK_IMAGES = 50_000  # at the most, in one call: a tenth of a second
CHUNK_COPIES = 1_000  # at the most, 3 MB, in one call where TensorFlow can't share the images' memory
MODEL = (  # weights, biases, mean and divide_by of a model, and the records that it reads
    *(tf.TensorSpec(shape, tf.float32) for shape in ([3072, 10], [10], [3072], [])),
    tf.TensorSpec([None, None], tf.uint8),
)
ROWS = tf.TensorSpec([None, None], tf.int64)  # a row a batch


def compute_logits(pixels: tf.Tensor, weights: tf.Tensor, biases: tf.Tensor) -> tf.Tensor:
    """Return the ten scores of each image: (n, 3072) float32 times (3072, 10), plus (10,), is (n, 10)."""
    return tf.matmul(pixels, weights) + biases


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return the loss, a scalar in nats: the mean of -ln(probability of the true class) over (n, 10) logits.

    Softmax and logarithm are taken together, so that large logits do not overflow.
    """
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def compute_accuracy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return the share, 0 to 1, of the (n, 10) logits whose largest stands at the true label (n,)."""
    correct = tf.equal(tf.argmax(logits, axis=1), labels)
    return tf.reduce_mean(tf.cast(correct, tf.float32))


@tf.function(input_signature=[*MODEL, ROWS, ROWS, tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.float32)])
def _take_steps(weights, biases, mean, divide_by, records, rows, labels, learning_rates, weight_decay):
    """Take one step for each row of rows (steps, n), which names the records of a batch, and labels (steps, n).

    The last 3,072 columns of records are the pixels. Returns weights, biases, and each step's loss and accuracy.

    The steps of notebook 5, and the gradient of notebook 4, in a loop inside TensorFlow's graph; a test holds the two
    together. A batch goes through in pieces that stay in the cache, and while one is multiplied the next is fetched.
    Weights and gradient lie on their side here, a template a row, and are cut in two: so no product is slow, and two
    cores share each. What the mean image adds to scores and gradient is taken off there, not from every image.
    """
    steps, batch_size = tf.shape(rows)[0], tf.shape(rows)[1]
    share = 1 / tf.cast(batch_size, tf.float32)  # of one image in the mean over its batch
    pieces = (batch_size - 1) // PIECE + 1  # of a batch
    sums = tf.TensorArray(tf.float32, steps * pieces)  # of the losses of a piece, and of its right answers
    means, halves = _halves(mean[None]), _halves(tf.transpose(weights))  # (1, 1536) and (10, 1536) each
    next_halves, next_biases = halves, biases
    for place in tf.range(steps * pieces):
        tf.autograph.experimental.set_loop_options(parallel_iterations=2)  # one ahead; more would crowd the cache
        step, piece = place // pieces, place % pieces
        these = slice(piece * PIECE, (piece + 1) * PIECE)
        truth, pixels = labels[step, these], _pixels(records, rows[step, these])
        logits = _logits(pixels, halves, biases, means, divide_by)
        # The loss of each image, and its errors: the probability of each class minus 1 for the true one.
        image_losses, errors = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(features=logits, labels=truth)
        right = tf.cast(tf.equal(tf.argmax(logits, axis=1), truth), tf.float32)
        sums = sums.write(place, tf.reduce_sum([image_losses, right], axis=1))
        rate = learning_rates[step]
        kept = tf.where(piece == 0, 1 - rate * weight_decay, 1.0)  # the decay comes once a step
        errors *= rate * share / divide_by
        error = tf.reduce_sum(errors, axis=0, keepdims=True)
        next_biases -= divide_by * error[0]
        next_halves = tuple(  # error times pixel, less error times mean
            kept * half - tf.matmul(errors, part, transpose_a=True) + tf.matmul(error, part_mean, transpose_a=True)
            for half, part, part_mean in zip(next_halves, pixels, means, strict=True)
        )
        if piece == pieces - 1:
            halves, biases = next_halves, next_biases
    means_of_steps = share * tf.reduce_sum(tf.reshape(sums.stack(), [steps, pieces, 2]), axis=1)
    return tf.transpose(tf.concat(halves, axis=1)), biases, means_of_steps[:, 0], means_of_steps[:, 1]


def _halves(values):
    """Return (n, 3072) values as two times (n, 1536)."""
    return values[:, :1536], values[:, 1536:]


def _pixels(records, rows):
    """Return the pixels of the records at rows (n,), two halves of (n, 1536) float32, the mean still in them."""
    gathered = tf.gather(records, rows)
    return tf.cast(gathered[:, -3072:-1536], tf.float32), tf.cast(gathered[:, -1536:], tf.float32)


def _logits(pixels, halves, biases, means, divide_by):
    """Return the logits (n, 10). Ten scores are divided, and freed of the mean image's, not 3,072 pixels."""
    products = [tf.matmul(part, half, transpose_b=True) for part, half in zip(pixels, halves, strict=True)]
    of_mean = [tf.matmul(part, half, transpose_b=True) for part, half in zip(means, halves, strict=True)]
    return (tf.add_n(products) - tf.add_n(of_mean)) / divide_by + biases


@tf.function(input_signature=[*MODEL, tf.TensorSpec([None], tf.int64)])
def _score(weights, biases, mean, divide_by, records, rows):
    """Return the logits (n, 10) of the records at rows (n,), a piece at a time."""
    means, halves = _halves(mean[None]), _halves(tf.transpose(weights))
    pieces = tf.TensorArray(tf.float32, -(-tf.size(rows) // PIECE), infer_shape=False, element_shape=[None, 10])
    for piece in tf.range(pieces.size()):
        tf.autograph.experimental.set_loop_options(parallel_iterations=2)
        pixels = _pixels(records, rows[PIECE * piece : PIECE * (piece + 1)])
        pieces = pieces.write(piece, _logits(pixels, halves, biases, means, divide_by))
    return pieces.concat()


def _share(images: np.ndarray) -> tf.Tensor | None:
    """Return (count, 3072) images as a tensor over the same memory, or None where TensorFlow can't take it so.

    Images that are columns of a table of records, as in CIFAR-10's files, come as the whole table. Nothing is copied,
    so the graph gathers each batch straight from the memory-mapped file. TensorFlow only reads.
    """
    count, width = images.shape
    row, step = images.strides
    if images.dtype != np.uint8 or step != 1 or row < width:
        return None
    start = images.__array_interface__["data"][0] - (row - width)
    owner = images
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    if start % 64 or start < np.lib.array_utils.byte_bounds(owner)[0]:  # TensorFlow wants its tensors on 64 bytes
        return None

    # NumPy's protocol for foreign memory: DLPack takes no array that is marked read-only.
    interface = {"data": (start, False), "shape": (count, row), "typestr": "|u1", "version": 3}
    table = np.asarray(SimpleNamespace(__array_interface__=interface, keep=images))
    return tf.experimental.dlpack.from_dlpack(table.__dlpack__())


def batch_indices(count: int, batch_size: int, sampling: str, seed: int, first: int, last: int) -> np.ndarray:
    """Return which of `count` images each of the steps first..last-1 sees, (steps, batch_size) int64.

    "epochs" goes through all images in a random order, then through all again in another. "replacement" draws every
    image afresh, so that one may come twice and another never. Step k sees the same images whatever `first` is.

    Raises:
        ArgumentError: a value that makes no sense.
    """
    check_settings(images=count, batch_size=batch_size, sampling=sampling, seed=seed)
    if not 0 <= first < last:
        raise ArgumentError(f"Steps {first!r} to {last!r} make no sense. Give a first of 0 or more and a later last.")
    start, stop = first * batch_size, last * batch_size
    pieces = []
    for block in range(start // count, (stop - 1) // count + 1):
        rng = np.random.default_rng([seed, block])
        order = rng.permutation(count) if sampling == "epochs" else rng.integers(count, size=count)
        pieces.append(order[max(0, start - block * count) : stop - block * count])
    return np.concatenate(pieces).reshape(last - first, batch_size)


def train(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    indices: np.ndarray | None = None,
    validation: np.ndarray | None = None,
    steps: int = 1_000,
    batch_size: int = 100,
    learning_rate: float = 0.3,
    schedule: str = "linear",
    weight_decay: float = 0.0,
    sampling: str = "epochs",
    seed: int = 0,
    mean: np.ndarray | None = None,
    divide_by: float = 255.0,
    validate_every: int = 100,
    resume: Run | None = None,
    until: int | None = None,
    progress: bool = True,
) -> Run:
    """Train a softmax classifier by mini-batch gradient descent, from zero weights.

    Args:
        images: (count, 3072) uint8, read only where a batch needs it.
        labels: (count,) integers, 0 to 9.
        indices: the rows to learn from; all by default.
        validation: the rows to measure validation loss and accuracy on, every `validate_every` steps and at the end.
        steps: number of steps, counted from the beginning of the run.
        batch_size: images a step.
        learning_rate: of the first step.
        schedule: "constant", or "linear": falling in a straight line to 0 after the last step.
        weight_decay: the gradient of the weights grows by weight_decay times the weights (L2 regularisation).
        sampling: "epochs" or "replacement", see `batch_indices`.
        seed: decides the batches; same seed, same machine, same result to the last bit.
        mean: (3072,), subtracted from each image; by default the mean of the images learned from.
        divide_by: pixels are divided by this after the subtraction; 1 leaves them at 0 to 255, as the 2016 post did.
        resume: an earlier run, to go on from as if it had never stopped. What decides its batches and its pixels must
            be as it was: the number of images, batch_size, sampling, seed, mean (taken from it by default), divide_by.
        until: stop after this step and say nothing of divergence, for one who goes on in slices; `steps` still decides
            the schedule.
        progress: show a bar once training has taken over a second.

    Returns:
        A `Run`. An interrupt returns it too, with what was learned so far.

    Raises:
        ArgumentError: a value that makes no sense, or a run that can't go on with these settings.
    """
    _check_eager()
    check_images(images)
    labels, learn = checked_labels(labels, len(images)), checked_rows(indices, len(images), "indices")
    validation = None if validation is None else checked_rows(validation, len(images), "validation")
    check_settings(
        images=len(learn), steps=steps, batch_size=batch_size, learning_rate=learning_rate, schedule=schedule,
        weight_decay=weight_decay, sampling=sampling, seed=seed, divide_by=divide_by, validate_every=validate_every,
        until=steps if until is None else until,
    )  # fmt: skip
    # A NumPy integer of 8 or 16 bits would overflow in the sums below.
    steps, batch_size, seed, validate_every = int(steps), int(batch_size), int(seed), int(validate_every)
    end = steps if until is None else min(int(until), steps)
    settings: dict[str, Any] = {
        "divide_by": float(divide_by), "images": len(learn), "batch_size": batch_size, "sampling": str(sampling),
        "seed": seed,
    }  # fmt: skip
    if resume is None:
        mean = mean_image(images, learn) if mean is None else checked_mean(mean)
        run = Run(np.zeros((3072, 10), np.float32), np.zeros(10, np.float32), mean, **settings)
    else:
        run = _resumed(resume, mean, settings)
    if run.step >= end:
        raise ArgumentError(f"This run has done {run.step} steps already. Give a larger steps than {end} to go on.")

    with interrupts_held() as interrupt:
        shared = _share(images)
        with progress_bar(total=steps, initial=run.step, desc="Training", unit="step", disable=not progress) as bar:
            while run.step < end and not interrupt.came:
                at_once = (CHUNK_COPIES if shared is None else CHUNK_IMAGES) // batch_size
                stop = min(end, run.step + min(CHUNK_STEPS, max(1, at_once)))
                if validation is not None:
                    stop = min(stop, (run.step // validate_every + 1) * validate_every)
                rows = learn[batch_indices(len(learn), batch_size, sampling, seed, run.step, stop)]
                falling = 1 - np.arange(run.step, stop) / steps if schedule == "linear" else np.ones(stop - run.step)
                run = _advance(run, images, shared, labels, rows, float(learning_rate) * falling, float(weight_decay))
                if validation is not None and (stop % validate_every == 0 or stop == steps):
                    run = _with_evaluation(run, *evaluate(images, labels, run, validation))
                bar.update(len(rows))
        if interrupt.came:
            print(
                f"Stopped after {run.step} of {steps} steps. What was learned is kept; train(..., resume=run) goes on."
            )
        if run.diverged and until is None:
            print("This run diverges: its loss ends well above that of guessing. Lower the learning rate.")
    return run


def _check_eager() -> None:
    """Raise `ArgumentError` where TensorFlow builds a graph instead of computing at once."""
    if not tf.executing_eagerly():
        raise ArgumentError(
            "TensorFlow only builds a graph here, inside tf.Graph or tf.function or after disable_v2_behavior(). Call "
            "this outside; after disable_v2_behavior(), in a fresh kernel."
        )


def _resumed(run: Run, mean: np.ndarray | None, settings: dict) -> Run:
    """Return `run` with these settings; raise `ArgumentError` where it has gone by others so far."""
    check_run(run)
    for name in SETTINGS:
        then, now = getattr(run, name), settings[name]
        if then is not None and then != now:
            raise ArgumentError(
                f"The run to go on from has {name} = {then!r}, and here {name} = {now!r}. Give it as it was, or leave "
                "resume out and start anew."
            )
    if mean is not None and not np.array_equal(checked_mean(mean), run.mean):
        raise ArgumentError("The run to go on from has another mean. Leave mean out, or leave resume out.")
    return replace(run, **settings)


def _advance(run: Run, images, shared, labels, rows, learning_rates, weight_decay) -> Run:
    """Return the run after one step for each row of rows, (steps, n), at learning_rates (steps,)."""
    records, places = shared, rows
    if shared is None:
        records, places = images[rows.ravel()], np.arange(rows.size).reshape(rows.shape)
    weights, biases, loss, accuracy = _take_steps(
        run.weights, run.biases, run.mean, run.divide_by, records, places, labels[rows],
        learning_rates.astype(np.float32), weight_decay,
    )  # fmt: skip
    loss, accuracy = np.append(run.loss, loss), np.append(run.accuracy, accuracy)
    return replace(run, weights=weights.numpy(), biases=biases.numpy(), loss=loss, accuracy=accuracy)


def _with_evaluation(run: Run, loss: float, accuracy: float) -> Run:
    """Return the run with one more entry in its validation history, at its present step."""
    return replace(
        run,
        validation_step=np.append(run.validation_step, run.step),
        validation_loss=np.append(run.validation_loss, np.float32(loss)),
        validation_accuracy=np.append(run.validation_accuracy, np.float32(accuracy)),
    )


def predict_logits(images: np.ndarray, run: Run, indices: np.ndarray | None = None) -> np.ndarray:
    """Return the ten scores of each image, (n, 10) float32, for (n, 3072) uint8 images; a few at a time.

    Args:
        images: (count, 3072) uint8.
        run: a trained `Run`.
        indices: the rows to score, (n,); all by default.

    Raises:
        ArgumentError: a value that makes no sense.
    """
    _check_eager()
    check_images(images)
    check_run(run)
    indices = checked_rows(indices, len(images), "indices")
    shared, logits = _share(images), np.empty((len(indices), 10), np.float32)
    at_once = CHUNK_COPIES if shared is None else CHUNK_IMAGES
    for start in range(0, len(indices), at_once):
        rows = indices[start : start + at_once]
        records, places = (images[rows], np.arange(len(rows))) if shared is None else (shared, rows)
        logits[start : start + len(rows)] = _score(run.weights, run.biases, run.mean, run.divide_by, records, places)
    return logits


def evaluate(
    images: np.ndarray, labels: np.ndarray, run: Run, indices: np.ndarray | None = None
) -> tuple[float, float]:
    """Return (loss in nats, accuracy 0 to 1) of a run on (n, 3072) uint8 images, or on the rows `indices` of them.

    Raises:
        ArgumentError: a value that makes no sense.
    """
    check_images(images)
    labels, indices = checked_labels(labels, len(images)), checked_rows(indices, len(images), "indices")
    logits = predict_logits(images, run, indices)
    return float(cross_entropy(logits, labels[indices])), float(compute_accuracy(logits, labels[indices]))


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return (10, 10) int64 counts: row the true class, column the answer, for (n,) labels and predictions.

    Raises:
        ArgumentError: labels or predictions that are no classes 0 to 9, or not equally many.
    """
    labels = checked_labels(labels, np.size(labels))
    predictions = checked_labels(predictions, len(labels), "predictions", of="labels")
    counts = np.zeros((10, 10), dtype=np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return counts
