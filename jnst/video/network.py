"""Frames painted by a trained network, one after another."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._programs import program
from jnst.image.color_setting import prepare_content
from jnst.losses.terms import Scalar
from jnst.nn.painter import Painter
from jnst.video.mixing import SMOOTH, mixed, with_colors
from jnst.video.painters import DISTANCE, Prepared

NETWORK_COLORS = ("style", "luminance")
"""Whose colours frames can have: those of a whole picture would flicker."""
NETWORK_BYTES = 40
"""That a network takes for each pixel and each channel of its first layer, warps included."""


class Painted(NamedTuple):
    """The state of a method that needs the last picture only."""

    picture: Float[Array, "H W 3"]


class NetworkPainter:
    """Paints with a network of `jnst train`.

    Args:
      model: the network.
      shares: of its styles.
      strength: 0 leaves the frames as they are, 1 paints all the way.
      colors: `"style"`, or `"luminance"`: the frames' own.
      smooth: the weight of the last picture, in [0, 0.95].
    """

    distances: tuple[int, ...] = (DISTANCE,)
    passes: int = 1

    def __init__(
        self,
        model: Painter,
        shares: Float[np.ndarray, " S"],
        *,
        strength: float = 1.0,
        colors: str = "style",
        smooth: float = SMOOTH,
    ):
        self.model, self.shares, self.strength = model, shares, strength
        self.colors, self.smooth = colors, np.float32(smooth)

    def prepare(self, frame: Prepared) -> None:
        """Do nothing: frames share the network only."""

    def alone(self, frame: Prepared) -> Array:
        """Paint a frame as if there were no others."""
        return self._painted(frame, None, None)

    def begin(self, frame: Prepared) -> Painted:
        """Paint the first frame of a scene."""
        return Painted(self.alone(frame))

    def advance(self, state: Painted, frame: Prepared) -> Painted:
        """Paint the next frame of a scene."""
        motion = frame.motions[DISTANCE]
        moved = motion.flow, self.smooth * motion.soft()
        return Painted(self._painted(frame, state.picture, moved))

    def restore(self, leaves: list[np.ndarray]) -> Painted:
        """The state of these arrays."""
        (picture,) = leaves
        return Painted(jnp.asarray(picture))

    def _painted(self, frame: Prepared, last: Array | None, moved: Any) -> Array:
        numbers = self.shares, np.float32(self.strength)
        painted: Array = _network_frame(
            self.model, frame.image, numbers, last, moved, colors=self.colors
        )
        return painted


@program(static_argnames=("colors",))
def _network_frame(
    network: Painter,
    frame: Float[Array, "H W 3"],
    numbers: tuple[Array, Scalar],
    last: Float[Array, "H W 3"] | None,
    moved: tuple[Float[Array, "H W 2"], Float[Array, "H W"]] | None,
    *,
    colors: str,
) -> Float[Array, "H W 3"]:
    shares, strength = numbers
    seen = prepare_content(colors, frame)
    picture = jnp.clip(network(seen, shares), 0, 1)
    picture = with_colors(colors, frame, seen + strength * (picture - seen))
    return mixed(picture, last, moved)
