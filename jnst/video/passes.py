"""Frames painted in their order, once, or over and over in both directions.

The multi-pass algorithm of Ruder, Dosovitskiy and Brox, "Artistic style transfer for videos", 2016,
https://arxiv.org/abs/1604.08610: forward and backward by turns, so that a frame agrees with later
ones too, and what a moving camera brings in at the border is painted as it is further inside. The
first pass is the usual one here, where the paper paints every frame by itself, for which it needs
ten passes or more.
"""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Array, Float

from jnst.execution.memory import SHARE, free_on_host
from jnst.video.clip import Clip, Timed
from jnst.video.flow import Flow, motions_from
from jnst.video.looking import Looked, as_image, in_scenes
from jnst.video.painters import Prepared, VideoPainter

SCENE_BYTES = 21
"""That a frame of a scene takes for each pixel: 3 as it was read, 12 and 3 as it is painted, and 3
waiting to be written."""


class Step(NamedTuple):
    """A frame that was painted.

    Attributes:
      looked: the frame.
      state: of the painter, after it.
      nth: the pass, from 1.
      draft: another pass or the order of the frames will bring it once more.
    """

    looked: Looked
    state: Any
    nth: int = 1
    draft: bool = False


class RevisingPainter(VideoPainter, Protocol):
    """A method that can paint a frame again."""

    def revise(self, state: Any, frame: Prepared, image: Float[np.ndarray, "H W 3"]) -> Any:
        """Paint a frame again; return the state after it.

        Args:
          state: after the frame that this pass painted before; None: this is its first.
          frame: the frame, with its motion from those.
          image: what the last pass made of it.
        """

    def image(self, state: Any) -> Array:
        """What the next pass goes on with."""

    def settled(self, frame: Prepared, image: Float[np.ndarray, "H W 3"]) -> Any:
        """The state after a frame that was painted so."""


def single_pass(
    frames: Iterable[Looked], painter: VideoPainter, state: Any = None
) -> Generator[Step]:
    """Paint frame after frame.

    Args:
      frames: to paint.
      painter: the method.
      state: of it after earlier frames; None: there are none.
    """
    for looked in frames:
        frame = looked.prepared
        state = painter.begin(frame) if not frame.motions else painter.advance(state, frame)
        yield Step(looked, state)


class Kept(NamedTuple):
    """What is kept of a frame until its scene has been painted."""

    number: int
    timed: Timed
    image: Float[np.ndarray, "H W 3"]


def several_passes(
    frames: Iterable[Looked], painter: RevisingPainter, flow: Flow, distances: Sequence[int]
) -> Generator[Step]:
    """Paint scene after scene, each in several passes; every picture of a pass is a draft.

    Args:
      frames: to paint.
      painter: the method.
      flow: finds the motion.
      distances: how many frames back it is to be known of the finished frames.
    """
    kept: list[Kept] = []
    scene = 0
    for step in single_pass(frames, painter):
        if step.looked.scene != scene:
            yield from _later_passes(kept, scene, painter, flow, distances)
            kept, scene = [], step.looked.scene
        image = np.asarray(painter.image(step.state))
        kept.append(Kept(step.looked.number, step.looked.timed, image))
        yield step._replace(draft=True)
    yield from _later_passes(kept, scene, painter, flow, distances)


def _later_passes(
    kept: list[Kept], scene: int, painter: RevisingPainter, flow: Flow, distances: Sequence[int]
) -> Iterator[Step]:
    """Paint a scene again and again, and then yield it in its order."""
    kept = list(kept)
    forward = list(range(len(kept)))
    for nth in range(2, painter.passes + 1):
        state, order = None, forward if nth % 2 else forward[::-1]
        for place, index in enumerate(order):
            looked = _looked(kept, scene, order[: place + 1], flow, painter.distances)
            state = painter.revise(state, looked.prepared, kept[index].image)
            kept[index] = kept[index]._replace(image=np.asarray(painter.image(state)))
            yield Step(looked, state, nth, draft=True)
    for index in forward:
        looked = _looked(kept, scene, forward[: index + 1], flow, distances)
        state = painter.settled(looked.prepared, kept[index].image)
        yield Step(looked, state, painter.passes)


def _looked(
    kept: list[Kept], scene: int, order: Sequence[int], flow: Flow, distances: Sequence[int]
) -> Looked:
    """The last frame of an order, with its motion from those before it there."""
    *before, index = order
    number, timed, _ = kept[index]
    earlier = [kept[place].timed.pixels for place in before[-max(distances) :]]
    motions = motions_from(earlier, timed.pixels, distances, flow)
    return Looked(number, timed, scene, Prepared(as_image(timed.pixels), motions))


def longest_scene(clip: Clip) -> int:
    """Read a clip through; return how many frames its longest scene has.

    Raises:
      ValueError: where that does not fit in memory.
    """
    scenes = Counter(frame.scene for frame in in_scenes(clip.frames()))
    longest = max(scenes.values(), default=0)
    height, width = clip.shape
    needed, free, gib = SCENE_BYTES * height * width * longest, SHARE * free_on_host(), 2**30
    if needed > free:
        raise ValueError(
            f"a scene of {longest} frames of {width}×{height} px needs {needed / gib:.1f} GiB of "
            f"memory for several passes, and {free / gib:.1f} GiB are free; choose a smaller size "
            "or a part of the clip"
        )
    return longest
