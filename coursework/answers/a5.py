"""Answers to assignment 5 · Templates."""

_PICTURE = """
def template_picture(weights, label):
    w = {template}
    return ({scaled}).{fold}
"""
_RIGHT_PICTURE = {
    "template": "weights[:, label]",
    "scaled": "(w / np.abs(w).max() + 1) / 2",
    "fold": "reshape(3, 32, 32).transpose(1, 2, 0)",
}
_SHIFT = """
def shift_right(images, by):
    pictures = {pictures}
    return pictures{moved}.reshape(-1, 3072)
"""
_SHUFFLE = """
def shuffle_images(images, order):
    return {images}

def shuffle_weights(weights, order):
    return {weights}
"""
_CONFUSED = """
def most_confused(labels, answers):
    table = np.zeros((10, 10), dtype=int)
    for true, answer in zip(labels, answers):
        {count}
    return {result}

changed = {changed}
"""
_RIGHT_CONFUSED = {
    "count": "table[true, answer] += true != answer",
    "result": "divmod(int(table.argmax()), 10)",
    "changed": "(answers_of(shift_right(images, 2)) != answers_of(images)).mean()",
}

RIGHT = {
    "a5-q1": [
        _PICTURE.format(**_RIGHT_PICTURE),
        """
def template_picture(weights, label):
    most = max(weights[:, label].max(), -weights[:, label].min())
    channels = [weights[1_024 * c : 1_024 * (c + 1), label].reshape(32, 32) for c in range(3)]
    return np.clip(np.dstack(channels) / (2 * most) + 0.5, 0, 1)
""",
    ],
    "a5-q2": [
        """
def contributions(pixels, weights, label):
    return np.einsum("cp,cp->p", pixels.reshape(3, 1_024), weights[:, label].reshape(3, 1_024)).reshape(32, 32)
""",
        """
def contributions(pixels, weights, label):
    total = np.zeros((32, 32))
    for k in range(3_072):
        total[k % 1_024 // 32, k % 32] += pixels[k] * weights[k, label]
    return total
""",
    ],
    "a5-q3": [
        """
def shift_right(images, by):
    columns = np.clip(np.arange(32) - by, 0, None)
    return images.reshape(len(images), 96, 32)[:, :, columns].reshape(len(images), -1)
""",
        """
def shift_right(images, by):
    shifted = []
    for image in images:
        picture = image.reshape(3, 32, 32).copy()
        for _ in range(by):
            picture[:, :, 1:] = picture[:, :, :-1].copy()
        shifted.append(picture.ravel())
    return np.array(shifted)
""",
    ],
    "a5-q4": [
        _SHUFFLE.format(images="np.take(images, order, axis=1)", weights="np.take(weights, order, axis=0)"),
        """
def shuffle_images(images, order):
    return np.stack([image[order] for image in images])

def shuffle_weights(weights, order):
    table = np.eye(3_072, dtype=np.float32)[order]
    return table @ weights
""",
    ],
    "a5-q5": [
        _CONFUSED.format(**_RIGHT_CONFUSED),
        """
from collections import Counter

def most_confused(labels, answers):
    pairs = Counter((int(a), int(b)) for a, b in zip(labels, answers) if a != b)
    return list(pairs.most_common(1)[0][0])

changed = 1 - np.count_nonzero(answers_of(images) == answers_of(shift_right(images, 2))) / len(images)
""",
    ],
}

WRONG = {
    "a5-q1": {
        "transposed": _PICTURE.format(**_RIGHT_PICTURE | {"fold": "reshape(3, 32, 32).transpose(2, 1, 0)"}),
        "channel last": _PICTURE.format(**_RIGHT_PICTURE | {"fold": "reshape(32, 32, 3)"}),
        "from least to most": _PICTURE.format(**_RIGHT_PICTURE | {"scaled": "(w - w.min()) / (w.max() - w.min())"}),
        "on the scale of all classes": _PICTURE.format(
            **_RIGHT_PICTURE | {"scaled": "0.5 + 0.5 * w / np.abs(weights).max()"}
        ),
        "rows for classes": _PICTURE.format(
            **_RIGHT_PICTURE | {"template": "weights.reshape(10, 3_072)[label]"}
        ),
        "signs lost": _PICTURE.format(**_RIGHT_PICTURE | {"scaled": "np.abs(w) / np.abs(w).max()"}),
        "signs exchanged": _PICTURE.format(**_RIGHT_PICTURE | {"scaled": "0.5 - 0.5 * w / np.abs(w).max()"}),
        "blue first": _PICTURE.format(
            **_RIGHT_PICTURE | {"fold": "reshape(3, 32, 32).transpose(1, 2, 0)[:, :, ::-1]"}
        ),
    },
    "a5-q2": {
        "transposed": """
def contributions(pixels, weights, label):
    return (pixels * weights[:, label]).reshape(3, 32, 32).sum(axis=0).T
""",
        "the mean of the colours": """
def contributions(pixels, weights, label):
    return (pixels * weights[:, label]).reshape(3, 32, 32).mean(axis=0)
""",
        "channel last": """
def contributions(pixels, weights, label):
    return (pixels * weights[:, label]).reshape(32, 32, 3).sum(axis=2)
""",
        "red only": """
def contributions(pixels, weights, label):
    return (pixels * weights[:, label])[:1_024].reshape(32, 32)
""",
        "the sizes": """
def contributions(pixels, weights, label):
    return np.abs(pixels * weights[:, label]).reshape(3, 32, 32).sum(axis=0)
""",
        "sums multiplied": """
def contributions(pixels, weights, label):
    return pixels.reshape(3, 32, 32).sum(axis=0) * weights[:, label].reshape(3, 32, 32).sum(axis=0)
""",
    },
    "a5-q3": {
        "the whole row of numbers rolled": "def shift_right(images, by):\n    return np.roll(images, by, axis=1)",
        "round the corner": _SHIFT.format(
            pictures="images.reshape(-1, 3, 32, 32)", moved="[:, :, :, (np.arange(32) - by) % 32]"
        ),
        "to the left": _SHIFT.format(
            pictures="images.reshape(-1, 3, 32, 32)", moved="[:, :, :, np.minimum(np.arange(32) + by, 31)]"
        ),
        "down": _SHIFT.format(
            pictures="images.reshape(-1, 3, 32, 32)", moved="[:, :, np.maximum(np.arange(32) - by, 0)]"
        ),
        "channel last": _SHIFT.format(
            pictures="images.reshape(-1, 32, 32, 3)", moved="[:, :, np.maximum(np.arange(32) - by, 0)]"
        ),
        "black in the gap": """
def shift_right(images, by):
    shifted = np.zeros_like(images).reshape(-1, 3, 32, 32)
    shifted[:, :, :, by:] = images.reshape(-1, 3, 32, 32)[:, :, :, : 32 - by]
    return shifted.reshape(-1, 3072)
""",
        "always by 2": _SHIFT.format(
            pictures="images.reshape(-1, 3, 32, 32)",
            moved="[:, :, :, np.maximum(np.arange(32) - 2 * (by > 0), 0)]",
        ),
        "no bytes any more": _SHIFT.format(
            pictures="images.reshape(-1, 3, 32, 32) * 1.0", moved="[:, :, :, np.maximum(np.arange(32) - by, 0)]"
        ),
    },
    "a5-q4": {
        "the weights left alone": _SHUFFLE.format(images="images[:, order]", weights="weights"),
        "the weights in the inverse order": _SHUFFLE.format(
            images="images[:, order]", weights="weights[np.argsort(order)]"
        ),
        "the images in the inverse order": _SHUFFLE.format(
            images="images[:, np.argsort(order)]", weights="weights[np.argsort(order)]"
        ),
        "the images exchanged": _SHUFFLE.format(
            images="images[order % len(images)][: len(images)]", weights="weights[order]"
        ),
        "nothing shuffled": _SHUFFLE.format(images="images", weights="weights"),
    },
    "a5-q5": {
        "right answers counted": _CONFUSED.format(**_RIGHT_CONFUSED | {"count": "table[true, answer] += 1"}),
        "the pair exchanged": _CONFUSED.format(**_RIGHT_CONFUSED | {"count": "table[answer, true] += true != answer"}),
        "either way round": _CONFUSED.format(
            **_RIGHT_CONFUSED | {"result": "divmod(int(np.triu(table + table.T).argmax()), 10)"}
        ),
        "the rarest": _CONFUSED.format(**_RIGHT_CONFUSED | {"result": "divmod(int(table.argmin()), 10)"}),
        "a neighbour's number": _CONFUSED.format(**_RIGHT_CONFUSED | {"changed": "0.151"}),
        "the share that stays": _CONFUSED.format(
            **_RIGHT_CONFUSED | {"changed": "np.mean(answers_of(images) == answers_of(shift_right(images, 2)))"}
        ),
        "shifted by 1": _CONFUSED.format(
            **_RIGHT_CONFUSED | {"changed": "np.mean(answers_of(images) != answers_of(shift_right(images, 1)))"}
        ),
        "answers that become wrong": _CONFUSED.format(
            **_RIGHT_CONFUSED | {"changed": "np.mean(answers_of(shift_right(images, 2)) != labels)"}
        ),
    },
}  # fmt: skip
