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
    """Run a server; `server.pages[path]` answers a request, `server.asked` lists (path, Range) of all requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append((self.path, self.headers["Range"]))
            with contextlib.suppress(ConnectionError):
                server.pages[self.path](self)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = wrap(server.socket)
    server.pages, server.asked, server.over = {}, [], threading.Event()
    server.address = lambda path: f"{scheme}://127.0.0.1:{server.server_port}{path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def page(body: bytes, status: int = 200, length: int | None = None, **headers: str) -> Page:
    """Answer with these bytes, and a Content-Length that may lie."""

    def answer(handler):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def file_page(path: Path, ranges: bool = True, stop_after: int | None = None, stall: bool = False, **headers) -> Page:
    """Answer with a file, from where the request's Range begins if `ranges`.

    With `stop_after`, send that many bytes and then break off, or if `stall`, go silent.
    """

    def answer(handler):
        size, asked = path.stat().st_size, handler.headers["Range"]
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if ranges and asked else 0
        handler.send_response(206 if begin else 200)
        if begin:
            handler.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        handler.send_header("Content-Length", str(size - begin))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        with open(path, "rb") as file:
            file.seek(begin)
            if stop_after is None:
                shutil.copyfileobj(file, handler.wfile, 1 << 20)
            else:
                handler.wfile.write(file.read(stop_after))
                if stall:
                    handler.server.over.wait()

    return answer


def in_turn(*pages: Page) -> Page:
    """Give each request the next of the pages, and the last one to all that follow."""
    left = list(pages)

    def answer(handler):
        (left.pop(0) if len(left) > 1 else left[0])(handler)

    return answer
