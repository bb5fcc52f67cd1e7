"""Painted frames written, as a video with the sound of the first or as a folder of pictures.

PyAV, an optional library, is imported when a video is written.
"""

import contextlib
import json
import math
import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from jnst._checks import check_choice, check_integer
from jnst._files import atomic_write, check_output
from jnst.image.pictures import FORMATS
from jnst.video.clip import Clip
from jnst.video.encoders import ENCODERS, OPTIONS, QUALITIES, SUFFIXES, WORST
from jnst.video.flow import Frame
from jnst.video.folder_writing import RECORD, FolderWriter, naming
from jnst.video.reading import EXACT, MovieFile, opened
from jnst.video.resuming import forget_stop
from jnst.video.sound import Sound
from jnst.visualize.folders import check_own_folder

PIXEL_FORMAT = "yuv420p"
"""What every player plays."""
START_CODES = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}
"""FFmpeg's filters that bring packets of a file into the form in which encoders make them."""
BICUBIC = 0x4 | EXACT
"""FFmpeg's number of the way by which colours get half the resolution."""
BT709 = 1
"""FFmpeg's number of the colours of HD video."""


class Encoding(NamedTuple):
    """How a video is to be written.

    Attributes:
      codec: as in `ENCODERS`, or FFmpeg's name of an encoder; None: the suffix decides.
      quality: the encoder's CRF; None: as in `QUALITIES`.
      pixel_format: FFmpeg's name.
      sound: keep the clip's.
    """

    codec: str | None = None
    quality: int | None = None
    pixel_format: str = PIXEL_FORMAT
    sound: bool = True

    def encoder(self, path: Path) -> str:
        """FFmpeg's name of the encoder."""
        if self.codec is None:
            return SUFFIXES[path.suffix.lower()]
        return ENCODERS.get(self.codec.lower(), self.codec)


class Writer(Protocol):
    """Takes frame after frame."""

    def write(self, pixels: Frame, time: Fraction) -> None:
        """Take the next frame."""

    def finish(self) -> None:
        """Put everything in its place; without this nothing is left of what was written."""

    def discard(self) -> None:
        """Leave nothing behind."""


def is_video(path: str | os.PathLike[str]) -> bool:
    """Say whether a name is that of a video, and not of a folder."""
    return Path(path).suffix.lower() in SUFFIXES


def check_video_output(path: str | os.PathLike[str], encoding: Encoding) -> Path:
    """Return where a clip is to be written, checked; nothing is made yet.

    Raises:
      ValueError: if nothing can be written there, or not so.
    """
    path = Path(path)
    if path == Path("-"):
        raise ValueError("output - will not do: a video needs a file of its own; give its name")
    if not is_video(path):
        if path.suffix.lower() in FORMATS:
            raise ValueError(f"output {path} is a single picture; give a video or a folder")
        if path.suffix and not path.is_dir():
            check_choice(f"the suffix of output {path}", path.suffix.lower(), SUFFIXES)
        return check_own_folder(path, RECORD, "video")
    path = check_output(path)
    _check_codec(path, encoding)
    if encoding.quality is not None:
        name = encoding.encoder(path)
        if name not in WORST:
            raise ValueError(f"quality has no effect with {name}; it is for {', '.join(WORST)}")
        check_integer("quality", encoding.quality, least=0, most=WORST[name])
    return path


def _check_codec(path: Path, encoding: Encoding) -> None:
    import av
    from av.codec.codec import UnknownCodecError

    name = encoding.encoder(path)
    try:
        codec = av.Codec(name, "w")
    except UnknownCodecError:
        known = ", ".join(ENCODERS)
        raise ValueError(f"codec {encoding.codec!r} has no encoder here; try {known}") from None
    if codec.type != "video":
        raise ValueError(f"codec {encoding.codec!r} is not one of video")
    formats = [form.name for form in codec.video_formats or ()]
    if formats:
        check_choice("pixel_format", encoding.pixel_format, formats)
    with av.open(os.devnull, "w", format=_muxer(path)) as container:
        if name not in container.supported_codecs:
            raise ValueError(f"a file {path.suffix} cannot hold {encoding.codec}; try .mkv")


def _muxer(path: Path) -> str:
    """FFmpeg's name of the format of a suffix."""
    return {".mkv": "matroska", ".webm": "webm", ".mov": "mov"}.get(path.suffix.lower(), "mp4")


def open_writer(
    path: Path, clip: Clip, encoding: Encoding, record: Mapping[str, Any], kept: int = 0
) -> Writer:
    """Begin a video or a folder, checked by `check_video_output`.

    Args:
      path: of it.
      clip: whose shape, rate and sound it gets.
      encoding: how.
      record: is stored with it.
      kept: frames that are there already, and stay.
    """
    if not is_video(path):
        if not kept and path.is_dir():
            forget_stop(path)  # of pictures that are about to be replaced
        return FolderWriter(path, record, kept)
    writer = MovieWriter(path, clip, encoding, record)
    if kept:
        try:
            writer.take_over(path, kept)
        except BaseException:
            writer.discard()
            raise
    return writer


class MovieWriter:
    """Writes a video, whole or not at all; see `open_writer`."""

    def __init__(self, path: Path, clip: Clip, encoding: Encoding, record: Mapping[str, Any]):
        import av

        self.path = path
        self.place = atomic_write(path)
        temporary = self.place.__enter__()
        self.container: Any = None
        self.sound: Sound | None = None
        self.last = Fraction(0)  # when the last frame is shown
        self.decoded: int | None = None  # when the last frame that was taken over is, in ticks
        try:
            self.container = av.open(os.fspath(temporary), "w", format=_muxer(path))
            self.container.metadata["comment"] = json.dumps({"jnst video": record})
            name = encoding.encoder(path)
            quality = QUALITIES.get(name) if encoding.quality is None else encoding.quality
            options = {} if quality is None else {"crf": str(quality)}
            options |= OPTIONS.get(name, {})
            self.stream = self.container.add_stream(name, rate=clip.rate, options=options)
            height, width = clip.shape
            self.stream.width, self.stream.height = width + width % 2, height + height % 2
            self.stream.pix_fmt = encoding.pixel_format
            context = self.stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = 1  # the narrow one of video
            # Ticks as fine as the clip's own, so that its times come out as they were.
            self.time_base = 1 / clip.rate
            if isinstance(clip, MovieFile):
                if clip.window.fps is None:
                    self.time_base = clip.time_base
                if encoding.sound and clip.has_sound:
                    self.sound = Sound(clip, self.container)
            context.time_base = self.time_base
        except BaseException:
            self.discard()
            raise

    def write(self, pixels: Frame, time: Fraction) -> None:
        """Encode a frame, and the sound up to it; a missing row or column is repeated."""
        import av

        height, width, _ = pixels.shape
        if height % 2 or width % 2:
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame = frame.reformat(
            format=self.stream.pix_fmt,
            src_colorspace="ITU709",
            dst_colorspace="ITU709",
            interpolation=BICUBIC,
        )
        frame.colorspace, frame.color_range = BT709, 1
        frame.time_base = self.time_base
        frame.pts = round(time / self.time_base)
        with naming(self.path):
            self._mux(self.stream.encode(frame))
            if self.sound:
                self.sound.copy(time)
        self.last = time

    def _mux(self, packets: list[Any]) -> None:
        """Write packets of frames, after those that were taken over.

        An encoder that begins anew lets its decoding times begin before those of the last frames.
        """
        for packet in packets:
            if self.decoded is not None:
                base = self.stream.time_base
                pts, dts = (round(t * packet.time_base / base) for t in (packet.pts, packet.dts))
                packet.duration = round((packet.duration or 0) * packet.time_base / base)
                self.decoded = max(dts, self.decoded + 1)
                packet.pts, packet.dts, packet.time_base = pts, self.decoded, base
            self.container.mux(packet)

    def take_over(self, path: Path, count: int) -> None:
        """Take the frames of an earlier video as they are, whose encoder was the same."""
        from av.bitstream import BitStreamFilterContext

        self.container.start_encoding()
        taken = 0
        with opened(path) as old:
            stream = old.streams.video[0]
            filtered = START_CODES.get(stream.codec_context.name)
            convert = BitStreamFilterContext(filtered, stream) if filtered else None
            waiting: list[Any] = []  # of a Matroska file, which has no times of decoding at first
            for packet in old.demux(stream):
                if packet.pts is not None:
                    waiting.append(packet)
                    taken += 1
                if waiting and (packet.pts is None or packet.dts is not None):
                    known = waiting[-1].dts
                    known = min(p.pts for p in waiting) - 1 if known is None else known
                    for place, each in enumerate(waiting, start=1 - len(waiting)):
                        each.dts = known + place
                        self._take(each, convert)
                    waiting = []
        if taken != count:
            raise ValueError(f"{path} has {taken} frames, not the {count} it was stopped with")

    def _take(self, packet: Any, convert: Any) -> None:
        base, of_stream = packet.time_base, self.stream.time_base
        self.last = max(self.last, packet.pts * base)
        self.decoded = math.ceil(packet.dts * base / of_stream)
        for each in convert.filter(packet) if convert else [packet]:
            each.stream = self.stream
            self.container.mux(each)

    def finish(self) -> None:
        """Write the rest, and the sound to the end of the last frame."""
        with naming(self.path):
            self._mux(self.stream.encode())
            if self.sound:
                self.sound.copy(self.last + 1 / self.stream.codec_context.framerate)
                self.sound.close()
            self.container.close()
        self.place.__exit__(None, None, None)

    def discard(self) -> None:
        """Remove what was written."""
        for part in (self.sound, self.container):
            if part is not None:
                with contextlib.suppress(Exception):  # whatever it lacks, as after a full disk
                    part.close()
        with contextlib.suppress(InterruptedError):
            self.place.__exit__(InterruptedError, InterruptedError(), None)
