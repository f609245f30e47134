"""Answers to assignment 4 · Hyperparameters."""

_SEARCH = """
setting = {"learning_rate": %s, "batch_size": %d, "steps": %d, "weight_decay": %s}
"""
_ALIKE = "b - c <= 2 * np.sqrt(b + c)"
_LEAD = "abs(k - (coins - k)) >= abs(b - c)"

RIGHT = {
    "a4-q1": [
        "def smooth(values, memory):\n"
        "    weights = memory ** np.arange(len(values))\n"
        "    return [np.average(values[: k + 1], weights=weights[k::-1]) for k in range(len(values))]",
        ("np.array(means)", "np.float32(means)"),
    ],
    "a4-q2": [
        (_LEAD, "k <= min(b, c) or k >= max(b, c)"),
        ("sum(comb(coins, k) for k in as_large) / 2**coins",
            "np.float64(sum(comb(coins, k) / 2**coins for k in as_large))"),
    ],
    "a4-q3": [
        ('return "diverges"', 'return np.str_("diverges")'),
        ("np.mean(losses[-count:])", "np.convolve(losses, np.ones(count) / count, 'valid')[-1]"),
    ],
    "a4-q4": [
        (_ALIKE, "(b - c) / right.shape[1] <= 2 * np.sqrt(b + c) / right.shape[1]"),
        ("min(good, key=lambda number: runs[number]", "min(good.tolist(), key=lambda number: runs[number]"),
    ],
    "a4-q5": [
        "from collections import OrderedDict" + _SEARCH % (3e-6, 100, 300, 500.0) + "setting = OrderedDict(setting)",
        "names = np.array(['learning_rate', 'batch_size', 'steps', 'weight_decay'])\n"
        "setting = dict(zip(names, [np.float32(4e-6), np.int64(50), 600, 0]))",
    ],
}  # fmt: skip
WRONG = {
    "a4-q1": {
        "a window": "smooth = lambda values, memory: np.convolve(values, np.ones(3) / 3, mode='same')",
        "not divided": ("total / counts", "total"),
        "from zero": ("total / counts", "total * (1 - memory)"),
        "from the first value": "def smooth(values, memory):\n    means = [values[0]]\n    for value in values[1:]:\n"
        "        means.append(memory * means[-1] + (1 - memory) * value)\n    return means",
    },
    "a4-q2": {
        "one side": (_LEAD, "k >= max(b, c)"),
        "that lead exactly": (">=", "=="),
        "by the bell curve": ("return sum(comb(coins, k) for k in as_large) / 2**coins",
            "from math import erfc\n    return erfc(abs(b - c) / max(1, coins) ** 0.5 / 2**0.5)"),
        "by the error of each": ("return sum(comb(coins, k) for k in as_large) / 2**coins",
            "from math import erfc\n    p = first.mean()\n"
            "    return erfc(abs(b - c) / max(1, 2 * len(first) * p * (1 - p)) ** 0.5 / 2**0.5)"),
        "coins where both are wrong": ("coins = b + c", "coins = b + c + int(np.sum(~first & ~second)) // 9"),
    },
    "a4-q3": {
        "from guessing on": ("1.5 * np.log(10)", "np.log(10)"),
        "nan overlooked": ("not last <= 1.5 * np.log(10)", "last > 1.5 * np.log(10)"),
        "the last loss": ("np.mean(losses[-count:])", "losses[-1]"),
        "always 10": ("min(50, len(losses) // 10)", "10"),
        "a tenth, however long": ("min(50, len(losses) // 10)", "len(losses) // 10"),
        "any fall": ("0.97 * before", "before"),
        "falling before diverging": ("if not last <= 1.5 * np.log(10)",
            "if last >= before and not last <= 1.5 * np.log(10)"),
        "another limit": ("0.97", "0.9"),
    },
    "a4-q4": {
        "the best": ("min(good, key=lambda number: runs[number][\"steps\"])", "int(best)"),
        "the cheapest": (_ALIKE, "b - c < 9_999"),
        "one error": ("<= 2 *", "<= 1 *"),
        "the error of one accuracy": (_ALIKE, "b - c <= 2 * np.sqrt(right[best].sum() * (~right[best]).mean())"),
        "by training accuracy": ("np.argmax(right.sum(axis=1))", "np.argmax([run['train_accuracy'] for run in runs])"),
        "the last of equals": ("min(good", "min(good[::-1]"),
        "the most accurate of equals": ("runs[number][\"steps\"]", "-right[number].sum()"),
    },
    "a4-q5": {
        "rate 10": _SEARCH % (10, 100, 300, 0),
        "the series' rate": _SEARCH % (0.3, 100, 300, 0),
        "the post's rate": _SEARCH % (0.005, 100, 300, 0),
        "over the budget": _SEARCH % (2e-6, 100, 301, 0),
        "too few steps": _SEARCH % (2e-6, 1_000, 30, 0),
        "weights pulled to nothing": _SEARCH % (2e-6, 100, 300, 2e5),
    },
}  # fmt: skip
SLIPS = {"a4-q1": "from zero", "a4-q2": "one side", "a4-q3": "from guessing on", "a4-q4": "the cheapest"}
COPIES = {
    "a4-q1": [("smooth", "06", "moving_average")],
    "a4-q2": [("luck", "06", "compare")],
    "a4-q3": [
        "read_curve = lambda losses: 'diverges' if np.mean(losses[-min(50, len(losses) // 10) :]) > 3.45 else 'settled'"
    ],
    "a4-q4": ["choose = lambda runs: int(np.argmax([np.mean(run['right']) for run in runs]))"],
    "a4-q5": [_SEARCH % (0.3, 100, 300, 0), _SEARCH % (0.005, 100, 300, 0), _SEARCH % (0.1, 100, 300, 0.01)],
}
