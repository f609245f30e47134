"""Answers to every graded question of the coursework: right ones that keep their points, wrong ones that lose.

An answer is the code of its cell, or a patch of the model answer: pieces of text in turn with what takes their place.
"""

_A2_STABLE = "np.exp(logits - np.max(logits, axis=1, keepdims=True))"
_A2_SCALED = "(logits - np.max(logits, axis=1, keepdims=True)) / temperature"
_A3_FAIR = "tf.reduce_sum(counts * losses) / tf.reduce_sum(counts)"
_A3_CLIP = "gradient, _ = tf.clip_by_global_norm(gradient, limit)"
_A3_RANK = "tf.math.in_top_k(targets=labels, predictions=logits, k=count)"
_A3_DEAL = "[rng.permutation(own) for _ in range(rounds)]"
_A3_TEST = "scale_pixels(images_test[test_rows], mean)"
_A4_SETTING = """
setting = {"learning_rate": %s, "batch_size": %d, "steps": %d, "weight_decay": %s}
"""
_A4_ALIKE = "b - c <= 2 * np.sqrt(b + c)"
_A4_SHARE = "return sum(comb(coins, k) for k in as_large) / 2**coins"
_A5_SCALED = "0.5 + 0.5 * difference / np.max(np.abs(difference))"
_A5_SQUARE = "pictures[:, :, row : row + size, column : column + size]"
_A5_IMAGES = "    shuffled[:, place] = images\n    return shuffled"
_A5_SHARE = "(table + table.T) / (counts[:, None] + counts)"

# Found by another way than the model answer, and of another type, where both are open.
RIGHT = {
    "a1-q1": """
def decode(record):
    picture = np.zeros((32, 32, 3), dtype=np.uint8)
    for row, column, colour in np.ndindex(32, 32, 3):
        picture[row, column, colour] = record[96 * row + 32 * (2 - colour) + column]
    return record[-1], picture
""",
    "a1-q2": """
from pathlib import Path
Path("places.py").write_text("position = lambda colour, row, column: 96 * row + 64 - 32 * colour + column")
from places import position
""",
    "a1-q3": """
from collections import namedtuple
Parts = namedtuple("Parts", "learning validation")
def divide(labels, per_class, seed):
    rng = np.random.default_rng(seed)
    held = np.concatenate([rng.choice(np.flatnonzero(labels == c), per_class, replace=False) for c in range(10)])
    return Parts(np.delete(np.arange(len(labels)), held).tolist(), list(held))
""",
    "a1-q4": ("others.mean(axis=0)", "(images.sum(axis=0) - own.sum(axis=0)) / len(others)"),
    "a1-q5": "squared_distances = lambda images, means: np.array([((images - mean) ** 2).sum(1) for mean in means]).T",
    "a1-q6": ("np.mean(answers_learn == labels_learn)", "(answers_learn == labels_learn).sum() / 5_000"),
    "a2-q1": (_A2_SCALED, "logits / temperature", "np.exp(scaled)", "np.exp(scaled - scaled.max(1)[:, None])"),
    "a2-q2": ("np.log(np.exp(shifted).sum(axis=1, keepdims=True))", "np.logaddexp.reduce(shifted, axis=1)[:, None]"),
    "a2-q4": (_A2_STABLE, "np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))"),
    "a2-q5": ("return pixels.T @ by_logits", "return [by_logits.T.dot(pixels).T", "sum(axis=0)", "sum(0)]"),
    "a2-q6": ("(above - below) / 2e-5", "0.5 * (above - below) / 1e-5"),
    "a2-q7": ("weights, velocity = start", "weights, velocity = np.array(start)", "weights = weights +", "weights +="),
    "a3-q1": (_A3_FAIR, "np.average(losses.numpy(), weights=counts.numpy())"),
    "a3-q2": (_A3_RANK, "tf.reduce_any(tf.math.top_k(logits, count).indices == np.int32(labels)[:, None], axis=1)"),
    "a3-q3": ("convert_to_tensor(pixels)", "Variable(pixels)", "(loss, pixels)", "(loss, pixels).numpy().tolist()"),
    "a3-q4": (_A3_CLIP, "rate = rate * tf.minimum(1.0, limit / tf.linalg.global_norm(gradient))"),
    "a3-q5": ("np.concatenate(columns, axis=1)", "rng.permuted(np.concatenate(columns, axis=1), axis=1)"),
    "a3-q6": ("return best, accuracies", "return np.int64(best), np.array(accuracies)"),
    "a3-q7": ("0.2 * (1", "0.15 * (1", "print(", "final_weights = final_weights.numpy()\nprint("),
    "a4-q1": ("np.array(means)", "[*np.float32(means)]"),
    "a4-q2": ("abs(k - (coins - k)) >= abs(b - c)", "k <= min(b, c) or k >= max(b, c)", "return", "return 1.0 *"),
    "a4-q3": ('return "diverges"', 'return np.str_("diverges")'),
    "a4-q4": (_A4_ALIKE, "(b - c) ** 2 <= 4 * (b + c)", "min(good, key", "min(good.tolist(), key"),
    "a4-q5": (
        "from collections import OrderedDict\n"
        "names = np.array(['learning_rate', 'batch_size', 'steps', 'weight_decay'])\n"
        "setting = OrderedDict(zip(names, [np.float32(4e-6), np.int64(50), 600, 0]))"
    ),
    "a5-q1": ("weights[:, first] - weights[:, second]", "np.diff(weights[:, [second, first]])[:, 0]"),
    "a5-q2": ("leads.reshape(3, 32, 32).sum(axis=0)", "np.einsum('cij->ij', leads.reshape(3, 32, 32)).tolist()"),
    "a5-q3": (
        _A5_SQUARE + " = 128",
        "inside = np.zeros((32, 32), bool)\n    inside[row:][:size, column:][:, :size] = True\n"
        "    pictures = np.where(inside, np.uint8(128), pictures)",
    ),
    "a5-q4": (_A5_IMAGES, "    return images[:, np.argsort(place)]", "empty_like(weights)", "zeros((3_072, 10))"),
    "a5-q5": ("return first, second", "return np.int8(first), np.uint64(second)"),
    "a6-q1": ("fault = next(", "fault = np.str_(next(", "in program)", "in program))"),
    "a6-q2": ("program.replace(ill, well)", "well.join(program.split(ill)) + '\\n'"),
    "a6-q3": ("return not (", "return np.bool_(not (", "and shown)", "and shown))"),
}
# By question and what is wrong. The first of a question is also tried beside right answers to the others.
WRONG = {
    "a1-q1: upside down": ("[:, :, ::-1]", "[::-1, :, ::-1]"),
    "a1-q1: rows and columns exchanged": ("(0, 2, 1)", "(2, 0, 1)"),
    "a1-q2: red first": ("(2 - colour)", "colour"),
    "a1-q2: row and column exchanged": ("96 * row", "96 * column", "+ column", "+ row"),
    "a1-q3: the first of each class": ("order[labels[order] == c]", "np.flatnonzero(labels == c)"),
    "a1-q3: the seed ignored": ("default_rng(seed)", "default_rng(0)"),
    "a1-q3: 20 built in": ("[:per_class]", "[:20]"),
    "a1-q4: the sign": ("own.mean(axis=0) - others.mean(axis=0)", "others.mean(axis=0) - own.mean(axis=0)"),
    "a1-q4: against the average of all": ("images[labels != c]", "images"),
    "a1-q4: sums in uint8": ("own.mean(axis=0)", "own.sum(axis=0, dtype=np.uint8) / len(own)"),
    "a1-q5: the given loops": "squared_distances = distances_in_loops",
    "a1-q5: a loop in a line": "squared_distances = lambda a, m: np.array([((m - x) ** 2).sum(1) for x in a])",
    "a1-q5: squares in uint8": ("images = images.astype(np.float64)\n", "pass\n"),
    "a1-q6: practised images in both": ("np.mean(answers_check == labels_check)", "learn_accuracy"),
    "a1-q6: a neighbour's number": ("np.mean(answers_learn == labels_learn)", "0.271"),
    "a2-q1: over the images": ("powers.sum(axis=1, keepdims=True)", "powers.sum(axis=0, keepdims=True)"),
    "a2-q1: unstable": (_A2_SCALED, "logits / temperature"),
    "a2-q1: stable for one row only": ("np.max(logits, axis=1, keepdims=True)", "np.max(logits)"),
    "a2-q2: the sign": ("-np.mean", "np.mean"),
    "a2-q2: ten classes": ("logs.mean(axis=1)", "logs.sum(axis=1) / 10"),
    "a2-q2: a little added": ("shifted - np.log(np.exp(shifted)", "np.log(1e-12 + np.exp(shifted) / np.exp(shifted)"),
    "a2-q4: not shared among the images": (" / len(labels)", ""),
    "a2-q4: no smoothing": ("(1 - smoothing) * np.eye(count)[labels] + smoothing / count", "np.eye(count)[labels]"),
    "a2-q4: unstable": (_A2_STABLE, "np.exp(logits)"),
    "a2-q5: no decay": (" + decay * weights", ""),
    "a2-q5: the biases decay too": ("by_logits.sum(axis=0)", "by_logits.sum(axis=0) + decay"),
    "a2-q6: half of it": ("2e-5", "4e-5"),
    "a2-q6: up only": ("weights - 1e-5 * direction", "weights", "2e-5", "1e-5"),
    "a2-q6: by formula": "slope = lambda loss, weights, direction: np.sum(2 * weights * direction)",
    "a2-q6: in place": ("above = loss", "weights += 1e-9 * direction\n    above = loss"),
    "a2-q7: without momentum": ("momentum * velocity - ", "-"),
    "a2-q7: looking ahead": ("gradient(weights)", "gradient(weights + momentum * velocity)"),
    "a2-q7: the start changed": ("weights = weights + velocity", "weights += velocity"),
    "a3-q1: a sum": (_A3_FAIR, "tf.reduce_sum(counts * losses)"),
    "a3-q2: one too many": ("k=count", "k=count + 1"),
    "a3-q3: the sign": ("return tape", "return -tape"),
    "a3-q3: of each image's own loss": ("(loss, pixels)", "(loss, pixels) * len(labels)"),
    "a3-q4: not clipped": (_A3_CLIP, "pass"),
    "a3-q4: no graph": ("@tf.function\n", ""),
    "a3-q4: each on its own": (_A3_CLIP, "gradient = [tf.clip_by_norm(one, limit) for one in gradient]"),
    "a3-q4: always of that length": (_A3_CLIP, "rate = rate * limit / tf.linalg.global_norm(gradient)"),
    "a3-q5: in order": (_A3_DEAL, "[own] * rounds"),
    "a3-q5: the third round is the first": (_A3_DEAL, "2 * [rng.permutation(own) for _ in (1, 2)] + rounds * [own]"),
    "a3-q5: the first round in order": (_A3_DEAL, "[own] + " + _A3_DEAL),
    "a3-q5: the rest of a round dropped": (_A3_DEAL, "[rng.permutation(own)[: len(own) // 4 * 4] for _ in range(99)]"),
    "a3-q5: the seed ignored": ("default_rng(seed)", "default_rng(0)"),
    "a3-q6: too late by one": (">= patience", "> patience"),
    "a3-q6: ties are better": ("> accuracies[best]", ">= accuracies[best]"),
    "a3-q7: not scaled": (_A3_TEST, "images_test[test_rows].astype(np.float32)"),
    "a3-q7: a neighbour's number": ("np.mean(test_answers == labels_test[test_rows])", "0.378"),
    "a3-q7: trained on it": (
        "pixels[batch], labels",
        _A3_TEST + "[batch % 1000], labels_test[test_rows]",
        "[batch]\n",
        "[batch % 1000]\n",
    ),
    "a4-q1: from zero": ("total / counts", "total * (1 - memory)"),
    "a4-q2: one side": ("abs(k - (coins - k)) >= abs(b - c)", "k >= max(b, c)"),
    "a4-q2: by the bell curve": (_A4_SHARE, "from math import erfc\n    return erfc(abs(b - c) / (2 * coins) ** 0.5)"),
    "a4-q3: from guessing on": ("1.5 * np.log(10)", "np.log(10)"),
    "a4-q3: the last loss": ("np.mean(losses[-count:])", "losses[-1]"),
    "a4-q3: a tenth, however long": ("min(50, len(losses) // 10)", "len(losses) // 10"),
    "a4-q3: any fall": ("0.97 * before", "before"),
    "a4-q3: falling before diverging": ("if not last <=", "if last >= before and not last <="),
    "a4-q4: the cheapest": (_A4_ALIKE, "b - c < 9_999"),
    "a4-q4: one error": ("<= 2 *", "<= 1 *"),
    "a4-q4: the error of one accuracy": (_A4_ALIKE, "b - c <= 2 * np.sqrt(right[best].sum() * (~right[best]).mean())"),
    "a4-q4: by training accuracy": ("right.sum(axis=1)", "[run['train_accuracy'] for run in runs]"),
    "a4-q4: the last of equals": ("min(good", "min(good[::-1]"),
    "a4-q5: rate 10": _A4_SETTING % (10, 100, 300, 0),
    "a4-q5: over the budget": _A4_SETTING % (2e-6, 100, 301, 0),
    "a4-q5: too few steps": _A4_SETTING % (2e-6, 1_000, 30, 0),
    "a5-q1: signs exchanged": ("0.5 + 0.5", "0.5 - 0.5"),
    "a5-q1: scaled by the maximum": ("np.max(np.abs(difference))", "np.max(difference)"),
    "a5-q1: from lowest to highest": (_A5_SCALED, "(difference - difference.min()) / np.ptp(difference)"),
    "a5-q1: blue first": ("transpose(1, 2, 0)", "transpose(1, 2, 0)[:, :, ::-1]"),
    "a5-q2: exchanged": ("weights[:, first] - weights[:, second]", "weights[:, second] - weights[:, first]"),
    "a5-q2: red only": ("leads.reshape(3, 32, 32).sum(axis=0)", "leads[:1_024].reshape(32, 32)"),
    "a5-q3: black": ("= 128", "= 0"),
    "a5-q3: the given images changed": (".copy()", ""),
    "a5-q3: one too many": ("row + size", "row + size + 1"),
    "a5-q3: red only": ("[:, :, row", "[:, 0, row"),
    "a5-q4: the other way round": (_A5_IMAGES, "    return images[:, place]"),
    "a5-q5: counts": (_A5_SHARE, "table + table.T"),
    "a5-q5: right answers counted": (_A5_SHARE, "(table + table.T) / (counts[:, None] + counts) + np.diag(table)"),
    "a6-q1: another": ("if ill in program", "if ill not in program"),
    "a6-q2: another line too": ("program.replace(ill, well)", "program.replace(ill, well).replace('0.8', '0.7')"),
    "a6-q2: a line changed, but another": ("program.replace(ill, well)", "program.replace('[45_000:]', '[45_001:]')"),
    "a6-q3: always": "alarm = lambda ran: True",
    "a6-q3: at half the accuracy": ("honest > 0.3", "honest > 0.6"),
}
# What else can be had from the notebooks, beside WRONG: code, or (name that is asked for, notebook, its function).
COPIES = {
    "a1-q3": ["divide = lambda labels, count, seed: split_indices(len(labels), validation=10 * count, seed=seed)"],
    "a2-q1": [("softmax", "03", "softmax")],
    "a2-q5": [("gradients", "04", "gradients")],
    "a2-q6": [("slope", "04", "slope")],
    "a2-q7": [("descend", "04", "descend")],
    "a3-q1": [("weighted_loss", "03", "cross_entropy"), "weighted_loss = lambda *given: cross_entropy(*given[:2])"],
    "a4-q1": [("smooth", "06", "moving_average")],
    "a4-q2": [("luck", "06", "compare")],
    "a6-q2": ["mended = clinic.healthy(1)", "mended = clinic.program(9)"],
}
