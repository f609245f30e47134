"""The softmax classifier: the model, its training and the history that training leaves.

Its functions are born in notebooks 3 and 5, where each is built and explained. Everywhere, n is the number of images
in a batch, 3072 the numbers per image and 10 the number of classes.
"""

import contextlib
import os
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from helpers.arguments import check_images, check_rows, check_settings
from helpers.data import mean_image, scale_pixels
from helpers.errors import ArgumentError
from helpers.progress import progress_bar


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Send the process's error stream away while TensorFlow starts: its greetings obey no setting.

    And keep it from importing all of Keras, 50 MB that few notebooks need. Keras comes when it is first used.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    eager = "keras.src.optimizers"  # what TensorFlow imports as its last act, if it can
    later = sys.modules.setdefault(eager, None) is None  # None: not to be found
    try:
        yield
    finally:
        if later:
            del sys.modules[eager]
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _quiet_start():
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # TensorFlow has started already, and keeps its threads
        # Steps as small as these take longer on two threads than on one, and a class shares its machine's cores.
        tf.config.threading.set_intra_op_parallelism_threads(1)

EVALUATION_BATCH = 250  # images turned into float32 at a time: 3 MB
CHUNK_STEPS = 1_000  # at the most, that one call of TensorFlow takes, since an interrupt waits for its end
CHUNK_IMAGES = 50_000  # at the most, in one call: a tenth of a second
CHUNK_BYTES = 16_000_000  # at the most, of uint8 images, in one call where TensorFlow can't share their memory


@dataclass(frozen=True)
class Run:
    """A training run: what it has learned so far, and how it got there."""

    weights: np.ndarray  # (3072, 10) float32
    biases: np.ndarray  # (10,) float32
    mean: np.ndarray  # (3072,) float32, the image subtracted from every image
    divide_by: float  # pixels are divided by this after the subtraction
    loss: np.ndarray  # (steps done,) float32, each batch's loss before its update
    accuracy: np.ndarray  # (steps done,) float32, each batch's accuracy before its update
    validation_step: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # steps done at each look
    validation_loss: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    validation_accuracy: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def step(self) -> int:
        """Number of steps done."""
        return len(self.loss)

    @property
    def diverged(self) -> bool:
        """True if the loss ended above where it began, at the ln 10 of guessing, or is no number any more."""
        tail = self.loss[-max(1, self.step // 10) :]
        return self.step > 0 and not np.mean(tail) <= max(1.5 * self.loss[0], np.log(10))


def _check_run(run) -> None:
    if not isinstance(run, Run):
        raise ArgumentError(f"This is no run but {run!r:.60}. Give what train(...) returned, or load_run(file).")


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


@tf.function(
    input_signature=[
        tf.TensorSpec([10, 3072], tf.float32),
        tf.TensorSpec([10], tf.float32),
        tf.TensorSpec([3072], tf.float32),
        tf.TensorSpec([], tf.float32),
        tf.TensorSpec([None, None], tf.uint8),
        tf.TensorSpec([None, None], tf.int64),
        tf.TensorSpec([None, None], tf.int64),
        tf.TensorSpec([None], tf.float32),
        tf.TensorSpec([], tf.float32),
    ]
)
def _train_steps(templates, biases, mean, divide_by, records, rows, labels, learning_rates, weight_decay):
    """Take one step for each row of rows (steps, n), which names the records of a batch, and labels (steps, n).

    The last 3,072 columns of records are the pixels.

    The steps of notebook 5, arranged for speed; a test holds the two together. The loop runs inside TensorFlow's
    graph. The weights lie with one class a row, which makes both products fast. The images stay 0 to 255: not they are
    centred and scaled but the few numbers that come from them, x being an image and t a template:
    t (x - mean) / divide_by = (t x - t mean) / divide_by. Each batch goes through the products in two halves, so that
    two cores can share it, and while they do, the next batch is fetched. Losses and accuracies are worked out from the
    logits of all steps together, after the loop.
    """
    steps, count = tf.shape(labels)[0], tf.shape(labels)[1]
    truth = tf.one_hot(labels, 10, axis=1)  # (steps, 10, n)
    rates, kept = learning_rates / tf.cast(count, tf.float32), 1 - learning_rates * weight_decay
    all_logits = tf.TensorArray(tf.float32, steps)
    for step in tf.range(steps):
        tf.autograph.experimental.set_loop_options(parallel_iterations=2)  # more would crowd the cache
        halves = rows[step, : count // 2], rows[step, count // 2 :]
        halves = [tf.cast(tf.gather(records, half)[:, -3072:], tf.float32) for half in halves]
        products = tf.concat([tf.matmul(templates, pixels, transpose_b=True) for pixels in halves], axis=1)
        offset = biases - tf.linalg.matvec(templates, mean) / divide_by
        logits = products / divide_by + offset[:, tf.newaxis]  # (10, n)
        all_logits = all_logits.write(step, logits)
        powers = tf.exp(logits - tf.reduce_max(logits, axis=0))
        errors = rates[step] * (powers / tf.reduce_sum(powers, axis=0) - truth[step])
        biases -= tf.reduce_sum(errors, axis=1)
        errors /= divide_by
        products = [tf.matmul(errors[:, : count // 2], halves[0]), tf.matmul(errors[:, count // 2 :], halves[1])]
        of_mean = tf.reduce_sum(errors, axis=1)[:, tf.newaxis] * mean
        templates = kept[step] * templates - (tf.add_n(products) - of_mean)
    logits = all_logits.stack()
    losses = tf.reduce_logsumexp(logits, axis=1) - tf.reduce_sum(logits * truth, axis=1)
    correct = tf.equal(tf.argmax(logits, axis=1), labels)
    accuracies = tf.reduce_mean(tf.cast(correct, tf.float32), axis=1)
    return templates, biases, tf.reduce_mean(losses, axis=1), accuracies


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
    """
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
        resume: an earlier run with the same settings, to go on from as if it had never stopped.
        until: stop after this step and say nothing of divergence, for one who goes on in slices; `steps` still decides
            the schedule.
        progress: show a bar once training has taken over a second.

    Returns:
        A `Run`. An interrupt returns it too, with what was learned so far.

    Raises:
        ArgumentError: a value that makes no sense.
    """
    check_images(images, labels)
    if indices is not None:
        check_rows(len(images), indices=indices)
    indices = np.arange(len(images)) if indices is None else np.asarray(indices)
    if validation is not None:
        check_rows(len(images), validation=validation)
    if mean is not None and np.shape(mean) != (3_072,):
        raise ArgumentError(f"mean is of shape {np.shape(mean)}. Give (3072,), such as mean_image(images).")
    check_settings(
        images=len(indices), steps=steps, batch_size=batch_size, learning_rate=learning_rate, schedule=schedule,
        weight_decay=weight_decay, sampling=sampling, seed=seed, divide_by=divide_by, validate_every=validate_every,
    )  # fmt: skip
    # A NumPy integer of 8 or 16 bits would overflow in the sums below.
    steps, batch_size, seed, validate_every = int(steps), int(batch_size), int(seed), int(validate_every)
    check_settings(until=steps if until is None else until)
    end = steps if until is None else min(int(until), steps)
    if resume is None:
        mean = mean_image(images, indices) if mean is None else np.asarray(mean, np.float32)
        zeros = np.zeros((3072, 10), np.float32), np.zeros(10, np.float32)
        run = Run(*zeros, mean, float(divide_by), np.zeros(0, np.float32), np.zeros(0, np.float32))
    else:
        _check_run(resume)
        run = resume
    if run.step >= end:
        raise ArgumentError(f"This run has done {run.step} steps already. Give a larger steps than {end} to go on.")
    labels = np.asarray(labels, np.int64)
    shared = _share(images)
    most = CHUNK_IMAGES if shared is not None else CHUNK_BYTES // images.shape[1]
    chunk = min(CHUNK_STEPS, max(1, most // batch_size))
    # What is done so far changes in one assignment, so that an interrupt finds it whole.
    so_far = (tf.constant(run.weights.T), tf.constant(run.biases), [run.loss], [run.accuracy])
    looks = list(zip(run.validation_step, run.validation_loss, run.validation_accuracy, strict=True))
    done = run.step
    try:
        with progress_bar(total=steps, initial=done, desc="Training", unit="step", disable=not progress) as bar:
            while True:
                due = done > 0 and (done % validate_every == 0 or done == steps)
                if validation is not None and due and done not in [look[0] for look in looks]:
                    looked = replace(run, weights=so_far[0].numpy().T, biases=so_far[1].numpy())
                    looks.append((done, *evaluate(images, labels, looked, validation)))
                if done == end:
                    break
                last = min(done + chunk, end)
                if validation is not None:
                    last = min(last, (done // validate_every + 1) * validate_every)
                rows = indices[batch_indices(len(indices), batch_size, sampling, seed, done, last)]
                records, places = shared, rows
                if shared is None:
                    records, places = images[rows.ravel()], np.arange(rows.size).reshape(rows.shape)
                falling = 1 - np.arange(done, last) / steps if schedule == "linear" else np.ones(last - done)
                templates, biases, loss, accuracy = _train_steps(
                    *so_far[:2], run.mean, run.divide_by, records, places, labels[rows],
                    np.float32(learning_rate) * falling.astype(np.float32), weight_decay,
                )  # fmt: skip
                so_far = (templates, biases, [*so_far[2], loss.numpy()], [*so_far[3], accuracy.numpy()])
                bar.update(last - done)
                done = last
    except KeyboardInterrupt:
        done = sum(map(len, so_far[2]))
        print(f"Stopped after {done} of {steps} steps. What was learned is kept; train(..., resume=run) goes on.")
    templates, biases, losses, accuracies = so_far
    looks = np.array(looks, dtype=np.float64).reshape(-1, 3).T
    run = replace(
        run,
        weights=np.ascontiguousarray(templates.numpy().T),
        biases=biases.numpy(),
        loss=np.concatenate(losses),
        accuracy=np.concatenate(accuracies),
        validation_step=looks[0].astype(np.int64),
        validation_loss=looks[1].astype(np.float32),
        validation_accuracy=looks[2].astype(np.float32),
    )
    if run.diverged and until is None:
        print("This run diverges: its loss ends higher than that of guessing. Lower the learning rate.")
    return run


def save_run(run: Run, path: str | os.PathLike) -> None:
    """Write a run to a NumPy .npz file, whole or not at all; a file that is there already is replaced.

    Raises:
        ArgumentError: the file can't be written.
    """
    path = Path(path)
    work = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        try:
            with open(work, "wb") as file:
                np.savez(file, **asdict(run))
            os.replace(work, path)
        finally:
            work.unlink(missing_ok=True)
    except OSError as error:
        raise ArgumentError(
            f"{path} can't be written: {error.strerror or error}. Nothing was changed. Choose another folder, or free "
            "some space."
        ) from error


def load_run(path: str | os.PathLike) -> Run:
    """Read what `save_run` wrote; `train(..., resume=run)` goes on from it. Nothing in the file is executed.

    Raises:
        ArgumentError: there is no such file, or it holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            run = Run(**{name.name: file[name.name] for name in fields(Run)})
    except OSError as error:
        raise ArgumentError(f"{path} can't be read: {error.strerror or error}. Give a file from save_run.") from error
    except (KeyError, ValueError, TypeError, AttributeError, EOFError, MemoryError, NotImplementedError,
            zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        raise ArgumentError(f"{path} is not a run, or is damaged. Give a file from save_run.") from error
    steps, looks = run.loss.shape, run.validation_step.shape
    shapes = [(3072, 10), (10,), (3072,), (), steps, steps, looks, looks, looks]
    kinds = [np.float32] * 3 + [np.float64] + [np.float32] * 2 + [np.int64] + [np.float32] * 2
    values = [getattr(run, name.name) for name in fields(Run)]
    if (
        len(steps) != 1
        or len(looks) != 1
        or [(v.shape, v.dtype) for v in values] != list(zip(shapes, kinds, strict=True))
    ):
        raise ArgumentError(f"{path} holds arrays, but not those of a run. Give a file from save_run.")
    return replace(run, divide_by=float(run.divide_by))


def predict_logits(images: np.ndarray, run: Run, indices: np.ndarray | None = None) -> np.ndarray:
    """Return the ten scores of each image, (n, 10) float32, for (n, 3072) uint8 images; a few at a time.

    Args:
        images: (count, 3072) uint8.
        run: a trained `Run`.
        indices: the rows to score, (n,); all by default.

    Raises:
        ArgumentError: a value that makes no sense.
    """
    check_images(images)
    _check_run(run)
    if indices is not None:
        check_rows(len(images), indices=indices)
    indices = np.arange(len(images)) if indices is None else np.asarray(indices)
    logits = np.empty((len(indices), 10), np.float32)
    for start in range(0, len(indices), EVALUATION_BATCH):
        rows = indices[start : start + EVALUATION_BATCH]
        pixels = scale_pixels(images[rows], run.mean, run.divide_by)
        logits[start : start + len(rows)] = compute_logits(pixels, run.weights, run.biases)
    return logits


def evaluate(
    images: np.ndarray, labels: np.ndarray, run: Run, indices: np.ndarray | None = None
) -> tuple[float, float]:
    """Return (loss in nats, accuracy 0 to 1) of a run on (n, 3072) uint8 images, or on the rows `indices` of them.

    Raises:
        ArgumentError: a value that makes no sense.
    """
    check_images(images, labels)
    logits = predict_logits(images, run, indices)
    labels = np.asarray(labels, np.int64)[slice(None) if indices is None else indices]
    return float(cross_entropy(logits, labels)), float(compute_accuracy(logits, labels))


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return (10, 10) int64 counts: row the true class, column the answer, for (n,) labels and predictions."""
    counts = np.zeros((10, 10), dtype=np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return counts
