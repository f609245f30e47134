"""What a class took, and what that comes to for 300: `write_report` writes docs/measurements/hub.md."""

import os
import platform
import statistics
from typing import NamedTuple

import psutil
from nbformat import NotebookNode

from tests.series import ROOT
from tools.memory import Memory

RESULTS = ROOT / "docs" / "measurements" / "hub.md"
CLASS = 300
MIB = 2**20


class Study(NamedTuple):
    """One student's way, from the click on the link to the last cell of the notebook."""

    student: str
    notebook: NotebookNode
    seconds: float
    server_seconds: float  # of them, until the series lay in the student's home


class Class(NamedTuple):
    """What a class took. Lists have one entry a student: its server and its kernel together."""

    studies: list[Study]
    memory: list[Memory]  # at the end, all kernels still open
    peak: list[float]  # MiB, the most that was private at any time, looked at every few seconds
    processor: list[float]  # seconds of one core
    services: Memory  # the hub and its proxy


def how_many_fit(alone: Class) -> int:
    """Return for how many students like `alone` three quarters of the free memory are enough."""
    return max(2, int(0.75 * psutil.virtual_memory().available / MIB / alone.memory[0].anonymous))


def _row(name: str, alone: float, together: list[float]) -> str:
    return f"| {name} | {alone:,.0f} | {statistics.mean(together):,.0f} | {max(together):,.0f} |"


def write_report(alone: Class, together: Class) -> None:
    """Write the page from a class of one and a class of many."""
    count = len(together.studies)
    private, processor = statistics.mean(together.peak), statistics.mean(together.processor)
    shared = sum(memory.proportional - memory.private for memory in together.memory)
    gib = (CLASS * private + shared + together.services.private) / 1024
    waits = {minutes: CLASS * processor / 60 / minutes for minutes in (5, 10, 20)}
    lines = [
        "# A class on one machine",
        "",
        "`make hub` wrote this page. It started JupyterHub and its proxy here, and let students log in through it, all",
        "in the same second. Each followed the nbgitpuller link, got a server, opened notebook 5 and ran all of it.",
        "Every output was the saved one. All servers and kernels were still open when memory was read.",
        "",
        f"{os.cpu_count()} cores, {psutil.virtual_memory().total / MIB / 1024:.0f} GiB, Python "
        f"{platform.python_version()}; hub and students on the same machine. Times depend on what else it was doing.",
        "",
        f"| One student's server and kernel | alone | {count} at once, mean | the most |",
        "|---|---|---|---|",
        _row("seconds until the series lies in the student's home", alone.studies[0].server_seconds,
             [study.server_seconds for study in together.studies]),
        _row("seconds until the notebook has run to its end", alone.studies[0].seconds,
             [study.seconds for study in together.studies]),
        _row("seconds of one core", alone.processor[0], together.processor),
        _row("MiB written by its own processes (anonymous)", alone.memory[0].anonymous,
             [memory.anonymous for memory in together.memory]),
        _row("MiB private to them at the end (USS)", alone.memory[0].private,
             [memory.private for memory in together.memory]),
        _row("MiB private to them at their peak", alone.peak[0], together.peak),
        _row("MiB with their share of what all map (PSS)", alone.memory[0].proportional,
             [memory.proportional for memory in together.memory]),
        "",
        f"The {count} students share {shared:,.0f} MiB of programs and data, held once. The hub and its proxy hold "
        f"{together.services.private:,.0f} MiB.",
        "(A student alone shares with nobody, so there all of it counts as private.)",
        "",
        f"## What {CLASS} need",
        "",
        f"**Memory:** {CLASS} x {private:,.0f} MiB at the peak, {shared:,.0f} MiB shared and "
        f"{together.services.private:,.0f} MiB for the hub:",
        f"**{gib:,.0f} GiB**, on one machine or over several (what is shared counts once on each).",
        "",
        f"**Processors:** a run of notebook 5 keeps one core busy for {processor:.0f} seconds, so {CLASS} runs take",
        f"{CLASS * processor / 3600:.1f} hours of one core. If all start in the same minute, the slowest is done after",
        ", ".join(f"{minutes} minutes on {cores:.0f} cores" for minutes, cores in waits.items()) + ".",
        "Readers run a cell now and then: a lesson in which each learner goes at their own pace needs far fewer.",
    ]  # fmt: skip
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
