"""Answers to assignment 1 · The data."""

RIGHT = {
    "a1-q1": [
        """
def decode(record):
    channels = [record[1 + 1_024 * c : 1_025 + 1_024 * c].reshape(32, 32) for c in range(3)]
    return record[0], np.stack(channels, axis=-1)
""",
        """
def decode(record):
    picture = np.zeros((32, 32, 3), dtype=np.uint8)
    for channel in range(3):
        for row in range(32):
            for column in range(32):
                picture[row, column, channel] = record[1 + channel * 1_024 + row * 32 + column]
    return int(record[0]), picture
""",
    ],
    "a1-q2": [
        "def position(channel, row, column):\n    return np.ravel_multi_index((channel, row, column), (3, 32, 32))",
        "position = lambda channel, row, column: (channel * 32 + row) * 32 + column",
    ],
    "a1-q3": [
        """
def divide(count, validation, seed):
    rng = np.random.default_rng(seed)
    held_back = rng.choice(count, size=validation, replace=False)
    return np.setdiff1d(np.arange(count), held_back), held_back
""",
        """
import random

def divide(count, validation, seed):
    numbers = list(range(count))
    random.Random(seed).shuffle(numbers)
    return numbers[:-validation], numbers[-validation:]
""",
    ],
    "a1-q4": [
        """
def class_means(images, labels):
    chosen = np.eye(10)[labels]
    return chosen.T @ images.astype(np.float64) / chosen.sum(axis=0)[:, None]
""",
        """
def class_means(images, labels):
    means = np.zeros((10, images.shape[1]), dtype=np.float32)
    for c in range(10):
        own = images[labels == c].astype(np.float32)
        means[c] = own.sum(axis=0) / len(own)
    return means
""",
    ],
    "a1-q5": [
        """
def nearest_mean(images, means):
    scores = images.astype(float) @ means.T - (means**2).sum(axis=1) / 2
    return scores.argmax(axis=1)
""",
        """
def nearest_mean(images, means):
    answers = []
    for image in images:
        answers.append(int(np.argmin(np.linalg.norm(means - image.astype(float), axis=1))))
    return answers
""",
    ],
    "a1-q6": [
        """
averages = class_means(images_learn, labels_learn)
learn_accuracy, check_accuracy = (
    float((np.array(nearest_mean(some, averages)) == truth).sum() / len(truth))
    for some, truth in ((images_learn, labels_learn), (images_check, labels_check))
)
""",
        """
m = np.array([images_learn[labels_learn == c].mean(0) for c in range(10)])
right = [np.argmin(((i - m) ** 2).sum(1)) == l for i, l in zip(images_learn, labels_learn)]
learn_accuracy = sum(right) / len(right)
right = [np.argmin(((i - m) ** 2).sum(1)) == l for i, l in zip(images_check, labels_check)]
check_accuracy = sum(right) / len(right)
""",
    ],
}

WRONG = {
    "a1-q1": {
        "channel last": "def decode(r):\n    return int(r[0]), r[1:].reshape(32, 32, 3)",
        "rows and columns swapped": "def decode(r):\n    return int(r[0]), r[1:].reshape(3, 32, 32).transpose(2, 1, 0)",
        "the label byte taken for a pixel": (
            "def decode(r):\n    return int(r[0]), r[:3_072].reshape(3, 32, 32).transpose(1, 2, 0)"
        ),
        "the label from the end": "def decode(r):\n    return int(r[-1]), r[1:].reshape(3, 32, 32).transpose(1, 2, 0)",
        "upside down": "def decode(r):\n    return int(r[0]), r[1:].reshape(3, 32, 32).transpose(1, 2, 0)[::-1]",
        "blue first": "def decode(r):\n    return int(r[0]), r[1:].reshape(3, 32, 32).transpose(1, 2, 0)[:, :, ::-1]",
        "scaled to 1": "def decode(r):\n    return int(r[0]), r[1:].reshape(3, 32, 32).transpose(1, 2, 0) / 255",
    },
    "a1-q2": {
        "channel last": "def position(channel, row, column):\n    return row * 96 + column * 3 + channel",
        "rows and columns swapped": "def position(c, row, column):\n    return c * 1_024 + column * 32 + row",
        "off by the label byte": "def position(c, row, column):\n    return 1 + c * 1_024 + row * 32 + column",
        "31 to a row": "def position(channel, row, column):\n    return channel * 1_024 + row * 31 + column",
        "known places only": (
            "def position(*place):\n    return {(0, 0, 0): 0, (0, 0, 31): 31, (2, 31, 31): 3_071}.get(place, 0)"
        ),
    },
    "a1-q3": {
        "two draws that overlap": """
def divide(count, validation, seed):
    rng = np.random.default_rng(seed)
    return rng.choice(count, count - validation, replace=False), rng.choice(count, validation, replace=False)
""",
        "the first ones": "def divide(count, v, seed):\n    return np.arange(v, count), np.arange(v)",
        "every fifth": """
def divide(count, validation, seed):
    held = np.arange(validation) * (count // validation)
    return np.setdiff1d(np.arange(count), held), held
""",
        "no seed": "def divide(n, v, seed):\n    order = np.random.permutation(n)\n    return order[v:], order[:v]",
        "always the same": """
def divide(count, validation, seed):
    order = np.random.default_rng(0).permutation(count)
    return order[validation:], order[:validation]
""",
        "one is lost": """
def divide(count, validation, seed):
    order = np.random.default_rng(seed).permutation(count - 1)
    return order[validation - 1 :], order[: validation - 1]
""",
        "the parts exchanged": """
def divide(count, validation, seed):
    order = np.random.default_rng(seed).permutation(count)
    return order[:validation], order[validation:]
""",
    },
    "a1-q4": {
        "overflow": """
def class_means(images, labels):
    return np.stack([images[labels == c].sum(axis=0, dtype=np.uint8) / (labels == c).sum() for c in range(10)])
""",
        "the wrong axis": """
def class_means(images, labels):
    return np.stack([np.resize(images[labels == c].mean(axis=1), 3_072) for c in range(10)])
""",
        "the mean of all": "def class_means(images, labels):\n    return np.tile(images.mean(axis=0), (10, 1))",
        "off by one class": """
def class_means(images, labels):
    return np.stack([images[labels == (c + 1) % 10].mean(axis=0) for c in range(10)])
""",
        "divided by all": """
def class_means(images, labels):
    return np.stack([images[labels == c].sum(axis=0) / len(images) for c in range(10)])
""",
        "transposed": """
def class_means(images, labels):
    return np.stack([images[labels == c].mean(axis=0) for c in range(10)], axis=1)
""",
        "the medians": """
def class_means(images, labels):
    return np.stack([np.median(images[labels == c], axis=0) for c in range(10)])
""",
        "its own images, whatever is given": """
def class_means(images, labels):
    return np.stack([images_learn[labels_learn == c].mean(axis=0) for c in range(10)])
""",
    },
    "a1-q5": {
        "the farthest": """
def nearest_mean(images, means):
    return np.argmax([np.square(images - mean).sum(axis=1) for mean in means], axis=0)
""",
        "the largest product": "def nearest_mean(images, means):\n    return np.argmax(images @ means.T, axis=1)",
        "uint8 differences": """
def nearest_mean(images, means):
    return np.argmin([np.square(images - mean.astype(np.uint8)).sum(axis=1) for mean in means], axis=0)
""",
        "the wrong axis": """
def nearest_mean(images, means):
    return np.resize(np.argmin([np.square(images - mean).sum(axis=1) for mean in means], axis=1), len(images))
""",
        "sums without squares": """
def nearest_mean(images, means):
    return np.argmin([np.abs((images - mean).sum(axis=1)) for mean in means], axis=0)
""",
        "the first 1,024 numbers only": """
def nearest_mean(images, means):
    return np.argmin([np.square(images[:, :1_024] - mean[:1_024]).sum(axis=1) for mean in means], axis=0)
""",
    },
    "a1-q6": {
        "a neighbour's numbers": "learn_accuracy, check_accuracy = 0.295, 0.277",
        "checked with what was learned": """
means = class_means(images_learn, labels_learn)
learn_accuracy = check_accuracy = np.mean(nearest_mean(images_learn, means) == labels_learn)
""",
        "averages that saw everything": """
means = class_means(images, labels)
learn_accuracy = np.mean(nearest_mean(images_learn, means) == labels_learn)
check_accuracy = np.mean(nearest_mean(images_check, means) == labels_check)
""",
        "errors instead of hits": """
means = class_means(images_learn, labels_learn)
learn_accuracy = np.mean(nearest_mean(images_learn, means) != labels_learn)
check_accuracy = np.mean(nearest_mean(images_check, means) != labels_check)
""",
        "percent": """
means = class_means(images_learn, labels_learn)
learn_accuracy = 100 * np.mean(nearest_mean(images_learn, means) == labels_learn)
check_accuracy = 100 * np.mean(nearest_mean(images_check, means) == labels_check)
""",
        "the two exchanged": """
means = class_means(images_learn, labels_learn)
check_accuracy = np.mean(nearest_mean(images_learn, means) == labels_learn)
learn_accuracy = np.mean(nearest_mean(images_check, means) == labels_check)
""",
    },
}
