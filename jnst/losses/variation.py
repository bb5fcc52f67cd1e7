"""The total variation: how much neighbouring pixels differ."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.losses.blending import blend
from jnst.losses.normalization import per_value
from jnst.losses.terms import PIXELS, Features, Scalar, Term, term

SMOOTHEST = 1e-4
"""The least roughness of a style, that of neighbours some two of 256 levels apart: else nothing
would be smooth enough beside a style of one colour."""


def total_variation(image: Float[Array | np.ndarray, "*batch H W C"]) -> Float[Array, "*batch"]:
    """The squared differences of all neighbouring pixels, summed.

        TV = Σ (x_{i+1,j} − x_{i,j})² + (x_{i,j+1} − x_{i,j})²

    Mahendran and Vedaldi, "Understanding deep image representations by inverting them", 2014,
    https://arxiv.org/abs/1412.0035, with β = 2; as there, smooth where the image is flat.

    Args:
      image: the pixels.

    Returns:
      The total variation, at least 0.

    >>> total_variation(jnp.array([[[0.0], [1.0]], [[0.0], [3.0]]]))
    Array(14., dtype=float32)
    """
    image = jnp.asarray(image)
    down = jnp.square(image[..., 1:, :, :] - image[..., :-1, :, :])
    across = jnp.square(image[..., :, 1:, :] - image[..., :, :-1, :])
    return down.sum(axis=(-3, -2, -1)) + across.sum(axis=(-3, -2, -1))


@term
class Variation(Term):
    """The total variation of the image as a term.

    Attributes:
      scale: its factor, by the way of weighing.
      weight: γ.
    """

    name: ClassVar[str] = "variation"
    linear: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = (PIXELS,)  # type: ignore[assignment, misc]
    scale: Float[Array | np.ndarray, "*batch"]
    weight: Scalar = 0.0

    def statistics(
        self, features: Features, positions: Mapping[str, int] | None = None
    ) -> Float[Array, "*batch"]:
        """The total variation."""
        return total_variation(features[PIXELS])

    def loss(self, statistics: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """The total variation times its factor."""
        return self.scale * statistics


def roughness(
    styles: Sequence[Float[Array | np.ndarray, "*batch _h _w 3"]], shares: Sequence[Any]
) -> Float[Array, "*batch"]:
    """The total variation of the styles for each pixel value, averaged by their shares.

    Of whole pictures, whatever regions there are: a picture has one roughness.

    >>> roughness([jnp.array([[[0.0] * 3, [1.0] * 3]])], [1.0])
    Array(0.5, dtype=float32)
    """
    each = [total_variation(style) * per_value(jnp.shape(style)) for style in styles]
    return blend(each, shares)


def variation_term(
    shape: tuple[int, ...], weighing: str, rough: Float[Array | np.ndarray, "*batch"]
) -> Variation:
    """The term for an image of (height, width, channels) and styles of this `roughness`.

    With relative weighing it is 1 for an image as rough as the style.
    """
    values = math.prod(shape[-3:])
    if weighing == "relative":
        return Variation(scale=1 / values / jnp.maximum(rough, SMOOTHEST))
    return Variation(scale=jnp.full_like(rough, 1.0 if weighing == "paper" else 1 / values))
