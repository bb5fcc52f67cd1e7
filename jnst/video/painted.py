"""Frames as they are painted: with their motion, their measures and 8 bits."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from typing import Any, NamedTuple, cast

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._programs import program
from jnst._threads import ahead
from jnst.video.flow import Flow, Frame
from jnst.video.looking import Scened, looked_through
from jnst.video.measuring import LONG, Row, sharpness, warp_error
from jnst.video.painters import DISTANCE, VideoPainter
from jnst.video.passes import RevisingPainter, Step, several_passes, single_pass
from jnst.video.resuming import Stop

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


class Way(NamedTuple):
    """How all frames of a clip are painted.

    Attributes:
      flow: finds the motion.
      distances: how many frames back.
      measured: what is measured.
    """

    flow: Flow
    distances: Sequence[int]
    measured: Measured


def paint_frames(
    frames: Iterable[Scened], painter: VideoPainter, way: Way, since: Stop | None = None
) -> Generator[PaintedFrame]:
    """Paint the frames of a clip, or of a scene, one after another.

    Args:
      frames: as they are read, which another thread does.
      painter: the method, prepared.
      way: how.
      since: where an earlier run was stopped; None: the first frame begins a scene.
    """
    looked = looked_through(frames, way.distances, way.flow, since.frames if since else 0)
    with closing(ahead(looked, READ_AHEAD)) as seen:
        state = painter.restore(since.leaves) if since else None
        if painter.passes > 1:
            revising = cast(RevisingPainter, painter)
            steps = several_passes(seen, revising, way.flow, way.distances)
        else:
            steps = single_pass(seen, painter, state)
        with closing(steps):
            yield from painted_frames(steps, painter, way.measured, state)


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
    for (number, timed, scene, frame), state, nth, draft in steps:
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
