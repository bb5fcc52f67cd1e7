"""The style losses that there are to choose from: how far moments are from those of the style.

What a loss compares with is of a type of its own, a pytree, and by that type it is chosen. So the
choice travels with the targets and is static wherever these are traced.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst.losses.gram import style_loss
from jnst.losses.moments import Moments, Seen
from jnst.losses.optimal_transport import squared_distance, target_factor

GRAM = "gram"
STYLE_LOSSES = (GRAM, "wasserstein", "statistics", "gram+statistics")
SPREAD = 1e-3
"""ε in parts of the style's mean energy per channel: what is added to every variance, so that
flat and silent channels have roots with a slope, and covariances are positive definite."""

ROUNDING = 1e-4
"""ε in parts of the generated image's energy, at the least."""
SILENCE = 1e-2
"""In ε of a layer's channels: with less energy, what is left of it is rounding."""


class Gaussian(NamedTuple):
    """Target of `"wasserstein"`: μ_t, the Cholesky factor of Σ_t, and ε."""

    mean: Float[Array, "*batch C"]
    factor: Float[Array, "*batch C C"]
    epsilon: Float[Array, "*batch"]


class Statistics(NamedTuple):
    """Target of `"statistics"`: means, standard deviations, and ε."""

    mean: Float[Array, "*batch C"]
    deviation: Float[Array, "*batch C"]
    epsilon: Float[Array, "*batch"]


class GramStatistics(NamedTuple):
    """Target of `"gram+statistics"`: both, and what the statistics are multiplied with."""

    gram: Float[Array, "*batch C C"]
    statistics: Statistics
    factor: Float[Array, "*batch"]


StyleTarget = Array | Gaussian | Statistics | GramStatistics
"""Of a layer; a bare array is the Gram matrix of `"gram"`."""


def style_target(seen: Seen, loss: str) -> StyleTarget:
    """What the chosen loss compares with, of the style's moments (for `"gram"` the Gram matrix)."""
    if not isinstance(seen, Moments):
        return seen
    epsilon = SPREAD * jnp.mean(_diagonal(seen.gram), axis=-1)
    epsilon = jnp.maximum(epsilon, jnp.finfo(epsilon.dtype).tiny ** 0.25)  # of a silent layer
    if loss == "wasserstein":
        return Gaussian(seen.mean, target_factor(covariance(seen, epsilon)), epsilon)
    statistics = Statistics(seen.mean, deviation(seen, epsilon), epsilon)
    if loss == "statistics":
        return statistics
    nothing = Moments(*map(jnp.zeros_like, seen))
    energy = statistics_loss(nothing, statistics)
    factor = style_loss(nothing.gram, seen.gram) / jnp.where(energy > 0, energy, 1)
    return GramStatistics(seen.gram, statistics, factor)


def style_distance(seen: Any, target: StyleTarget) -> Float[Array, "*batch"]:
    """The style loss of a layer, before weights: which one, the target's type says.

    Args:
      seen: the generated image's moments; its Gram matrix where the target is one.
      target: of `style_target`.
    """
    if isinstance(target, Gaussian):
        return wasserstein_loss(seen, target)
    if isinstance(target, Statistics):
        return statistics_loss(seen, target)
    if isinstance(target, GramStatistics):
        of_statistics = statistics_loss(seen, target.statistics)
        return style_loss(seen.gram, target.gram) + target.factor * of_statistics
    return style_loss(seen, target)


def wasserstein_loss(seen: Moments, target: Gaussian) -> Float[Array, "*batch"]:
    """The squared Wasserstein-2 distance of Gaussians with these moments.

        W² = |μ − μ_t|² + tr(Σ + Σ_t − 2 (Σ_t^½ Σ Σ_t^½)^½),   Σ = G − μμᵀ + εI

    It is what optimal transport takes to move the one cloud of features onto the other, were they
    Gaussian; as in Crowson's style-transfer-pytorch, but that ε is in proportion to the energy: of
    the style, and where the picture has far more, `ROUNDING` of the picture's, below which float32
    could leave Σ with eigenvalues below 0.
    """
    energy = jax.lax.stop_gradient(jnp.mean(_diagonal(seen.gram), axis=-1))
    spread = covariance(seen, jnp.maximum(target.epsilon, ROUNDING * energy))
    return squared_distance(seen.mean, spread, target.mean, target.factor)


def statistics_loss(seen: Moments, target: Statistics) -> Float[Array, "*batch"]:
    """The squared differences of the channels' means and standard deviations.

        E = 1/N Σ (μ − μ_t)² + (σ − σ_t)²,   N channels

    Li, Wang, Liu and Hou, "Demystifying neural style transfer", 2017,
    https://arxiv.org/abs/1701.01036, whose term it is but for σ in place of σ²; as in Huang and
    Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization", 2017,
    https://arxiv.org/abs/1703.06868. It does not see which channels are active together.

    `"gram+statistics"` adds it to the Gram loss, as Galerne, Raad, Lezama and Morel, "Scaling
    painting style transfer", 2024, https://arxiv.org/abs/2212.13459; here with the same energy.
    """
    means = jnp.square(seen.mean - target.mean)
    deviations = jnp.square(deviation(seen, target.epsilon) - target.deviation)
    return jnp.mean(means + deviations, axis=-1)


def covariance(seen: Moments, epsilon: Float[Array, "*batch"]) -> Float[Array, "*batch C C"]:
    """Σ = G − μμᵀ + εI."""
    spread = epsilon[..., None, None] * jnp.eye(seen.mean.shape[-1], dtype=seen.gram.dtype)
    return seen.gram - seen.mean[..., :, None] * seen.mean[..., None, :] + spread


def deviation(seen: Moments, epsilon: Float[Array, "*batch"]) -> Float[Array, "*batch C"]:
    """σ = (diag G − μ² + ε)^½; rounding cannot take it to the root of a number below 0."""
    variance = _diagonal(seen.gram) - jnp.square(seen.mean)
    return jnp.sqrt(jnp.maximum(variance, 0) + epsilon[..., None])


def energy(seen: Seen, target: StyleTarget) -> Float[Array, "*batch"]:
    """The loss of an empty image against a layer's target; 0 where the layer is silent."""
    loss = style_distance(empty(seen), target)
    if not isinstance(target, Gaussian):
        return loss
    least = SILENCE * target.epsilon * target.mean.shape[-1]
    return jnp.where(loss > least, loss, 0)


def empty(seen: Seen) -> Seen:
    """The moments of a layer that is silent."""
    if isinstance(seen, Moments):
        return Moments(*map(jnp.zeros_like, seen))
    return jnp.zeros_like(seen)


def _diagonal(gram: Float[Array, "*batch C C"]) -> Float[Array, "*batch C"]:
    return jnp.diagonal(gram, axis1=-2, axis2=-1)
