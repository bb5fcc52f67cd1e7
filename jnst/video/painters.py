"""What paints the frames of a video: the protocol of all methods."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Array, Float

from jnst.video.flow import Motion

DISTANCE = 1
"""Frames back that every method needs the motion from."""


class Prepared(NamedTuple):
    """A frame with all that is known of it before it is painted.

    Attributes:
      image: sRGB in [0, 1].
      motions: {distance: motion from the frame so many before}; none from another scene.
    """

    image: Float[np.ndarray, "H W 3"]
    motions: dict[int, Motion]


class State(Protocol):
    """What a method keeps of the frames so far; a pytree of arrays."""

    @property
    def picture(self) -> Array:
        """The picture of the last frame, (H, W, 3) in [0, 1]."""


class VideoPainter(Protocol):
    """A method.

    Attributes:
      model: the network, on the device that paints.
      distances: how many frames back motions are needed.
      passes: over every scene; for more than one, see `jnst.video.passes`.
    """

    model: Any
    distances: tuple[int, ...]
    passes: int

    def prepare(self, frame: Prepared) -> None:
        """Decide by the first frame of the clip what all its frames share, before any is painted.

        So does a run that goes on with a clip that was stopped.
        """

    def begin(self, frame: Prepared) -> Any:
        """Paint the first frame of a scene; return the state after it."""

    def advance(self, state: Any, frame: Prepared) -> Any:
        """Paint the next frame of a scene; return the state after it."""

    def alone(self, frame: Prepared) -> Array:
        """Paint a frame as if there were no others."""

    def restore(self, leaves: list[np.ndarray]) -> Any:
        """The state of these arrays, as `jax.tree.leaves` gives them."""
