"""Answers to assignment 4 · Hyperparameters."""

_CURVE = """
def read_curve(losses):
    tenth = {tenth}
    last, before = {last}, {before}
    if {diverges}:
        return "diverges"
    return "falling" if {falling} else "settled"
"""
_RIGHT_CURVE = {
    "tenth": "len(losses) // 10",
    "last": "np.mean(losses[-tenth:])",
    "before": "np.mean(losses[-2 * tenth : -tenth])",
    "diverges": "not last < np.log(10)",
    "falling": "last < 0.97 * before",
}
_SETTING = "setting = dict(learning_rate={}, batch_size={}, steps={}, weight_decay={})"

RIGHT = {
    "a4-q1": [
        """
def smooth(values, window):
    sums = np.cumsum([0.0, *values])
    return (sums[window:] - sums[:-window]) / window
""",
        """
def smooth(values, window):
    return [sum(values[i : i + window]) / window for i in range(len(values) - window + 1)]
""",
    ],
    "a4-q2": [
        "import math\n\ndef standard_error(accuracy, count):\n    return math.sqrt((accuracy - accuracy**2) / count)",
        "standard_error = lambda accuracy, count: (accuracy * (1 - accuracy)) ** 0.5 / count**0.5",
    ],
    "a4-q3": [
        """
def read_curve(losses):
    n = len(losses) // 10
    tail = np.asarray(losses)[-2 * n :].reshape(2, n).mean(axis=1)
    if np.isnan(tail[1]) or tail[1] >= np.log(10):
        return "diverges"
    if tail[1] / tail[0] < 0.97:
        return "falling"
    return "settled"
""",
        _CURVE.format(**_RIGHT_CURVE | {"last": "sum(losses[len(losses) - tenth :]) / tenth"}),
    ],
    "a4-q4": [
        """
def choose(runs):
    best = 0
    for position, run in enumerate(runs):
        if run["validation_accuracy"] > runs[best]["validation_accuracy"]:
            best = position
    return best
""",
        'choose = lambda runs: max(range(len(runs)), key=lambda i: runs[i]["validation_accuracy"])',
    ],
    "a4-q5": [
        _SETTING.format(0.2, 100, 300, 0.01),
        """
best = max((0.1, 0.2), key=lambda rate: validation_accuracy(
    dict(learning_rate=rate, batch_size=60, steps=500, weight_decay=0.02)))
setting = {"learning_rate": best, "batch_size": 60, "steps": 500, "weight_decay": 0.02}
""",
    ],
}

WRONG = {
    "a4-q1": {
        "as long as the values": 'def smooth(v, w):\n    return np.convolve(v, np.ones(w) / w, mode="same")',
        "sums": 'def smooth(v, w):\n    return np.convolve(v, np.ones(w), mode="valid")',
        "one mean too few": "def smooth(v, w):\n    return [np.mean(v[i : i + w]) for i in range(len(v) - w)]",
        "blocks without overlap": "def smooth(v, w):\n    return [np.mean(v[i : i + w]) for i in range(0, len(v), w)]",
        "medians": "def smooth(v, w):\n    return [np.median(v[i : i + w]) for i in range(len(v) - w + 1)]",
    },
    "a4-q2": {
        "no root": "def standard_error(p, n):\n    return p * (1 - p) / n",
        "not divided": "def standard_error(p, n):\n    return (p * (1 - p)) ** 0.5 / 10",
        "the root of the wrong half": "def standard_error(p, n):\n    return p * (1 - p) / n**0.5 * 2",
        "without the misses": "def standard_error(p, n):\n    return (p / n / 2) ** 0.5",
        "always the widest": "def standard_error(p, n):\n    return 0.5 / n**0.5",
    },
    "a4-q3": {
        "the last loss only": _CURVE.format(**_RIGHT_CURVE | {"last": "losses[-1]", "before": "losses[-2]"}),
        "nan let through": _CURVE.format(**_RIGHT_CURVE | {"diverges": "last >= np.log(10)"}),
        "nan left out": _CURVE.format(**_RIGHT_CURVE | {"last": "np.nanmean(losses[-tenth:])"}),
        "compared with the start": _CURVE.format(**_RIGHT_CURVE | {"before": "np.mean(losses[:tenth])"}),
        "the first and the last exchanged": _CURVE.format(**_RIGHT_CURVE | {"falling": "before < 0.97 * last"}),
        "ten losses, however many there are": _CURVE.format(**_RIGHT_CURVE | {"tenth": "5"}),
        "any rise diverges": _CURVE.format(**_RIGHT_CURVE | {"diverges": "not last < before * 1.05"}),
    },
    "a4-q4": {
        "by the test set": 'def choose(runs):\n    return int(np.argmax([run["test_accuracy"] for run in runs]))',
        "by the training set": 'def choose(runs):\n    return int(np.argmax([run["train_accuracy"] for run in runs]))',
        "by the loss": 'def choose(runs):\n    return int(np.argmin([run["loss"] for run in runs]))',
        "always the second": "def choose(runs):\n    return 1",
        "the last of equals": """
def choose(runs):
    best = max(run["validation_accuracy"] for run in runs)
    return [i for i, run in enumerate(runs) if run["validation_accuracy"] == best][-1]
""",
        "by validation and test": """
def choose(runs):
    return int(np.argmax([run["validation_accuracy"] + 2 * run["test_accuracy"] for run in runs]))
""",
        "the run, not its place": 'def choose(runs):\n    return max(runs, key=lambda r: r["validation_accuracy"])',
    },
    "a4-q5": {
        "the rate of the 2016 post": _SETTING.format(325.0, 100, 300, 0.0),
        "far too small a rate": _SETTING.format(0.0001, 100, 300, 0.0),
        "too small a rate": _SETTING.format(0.005, 100, 300, 0.0),
        "one huge batch": _SETTING.format(0.2, 5_000, 6, 0.0),
        "over budget": _SETTING.format(0.1, 100, 3_000, 0.0),
        "decayed to nothing": _SETTING.format(0.1, 100, 300, 3.0),
        "a senseless value": _SETTING.format(-0.2, 100, 300, 0.0),
        "a budget of its own": "BUDGET = 10**6\n" + _SETTING.format(0.1, 100, 5_000, 0.0),
        "an accuracy claimed": "setting = {'validation_accuracy': 0.99}",
    },
}  # fmt: skip
