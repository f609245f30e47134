"""Turn what bench.py measured into results.md and its plots: every number in them comes from the measurements."""

import os
import tempfile
from pathlib import Path

import numpy as np

NAMES = {  # in the order of the table
    "ours": "`helpers.softmax.train`",
    "numpy": "NumPy, converted to float32 beforehand",
    "numpy8": "NumPy, from bytes",
    "function": "`tf.function` step called from Python",
    "post": "the post's program (`compat.v1`, float64)",
    "keras100": "Keras `fit`, `steps_per_execution=100`",
    "keras": "Keras `fit`",
    "torch": "PyTorch, float32",
    "eager": "eager `GradientTape`",
    "sklearn": "scikit-learn `partial_fit`",
}
EXTRA = ("torch", "sklearn")  # not among the project's dependencies
ABSENT = 'not installed: pip install "ten-templates[bench]"'
BANDS = {"ours": (0.38, 0.43), "post": (0.18, 0.35)}  # test accuracy
IN_BATCH_SWEEP = ("ours", "numpy", "function", "post", "keras")
IN_COUNT_SWEEP = ("ours", "numpy", "keras")
WAYS = {
    "ours": "`load_data()`: six files verified, then mapped, pixels left as bytes; and the mean image",
    "keras": "Keras' way: pickles to one uint8 array, then float32 / 255",
    "post": "the post's way: pickles to float64, mean image subtracted",
}
FLOPS = 4 * 100 * 3_072 * 10  # a step of 100: forward and backward, a multiplication and an addition each
STYLES = {
    "ours": ("#0072B2", "o"), "numpy": ("#E69F00", "s"), "function": ("#009E73", "^"), "post": ("#D55E00", "D"),
    "keras": ("#CC79A7", "v"),
}  # fmt: skip
WHOLE = "a whole step of `train`, on one thread"
GOALS = {"limit": 3, "post": 4, "keras": 6, "memory": 800}


def spread(values, form: str = "{:.2f}") -> str:
    """Return the median and, in brackets, the smallest and largest of several values."""
    middle, low, high = (form.format(value) for value in (np.median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"


def plain(name: str) -> str:
    """Return a contender's label without Markdown."""
    return NAMES[name].replace("`", "")


def get(results: dict, table: str, key, field: str) -> list:
    """Return one field of all answers; an empty list if there are none."""
    replies = results["answers"].get((table, key), [])
    return [reply[field] for reply in replies if field in reply]


def limit_seconds(results: dict) -> np.ndarray:
    """Return, for each round, how long all steps would take at the rate of a large matrix product."""
    return results["plan"].steps * FLOPS / np.array(get(results, "limit", "limit", "flops"))


def reading_seconds(results: dict) -> np.ndarray:
    """Return, for each round, how long it would take to read the bytes of all batches once from memory."""
    return results["plan"].steps * 100 * 3_072 / np.array(get(results, "limit", "limit", "bytes"))


def ratio(results: dict, name: str, other=None) -> list[float]:
    """Return, for each round, a contender's seconds over those of another, or over the limit."""
    seconds = get(results, "steps", name, "seconds")
    below = limit_seconds(results) if other is None else get(results, "steps", other, "seconds")
    return list(np.array(seconds) / below) if len(seconds) == len(below) else []


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table, its first column to the left and the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main_table(results: dict) -> str:
    """Return the table of all contenders."""
    steps, rows = results["plan"].steps, []
    for name, label in NAMES.items():
        replies = results["answers"].get(("start", name))
        if not replies:
            continue
        if "absent" in replies[0]:
            rows.append([label, ABSENT, *[""] * 7])
            continue
        seconds = get(results, "steps", name, "seconds")
        (peak,), (accuracy,) = get(results, "check", name, "peak"), get(results, "check", name, "accuracy")
        against = ratio(results, name, "ours")
        rows.append([
            label, spread(seconds), f"{steps * 100 / np.median(seconds):,.0f}",
            f"{np.median(ratio(results, name)):.1f}", f"{np.median(against):.1f}" if against else "",
            spread(get(results, "start", name, "first")), spread(get(results, "start", name, "process")),
            "unknown" if peak is None else f"{peak:,.0f}", f"{accuracy:.1%}",
        ])  # fmt: skip
    limit = limit_seconds(results)
    rows.append(["*limit: the two matrix products at the machine's rate*", spread(limit, "{:.3f}"),
                 f"{steps * 100 / np.median(limit):,.0f}", "1.0", *[""] * 5])  # fmt: skip
    return table(
        ["", f"{steps:,} steps of 100, s", "images/s", "× limit", "× ours", "first step, s", "from process start, s",
         "peak MB", "test accuracy"], rows,
    )  # fmt: skip


def load_table(results: dict) -> str:
    rows = []
    for way, label in WAYS.items():
        if seconds := get(results, "load", way, "seconds"):
            peaks = [peak for peak in get(results, "load", way, "peak") if peak is not None]
            rows.append([label, spread(seconds), spread(peaks, "{:,.0f}") if peaks else "unknown"])
    return table(["", "s", "peak MB"], rows)


def program_table(results: dict) -> str:
    labels = {"ours": "ours: `load_data`, `train`, `evaluate`", "post": "the post's"}
    rows = []
    for way, label in labels.items():
        if seconds := get(results, "program", way, "seconds"):
            peaks = [peak for peak in get(results, "program", way, "peak") if peak is not None]
            accuracy = np.median(get(results, "program", way, "accuracy"))
            rows.append([label, spread(seconds, "{:.1f}"), spread(peaks, "{:,.0f}") if peaks else "unknown",
                         f"{accuracy:.1%}"])  # fmt: skip
    return table(["", "s", "peak MB", "test accuracy"], rows)


def per_image(results: dict, name: str, batch_size: int) -> np.ndarray:
    """Return the microseconds an image of each round."""
    steps = results["plan"].batch_sizes[batch_size]
    return np.array(get(results, "batch", (name, batch_size), "seconds")) * 1e6 / (steps * batch_size)


def batch_table(results: dict) -> str:
    sizes = list(results["plan"].batch_sizes)
    rows = [
        [NAMES[name], *(f"{np.median(per_image(results, name, size)):,.2f}" for size in sizes)]
        for name in IN_BATCH_SWEEP if ("start", name) in results["answers"]
    ]  # fmt: skip
    return table(["µs an image", *(f"batch {size:,}" for size in sizes)], rows)


def count_table(results: dict) -> str:
    counts = results["plan"].counts
    rows = [
        [NAMES[name], *(f"{np.median(get(results, 'count', (name, n), 'seconds')):.2f}" for n in counts)]
        for name in IN_COUNT_SWEEP if ("start", name) in results["answers"]
    ]  # fmt: skip
    return table([f"s for {results['plan'].steps:,} steps", *(f"{n:,} images" for n in counts)], rows)


def curve(results: dict, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (rounds, points) seconds and the points' test accuracies, the median over the rounds."""
    points = np.array(get(results, "curve", name, "points"))
    return points[:, :, 0], np.median(points[:, :, 1], axis=0)


def curve_table(results: dict) -> str:
    plan, rows = results["plan"], []
    whats = {
        "ours": [f"ours, {steps:,} steps" for steps in plan.our_steps],
        "keras": [f"Keras at its defaults, epoch {number + 1}" for number in range(plan.keras_epochs)],
    }
    for name, labels in whats.items():
        if ("curve", name) in results["answers"]:
            seconds, accuracies = curve(results, name)
            for label, column, accuracy in zip(labels, seconds.T, accuracies, strict=True):
                rows.append([label, spread(column), f"{accuracy:.1%}"])
    return table(["", "s", "test accuracy"], rows)


def parts_of(results: dict) -> tuple[dict, list, float]:
    """Return the parts {name: ms in each round}, the whole step's ms, and what the parts leave unexplained."""
    (reply,) = results["answers"]["parts", "ours"]
    parts = dict(reply["parts"])
    whole = parts.pop(WHOLE)
    return parts, whole, np.median(whole) - sum(map(np.median, parts.values()))


def parts_table(results: dict) -> str:
    parts, whole, rest = parts_of(results)
    step = np.median(whole)
    rows = [
        [name, spread(parts[name], "{:.3f}"), f"{np.median(parts[name]) / step:.0%}"]
        for name in sorted(parts, key=lambda name: -np.median(parts[name]))
    ]
    rows.append(["not explained by the parts", f"{rest:.3f}", f"{rest / step:.0%}"])
    rows.append([WHOLE, spread(whole, "{:.3f}"), "100%"])
    return table(["", "ms a step", "share"], rows)


def goals(results: dict) -> list[str]:
    """Return a sentence for each goal: met or not, and by how much."""

    def sentence(met: bool, text: str) -> str:
        return f"- **{'Met' if met else 'Not met'}**: {text}"

    steps, lines = f"{results['plan'].steps:,} steps of 100", []
    value = np.median(ratio(results, "ours"))
    lines.append(sentence(value <= GOALS["limit"], f"{steps} take {value:.1f} times the limit; the goal is at most "
                          f"{GOALS['limit']}. Where the floor is, and why, stands in the notes below."))  # fmt: skip
    for name, what in (("post", "the post's session loop"), ("keras", "Keras `fit`")):
        if against := ratio(results, name, "ours"):
            value = np.median(against)
            lines.append(sentence(value >= GOALS[name], f"they are {value:.1f} times as fast as {what}; the goal is "
                                  f"at least {GOALS[name]}."))  # fmt: skip
    (peak,) = get(results, "kernel", "ours", "peak")
    if peak is not None:
        lines.append(sentence(peak < GOALS["memory"], f"a notebook kernel that loads the full set, trains and tests "
                              f"peaks at {peak:,.0f} MB ({peak / 1.048576:,.0f} MiB); the goal is under "
                              f"{GOALS['memory']} MB."))  # fmt: skip
    return lines


def notes(results: dict) -> list[str]:
    """Return what the limit and the parts of a step say about where the time goes."""
    limit, reading = np.median(limit_seconds(results)), np.median(reading_seconds(results))
    flops, width = (np.median(get(results, "limit", "limit", field)) for field in ("flops", "bytes"))
    lines = [
        f"- The limit: {FLOPS / 1e6:.1f} million float32 operations a step, at the {flops / 1e9:.0f} billion a second "
        "of NumPy's matrix product here (1024 × 1024, all threads; the best of 40 in each "
        "round, so that a busy moment does not raise the limit). Copying a large array moves "
        f"{width / 1e9:.1f} GB/s, read and written; to read the batches' bytes once would take {reading:.3f} s, "
        f"the arithmetic {limit:.3f} s."
    ]
    if ("parts", "ours") in results["answers"]:
        parts, whole, rest = parts_of(results)
        step, at_rate = np.median(whole), FLOPS / flops * 1e3
        products = sum(np.median(values) for name, values in parts.items() if "product" in name)
        others = sorted((name for name in parts if "product" not in name), key=lambda name: -np.median(parts[name]))
        listed = ", ".join(f"{name} {np.median(parts[name]):.3f} ms" for name in others[:3])
        times, cores = "times the limit, which counts on all cores", results["cores"]
        (reply,) = results["answers"]["in a row", "ours"]
        clock, processor = np.median(reply["clock"]), np.median(reply["processor"])
        lines += [
            f"- The parts add up to {step - rest:.3f} ms of the {step:.3f} ms of a step on one thread "
            f"({1 - rest / step:.0%}): what lies between them, TensorFlow's executor and the caches, is the rest. "
            f"After the products the largest are {listed}.",
            f"- The floor: TensorFlow's two products of this shape alone, nothing else, take {products:.3f} ms on one "
            f"thread, {products / at_rate:.1f} {times}. The whole step takes {step / at_rate:.1f} {times}. "
            f"Shared among {min(2, cores)} without any loss, a step would take {step / min(2, cores):.3f} ms, "
            f"{step / min(2, cores) / at_rate:.1f} times the limit.",
            f"- What sharing costs: with its own threads `train` takes {clock:.3f} ms a step in runs straight one "
            f"after another, {clock / at_rate:.1f} times the limit, and {processor:.3f} ms of processor time on all "
            f"cores together instead of the {step:.3f} on one thread: threads wait for one another and share one "
            "memory.",
            "- The limit is the best of many products in a row. In the table above, a run comes once in a round, after "
            "other programs have had the cores and their caches, as when a learner runs a cell: "
            f"{np.median(ratio(results, 'ours')):.1f} times the limit.",
        ]
    return lines


def plain_numbers(axis) -> None:
    """Label a logarithmic axis with 0.1, 0.2, 0.5, 1, 2 and so on, not with powers of ten."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:,g}")


def plot_steps(results: dict, plt) -> tuple:
    names = [name for name in NAMES if get(results, "steps", name, "seconds")]
    names.sort(key=lambda name: -np.median(get(results, "steps", name, "seconds")))
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for row, name in enumerate(names):
        seconds = get(results, "steps", name, "seconds")
        middle = np.median(seconds)
        reach = [[middle - min(seconds)], [max(seconds) - middle]]
        axes.barh(row, middle, xerr=reach, color="#0072B2" if name == "ours" else "#BBBBBB", ecolor="black", capsize=3)
        axes.annotate(f"{middle:.2f} s", (max(seconds), row), (5, 0), textcoords="offset points", va="center")
    limit = np.median(limit_seconds(results))
    axes.axvline(limit, color="black", linestyle="--")
    axes.annotate(
        "limit", (limit, 1), (4, -2), xycoords=("data", "axes fraction"), textcoords="offset points", va="top"
    )
    axes.set(xscale="log", xlabel=f"seconds for {results['plan'].steps:,} steps of 100 images (logarithmic)",
             yticks=range(len(names)), yticklabels=[plain(name) for name in names])  # fmt: skip
    axes.set_xlim(right=3 * max(max(get(results, "steps", name, "seconds")) for name in names))
    plain_numbers(axes.xaxis)
    listed = "; ".join(
        f"{NAMES[n].replace('`', '')} {np.median(get(results, 'steps', n, 'seconds')):.2f}" for n in names
    )
    return figure, f"Bars: seconds for the steps, slowest first: {listed}. A dashed line marks the limit, {limit:.3f}."


def plot_cost(results: dict, plt) -> tuple:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    sizes, counts = list(results["plan"].batch_sizes), list(results["plan"].counts)
    lowest = {}
    for name, (colour, marker) in STYLES.items():
        if ("start", name) not in results["answers"]:
            continue
        style, label = {"color": colour, "marker": marker}, plain(name)
        if name in IN_BATCH_SWEEP:
            middle = [np.median(per_image(results, name, size)) for size in sizes]
            lowest[name] = f"{label} from {middle[0]:,.0f} to {middle[-1]:,.1f}"
            left.plot(sizes, middle, label=label, **style)
        if name in IN_COUNT_SWEEP:
            seconds = [np.median(get(results, "count", (name, n), "seconds")) for n in counts]
            right.plot(counts, seconds, **style)
    left.set(xscale="log", yscale="log", xlabel="images a batch", ylabel="µs an image")
    right.set(xscale="log", yscale="log", xlabel="images in the training set",
              ylabel=f"seconds for {results['plan'].steps:,} steps")  # fmt: skip
    for axes, values in ((left, sizes), (right, counts)):
        axes.set_xticks(values, [f"{value:,}" for value in values])
        axes.set_xticks([], minor=True)
        plain_numbers(axes.yaxis)
    figure.legend(loc="outside upper center", ncols=2, fontsize=9)
    return figure, (
        f"Left: microseconds an image against batch size, {sizes[0]:,} to {sizes[-1]:,}: {'; '.join(lowest.values())}. "
        "Right: seconds for the steps against the size of the training set; the table below has the numbers."
    )


def plot_accuracy(results: dict, plt) -> tuple:
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    ends = []
    for name, label in (("ours", "ours, each point a run of its own"), ("keras", "Keras at its defaults, each epoch")):
        if ("curve", name) in results["answers"]:
            seconds, accuracies = curve(results, name)
            middle = np.median(seconds, axis=0)
            reach = [middle - seconds.min(axis=0), seconds.max(axis=0) - middle]
            colour, marker = STYLES[name]
            axes.errorbar(middle, 100 * accuracies, xerr=reach, color=colour, marker=marker, capsize=3, label=label)
            ends.append(
                f"{label}: {accuracies[0]:.1%} after {middle[0]:.2f} s, {accuracies[-1]:.1%} after {middle[-1]:.2f} s"
            )
    axes.set(xscale="log", xlabel="seconds of training (logarithmic)", ylabel="test accuracy, %")
    plain_numbers(axes.xaxis)
    axes.legend()
    return figure, f"Test accuracy against time. {'. '.join(ends)}."


def text_of(results: dict, alts: dict) -> str:
    """Return the page."""
    plan, answers = results["plan"], results["answers"]
    before, after = results["load"]
    stamp = " · ".join(f"{name} {value}" for name, value in results["environment"].items())
    turns = f"{plan.rounds} rounds" if plan.rounds > 1 else "one round"
    parts = [
        "# How fast is the trainer?",
        "Written by `make bench` from its measurements; do not edit.",
        f"{stamp}.",
        f"The run took {results['minutes']:.0f} minutes. "
        + ("" if before is None else f"Load of the machine: {before:.1f} before, {after:.1f} at the end. ")
        + ("" if results["at_once"] == 1 else "**A trial: two processes at once, so no time here says anything.** ")
        + ("" if before is None or before < 0.5 * results["cores"] else "**The machine was busy when this began: "
           "measure again when it is quiet, before you believe a time or a goal here.** ")
        + "A number is a median; in brackets, the smallest and the largest.",
        f"## {plan.steps:,} steps of 100 images",
        main_table(results),
        f"![{alts['steps']}](steps.png)",
        f"Each contender is a process of its own; they take turns over {turns}, and ratios are taken "
        "within a round. Same images, mean image subtracted, divided by 255; same batches (Keras shuffles for itself); "
        "learning rate 0.3 falling to 0. The post's program keeps its own setting (pixels to 255, rate 0.005, "
        "images drawn afresh), so its accuracy is its own. scikit-learn steps once an image, one classifier a class. "
        "Each learns from zero weights, and its test accuracy must lie in the band for this model, or nothing is "
        f"written: {BANDS['ours'][0]:.0%} to {BANDS['ours'][1]:.0%}, the post's "
        f"{BANDS['post'][0]:.0%} to {BANDS['post'][1]:.0%}. "
        "*First step*: from data in memory to the end of the first step (of the first 100 with "
        "`steps_per_execution=100`), tracing included, import and loading not. *From process start*: all included. "
        "*Peak*: the largest resident memory after loading, training and one step before, 1 MB being 10⁶ bytes. "
        "Only ours and Keras keep the loss and the accuracy of each step; the others do that much less.",
        "## Goals",
        "\n".join(goals(results)) if "ours" in {key for _, key in answers} else "",
        "## What a step is spent on",
    ]  # fmt: skip
    if ("parts", "ours") in answers:
        (reply,) = answers["parts", "ours"]
        parts += [
            parts_table(results),
            "Each part in a graph loop of its own, less the loop without it, on one thread, so that parts do not "
            f"overlap. The weights lie as in `train`: ({', '.join(map(str, reply['layout']))}).",
        ]
    parts += [
        "\n".join(notes(results)),
        "## Loading the data",
        load_table(results),
        "Both training and test set, a fresh process each time, the files in the system's cache, imports not counted. "
        "The pickles are written for this run from the verified arrays, so reading them is safe. Download and "
        "unpacking are left out everywhere. `load_data` converts nothing: that falls to each batch, and is "
        "part of the seconds above.",
        "## Whole program",
        program_table(results),
        f"From the start of the process to the test accuracy, with {plan.steps:,} steps of 100.",
        "## Cost against batch size and training-set size",
        f"![{alts['cost']}](cost.png)",
        batch_table(results),
        count_table(results),
        "## Accuracy against time",
        f"![{alts['accuracy']}](accuracy.png)",
        curve_table(results),
        "Time is training alone. Each of our points is a whole run, its learning rate falling to 0; Keras' points are "
        "the epochs of one run with nothing chosen: `compile(loss=...)`, `fit(x, y)`, so rmsprop, 32 images a batch.",
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def write(results: dict, folder: Path) -> None:
    """Write the plots and, last, results.md into `folder`, each in one move."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=folder) as work, plt.rc_context({"font.size": 11}):
        alts = {}
        for name, plot in {"steps": plot_steps, "cost": plot_cost, "accuracy": plot_accuracy}.items():
            figure, alts[name] = plot(results, plt)
            figure.savefig(Path(work) / f"{name}.png", dpi=110, metadata={"Software": None})
            plt.close(figure)
        (Path(work) / "results.md").write_text(text_of(results, alts), encoding="utf-8")
        for name in (*(f"{name}.png" for name in alts), "results.md"):
            os.replace(Path(work) / name, folder / name)
