"""Frames of a video file, or of a folder of numbered pictures.

PyAV, an optional library, is imported when a video is opened.
"""

import contextlib
import math
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jnst._checks import check_integer, check_number
from jnst._files import not_a_file
from jnst.image.fitting import SMALLEST_EDGE, fit
from jnst.image.pictures import FORMATS, image_size, load_image
from jnst.video.flow import Frame

FPS = 24
"""Frames a second of a folder of pictures."""
LONGEST_EDGE = 16_384
"""Pixels."""
SMALLEST_INPUT = 16
"""Pixels of the short edge of a clip."""
EXACT = 0x2000 | 0x4000 | 0x40000
"""FFmpeg's flags for exact colours: full chroma in and out, and accurate rounding. Without them
every conversion darkens a picture by one of 256 levels."""
AREA = 0x20 | EXACT
"""FFmpeg's number of averaging over areas, which is what frames are scaled down by."""
STILLS = {"png_pipe", "jpeg_pipe", "webp_pipe", "tiff_pipe", "bmp_pipe", "image2", "gif_pipe"}
"""FFmpeg's formats of single pictures."""


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

    def frames(self) -> Iterator[Timed]:
        """Read the frames that are wanted; to be called once."""
        frames = self._within(self._decoded())
        return frames if self.window.fps is None else at_rate(frames, self.rate)

    def _within(self, frames: Iterator[Timed]) -> Iterator[Timed]:
        start, end = self.window.bounds()
        for pixels, time in frames:
            if end is not None and time >= end:
                return
            if time >= start:
                yield Timed(pixels, time - start)

    def _decoded(self) -> Iterator[Timed]:
        raise NotImplementedError


def at_rate(frames: Iterator[Timed], rate: Fraction) -> Iterator[Timed]:
    """Frames at regular times: each time the one that is shown then."""
    ticks, before = 0, None
    for frame in frames:
        while before is not None and Fraction(ticks) / rate < frame.time:
            yield Timed(before.pixels, Fraction(ticks) / rate)
            ticks += 1
        before = frame
    if before is not None and Fraction(ticks) / rate <= before.time:
        yield Timed(before.pixels, Fraction(ticks) / rate)


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


def open_clip(path: str | os.PathLike[str], window: Window = Window()) -> Clip:  # noqa: B008
    """Open a video, or a folder of pictures, and look what it is.

    Raises:
      ValueError: if it cannot be read or holds no video, or nothing that is wanted, or without
        PyAV; or for a window that is none.
    """
    check_window(window)
    if os.path.isdir(path):
        return PictureFolder(Path(path), window)
    return MovieFile(Path(path), window)


class PictureFolder(Clip):
    """The numbered pictures of a folder, in the order of their numbers."""

    def __init__(self, path: Path, window: Window):
        files = [file for file in path.iterdir() if file.suffix.lower() in FORMATS]
        numbered = {file: re.findall(r"\d+", file.stem) for file in files}
        self.files = sorted(
            (file for file, numbers in numbered.items() if numbers),
            key=lambda file: (int(numbered[file][-1]), file.name),
        )
        if not self.files:
            raise ValueError(f"{path} holds no numbered pictures, as frame-0001.png")
        self.path, self.window = path, window
        self.rate = Fraction(window.fps or FPS).limit_denominator(1001)
        width, height = image_size(os.fspath(self.files[0]))
        self.shape = sized(height, width, window.size, path)
        start, end = window.bounds()
        first, last = math.ceil(start * self.rate), len(self.files)
        if end is not None:
            last = min(last, math.ceil(end * self.rate))
        self.count = last - first
        if self.count < 1:
            raise ValueError(f"start: {path} has only {float(last / self.rate):.2f} s")

    def frames(self) -> Iterator[Timed]:
        """Read the pictures; they come at the rate as they are."""
        return self._within(self._decoded())

    def _decoded(self) -> Iterator[Timed]:
        for number, file in enumerate(self.files):
            pixels = load_image(os.fspath(file), max(self.shape))
            if pixels.shape[:2] != self.shape:
                height, width = pixels.shape[:2]
                raise ValueError(
                    f"{file} comes out as {width}×{height} px, where the first picture of the "
                    f"folder has {self.shape[1]}×{self.shape[0]}; give frames of one shape"
                )
            levels = np.rint(pixels * 255).astype(np.uint8)
            yield Timed(levels, number / self.rate)


class MovieFile(Clip):
    """A video file, of whatever PyAV reads."""

    def __init__(self, path: Path, window: Window):
        self.path, self.window = path, window
        with opened(path) as container:
            if container.format.name in STILLS or not container.streams.video:
                what = "a still picture" if container.streams.video else "no video"
                raise ValueError(f"{path} holds {what}; jnst fast and jnst stylize paint pictures")
            stream = container.streams.video[0]
            self.has_sound = bool(container.streams.audio)
            rate = stream.average_rate or stream.guessed_rate or FPS
            self.rate = Fraction(window.fps or rate).limit_denominator(1001)
            self.time_base: Fraction = stream.time_base
            first = self._first(container, stream)
            self.quarter_turns = round(first.rotation / 90) % 4
            self.duration = _duration(container, stream)
            wide = float(stream.sample_aspect_ratio or 1)  # of a pixel
            height, width = first.height, round(first.width * wide)
            if self.quarter_turns % 2:
                height, width = width, height
            self.shape = sized(height, width, window.size, path)
        end = self.duration if window.end is None else min(window.end, self.duration or 1e9)
        self.count = None
        if end:
            if window.start >= end:
                raise ValueError(f"start: {path} has only {end:.2f} s")
            self.count = max(1, round((end - window.start) * float(self.rate)))

    def _first(self, container: Any, stream: Any) -> Any:
        frame = next(self._raw(container, stream), None)
        if frame is None:
            why = f" ({self.problem})" if self.problem else ""
            raise ValueError(f"{self.path} holds no frame that can be decoded{why}")
        self.problem = ""
        return frame

    def _raw(self, container: Any, stream: Any) -> Iterator[Any]:
        """PyAV's frames; what cannot be decoded is left out, and remembered as a problem."""
        import av

        try:
            for packet in container.demux(stream):
                try:
                    yield from packet.decode()
                except av.FFmpegError as error:
                    self.problem = f"part of it cannot be decoded ({_reason(error)})"
        except av.FFmpegError as error:
            self.problem = f"it cannot be read further ({_reason(error)})"
            with contextlib.suppress(av.FFmpegError):  # those that the decoder still holds
                yield from stream.codec_context.decode(None)

    def _decoded(self) -> Iterator[Timed]:
        height, width = self.shape
        if self.quarter_turns % 2:
            height, width = width, height
        last = None
        with opened(self.path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            begin = Fraction(stream.start_time or 0) * stream.time_base
            if self.window.start > 0:
                goal = int((self.window.bounds()[0] + begin) / stream.time_base)
                container.seek(goal, stream=stream)
            for frame in self._raw(container, stream):
                if frame.pts is None:
                    time = Fraction(0) if last is None else last + 1 / self.rate
                else:
                    time = frame.pts * Fraction(frame.time_base) - begin
                if last is not None and time <= last:
                    continue  # two frames of one time, as broken files have them
                last = time
                scaled = frame.reformat(width, height, "rgb24", interpolation=AREA)
                yield Timed(np.rot90(scaled.to_ndarray(), self.quarter_turns), time)
        if self.problem or self.window.end is not None or self.duration is None:
            return
        missing = self.duration - float(last or 0) - 2 / float(self.rate)
        if missing > 0.02 * self.duration:
            self.problem = f"its last {missing:.2f} s are missing, as in a file that was cut off"


def sized(height: int, width: int, size: int | None, path: Path) -> tuple[int, int]:
    """The shape of frames that are not enlarged; raises ValueError where they are too small."""
    if min(height, width) < SMALLEST_INPUT:
        raise ValueError(
            f"{path} has only {width}×{height} px; both edges need at least {SMALLEST_INPUT} px"
        )
    if size is None or size >= max(height, width):
        return height, width
    return fit(height, width, size, SMALLEST_INPUT)


def opened(path: Path) -> Any:
    """Open a container to read; raises ValueError for what is none."""
    try:
        import av
    except ImportError as error:
        raise ValueError(
            'a video is read with PyAV; python -m pip install "jnst[video]", or give a folder of '
            "numbered pictures"
        ) from error
    if why := not_a_file(path):
        raise ValueError(f"{path} {why}")
    try:
        return av.open(os.fspath(path), metadata_errors="ignore")
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a video: {_reason(error)}") from error


def _duration(container: Any, stream: Any) -> float | None:
    """Seconds of the video; None where the file does not say."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def _reason(error: BaseException) -> str:
    """What FFmpeg says, in the middle of a sentence."""
    text = str(getattr(error, "strerror", None) or error).strip().rstrip(".")
    return text[:1].lower() + text[1:]
