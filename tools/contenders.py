"""What `make bench` measures: our trainer, and what a learner would use instead, each in a process of its own.

    python -m tools.contenders NAME FOLDER STEPS     print what NAME takes for that many steps, as JSON

FOLDER holds the data, the mean image and the batches, as tools/bench.py writes them. A contender needs no more than
NumPy and the library that it stands for, so that any Python that has these can run it.
"""

import json
import os
import sys
import tempfile
import timeit
from functools import cache
from pathlib import Path

import numpy as np

from tools.memory import peak_memory

RATE, POST_RATE, BATCH = 0.3, 0.005, 100
BATCHES = {1: 500, 10: 500, 100: 500, 1_000: 50, 10_000: 5}  # batch size: steps that are timed
ONEDNN = os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "1"
SWEPT = ("ours", "numpy", "function", "keras")  # with oneDNN, these are timed with batches of all sizes


# Each contender is a function of the images, labels and mean that returns fit(batches, rates), which trains from zero
# weights and returns (weights (3072, 10), biases (10,)).


def ours(images, labels, mean):
    from helpers import load_data, train

    images, labels = load_data()[:2]  # the same, as they lie in memory for a learner

    def fit(batches, rates):
        steps, batch_size = batches.shape
        run = train(images, labels, steps=steps, batch_size=batch_size, learning_rate=RATE, mean=mean, progress=False)
        return run.weights, run.biases

    return fit


def _by_hand(pixels_of, labels):
    def fit(batches, rates):
        weights, biases = np.zeros((3072, 10), np.float32), np.zeros(10, np.float32)
        for rows, rate in zip(batches, rates, strict=True):
            pixels = pixels_of(rows)
            logits = pixels @ weights + biases
            errors = np.exp(logits - logits.max(axis=1, keepdims=True))
            errors /= errors.sum(axis=1, keepdims=True)
            errors[np.arange(len(rows)), labels[rows]] -= 1
            errors *= rate / len(rows)
            weights -= pixels.T @ errors
            biases -= errors.sum(axis=0)
        return weights, biases

    return fit


def _float32(images, mean):
    pixels = images.astype(np.float32)
    pixels -= mean
    pixels /= 255
    return pixels


def numpy(images, labels, mean):
    pixels = _float32(images, mean)
    return _by_hand(lambda rows: pixels[rows], labels)


def bytes_(images, labels, mean):
    return _by_hand(lambda rows: _float32(images[rows], mean), labels)


def function(images, labels, mean):
    import tensorflow as tf

    weights, biases = tf.Variable(tf.zeros([3072, 10])), tf.Variable(tf.zeros([10]))

    @tf.function
    def step(batch, truth, mean, rate):
        pixels = (tf.cast(batch, tf.float32) - mean) / 255
        with tf.GradientTape() as tape:
            logits = pixels @ weights + biases
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=truth, logits=logits))
        gradients = tape.gradient(loss, [weights, biases])
        weights.assign_sub(rate * gradients[0])
        biases.assign_sub(rate * gradients[1])

    def fit(batches, rates):
        weights.assign(tf.zeros([3072, 10]))
        biases.assign(tf.zeros([10]))
        for rows, rate in zip(batches, rates, strict=True):
            step(images[rows], labels[rows], mean, rate)
        return weights.numpy(), biases.numpy()

    return fit


def post(images, labels, mean):
    """Run the program of 2016: 64-bit pixels to 255, one rate, images drawn afresh (see notebook 9)."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    pixels = images.astype(np.float64)
    pixels -= mean
    with tf1.Graph().as_default() as graph:
        shown, truth = tf1.placeholder(tf.float32, [None, 3072]), tf1.placeholder(tf.int64, [None])
        weights, biases = tf1.Variable(tf.zeros([3072, 10])), tf1.Variable(tf.zeros([10]))
        logits = tf.matmul(shown, weights) + biases
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=truth, logits=logits))
        step = tf1.train.GradientDescentOptimizer(POST_RATE).minimize(loss)
        accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), truth), tf.float32))
        initialise = tf1.global_variables_initializer()
    session = tf1.Session(graph=graph)

    def fit(batches, rates):
        session.run(initialise)
        random = np.random.RandomState(0)
        for number in range(len(rates)):
            rows = random.choice(len(pixels), batches.shape[1])
            feed = {shown: pixels[rows], truth: labels[rows]}
            if number % 100 == 0:
                session.run(accuracy, feed)
            session.run(step, feed)
        return session.run(weights) * 255, session.run(biases)

    return fit


def keras(images, labels, mean):
    import keras

    pixels = _float32(images, mean)

    @cache
    def build(steps):
        model = keras.Sequential([keras.Input([3072]), keras.layers.Dense(10, kernel_initializer="zeros")])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        falling = keras.optimizers.schedules.PolynomialDecay(RATE, steps, 0.0)
        model.compile(optimizer=keras.optimizers.SGD(falling), loss=loss, metrics=["accuracy"])
        return model

    def fit(batches, rates):
        steps, batch_size = batches.shape
        model = build(steps)
        model.set_weights([np.zeros((3072, 10), np.float32), np.zeros(10, np.float32)])
        model.optimizer.iterations.assign(0)
        a_pass = min(steps, len(pixels) // batch_size)
        sizes = {"batch_size": batch_size, "steps_per_epoch": a_pass, "epochs": -(-steps // a_pass)}
        model.fit(pixels, labels, **sizes, verbose=0)
        return model.get_weights()

    return fit


def torch(images, labels, mean):
    import torch as pt

    pt.backends.mkldnn.enabled = ONEDNN
    pixels, truth = pt.from_numpy(_float32(images, mean)), pt.from_numpy(np.array(labels))
    model = pt.nn.Linear(3072, 10)

    def fit(batches, rates):
        pt.nn.init.zeros_(model.weight)
        pt.nn.init.zeros_(model.bias)
        optimizer = pt.optim.SGD(model.parameters(), lr=RATE)
        schedule = pt.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1 - k / len(rates))
        for rows in pt.from_numpy(batches):
            loss = pt.nn.functional.cross_entropy(model(pixels[rows]), truth[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return model.weight.detach().numpy().T, model.bias.detach().numpy()

    return fit


CONTENDERS = {act.__name__.strip("_"): act for act in (ours, numpy, bytes_, function, post, keras, torch)}


def rates_of(steps: int) -> np.ndarray:
    """Return the learning rate of each step, falling to 0."""
    return (RATE * (1 - np.arange(steps) / steps)).astype(np.float32)


def timed(act, *arguments) -> float:
    """Return the seconds that a call takes, with Python's garbage collection kept out (a tenth of a second)."""
    return timeit.timeit(lambda: act(*arguments), number=1)


def matmul_rate() -> float:
    """Return the float32 operations a second of NumPy's matrix product (1024 x 1024, all threads): best of 40."""
    one, other = np.random.default_rng(0).random((2, 1_024, 1_024), dtype=np.float32)
    return 2 * 1_024**3 / min(timed(np.matmul, one, other) for _ in range(40))


def parts_of_a_step(fit, batches, rates) -> dict[str, float]:
    """Return the milliseconds of each operation in a step of our trainer, as TensorFlow's profiler sees them."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, tf.profiler.experimental.ProfilerOptions(python_tracer_level=0))
        fit(batches, rates)
        tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    parts = {}
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            name = plane.event_metadata[event.metadata_id].name
            if name.startswith("while/"):
                operation = name.rpartition("/")[2].rpartition(":")[0]
                parts[operation] = parts.get(operation, 0) + event.duration_ps / 1e9 / len(rates)
    return parts


def measure(name: str, folder: Path, steps: int) -> dict:
    """Return what a contender takes: nothing where its library is absent."""
    data = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
    try:
        fit = CONTENDERS[name](data["images"], data["labels"], data["mean"])
    except ImportError:
        return {}
    batches, rates = data[f"{BATCH}"][:steps], rates_of(steps)
    found = {"first": timed(fit, batches[:1], rates_of(1))}
    weights, biases = fit(batches, rates)  # which also touches all of the data once
    found |= {"peak": peak_memory(os.getpid()), "seconds": timed(fit, batches, rates)}
    scores = _float32(data["images_test"], data["mean"]) @ weights + biases
    found["accuracy"] = float((scores.argmax(axis=1) == data["labels_test"]).mean())
    if name in SWEPT and ONEDNN:
        for size, count in BATCHES.items():
            few = data[f"{size}"][:count], rates_of(count)
            fit(*few)
            found[f"cost {size}"] = 1e6 * timed(fit, *few) / count / size
    if name == "ours":
        found["rate"] = matmul_rate()
        found["parts"] = parts_of_a_step(fit, batches[:200], rates[:200])
    return found


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
