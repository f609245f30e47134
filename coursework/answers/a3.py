"""Answers to assignment 3 · The graph and the training loop."""

_FAIR = "tf.reduce_sum(counts * losses) / tf.reduce_sum(counts)"
_STEPS = "    weights.assign_sub(rate * gradient[0])\n    biases.assign_sub(rate * gradient[1])\n"
_CLIP = "gradient, _ = tf.clip_by_global_norm(gradient, limit)"
_LOSS = "        loss = cross_entropy(compute_logits(pixels, weights, biases), labels)\n"
_STOP = "        if number - best >= patience:\n            break\n"
_RANK = "tf.math.in_top_k(targets=labels, predictions=logits, k=count)"
_DEAL = "rng.permutation(own) for _ in range(rounds)"

RIGHT = {
    "a3-q1": [
        (_FAIR, "tf.reduce_mean(counts * losses) / tf.reduce_mean(counts)"),
        (_FAIR, "np.average(losses.numpy(), weights=counts.numpy())"),
        "def weighted_loss(logits, labels, class_weights):\n"
        "    own = tf.nn.log_softmax(logits) * tf.one_hot(labels, 10) * class_weights\n"
        "    return -tf.reduce_sum(own) / tf.reduce_sum(tf.gather(class_weights, labels))",
    ],
    "a3-q2": [
        (_RANK, "tf.reduce_any(tf.math.top_k(logits, count).indices == tf.cast(labels, tf.int32)[:, None], axis=1)"),
        ("return tf.reduce_mean(tf.cast(among, tf.float32))", "return np.mean(among.numpy())"),
    ],
    "a3-q3": [
        ("tf.convert_to_tensor(pixels)", "tf.Variable(pixels)", "        tape.watch(pixels)\n", ""),
        ("tf.GradientTape()", "tf.GradientTape(persistent=True)", "return tape.gradient(loss, pixels)",
         "return tape.gradient(loss, pixels).numpy().tolist()"),
    ],
    "a3-q4": [
        (_CLIP, "length = tf.linalg.global_norm(gradient)\n    rate = rate * tf.minimum(1.0, limit / length)"),
        ("@tf.function\n", "@tf.function(jit_compile=False, reduce_retracing=True)\n"),
    ],
    "a3-q5": [
        ("np.concatenate(columns, axis=1)", "rng.permuted(np.concatenate(columns, axis=1), axis=1)"),
        (_DEAL, "sorted(own, key=lambda _: rng.random()) for _ in range(rounds + 1)"),
    ],
    "a3-q6": [
        ("return best, accuracies", "return int(np.argmax(accuracies)), np.array(accuracies)"),
        ("best, accuracies = 0, []", "from collections import deque\n    best, accuracies = 0, deque()",
         "return best,", "return np.int64(best),", ", accuracies\n", ", list(accuracies)\n"),
    ],
    "a3-q7": [
        ("0.2 * (1", "0.15 * (1"),
        ("final_biases)\ntest", "final_biases)\nfinal_weights = final_weights.numpy()\ntest"),
    ],
}  # fmt: skip
WRONG = {
    "a3-q1": {
        "the plain mean": (_FAIR, "tf.reduce_mean(losses)"),
        "a sum": (_FAIR, "tf.reduce_sum(counts * losses)"),
        "shared among the images": (_FAIR, "tf.reduce_mean(counts * losses)"),
        "weights of the answers": ("tf.gather(class_weights, labels)",
            "tf.gather(class_weights, tf.argmax(logits, 1))"),
        "a little added": ("tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)",
            "-tf.math.log(tf.gather(tf.nn.softmax(logits), labels, batch_dims=1) + 1e-20)"),
    },
    "a3-q2": {
        "the best only": ("k=count", "k=1"),
        "one too many": ("k=count", "k=count + 1"),
        "a count": ("tf.reduce_mean", "tf.reduce_sum"),
        "the lowest": ("predictions=logits", "predictions=-logits"),
    },
    "a3-q3": {
        "by the weights": ("tape.watch(pixels)", "weights = tf.Variable(weights)", "(loss, pixels)", "(loss, weights)"),
        "not watched": ("tape.watch(pixels)", "pass"),
        "of each image's own loss": ("return tape.gradient(loss, pixels)",
            "return tape.gradient(loss, pixels) * len(labels)"),
        "the sign": ("return tape", "return -tape"),
    },
    "a3-q4": {
        "no graph": ("@tf.function\n", ""),
        "not clipped": (_CLIP, "pass"),
        "each on its own": (_CLIP, "gradient = [tf.clip_by_norm(one, limit) for one in gradient]"),
        "always of that length": (_CLIP,
            "gradient = [one * limit / tf.linalg.global_norm(gradient) for one in gradient]"),
        "the step clipped": (_CLIP,
            "gradient, _ = tf.clip_by_global_norm([rate * one for one in gradient], limit)\n"
            "    gradient = [one / rate for one in gradient]"),
        "uphill": ("assign_sub", "assign_add"),
        "traced for each rate": ("@tf.function\ndef train_step(pixels, labels, weights, biases, rate, limit):",
            "def train_step(pixels, labels, weights, biases, rate, limit):\n"
            "    return traced(pixels, labels, weights, biases, float(rate), limit)\n\n\n"
            "@tf.function\ndef traced(pixels, labels, weights, biases, rate, limit):",
            "    return loss", "    return loss\n\n\ntrain_step.experimental_get_tracing_count = lambda: "
            "traced.experimental_get_tracing_count()"),
    },
    "a3-q5": {
        "with replacement": (_DEAL, "rng.choice(own, len(own)) for _ in range(rounds)"),
        "every round the same": ("[" + _DEAL + "]", "rounds * [rng.permutation(own)]"),
        "the third round is the first": ("[" + _DEAL + "]",
            "(2 * [rng.permutation(own), rng.permutation(own)] + rounds * [own])[:rounds]"),
        "in order": ("rng.permutation(own)", "own"),
        "the first round in order": ("[" + _DEAL + "]", "[own] + [" + _DEAL + "]"),
        "fixed batches in another order": ("dealt[:wanted].reshape(steps, per_class)",
            "np.concatenate([rng.permutation(own[: len(own) // per_class * per_class].reshape(-1, per_class)) "
            "for _ in range(rounds + 9)])[:steps]"),
        "the seed ignored": ("default_rng(seed)", "default_rng(0)"),
    },
    "a3-q6": {
        "never early": (_STOP, ""),
        "too late by one": (">= patience", "> patience"),
        "too early by one": (">= patience", ">= patience - 1"),
        "ties are better": ("> accuracies[best]", ">= accuracies[best]"),
        "better than the one before": ("> accuracies[best]", "> accuracies[number - 1]"),
        "the last": ("return best,", "return number,"),
        "judged before the step": ("        step(number)\n        accuracies.append(validate())",
            "        accuracies.append(validate())\n        step(number)"),
    },
    "a3-q7": {
        "the mean of the test images": ("scale_pixels(images_test[test_rows], mean)",
            "scale_pixels(images_test[test_rows], mean_image(images_test[test_rows]) + 9)"),
        "not scaled": ("scale_pixels(images_test[test_rows], mean)", "images_test[test_rows].astype(np.float32)"),
        "practised images": ("scale_pixels(images_test[test_rows], mean)", "pixels[:1_000]",
            "== labels_test[test_rows]", "== labels[:1_000]"),
        "a neighbour's number": ("np.mean(test_answers == labels_test[test_rows])", "0.378"),
        "trained on the test": ("pixels[batch], labels[batch]",
            "scale_pixels(images_test[test_rows], mean)[number * 100 % 1000 :][:100], "
            "labels_test[test_rows][number * 100 % 1000 :][:100]"),
    },
}  # fmt: skip
SLIPS = {
    "a3-q1": "a sum", "a3-q3": "the sign", "a3-q4": "not clipped", "a3-q5": "in order",
    "a3-q6": "too late by one",
}  # fmt: skip
COPIES = {
    "a3-q1": [("weighted_loss", "03", "cross_entropy"), "weighted_loss = lambda *given: cross_entropy(*given[:2])"],
    "a3-q2": [("top_accuracy", "03", "compute_accuracy")],
    "a3-q3": ["pixel_gradient = lambda pixels, labels, weights, biases: pixels @ weights"],
    "a3-q4": [
        "@tf.function\ndef train_step(pixels, labels, weights, biases, rate, limit):\n"
        "    with tf.GradientTape() as tape:\n" + _LOSS + "    gradient = tape.gradient(loss, [weights, biases])\n"
        + _STEPS + "    return loss"
    ],
    "a3-q5": [
        "from helpers.softmax import batch_indices\n"
        "def deal_batches(labels, per_class, steps, seed):\n"
        "    return batch_indices(len(labels), 10 * per_class, 'epochs', seed, 0, steps)"
    ],
    "a3-q6": [
        "def train_until(step, validate, most, patience):\n"
        "    found = [(step(number), validate())[1] for number in range(most)]\n    return int(np.argmax(found)), found"
    ],
    "a3-q7": [
        "from helpers import predict_logits, train\n"
        "run = train(images_train, labels_train, indices=rows, progress=False)\n"
        "final_weights, final_biases = run.weights, run.biases\n"
        "test_answers = predict_logits(images_test, run, test_rows).argmax(axis=1)\n"
        "test_accuracy = np.mean(test_answers == labels_test[test_rows])"
    ],
}  # fmt: skip
