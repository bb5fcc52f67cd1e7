"""A clip painted frame by frame: read, looked through for motion, painted and measured."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.optim.programs import program
from jnst.video.ahead import ahead
from jnst.video.clip import Clip, Timed
from jnst.video.flow import Flow, Frame, dis_flow, motion_between
from jnst.video.measuring import LONG, Row, sharpness, warp_error
from jnst.video.painters import DISTANCE, Prepared, VideoPainter
from jnst.video.resuming import Stop
from jnst.video.scenes import is_cut
from jnst.video.writing import Writer

READ_AHEAD = 4
"""Frames that are read, and their motion found, before they are painted."""


class Looked(NamedTuple):
    """A frame that was looked through for its motion.

    Attributes:
      timed: as it was read.
      scene: the number of its scene, from 1.
      prepared: for the painter.
    """

    timed: Timed
    scene: int
    prepared: Prepared


class PaintedFrame(NamedTuple):
    """A frame that was painted, with 8 bits.

    Attributes:
      number: of the frame, from 1.
      content: the frame.
      time: when it is shown, in seconds from the start.
      picture: of it.
      alone: what it would be without the other frames; None: nobody asked.
      row: its measures.
      state: of the painter, after it.
    """

    number: int
    content: Frame
    time: Fraction
    picture: Frame
    alone: Frame | None
    row: Row
    state: Any = None


class Measured(NamedTuple):
    """What is measured beside the warp error and the sharpness.

    Attributes:
      long: the warp error over `LONG` frames as well, for which further flows are needed.
      compare: everything for pictures painted frame by frame as well, which are painted for that.
    """

    long: bool = False
    compare: bool = False


Callback = Callable[[PaintedFrame], bool | None]
"""`callback(frame)` after every frame was written; True ends the clip there."""


class Outcome(NamedTuple):
    """What `paint_clip` comes back with.

    Attributes:
      rows: the measures of all frames.
      stopped: the callback ended the clip.
      state: of the painter, after the last frame.
    """

    rows: list[Row]
    stopped: bool
    state: Any = None


def paint_clip(
    clip: Clip,
    painter: VideoPainter,
    writer: Writer,
    *,
    flow: Flow = dis_flow,
    measured: Measured = Measured(),  # noqa: B008
    callback: Callback | None = None,
    since: Stop | None = None,
) -> Outcome:
    """Read, paint and write a clip; no more than a few frames are held at a time.

    Frames are read in one thread, painted in another and written in this one.

    Args:
      clip: to read.
      painter: the method.
      writer: takes the pictures; it is finished, or discarded where anything fails.
      flow: finds the motion.
      measured: what is measured.
      callback: called after every frame.
      since: where an earlier run was stopped, whose frames the writer has already; None: this one
        begins at the beginning.

    Raises:
      ValueError: for a clip of which nothing can be read.
    """
    distances = {*painter.distances, DISTANCE, *((LONG,) if measured.long else ())}
    done = 0 if since is None else since.frames
    state = None if since is None else painter.restore(since.leaves)
    looked = looked_through(clip.frames(), sorted(distances), flow, done)
    frames = ahead(looked, READ_AHEAD)
    painted = ahead(painted_frames(frames, painter, measured, state, done))
    rows = [] if since is None else list(since.rows)
    stopped = False
    try:
        for frame in painted:
            frame = on_host(frame)
            writer.write(frame.picture, frame.time)
            rows.append(frame.row)
            state = frame.state
            if callback and callback(frame):
                stopped = True
                break
        if not rows:
            raise ValueError(f"{clip.path} holds no frame of what is wanted")
        writer.finish()
    except BaseException:
        writer.discard()
        raise
    finally:
        painted.close()  # type: ignore[attr-defined]
    return Outcome(rows, stopped, state)


def looked_through(
    frames: Iterable[Timed], distances: Sequence[int], flow: Flow, skipped: int = 0
) -> Iterator[Looked]:
    """Find the scenes, and the motion of every frame from those so many before it.

    Args:
      frames: of the clip.
      distances: how many frames back.
      flow: finds the motion.
      skipped: frames at the beginning that are only looked at.
    """
    before: deque[Frame] = deque(maxlen=max(distances))
    scene = 1
    for number, timed in enumerate(frames):
        pixels = timed.pixels
        if before and is_cut(before[-1], pixels):
            before.clear()
            scene += 1
        if number < skipped:
            before.append(pixels)
            continue
        motions = {
            distance: motion_between(before[-distance], pixels, flow)
            for distance in distances
            if distance <= len(before)
        }
        before.append(pixels)
        image = pixels.astype(np.float32) / np.float32(255)
        yield Looked(timed, scene, Prepared(image, motions))


def painted_frames(
    frames: Iterable[Looked],
    painter: VideoPainter,
    measured: Measured,
    state: Any = None,
    done: int = 0,
) -> Iterator[PaintedFrame]:
    """Paint and measure; pictures and measures are the device's, so that nobody waits for it.

    Args:
      frames: to paint.
      painter: the method.
      measured: what is measured.
      state: of the painter after earlier frames; None: there are none.
      done: how many those are.
    """
    before: deque[Array] = deque([] if state is None else [state.picture], maxlen=LONG)
    alone_before: Array | None = None
    for number, (timed, scene, frame) in enumerate(frames, start=done + 1):
        if not frame.motions:  # the first of a scene
            state, alone_before = painter.begin(frame), None
            before.clear()
        else:
            state = painter.advance(state, frame)
        picture = state.picture
        measures: dict[str, Any] = {"sharpness": sharpness(picture)}
        if before:
            measures["warp_error"] = warp_error(picture, before[-1], frame.motions[DISTANCE])
        if LONG in frame.motions and len(before) == LONG:
            measures["long_warp_error"] = warp_error(picture, before[-LONG], frame.motions[LONG])
        before.append(picture)
        alone = None
        if measured.compare:
            own = painter.alone(frame)
            measures["alone_sharpness"] = sharpness(own)
            if alone_before is not None:
                motion = frame.motions[DISTANCE]
                measures["alone_warp_error"] = warp_error(own, alone_before, motion)
            alone_before, alone = own, levels(own)
        row = Row(frame=number, time=float(timed.time), scene=scene, **measures)
        yield PaintedFrame(number, timed.pixels, timed.time, levels(picture), alone, row, state)


@program()
def levels(picture: Float[Array, "H W 3"]) -> Array:
    """A picture with 8 bits."""
    return jnp.rint(jnp.clip(picture, 0, 1) * 255).astype(jnp.uint8)


def on_host(frame: PaintedFrame) -> PaintedFrame:
    """A painted frame as arrays and numbers of the host."""
    alone = None if frame.alone is None else np.asarray(frame.alone)
    return frame._replace(picture=np.asarray(frame.picture), alone=alone, row=frame.row.fetched())
