"""Frames of a video file, or of a folder of numbered pictures.

PyAV, an optional library, is imported when a video is opened.
"""

import contextlib
import os
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from jnst._files import not_a_file
from jnst.video.clip import Clip, Timed, Window, check_window, sized
from jnst.video.picture_folder import FPS, PictureFolder

EXACT = 0x2000 | 0x4000 | 0x40000
"""FFmpeg's flags for exact colours: full chroma in and out, and accurate rounding. Without them
every conversion darkens a picture by one of 256 levels."""
AREA = 0x20 | EXACT
"""FFmpeg's number of averaging over areas, which is what frames are scaled down by."""
STILLS = {"png_pipe", "jpeg_pipe", "webp_pipe", "tiff_pipe", "bmp_pipe", "image2", "gif_pipe"}
"""FFmpeg's formats of single pictures."""


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
            self.own_rate = Fraction(stream.average_rate or stream.guessed_rate or FPS)
            self.rate = Fraction(window.fps or self.own_rate).limit_denominator(1001)
            self.time_base: Fraction = stream.time_base
            first = self._first(container, stream)
            self.quarter_turns = round(first.rotation / 90) % 4
            self.mirrored = _mirrored(first)
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

    def _end(self) -> Fraction | None:
        if self.problem or self.duration is None:  # the last frame was not to be shown so long
            return None
        start, end = self.window.bounds()
        whole = Fraction(self.duration).limit_denominator(10**6)
        return (whole if end is None else min(end, whole)) - start

    def _decoded(self) -> Generator[Timed]:
        height, width = self.shape
        if self.quarter_turns % 2:
            height, width = width, height
        last, damaged, earlier = None, 0, 0
        shapes: set[tuple[int, int]] = set()
        with opened(self.path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            begin = Fraction(stream.start_time or 0) * stream.time_base
            if self.window.start > 0:
                goal = int((self.window.bounds()[0] + begin) / stream.time_base)
                container.seek(goal, stream=stream)
            for frame in self._raw(container, stream):
                if frame.pts is None:
                    time = Fraction(0) if last is None else last + 1 / self.own_rate
                else:
                    time = frame.pts * Fraction(frame.time_base) - begin
                if last is not None and time <= last:
                    earlier += time < last - 1  # else two frames of one time, as files have them
                    continue
                shapes.add((frame.width, frame.height))
                last = time
                damaged += frame.is_corrupt
                scaled = frame.reformat(width, height, "rgb24", interpolation=AREA)
                pixels = scaled.to_ndarray()
                upright = np.rot90(pixels[::-1] if self.mirrored else pixels, self.quarter_turns)
                yield Timed(upright, time)
        if self.problem:
            return
        whole = self.window.end is None and self.duration is not None
        missing = (self.duration or 0) - float(last or 0) - 2 / float(self.own_rate)
        if whole and missing > 0.02 * (self.duration or 0):
            self.problem = f"its last {missing:.2f} s are missing, as in a file that was cut off"
        elif earlier:
            self.problem = f"frames left out, as their times begin again: {earlier}"
        elif len(shapes) > 1:
            self.problem = "its frames change their shape; all were brought to that of the first"
        elif damaged:
            self.problem = f"damaged frames: {damaged}; they were painted as far as they came out"


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
    # PyAV 19 reads clips whose texts are no UTF-8 without being asked to.
    before_19 = int(av.__version__.split(".")[0]) < 19
    lenient: dict[str, Any] = {"metadata_errors": "ignore"} if before_19 else {}
    try:
        # With the protocol, as a name with a colon would be taken for one of its own otherwise.
        return av.open(f"file:{path}", **lenient)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a video: {_reason(error)}") from error


def _mirrored(frame: Any) -> bool:
    """Say whether a frame is to be turned upside down as a mirror does, and then rotated.

    That is so where the matrix by which it is to be shown has a negative determinant.
    """
    from av.sidedata.sidedata import Type

    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return False
    across, down, _ = np.frombuffer(bytes(matrix), np.int32).reshape(3, 3).astype(float)
    return bool(across[0] * down[1] < across[1] * down[0])


def _duration(container: Any, stream: Any) -> float | None:
    """Seconds of the video; None where the file does not say."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def _reason(error: BaseException) -> str:
    """What FFmpeg says, in the middle of a sentence."""
    text = str(getattr(error, "strerror", None) or error).strip().rstrip(".")
    return text[:1].lower() + text[1:]
