"""How much each term counts before alpha, beta and gamma: its factor, by the way of weighing.

`jnst.make_targets` describes the ways.
"""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.losses.gram import total_variation
from jnst.losses.moments import blend

WEIGHINGS = ("relative", "paper", "mean")
SMOOTHEST = 1e-4
"""The least roughness of a style, that of neighbours some two of 256 levels apart: else nothing
would be smooth enough beside a style of one colour."""


def content_average(shape: tuple[int, ...]) -> float:
    """What makes of `content_loss`, half a sum over features of this shape, the mean of the squared
    differences."""
    return 2 / math.prod(shape[-3:])


def scale(
    energy: Float[Array, "*batch"], weighing: str, averaging: float
) -> Float[Array, "*batch"]:
    """A layer's factor: 1; or 1 / energy, or 0 for a layer that is silent, which then has nothing
    to say; or the factor that makes the loss a mean."""
    if weighing == "paper":
        return jnp.ones_like(energy)
    if weighing == "mean":
        return jnp.full_like(energy, averaging)
    return jnp.where(energy > 0, 1 / jnp.where(energy > 0, energy, 1), 0)


def roughness(
    styles: Sequence[Float[Array | np.ndarray, "*batch _h _w 3"]],
    shares: Sequence[Array | float | int],
) -> Float[Array, "*batch"]:
    """The total variation of the styles for each pixel value, averaged by their shares.

    Of whole pictures, whatever regions there are: a picture has one roughness.

    >>> roughness([jnp.array([[[0.0] * 3, [1.0] * 3]])], [1.0])
    Array(0.5, dtype=float32)
    """
    each = [total_variation(style) * per_value(jnp.shape(style)) for style in styles]
    return blend(each, shares)


def variation_scale(
    shape: tuple[int, ...], weighing: str, rough: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """The factor of the total variation for an image of this (height, width, channels) and styles
    of this `roughness`."""
    if weighing == "relative":
        return per_value(shape) / jnp.maximum(rough, SMOOTHEST)
    return jnp.full_like(rough, matting_scale(shape, weighing))


def matting_scale(shape: tuple[int, ...], weighing: str) -> float:
    """The factor of the matting loss for an image of this (height, width, channels)."""
    return 1.0 if weighing == "paper" else per_value(shape)


def per_value(shape: tuple[int, ...]) -> float:
    """1 by the number of an image's pixel values."""
    return 1 / math.prod(shape[-3:])
