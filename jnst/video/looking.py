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


def looked_through(
    frames: Iterable[Timed], distances: Sequence[int], flow: Flow, skipped: int = 0
) -> Iterator[Looked]:
    """Find the scenes, and the motion of every frame from those so many before it.

    Args:
      frames: of the clip.
      distances: how many frames back.
      flow: finds the motion.
      skipped: frames at the beginning that are only looked at; the first is handed out even so, as
        painters decide by it what all frames share.
    """
    before: deque[Frame] = deque(maxlen=max(distances))
    scene = 1
    for number, timed in enumerate(frames):
        pixels = timed.pixels
        if before and is_cut(before[-1], pixels):
            before.clear()
            scene += 1
        if 0 < number < skipped:
            before.append(pixels)
            continue
        motions = motions_from(before, pixels, distances, flow)
        before.append(pixels)
        yield Looked(timed, scene, Prepared(as_image(pixels), motions))


def as_image(pixels: Frame) -> Float[np.ndarray, "H W 3"]:
    """A frame as sRGB in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255)
