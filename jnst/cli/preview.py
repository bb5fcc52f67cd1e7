"""A local web page that shows a run: a callback for `jnst.stylize`.

Flask is optional, and imported only when a page is served.
"""

import io
import math
import sys
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jnst._checks import check_integer
from jnst._text import as_text
from jnst.cli.curves import CURVES, draw_curves
from jnst.cli.loopback import LoopbackServer, guard
from jnst.cli.progress import work_left
from jnst.image.pictures import resize_picture
from jnst.optim.minimization import Progress
from jnst.transfer.plan import Plan

if TYPE_CHECKING:
    from flask import Flask

PICTURE_SHARE = 10.0
"""Least time between two pictures, in parts of what one takes."""
PICTURE_SECONDS = 1.0
"""Least time between two pictures."""
WATCHED_SECONDS = 5.0
"""How long after a request somebody is taken to be watching, and the longest wait at the end for
the last picture to be fetched."""
LARGEST_SHOWN = 1600
"""Longest edge, in pixels, of a picture sent to the browser."""
INKS = {"light": "#333333", "dark": "#cccccc"}


def check_preview(port: int, name: str = "port") -> None:
    """Raise ValueError unless `port` is valid (0: any free one) and the libraries are installed.

    Args:
      port: number of the port.
      name: what messages call it.

    >>> check_preview(70_000)
    Traceback (most recent call last):
      ...
    ValueError: port must be at most 65535, got 70000
    """
    check_integer(name, port, least=0, most=65_535)
    try:
        import flask  # noqa: F401
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ValueError(
            'the preview needs Flask and matplotlib; python -m pip install "jnst[preview]"'
        ) from error


class Preview:
    """Serve the page, to this machine only, while the context is open; call it after every step.

    A call never waits for the device: losses stay there until a browser asks, and a picture is
    copied on the device, at most once a second and only while a browser asks.

    Args:
      plan: as `Settings.plan` returns it.
      settings: shown in the page's table.
      port: to listen on; 0 takes a free one.
      unit: what a step is called.

    Raises:
      ValueError: if the port is invalid or in use, or Flask or matplotlib is missing.
    """

    def __init__(
        self, plan: Plan, settings: Mapping[str, Any], port: int = 0, *, unit: str = "step"
    ):
        check_preview(port)
        self.unit = unit
        self.settings = {name: as_text(value) for name, value in settings.items()}
        self.state = "starting"
        self.lock = threading.Lock()  # matplotlib and the reading of losses are for one at a time
        self.restart(plan)
        self.picture: Float[ArrayLike, "H W 3"] | None = None
        self.version = 0  # of the picture: counts them
        self.taken = self.asked = -math.inf
        self.pause = PICTURE_SECONDS
        self.missing = {"state", "picture", "curves"}  # not yet fetched since the end
        self.fetched = threading.Event()
        self.server = LoopbackServer(application(self), port)
        self.address = self.server.address

    def tell_address(self) -> None:
        """Say where the page is, even with --quiet: it cannot be found without that."""
        print(f"preview at {self.address}", file=sys.stderr, flush=True)

    def restart(self, plan: Plan) -> None:
        """Begin with other pictures, of the same settings."""
        with self.lock:
            self.plan = plan
            self.work = sum(height * width * steps for (height, width), steps in plan)
            self.steps = sum(steps for _, steps in plan)
            self.step, self.done, self.left = 0, 0, math.nan
            self.shape = plan[0][0]
            self.sizes: list[tuple[int, tuple[int, int]]] = []  # from which step on
            self.losses: list[tuple[int, dict[str, Array]]] = []  # with their step
            self.values: list[tuple[int, dict[str, float]]] = []  # of `losses`, as far as read

    def __call__(self, progress: Progress) -> None:
        """Note a step, and copy its picture if somebody is watching."""
        now = time.monotonic()
        self.done, self.steps = self.work - work_left(self.plan, progress), progress.steps
        if not self.sizes or progress.shape != self.shape:  # its first step has been compiled
            self.shape, self.began, self.before = progress.shape, now, self.done
            self.sizes.append((progress.step, progress.shape))
            self.losses.append((progress.step, progress.losses))
        elif self.done > self.before:
            self.left = (now - self.began) / (self.done - self.before) * (self.work - self.done)
        if progress.losses is not self.losses[-1][1]:
            self.losses.append((progress.step - 1, progress.losses))
        self.step, self.state = progress.step, "running"
        if now - self.asked < WATCHED_SECONDS and now - self.taken >= self.pause:
            # A copy, since the next step takes the array itself; the device makes it in its turn.
            self.picture = jnp.array(progress.picture(), copy=True)
            self.taken, self.version = time.monotonic(), self.version + 1
            # Pictures that take long to make, as of a training's photographs, come less often.
            self.pause = max(PICTURE_SECONDS, PICTURE_SHARE * (self.taken - now))

    def finish(self, image: Float[ArrayLike, "H W 3"], reason: str) -> None:
        """Show the result and why the run ended; wait a little for a browser to fetch it."""
        self.picture, self.version = image, self.version + 1
        self.left, self.state = 0.0, reason
        if time.monotonic() - self.asked < WATCHED_SECONDS:
            self.fetched.wait(WATCHED_SECONDS)

    def sent(self, what: str) -> None:
        """Note that a browser has fetched `what`; `finish` waits until all has been fetched."""
        self.missing.discard(what)
        if not self.missing:
            self.fetched.set()

    def report(self) -> dict[str, Any]:
        """Return the state that the page polls, for JSON."""
        self.asked = time.monotonic()
        with self.lock:
            values = self.read_losses()
        return {
            "state": self.state,
            "step": self.step,
            "steps": self.steps,
            "width": self.shape[1],
            "height": self.shape[0],
            # Less than none where nobody knows how many steps there will be.
            "seconds_left": self.left if math.isfinite(self.left) and self.left >= 0 else None,
            "losses": {
                term: value if math.isfinite(value) else None
                for term, value in (values[-1][1] if values else {}).items()
            },
            "picture": self.version,
        }

    def read_losses(self) -> list[tuple[int, dict[str, float]]]:
        """Return the losses so far as numbers, [(step, {term: loss}), …]."""
        for step, losses in self.losses[len(self.values) :]:
            shown = {term: float(losses[term]) for term in CURVES if term in losses}
            self.values.append((step, shown))
        return self.values

    def png(self) -> bytes:
        """Encode the latest picture, no larger than `LARGEST_SHOWN`."""
        from matplotlib.image import imsave

        pixels = np.asarray(self.picture)
        levels = np.rint(np.nan_to_num(pixels.clip(0, 1)) * 255).astype(np.uint8)
        if max(levels.shape) > LARGEST_SHOWN:
            levels = resize_picture(levels, None, LARGEST_SHOWN).pixels
        buffer = io.BytesIO()
        imsave(buffer, levels, format="png")
        return buffer.getvalue()

    def svg(self, ink: str) -> bytes:
        """Draw the losses so far on a logarithmic scale."""
        with self.lock:
            sizes = [step for step, _ in self.sizes[1:]]
            return draw_curves(self.read_losses(), sizes, ink, self.unit)

    def __enter__(self) -> "Preview":
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()


def application(preview: Preview) -> "Flask":
    """Make the application that serves the page and what it fetches, read-only."""
    from flask import Flask, Response, abort, jsonify, render_template, request

    app = Flask(__name__, static_folder=None)

    guard(app)

    @app.get("/")
    def page() -> str:
        return render_template("preview.html", settings=preview.settings, unit=preview.unit)

    @app.get("/state.json")
    def state() -> Response:
        report = preview.report()
        return noted("state", report["state"], jsonify(report))

    @app.get("/picture.png")
    def picture() -> Response:
        ended = preview.state
        if preview.picture is None:
            abort(404, "there is no picture yet")
        return noted("picture", ended, Response(preview.png(), mimetype="image/png"))

    @app.get("/curves.svg")
    def curves() -> Response:
        ended = preview.state
        ink = INKS["dark" if request.args.get("theme") == "dark" else "light"]
        return noted("curves", ended, Response(preview.svg(ink), mimetype="image/svg+xml"))

    def noted(what: str, state: str, response: Response) -> Response:
        if state not in ("starting", "running"):
            response.call_on_close(lambda: preview.sent(what))
        return response

    return app
