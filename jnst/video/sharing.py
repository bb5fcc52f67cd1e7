"""Scenes painted at once, each by a painter of its own, on a device of its own.

A frame needs those before it in its scene, while scenes need nothing of each other. One thread
reads and deals out the scenes, one for each painter paints them, and the frames come out in the
order of the clip. What is read or painted too early waits in memory, for which there is room for a
number of frames.
"""

import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, Generic, TypeVar

import jax

from jnst._threads import ahead
from jnst.execution.memory import device_of, free_on_host
from jnst.video.looking import Scened
from jnst.video.painted import READ_AHEAD, PaintedFrame, Way, on_host, paint_frames
from jnst.video.painters import Prepared, VideoPainter
from jnst.video.passes import SCENE_BYTES
from jnst.video.resuming import Stop

T = TypeVar("T")

SHARE = 0.25
"""Of the free memory, at most, for frames that wait."""
WAITING_BYTES = 9
"""That a frame that waits takes for each pixel: it, its picture, and that of it alone."""
DRAFT_BYTES = 6
"""That each pass over a scene that waits takes for each pixel besides."""


def scenes_at_once(
    shape: tuple[int, int], painters: int, longest: int | None = None, passes: int = 1
) -> tuple[int, int]:
    """How many scenes can be painted at once, at least 1, and for how many frames there is room.

    Args:
      shape: (height, width) of the frames.
      painters: that there are.
      longest: frames of the longest scene, where scenes are held as a whole; None: they are not.
      passes: over a scene.
    """
    height, width = shape
    free = SHARE * free_on_host() / (height * width)
    if longest is None:
        return painters, max(READ_AHEAD * painters, int(free / WAITING_BYTES))
    held = max(1, longest) * (SCENE_BYTES + passes * DRAFT_BYTES)
    count = max(1, min(painters, int(free / held)))
    return count, count * max(1, longest)


def paint_scenes(
    frames: Iterable[Scened],
    opening: Prepared,
    painters: Sequence[VideoPainter],
    way: Way,
    room: int,
    since: Stop | None = None,
    stopping: threading.Event | None = None,
) -> Generator[PaintedFrame]:
    """Paint the scenes of a clip at once, and yield all frames in their order, on the host.

    Of the frames of a scene that wait only the newest has the painter's state.

    Args:
      frames: of the clip.
      opening: the first of them, which decides what all share.
      painters: the method, for each device.
      way: how.
      room: frames that may be read and have not come out yet; where there are several passes, no
        fewer than the longest scene has.
      since: where an earlier run was stopped; None: this one begins at the beginning.
      stopping: set once no more is to be painted than what is being painted.
    """
    table = _Table(room)

    def read() -> None:
        table.deal(frames, since.frames if since else 0, max(way.distances))

    def paint(painter: VideoPainter) -> None:
        first: Prepared | None = opening
        while scene := table.take():
            earlier = since if scene is table.first else None
            painted = _on_its_device(painter, first, table.each_of(scene.read), way, earlier)
            with closing(ahead(painted)) as coming:
                for frame in coming:
                    table.put(scene, on_host(frame))
                    if stopping and stopping.is_set():
                        break
            table.end(scene.painted)
            first = None

    work = [read, *(functools.partial(paint, painter) for painter in painters)]
    threads = [threading.Thread(target=table.guarded, args=(each,), daemon=True) for each in work]
    for thread in threads:
        thread.start()
    try:
        yield from table.in_order()
    finally:
        table.close()
        for thread in threads:
            thread.join()


def _on_its_device(
    painter: VideoPainter,
    opening: Prepared | None,
    frames: Iterable[Scened],
    way: Way,
    since: Stop | None,
) -> Generator[PaintedFrame]:
    """Paint a scene; what is computed beside the network is for its device too."""
    with jax.default_device(device_of(painter.model)):
        if opening is not None:
            painter.prepare(opening)
        yield from paint_frames(frames, painter, way, since)


class _Line(Generic[T]):
    """Frames on their way from one thread to another."""

    def __init__(self, frames: Iterable[T] = ()):
        self.frames = deque(frames)
        self.ended = False


class _Scene:
    """A scene on its way: frames that nobody has painted yet, and pictures nobody has fetched."""

    def __init__(self, before: Iterable[Scened]):
        self.read: _Line[Scened] = _Line(before)
        self.painted: _Line[PaintedFrame] = _Line()


class _Closed(Exception):
    """Nobody wants any more."""


class _Table:
    """What the threads share; whatever changes there wakes those that wait for it.

    Args:
      room: frames that may lie there.

    Attributes:
      first: the first scene.
    """

    def __init__(self, room: int):
        self.first: _Scene | None = None
        self._room = room
        self._changed = threading.Condition()
        self._untaken: deque[_Scene] = deque()
        self._coming: deque[_Scene] = deque()
        self._all_dealt = self._closed = False
        self._error: BaseException | None = None

    def deal(self, frames: Iterable[Scened], done: int, distance: int) -> None:
        """Lay the scenes and their frames there.

        Args:
          frames: to read.
          done: so many have been painted.
          distance: so many of those are handed out at most, where their scene goes on.
        """
        scene: _Scene | None = None
        last = 0
        before: deque[Scened] = deque(maxlen=distance)
        for frame in frames:
            if frame.scene != last:
                if scene:
                    self.end(scene.read)
                scene, last = None, frame.scene
                before.clear()
            if frame.number <= done:
                before.append(frame)
                continue
            with self._when(lambda: self._room > 0):
                self._room -= 1
                if scene is None:
                    scene = _Scene(before)
                    self.first = self.first or scene
                    self._untaken.append(scene)
                    self._coming.append(scene)
                scene.read.frames.append(frame)
        if scene:
            self.end(scene.read)
        with self._when():
            self._all_dealt = True

    def take(self) -> _Scene | None:
        """The next scene that nobody paints; None: there is none any more."""
        with self._when(lambda: self._untaken or self._all_dealt):
            return self._untaken.popleft() if self._untaken else None

    def each_of(self, line: _Line[T]) -> Iterator[T]:
        """The frames of a line, as they come."""
        while True:
            with self._when(lambda: line.frames or line.ended):
                if not line.frames:
                    return
                frame = line.frames.popleft()
            yield frame

    def end(self, line: _Line[Any]) -> None:
        """Say that no more frames come."""
        with self._when():
            line.ended = True

    def put(self, scene: _Scene, frame: PaintedFrame) -> None:
        """Lay a painted frame there."""
        waiting = scene.painted.frames
        with self._when():
            if waiting:
                waiting[-1] = waiting[-1]._replace(state=None)
            waiting.append(frame)

    def in_order(self) -> Iterator[PaintedFrame]:
        """The painted frames, scene after scene."""
        while True:
            with self._when(lambda: self._coming or self._all_dealt):
                if not self._coming:
                    return
                scene = self._coming.popleft()
            for frame in self.each_of(scene.painted):
                with self._when():
                    self._room += not frame.draft
                yield frame

    def close(self) -> None:
        """Let all threads end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def guarded(self, work: Callable[[], None]) -> None:
        """Do the work of a thread; what it raises is raised by `in_order`."""
        try:
            work()
        except _Closed:
            pass
        except BaseException as error:  # for the one who waits for the frames
            with self._changed:
                self._error = self._error or error
            self.close()

    @contextlib.contextmanager
    def _when(self, ready: Callable[[], Any] = lambda: True) -> Iterator[None]:
        """Hold the lock once something is so; raise what ended a thread, or that all is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or ready())
            if self._error:
                raise self._error
            if self._closed:
                raise _Closed
            yield
            self._changed.notify_all()
