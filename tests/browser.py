"""A JupyterLab of its own, and a Chromium that opens notebooks in it. Screenshots go to _build/browser/."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.series import ROOT
from tools import remote

SHOTS = ROOT / "_build" / "browser"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# Without these Chromium asks for addresses of its own, and as root it needs its sandbox off.
FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
PATIENCE = 600_000  # ms: a notebook takes under a minute on an idle machine, and a busy one breaks no test


def chromium() -> str | None:
    """Return the Chromium to use: the one that CHROMIUM names, or the first that is installed."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


needs_chromium = pytest.mark.skipif(
    chromium() is None or sys.platform == "win32", reason="no Chromium was found: make browser installs one"
)


@contextlib.contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """Run JupyterLab on the notebooks in `folder`, with settings of its own; give its address."""
    (port,) = remote.free_ports()
    kept = folder / ".jupyter"
    settings = {f"JUPYTER{name}_DIR": str(kept / name) for name in ("_CONFIG", "_DATA", "_RUNTIME", "LAB_SETTINGS",
                                                                     "LAB_WORKSPACES")}  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}",
               "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True",
               f"--ServerApp.root_dir={folder}"]  # fmt: skip
    kept.mkdir(exist_ok=True)
    with open(kept / "log", "w") as log:
        server = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=subprocess.STDOUT)
    with remote.serving(server, requests.Session(), f"http://127.0.0.1:{port}/api"):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def browser():
    """Run a Chromium; give it."""
    from playwright.sync_api import sync_playwright

    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=FLAGS + sandbox)
        yield started
        started.close()


def open_notebook(page, address: str, name: str) -> None:
    """Open a notebook, in the JupyterLab that the page shows already if it does, and wait for its kernel."""
    page.set_default_timeout(120_000)
    if not page.url.startswith(address):
        page.goto(f"{address}/lab?reset")
        page.wait_for_function("window.jupyterapp?.restored")
        page.evaluate("window.jupyterapp.restored")
        page.evaluate("window.jupyterapp.shell.collapseLeft()")
    page.wait_for_function(
        """async path => {
            const panel = await window.jupyterapp.commands.execute('docmanager:open', {path});
            await panel.context.ready;
            await panel.sessionContext.ready;
            return panel.sessionContext.session.kernel.info;
        }""",
        arg=name,
        timeout=PATIENCE,
    )


def run_all(page) -> list[str]:
    """Run all cells; return what is red: each error and each line on stderr."""
    found = page.wait_for_function(
        """async () => {
            await window.jupyterapp.commands.execute('notebook:run-all-cells');
            const cells = window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells;
            const code = cells.filter(cell => cell.cell_type === 'code');
            const red = code.flatMap(cell => cell.getOutputs()).filter(
                output => output.output_type === 'error' || output.name === 'stderr');
            const idle = code.filter(cell => cell.execution_count === null).map(cell => 'not run: ' + cell.source);
            return red.map(output => output.evalue ?? [output.text].flat().join('')).concat(idle);
        }""",
        timeout=PATIENCE,
    )
    return found.json_value()


def end_kernel(page) -> None:
    """End the kernel of the notebook that is shown, and close it."""
    page.evaluate(
        """async () => {
            const panel = window.jupyterapp.shell.currentWidget;
            await panel.sessionContext.shutdown();
            panel.dispose();
        }"""
    )


def no_serious_fault(page, *parts: str) -> None:
    """Assert that axe-core, which nobody here wrote, finds no serious fault in parts of a page, or in all of it."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context={"include": list(parts)} if parts else None).response["violations"]
    assert not [each for each in found if each["impact"] in ("serious", "critical")], found


def shot(where, name: str) -> None:
    """Keep a screenshot of a page or of a part of it."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    where.screenshot(path=SHOTS / f"{name}.png")
