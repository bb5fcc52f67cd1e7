"""The temporal loss: how far a frame is from earlier ones, moved along."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.losses.arrays import as_floats, check_same_shape, widened
from jnst.losses.normalization import per_value
from jnst.losses.terms import PIXELS, Features, Positions, Scalar, Term, View, replace, term


def temporal_loss(
    image: Float[Array | np.ndarray, "*batch H W 3"],
    warped: Float[Array | np.ndarray, "*batch H W 3"],
    trusted: Float[Array | np.ndarray, "*batch H W"],
) -> Float[Array, "*batch"]:
    """The mean squared difference to what an earlier picture becomes, where that is known.

        L = 1/D Σ_k c_k (x_k − ω_k)²,   D = H · W · 3

    Ruder, Dosovitskiy and Brox, "Artistic style transfer for videos", 2016,
    https://arxiv.org/abs/1604.08610, equation 7.

    Args:
      image: x.
      warped: ω, the earlier picture, moved along.
      trusted: c of every pixel, in [0, 1].

    Raises:
      TypeError: for arrays that hold no floats.
      ValueError: for arrays of different shapes.

    >>> temporal_loss(jnp.ones((1, 2, 3)), jnp.zeros((1, 2, 3)), jnp.array([[1.0, 0.0]]))
    Array(0.5, dtype=float32)
    """
    image, warped, trusted = widened(
        as_floats("image", image), as_floats("warped", warped), as_floats("trusted", trusted)
    )
    check_same_shape("warped", warped, "image", image)
    check_same_shape("trusted", trusted, "a channel of image", image[..., 0])
    return _sum(image, warped, trusted) * per_value(image.shape[-3:])


def _sum(image: Array, warped: Array, trusted: Array) -> Array:
    square = jnp.square(image - warped).sum(axis=-1)
    return jnp.sum(trusted * square, axis=(-2, -1))


@term
class Temporal(Term):
    """The temporal loss as a term; see `temporal_loss`.

    Attributes:
      warped: ω. Where several earlier pictures are known, their average by their weights: to a
        constant the sum of their losses is the loss of that with the sum of their weights.
      trusted: c.
      scale: 1/D.
      weight: of the term.
    """

    name: ClassVar[str] = "temporal"
    linear: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = (PIXELS,)  # type: ignore[assignment, misc]
    warped: Float[Array | np.ndarray, "*batch H W 3"]
    trusted: Float[Array | np.ndarray, "*batch H W"]
    scale: Scalar
    weight: Scalar = 1.0

    def statistics(
        self, features: Features, positions: Positions | None = None
    ) -> Float[Array, "*batch"]:
        """The sum of the weighted squares."""
        return _sum(features[PIXELS], jnp.asarray(self.warped), jnp.asarray(self.trusted))

    def loss(self, statistics: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Their mean."""
        return jnp.asarray(self.scale * statistics)

    def at(self, view: View) -> "Temporal":
        """The term for one window."""
        warped = jnp.moveaxis(jnp.asarray(self.warped), -1, -3)
        return replace(
            self,
            warped=jnp.moveaxis(view.cut(warped, PIXELS), -3, -1),
            trusted=view.cut(jnp.asarray(self.trusted), PIXELS),
        )


def temporal_term(
    warped: Float[Array | np.ndarray, "*batch H W 3"],
    trusted: Float[Array | np.ndarray, "*batch H W"],
    weight: Scalar = 1.0,
) -> Temporal:
    """The term for a frame; see `Temporal`."""
    scale = np.float32(per_value(jnp.shape(warped)[-3:]))
    return Temporal(warped=warped, trusted=trusted, scale=scale, weight=weight)
