"""What a training step is spent on: the lines of helpers.softmax._train_steps, each in a graph loop of its own.

A part's time is that of a loop with it less that of the same loop without it, with the layout of the weights and the
settings that helpers.softmax has chosen. All of it runs on one thread: on more, TensorFlow works on several steps at
once, and the parts would no longer add up to the whole. Change it together with `_train_steps`.
"""

import time

import numpy as np

from helpers import softmax
from helpers.data import load_data, mean_image

BATCH, COUNT = 100, 50_000
WHOLE = "a whole step of `train`, on one thread"


def layout() -> list[int]:
    """Return the shape in which the trainer keeps its weights; raise ValueError if it is not the one measured here."""
    shape = softmax._train_steps.input_signature[0].shape.as_list()
    if shape != [10, 3072]:
        raise ValueError(f"helpers.softmax now keeps its weights as {shape}: write benchmarks/parts.py anew.")
    return shape


def in_a_row(rounds: int, steps: int) -> dict:
    """Return a step's milliseconds by the clock and of processor time on all cores, in runs straight one after another.

    Threads are left as `train` sets them.
    """
    data = load_data()
    mean, clock, processor = mean_image(data.images_train), [], []
    for number in range(-1, rounds):
        begun, used = time.perf_counter(), time.process_time()
        softmax.train(
            data.images_train, data.labels_train, steps=steps, batch_size=BATCH, mean=mean, progress=False
        )  # fmt: skip
        if number >= 0:  # the first round warms up
            clock.append(1_000 * (time.perf_counter() - begun) / steps)
            processor.append(1_000 * (time.process_time() - used) / steps)
    return {"clock": clock, "processor": processor}


def measure(rounds: int, steps: int) -> dict:
    """Return the milliseconds a step of each part, and of a whole step, in each round."""
    tf, rng, data = softmax.tf, np.random.default_rng(0), load_data()
    tf.get_logger().setLevel("ERROR")  # it warns of so many loops in one function
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    chunk = min(steps, softmax.CHUNK_STEPS, softmax.CHUNK_IMAGES // BATCH)  # steps in one call of TensorFlow
    half = BATCH // 2
    mean_numpy = mean_image(data.images_train)
    indices = softmax.batch_indices(COUNT, BATCH, "epochs", 0, 0, steps)
    records, rows = softmax._share(data.images_train), tf.constant(indices)
    labels = tf.constant(data.labels_train[indices[:chunk]])

    def normal(*shape, scale=1.0):
        return tf.constant((scale * rng.normal(size=shape)).astype(np.float32))

    two = [tf.constant(data.images_train[rows].astype(np.float32)) for rows in np.split(indices[0], 2)]
    some_logits, some_errors = normal(8, 10, BATCH), normal(8, 10, BATCH, scale=1 / BATCH)
    truth, mean = tf.one_hot(labels, 10, axis=1), tf.constant(mean_numpy)
    templates, biases, change = normal(*layout()), tf.zeros([10]), normal(*layout())
    divide_by, rate, kept = tf.constant(255.0), tf.constant(0.3), tf.constant(1.0)

    # Each body takes the step's number and a value that the step before left, so that no step can be left out.
    def gather(k, value):
        return [tf.gather(records, part)[:, -3072:] for part in tf.split(rows[k], 2)]

    def convert(k, value):
        return [tf.cast(pixels, tf.float32) for pixels in gather(k, value)]

    def forward(k, value):
        return value + tf.concat([tf.matmul(templates, pixels, transpose_b=True) for pixels in two], axis=1)

    def of_mean(k, value):
        return biases - tf.linalg.matvec(templates, mean + value[0])

    def errors(k, value):
        logits = some_logits[k % 8] / divide_by + value[1][:, tf.newaxis]
        powers = tf.exp(logits - tf.reduce_max(logits, axis=0))
        result = rate * (powers / tf.reduce_sum(powers, axis=0) - truth[k % chunk])
        return result / divide_by, value[1] - tf.reduce_sum(result, axis=1)

    def split(k, value):
        now = some_errors[k % 8]
        return [value[0] + now[:, :half], value[1] + now[:, half:]]

    def backward(k, value):
        now = split(k, value)
        product = tf.add_n([tf.matmul(part, pixels) for part, pixels in zip(now, two, strict=True)])
        return [part + product[0, 0] for part in now]

    def update(k, value):
        outer = tf.reduce_sum(some_errors[k % 8], axis=1)[:, tf.newaxis] * mean
        return kept * value - (change - outer)

    empty, gathering, splitting = "the empty loop", "gathering a batch's bytes", "taking errors"
    loops = {  # name: (body, what it starts with, the loop to subtract)
        empty: (lambda k, value: value, templates, None),
        gathering: (gather, gather(0, None), empty),
        "bytes to float32": (convert, convert(0, None), gathering),
        "forward product": (forward, tf.zeros([10, BATCH]), empty),
        "the mean's share of the logits": (of_mean, biases, empty),
        "softmax and errors": (errors, (some_errors[0], biases), empty),
        splitting: (split, [some_errors[0, :, :half], some_errors[0, :, half:]], empty),
        "backward product": (backward, [some_errors[0, :, :half], some_errors[0, :, half:]], splitting),
        "the mean's share of the gradient, update": (update, templates, empty),
    }

    def compile_loop(body, start):
        @tf.function
        def loop(value):
            for k in tf.range(steps):
                value = body(k, value)
            return value

        loop(start)
        return lambda: tf.nest.map_structure(lambda value: value.numpy(), loop(start))

    @tf.function
    def after(logits, truth, labels):
        losses = tf.reduce_logsumexp(logits, axis=1) - tf.reduce_sum(logits * truth, axis=1)
        correct = tf.equal(tf.argmax(logits, axis=1), labels)
        return tf.reduce_mean(losses, axis=1), tf.reduce_mean(tf.cast(correct, tf.float32), axis=1)

    starts = range(0, steps, chunk)
    all_logits = tf.constant(rng.normal(size=(chunk, 10, BATCH)).astype(np.float32))
    acts = {name: compile_loop(body, start) for name, (body, start, _) in loops.items()} | {
        "drawing the batches": lambda: [
            softmax.batch_indices(COUNT, BATCH, "epochs", 0, first, min(first + chunk, steps)) for first in starts
        ],
        "loss and accuracy, a chunk at a time": lambda: [after(all_logits, truth, labels)[0].numpy() for _ in starts],
        WHOLE: lambda: softmax.train(
            data.images_train, data.labels_train, steps=steps, batch_size=BATCH, mean=mean_numpy, progress=False
        ),
    }  # fmt: skip
    times = {name: [] for name in acts}
    for number in range(-1, rounds):
        for name, act in acts.items():
            begun = time.perf_counter()
            act()
            if number >= 0:  # the first round warms up
                times[name].append(1_000 * (time.perf_counter() - begun) / steps)
    parts = {}
    for name, spent in times.items():
        less = loops[name][2] if name in loops else None
        if name != splitting:
            parts[name] = [one - other for one, other in zip(spent, times.get(less, [0] * rounds), strict=True)]
    return {"parts": parts, "layout": layout()}
