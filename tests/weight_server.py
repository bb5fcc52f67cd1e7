"""A web server for the tests of downloads, which does what each test tells it to."""

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator

CONTENT = bytes(range(256)) * 2048  # 512 KiB
NAME = f"vgg19-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each request by the next of the server's behaviours; the last one stays."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range"))
        self.server.headers.append(self.headers)
        behaviours = self.server.behaviours
        behaviour = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        with contextlib.suppress(ConnectionError):
            behaviour(self)
        self.close_connection = True

    def start(self) -> int:
        """The first byte that the request asks for."""
        return int((self.headers.get("Range") or "bytes=0-")[6:-1])

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours: list[Callable[[Handler], None]] = [ranged()]
        self.ranges: list[str | None] = []
        self.headers: list[object] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/models/{NAME}"


def ranged(content: bytes = CONTENT, stop: int | None = None, **headers: object):
    """A server that honours ranges, and cuts the connection once it has sent byte `stop`."""

    def behave(handler: Handler) -> None:
        start = handler.start()
        if start >= len(content):
            handler.head(416, Content_Range=f"bytes */{len(content)}", Content_Length=0)
            return
        headers["Content_Length"] = len(content) - start
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.head(206 if start else 200, **headers)
        handler.wfile.write(content[start:stop])

    return behave


def whole(content: bytes = CONTENT, stop: int | None = None):
    """A server that does not know ranges."""

    def behave(handler: Handler) -> None:
        handler.head(200, Content_Length=len(content))
        handler.wfile.write(content[:stop])

    return behave


def status(code: int):
    return lambda handler: handler.head(code, Content_Length=0)


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server that runs for as long as the block."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
