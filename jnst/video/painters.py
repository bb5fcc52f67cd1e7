"""What paints the frames of a video: the protocol of all methods, and a trained network's.

A frame's picture is mixed with the last one, moved along:

    o_t = s_t + w · m · (ω(o_{t−1}) − s_t)

where s_t is what the network paints, ω warps along the optical flow, m says how far that is trusted
and w is the weight. As the last picture holds those before it in turn, what is seen for long
becomes steady, while what is new is painted afresh. Detail that this blurs is given back; see
`jnst.video.detail`.
"""

from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._programs import program
from jnst.image.color import keep_colors
from jnst.image.color_setting import prepare_content
from jnst.losses.terms import Scalar
from jnst.nn.painter import Painter
from jnst.video.detail import with_detail_of
from jnst.video.flow import Motion
from jnst.video.warping import warp

SMOOTH = 0.7
MOST_SMOOTH = 0.95
"""More would leave nothing of a frame's own picture."""
NETWORK_BYTES = 40
"""That a network takes for each pixel and each channel of its first layer, warps included."""
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
      distances: how many frames back motions are needed.
      passes: over every scene; for more than one, see `jnst.video.passes`.
    """

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


class Painted(NamedTuple):
    """The state of a method that needs the last picture only."""

    picture: Float[Array, "H W 3"]


class NetworkPainter:
    """Paints with a network of `jnst train`.

    Args:
      painter: the network.
      shares: of its styles.
      strength: 0 leaves the frames as they are, 1 paints all the way.
      colors: `"style"`, or `"luminance"`: the frames' own.
      smooth: the weight of the last picture, in [0, 0.95].
    """

    distances: tuple[int, ...] = (DISTANCE,)
    passes: int = 1

    def __init__(
        self,
        painter: Painter,
        shares: Float[np.ndarray, " S"],
        *,
        strength: float = 1.0,
        colors: str = "style",
        smooth: float = SMOOTH,
    ):
        self.network, self.shares, self.strength = painter, shares, strength
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
            self.network, frame.image, numbers, last, moved, colors=self.colors
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


def with_colors(
    colors: str, frame: Float[Array, "H W 3"], picture: Float[Array, "H W 3"]
) -> Float[Array, "H W 3"]:
    """The picture, with the frame's own chrominance if that is what `colors` says."""
    return keep_colors(picture, frame) if colors == "luminance" else picture


def mixed(
    picture: Float[Array, "H W 3"],
    last: Float[Array, "H W 3"] | None,
    moved: tuple[Float[Array, "H W 2"], Float[Array, "H W"]] | None,
) -> Float[Array, "H W 3"]:
    """A picture mixed with the last one, moved by (flow, weight); None: as it is."""
    if last is None or moved is None:
        return picture
    flow, weight = moved
    before = warp(last, flow)
    steady = picture + weight[..., None] * (before - picture)
    return jnp.clip(with_detail_of(steady, picture), 0, 1)
