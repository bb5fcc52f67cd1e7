"""The style loss of sliced optimal transport: distances of whole distributions, not of moments.

Heitz, Vanhoey, Chambon and Belcour, "A sliced Wasserstein loss for neural texture synthesis", 2021,
https://arxiv.org/abs/2006.07229, equation 6: the distributions of the features along random
directions are compared by their sorted values. Positions and directions are drawn anew at every
step. Departures: not all positions are compared, but as many as `POSITIONS`, spread evenly over
the picture; and there are `DIRECTIONS` directions instead of as many as channels.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jnst.losses.arrays import as_floats, lifted, widened
from jnst.losses.style import StyleTerm
from jnst.losses.terms import Scalar, term

POSITIONS = 4096
"""Features of a layer that are compared, at most; a deep layer of a small picture has fewer."""
DIRECTIONS = 64


def sliced_wasserstein_loss(
    features: Float[Array, "*batch n C"], target: Float[Array, "*batch m C"], key: Key[Array, ""]
) -> Float[Array, "*batch"]:
    """The squared distance of sorted projections, averaged over random directions.

        L = 1/K Σ_v 1/n Σ_i (sort(F v)_i − sort(P v)_i)²,   |v| = 1

    Where there are not as many features on both sides, the target's sorted values are taken at the
    same quantiles.

    Args:
      features: F, those of some positions of the generated image.
      target: P, those of the style image.
      key: of the K directions.

    Returns:
      The loss, at least 0, in float32 at least.

    Raises:
      TypeError: for features that hold no floats.

    >>> cloud = jnp.array([[0.0, 1.0], [2.0, 3.0]])
    >>> sliced_wasserstein_loss(cloud[::-1], cloud, jax.random.key(0))
    Array(0., dtype=float32)
    """
    features, target = widened(as_floats("features", features), as_floats("target", target))
    directions = random_directions(key, features.shape[-1], features.dtype)
    ours, theirs = (
        jnp.sort(jnp.matmul(x, directions, precision="highest"), axis=-2)
        for x in (features, target)
    )
    count, there = ours.shape[-2], theirs.shape[-2]
    quantiles = (2 * jnp.arange(count) + 1) * there // (2 * count)
    theirs = lifted(theirs[..., quantiles, :], ours.ndim)
    return jnp.mean(jnp.square(ours - theirs), axis=(-2, -1))


def random_directions(key: Key[Array, ""], channels: int, dtype: Any) -> Float[Array, "C K"]:
    """`DIRECTIONS` columns of length 1, uniform on the sphere."""
    directions = jax.random.normal(key, (channels, DIRECTIONS), dtype)
    return directions / jnp.linalg.norm(directions, axis=0, keepdims=True)


def sampled(
    features: Float[Array, "*batch H W C"],
    guide: Float[Array, "H W"] | None,
    key: Key[Array, ""] | None,
) -> Float[Array, "*batch n C"]:
    """The features at random positions, in float32 at least, as many from each equal part.

    Args:
      features: of a layer.
      guide: T: `POSITIONS` are drawn, each as often as T² says; None: all alike, and all of them
        where there are no more.
      key: None: position by position at equal distances.
    """
    *_, height, width, channels = features.shape
    there = height * width
    # With guides always as many, so that regions of several pictures can lie side by side.
    count = POSITIONS if guide is not None else min(there, POSITIONS)
    flat = features.reshape(*features.shape[:-3], there, channels)
    (flat,) = widened(flat)
    if guide is None and count == there:
        return flat
    offsets = 0.5 if key is None else jax.random.uniform(key, (count,), flat.dtype)
    places = (jnp.arange(count, dtype=flat.dtype) + offsets) / count
    if guide is None:
        chosen = jnp.floor(places * there).astype(jnp.int32)
    else:
        share = jnp.cumsum(jnp.square(guide).ravel())
        chosen = jnp.searchsorted(share, places * share[-1]).astype(jnp.int32)
    return jnp.take(flat, jnp.minimum(chosen, there - 1), axis=-2)


@term
class SlicedWasserstein(StyleTerm):
    """`"sliced-wasserstein"`: see `sliced_wasserstein_loss`."""

    additive: ClassVar[bool] = False
    stochastic: ClassVar[bool] = True

    @classmethod
    def measure(cls, features: Array, guide: Array | None, *, key: Any, keep_rows: bool) -> Array:
        """The features of some positions."""
        return sampled(features, guide, key)

    @classmethod
    def distance(cls, measured: Array, target: Array, key: Any) -> Float[Array, "*batch"]:
        """The distance of sorted projections."""
        return sliced_wasserstein_loss(measured, target, key)

    @classmethod
    def blend(cls, each: Sequence[Any], shares: Sequence[Scalar | int]) -> Any:
        """A mixture: of each layer, as many features of a style as its share says."""
        if len(each) == 1:
            return each[0]
        ends = jnp.cumsum(jnp.asarray(shares, jnp.float32))

        def mix(*clouds: Array) -> Array:
            count = max(cloud.shape[-2] for cloud in clouds)
            places = (jnp.arange(count) + 0.5) / count
            # Shuffled, or the first style would be seen at the top of its picture only.
            order = jax.random.permutation(jax.random.key(0), count)
            source = jnp.searchsorted(ends, places * ends[-1])[order]
            taken = [
                cloud[..., jnp.arange(count) * cloud.shape[-2] // count, :] for cloud in clouds
            ]
            return jnp.select([(source == n)[:, None] for n in range(len(taken))], taken, taken[-1])

        return jax.tree.map(mix, *each)
