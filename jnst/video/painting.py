"""A clip painted: read, looked through for motion, painted, measured and written."""

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from jnst._threads import ahead
from jnst.video.clip import Clip
from jnst.video.flow import Flow, dis_flow
from jnst.video.looking import Scened, as_image, in_scenes
from jnst.video.measuring import LONG, Row
from jnst.video.painted import Measured, PaintedFrame, Way, on_host, paint_frames
from jnst.video.painters import DISTANCE, Prepared, VideoPainter
from jnst.video.passes import longest_scene
from jnst.video.resuming import Stop
from jnst.video.sharing import paint_scenes, scenes_at_once
from jnst.video.writing import Writer

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
    painters: Sequence[VideoPainter],
    writer: Writer,
    *,
    flow: Flow = dis_flow,
    measured: Measured = Measured(),  # noqa: B008
    callback: Callback | None = None,
    since: Stop | None = None,
) -> Outcome:
    """Read, paint and write a clip.

    Frames are read in one thread, painted in another and written in this one; no more than a few
    are held at a time. With several painters, scenes are painted at once; see `jnst.video.sharing`.

    Args:
      clip: to read.
      painters: the method, for each device that takes scenes; with several passes, what a clip that
        is stopped has of a scene are its latest drafts.
      writer: takes the pictures; it is finished, or discarded where anything fails.
      flow: finds the motion.
      measured: what is measured.
      callback: called after every frame; with several painters, frames that have been painted
        follow after the one that it ends the clip at.
      since: where an earlier run was stopped, whose frames the writer has already; None: this one
        begins at the beginning.

    Raises:
      ValueError: for a clip of which nothing can be read.
    """
    distances = {*painters[0].distances, DISTANCE, *((LONG,) if measured.long else ())}
    way = Way(flow, sorted(distances), measured)
    drafts: dict[int, PaintedFrame] = {}
    rows = [] if since is None else list(since.rows)
    state, stopping = None, threading.Event()
    with contextlib.ExitStack() as stack:
        try:
            painted = _painted(clip, painters, way, since, stopping)
            stack.enter_context(closing(painted))
            for frame in painted:
                if frame.draft:
                    drafts[frame.number] = frame._replace(state=None)
                else:
                    drafts.pop(frame.number, None)
                    writer.write(frame.picture, frame.time)
                    rows.append(frame.row)
                    state = frame.state
                if callback and callback(frame):
                    stopping.set()
                # The newest only of the frames that wait has the state to go on with.
                if stopping.is_set() and (state is not None or frame.draft):
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
    return Outcome(rows, stopping.is_set(), state)


def _painted(
    clip: Clip,
    painters: Sequence[VideoPainter],
    way: Way,
    since: Stop | None,
    stopping: threading.Event,
) -> Generator[PaintedFrame]:
    """The frames of a clip, painted, on the host."""
    passes = painters[0].passes
    longest = longest_scene(clip) if passes > 1 else None
    with closing(clip.frames()) as reading:
        timed = next(reading, None)
    if timed is None:
        return
    opening = Prepared(as_image(timed.pixels), {})
    frames = in_scenes(clip.frames())
    count, room = scenes_at_once(clip.shape, len(painters), longest, passes)
    if count > 1:
        yield from paint_scenes(frames, opening, painters[:count], way, room, since, stopping)
        return
    with closing(ahead(_in_turn(frames, opening, painters[0], way, since))) as painted:
        for frame in painted:
            yield on_host(frame)


def _in_turn(
    frames: Iterable[Scened], opening: Prepared, painter: VideoPainter, way: Way, since: Stop | None
) -> Generator[PaintedFrame]:
    """Paint one frame after another; all is the device's, so that nobody waits for it."""
    painter.prepare(opening)
    yield from paint_frames(frames, painter, way, since)
