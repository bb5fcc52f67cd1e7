"""The small web server of the pages that commands show: to this machine only.

Flask is optional, and imported only when a page is served.
"""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from flask import Flask

HOST = "127.0.0.1"
LOOPBACK = (HOST, "localhost", "::1")
"""Host names that requests may use; others could come from a foreign page."""
STALLED_SECONDS = 5
"""That a request may send nothing for, as where a tunnel is gone, before it is dropped."""
POLL_SECONDS = 0.05
"""How long the end of serving takes at most, beside the answers that are being made."""


def listening(port: int) -> socket.socket:
    """Listen on a port; Werkzeug would end the process if it is in use."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise ValueError(f"port {port} of {HOST} cannot be used: {error.strerror}") from error


def check_free(port: int) -> None:
    """Raise ValueError if a port cannot be listened on."""
    listening(port).close()


class Requests:
    """The requests whose answers are being made.

    A server's end waits for them: the end of the interpreter cuts threads off, and one that is
    within JAX or matplotlib then aborts the process. One that sends an answer does not.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.count, self.ended = 0, False

    @contextlib.contextmanager
    def answering(self) -> Iterator[bool]:
        """Count a request in this block; yield False if it comes after the end."""
        with self.changed:
            in_time = not self.ended
            self.count += in_time
        try:
            yield in_time
        finally:
            with self.changed:
                self.count -= in_time
                self.changed.notify_all()

    def counted(self, app: "WSGIApplication") -> "WSGIApplication":
        """The application, which answers until the end."""

        def answer(environ: Any, start_response: Any) -> Any:
            with self.answering() as in_time:
                if in_time:
                    return app(environ, start_response)
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return []

        return answer

    def end(self) -> None:
        """Take no more of them, and wait for the answers that are being made."""
        with self.changed:
            self.ended = True
            self.changed.wait_for(lambda: not self.count)


class LoopbackServer:
    """A server that listens on a port of this machine, and answers from `start` to `stop`.

    Args:
      app: that answers.
      port: to listen on; 0 takes a free one.

    Attributes:
      port: that it listens on.
      address: of its page.

    Raises:
      ValueError: if the port cannot be used.
    """

    def __init__(self, app: "WSGIApplication", port: int = 0):
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Handler(WSGIRequestHandler):
            timeout = STALLED_SECONDS

            def log(self, *_: Any) -> None:  # standard error belongs to the run
                pass

        self.requests = Requests()
        with contextlib.closing(listening(port)) as listener:
            self.server = make_server(
                HOST,
                listener.getsockname()[1],
                self.requests.counted(app),
                threaded=True,
                request_handler=Handler,
                fd=listener.fileno(),
            )
        self.port = self.server.port
        self.address = f"http://{HOST}:{self.port}/"
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve, in a thread of its own."""
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(POLL_SECONDS,), daemon=True
        )
        self.thread.start()

    def stop(self) -> None:
        """End serving once no answer is being made, and free the port; not to be called in one."""
        if self.thread is not None:
            self.server.shutdown()
        self.server.server_close()
        self.requests.end()


def guard(app: "Flask", policy: str = "") -> None:
    """Let an application answer this machine's own pages only, and keep what it sends among them.

    A page of another site that a browser on this machine shows could send requests here: under a
    name of its own that resolves to this machine, which the header Host tells, or by scripts, of
    which the header Origin tells.

    Args:
      app: to be guarded.
      policy: what its page may do beside scripts, styles and pictures of its own, as directives of
        a Content-Security-Policy.
    """
    from flask import Response, abort, request

    @app.before_request
    def own_machine_only() -> None:
        host = request.headers.get("Host", "")
        named = re.fullmatch(r"\[(::1)\](:\d+)?|([^][:@]+)(:\d+)?", host)
        # Another name is perhaps a foreign page's, which resolves to this machine.
        if not named or (named[1] or named[3]).lower() not in LOOPBACK:
            abort(403, "this page is served to this machine only")
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() != f"http://{host}".lower():
            abort(403, "this server answers its own page only")

    @app.after_request
    def private(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = (
            "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
            f"img-src 'self' data: blob:; frame-ancestors 'none'; {policy}"
        )
        return response
