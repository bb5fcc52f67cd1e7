"""The total variation: how much neighbouring pixels differ."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jnst.losses.arrays import as_floats, widened, zero_beyond
from jnst.losses.blending import blend
from jnst.losses.normalization import per_value
from jnst.losses.terms import PIXELS, Features, Positions, Scalar, Term, term

SMOOTHEST = 1e-4
"""The least roughness of a style, that of neighbours some two of 256 levels apart: else nothing
would be smooth enough beside a style of one colour."""


def total_variation(image: Float[Array | np.ndarray, "*batch H W C"]) -> Float[Array, "*batch"]:
    """The squared differences of all neighbouring pixels, summed.

        TV = Σ (x_{i+1,j} − x_{i,j})² + (x_{i,j+1} − x_{i,j})²

    Mahendran and Vedaldi, "Understanding deep image representations by inverting them", 2014,
    https://arxiv.org/abs/1412.0035, with β = 2; as there, smooth where the image is flat.

    Args:
      image: the pixels, of any range and number of channels.

    Returns:
      The total variation, at least 0, in squared units of the pixels; in float32 at least.

    Raises:
      TypeError: for an image that holds no floats.

    >>> total_variation(jnp.array([[[0.0], [1.0]], [[0.0], [3.0]]]))
    Array(14., dtype=float32)
    """
    (image,) = widened(as_floats("image", image))
    down = jnp.square(image[..., 1:, :, :] - image[..., :-1, :, :])
    across = jnp.square(image[..., :, 1:, :] - image[..., :, :-1, :])
    return down.sum(axis=(-3, -2, -1)) + across.sum(axis=(-3, -2, -1))


def variation_within(
    image: Float[Array, "*batch H W C"], extent: Int[Array, "2"] | None
) -> Float[Array, "*batch"]:
    """The total variation of the picture of this (height, width) at the image's upper left."""
    if extent is None:
        return total_variation(image)
    height, width = extent
    down = jnp.square(image[..., 1:, :, :] - image[..., :-1, :, :])
    across = jnp.square(image[..., :, 1:, :] - image[..., :, :-1, :])
    down = zero_beyond(down, (height - 1, width), channels=True)
    across = zero_beyond(across, (height, width - 1), channels=True)
    return down.sum(axis=(-3, -2, -1)) + across.sum(axis=(-3, -2, -1))


@term
class Variation(Term):
    """The total variation of the image as a term.

    Attributes:
      scale: its factor, by the way of weighing.
      weight: γ.
      extent: (height, width) of the picture at the upper left of the image; None: all of it.
    """

    name: ClassVar[str] = "variation"
    linear: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = (PIXELS,)  # type: ignore[assignment, misc]
    scale: Float[Array | np.ndarray, "*batch"]
    weight: Scalar = 0.0
    extent: Int[Array, "2"] | None = None

    def statistics(
        self, features: Features, positions: Positions | None = None
    ) -> Float[Array, "*batch"]:
        """The total variation."""
        return variation_within(features[PIXELS], self.extent)

    def loss(self, statistics: Any) -> Any:
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
    shape: tuple[int, ...],
    weighing: str,
    rough: Float[Array | np.ndarray, "*batch"],
    content_rough: Float[Array | np.ndarray, "*batch"],
) -> Variation:
    """The total variation of an image as a term.

    Args:
      shape: (height, width, channels) of the image.
      weighing: one of `jnst.losses.normalization.WEIGHINGS`. With `"relative"` the term is 1 for an
        image as rough as the style, or as the content where that is rougher.
      rough: `roughness` of the styles.
      content_rough: that of the content image.
    """
    values = math.prod(shape[-3:])
    if weighing == "relative":
        unit = jnp.maximum(jnp.maximum(rough, content_rough), SMOOTHEST)
        return Variation(scale=1 / values / unit)
    return Variation(scale=jnp.full_like(rough, 1.0 if weighing == "paper" else 1 / values))
