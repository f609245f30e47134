"""Answers to assignment 3 · The graph and the training loop."""

_LOSS = """
def compute_loss(logits, labels):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
"""
_LOGITS = "def compute_logits(pixels, weights, biases):\n    return tf.matmul(pixels, weights) + biases\n"
_DEAL = """
def deal_batches(count, batch_size, steps, seed):
    rng = np.random.default_rng(seed)
    {order}
    return dealt[: steps * batch_size].reshape(steps, batch_size)
"""
_STEP = """
@tf.function
def train_step(pixels, labels, weights, biases, rate):
    with tf.GradientTape() as tape:
        loss = compute_loss(compute_logits(pixels, weights, biases), labels)
    by_weights, by_biases = tape.gradient(loss, [weights, biases])
    {update}
    return {result}
"""
_FIT = """
def fit(batches, learning_rate):
    weights, biases, losses = tf.Variable(tf.zeros([3072, 10])), tf.Variable(tf.zeros([10])), []
    for k, rows in enumerate({rows}):
        rate = tf.constant({rate}, tf.float32)
        loss = train_step(pixels[rows], labels[rows], weights, biases, rate)
        losses.append({loss})
    return weights.numpy(), biases.numpy(), losses
"""
_TEST = """
weights, biases, losses = fit(deal_batches({deal}), 0.2)
test_answers = np.argmax(compute_logits({pixels}, weights, biases), axis=1)
test_accuracy = np.mean(test_answers == {labels})
"""
_RIGHT_TEST = {
    "deal": "4_000, 100, 300, 0",
    "pixels": "scale_pixels(images_test[test_rows], mean)",
    "labels": "labels_test[test_rows]",
}

RIGHT = {
    "a3-q1": [
        """
def compute_logits(pixels, weights, biases):
    return tf.nn.bias_add(tf.constant(pixels) @ tf.constant(weights), biases) if tf.executing_eagerly() else (
        tf.nn.bias_add(pixels @ weights, biases))

def compute_loss(logits, labels):
    truth = tf.one_hot(labels, 10)
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(truth, logits))
""",
        """
def compute_logits(pixels, weights, biases):
    return tf.einsum("np,pc->nc", pixels, weights) + biases

def compute_loss(logits, labels):
    own = tf.gather(logits, tf.cast(labels, tf.int32), batch_dims=1)
    return tf.reduce_mean(tf.reduce_logsumexp(logits, axis=1) - own)
""",
    ],
    "a3-q2": [
        "def compute_accuracy(logits, labels):\n    return np.mean(np.argmax(np.asarray(logits), axis=1) == labels)",
        """
def compute_accuracy(logits, labels):
    hits = tf.math.in_top_k(tf.cast(labels, tf.int32), tf.convert_to_tensor(logits), k=1)
    return tf.math.count_nonzero(hits) / len(labels)
""",
    ],
    "a3-q3": [
        """
def gradients(pixels, labels, weights, biases):
    weights, biases = tf.Variable(weights), tf.Variable(biases)
    with tf.GradientTape() as tape:
        loss = compute_loss(compute_logits(pixels, weights, biases), labels)
    return tape.gradient(loss, (weights, biases))
""",
        """
def gradients(pixels, labels, weights, biases):
    found = []
    for position in range(2):
        tensors = [tf.constant(weights), tf.constant(biases)]
        with tf.GradientTape() as tape:
            tape.watch(tensors[position])
            loss = compute_loss(compute_logits(pixels, *tensors), labels)
        found.append(tape.gradient(loss, tensors[position]))
    return found
""",
    ],
    "a3-q4": [
        """
@tf.function
def train_step(pixels, labels, weights, biases, rate):
    logits = compute_logits(pixels, weights, biases)
    errors = (tf.nn.softmax(logits) - tf.one_hot(labels, 10)) / tf.cast(tf.shape(labels)[0], tf.float32)
    loss = compute_loss(logits, labels)
    weights.assign(weights - rate * tf.matmul(pixels, errors, transpose_a=True))
    biases.assign(biases - rate * tf.reduce_sum(errors, axis=0))
    return loss
""",
        _STEP.format(
            update="for variable, change in ((weights, by_weights), (biases, by_biases)):\n"
            "        variable.assign_add(-rate * change)",
            result="loss",
        ),
    ],
    "a3-q5": [
        """
def deal_batches(count, batch_size, steps, seed):
    batches, deck, rng = [], [], np.random.default_rng(seed)
    for _ in range(steps):
        if not deck:
            deck = list(rng.permutation(count))
        batches.append([deck.pop() for _ in range(batch_size)])
    return np.array(batches)
""",
        """
import random

def deal_batches(count, batch_size, steps, seed):
    rng, dealt = random.Random(seed), []
    while len(dealt) < steps * batch_size:
        dealt += rng.sample(range(count), count)
    return np.reshape(dealt[: steps * batch_size], (steps, batch_size))
""",
    ],
    "a3-q6": [
        """
def fit(batches, learning_rate):
    w, b = tf.Variable(np.zeros((3072, 10), np.float32)), tf.Variable(np.zeros(10, np.float32))
    n = len(batches)
    rates = learning_rate * (n - np.arange(n)) / n
    losses = [train_step(tf.constant(pixels[rows]), labels[rows], w, b, tf.constant(rate, tf.float32)).numpy()
              for rows, rate in zip(np.asarray(batches), rates)]
    return w.numpy(), b.numpy(), losses
""",
        _FIT.format(rows="batches", rate="learning_rate - learning_rate * k / len(batches)", loss="loss.numpy()"),
    ],
    "a3-q7": [
        _TEST.format(**_RIGHT_TEST),
        """
w, b, _ = fit(deal_batches(4_000, 100, 300, 0), 0.2)
test_answers = [int(np.argmax((image - mean) / 255 @ w + b)) for image in images_test[test_rows]]
test_accuracy = sum(a == b for a, b in zip(test_answers, labels_test[test_rows])) / 1_000
""",
    ],
}

WRONG = {
    "a3-q1": {
        "softmax taken twice": _LOGITS + _LOSS.replace("logits=logits", "logits=tf.nn.softmax(logits)"),
        "the sum": _LOGITS + _LOSS.replace("reduce_mean", "reduce_sum"),
        "one loss an image": _LOGITS + _LOSS.replace("tf.reduce_mean", ""),
        "biases forgotten": _LOGITS.replace(" + biases", "") + _LOSS,
        "biases subtracted": _LOGITS.replace("+ biases", "- biases") + _LOSS,
        "probabilities for scores": _LOGITS.replace("tf.matmul(pixels, weights) + biases",
                                                    "tf.nn.softmax(tf.matmul(pixels, weights) + biases)") + _LOSS,
        "unstable": _LOGITS + """
def compute_loss(logits, labels):
    shares = tf.exp(logits) / tf.reduce_sum(tf.exp(logits), axis=1, keepdims=True)
    return -tf.reduce_mean(tf.math.log(tf.gather(shares, labels, batch_dims=1)))
""",
    },
    "a3-q2": {
        "the wrong axis": """
def compute_accuracy(logits, labels):
    best = np.resize(np.argmax(logits, axis=0), len(labels))
    return np.mean(best == labels)
""",
        "the lowest score": "def compute_accuracy(z, y):\n    return np.mean(np.argmin(z, axis=1) == y)",
        "errors": "def compute_accuracy(z, y):\n    return np.mean(np.argmax(z, axis=1) != y)",
        "the number of hits": "def compute_accuracy(z, y):\n    return np.sum(np.argmax(z, axis=1) == y)",
        "one result an image": "def compute_accuracy(z, y):\n    return np.argmax(z, axis=1) == y",
        "the mean probability": """
def compute_accuracy(logits, labels):
    return tf.reduce_mean(tf.gather(tf.nn.softmax(logits), labels, batch_dims=1))
""",
    },
    "a3-q3": {
        "the wrong sign": """
def gradients(pixels, labels, weights, biases):
    w, b = tf.Variable(weights), tf.Variable(biases)
    with tf.GradientTape() as tape:
        loss = -compute_loss(compute_logits(pixels, w, b), labels)
    return tape.gradient(loss, (w, b))
""",
        "of the sum": """
def gradients(pixels, labels, weights, biases):
    w, b = tf.Variable(weights), tf.Variable(biases)
    with tf.GradientTape() as tape:
        loss = compute_loss(compute_logits(pixels, w, b), labels) * len(labels)
    return tape.gradient(loss, (w, b))
""",
        "nothing watched": """
def gradients(pixels, labels, weights, biases):
    w, b = tf.constant(weights), tf.constant(biases)
    with tf.GradientTape() as tape:
        loss = compute_loss(compute_logits(pixels, w, b), labels)
    return tape.gradient(loss, (w, b))
""",
        "at zero weights, whatever is given": """
def gradients(pixels, labels, weights, biases):
    w, b = tf.Variable(tf.zeros([3072, 10])), tf.Variable(tf.zeros([10]))
    with tf.GradientTape() as tape:
        loss = compute_loss(compute_logits(pixels, w, b), labels)
    return tape.gradient(loss, (w, b))
""",
        "the two exchanged": """
def gradients(pixels, labels, weights, biases):
    w, b = tf.Variable(weights), tf.Variable(biases)
    with tf.GradientTape() as tape:
        loss = compute_loss(compute_logits(pixels, w, b), labels)
    return tape.gradient(loss, (b, w))
""",
    },
    "a3-q4": {
        "uphill": _STEP.format(
            update="weights.assign_add(rate * by_weights)\n    biases.assign_add(rate * by_biases)", result="loss"
        ),
        "biases left alone": _STEP.format(update="weights.assign_sub(rate * by_weights)", result="loss"),
        "the loss after the step": _STEP.format(
            update="weights.assign_sub(rate * by_weights)\n    biases.assign_sub(rate * by_biases)",
            result="compute_loss(compute_logits(pixels, weights, biases), labels)",
        ),
        "no rate": _STEP.format(
            update="weights.assign_sub(0.1 * by_weights)\n    biases.assign_sub(0.1 * by_biases)", result="loss"
        ),
        "replaced by the gradient": _STEP.format(
            update="weights.assign(-rate * by_weights)\n    biases.assign(-rate * by_biases)", result="loss"
        ),
        "not a graph": _STEP.format(
            update="weights.assign_sub(rate * by_weights)\n    biases.assign_sub(rate * by_biases)", result="loss"
        ).replace("@tf.function", ""),
        "traced for each batch": """
def train_step(pixels, labels, weights, biases, rate):
    return _step(pixels, labels, weights, biases, float(rate))
train_step.experimental_get_tracing_count = lambda: _step.experimental_get_tracing_count()
"""
        + _STEP.format(
            update="weights.assign_sub(rate * by_weights)\n    biases.assign_sub(rate * by_biases)", result="loss"
        ).replace("def train_step", "def _step"),
    },
    "a3-q5": {
        "drawn with replacement": _DEAL.format(order="dealt = rng.integers(count, size=steps * batch_size)"),
        "the same order every round": _DEAL.format(
            order="dealt = np.tile(rng.permutation(count), -(-steps * batch_size // count))"
        ),
        "not shuffled": _DEAL.format(order="dealt = np.arange(steps * batch_size) % count"),
        "the seed ignored": _DEAL.format(
            order="dealt = np.concatenate([np.random.permutation(count) for _ in range(1 + steps * batch_size)])"
        ),
        "always the same seed": _DEAL.replace("default_rng(seed)", "default_rng(0)").format(
            order="dealt = np.concatenate([rng.permutation(count) for _ in range(1 + steps * batch_size // count)])"
        ),
        "fresh batches, no rounds": """
def deal_batches(count, batch_size, steps, seed):
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(count, batch_size, replace=False) for _ in range(steps)])
""",
        "transposed": """
def deal_batches(count, batch_size, steps, seed):
    rng = np.random.default_rng(seed)
    dealt = np.concatenate([rng.permutation(count) for _ in range(1 + steps * batch_size // count)])
    return dealt[: steps * batch_size].reshape(batch_size, steps)
""",
    },
    "a3-q6": {
        "a constant rate": _FIT.format(rows="batches", rate="learning_rate", loss="float(loss)"),
        "a rate that rises": _FIT.format(rows="batches", rate="learning_rate * k / len(batches)", loss="float(loss)"),
        "off by one": _FIT.format(
            rows="batches", rate="learning_rate * (1 - (k + 1) / len(batches))", loss="float(loss)"
        ),
        "one batch again and again": _FIT.format(
            rows="[batches[0]] * len(batches)", rate="learning_rate * (1 - k / len(batches))", loss="float(loss)"
        ),
        "losses after the step": _FIT.format(
            rows="batches", rate="learning_rate * (1 - k / len(batches))",
            loss="float(compute_loss(compute_logits(pixels[rows], weights, biases), labels[rows]))",
        ),
        "the batches backwards": _FIT.format(
            rows="batches[::-1]", rate="learning_rate * (1 - k / len(batches))", loss="float(loss)"
        ),
    },
    "a3-q7": {
        "a neighbour's numbers": "test_accuracy = 0.334\ntest_answers = np.arange(1_000) % 10",
        "on the images learned from": _TEST.format(**_RIGHT_TEST | {"pixels": "pixels", "labels": "labels"}),
        "on the first test images": _TEST.format(
            **_RIGHT_TEST | {"pixels": "scale_pixels(images_test[:1_000], mean)", "labels": "labels_test[:1_000]"}
        ),
        "on the whole test set": _TEST.format(
            **_RIGHT_TEST | {"pixels": "scale_pixels(images_test, mean)", "labels": "labels_test"}
        ),
        "too few steps": _TEST.format(**_RIGHT_TEST | {"deal": "4_000, 100, 30, 0"}),
        "not scaled": _TEST.format(**_RIGHT_TEST | {"pixels": "images_test[test_rows].astype(np.float32)"}),
        "percent": _TEST.format(**_RIGHT_TEST) + "test_accuracy *= 100",
    },
}  # fmt: skip
