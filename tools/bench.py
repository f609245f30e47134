"""Measure the trainer and the loader beside what a learner would use instead, and write docs/measurements/speed.md.

`make bench` runs it, on an idle machine. In each round every contender is a process of its own, and they take turns, so
that a busy moment hits all of them. BENCH_PYTHON names a Python that has PyTorch; without it PyTorch is left out. With
--quick it is a short trial, good for no number.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from matplotlib.ticker import LogLocator, NullLocator
from tqdm import tqdm

from helpers import load_data, mean_image
from helpers.figures import describe, in_series_style, new_figure, png
from tools.contenders import BATCH, BATCHES, RATE, swept
from tools.memory import memory_of

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "measurements" / "speed.md"
TEMPLATE = Path(__file__).with_name("speed_page.txt")
FLOPS = 4 * BATCH * 3_072 * 10  # of a step: forward and backward, a multiplication and an addition each
NAMES = {
    "ours": "helpers.train", "numpy": "NumPy, float32 beforehand", "bytes": "NumPy, from bytes",
    "function": "tf.function step", "post": "the post's program (compat.v1)", "keras": "Keras fit",
    "torch": "PyTorch",
}  # fmt: skip
LIBRARIES = {"ours", "function", "post", "keras", "torch"}  # run with oneDNN and without
BANDS = {"post": (0.18, 0.35)}  # test accuracy; of all others:
BAND = (0.38, 0.43)

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


def contend(variant: tuple[str, bool], work: Path, steps: int) -> dict:
    """Return what a contender took, with oneDNN or without; raise `RuntimeError` where it learned something else."""
    name, onednn = variant
    executable = os.environ.get("BENCH_PYTHON", sys.executable) if name == "torch" else sys.executable
    arguments = ("-m", "tools.contenders", name, str(work), str(steps))
    said = python(*arguments, executable=executable, TF_ENABLE_ONEDNN_OPTS=str(int(onednn))).stdout
    found = json.loads(said.splitlines()[-1])
    low, high = BANDS.get(name, BAND)
    if found and not low <= found["accuracy"] <= high:
        raise RuntimeError(f"{name} scores {found['accuracy']:.3f} on the test set, outside {low} to {high}: "
                           "it computes something else. Nothing was written.")  # fmt: skip
    return found


def prepare(work: Path) -> None:
    """Write what the contenders share: the data, the mean image and the batches that `train` draws."""
    from helpers.softmax import batch_indices

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


def share_memory(count: int) -> float:
    """Return each process's proportional share of memory, in MiB, where `count` of them hold the data, all read."""
    code = "import sys; from helpers import load_data\nassert load_data().images_train.max()\nprint(); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": ROOT}
    with contextlib.ExitStack() as stack:
        processes = [subprocess.Popen([sys.executable, "-uc", code], **pipes) for _ in range(count)]
        for process in processes:
            stack.callback(process.communicate)
        for process in processes:
            process.stdout.readline()
        return memory_of([process.pid for process in processes]).proportional / count


def processor() -> tuple[str, str]:
    """Return the processor's name and the widest vector instructions that it has, as far as Linux says."""
    try:
        said = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine(), "unknown instructions"
    model = next((line.partition(":")[2].strip() for line in said.splitlines() if line.startswith("model name")), "")
    widest = [name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in said.split()]
    return model or platform.machine(), (widest or ["AVX"])[0]


def environment() -> str:
    """Describe the machine; no names of hosts or people, no paths."""
    found = [date.today().isoformat(), f"{' with '.join(processor())}, {os.cpu_count()} cores", platform.system()]
    for package in ("numpy", "tensorflow-cpu", "tensorflow", "keras"):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return " · ".join([*found, f"Python {platform.python_version()}"])


def measure(names: list[str], rounds: int, steps: int, crowd: int) -> dict:
    """Take all measurements, with a progress bar, and return what `page` needs."""
    variants = [(name, onednn) for name in names for onednn in ((True, False) if name in LIBRARIES else (True,))]
    found = {"steps": steps, "before": os.getloadavg()[0], "runs": {}, "things": {}}
    greeting = python("-c", "import tensorflow", TF_CPP_MIN_LOG_LEVEL="0").stderr
    found["default"] = "on" if "oneDNN custom operations are on" in greeting else "off"
    with (
        tempfile.TemporaryDirectory(prefix="ten-templates-bench-") as work,
        tqdm(total=rounds * (len(variants) + len(THINGS)) + 1, desc="Measuring", unit="job") as bar,
    ):
        prepare(Path(work))
        for number in range(rounds):
            for variant in variants[number:] + variants[:number]:
                bar.set_description(f"Round {number + 1}, {variant[0]}")
                if run := contend(variant, Path(work), steps):
                    found["runs"].setdefault(variant, []).append(run)
                bar.update()
            for thing, seconds in THINGS.items():
                bar.set_description(f"Round {number + 1}, first things")
                with contextlib.suppress(ImportError):  # no Playwright: this one is left out
                    found["things"].setdefault(thing, []).append(seconds())
                bar.update()
        found["memory"] = {count: share_memory(count) for count in (1, crowd)}
        bar.update()
    return found | {"after": os.getloadavg()[0]}


def each(found: dict, variant: tuple[str, bool], what: str) -> np.ndarray:
    """Return what a contender took in each round."""
    return np.array([run[what] for run in found["runs"][variant]])


def limits(found: dict) -> np.ndarray:
    """Return, for each round, the seconds that the products of all steps would take at the machine's best rate."""
    return found["steps"] * FLOPS / each(found, ("ours", True), "rate")


def spread(values, form: str = "{:.2f}") -> str:
    """Return the median and, in brackets, the smallest and largest of several values."""
    middle, low, high = (form.format(value) for value in (np.median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table, its first column to the left and the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def label(variant: tuple[str, bool]) -> str:
    name, onednn = variant
    return NAMES[name] + ("" if name not in LIBRARIES else ", oneDNN on" if onednn else ", oneDNN off")


def goals(found: dict) -> str:
    """Return a line for each goal: met or not, and by how much; ratios are taken within a round."""
    seconds = {variant: each(found, variant, "seconds") for variant in found["runs"]}
    mine, instructions = seconds.pop(("ours", True)), processor()[1]
    times, without = np.median(mine / limits(found)), np.median(seconds.pop(("ours", False)) / mine)
    others = {variant: np.median(values / mine) for variant, values in seconds.items()}
    best = min(others, key=others.get)
    cost = {size: np.median(each(found, ("ours", True), f"cost {size}")) for size in BATCHES}
    worst, most = max(cost[1_000], cost[10_000]) / cost[100], 3 if instructions == "AVX-512" else 5
    lines = {
        f"{times:.1f} times the limit; the goal is at most {most} with {instructions}.": times <= most,
        f"{others[best]:.1f} times as fast as the next best, {label(best)}; the goal is at least 1.5.": (
            others[best] >= 1.5
        ),
        f"without oneDNN {without:.1f} times as long; the goal is at most 1.5.": without <= 1.5,
        f"an image in a large batch costs {worst:.2f} times what it does in one of 100; the goal is 1.1.": worst <= 1.1,
    }
    return "\n".join(f"- **{'Met' if met else 'Not met'}**: {text}" for text, met in lines.items())


@in_series_style
def draw(found: dict):
    """Return two figures: a bar for each contender, the slowest first; what an image costs against its batch's size."""
    middles = {variant: np.median(each(found, variant, "seconds")) for variant in found["runs"]}
    order = sorted(middles, key=middles.get, reverse=True)
    bars, axis = new_figure(height=5.0)
    colours = ["#0072B2" if variant[0] == "ours" else "#BBBBBB" for variant in order]
    drawn = axis.barh([label(variant) for variant in order], [middles[variant] for variant in order], color=colours)
    axis.bar_label(drawn, fmt="{:.2f} s", padding=4)
    axis.axvline(np.median(limits(found)), color="black", linestyle="--", label="the limit")
    axis.set(xscale="log", xlabel=f"seconds for {found['steps']:,} steps of {BATCH} images (dashed: the limit)")
    axis.set_xlim(right=3 * max(middles.values()))
    curves, cost = new_figure()
    for variant, marker in zip([variant for variant in found["runs"] if swept(variant)], "os^v", strict=False):
        costs = [np.median(each(found, variant, f"cost {size}")) for size in BATCHES]
        cost.plot(list(BATCHES), costs, marker=marker, label=NAMES[variant[0]])
    cost.set(xscale="log", yscale="log", xlabel="batch size", ylabel="microseconds an image")
    cost.legend()
    for each_axis in (axis.xaxis, cost.yaxis):
        each_axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
        each_axis.set_minor_locator(NullLocator())
        each_axis.set_major_formatter("{x:,g}")
    return bars, curves


def page(found: dict, alts: list[str]) -> str:
    """Return the page; `alts` are the alt texts of its two plots."""
    mine, runs, at_best = ("ours", True), found["runs"], limits(found)
    rows = [
        [
            label(variant),
            spread(each(found, variant, "seconds")),
            f"{np.median(each(found, variant, 'seconds') / at_best):.1f}",
            f"{np.median(each(found, variant, 'first')):.2f}",
            f"{np.median(each(found, variant, 'peak')):,.0f}",
            f"{np.median(each(found, variant, 'accuracy')):.1%}",
        ]
        for variant in runs
    ]
    head = ["", f"{found['steps']:,} steps of {BATCH}, s", "× limit", "first step, s", "peak MiB", "test accuracy"]
    profiles = each(found, mine, "parts")
    parts = {name: [profile.get(name, 0.0) for profile in profiles] for name in set().union(*profiles)}
    longest = sorted(parts, key=lambda name: -np.median(parts[name]))[:10]
    floor = sum(np.median(values) for name, values in parts.items() if "MatMul" in name)
    costs = [
        [NAMES[variant[0]], *(spread(each(found, variant, f"cost {size}")) for size in BATCHES)]
        for variant in filter(swept, runs)
    ]
    shares = ["memory of each, proportionally, MiB", *(f"{value:.0f}" for value in found["memory"].values())]
    return TEMPLATE.read_text(encoding="utf-8").format(
        **found, environment=environment(), batch=BATCH, rate=RATE, goals=goals(found), floor=floor,
        floor_times=floor * found["steps"] / 1e3 / np.median(at_best), steps_alt=alts[0], cost_alt=alts[1],
        absent="" if ("torch", True) in runs else " PyTorch is left out, since it is not installed.",
        steps_table=table(head, [*rows, ["*limit*", spread(at_best, "{:.3f}"), "1.0", "", "", ""]]),
        parts_table=table(["", "ms a step"], [[f"`{name}`", spread(parts[name], "{:.3f}")] for name in longest]),
        cost_table=table(["µs an image", *(f"batch {size:,}" for size in BATCHES)], costs),
        things_table=table(["", "s"], [[thing, spread(seconds)] for thing, seconds in found["things"].items()]),
        memory_table=table(["processes", *map(str, found["memory"])], [shares]),
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round of everything: a trial")
    parser.add_argument("--only", metavar="NAME", action="append", choices=list(NAMES), help="only these contenders")
    parser.add_argument("--into", metavar="FOLDER", type=Path, default=PAGE.parent, help="write the page there")
    options = parser.parse_args(arguments)
    names = [name for name in NAMES if name in ("ours", "numpy", *(options.only or NAMES))]
    try:
        found = measure(names, *((1, 200, 3) if options.quick else (5, 1_000, 30)))
    except KeyboardInterrupt:
        print("Stopped; nothing was written.", file=sys.stderr)
        return 130
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    figures = draw(found)
    written = page(found, list(map(describe, figures)))
    for name, figure in zip(("speed-steps.png", "speed-cost.png"), figures, strict=True):
        (options.into / name).write_bytes(png(figure))
    (options.into / PAGE.name).write_text(written, encoding="utf-8")
    print(f"{written.partition('## What')[0]}\nWritten: {options.into / PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
