"""Answers to assignment 2 · Softmax and cross-entropy."""

RIGHT = {
    "a2-q1": [
        """
def softmax(logits):
    shifted = logits.T - logits.max(axis=1)
    return (np.exp(shifted) / np.exp(shifted).sum(axis=0)).T
""",
        """
def softmax(logits):
    return np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
""",
    ],
    "a2-q2": [
        """
def cross_entropy(logits, labels):
    own = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    return (np.logaddexp.reduce(logits, axis=1) - own).mean()
""",
        """
def cross_entropy(logits, labels):
    total = 0.0
    for row, label in zip(logits, labels):
        total += np.log(np.sum(np.exp(row - row.max()))) + row.max() - row[label]
    return total / len(labels)
""",
    ],
    "a2-q3": [
        """
def logits_gradient(logits, labels):
    gradient = softmax(logits)
    gradient[np.arange(len(labels)), labels] -= 1
    return gradient / len(gradient)
""",
        """
def logits_gradient(logits, labels):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    truth = (labels[:, None] == np.arange(logits.shape[1])).astype(float)
    return np.divide(powers / powers.sum(1, keepdims=True) - truth, logits.shape[0])
""",
    ],
    "a2-q4": [
        """
def gradients(pixels, labels, weights, biases):
    errors = logits_gradient(np.dot(pixels, weights) + biases, labels)
    return np.einsum("np,nc->pc", pixels, errors), np.ones(len(pixels)) @ errors
""",
        """
def gradients(pixels, labels, weights, biases):
    by_weights, by_biases = np.zeros(weights.shape), np.zeros(10)
    errors = logits_gradient(pixels @ weights + biases, labels)
    for image, error in zip(pixels, errors):
        by_weights += np.outer(image, error)
        by_biases += error
    return by_weights, by_biases
""",
    ],
    "a2-q5": [
        """
def slope(pixels, labels, weights, biases, row, column):
    losses = []
    for sign in (+1, -1):
        nudged = weights.copy()
        nudged[row, column] += sign * 1e-5
        losses.append(cross_entropy(pixels @ nudged + biases, labels))
    return (losses[0] - losses[1]) / 2e-5
""",
        """
def slope(pixels, labels, weights, biases, row, column):
    scores, h = pixels @ weights + biases, 1e-5
    move = np.zeros_like(scores)
    move[:, column] = h * pixels[:, row]
    return (cross_entropy(scores + move, labels) - cross_entropy(scores - move, labels)) / (2 * h)
""",
    ],
    "a2-q6": [
        """
def descend(pixels, labels, steps, learning_rate):
    weights, biases = np.zeros((3_072, 10)), np.zeros((10,))
    losses = np.zeros(steps)
    for step in range(steps):
        losses[step] = cross_entropy(pixels.dot(weights) + biases, labels)
        a, b = gradients(pixels, labels, weights, biases)
        weights -= learning_rate * a
        biases -= learning_rate * b
    return weights, biases, losses
""",
        """
def descend(pixels, labels, steps, learning_rate, w=None, b=None):
    if w is None:
        w, b = np.zeros((pixels.shape[1], 10)), np.zeros(10)
    if steps == 0:
        return w, b, []
    loss = cross_entropy(pixels @ w + b, labels)
    dw, db = gradients(pixels, labels, w, b)
    w, b, rest = descend(pixels, labels, steps - 1, learning_rate, w - learning_rate * dw, b - learning_rate * db)
    return w, b, [loss, *rest]
""",
    ],
}

WRONG = {
    "a2-q1": {
        "unstable": "def softmax(z):\n    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)",
        "the wrong axis": """
def softmax(logits):
    powers = np.exp(logits - logits.max(axis=0))
    return powers / powers.sum(axis=0)
""",
        "all rows together": "def softmax(z):\n    return np.exp(z - z.max()) / np.exp(z - z.max()).sum()",
        "the largest of all rows": """
def softmax(logits):
    powers = np.exp(logits - logits.max())
    return powers / powers.sum(axis=1, keepdims=True)
""",
        "clipped scores": """
def softmax(logits):
    powers = np.exp(np.clip(logits, -1, 700))
    return powers / powers.sum(axis=1, keepdims=True)
""",
        "powers of two": """
def softmax(logits):
    powers = np.exp2(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
""",
        "shares of the scores": "def softmax(z):\n    return z / z.sum(axis=1, keepdims=True)",
    },
    "a2-q2": {
        "the sum": "def cross_entropy(z, y):\n    return -np.log(softmax(z)[np.arange(len(y)), y]).sum()",
        "unstable": "def cross_entropy(z, y):\n    return -np.log(softmax(z)[np.arange(len(y)), y]).mean()",
        "a little added": "def cross_entropy(z, y):\n    return -np.log(softmax(z)[range(len(y)), y] + 1e-9).mean()",
        "logarithm to base 2": "def cross_entropy(z, y):\n    return -np.log2(softmax(z)[np.arange(len(y)), y]).mean()",
        "the surest class": "def cross_entropy(z, y):\n    return -np.log(softmax(z).max(axis=1)).mean()",
        "the sign": "def cross_entropy(z, y):\n    return np.log(softmax(z)[np.arange(len(y)), y]).mean()",
        "all labels for all images": "def cross_entropy(z, y):\n    return -np.log(softmax(z)[:, y]).mean()",
        "one loss an image": "def cross_entropy(z, y):\n    return -np.log(softmax(z)[np.arange(len(y)), y])",
    },
    "a2-q3": {
        "the wrong sign": "def logits_gradient(z, y):\n    return (np.eye(10)[y] - softmax(z)) / len(y)",
        "not shared among the images": "def logits_gradient(z, y):\n    return softmax(z) - np.eye(10)[y]",
        "shared among the classes": "def logits_gradient(z, y):\n    return (softmax(z) - np.eye(10)[y]) / 10",
        "scores instead of probabilities": "def logits_gradient(z, y):\n    return (z - np.eye(10)[y]) / len(y)",
        "squared error's": """
def logits_gradient(z, y):
    p = softmax(z)
    return 2 * (p - np.eye(10)[y]) * p * (1 - p) / len(y)
""",
    },
    "a2-q4": {
        "the wrong sign": """
def gradients(x, y, w, b):
    g = -logits_gradient(x @ w + b, y)
    return x.T @ g, g.sum(axis=0)
""",
        "divided twice": """
def gradients(x, y, w, b):
    g = logits_gradient(x @ w + b, y) / len(y)
    return x.T @ g, g.sum(axis=0)
""",
        "biases averaged": """
def gradients(x, y, w, b):
    g = logits_gradient(x @ w + b, y)
    return x.T @ g, g.mean(axis=0)
""",
        "biases forgotten in the scores": """
def gradients(x, y, w, b):
    g = logits_gradient(x @ w, y)
    return x.T @ g, g.sum(axis=0)
""",
        "transposed": """
def gradients(x, y, w, b):
    g = logits_gradient(x @ w + b, y)
    return g.T @ x, g.sum(axis=0)
""",
        "with weight decay": """
def gradients(x, y, w, b):
    g = logits_gradient(x @ w + b, y)
    return x.T @ g + 0.01 * w, g.sum(axis=0)
""",
    },
    "a2-q5": {
        "one side only": """
def slope(x, y, w, b, row, column):
    nudged = w.copy()
    nudged[row, column] += 1e-5
    return (cross_entropy(x @ nudged + b, y) - cross_entropy(x @ w + b, y)) / 1e-5
""",
        "divided by half": """
def slope(x, y, w, b, row, column):
    nudge = np.zeros_like(w)
    nudge[row, column] = 1e-5
    return (cross_entropy(x @ (w + nudge) + b, y) - cross_entropy(x @ (w - nudge) + b, y)) / 1e-5
""",
        "the weights changed": """
def slope(x, y, w, b, row, column):
    w[row, column] += 1e-5
    above = cross_entropy(x @ w + b, y)
    w[row, column] -= 2e-5
    return (above - cross_entropy(x @ w + b, y)) / 2e-5
""",
        "all weights nudged": """
def slope(x, y, w, b, row, column):
    return (cross_entropy(x @ (w + 1e-5) + b, y) - cross_entropy(x @ (w - 1e-5) + b, y)) / 2e-5
""",
        "row and column swapped": """
def slope(x, y, w, b, row, column):
    nudge = np.zeros_like(w)
    nudge[column, row] = 1e-5
    return (cross_entropy(x @ (w + nudge) + b, y) - cross_entropy(x @ (w - nudge) + b, y)) / 2e-5
""",
        "a thick hair": """
def slope(x, y, w, b, row, column):
    nudge = np.zeros_like(w)
    nudge[row, column] = 0.1
    return (cross_entropy(x @ (w + nudge) + b, y) - cross_entropy(x @ (w - nudge) + b, y)) / 0.2
""",
    },
    "a2-q6": {
        "uphill": """
def descend(x, y, steps, rate):
    w, b, losses = np.zeros((x.shape[1], 10)), np.zeros(10), []
    for _ in range(steps):
        losses.append(cross_entropy(x @ w + b, y))
        dw, db = gradients(x, y, w, b)
        w, b = w + rate * dw, b + rate * db
    return w, b, losses
""",
        "losses after the step": """
def descend(x, y, steps, rate):
    w, b, losses = np.zeros((x.shape[1], 10)), np.zeros(10), []
    for _ in range(steps):
        dw, db = gradients(x, y, w, b)
        w, b = w - rate * dw, b - rate * db
        losses.append(cross_entropy(x @ w + b, y))
    return w, b, losses
""",
        "biases left at zero": """
def descend(x, y, steps, rate):
    w, b, losses = np.zeros((x.shape[1], 10)), np.zeros(10), []
    for _ in range(steps):
        losses.append(cross_entropy(x @ w + b, y))
        w = w - rate * gradients(x, y, w, b)[0]
    return w, b, losses
""",
        "one step too few": """
def descend(x, y, steps, rate):
    w, b, losses = np.zeros((x.shape[1], 10)), np.zeros(10), [cross_entropy(np.zeros((len(x), 10)), y)]
    for _ in range(steps - 1):
        dw, db = gradients(x, y, w, b)
        w, b = w - rate * dw, b - rate * db
        losses.append(cross_entropy(x @ w + b, y))
    return w, b, losses
""",
        "the first gradient for all steps": """
def descend(x, y, steps, rate):
    w, b, losses = np.zeros((x.shape[1], 10)), np.zeros(10), []
    dw, db = gradients(x, y, w, b)
    for step in range(steps):
        losses.append(cross_entropy(x @ (w - step * rate * dw) + b - step * rate * db, y))
    return w - steps * rate * dw, b - steps * rate * db, losses
""",
        "a learning rate that falls": """
def descend(x, y, steps, rate):
    w, b, losses = np.zeros((x.shape[1], 10)), np.zeros(10), []
    for step in range(steps):
        losses.append(cross_entropy(x @ w + b, y))
        dw, db = gradients(x, y, w, b)
        w, b = w - rate * (1 - step / steps) * dw, b - rate * (1 - step / steps) * db
    return w, b, losses
""",
    },
}
