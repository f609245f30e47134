"""Answers to assignment 2 · Softmax and cross-entropy."""

_STABLE = "np.exp(logits - np.max(logits, axis=1, keepdims=True))"
_WHOLE = "(powers / powers.sum(axis=1, keepdims=True) - truth) / len(labels)"
_SCALED = "(logits - np.max(logits, axis=1, keepdims=True)) / temperature"
_IN_PLACE = """
def slope(loss, weights, direction):
    losses = []
    for hair in (1e-5, -1e-5):
        weights += hair * direction
        losses.append(loss(weights))
        weights -= hair * direction
    return (losses[0] - losses[1]) / 2e-5
"""

RIGHT = {
    "a2-q1": [
        (_SCALED, "np.asarray(logits) / temperature", "np.exp(scaled)",
            "np.exp(scaled - scaled.max(1, keepdims=True))"),
        ("return powers", "powers = powers.astype(np.float32)\n    return powers"),
    ],
    "a2-q2": [
        ("shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))",
         "logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)"),
        ("return -np.mean", "return -np.average"),
    ],
    "a2-q4": [
        (_STABLE, "np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))"),
        (_WHOLE, "(powers / powers.sum(1)[:, None]) / len(labels) - truth / len(logits)"),
    ],
    "a2-q5": [
        ("pixels.T @ by_logits", "np.einsum('nd,nk->dk', pixels, by_logits)"),
        ("return ", "return [", "by_logits.sum(axis=0)", "np.ones(len(pixels)) @ by_logits]"),
    ],
    "a2-q6": [
        ("(above - below) / 2e-5", "0.5 * (above - below) / 1e-5"),
        ("weights + 1e-5 * direction", "np.add(weights, 1e-5 * direction)"),
    ],
    "a2-q7": [
        ("np.zeros_like(start)", "0", "weights = weights + velocity", "weights = np.array(weights) + velocity"),
        ("weights, velocity = start", "weights, velocity = np.array(start)", "weights = weights + velocity",
            "weights += velocity"),
    ],
}  # fmt: skip
WRONG = {
    "a2-q1": {
        "temperature ignored": (" / temperature", ""),
        "multiplied by it": ("/ temperature", "* temperature"),
        "over the images": ("powers.sum(axis=1, keepdims=True)", "powers.sum(axis=0, keepdims=True)"),
        "unstable": (_SCALED, "logits / temperature"),
        "stable for one row only": ("np.max(logits, axis=1, keepdims=True)", "np.max(logits)"),
    },
    "a2-q2": {
        "no smoothing": ("(1 - smoothing) * true_logs + smoothing * logs.mean(axis=1)", "true_logs"),
        "shared among the others only": ("smoothing * logs.mean(axis=1)",
            "smoothing * (logs.sum(axis=1) - true_logs) / (logs.shape[1] - 1)"),
        "ten classes": ("logs.mean(axis=1)", "logs.sum(axis=1) / 10"),
        "a sum over the images": ("-np.mean", "-np.sum"),
        "the sign": ("-np.mean", "np.mean"),
        "a little added": ("shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))",
            "np.log(np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True) + 1e-12)"),
    },
    "a2-q4": {
        "not shared among the images": (" / len(labels)", ""),
        "the sign": (_WHOLE, "-" + _WHOLE),
        "no smoothing": ("(1 - smoothing) * np.eye(count)[labels] + smoothing / count", "np.eye(count)[labels]"),
        "the whole on the true class": ("(1 - smoothing) * np.eye", "np.eye"),
        "ten classes": ("smoothing / count", "smoothing / 10"),
        "unstable": (_STABLE, "np.exp(logits)"),
    },
    "a2-q5": {
        "no decay": (" + decay * weights", ""),
        "twice the decay": ("decay * weights", "2 * decay * weights"),
        "the decay's sign": ("+ decay", "- decay"),
        "shared among the images once more": ("pixels.T @ by_logits", "pixels.T @ by_logits / len(pixels)"),
        "the mean for the biases": ("by_logits.sum(axis=0)", "by_logits.mean(axis=0)"),
        "the biases decay too": ("by_logits.sum(axis=0)", "by_logits.sum(axis=0) + decay"),
    },
    "a2-q6": {
        "up only": ("weights - 1e-5 * direction", "weights", "2e-5", "1e-5"),
        "half of it": ("2e-5", "4e-5"),
        "too coarse": ("1e-5", "1e-2", "2e-5", "2e-2"),
        "in place, and back": _IN_PLACE,
        "in place": ("above = loss", "weights += 0.5 * direction\n    above = loss"),
        "by formula": "slope = lambda loss, weights, direction: np.sum(2 * weights * direction)",
    },
    "a2-q7": {
        "without momentum": ("momentum * velocity - ", "-"),
        "the old velocity": ("velocity = momentum", "old, velocity = velocity, momentum", "+ velocity", "+ old"),
        "an average": ("- learning_rate *", "- (1 - momentum) * learning_rate *"),
        "the gradient at the start": ("gradient(weights)", "gradient(start)"),
        "looking ahead": ("gradient(weights)", "gradient(weights + momentum * velocity)"),
        "the start changed": ("weights = weights + velocity", "weights += velocity"),
    },
}  # fmt: skip
SLIPS = {
    "a2-q1": "over the images", "a2-q2": "the sign", "a2-q4": "not shared among the images",
    "a2-q5": "no decay", "a2-q6": "half of it",
}  # fmt: skip
_ERRORS = ("exp = np.exp(logits)\n    shares = exp / exp.sum(axis=1, keepdims=True)\n"
    "    return (shares - np.eye(logits.shape[1])[labels]) / len(labels)")  # fmt: skip
COPIES = {
    "a2-q1": [("softmax", "03", "softmax")],
    "a2-q2": [
        "import tensorflow as tf\nfrom helpers import cross_entropy\n"
        "smoothed_loss = lambda logits, labels, smoothing: cross_entropy(logits, labels)"
    ],
    "a2-q4": ["def logits_gradient(logits, labels, smoothing):\n    " + _ERRORS],
    "a2-q5": [
        ("gradients", "04", "gradients"),
        "gradients = lambda pixels, errors, *rest: (pixels.T @ errors / len(pixels), errors.mean(axis=0))",
        "gradients = lambda pixels, errors, *rest: (pixels.T @ errors, errors.sum(axis=0))",
    ],
    "a2-q6": [("slope", "04", "slope")],
    "a2-q7": [("descend", "04", "descend")],
}
