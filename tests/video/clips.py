"""Clips that tests write, and what is in those that they read."""

from fractions import Fraction

import av
import jax
import numpy as np

from jnst.video.clip import Timed
from jnst.video.flow import dis_flow
from jnst.video.looking import as_image, in_scenes
from jnst.video.painted import Measured, Way, paint_frames
from jnst.video.painters import Prepared
from jnst.video.resuming import Stop

RATE = 25
EXACT = 4 | 0x2000 | 0x4000 | 0x40000
"""Bicubic, with exact colours; see libswscale/swscale.h."""
SAMPLES = 48_000


def timed(frames):
    """Frames as a clip has them."""
    return [Timed(frame, Fraction(number, RATE)) for number, frame in enumerate(frames)]


def painted(frames, painter, *, since=None, **measured):
    """What a painter makes of frames, with the measures as numbers."""
    painter.prepare(Prepared(as_image(frames[0]), {}))
    way = Way(dis_flow, sorted(painter.distances), Measured(**measured))
    found = paint_frames(in_scenes(timed(frames)), painter, way, since)
    return [frame._replace(row=frame.row.fetched()) for frame in found]


def stopped_after(frames):
    """As if a run had been stopped after these painted frames."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(frames[-1].state)]
    return Stop(len(frames), [frame.row for frame in frames], leaves)


def write_clip(
    path, frames, times=None, codec="libx264", pixel_format="yuv420p", sound=True, turn=None
):
    """Write a clip, with a tone a second long for each second, to the end of its last frame.

    `turn` is what players are told: (degrees counterclockwise, then mirrored left to right).
    """
    front = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", container_options=front) as container:
        stream = container.add_stream(codec, rate=RATE, options={"crf": "10", "g": "10"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        if turn is not None:
            stream.set_display_rotation(turn[0], hflip=turn[1])
        stream.codec_context.time_base = Fraction(1, 1000)
        audio = None
        if sound:
            audio = container.add_stream("aac", rate=SAMPLES)
            audio.layout = "mono"
        times = [number / RATE for number in range(len(frames))] if times is None else times
        for pixels, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format=pixel_format, interpolation=EXACT)
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio:
            count = round((times[-1] + 1 / RATE) * SAMPLES)
            tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(count) / SAMPLES)
            for first in range(0, count, 1024):
                part = tone[None, first : first + 1024].astype(np.float32)
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = SAMPLES, first
                container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


class Facts:
    """What a file holds: the times of its frames, and the seconds of its sound."""

    def __init__(self, path):
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            self.codec = video.codec_context.name
            self.shape = video.codec_context.height, video.codec_context.width
            self.comment = container.metadata.get("comment", container.metadata.get("COMMENT"))
            self.has_sound = bool(container.streams.audio)
            self.times, self.frames = [], []
            for frame in container.decode(video):
                self.times.append(float(frame.pts * frame.time_base))
                self.frames.append(frame.to_ndarray(format="rgb24", interpolation=EXACT))
        self.sound = 0.0
        if self.has_sound:
            with av.open(str(path)) as container:
                for frame in container.decode(audio=0):
                    self.sound = max(self.sound, float(frame.pts * frame.time_base))
                    self.sound += frame.samples / frame.sample_rate
