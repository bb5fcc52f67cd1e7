"""A clip painted: read, looked through for motion, painted, measured and written."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from typing import Any, NamedTuple, cast

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._programs import program
from jnst.video.clip import Clip
from jnst.video.flow import Flow, Frame, dis_flow
from jnst.video.looking import looked_through
from jnst.video.measuring import LONG, Row, sharpness, warp_error
from jnst.video.painters import DISTANCE, VideoPainter
from jnst.video.passes import (
    RevisingPainter,
    Step,
    check_room_for_scenes,
    several_passes,
    single_pass,
)
from jnst.video.resuming import Stop
from jnst.video.threads import ahead
from jnst.video.writing import Writer

READ_AHEAD = 4
"""Frames that are read, and their motion found, before they are painted."""


class PaintedFrame(NamedTuple):
    """A frame that was painted, with 8 bits.

    Attributes:
      number: of the frame, from 1.
      content: the frame.
      time: when it is shown, in seconds from the start.
      picture: of it.
      alone: what it would be without the other frames; None: nobody asked.
      row: its measures; a draft has the warp error only, in the direction of its pass.
      state: of the painter, after it.
      nth: the pass, from 1.
      draft: it comes again, and is not written yet.
    """

    number: int
    content: Frame
    time: Fraction
    picture: Frame
    alone: Frame | None
    row: Row
    state: Any = None
    nth: int = 1
    draft: bool = False


class Measured(NamedTuple):
    """What is measured beside the warp error and the sharpness.

    Attributes:
      long: the warp error over `LONG` frames as well, for which further flows are needed.
      compare: everything for pictures painted frame by frame as well, which are painted for that.
    """

    long: bool = False
    compare: bool = False


Callback = Callable[[PaintedFrame], bool | None]
"""`callback(frame)` after every frame, drafts too; True ends the clip there."""


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
      painter: the method; with several passes, what a clip that is stopped has of a scene are its
        latest drafts.
      writer: takes the pictures; it is finished, or discarded where anything fails.
      flow: finds the motion.
      measured: what is measured.
      callback: called after every frame.
      since: where an earlier run was stopped, whose frames the writer has already; None: this one
        begins at the beginning.

    Raises:
      ValueError: for a clip of which nothing can be read.
    """
    distances = sorted({*painter.distances, DISTANCE, *((LONG,) if measured.long else ())})
    done = 0 if since is None else since.frames
    drafts: dict[int, PaintedFrame] = {}
    rows = [] if since is None else list(since.rows)
    stopped = False
    with contextlib.ExitStack() as stack:
        try:
            if painter.passes > 1:
                check_room_for_scenes(clip)
            state = None if since is None else painter.restore(since.leaves)
            looked = looked_through(clip.frames(), distances, flow, done)
            frames = stack.enter_context(closing(ahead(looked, READ_AHEAD)))
            if painter.passes > 1:
                revising = cast(RevisingPainter, painter)
                steps = several_passes(frames, revising, flow, distances)
            else:
                steps = single_pass(frames, painter, state, done)
            stack.enter_context(closing(steps))
            painted = ahead(painted_frames(steps, painter, measured, state))
            stack.enter_context(closing(painted))  # first, as its thread uses those above
            for frame in painted:
                frame = on_host(frame)
                if frame.draft:
                    drafts[frame.number] = frame._replace(state=None)
                else:
                    drafts.pop(frame.number, None)
                    writer.write(frame.picture, frame.time)
                    rows.append(frame.row)
                    state = frame.state
                if callback and callback(frame):
                    stopped = True
                    break
            for _, draft in sorted(drafts.items()):
                writer.write(draft.picture, draft.time)
                rows.append(draft.row)
            if not rows:
                raise ValueError(f"{clip.path} holds no frame of what is wanted")
            writer.finish()
        except BaseException:
            writer.discard()
            raise
    return Outcome(rows, stopped, state)


def painted_frames(
    steps: Iterable[Step], painter: VideoPainter, measured: Measured, state: Any = None
) -> Iterator[PaintedFrame]:
    """Measure what is painted; all is the device's, so that nobody waits for it.

    Args:
      steps: painted frames.
      painter: the method.
      measured: what is measured.
      state: of the painter before the first of them; None: there was none.
    """
    before: deque[Array] = deque([] if state is None else [state.picture], maxlen=LONG)
    alone_before: Array | None = None
    drafted: Array | None = None
    for number, (timed, scene, frame), state, nth, draft in steps:
        row = Row(frame=number, time=float(timed.time), scene=scene)
        if draft:
            if frame.motions and drafted is not None:
                error = warp_error(state.picture, drafted, frame.motions[DISTANCE])
                row = row._replace(warp_error=error)
            drafted, picture = state.picture, levels(state.picture)
            yield PaintedFrame(
                number, timed.pixels, timed.time, picture, None, row, None, nth, True
            )
            continue
        if not frame.motions:  # the first of a scene
            alone_before = None
            before.clear()
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
        row = row._replace(**measures)
        yield PaintedFrame(
            number, timed.pixels, timed.time, levels(picture), alone, row, state, nth
        )


@program()
def levels(picture: Float[Array, "H W 3"]) -> Array:
    """A picture with 8 bits."""
    return jnp.rint(jnp.clip(picture, 0, 1) * 255).astype(jnp.uint8)


def on_host(frame: PaintedFrame) -> PaintedFrame:
    """A painted frame as arrays and numbers of the host."""
    alone = None if frame.alone is None else np.asarray(frame.alone)
    return frame._replace(picture=np.asarray(frame.picture), alone=alone, row=frame.row.fetched())
