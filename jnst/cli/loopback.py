"""The small web server of the pages that commands show: to this machine only.

Flask is optional, and imported only when a page is served.
"""

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.serving import BaseWSGIServer

HOST = "127.0.0.1"
LOOPBACK = (HOST, "localhost", "::1")
"""Host names that requests may use; others could come from a foreign page."""


def listening(port: int) -> socket.socket:
    """Listen on a port; Werkzeug would end the process if it is in use."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise ValueError(f"port {port} of {HOST} cannot be used: {error.strerror}") from error


def check_free(port: int) -> None:
    """Raise ValueError if a port cannot be listened on."""
    listening(port).close()


def make_loopback_server(app: "Flask", port: int = 0) -> "BaseWSGIServer":
    """Make a server that listens on a port, 0 for a free one; `serving` starts it.

    Raises:
      ValueError: if the port cannot be used.
    """
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any) -> None:  # standard error belongs to the run
            pass

    with contextlib.closing(listening(port)) as listener:
        return make_server(
            HOST,
            listener.getsockname()[1],
            app,
            threaded=True,
            request_handler=Quiet,
            fd=listener.fileno(),
        )


def address_of(server: "BaseWSGIServer") -> str:
    """The address of a server's page."""
    return f"http://{HOST}:{server.port}/"


def start(server: "BaseWSGIServer") -> None:
    """Serve, in a thread of its own."""
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()


def stop(server: "BaseWSGIServer") -> None:
    """End serving, and free the port."""
    server.shutdown()
    server.server_close()


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
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            name = None
        if name not in LOOPBACK:  # perhaps a foreign page whose name resolves to this machine
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
