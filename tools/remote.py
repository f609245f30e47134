"""Run a notebook through a Jupyter server as a browser does: its REST API, then the kernel's websocket.

`session` is a `requests.Session` that the server lets in, by a token in its headers or by a browser's cookies; `base`
is the server's address with a slash at its end.
"""

import contextlib
import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import quote

import nbformat
import psutil
import requests
import websocket

CELL_TIMEOUT = 1_800  # seconds; on a full hub a cell waits for its turn


@contextlib.contextmanager
def serving(process: subprocess.Popen, session: requests.Session, url: str) -> Iterator[psutil.Process]:
    """Wait a minute at most until the server in `process` answers at `url`; end it, and all it started, on leaving."""
    try:
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(requests.RequestException):
                if session.get(url, timeout=5).ok:
                    break
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(
                    f"The server at {url} {'has stopped' if process.poll() is not None else 'is silent'}."
                )
            time.sleep(0.25)
        yield psutil.Process(process.pid)
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.terminate()
        process.wait(60)
        _, left = psutil.wait_procs(family, timeout=30)
        for one in left:
            one.kill()


def _request(session: requests.Session, method: str, url: str, **options) -> requests.Response:
    cookies = SimpleCookie(_prepare(session, url).headers.get("Cookie", ""))
    headers = {"X-XSRFToken": cookies["_xsrf"].value} if "_xsrf" in cookies else {}
    response = session.request(method, url, headers=headers, timeout=300, **options)
    response.raise_for_status()
    return response


def _prepare(session: requests.Session, url: str) -> requests.PreparedRequest:
    """Return a request for `url` with the headers of the session and those of its cookies that belong to the path."""
    return session.prepare_request(requests.Request("GET", url))


def open_notebook(session: requests.Session, base: str, path: str) -> nbformat.NotebookNode:
    """Return the notebook that lies at `path` on the server."""
    return nbformat.from_dict(_request(session, "GET", f"{base}api/contents/{quote(path)}").json()["content"])


def start_kernel(session: requests.Session, base: str, path: str) -> str:
    """Start the kernel that a browser starts when it opens the notebook at `path`; return its id."""
    wanted = {"path": path, "name": Path(path).name, "type": "notebook", "kernel": {"name": "python3"}}
    return _request(session, "POST", f"{base}api/sessions", json=wanted).json()["kernel"]["id"]


def stop_kernel(session: requests.Session, base: str, kernel: str) -> None:
    _request(session, "DELETE", f"{base}api/kernels/{kernel}")


def _connect(session: requests.Session, base: str, kernel: str) -> websocket.WebSocket:
    url = f"{base}api/kernels/{kernel}/channels"
    headers = _prepare(session, url).headers
    return websocket.create_connection(
        url.replace("http", "ws", 1),
        timeout=CELL_TIMEOUT,
        cookie=headers.get("Cookie"),
        header={name: headers[name] for name in ("Authorization", "User-Agent") if name in headers},
        origin=base[: base.index("/", len("https://"))],
    )


def _execute(channel: websocket.WebSocket, cell) -> None:
    """Run one cell and put its outputs into it; raise RuntimeError where the cell does."""
    message = {
        "header": {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "session": "remote",
                   "version": "5.3", "date": ""},
        "parent_header": {}, "metadata": {}, "buffers": [], "channel": "shell",
        "content": {"code": cell.source, "silent": False, "store_history": True, "user_expressions": {},
                    "allow_stdin": False, "stop_on_error": True},
    }  # fmt: skip
    channel.send(json.dumps(message))
    cell.outputs, displays, wipe, answered, idle = [], {}, False, False, False
    deadline = time.monotonic() + CELL_TIMEOUT
    while not (answered and idle):
        if time.monotonic() > deadline:
            raise RuntimeError(f"no end after {CELL_TIMEOUT} seconds: {cell.source[:200]}")
        received = channel.recv()
        if isinstance(received, bytes):  # a widget's state, with buffers: no output
            continue
        received = json.loads(received)
        if received["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        kind, content = received["header"]["msg_type"], received["content"]
        if kind == "execute_reply":
            answered, cell.execution_count = True, content.get("execution_count")
        elif kind == "status":
            idle = content["execution_state"] == "idle"
        elif kind == "clear_output":
            wipe = True
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if wipe:
                cell.outputs, wipe = [], False
            output = nbformat.v4.output_from_msg(nbformat.from_dict(received))
            cell.outputs.append(output)
            if name := content.get("transient", {}).get("display_id"):
                displays[name] = output
            if kind == "error":
                raise RuntimeError(f"{output.ename}: {output.evalue}\nin the cell\n{cell.source}")
        elif kind == "update_display_data" and (shown := displays.get(content["transient"]["display_id"])):
            shown.data, shown.metadata = content["data"], content["metadata"]


def run_notebook(session: requests.Session, base: str, path: str) -> tuple[nbformat.NotebookNode, str]:
    """Open the notebook at `path`, run it from top to bottom; return it with its outputs, and its kernel's id.

    The kernel is left running, as a browser leaves it. Raises RuntimeError where a cell fails.
    """
    notebook = open_notebook(session, base, path)
    kernel = start_kernel(session, base, path)
    channel = _connect(session, base, kernel)
    try:
        for cell in notebook.cells:
            if cell.cell_type == "code":
                _execute(channel, cell)
    finally:
        channel.close()
    return notebook, kernel
