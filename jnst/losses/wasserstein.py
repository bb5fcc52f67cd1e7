"""The style loss that is a Wasserstein distance: of Gaussians with the features' moments.

The numerics are in `jnst.losses.optimal_transport`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst.losses.moments import Moments, covariance, diagonal, epsilon_of, moments
from jnst.losses.optimal_transport import (
    squared_distance,
    squared_distance_of_points,
    target_factor,
)
from jnst.losses.style import StyleTerm
from jnst.losses.terms import term
from jnst.losses.triangular import triangular_inverse

ROUNDING_EPS = 1e-4
"""ε in parts of the generated image's energy, at the least."""
MIN_ENERGY = 1e-2
"""In ε of a layer's channels: with less energy, what is left of it is rounding."""


class WassersteinTarget(NamedTuple):
    """What a layer is compared with: μ_t, the Cholesky factor of Σ_t and its inverse, and ε."""

    mean: Float[Array, "*batch C"]
    factor: Float[Array, "*batch C C"]
    inverse: Float[Array, "*batch C C"]
    epsilon: Float[Array, "*batch"]


class Points(NamedTuple):
    """Features at fewer positions than there are channels.

    Attributes:
      mean: μ, the mean of every channel.
      points: (F − μ) / √M, by position: their products are the covariance.
    """

    mean: Float[Array, "*batch C"]
    points: Float[Array, "*batch M C"]


def points_of(features: Float[Array, "*batch H W C"]) -> Points:
    """The features of a layer as points, in float32 at least."""
    *batch, height, width, channels = features.shape
    count = height * width
    wide = jnp.promote_types(features.dtype, jnp.float32)
    features = features.reshape(*batch, count, channels).astype(wide)
    mean = jnp.mean(features, axis=-2)
    return Points(mean=mean, points=(features - mean[..., None, :]) / count**0.5)


def wasserstein_loss(seen: Moments, target: WassersteinTarget) -> Float[Array, "*batch"]:
    """The squared Wasserstein-2 distance of Gaussians with these moments.

        W² = |μ − μ_t|² + tr(Σ + Σ_t − 2 (Σ_t^½ Σ Σ_t^½)^½),   Σ = G − μμᵀ + εI

    It is what optimal transport takes to move the one cloud of features onto the other, were they
    Gaussian; as in Crowson's style-transfer-pytorch, but that ε is in proportion to the energy: of
    the style, and where the picture has far more, `ROUNDING_EPS` of the picture's, below which
    float32 could leave Σ with eigenvalues below 0.
    """
    energy = jax.lax.stop_gradient(jnp.mean(diagonal(seen.gram), axis=-1))
    spread = covariance(seen, jnp.maximum(target.epsilon, ROUNDING_EPS * energy))
    return squared_distance(seen.mean, spread, target.mean, target.factor, target.inverse)


def wasserstein_target(seen: Moments) -> WassersteinTarget:
    """The target of a style with these moments."""
    epsilon = epsilon_of(seen)
    factor = target_factor(covariance(seen, epsilon))
    inverse = triangular_inverse(jax.lax.stop_gradient(factor))
    return WassersteinTarget(mean=seen.mean, factor=factor, inverse=inverse, epsilon=epsilon)


@term
class Wasserstein(StyleTerm):
    """`"wasserstein"`: see `wasserstein_loss`.

    Of a whole picture, a layer of fewer positions than channels is compared without the ε in Σ,
    which takes a fraction of the time; see `squared_distance_of_points`. Regions and tiles are
    compared by their moments, which add up.
    """

    @classmethod
    def measure(cls, features: Array, guide: Array | None, *, key: Any, keep_rows: bool) -> Moments:
        """Mean and second moment."""
        return moments(features, guide, keep_rows=keep_rows)

    @classmethod
    def measure_whole(cls, features: Array, *, key: Any) -> Moments | Points:
        """The features themselves, where they are fewer than the channels."""
        height, width, channels = features.shape[-3:]
        return points_of(features) if height * width < channels else moments(features)

    @classmethod
    def target(cls, measured: Moments) -> WassersteinTarget:
        """Mean, Cholesky factor of the covariance, and ε."""
        return wasserstein_target(measured)

    @classmethod
    def distance(
        cls, measured: Moments | Points, target: WassersteinTarget, key: Any
    ) -> Float[Array, "*batch"]:
        """The squared Wasserstein-2 distance."""
        if isinstance(measured, Points):
            return squared_distance_of_points(*measured, target.mean, target.factor)
        return wasserstein_loss(measured, target)

    @classmethod
    def energy(
        cls, measured: Moments, target: WassersteinTarget, key: Any
    ) -> Float[Array, "*batch"]:
        """The loss of an empty image; 0 where it is but rounding."""
        loss = super().energy(measured, target, key)
        least = MIN_ENERGY * target.epsilon * target.mean.shape[-1]
        return jnp.where(loss > least, loss, 0)
