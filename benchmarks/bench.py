"""Measure the trainer against what a learner would use instead, and write results.md and its plots.

Run it as `make bench`. Each contender is a process of its own (contenders.py), so that its memory and its first step
are its own. The processes take turns, a round after the other, so that a busy moment of the machine hits all of them.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import NamedTuple

import psutil
import report
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
NEEDED = 15e9  # bytes of memory when all contenders hold their data at once


class Plan(NamedTuple):
    """How much is measured; as it stands, about ten minutes on a quiet machine with two cores."""

    steps: int = 1_000
    rounds: int = 5  # of the main table
    others: int = 3  # rounds of everything else
    warm_up: bool = True  # an untimed run before each timed series
    batch_sizes: dict = {1: 1_000, 10: 1_000, 100: 1_000, 1_000: 100, 10_000: 10}  # noqa: RUF012 (with steps to time)
    counts: tuple = (1_000, 5_000, 10_000, 50_000)
    our_steps: tuple = (30, 100, 300, 1_000, 3_000, 10_000)
    keras_epochs: int = 5
    part_rounds: int = 7
    part_steps: int = 1_000


QUICK = Plan(300, 1, 1, False, {1: 50, 100: 50}, (1_000, 5_000), (30, 300), 1, 1, 200)


# Two processes with two threads each would only wait for each other.
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")}


class Job(NamedTuple):
    """One question to one process, and where its answer belongs."""

    process: str  # jobs of the same name go to the same process, which ends after the last of them
    contender: str
    table: str  # "" for a warm-up
    key: object
    do: str
    request: dict


class Worker:
    """A contender's process."""

    def __init__(self, job: Job, work: Path, extra: dict) -> None:
        python, environ = sys.executable, os.environ | extra
        if job.contender in report.EXTRA:
            python = os.environ.get("BENCH_PYTHON", python)
        self.name, self.log = job.process, work / f"{job.process}.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [python, HERE / "contenders.py", job.contender, work, str(time.time())], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True, env=environ,
            )  # fmt: skip
        self.started = None

    def ask(self, do: str, request: dict) -> dict:
        if self.started is None:
            self.started = self._read()
        if do == "start" or "absent" in self.started:
            return self.started
        print(json.dumps({"do": do, **request}), file=self.process.stdin, flush=True)
        return self._read()

    def _read(self) -> dict:
        if line := self.process.stdout.readline():
            return json.loads(line)
        self.process.wait()
        raise RuntimeError(f"{self.name} stopped with code {self.process.returncode}:\n{self.log.read_text()[-3_000:]}")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def list_jobs(plan: Plan, names: list[str]) -> list[Job]:
    """Return what is asked, in order."""
    jobs = []

    def add(process, contender, table, key, do, **request):
        jobs.append(Job(process, contender, table, key, do, request))

    def sweep(table, contenders, values):
        """Ask for `values` {key: (steps, batch_size, count)}, after a short run of each that builds what it needs."""
        for number in range(-plan.warm_up, plan.others):
            for key, (steps, batch_size, count) in values.items():
                for name in (name for name in contenders if name in names):
                    setting = {"steps": 2 if number < 0 else steps, "batch_size": batch_size, "count": count}
                    add(name, name, table if number >= 0 else "", (name, key), "fit", **setting)

    main = {"steps": plan.steps, "batch_size": 100, "count": 50_000}
    for number in range(plan.others):
        last = number == plan.others - 1
        for name in names:
            add(name if last else f"{name}-{number}", name, "start", name, "start")
    if plan.warm_up:
        for name in names:
            add(name, name, "", name, "fit", **main)
    for number in range(plan.rounds):
        add("limit", "limit", "limit", "limit", "limit")
        shift = number % max(1, len(names))
        for name in names[shift:] + names[:shift]:
            add(name, name, "steps", name, "fit", **main)
            if number == 0:
                add(name, name, "check", name, "check")
    sweep("batch", report.IN_BATCH_SWEEP, {b: (n, b, 50_000) for b, n in plan.batch_sizes.items()})
    sweep("count", report.IN_COUNT_SWEEP, {n: (plan.steps, 100, n) for n in plan.counts})
    for number in range(plan.others):
        if "ours" in names:
            add("ours", "ours", "curve", "ours", "curve", counts=plan.our_steps)
        if "keras" in names:
            add("keras", "keras", "curve", "keras", "curve", epochs=plan.keras_epochs)
        for way in (way for way in ("ours", "post", "keras") if way in names):
            add(f"load-{way}-{number}", "load", "load", way, "load", way=way)
        for way in (way for way in ("ours", "post") if way in names):
            add(f"program-{way}-{number}", "program", "program", way, "program", way=way, steps=plan.steps)
    if "ours" in names:
        add("kernel", "kernel", "kernel", "ours", "kernel", steps=plan.steps)
        add("parts", "parts", "parts", "ours", "parts", rounds=plan.part_rounds, steps=plan.part_steps)
        add("in-a-row", "parts", "in a row", "ours", "in a row", rounds=plan.part_rounds, steps=plan.part_steps)
    return jobs


def run_jobs(jobs: list[Job], work: Path, at_once: int) -> dict:
    """Put all questions and return {(table, key): [answers]}.

    One at a time they keep their order, so that rounds are interleaved. Otherwise each process is asked all its
    questions in one go: faster, and no measure of speed.
    """
    answers, workers, left = defaultdict(list), {}, defaultdict(int)
    stopping = threading.Event()
    for job in jobs:
        left[job.process] += 1
    with tqdm(total=len(jobs), desc="Measuring", unit="job") as bar:

        def put(job: Job) -> None:
            if stopping.is_set():
                return
            bar.set_description(f"{job.process}, {job.table or 'warm-up'}")
            if job.process not in workers:
                workers[job.process] = Worker(job, work, {} if at_once == 1 else ONE_THREAD)
            answer = workers[job.process].ask(job.do, job.request)
            if job.table:
                answers[job.table, job.key].append(answer)
            left[job.process] -= 1
            if not left[job.process]:
                workers[job.process].close()
            bar.update()

        def put_all(process: str) -> None:
            for job in jobs:
                if job.process == process:
                    put(job)

        try:
            if at_once == 1:
                for job in jobs:
                    put(job)
            else:
                pool = ThreadPoolExecutor(at_once)
                try:
                    list(pool.map(put_all, dict.fromkeys(job.process for job in jobs)))
                finally:
                    pool.shutdown(wait=False, cancel_futures=True)
        finally:
            stopping.set()
            for worker in list(workers.values()):
                if worker.process.poll() is None:
                    worker.close()
    return dict(answers)


def environment() -> dict:
    """Describe the machine; no names of hosts or people, no paths."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [
            line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = lines[0] if lines else model
    return {
        "Date": date.today().isoformat(),
        "Processor": f"{model}, {psutil.cpu_count(logical=False) or os.cpu_count()} cores",
        "Memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "System": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
    }


def load_average() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def check_accuracies(answers: dict) -> None:
    """Raise ValueError if a contender learned less, or more, than this model can: it computes something else."""
    for (table, key), replies in answers.items():
        if table in ("check", "program", "kernel"):
            low, high = report.BANDS["post" if key == "post" else "ours"]
            for reply in replies:
                if "absent" not in reply and not low <= reply["accuracy"] <= high:
                    raise ValueError(
                        f"{report.NAMES[key]} scores {reply['accuracy']:.3f} on the test set, outside {low} to {high}: "
                        "it computes something else. Nothing was written."
                    )


def measure(plan: Plan, names: list[str], at_once: int) -> dict:
    """Run the benchmark and return all that `report` needs."""
    begun, load = time.monotonic(), load_average()
    pairs = {(b, 50_000): n for b, n in plan.batch_sizes.items()} | {(100, n): plan.steps for n in plan.counts}
    pairs[100, 50_000] = max(plan.steps, pairs.get((100, 50_000), 0))
    with tempfile.TemporaryDirectory(prefix="ten-templates-bench-") as folder:
        work = Path(folder)
        request = {"pairs": [(b, n, steps) for (b, n), steps in pairs.items()]}
        run_jobs([Job("prepare", "prepare", "", "", "prepare", request)], work, 1)
        answers = run_jobs(list_jobs(plan, names), work, at_once)
    check_accuracies(answers)
    found = {}
    for (table, _), replies in answers.items():
        if table == "start":
            found |= replies[0].get("versions", {})
    return {
        "plan": plan, "answers": answers, "environment": {**environment(), **found}, "at_once": at_once,
        "load": (load, load_average()), "cores": os.cpu_count() or 1, "minutes": (time.monotonic() - begun) / 60,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/bench.py", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round of everything, two at once: a trial")
    parser.add_argument("--only", metavar="NAME", action="append", choices=list(report.NAMES),
                        help=f"measure only this contender (may be repeated): {', '.join(report.NAMES)}")  # fmt: skip
    parser.add_argument("--into", metavar="FOLDER", type=Path, help="write results.md and the plots there; by default "
                        "a full run writes into benchmarks/, and a partial one only prints")  # fmt: skip
    options = parser.parse_args(arguments)
    names = [name for name in report.NAMES if name in (options.only or report.NAMES)]
    plan, at_once = (QUICK, 2) if options.quick else (Plan(), 1)
    if not options.quick and psutil.virtual_memory().available < NEEDED * len(names) / len(report.NAMES):
        print(f"A full run needs {NEEDED / 1e9:.0f} GB of free memory, since all contenders keep their data at hand. "
              "Free some, or measure some of them: --only NAME.", file=sys.stderr)  # fmt: skip
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped from outside: tidy up as after Ctrl-C
    try:
        results = measure(plan, names, at_once)
    except KeyboardInterrupt:
        print("Stopped; nothing was written.", file=sys.stderr)
        return 130
    except (RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    folder = options.into or (None if options.quick or options.only else HERE)
    if folder:
        report.write(results, folder)
    print(report.main_table(results))
    if folder:
        print(f"\nWritten in {results['minutes']:.1f} minutes: {folder / 'results.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
