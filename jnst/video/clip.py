"""What a clip is, and what can be wanted of it."""

from collections.abc import Generator, Iterable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from jnst._checks import check_integer, check_number
from jnst.image.fitting import SMALLEST_EDGE, fit
from jnst.video.flow import Frame

LONGEST_EDGE = 16_384
"""Pixels."""
SMALLEST_INPUT = 16
"""Pixels of the short edge of a clip."""


class Window(NamedTuple):
    """What is wanted of a clip.

    Attributes:
      start: seconds from the clip's beginning.
      end: likewise; None: to its end.
      fps: frames a second; None: those that there are, at their own times.
      size: the longest edge in pixels; None: the clip's own. It is never enlarged.
    """

    start: float = 0.0
    end: float | None = None
    fps: float | None = None
    size: int | None = None

    def bounds(self) -> tuple[Fraction, Fraction | None]:
        """Start and end, in whole microseconds: 0.4 is no sum of powers of two."""
        start, end = (
            None if time is None else Fraction(time).limit_denominator(10**6)
            for time in (self.start, self.end)
        )
        return start or Fraction(0), end


class Timed(NamedTuple):
    """A frame, and when it is shown, in seconds from the start of what is wanted."""

    pixels: Frame
    time: Fraction


class Clip:
    """A video to read, checked.

    Attributes:
      path: the file or folder.
      shape: (height, width) of the frames, as they will be read.
      rate: frames a second, or what is closest to that.
      count: how many frames there will be, as far as can be told; None: that cannot.
      has_sound: whether there is any.
      window: what is wanted of it.
      problem: after reading, why it ended early; empty: it did not.
    """

    path: Path
    shape: tuple[int, int]
    rate: Fraction
    count: int | None
    has_sound: bool = False
    window: Window
    problem: str = ""

    def frames(self) -> Generator[Timed]:
        """Read the frames that are wanted, from the first; one reading at a time."""
        self.problem = ""
        frames = self._within(self._decoded())
        return frames if self.window.fps is None else self._at_rate(frames)

    def _at_rate(self, frames: Iterable[Timed]) -> Generator[Timed]:
        """Frames at regular times: each time the one that is shown then, the last to the end."""
        ticks, before = 0, None
        for frame in frames:
            while before is not None and Fraction(ticks) / self.rate < frame.time:
                yield Timed(before.pixels, Fraction(ticks) / self.rate)
                ticks += 1
            before = frame
        end = self._end()
        while before is not None:
            time = Fraction(ticks) / self.rate
            if time > before.time and (end is None or time >= end):
                return
            yield Timed(before.pixels, time)
            ticks += 1

    def _end(self) -> Fraction | None:
        """When what is wanted ends, from its start, once it has been read; None: nobody knows."""
        return None

    def _within(self, frames: Iterable[Timed]) -> Generator[Timed]:
        start, end = self.window.bounds()
        for pixels, time in frames:
            if end is not None and time >= end:
                return
            if time >= start:
                yield Timed(pixels, time - start)

    def _decoded(self) -> Generator[Timed]:
        raise NotImplementedError


def check_window(window: Window) -> None:
    """Raise ValueError or TypeError, naming the option, for what cannot be wanted of any clip."""
    check_number("start", window.start, least=0)
    if window.end is not None:
        check_number("end", window.end, least=0)
        if window.end <= window.start:
            raise ValueError(f"end must be after start, {window.start:g} s, got {window.end:g} s")
    if window.fps is not None:
        check_number("fps", window.fps, least=0.1, most=240)
    if window.size is not None:
        check_integer("size", window.size, least=SMALLEST_EDGE, most=LONGEST_EDGE)


def sized(height: int, width: int, size: int | None, path: Path) -> tuple[int, int]:
    """The shape of frames that are not enlarged; raises ValueError where they are too small."""
    if min(height, width) < SMALLEST_INPUT:
        raise ValueError(
            f"{path} has only {width}×{height} px; both edges need at least {SMALLEST_INPUT} px"
        )
    if size is None or size >= max(height, width):
        return height, width
    return fit(height, width, size, SMALLEST_INPUT)
