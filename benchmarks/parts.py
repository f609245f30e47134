"""What a training step is spent on: the lines of helpers.softmax._train_steps, each in a graph loop of its own.

A part's time is that of a loop with it less that of the same loop without it, with the threads, the layout of the
weights and the settings that helpers.softmax has chosen. Change it together with `_train_steps`.
"""

import time

import numpy as np

from helpers import softmax
from helpers.data import load_data, mean_image

BATCH, COUNT = 100, 50_000
WHOLE = "a whole step of `train`"


def layout() -> list[int]:
    """Return the shape in which the trainer keeps its weights; raise ValueError if it is not the one measured here."""
    shape = softmax._train_steps.input_signature[0].shape.as_list()
    if shape != [10, 3072]:
        raise ValueError(f"helpers.softmax now keeps its weights as {shape}: write benchmarks/parts.py anew.")
    return shape


def measure(rounds: int, steps: int) -> dict:
    """Return the milliseconds a step of each part, and of a whole step, in each round."""
    tf, rng, data = softmax.tf, np.random.default_rng(0), load_data()
    tf.get_logger().setLevel("ERROR")  # it warns of so many loops in one function
    chunk = 50  # steps in one call of TensorFlow
    mean_numpy = mean_image(data.images_train)
    indices = softmax.batch_indices(COUNT, BATCH, "epochs", 0, 0, steps)
    records, rows = softmax._share(data.images_train), tf.constant(indices)
    labels = tf.constant(data.labels_train[indices[:chunk]])
    some_pixels = tf.constant(
        data.images_train[indices[:8]].astype(np.float32)
    )  # eight batches stay in the cache, as one does in a step
    some_logits = tf.constant(rng.normal(size=(8, 10, BATCH)).astype(np.float32))
    some_errors = tf.constant(rng.normal(size=(8, 10, BATCH)).astype(np.float32) / BATCH)
    truth, mean = tf.one_hot(labels, 10, axis=1), tf.constant(mean_numpy)
    templates, biases = tf.constant(rng.normal(size=layout()).astype(np.float32)), tf.zeros([10])
    divide_by, rate, decay = tf.constant(255.0), tf.constant(0.3), tf.constant(0.0)

    def gather(k, kept):
        return tf.gather(records, rows[k])[:, -3072:]

    def scale(k, kept):
        scaled = kept[0] / divide_by
        return scaled, biases - tf.linalg.matvec(scaled, mean)

    def forward(k, kept):
        return tf.matmul(templates, some_pixels[k % 8], transpose_b=True) + biases[:, tf.newaxis]

    def errors(k, kept):
        logits = some_logits[k % 8]
        powers = tf.exp(logits - tf.reduce_max(logits, axis=0))
        result = (powers / tf.reduce_sum(powers, axis=0) - truth[k % chunk]) / 100.0
        return result, tf.reduce_sum(result, axis=1)

    def backward(k, kept):
        return tf.matmul(some_errors[k % 8], some_pixels[k % 8])

    def update(k, kept):
        gradient = (kept - biases[:, tf.newaxis] * mean) / divide_by
        return kept - rate * (gradient + decay * kept)

    empty, gathering = "the empty loop", "gathering a batch's bytes"
    pixels = some_pixels[0]
    loops = {  # name: (body, what it starts with, the loop to subtract)
        empty: (lambda k, kept: kept, templates, None),
        gathering: (gather, gather(0, None), empty),
        "bytes to float32": (lambda k, kept: tf.cast(gather(k, kept), tf.float32), pixels, gathering),
        "scaling the templates, the mean's share": (scale, (templates, biases), empty),
        "taking pixels": (lambda k, kept: some_pixels[k % 8], pixels, empty),
        "forward product": (forward, some_logits[0], "taking pixels"),
        "softmax and errors": (errors, (some_errors[0], biases), empty),
        "backward product": (backward, templates, "taking pixels"),
        "gradient's scaling, update of the templates": (update, templates, empty),
    }  # fmt: skip

    def compile_loop(body, start):
        @tf.function
        def loop(kept):
            for k in tf.range(steps):
                kept = body(k, kept)
            return kept

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
        if name != "taking pixels":
            parts[name] = [one - other for one, other in zip(spent, times.get(less, [0] * rounds), strict=True)]
    threads = tf.config.threading.get_intra_op_parallelism_threads() or None
    return {"parts": parts, "layout": layout(), "threads": threads}
