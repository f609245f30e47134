"""Measure what loading the data costs, and write loading.md: opening, sharing among kernels, and the first fetch.

Run it as `make bench`, or alone: python benchmarks/loading.py. It takes about three minutes and needs Linux, which
says how much memory processes share (/proc/PID/smaps), and 16 GB of memory for 30 kernels.
"""

import contextlib
import hashlib
import os
import platform
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path

import requests
from jupyter_client import KernelManager

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parent / "tools"
sys.path.insert(0, str(TOOLS))

from memory import memory_of  # noqa: E402

from helpers import progress_bar  # noqa: E402
from helpers.archive import CACHE, FILE_BYTES  # noqa: E402
from helpers.data import find_data  # noqa: E402
from helpers.download import fetch, from_url  # noqa: E402

OPENINGS, FETCHES, KERNELS = 15, 3, 30
SPEEDS = {"100 Mbit/s, a good Wi-Fi": 12.5e6, "1 Gbit/s, a cable": 125e6, "this machine's own loopback": None}
GOALS = {"open_seconds": 0.3, "open_private": 20e6 / 2**20, "fetch": 1.3}
OPEN = """
import os, sys, time
import helpers.data
from memory import memory_of
before, start = memory_of([os.getpid()]), time.perf_counter()
data = helpers.data.load_data()
seconds, after = time.perf_counter() - start, memory_of([os.getpid()])
print(seconds, after.private - before.private)
"""


def open_cache() -> tuple[float, float]:
    """Open the verified cache in a process of its own; return seconds and MiB of private memory gained."""
    printed = subprocess.run([sys.executable, "-c", OPEN], capture_output=True, text=True, check=True, cwd=TOOLS).stdout
    seconds, private = map(float, printed.split())
    return seconds, private


def mapped(pids: list[int]) -> tuple[list[float], list[float]]:
    """Return, for each process, how much of the two files it has mapped, and its share of that, in MiB."""
    resident, shares = [], []
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps").read_text()
        entries = re.findall(r"/(?:train|test)\.bin\n(?:.*\n)*?Rss: +(\d+) kB\nPss: +(\d+) kB", text)
        resident.append(sum(int(rss) for rss, _ in entries) / 1024)
        shares.append(sum(int(pss) for _, pss in entries) / 1024)
    return resident, shares


def share_among_kernels(count: int) -> dict[str, float]:
    """Start so many Jupyter kernels, let each load the data and read every image; return what they map and share."""
    code = "from helpers import load_data\ndata = load_data()\nassert data.images_train.max() == data.images_test.max()"
    with contextlib.ExitStack() as stack:
        managers = []
        for _ in progress_bar(range(count), desc=f"{count} kernels"):
            manager = KernelManager(kernel_name="python3")
            manager.start_kernel()
            stack.callback(manager.shutdown_kernel, now=True)
            client = manager.blocking_client()
            client.start_channels()
            stack.callback(client.stop_channels)
            client.wait_for_ready(timeout=120)
            reply = client.execute_interactive(code, timeout=120)
            assert reply["content"]["status"] == "ok", reply
            managers.append(manager)
        pids = [manager.provisioner.pid for manager in managers]
        resident, shares = mapped(pids)
        whole = memory_of(pids)
        return {
            "mapped": statistics.median(resident), "share": statistics.median(shares), "all": sum(shares),
            "private": whole.private / count, "proportional": whole.proportional / count,
        }  # fmt: skip


def serve(path: Path, speed: float | None, address) -> None:
    """Hand out a file at so many bytes a second; run in a process of its own, which sends its port to `address`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            start, sent = time.perf_counter(), 0
            with open(path, "rb") as file, contextlib.suppress(ConnectionError):
                while piece := file.read(1 << 16):
                    self.wfile.write(piece)
                    sent += len(piece)
                    if speed and (ahead := sent / speed - (time.perf_counter() - start)) > 0.001:
                        time.sleep(ahead)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address.send(server.server_port)
    server.serve_forever()


def download_plainly(url: str, target: Path) -> None:
    """Download a file and hash it: what any loader must do at the least."""
    digest = hashlib.sha256()
    with requests.get(url, stream=True, timeout=60) as answer, open(target, "wb") as file:
        for piece in answer.iter_content(1 << 16):
            file.write(piece)
            digest.update(piece)


def timed(function, *arguments) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def fetch_at(speed: float | None, archive: Path, folder: Path) -> list[tuple[float, float]]:
    """Return seconds of a plain download with its hash, and of a whole first fetch, in turns."""
    context = get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(archive, speed, there), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/{archive.name}"
    try:
        pairs = []
        for number in range(FETCHES):
            plain = timed(download_plainly, url, folder / "plain")
            ours = timed(fetch, folder / f"cache {number}", [(url, from_url(url))])
            pairs.append((plain, ours))
            (folder / "plain").unlink()
            for name in CACHE:
                (folder / f"cache {number}" / name).unlink()
        return pairs
    finally:
        server.terminate()
        server.join()


def build_archive(target: Path) -> None:
    """Pack the data as the official archive has it."""
    with tarfile.open(target, "w:gz", compresslevel=6) as tar:
        for cached, names in CACHE.items():
            with open(find_data() / cached, "rb") as file:
                for name in names:
                    member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                    member.size = FILE_BYTES
                    tar.addfile(member, file)


def spread(values, form: str = "{:.2f}") -> str:
    middle, low, high = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low} to {high})"


def verdict(value: float, goal: float) -> str:
    return "reached" if value <= goal else "missed"


def page(openings: list, alone: dict, together: dict, fetches: dict) -> str:
    """Return loading.md."""
    seconds, private = zip(*openings, strict=True)
    rows = []
    for name, pairs in fetches.items():
        ratios = [ours / plain for plain, ours in pairs]
        plain, ours = zip(*pairs, strict=True)
        reached = verdict(statistics.median(ratios), GOALS["fetch"])
        rows.append(f"| {name} | {spread(plain)} | {spread(ours)} | {spread(ratios)} | {reached} |")
    cores, load = os.cpu_count(), os.getloadavg()[0]
    return f"""\
# What does loading the data cost?

Written by `make bench` from its measurements; do not edit.

Date {date.today()} · {cores} cores · System {platform.system()} {platform.machine()} · Python
{platform.python_version()} · Load of the machine at the end: {
        load:.1f}. A number is a median; in brackets, the smallest
and the largest.

## Opening the verified cache

`load_data()` in a fresh process, {OPENINGS} times: all six files hashed, then mapped; the import of NumPy and requests
is not counted.

| | measured | goal | |
| --- | ---: | ---: | --- |
| seconds | {spread(seconds)} | {GOALS["open_seconds"]} | {verdict(statistics.median(seconds), GOALS["open_seconds"])} |
| private memory gained, MiB (USS) | {spread(private, "{:.1f}")} | {GOALS["open_private"]:.0f} | {
        verdict(statistics.median(private), GOALS["open_private"])
    } |

## One copy for all kernels

Jupyter kernels on one machine, each of which has loaded the data and read every image.

| MiB | 1 kernel | {KERNELS} kernels |
| --- | ---: | ---: |
| of the two files mapped by each | {alone["mapped"]:.1f} | {together["mapped"]:.1f} |
| each kernel's proportional share of them (PSS) | {alone["share"]:.1f} | {together["share"]:.1f} |
| all shares together | {alone["all"]:.1f} | {together["all"]:.1f} |
| a whole kernel, proportionally (PSS) | {alone["proportional"]:.1f} | {together["proportional"]:.1f} |

## The first fetch

From a server on this machine that sends at the given speed. *Plain* downloads the archive to a file and hashes it;
*ours* also unpacks, verifies and stores six files. Each {
        FETCHES
    } times, in turns; ratios are taken within a turn. The goal
is a ratio of {
        GOALS["fetch"]
    } at the most. Ours unpacks while it waits for the network, so the ratio grows only where the network
is faster than unpacking.

| Speed | plain, s | ours, s | ratio | |
| --- | ---: | ---: | ---: | --- |
{chr(10).join(rows)}
"""


def main() -> int:
    if not Path("/proc/self/smaps_rollup").exists():
        print("This system does not say how much memory processes share; Linux does.", file=sys.stderr)
        return 1
    find_data()
    open_cache()  # brings the files into memory
    openings = [open_cache() for _ in progress_bar(range(OPENINGS), desc="Opening")]
    alone, together = share_among_kernels(1), share_among_kernels(KERNELS)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "cifar-10-binary.tar.gz"
        build_archive(archive)
        fetches = {name: fetch_at(speed, archive, Path(folder)) for name, speed in SPEEDS.items()}
    (HERE / "loading.md").write_text(page(openings, alone, together, fetches), encoding="utf-8")
    print(f"Written: {HERE / 'loading.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
