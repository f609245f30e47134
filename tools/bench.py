"""Measure the trainer and the loader beside what a learner would use instead, and write docs/measurements/speed.md.

`make bench` runs it, on an idle machine. In each round every contender is a process of its own, and they take turns, so
that a busy moment hits all of them. BENCH_PYTHON names a Python that has PyTorch; without it PyTorch is left out.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
from matplotlib.ticker import LogLocator, NullLocator
from numpy._core._multiarray_umath import __cpu_features__
from tqdm import tqdm

from helpers import load_data, mean_image
from helpers.figures import describe, in_series_style, new_figure, png
from helpers.softmax import batch_indices, tf
from tools.contenders import BATCH, BATCHES, RATE

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = Path(__file__).with_name("speed_page.txt")
FLOPS = 4 * BATCH * 3_072 * 10  # of a step: forward and backward, a multiplication and an addition each
NAMES = {
    "ours": "helpers.train", "function": "tf.function step", "post": "the post's program (compat.v1)",
    "keras": "Keras fit", "torch": "PyTorch",
}  # fmt: skip
# What is measured: the words for it, the contender, oneDNN on or off (NumPy has none).
VARIANTS = {f"{NAMES[name]}, oneDNN {'on' if onednn else 'off'}": (name, onednn) for name in NAMES for onednn in (1, 0)}
VARIANTS |= {"NumPy, float32 beforehand": ("numpy", 1), "NumPy, from bytes": ("bytes", 1)}
OURS, WITHOUT = "helpers.train, oneDNN on", "helpers.train, oneDNN off"
INSTRUCTIONS = next((name for name in ("AVX512F", "AVX2") if __cpu_features__.get(name)), platform.machine())

CLOCK = "import time; begun = time.perf_counter()\n"
FIRST_DATA = f"{CLOCK}from helpers import load_data; load_data()\nprint(time.perf_counter() - begun)"
FIRST_STEP = f"""from helpers import load_data
data = load_data()
{CLOCK}from helpers import train
train(data.images_train, data.labels_train, steps=1, progress=False)
print(time.perf_counter() - begun)"""


def python(*arguments: str, executable: str = sys.executable, **environ: str) -> subprocess.CompletedProcess:
    """Run a Python of its own; raise `RuntimeError`, with its last words, where it fails."""
    unwanted = {"TF_ENABLE_ONEDNN_OPTS", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"}  # the last two slow NumPy
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    done = subprocess.run([executable, *arguments], capture_output=True, text=True, cwd=ROOT, env=kept | environ)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} stopped with code {done.returncode}:\n{done.stderr[-3_000:]}")
    return done


def contend(label: str, work: Path, steps: int) -> dict:
    """Return what a contender took; raise `RuntimeError` where it learned something else."""
    name, onednn = VARIANTS[label]
    executable = os.environ.get("BENCH_PYTHON", sys.executable) if name == "torch" else sys.executable
    arguments = ("-m", "tools.contenders", name, str(work), str(steps))
    said = python(*arguments, executable=executable, TF_ENABLE_ONEDNN_OPTS=str(onednn)).stdout
    found = json.loads(said.splitlines()[-1])
    low, high = (0.18, 0.35) if name == "post" else (0.38, 0.43)
    if found and not low <= found["accuracy"] <= high:
        raise RuntimeError(f"{label} scores {found['accuracy']:.3f} on the test set, outside {low} to {high}: "
                           "it computes something else. Nothing was written.")  # fmt: skip
    return found


def prepare(work: Path) -> None:
    """Write what the contenders share: the data, the mean image and the batches that `train` draws."""
    data = load_data()
    shared = {"images": data.images_train, "labels": data.labels_train, "mean": mean_image(data.images_train)}
    shared |= {"images_test": data.images_test, "labels_test": data.labels_test}
    for size, steps in BATCHES.items():
        shared[str(size)] = batch_indices(50_000, size, "epochs", 0, 0, 1_000 if size == BATCH else steps)
    for name, values in shared.items():
        np.save(work / f"{name}.npy", values)


def open_lab() -> float:
    """Return the seconds from starting JupyterLab, as `make lab` does, to notebook 1 in a browser, ready to run."""
    from tests.browser import browser, jupyterlab, open_notebook

    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        notebook = Path(folder, "first.ipynb")
        notebook.write_bytes(next((ROOT / "notebooks").glob("01*.ipynb")).read_bytes())
        page, begun = chromium.new_page(), time.perf_counter()
        with jupyterlab(Path(folder)) as address:
            open_notebook(page, address, notebook.name)
            return time.perf_counter() - begun


THINGS = {
    "`from helpers import load_data` to arrays": lambda: float(python("-c", FIRST_DATA).stdout),
    "`from helpers import train` to the first step": lambda: float(python("-c", FIRST_STEP).stdout),
    "starting JupyterLab to notebook 1, ready to run": open_lab,
}


def environment() -> str:
    """Describe the machine; no names of hosts or people, no paths."""
    cpuinfo = Path("/proc/cpuinfo")  # of Linux
    model = re.search(r"model name\s*: (.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    processor = f"{model[1] if model else platform.machine()} with {INSTRUCTIONS}, {os.cpu_count()} cores"
    libraries = f"numpy {np.__version__} · tensorflow {tf.__version__} · keras {tf.keras.__version__}"
    return f"{date.today()} · {processor} · {platform.system()} · {libraries} · Python {platform.python_version()}"


def measure(labels: Sequence[str], things: Sequence[str], rounds: int, steps: int) -> dict:
    """Take all measurements, with a progress bar, and return what `write` needs."""
    found = {"steps": steps, "before": os.getloadavg()[0], "runs": {}, "things": {}}
    greeting = python("-c", "import tensorflow", TF_CPP_MIN_LOG_LEVEL="0").stderr
    found["default"] = "on" if "oneDNN custom operations are on" in greeting else "off"
    with (
        tempfile.TemporaryDirectory(prefix="ten-templates-bench-") as work,
        tqdm(total=rounds * (len(labels) + len(things)), desc="Measuring", unit="job") as bar,
    ):
        prepare(Path(work))
        for number in range(rounds):
            for label in [*labels[number:], *labels[:number]]:
                bar.set_description(f"Round {number + 1}, {label}")
                if run := contend(label, Path(work), steps):
                    found["runs"].setdefault(label, []).append(run)
                bar.update()
            for thing in things:
                bar.set_description(f"Round {number + 1}, first things")
                found["things"].setdefault(thing, []).append(THINGS[thing]())
                bar.update()
    return found | {"after": os.getloadavg()[0]}


def each(found: dict, what: str) -> dict[str, np.ndarray]:
    """Return what each contender took in each round, of those for which it was measured."""
    return {label: np.array([run[what] for run in runs]) for label, runs in found["runs"].items() if what in runs[0]}


def limits(found: dict) -> np.ndarray:
    """Return, for each round, the seconds that the products of all steps would take at the machine's best rate."""
    return found["steps"] * FLOPS / each(found, "rate")[OURS]


def spread(values, form: str = "{:.2f}") -> str:
    """Return the median and, in brackets, the smallest and largest of several values."""
    middle, low, high = (form.format(value) for value in (np.median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table, its first column to the left and the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def goals(found: dict) -> str:
    """Return a line for each goal: met or not, and by how much; ratios are taken within a round."""
    ratios = {
        label: np.median(seconds / each(found, "seconds")[OURS]) for label, seconds in each(found, "seconds").items()
    }
    times, most = 1 / np.median(limits(found) / each(found, "seconds")[OURS]), 3 if INSTRUCTIONS == "AVX512F" else 5
    others = {label: ratio for label, ratio in ratios.items() if label not in (OURS, WITHOUT)}
    best = min(others, key=others.get)
    cost = {size: np.median(each(found, f"cost {size}")[OURS]) for size in BATCHES}
    large = max(cost[1_000], cost[10_000]) / cost[100]
    lines = [
        (times <= most, f"{times:.1f} times the limit; the goal is at most {most} with {INSTRUCTIONS}."),
        (others[best] >= 1.5, f"{others[best]:.1f} times as fast as the next best, {best}; the goal is at least 1.5."),
        (ratios[WITHOUT] <= 1.5, f"without oneDNN {ratios[WITHOUT]:.1f} times as long; the goal is at most 1.5."),
        (large <= 1.1, f"an image in a large batch costs {large:.2f} times one in a batch of 100; the goal is 1.1."),
    ]
    return "\n".join(f"- **{'Met' if met else 'Not met'}**: {text}" for met, text in lines)


@in_series_style
def draw(found: dict):
    """Return two figures: a bar for each contender, the slowest first; what an image costs against its batch's size."""
    middles = {label: np.median(seconds) for label, seconds in each(found, "seconds").items()}
    order = sorted(middles, key=middles.get, reverse=True)
    bars, axis = new_figure(height=5.0)
    colours = ["#0072B2" if label in (OURS, WITHOUT) else "#BBBBBB" for label in order]
    drawn = axis.barh(order, [middles[label] for label in order], color=colours)
    axis.bar_label(drawn, fmt="{:.2f} s", padding=4)
    axis.axvline(np.median(limits(found)), color="black", linestyle="--", label="the limit")
    axis.set(xscale="log", xlabel=f"seconds for {found['steps']:,} steps of {BATCH} images (dashed: the limit)")
    axis.set_xlim(right=3 * max(middles.values()))
    curves, cost = new_figure()
    costs = {size: each(found, f"cost {size}") for size in BATCHES}
    for label, marker in zip(costs[BATCH], "os^v", strict=False):
        cost.plot(list(BATCHES), [np.median(costs[size][label]) for size in BATCHES], marker=marker, label=label)
    cost.set(xscale="log", yscale="log", xlabel="batch size", ylabel="microseconds an image")
    cost.legend()
    for each_axis, digits in ((axis.xaxis, (1, 2, 5)), (cost.yaxis, (1, 2, 5)), (cost.xaxis, (1,))):
        each_axis.set_major_locator(LogLocator(subs=digits, numticks=20))
        each_axis.set_minor_locator(NullLocator())
        each_axis.set_major_formatter("{x:,g}")
    return bars, curves


def write(found: dict, folder: Path) -> str:
    """Write the page and its two plots into `folder`; return the page."""
    figures, at_best = draw(found), limits(found)
    peak, first, accuracy = (each(found, what) for what in ("peak", "first", "accuracy"))
    rows = [
        [label, spread(seconds), f"{np.median(seconds / at_best):.1f}", f"{np.median(first[label]):.2f}",
         f"{np.median(peak[label]):,.0f}", f"{np.median(accuracy[label]):.1%}"]
        for label, seconds in each(found, "seconds").items()
    ]  # fmt: skip
    head = ["", f"{found['steps']:,} steps of {BATCH}, s", "× limit", "first step, s", "peak MiB", "test accuracy"]
    profiles = [run["parts"] for run in found["runs"][OURS]]
    parts = {name: [profile.get(name, 0.0) for profile in profiles] for name in set().union(*profiles)}
    longest = sorted(parts, key=lambda name: -np.median(parts[name]))[:10]
    products = sum(np.median(values) for name, values in parts.items() if name.startswith("MatMul"))
    costs = {size: each(found, f"cost {size}") for size in BATCHES}
    page = TEMPLATE.read_text(encoding="utf-8").format(
        **found, environment=environment(), batch=BATCH, rate=RATE, goals=goals(found), products=products,
        floor=products / 2 * found["steps"] / 1e3 / np.median(at_best),
        steps_alt=describe(figures[0]), cost_alt=describe(figures[1]),
        absent="" if "PyTorch, oneDNN on" in found["runs"] else " PyTorch is left out, since it is not installed.",
        steps_table=table(head, [*rows, ["*limit*", spread(at_best, "{:.3f}"), "1.0", "", "", ""]]),
        parts_table=table(["", "ms a step"], [[f"`{name}`", spread(parts[name], "{:.3f}")] for name in longest]),
        cost_table=table(["µs an image", *(f"batch {size:,}" for size in BATCHES)],
                         [[label, *(spread(costs[size][label]) for size in BATCHES)] for label in costs[BATCH]]),
        things_table=table(["", "s"], [[thing, spread(seconds)] for thing, seconds in found["things"].items()]),
    )  # fmt: skip
    for name, figure in zip(("steps", "cost"), figures, strict=True):
        (folder / f"speed-{name}.png").write_bytes(png(figure))
    (folder / "speed.md").write_text(page, encoding="utf-8")
    return page


if __name__ == "__main__":
    try:
        page = write(measure(list(VARIANTS), list(THINGS), 5, 1_000), ROOT / "docs" / "measurements")
        print(page.partition("## What")[0])
    except KeyboardInterrupt:
        sys.exit("Stopped; nothing was written.")
    except RuntimeError as error:
        sys.exit(str(error))
