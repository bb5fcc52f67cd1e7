"""How steady a painted clip is, and how sharp: what the report tells.

Blur makes every clip steady, so that neither number says anything without the other.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._programs import program
from jnst.video.flow import Motion
from jnst.video.warping import warp

LONG = 8
"""Frames back that the long-term warp error looks."""


class Row(NamedTuple):
    """The measures of a frame; NaN where there is no earlier frame to compare with.

    Attributes:
      frame: its number, from 1.
      time: in seconds.
      scene: the number of its scene, from 1.
      warp_error: to the frame before.
      long_warp_error: to the frame `LONG` before.
      sharpness: of the picture.
      alone_warp_error, alone_sharpness: of pictures painted frame by frame.
    """

    frame: int
    time: float
    scene: int
    warp_error: Any = np.nan
    long_warp_error: Any = np.nan
    sharpness: Any = np.nan
    alone_warp_error: Any = np.nan
    alone_sharpness: Any = np.nan

    def fetched(self) -> "Row":
        """The same as numbers of Python's."""
        return Row(self.frame, self.time, self.scene, *map(float, self[3:]))


def warp_error(
    picture: Float[Array, "H W 3"], earlier: Float[Array, "H W 3"], motion: Motion
) -> Float[Array, ""]:
    """The mean squared difference to an earlier picture, moved along, where the flow is reliable.

        E = Σ_p c(p) |o_t − ω(o_{t−1})|² / (3 Σ_p c(p))

    Lai et al., "Learning blind video temporal consistency", 2018,
    https://arxiv.org/abs/1808.00449, equation 11. NaN where no flow is reliable.
    """
    error: Array = _warp_error(picture, earlier, motion.flow, motion.reliable)
    return error


@program()
def _warp_error(picture: Array, earlier: Array, flow: Array, reliable: Array) -> Array:
    square = jnp.mean(jnp.square(picture - warp(earlier, flow, cubic=False)), axis=-1)
    return jnp.sum(square * reliable) / jnp.sum(reliable)


@program()
def sharpness(picture: Float[Array, "H W 3"]) -> Float[Array, ""]:
    """The mean absolute Laplacian of the mean of the colours."""
    grey = jnp.mean(picture, axis=-1)
    middle = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return jnp.mean(jnp.abs(around - 4 * middle))


def mean_of(rows: list[Row], name: str) -> float:
    """The mean of a measure over the frames that have it; NaN where none has."""
    values = [getattr(row, name) for row in rows]
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")
