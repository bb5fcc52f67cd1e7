"""What `jnst video` tells: progress, the report, and a strip of frames."""

import time
from collections import deque
from pathlib import Path
from typing import TextIO

import numpy as np
from tqdm import tqdm

from jnst.cli.progress import ProgressLine, write_rows
from jnst.image.pictures import save_image
from jnst.video.measuring import LONG, Row, mean_of
from jnst.video.painted import PaintedFrame

MOST_FRAMES = 10
"""Frames of a strip, at most; at least half as many of a longer clip."""
RECENT = 20
"""Frames that the speed is measured over, at least."""
SPAN = 10.0
"""Seconds that it is measured over, as scenes of several devices come in bursts."""


class FrameProgress(ProgressLine):
    """Shows the frame, frames a second and the time left: a bar on a terminal, lines otherwise.

    Args:
      stream: where to.
      count: frames that there will be; None: nobody knows.
      passes: over every frame.
      done: frames that an earlier run painted.
    """

    def __init__(self, stream: TextIO, count: int | None, passes: int = 1, done: int = 0):
        self.count, self.passes = count, passes
        self.work = count and count * passes
        super().__init__(stream, self.work)
        self.done = done
        self.times: deque[float] = deque()

    def __call__(self, frame: PaintedFrame) -> None:
        """Show a frame, if it is time to."""
        if self.passes > 1 and not frame.draft:
            return  # it was shown when it was painted
        now = time.monotonic()
        self.done += 1
        self.times.append(now)
        while len(self.times) > RECENT and self.times[0] < now - SPAN:
            self.times.popleft()
        last = self.done == self.work
        if self.stream is None or not (last or self.is_due(now)):
            return
        self.shown = now
        text = f"frame {frame.number}{f'/{self.count}' if self.count else ''}"
        if self.passes > 1:
            text = f"pass {frame.nth}/{self.passes} · {text}"
        if len(self.times) > 1:
            seconds = (now - self.times[0]) / (len(self.times) - 1)
            text += f" · {1 / seconds:.3g} frames/s"
            if self.work and self.done <= self.work:
                text += f" · {tqdm.format_interval(seconds * (self.work - self.done))} left"
        self.say(text, self.done)


class Strip:
    """Keeps frames at even distances of a clip whose length nobody knows, for a picture of them."""

    def __init__(self) -> None:
        self.kept: list[PaintedFrame] = []
        self.stride = 1

    def add(self, frame: PaintedFrame) -> None:
        """Keep a frame if it is its turn; where there are too many, every second one goes."""
        if (frame.number - 1) % self.stride:
            return
        self.kept.append(frame._replace(state=None))  # the painter's arrays, on the device
        if len(self.kept) > MOST_FRAMES:
            self.kept = self.kept[::2]
            self.stride *= 2

    def picture(self) -> np.ndarray:
        """The frames side by side, over them those of the clip, and painted one by one if kept."""
        rows = [[frame.content for frame in self.kept]]
        if all(frame.alone is not None for frame in self.kept):
            rows.append([frame.alone for frame in self.kept])  # type: ignore[misc]
        rows.append([frame.picture for frame in self.kept])
        whole = np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)
        return whole.astype(np.float32) / 255


def write_strip(path: Path, strip: Strip) -> None:
    """Write the picture of a strip."""
    save_image(path, strip.picture())


def write_report(path: Path, rows: list[Row]) -> None:
    """Write the measures of each frame as CSV; what was not measured is empty."""
    cells = [["" if value != value else value for value in row] for row in rows]
    write_rows(path, Row._fields, cells)


def summary(rows: list[Row]) -> str:
    """The means of the measures, in a line; empty where nothing could be compared."""
    parts = []
    for name, words in (
        ("warp_error", "warp error"),
        ("long_warp_error", f"over {LONG} frames"),
        ("sharpness", "sharpness"),
    ):
        value, alone = (
            mean_of(rows, name),
            mean_of(rows, f"alone_{name}") if (f"alone_{name}" in Row._fields) else float("nan"),
        )
        if value == value:
            than = f" (frame by frame {alone:.3g})" if alone == alone else ""
            parts.append(f"{words} {value:.3g}{than}")
    return ", ".join(parts)
