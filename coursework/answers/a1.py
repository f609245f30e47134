"""Answers to assignment 1 · The data."""

_UNPACKED = ("reshape(32, 3, 32)", "reshape(3, 32, 32)", "transpose(0, 2, 1)[:, :, ::-1]", "transpose(1, 2, 0)")
_LOOP = """
def decode(record):
    picture = np.zeros((32, 32, 3), dtype=np.uint8)
    for row, column, colour in np.ndindex(32, 32, 3):
        picture[row, column, colour] = record[96 * row + 32 * (2 - colour) + column]
    return record[-1], picture
"""
_CHOICE = """
from collections import namedtuple
Parts = namedtuple("Parts", "learning validation")

def divide(labels, per_class, seed):
    rng = np.random.default_rng(seed)
    held = np.concatenate([rng.choice(np.flatnonzero(labels == c), per_class, replace=False) for c in range(10)])
    return Parts(np.delete(np.arange(len(labels)), held).tolist(), np.sort(held))
"""
_DISTANCE = "def squared_distances(images, means):\n    return "

RIGHT = {
    "a1-q1": [_LOOP, ("int(record[-1])", "np.int8(record[-1])")],
    "a1-q2": [
        "position = lambda colour, row, column: int(np.ravel_multi_index((row, 2 - colour, column), (32, 3, 32)))",
        "from pathlib import Path\nPath('places.py').write_text('def position(colour, row, column):\\n    return "
        "96 * row + 64 - 32 * colour + column')\nfrom places import position",
    ],
    "a1-q3": [_CHOICE, ("[:per_class]", "[-per_class:]")],
    "a1-q4": [
        ("np.array(rows)", "np.float32(rows)"),
        ("others.mean(axis=0)", "(images.sum(axis=0) - own.sum(axis=0)) / len(others)"),
    ],
    "a1-q5": [
        _DISTANCE + "np.stack([((images - mean) ** 2).sum(axis=1) for mean in means], axis=1)",
        ("own[:, None] - 2 * images @ means.T + others",
            "own.reshape(-1, 1) + others - 2 * np.einsum('nk,ck->nc', images, means)"),
    ],
    "a1-q6": [("np.mean(answers_learn == labels_learn)", "(answers_learn == labels_learn).sum() / 5_000"),
              ("np.mean(answers_check == labels_check)", "float((answers_check == labels_check).mean())")],
}  # fmt: skip
WRONG = {
    "a1-q1": {
        "the notebook's layout": _UNPACKED,
        "colours in the order of the bytes": ("[:, :, ::-1]", ""),
        "rows and columns exchanged": ("(0, 2, 1)", "(2, 0, 1)"),
        "upside down": ("[:, :, ::-1]", "[::-1, :, ::-1]"),
        "the first byte as label": ("record[-1]", "record[0]"),
        "another type": ("[:, :, ::-1]", "[:, :, ::-1] / 1.0"),
    },
    "a1-q2": {
        "the notebook's layout": ("96 * row + 32 * (2 - colour)", "1_024 * colour + 32 * row"),
        "red first": ("(2 - colour)", "colour"),
        "row and column exchanged": ("96 * row", "96 * column", "+ column", "+ row"),
    },
    "a1-q3": {
        "drawn from all": "def divide(labels, per_class, seed):\n    order = np.random.default_rng(seed).permutation("
        "len(labels))\n    return order[10 * per_class :], order[: 10 * per_class]",
        "20 built in": ("[:per_class]", "[:20]"),
        "the first of each class": ("np.random.default_rng(seed).permutation(len(labels))", "np.arange(len(labels))"),
        "the seed ignored": ("default_rng(seed)", "default_rng(0)"),
        "with replacement": (
            "order[labels[order] == c][:per_class]",
                "np.random.default_rng(seed).choice(order[labels[order] == c], per_class)",
        ),
        "the parts exchanged": ("return np.setdiff1d(order, held_back), held_back",
            "return held_back, np.setdiff1d(order, held_back)"),
        "held back, and learned from": ("np.setdiff1d(order, held_back)", "order"),
    },
    "a1-q4": {
        "the averages alone": (" - others.mean(axis=0)", ""),
        "against the average of all": ("others = images[labels == c], images[labels != c]",
            "others = images[labels == c], images"),
        "against the average of averages": (
            "rows.append(own.mean(axis=0) - others.mean(axis=0))",
            "rest = [images[labels == o].mean(axis=0) for o in range(10) if o != c]\n"
            "        rows.append(own.mean(axis=0) - np.mean(rest, axis=0))",
        ),
        "sums in uint8": ("own.mean(axis=0)", "own.sum(axis=0, dtype=np.uint8) / len(own)"),
        "the sign": ("own.mean(axis=0) - others.mean(axis=0)", "others.mean(axis=0) - own.mean(axis=0)"),
    },
    "a1-q5": {
        "the sign of the product": ("- 2", "+ 2"),
        "the product once": ("- 2 * images", "- images"),
        "squares in uint8": ("images = images.astype(np.float64)\n", "pass\n"),
        "half precision": ("np.float64", "np.float16"),
        "labels": ("own[:, None] - 2 * images @ means.T + others", "(others - 2 * images @ means.T).argmin(axis=1)"),
    },
    "a1-q6": {
        "exchanged": ("learn_accuracy = np.mean(answers_learn == labels_learn)\ncheck_accuracy",
            "check_accuracy = np.mean(answers_learn == labels_learn)\nlearn_accuracy"),
        "practised images in both": ("np.mean(answers_check == labels_check)", "learn_accuracy"),
        "averages of what is checked": ("squared_distances(images_check, means)",
            "squared_distances(images_check, [images_check[labels_check == c].mean(axis=0) for c in range(10)])"),
        "a neighbour's number": ("np.mean(answers_check == labels_check)", "0.271"),
    },
}  # fmt: skip
SLIPS = {"a1-q5": "squares in uint8", "a1-q4": "the sign", "a1-q1": "upside down"}
COPIES = {
    "a1-q1": [("decode", "01", "to_image"), "decode = lambda record: (record[0], to_image(record[1:]))"],
    "a1-q2": ["position = lambda colour, row, column: 1_024 * colour + 32 * row + column"],
    "a1-q3": ["divide = lambda labels, count, seed: split_indices(len(labels), validation=10 * count, seed=seed)"],
    "a1-q4": [
        "class_means = lambda images, labels: np.array([images[labels == c].mean(axis=0) for c in range(10)])\n"
        "contrasts = lambda images, labels: class_means(images, labels) - images.mean(axis=0)"
    ],
    "a1-q5": [("squared_distances", "02", "nearest")],
    "a1-q6": [
        "nearest = lambda points, centres: np.argmin([((points - one) ** 2).sum(axis=1) for one in centres], axis=0)\n"
        "learn_accuracy = np.mean(nearest(images_learn, means) == labels_learn)\n"
        "check_accuracy = np.mean(nearest(images_check, means) == labels_check)"
    ],
}
