"""Run a notebook through a Jupyter server as a browser does: its REST API, then the kernel's websocket.

`session` is a `requests.Session` that the server lets in, by a token in its headers or by a browser's cookies; `base`
is the server's address with a slash at its end.
"""

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import quote

import nbformat
import psutil
import requests
import websocket
from jupyter_client.session import Session
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete

CELL_TIMEOUT = 1_800  # seconds; on a full hub a cell waits for its turn


def free_ports(count: int = 1) -> list[int]:
    """Return ports of this machine on which nobody listens."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def serving(process: subprocess.Popen, session: requests.Session, url: str) -> Iterator[psutil.Process]:
    """Wait five minutes at most until the server in `process` answers at `url`; then end all it started."""
    try:
        end = time.monotonic() + 300
        while True:
            with contextlib.suppress(requests.RequestException):
                if session.get(url, timeout=5).ok:
                    break
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"The server at {url} {'is silent' if process.poll() is None else 'has stopped'}.")
            time.sleep(0.25)
        yield psutil.Process(process.pid)
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.terminate()
        process.wait(60)
        _, left = psutil.wait_procs(family, timeout=30)
        for one in left:
            one.kill()


def request(session: requests.Session, method: str, url: str, **options) -> requests.Response:
    cookies = SimpleCookie(_prepare(session, url).headers.get("Cookie", ""))
    headers = {"X-XSRFToken": cookies["_xsrf"].value} if "_xsrf" in cookies else {}
    response = session.request(method, url, headers=headers, timeout=300, **options)
    response.raise_for_status()
    return response


def _prepare(session: requests.Session, url: str) -> requests.PreparedRequest:
    """Return a request for `url` with the headers of the session and those of its cookies that belong to the path."""
    return session.prepare_request(requests.Request("GET", url))


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


def _execute(channel: websocket.WebSocket, client: NotebookClient, index: int) -> None:
    """Run a cell and put its outputs into it; raise RuntimeError where the cell does."""
    cell = client.nb.cells[index]
    content = {"code": cell.source, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
    request = Session().msg("execute_request", {**content, "user_expressions": {}})
    channel.send(json.dumps({**request, "channel": "shell"}, default=str))
    cell.outputs, client.clear_before_next_output = [], False  # as where nbclient runs a cell itself
    deadline = time.monotonic() + CELL_TIMEOUT
    with contextlib.suppress(CellExecutionComplete):
        while time.monotonic() < deadline:
            received = channel.recv()
            message = {} if isinstance(received, bytes) else json.loads(received)  # bytes: a widget's state
            if message.get("channel") == "iopub" and message["parent_header"].get("msg_id") == request["msg_id"]:
                client.process_message(message, cell, index)
                if message["msg_type"] == "error":
                    (error,) = (output for output in cell.outputs if output.output_type == "error")
                    raise RuntimeError(f"{error.ename}: {error.evalue}\nin the cell\n{cell.source}")
        raise RuntimeError(f"no end after {CELL_TIMEOUT} seconds: {cell.source[:200]}")


def run_notebook(session: requests.Session, base: str, path: str) -> tuple[nbformat.NotebookNode, str]:
    """Open the notebook at `path`, run it from top to bottom; return it with its outputs, and its kernel's id.

    The kernel is left running, as a browser leaves it. Raises RuntimeError where a cell fails.
    """
    content = request(session, "GET", f"{base}api/contents/{quote(path)}").json()["content"]
    notebook = nbformat.from_dict(content)
    wanted = {"path": path, "name": Path(path).name, "type": "notebook", "kernel": {"name": "python3"}}
    kernel = request(session, "POST", f"{base}api/sessions", json=wanted).json()["kernel"]["id"]
    client = NotebookClient(notebook, record_timing=False)  # knows what becomes of a kernel's messages
    with contextlib.closing(_connect(session, base, kernel)) as channel:
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                _execute(channel, client, index)
    return notebook, kernel
