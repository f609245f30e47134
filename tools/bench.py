"""Measure the trainer and the loader beside what a learner would use instead, and write docs/measurements/speed.md.

`make bench` runs it, on an idle machine. Each contender is a process of its own, and they take turns, a round after
the other, so that a busy moment hits all of them. BENCH_PYTHON names a Python that has PyTorch; without it PyTorch is
left out. With --quick it is a short trial, good for no number.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a contender runs by this file's path, in a Python that need not know the project
PAGE = ROOT / "docs" / "measurements" / "speed.md"
RATE, POST_RATE, BATCH = 0.3, 0.005, 100
FLOPS = 4 * BATCH * 3_072 * 10  # of a step: forward and backward, a multiplication and an addition each
NAMES = {
    "ours": "helpers.train", "numpy": "NumPy, float32 beforehand", "bytes": "NumPy, from bytes",
    "function": "tf.function step", "post": "the post's program (compat.v1)", "keras": "Keras fit",
    "torch": "PyTorch",
}  # fmt: skip
LIBRARIES = {"ours", "function", "post", "keras", "torch"}  # run with oneDNN and without
THINGS = {
    "data": "`from helpers import load_data` to arrays", "step": "`from helpers import train` to the first step",
    "lab": "starting JupyterLab to notebook 1, ready to run",
}  # fmt: skip
SWEPT = ("ours", "numpy", "function", "keras")
BANDS = {"post": (0.18, 0.35)}  # test accuracy; of all others:
BAND = (0.38, 0.43)
BATCHES = {1: 500, 10: 500, 100: 500, 1_000: 50, 10_000: 5}  # batch size: steps that are timed


# The contenders, each in a process of its own: a function of the data that returns fit(batches, rates), which trains
# from zero weights and returns (weights (3072, 10), biases (10,)).


def ours(data):
    from helpers import load_data, train

    images, labels = load_data()[:2]

    def fit(batches, rates):
        steps, batch_size = batches.shape
        run = train(
            images, labels, steps=steps, batch_size=batch_size, learning_rate=RATE, mean=data["mean"], progress=False
        )
        return run.weights, run.biases

    return fit


def _by_hand(pixels_of, labels):
    def fit(batches, rates):
        weights, biases = np.zeros((3072, 10), np.float32), np.zeros(10, np.float32)
        for rows, rate in zip(batches, rates, strict=True):
            pixels = pixels_of(rows)
            logits = pixels @ weights + biases
            errors = np.exp(logits - logits.max(axis=1, keepdims=True))
            errors /= errors.sum(axis=1, keepdims=True)
            errors[np.arange(len(rows)), labels[rows]] -= 1
            errors *= rate / len(rows)
            weights -= pixels.T @ errors
            biases -= errors.sum(axis=0)
        return weights, biases

    return fit


def _float32(data):
    pixels = data["images"].astype(np.float32)
    pixels -= data["mean"]
    pixels /= 255
    return pixels


def numpy(data):
    pixels = _float32(data)
    return _by_hand(lambda rows: pixels[rows], data["labels"])


def bytes_(data):
    images, mean = np.array(data["images"]), data["mean"]
    return _by_hand(lambda rows: (images[rows].astype(np.float32) - mean) / np.float32(255), data["labels"])


def function(data):
    import tensorflow as tf

    weights, biases = tf.Variable(tf.zeros([3072, 10])), tf.Variable(tf.zeros([10]))
    shapes = ([None, 3072], tf.uint8), ([None], tf.int64), ([3072], tf.float32), ([], tf.float32)

    @tf.function(input_signature=[tf.TensorSpec(*shape) for shape in shapes])
    def step(images, labels, mean, rate):
        pixels = (tf.cast(images, tf.float32) - mean) / 255
        with tf.GradientTape() as tape:
            logits = pixels @ weights + biases
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [weights, biases])
        weights.assign_sub(rate * gradients[0])
        biases.assign_sub(rate * gradients[1])

    def fit(batches, rates):
        weights.assign(tf.zeros([3072, 10]))
        biases.assign(tf.zeros([10]))
        for rows, rate in zip(batches, rates, strict=True):
            step(data["images"][rows], data["labels"][rows], data["mean"], rate)
        return weights.numpy(), biases.numpy()

    return fit


def post(data):
    """Run the program of 2016: 64-bit pixels to 255, one rate, images drawn afresh (see notebook 9)."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    pixels = data["images"].astype(np.float64)
    pixels -= data["mean"]
    with tf1.Graph().as_default() as graph:
        images, labels = tf1.placeholder(tf.float32, [None, 3072]), tf1.placeholder(tf.int64, [None])
        weights, biases = tf1.Variable(tf.zeros([3072, 10])), tf1.Variable(tf.zeros([10]))
        logits = tf.matmul(images, weights) + biases
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        step = tf1.train.GradientDescentOptimizer(POST_RATE).minimize(loss)
        accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), labels), tf.float32))
        initialise = tf1.global_variables_initializer()
    session = tf1.Session(graph=graph)

    def fit(batches, rates):
        session.run(initialise)
        random = np.random.RandomState(0)
        for number in range(len(rates)):
            rows = random.choice(len(pixels), batches.shape[1])
            feed = {images: pixels[rows], labels: data["labels"][rows]}
            if number % 100 == 0:
                session.run(accuracy, feed)
            session.run(step, feed)
        return session.run(weights) * 255, session.run(biases)

    return fit


def keras(data):
    import keras

    pixels = _float32(data)

    @cache
    def build(steps):
        model = keras.Sequential([keras.Input([3072]), keras.layers.Dense(10, kernel_initializer="zeros")])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        falling = keras.optimizers.schedules.PolynomialDecay(RATE, steps, 0.0)
        model.compile(optimizer=keras.optimizers.SGD(falling), loss=loss, metrics=["accuracy"])
        return model

    def fit(batches, rates):
        steps, batch_size = batches.shape
        model = build(steps)
        model.set_weights([np.zeros((3072, 10), np.float32), np.zeros(10, np.float32)])
        model.optimizer.iterations.assign(0)
        a_pass = min(steps, len(pixels) // batch_size)
        sizes = {"batch_size": batch_size, "steps_per_epoch": a_pass, "epochs": -(-steps // a_pass)}
        model.fit(pixels, data["labels"], **sizes, verbose=0)
        return model.get_weights()

    return fit


def torch(data):
    import torch as pt

    pt.backends.mkldnn.enabled = os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1"
    pixels, labels = pt.from_numpy(_float32(data)), pt.from_numpy(np.array(data["labels"]))
    model = pt.nn.Linear(3072, 10)

    def fit(batches, rates):
        pt.nn.init.zeros_(model.weight)
        pt.nn.init.zeros_(model.bias)
        optimizer = pt.optim.SGD(model.parameters(), lr=RATE)
        schedule = pt.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1 - k / len(rates))
        for rows in pt.from_numpy(np.array(batches)):
            loss = pt.nn.functional.cross_entropy(model(pixels[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return model.weight.detach().numpy().T, model.bias.detach().numpy()

    return fit


CONTENDERS = {act.__name__.strip("_"): act for act in (ours, numpy, bytes_, function, post, keras, torch)}


def timed(act) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def peak_memory() -> float:
    """Return this process's largest resident memory so far, in MB of 10**6 bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1_024 if sys.platform == "linux" else 1) / 1e6


def parts_of_a_step(fit, batches, rates) -> dict[str, float]:
    """Return the milliseconds of each operation in a step of our trainer, as TensorFlow's profiler sees them."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, tf.profiler.experimental.ProfilerOptions(python_tracer_level=0))
        fit(batches, rates)
        tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    parts = {}
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            name = plane.event_metadata[event.metadata_id].name
            if name.startswith("while/"):
                operation = name.rpartition("/")[2].rpartition(":")[0]
                parts[operation] = parts.get(operation, 0) + event.duration_ps / 1e9 / len(rates)
    return parts


def rates_of(steps: int) -> np.ndarray:
    """Return the learning rate of each step, falling to 0."""
    return (RATE * (1 - np.arange(steps) / steps)).astype(np.float32)


def contend(name: str, work: Path) -> None:
    """Answer requests, a line of JSON each, until the other end closes; whatever else is printed goes nowhere."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def answer(**reply) -> None:
        print(json.dumps(reply), file=pipe, flush=True)

    files = ("images", "labels", "mean", "images_test", "labels_test")
    data = {file: np.load(work / f"{file}.npy", mmap_mode="r") for file in files}
    try:
        fit = CONTENDERS[name](data)
    except ImportError:
        answer(absent=True)
        return
    answer(first=timed(lambda: fit(np.load(work / f"{BATCH}.npy")[:1], rates_of(1))))
    for line in sys.stdin:
        request = json.loads(line)
        batches, rates = np.load(work / f"{request['batch_size']}.npy")[: request["steps"]], rates_of(request["steps"])
        if request["do"] == "limit":
            answer(rate=matmul_rate())
        elif request["do"] == "parts":
            answer(parts=parts_of_a_step(fit, batches, rates))
        elif request["do"] == "fit":
            answer(seconds=timed(partial(fit, batches, rates)))
        else:
            weights, biases = fit(batches, rates)
            peak, pixels = peak_memory(), (data["images_test"].astype(np.float32) - data["mean"]) / 255
            right = (pixels @ weights + biases).argmax(axis=1) == data["labels_test"]
            answer(peak=peak, accuracy=float(right.mean()))


class Worker:
    """A contender's process, with oneDNN or without."""

    def __init__(self, name: str, onednn: bool, work: Path) -> None:
        python = os.environ.get("BENCH_PYTHON", sys.executable) if name == "torch" else sys.executable
        environ = os.environ | {"TF_ENABLE_ONEDNN_OPTS": str(int(onednn)), "TF_CPP_MIN_LOG_LEVEL": "2"}
        for slow in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # they slow NumPy, and with it the limit
            environ.pop(slow, None)
        self.log = open(work / f"{name}-{onednn}.log", "w+")  # noqa: SIM115 (closed in close)
        self.process = subprocess.Popen(
            [python, __file__, "--contender", name, str(work)], text=True, stdin=subprocess.PIPE, env=environ,
            stdout=subprocess.PIPE, stderr=self.log, start_new_session=True,
        )  # fmt: skip

    def ask(self, do: str = "fit", batch_size: int = BATCH, steps: int = 1_000) -> dict:
        print(json.dumps({"do": do, "batch_size": batch_size, "steps": steps}), file=self.process.stdin, flush=True)
        return self.read()

    def read(self) -> dict:
        if line := self.process.stdout.readline():
            return json.loads(line)
        self.process.wait()
        self.log.seek(0)
        name, code, said = self.process.args[-2], self.process.returncode, self.log.read()[-3_000:]
        raise RuntimeError(f"{name} stopped with code {code}:\n{said}")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.log):
            file.close()


def prepare(work: Path) -> None:
    """Write what the contenders share: the data, the mean image and the batches that `train` draws."""
    from helpers import load_data, mean_image
    from helpers.softmax import batch_indices

    images, labels, images_test, labels_test, *_ = load_data()
    shared = {"images": images, "labels": labels, "images_test": images_test, "labels_test": labels_test}
    for name, values in (shared | {"mean": mean_image(images)}).items():
        np.save(work / f"{name}.npy", values)
    for batch_size, steps in BATCHES.items():
        steps = 1_000 if batch_size == BATCH else steps
        np.save(work / f"{batch_size}.npy", batch_indices(len(images), batch_size, "epochs", 0, 0, steps))


def matmul_rate() -> float:
    """Return the float32 operations a second of NumPy's matrix product (1024 x 1024, all threads): best of 40."""
    one, other = np.random.default_rng(0).random((2, 1_024, 1_024), dtype=np.float32)
    return 2 * 1_024**3 / min(timed(lambda: one @ other) for _ in range(40))


def python(code: str, **environ: str) -> str:
    """Run code in a Python of its own and return what it prints on both streams."""
    made = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"} | environ,
    )  # fmt: skip
    return made.stdout


CLOCK = "import time; begun = time.perf_counter()\n"
FIRST_DATA = f"{CLOCK}from helpers import load_data; load_data()\nprint(time.perf_counter() - begun)"
FIRST_STEP = f"""from helpers import load_data
data = load_data()
{CLOCK}from helpers import train
train(data.images_train, data.labels_train, steps=1, progress=False)
print(time.perf_counter() - begun)"""


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


def share_memory(count: int) -> float:
    """Return each process's proportional share of memory, in MiB, where `count` of them hold the data, all read."""
    from tools.memory import memory_of

    code = "import sys; from helpers import load_data\nassert load_data().images_train.max()\nprint(); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": ROOT}
    with contextlib.ExitStack() as stack:
        processes = []
        for _ in range(count):
            processes.append(subprocess.Popen([sys.executable, "-uc", code], **pipes))
            stack.callback(processes[-1].communicate)
        for process in processes:
            process.stdout.readline()
        return memory_of([process.pid for process in processes]).proportional / count


def instruction_set() -> str:
    """Return the widest vector instructions that this processor has, as far as Linux says."""
    with contextlib.suppress(OSError):
        flags = Path("/proc/cpuinfo").read_text().split()
        return "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "AVX"
    return "unknown instructions"


def environment() -> str:
    """Describe the machine; no names of hosts or people, no paths."""
    model = platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    found = [date.today().isoformat(), f"{model} with {instruction_set()}, {os.cpu_count()} cores", platform.system()]
    for package in ("numpy", "tensorflow-cpu", "tensorflow", "keras"):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return " · ".join([*found, f"Python {platform.python_version()}"])


def cost_of_an_image(worker: Worker, warm: bool) -> dict[int, float]:
    """Return the microseconds an image takes, by batch size; where it is not `warm`, each is tried once before."""
    costs = {}
    for batch_size, steps in BATCHES.items():
        for _ in range(1 if warm else 2):
            seconds = worker.ask(batch_size=batch_size, steps=steps)["seconds"]
        costs[batch_size] = 1e6 * seconds / steps / batch_size
    return costs


def measure(names: list[str], rounds: int, steps: int, quick: bool) -> dict:
    """Take all measurements, with a progress bar, and return what `write` needs."""
    from tqdm import tqdm

    variants = [(name, onednn) for name in names for onednn in ((True, False) if name in LIBRARIES else (True,))]
    swept = [variant for variant in variants if variant[0] in SWEPT and variant[1]]
    few = 1 if quick else 3
    found = {"steps": steps, "load": [os.getloadavg()[0]], "environment": environment()}
    found |= {"rates": [], "parts": [], "absent": []}
    found |= {"cost": {}, "seconds": {}, "first": {}, "check": {}, "first things": {}}
    total = len(variants) * (1 + rounds) + few * (2 + len(swept) * len(BATCHES)) + rounds + 4 + few
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=total, desc="Measuring", unit="job"))
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ten-templates-bench-")))
        prepare(work)
        greeting = python("import tensorflow", TF_CPP_MIN_LOG_LEVEL="0")
        found["default"] = "oneDNN custom operations are on" in greeting
        bar.update()
        workers = {}
        for variant in variants:
            bar.set_description(f"Starting {variant[0]}")
            worker = Worker(*variant, work)
            stack.callback(worker.close)
            started = worker.read()
            bar.update()
            if "absent" in started:
                found["absent"].append(variant[0])
                bar.update(rounds)
                continue
            workers[variant], found["first"][variant] = worker, started["first"]
            found["check"][variant] = check(variant[0], worker.ask("check"))
        for number in range(rounds):
            found["rates"].append(workers["ours", True].ask("limit")["rate"])
            bar.update()
            order = list(workers)
            for variant in order[number % len(order) :] + order[: number % len(order)]:
                bar.set_description(f"Round {number + 1}, {variant[0]}")
                found["seconds"].setdefault(variant, []).append(workers[variant].ask(steps=steps)["seconds"])
                bar.update()
        for number in range(few):
            for variant in swept:
                bar.set_description(f"Batches of many sizes, {variant[0]}")
                for batch_size, cost in cost_of_an_image(workers[variant], warm=number > 0).items():
                    found["cost"].setdefault((variant[0], batch_size), []).append(cost)
                bar.update(len(BATCHES))
            found["parts"].append(workers["ours", True].ask("parts", steps=200)["parts"])
        for worker in workers.values():
            worker.close()
        bar.set_description("First things first")
        things = {"data": partial(python, FIRST_DATA), "step": partial(python, FIRST_STEP), "lab": open_lab}
        for _ in range(few):
            for thing, act in things.items():
                with contextlib.suppress(ImportError):  # no Playwright: this one is left out
                    seconds = float(str(act()).split()[-1])
                    found["first things"].setdefault(thing, []).append(seconds)
                bar.update()
        found["memory"] = {count: share_memory(count) for count in ((1, 3) if quick else (1, 30))}
        bar.update(3)
    found["load"].append(os.getloadavg()[0])
    return found


def check(name: str, reply: dict) -> dict:
    """Return the reply; raise `RuntimeError` where the contender learned less, or more, than this model can."""
    low, high = BANDS.get(name, BAND)
    if not low <= reply["accuracy"] <= high:
        raise RuntimeError(f"{name} scores {reply['accuracy']:.3f} on the test set, outside {low} to {high}: "
                           "it computes something else. Nothing was written.")  # fmt: skip
    return reply


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


def limits(found: dict) -> np.ndarray:
    """Return, for each round, the seconds that the products of all steps would take at the machine's best rate."""
    return found["steps"] * FLOPS / np.array(found["rates"])


def goals(found: dict) -> list[str]:
    """Return a sentence for each goal: met or not, and by how much; ratios are taken within a round."""
    seconds = {variant: np.array(values) for variant, values in found["seconds"].items()}
    mine, most = seconds["ours", True], 3 if instruction_set() == "AVX-512" else 5
    times, without = np.median(mine / limits(found)), np.median(seconds["ours", False] / mine)
    others = {variant: np.median(values / mine) for variant, values in seconds.items() if variant[0] != "ours"}
    best = min(others, key=others.get, default=("ours", False))
    ahead = others.get(best, without)
    cost = {size: np.median(found["cost"]["ours", size]) for size in BATCHES}
    worst = max(cost[1_000], cost[10_000]) / cost[100]
    lines = [
        (times <= most, f"{times:.1f} times the limit; the goal is at most {most} with {instruction_set()}."),
        (ahead >= 1.5, f"{ahead:.1f} times as fast as the next best, {label(best)}; the goal is at least 1.5."),
        (without <= 1.5, f"without oneDNN {without:.1f} times as long; the goal is at most 1.5."),
        (
            worst <= 1.1,
            f"an image in a large batch costs {worst:.2f} times what it does in one of 100; the goal is 1.1.",
        ),
    ]
    return [f"- **{'Met' if met else 'Not met'}**: {text}" for met, text in lines]


def page(found: dict, alts: list[str]) -> str:
    """Return the page; `alts` are the alt texts of its two plots."""
    rows = []
    for variant, values in found["seconds"].items():
        checked, times = found["check"][variant], np.median(np.array(values) / limits(found))
        first, peak = f"{found['first'][variant]:.2f}", f"{checked['peak']:,.0f}"
        rows.append([label(variant), spread(values), f"{times:.1f}", first, peak, f"{checked['accuracy']:.1%}"])
    rows.append(["*limit*", spread(limits(found), "{:.3f}"), "1.0", "", "", ""])
    head = ["", f"{found['steps']:,} steps of {BATCH}, s", "× limit", "first step, s", "peak MB", "test accuracy"]
    parts = {name: [part.get(name, 0.0) for part in found["parts"]] for name in set().union(*found["parts"])}
    longest = sorted(parts, key=lambda name: -np.median(parts[name]))[:10]
    floor = sum(np.median(values) for name, values in parts.items() if "MatMul" in name)
    names = [name for name in SWEPT if (name, BATCH) in found["cost"]]
    cost = [[NAMES[name], *(spread(found["cost"][name, size]) for size in BATCHES)] for name in names]
    memory = found["memory"]
    return (ROOT / "tools" / "speed.txt").read_text(encoding="utf-8").format(
        environment=found["environment"], before=found["load"][0], after=found["load"][1], steps=found["steps"],
        default="on" if found["default"] else "off", batch=BATCH, rate=RATE, steps_table=table(head, rows),
        absent=" PyTorch is left out, since it is not installed." * bool(found["absent"]),
        goals="\n".join(goals(found)), floor=floor, floor_times=floor * found["steps"] / 1e3 / np.median(limits(found)),
        parts_table=table(["", "ms a step"], [[f"`{name}`", spread(parts[name], "{:.3f}")] for name in longest]),
        cost_table=table(["µs an image", *(f"batch {size:,}" for size in BATCHES)], cost),
        things_table=table(["", "s"], [[THINGS[name], spread(some)] for name, some in found["first things"].items()]),
        memory_table=table(["processes", *map(str, memory)],
                           [["memory of each, proportionally, MiB", *(f"{value:.0f}" for value in memory.values())]]),
        steps_alt=alts[0], cost_alt=alts[1],
    )  # fmt: skip


def draw(found: dict, folder: Path) -> list[str]:
    """Draw both plots into `folder` and return their alt texts."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullLocator

    plt.style.use("helpers.series")
    middles = {variant: float(np.median(values)) for variant, values in found["seconds"].items()}
    order = sorted(middles, key=lambda variant: -middles[variant])
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    colours = ["#0072B2" if variant[0] == "ours" else "#BBBBBB" for variant in order]
    bars = axis.barh([label(variant) for variant in order], [middles[v] for v in order], color=colours)
    axis.bar_label(bars, fmt="{:.2f} s", padding=4)
    limit = float(np.median(limits(found)))
    axis.axvline(limit, color="black", linestyle="--")
    axis.set(xscale="log", xlabel=f"seconds for {found['steps']:,} steps of {BATCH} images (dashed: the limit)")
    axis.set_xlim(right=3 * max(middles.values()))
    second, cost = plt.subplots(figsize=(8, 4), layout="constrained")
    listed = []
    for name, marker in zip(SWEPT, "os^v", strict=True):
        if (name, 100) in found["cost"]:
            values = [float(np.median(found["cost"][name, size])) for size in BATCHES]
            cost.plot(list(BATCHES), values, marker=marker, label=NAMES[name])
            listed.append(f"{NAMES[name]} from {values[0]:,.0f} to {values[-1]:.1f}")
    cost.set(xscale="log", yscale="log", xlabel="batch size", ylabel="microseconds an image")
    cost.legend()
    for each in (axis.xaxis, cost.yaxis):
        each.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
        each.set_minor_locator(NullLocator())
        each.set_major_formatter("{x:,g}")
    for name, made in (("speed-steps.png", figure), ("speed-cost.png", second)):
        made.savefig(folder / name, dpi=100)
        plt.close(made)
    seconds = "; ".join(f"{label(variant)} {middles[variant]:.2f}" for variant in order)
    return [
        f"Seconds for the steps, slowest first: {seconds}. The limit is {limit:.3f}.",
        f"Microseconds an image against batch size, 1 to 10,000: {'; '.join(listed)}.",
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round of everything: a trial")
    parser.add_argument("--only", metavar="NAME", action="append", choices=list(NAMES), help="only these contenders")
    parser.add_argument("--into", metavar="FOLDER", type=Path, default=PAGE.parent, help="write the page there")
    parser.add_argument("--contender", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.contender:
        contend(options.contender[0], Path(options.contender[1]))
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped from outside: tidy up as after Ctrl-C
    names = [name for name in NAMES if name in ("ours", *(options.only or NAMES))]
    try:
        found = measure(names, *((1, 200) if options.quick else (5, 1_000)), options.quick)
        with tempfile.TemporaryDirectory() as folder:
            written = page(found, draw(found, Path(folder)))
            for plot in Path(folder).iterdir():
                (options.into / plot.name).write_bytes(plot.read_bytes())
        (options.into / PAGE.name).write_text(written, encoding="utf-8")
    except KeyboardInterrupt:
        print("Stopped; nothing was written.", file=sys.stderr)
        return 130
    except (RuntimeError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{written.partition('## What')[0]}\nWritten: {options.into / PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
