"""The preview page of `jnst video`: the frames as they come, and how steady they are."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from jnst.cli.curves import WARP_ERROR
from jnst.cli.preview import Preview
from jnst.optim.minimization import Progress
from jnst.video.flow import Frame
from jnst.video.looking import as_image
from jnst.video.painted import PaintedFrame


class FramePreview:
    """Shows frames on the preview page while the context is open; call it after every frame.

    Args:
      settings: shown in the page's table.
      port: to listen on; 0 takes a free one.
      shape: (height, width) of the frames.
      work: pictures that there will be, those of all passes counted; None: nobody knows.
      unit: what the page calls them.
      done: pictures that an earlier run made.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        port: int,
        shape: tuple[int, int],
        work: int | None,
        unit: str,
        done: int = 0,
    ):
        self.work = work or 0
        self.shape = shape
        self.page = Preview([(shape, self.work)], settings, port, unit=unit)
        self.done = done
        self.before: dict[str, Any] = {}
        self.last: Frame | None = None

    def __call__(self, frame: PaintedFrame) -> None:
        """Show a frame; one that comes once more, finished, is shown but not counted."""
        counts = frame.nth == 1 or frame.draft
        self.done += counts
        self.last = frame.picture
        self.page(
            Progress(
                step=self.done,
                steps=self.work,
                shape=self.shape,
                losses=self.before,
                picture=lambda: jnp.asarray(as_image(frame.picture)),
            )
        )
        if counts:  # as of a run's steps, the page gets those of the one before
            self.before = {WARP_ERROR: frame.row.warp_error}

    def finish(self, stopped: bool) -> None:
        """Show that it has come to its end; wait a little for a browser to fetch that."""
        if self.last is not None:
            self.page.finish(as_image(self.last), "stopped" if stopped else "finished")

    def __enter__(self) -> "FramePreview":
        self.page.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.page.__exit__(*error)
