"""A server on the loopback address that hands out the archive, well or badly."""

import contextlib
import shutil
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Page = Callable[[BaseHTTPRequestHandler], None]


@contextlib.contextmanager
def running(wrap=lambda socket: socket, scheme: str = "http"):
    """Run a server; `server.pages[path]` answers a request, `server.asked` lists (path, headers) of all requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append((self.path, self.headers))
            with contextlib.suppress(ConnectionError):
                server.pages[self.path](self)

        do_CONNECT = do_GET  # as a proxy

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = wrap(server.socket)
    server.pages, server.asked, server.over = {}, [], threading.Event()
    server.address = lambda path: f"{scheme}://127.0.0.1:{server.server_port}{path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def page(body: bytes, status: int = 200, **headers: str) -> Page:
    """Answer with these bytes."""

    def answer(handler):
        handler.send_response(status)
        for name, value in ({"Content_Length": len(body)} | headers).items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def raw(first: bytes, more: bytes = b"", every: float = 0.0) -> Page:
    """Send bytes as they are, and then `more` for ever, or nothing."""

    def answer(handler):
        handler.wfile.write(first)
        while more and not handler.server.over.wait(every):
            handler.wfile.write(more)
        handler.server.over.wait()

    return answer


def file_page(path: Path, ranges: bool = True, stop_after: int = 1 << 40, pause: float = 0) -> Page:
    """Answer with a file, from where the request's Range begins if `ranges`.

    After `stop_after` bytes, break off, or if there is a `pause`, stay silent for so many seconds and go on.
    """

    def answer(handler):
        size, asked = path.stat().st_size, handler.headers["Range"]
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if ranges and asked else 0
        place = {"Content_Range": f"bytes {first}-{size - 1}/{size}"} if first else {}
        page(b"", 206 if first else 200, Content_Length=size - first, **place)(handler)
        with open(path, "rb") as file:
            file.seek(first)
            if size - first > stop_after:
                handler.wfile.write(file.read(stop_after))
                if not pause or handler.server.over.wait(pause):
                    return
            shutil.copyfileobj(file, handler.wfile, 1 << 20)

    return answer


def in_turn(*pages: Page) -> Page:
    """Give each request the next of the pages, and the last one to all that follow."""
    left = list(pages)
    return lambda handler: (left.pop(0) if len(left) > 1 else left[0])(handler)
