"""How much each term counts before alpha, beta and gamma: its factor, by the way of weighing.

`jnst.make_targets` describes the ways.
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.losses.terms import Scalar

WEIGHINGS = ("relative", "paper", "mean")


def layer_scale(
    energy: Float[Array | np.ndarray, "*batch"], weighing: str, averaging: Scalar
) -> Float[Array, "*batch"]:
    """A layer's factor, by the way of weighing.

    Args:
      energy: the loss of an empty image, or another unit; 0 for a layer that is silent, which
        then has nothing to say with relative weighing.
      weighing: one of `WEIGHINGS`.
      averaging: what makes the loss a mean of squares.
    """
    if weighing == "paper":
        return jnp.ones_like(energy)
    if weighing == "mean":
        return jnp.full_like(energy, averaging)
    return reciprocal(energy)


def reciprocal(unit: Float[Array | np.ndarray, "*batch"]) -> Float[Array, "*batch"]:
    """The factor of a unit with relative weighing, or the unit of a factor; 0 if it is 0."""
    return jnp.where(unit > 0, 1 / jnp.where(unit > 0, unit, 1), 0)


def per_value(shape: tuple[int, ...]) -> float:
    """1 by the number of an image's pixel values."""
    return 1 / math.prod(shape[-3:])
