"""The style loss of the channels' means and standard deviations, alone or beside Gram matrices."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst.losses.arrays import lifted
from jnst.losses.gram import gram_distance
from jnst.losses.moments import Moments, deviation, epsilon_of, moments
from jnst.losses.style import StyleTerm
from jnst.losses.terms import term


class StatisticsTarget(NamedTuple):
    """What a layer is compared with: means, standard deviations, and ε."""

    mean: Float[Array, "*batch C"]
    deviation: Float[Array, "*batch C"]
    epsilon: Float[Array, "*batch"]


class GramStatisticsTarget(NamedTuple):
    """The same beside a Gram matrix, and what the statistics are multiplied with."""

    gram: Float[Array, "*batch C C"]
    statistics: StatisticsTarget
    factor: Float[Array, "*batch"]


def statistics_loss(seen: Moments, target: StatisticsTarget) -> Float[Array, "*batch"]:
    """The squared differences of the channels' means and standard deviations.

        E = 1/N Σ (μ − μ_t)² + (σ − σ_t)²,   N channels

    Li, Wang, Liu and Hou, "Demystifying neural style transfer", 2017,
    https://arxiv.org/abs/1701.01036, whose term it is but for σ in place of σ²; as in Huang and
    Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization", 2017,
    https://arxiv.org/abs/1703.06868. It does not see which channels are active together.

    `"gram+statistics"` adds it to the Gram loss, as Galerne, Raad, Lezama and Morel, "Scaling
    painting style transfer", 2024, https://arxiv.org/abs/2212.13459; here with the same energy.
    """
    spread = deviation(seen, target.epsilon)
    means = jnp.square(seen.mean - lifted(target.mean, seen.mean.ndim))
    deviations = jnp.square(spread - lifted(target.deviation, spread.ndim))
    return jnp.mean(means + deviations, axis=-1)


def statistics_target(seen: Moments) -> StatisticsTarget:
    """The target of a style with these moments."""
    epsilon = epsilon_of(seen)
    return StatisticsTarget(mean=seen.mean, deviation=deviation(seen, epsilon), epsilon=epsilon)


@term
class ChannelStatistics(StyleTerm):
    """`"statistics"`: see `statistics_loss`."""

    @classmethod
    def measure(cls, features: Array, guide: Array | None, *, key: Any, keep_rows: bool) -> Moments:
        """Mean and second moment."""
        return moments(features, guide, keep_rows=keep_rows)

    @classmethod
    def target(cls, measured: Moments) -> StatisticsTarget:
        """Means, standard deviations and ε."""
        return statistics_target(measured)

    @classmethod
    def distance(
        cls, measured: Moments, target: StatisticsTarget, key: Any
    ) -> Float[Array, "*batch"]:
        """The differences of means and standard deviations."""
        return statistics_loss(measured, target)


@term
class GramStatistics(StyleTerm):
    """`"gram+statistics"`: both, with the same energy."""

    @classmethod
    def measure(cls, features: Array, guide: Array | None, *, key: Any, keep_rows: bool) -> Moments:
        """Mean and second moment."""
        return moments(features, guide, keep_rows=keep_rows)

    @classmethod
    def target(cls, measured: Moments) -> GramStatisticsTarget:
        """Both targets, and the factor that gives both terms one energy."""
        statistics = statistics_target(measured)
        nothing = jax.tree.map(jnp.zeros_like, measured)
        energy = statistics_loss(nothing, statistics)
        factor = gram_distance(nothing.gram, measured.gram) / jnp.where(energy > 0, energy, 1)
        return GramStatisticsTarget(gram=measured.gram, statistics=statistics, factor=factor)

    @classmethod
    def distance(
        cls, measured: Moments, target: GramStatisticsTarget, key: Any
    ) -> Float[Array, "*batch"]:
        """Both losses."""
        of_statistics = statistics_loss(measured, target.statistics)
        return gram_distance(measured.gram, target.gram) + target.factor * of_statistics
