"""A clip looked through: its scenes, and the motion between its frames."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jnst.video.clip import Timed
from jnst.video.flow import Flow, Frame, motions_from
from jnst.video.painters import Prepared
from jnst.video.scenes import is_cut


class Scened(NamedTuple):
    """A frame and where it is.

    Attributes:
      number: of the frame, from 1.
      scene: the number of its scene, from 1.
      timed: as it was read.
    """

    number: int
    scene: int
    timed: Timed


class Looked(NamedTuple):
    """A frame that was looked through for its motion.

    Attributes:
      number: of the frame, from 1.
      timed: as it was read.
      scene: the number of its scene, from 1.
      prepared: for the painter.
    """

    number: int
    timed: Timed
    scene: int
    prepared: Prepared


def in_scenes(frames: Iterable[Timed]) -> Iterator[Scened]:
    """Number the frames and the scenes of a clip."""
    scene, last = 1, None
    for number, timed in enumerate(frames, start=1):
        if last is not None and is_cut(last, timed.pixels):
            scene += 1
        last = timed.pixels
        yield Scened(number, scene, timed)


def looked_through(
    frames: Iterable[Scened], distances: Sequence[int], flow: Flow, done: int = 0
) -> Iterator[Looked]:
    """Find the motion of every frame from those so many before it in its scene.

    Args:
      frames: of the clip, or of a scene.
      distances: how many frames back.
      flow: finds the motion.
      done: frames of the clip that have been painted, and are looked at for those after them only.
    """
    before: deque[Frame] = deque(maxlen=max(distances))
    last = 0
    for number, scene, timed in frames:
        if scene != last:
            before.clear()
        if number > done:
            motions = motions_from(before, timed.pixels, distances, flow)
            yield Looked(number, timed, scene, Prepared(as_image(timed.pixels), motions))
        before.append(timed.pixels)
        last = scene


def as_image(pixels: Frame) -> Float[np.ndarray, "H W 3"]:
    """A frame as sRGB in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255)
