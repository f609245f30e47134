"""Answers to assignment 5 · Templates."""

_SCALED = "0.5 + 0.5 * difference / np.max(np.abs(difference))"
_FOLD = "reshape(3, 32, 32).transpose(1, 2, 0)"
_SQUARE = "pictures[:, :, row : row + size, column : column + size]"
_COUNT = "np.add.at(table, (labels, answers), 1)"
_SHARE = "(table + table.T) / (counts[:, None] + counts)"
_CHANGED = "np.mean(answers_of(images) != answers_of(cover(images, 10, 10, 12)))"

RIGHT = {
    "a5-q1": [
        (_SCALED, "(difference / max(difference.max(), -difference.min()) + 1) / 2"),
        ("weights[:, first] - weights[:, second]", "np.diff(weights[:, [second, first]])[:, 0].astype(np.float32)"),
    ],
    "a5-q2": [
        ("leads.reshape(3, 32, 32).sum(axis=0)",
            "leads[:1_024].reshape(32, 32) + sum(leads[1_024:].reshape(2, 32, 32))"),
        ("return leads", "leads = list(leads)\n    return np.array(leads)"),
    ],
    "a5-q3": [
        ("images.reshape(-1, 3, 32, 32).copy()", "np.array(images).reshape((len(images), 3, 32, 32))"),
        (_SQUARE + " = 128", "inside = np.zeros((32, 32), bool)\n    inside[row:][:size, column:][:, :size] = True\n"
         "    pictures = np.where(inside, np.uint8(128), pictures)"),
    ],
    "a5-q4": [
        ("    shuffled = np.empty_like(images)\n    shuffled[:, place] = images\n    return shuffled",
         "    return images[:, np.argsort(place)]"),
        ("    shuffled = np.empty_like(weights)\n", "    shuffled = np.zeros((3_072, 10))\n"),
    ],
    "a5-q5": [
        ("return first, second", "from collections import namedtuple\n"
         "    return namedtuple('Pair', 'first second')(np.int8(first), np.uint64(second))"),
        (_COUNT, "for one, other in zip(labels, answers):\n        table[one, other] += 1"),
    ],
}  # fmt: skip
WRONG = {
    "a5-q1": {
        "scaled by the maximum": ("np.max(np.abs(difference))", "np.max(difference)"),
        "from lowest to highest": (_SCALED, "(difference - difference.min()) / np.ptp(difference)"),
        "one template": ("weights[:, first] - weights[:, second]", "weights[:, first]"),
        "on the scale of all weights": ("np.max(np.abs(difference))", "np.abs(weights).max()"),
        "scaled, then subtracted": (_SCALED, "0.5 + 0.25 * (weights[:, first] / np.abs(weights[:, first]).max() - "
            "weights[:, second] / np.abs(weights[:, second]).max())"),
        "clipped": (_SCALED, "np.clip(0.5 + difference / np.percentile(np.abs(difference), 99.5) / 2, 0, 1)"),
        "signs exchanged": ("0.5 + 0.5", "0.5 - 0.5"),
        "blue first": (_FOLD, _FOLD + "[:, :, ::-1]"),
    },
    "a5-q2": {
        "the score of the first": (" - weights[:, second]", ""),
        "exchanged": ("weights[:, first] - weights[:, second]", "weights[:, second] - weights[:, first]"),
        "the mean of the colours": (".sum(axis=0)", ".mean(axis=0)"),
        "red only": ("leads.reshape(3, 32, 32).sum(axis=0)", "leads[:1_024].reshape(32, 32)"),
        "the sizes": ("return leads", "return abs(leads)"),
    },
    "a5-q3": {
        "the given images changed": (".copy()", ""),
        "black": ("= 128", "= 0"),
        "rows and columns exchanged": (_SQUARE, "pictures[:, :, column : column + size, row : row + size]"),
        "one too many": ("row + size", "row + size + 1"),
        "red only": ("[:, :, row", "[:, 0, row"),
        "around the edge": (
            _SQUARE, "pictures[:, :, np.arange(row, row + size)[:, None] % 32, np.arange(column, column + size) % 32]"),
        "always in place (10, 3)": ("row : row + size, column : column", "10 : 10 + size, 3 : 3"),
    },
    "a5-q4": {
        "the other way round": (
            "    shuffled = np.empty_like(images)\n    shuffled[:, place] = images\n    return shuffled",
            "    return images[:, place]"),
        "both the other way round": ("    shuffled[:, place] = images\n    return shuffled",
            "    return images[:, place]",
            "    shuffled[place] = weights\n    return shuffled", "    return weights[place]"),
        "the weights left alone": ("    shuffled[place] = weights\n    return shuffled", "    return weights"),
        "the weights the other way round": ("    shuffled[place] = weights\n    return shuffled",
            "    return weights[place]"),
    },
    "a5-q5": {
        "counts": (_SHARE, "table + table.T"),
        "right answers counted": (_SHARE, "(table + table.T) / (counts[:, None] + counts) + np.diag(table)"),
        "the class most mistaken": ("np.unravel_index(np.argmax(np.triu(confusion, 1)), (10, 10))",
            "(wrong := np.sum(table, axis=1) - np.diag(table)).argmax(), table[wrong.argmax()].argmax()"),
        "the larger first": ("return first, second", "return second, first"),
        "a neighbour's number": (_CHANGED, "0.151"),
        "a smaller square": ("10, 10, 12", "10, 10, 9"),
        "answers that become wrong": ("answers_of(images) !=", "labels !="),
    },
}  # fmt: skip
SLIPS = {
    "a5-q1": "signs exchanged", "a5-q2": "exchanged", "a5-q3": "black", "a5-q4": "the other way round",
    "a5-q5": "counts",
}  # fmt: skip
COPIES = {
    "a5-q1": [
        "from helpers import signed_image\n"
        "difference_picture = lambda weights, first, second: signed_image(weights[:, first], abs(weights).max())"
    ],
    "a5-q2": [
        "lead_map = lambda pixels, weights, first, second: (pixels * weights[:, first]).reshape(3, 32, 32).sum(axis=0)"
    ],
    "a5-q3": [("cover", "07", "shift")],
    "a5-q4": ["shuffle_images = lambda images, order: images[:, order]\nshuffle_weights = lambda w, order: w[order]"],
    "a5-q5": [
        "from helpers import confusion_matrix\n"
        "def hardest_pair(labels, answers):\n    table = confusion_matrix(labels, answers)\n"
        "    np.fill_diagonal(table, 0)\n    return np.unravel_index(table.argmax(), (10, 10))\n"
        "changed = np.mean(answers_of(images) != answers_of(cover(images, 10, 10, 12)))"
    ],
}
