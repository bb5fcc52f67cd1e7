"""The live page: frames of the browser's camera come by POST, and go back painted.

Flask is optional, and imported only when the page is served.
"""

import base64
import contextlib
import math
import re
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from jnst._checks import check_choice, check_integer, check_number
from jnst.cli.loopback import LoopbackServer, guard
from jnst.image.frames import read_frame, write_frame

if TYPE_CHECKING:
    from flask import Flask

    from jnst.cli.live_styles import Styles

BYTES_PER_PIXEL = 4
"""Of a frame's JPEG at most; the page's have about a tenth of it."""
LEAST_BYTES = 2**16
"""That are allowed however small the frames are."""
SILENT_SECONDS = 6.0
"""After so long without a frame, another page may take the place."""
CLIENT = "[0-9a-f-]{8,64}"
"""How pages call themselves, each by a random name."""


def check_live(port: int, name: str = "port") -> None:
    """Raise ValueError unless `port` is valid (0: any free one) and Flask is installed."""
    check_integer(name, port, least=0, most=65_535)
    try:
        import flask  # noqa: F401
    except ImportError as error:
        said = 'the live page needs Flask; python -m pip install "jnst[preview]"'
        raise ValueError(said) from error


class Seat:
    """The place of the one page whose frames are painted."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.client, self.until, self.busy = "", -math.inf, 0

    @contextlib.contextmanager
    def taken_by(self, client: str) -> Iterator[bool]:
        """Yield whether the place is the client's, whose it stays as long as the block takes."""
        with self.lock:
            free = not self.busy and time.monotonic() > self.until
            if mine := free or client == self.client:
                self.client = client
                self.busy += 1
        try:
            yield mine
        finally:
            if mine:
                with self.lock:
                    self.busy -= 1
                    if client == self.client:
                        self.until = time.monotonic() + SILENT_SECONDS

    def leave(self, client: str) -> None:
        """Free the place, if it is the client's."""
        with self.lock:
            if client == self.client:
                self.client, self.until = "", -math.inf


class Turns:
    """Frames are painted one at a time, and of those that wait only the newest."""

    def __init__(self) -> None:
        self.arriving, self.painting = threading.Lock(), threading.Lock()
        self.newest = 0

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        """Wait for the turn of a frame; yield False if a newer one has come meanwhile."""
        with self.arriving:
            self.newest += 1
            mine = self.newest
        with self.painting:
            yield mine == self.newest


class Live:
    """Serve the page, to this machine only, while the context is open.

    Args:
      styles: to pick from.
      shape: (height, width) of the frames; a camera that is held upright sends (width, height).
      strength: that the page begins with, in [0, 1].
      port: to listen on; 0 takes a free one.

    Attributes:
      address: of the page.

    Raises:
      ValueError: if the port is invalid or in use, or Flask is missing.
    """

    def __init__(
        self, styles: "Styles", shape: tuple[int, int], *, strength: float = 1.0, port: int = 0
    ):
        check_live(port)
        self.styles, self.shape, self.strength = styles, shape, strength
        self.shapes = tuple(dict.fromkeys((shape, shape[::-1])))
        self.most_bytes = max(LEAST_BYTES, BYTES_PER_PIXEL * math.prod(shape))
        self.seat, self.turns = Seat(), Turns()
        self.closed = False
        self.server = LoopbackServer(application(self), port)
        self.address = self.server.address

    def setup(self) -> dict[str, Any]:
        """What the page needs to know."""
        height, width = self.shape
        pictures = {
            name: base64.b64encode(write_frame(sample)).decode()
            for name, sample in self.styles.samples.items()
        }
        return {
            "width": width,
            "height": height,
            "strength": self.strength,
            "styles": [
                {"name": name, "picture": f"data:image/jpeg;base64,{data}"}
                for name, data in pictures.items()
            ],
        }

    def checked(self, data: bytes, style: str, strength: float) -> Float[np.ndarray, "H W 3"]:
        """Read a frame's file; raise ValueError for one, a style or a strength that will not do."""
        check_choice("style", style, self.styles.samples)
        check_number("strength", strength, least=0, most=1)
        return read_frame(data, self.shapes)

    def painted(
        self, frame: Float[np.ndarray, "H W 3"], style: str, strength: float
    ) -> tuple[bytes, dict[str, float]]:
        """Paint a frame.

        Args:
          frame: from `checked`.
          style: one of the names.
          strength: in [0, 1].

        Returns:
          The painted frame's file, empty where a newer frame has come before its turn; and the
          seconds that it waited and was painted.
        """
        came = time.perf_counter()
        with self.turns.turn() as mine:
            if not mine or self.closed:
                return b"", {}
            began = time.perf_counter()
            picture = self.styles.paint(frame, style, float(strength))
            ended = time.perf_counter()
        return write_frame(picture), {"wait": began - came, "paint": ended - began}

    def __enter__(self) -> "Live":
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True
        self.server.stop()


def application(live: Live) -> "Flask":
    """Make the application that serves the page and paints what it sends."""
    from flask import Flask, Response, abort, jsonify, render_template, request
    from werkzeug.exceptions import HTTPException

    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = live.most_bytes
    guard(app, "media-src 'self' blob:; base-uri 'none'; form-action 'none'")

    @app.errorhandler(HTTPException)
    def told(error: HTTPException) -> tuple[Response, int]:
        said = error.description or ""
        if error.code == 413:
            said = f"a frame must have at most {live.most_bytes:,} bytes"
        return jsonify(error=said), error.code or 500

    def client() -> str:
        name = request.args.get("client", "")
        if not re.fullmatch(CLIENT, name):
            abort(400, "client must be the page's name of 8 to 64 characters of 0-9, a-f and -")
        return name

    @app.get("/")
    def page() -> str:
        return render_template("live.html", setup=live.setup())

    @app.post("/frame")
    def frame() -> Response:
        name, style = client(), request.args.get("style", "")
        try:
            strength = float(request.args.get("strength", live.strength))
        except ValueError:
            abort(400, f"strength must be a number, got {request.args['strength']!r}")
        try:  # before it takes the seat
            seen = live.checked(request.get_data(), style, strength)
        except ValueError as error:
            abort(400, str(error))
        with live.seat.taken_by(name) as mine:
            if not mine:
                abort(409, "another page is being painted; close it to paint here")
            picture, seconds = live.painted(seen, style, strength)
        if not picture and live.closed:
            abort(503, "jnst live is ending")
        if not picture:
            return Response(status=204)  # dropped for a newer one
        timing = ", ".join(f"{what};dur={1000 * time:.1f}" for what, time in seconds.items())
        return Response(picture, mimetype="image/jpeg", headers={"Server-Timing": timing})

    @app.post("/leave")
    def leave() -> Response:
        live.seat.leave(client())
        return Response(status=204)

    return app
