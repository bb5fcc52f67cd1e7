"""The first two moments of features over their positions, which is all that a style loss sees.

Moments are sums over positions divided by their number. So those of a picture are those of its
tiles added up, those of several styles together are a weighted average, and with a guide (see
`jnst.losses.regions`) those of a region are too.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.losses.gram import gram_matrix


class Moments(NamedTuple):
    """The moments of a layer's features.

    Attributes:
      mean: μ, the mean of every channel.
      gram: G, the second raw moment, as `jnst.gram_matrix` gives it.
    """

    mean: Float[Array, "*batch C"]
    gram: Float[Array, "*batch C C"]


Seen = Array | Moments
"""What a style loss sees of a layer: its Gram matrix alone, or both moments."""


def moments(
    features: Float[Array | np.ndarray, "*batch H W C"],
    guide: Float[Array, "H W"] | None = None,
    *,
    rows_apart: bool = False,
) -> Moments:
    """Mean and second raw moment over the positions.

        μ_i = 1/M Σ_k T_k² F_ik,   G_ij = 1/M Σ_k T_k² F_ik F_jk,   M = H·W

    The products are exact to float32 at any precision of the network: the covariance G − μμᵀ is a
    difference, and would else have eigenvalues below 0.

    Args:
      features: the responses of a layer.
      guide: T, the root of how much each position counts; None: 1.
      rows_apart: as for `jnst.gram_matrix`.

    Returns:
      The moments, in float32 at least.

    >>> moments(jnp.array([[[1.0, 2.0], [3.0, 0.0]]])).mean
    Array([2., 1.], dtype=float32)
    """
    features = guided(jnp.asarray(features), guide)
    wide = jnp.promote_types(features.dtype, jnp.float32)
    with jax.default_matmul_precision("highest"):
        gram = gram_matrix(features, rows_apart=rows_apart)
    return Moments(jnp.mean(guided(features, guide), axis=(-3, -2), dtype=wide), gram)


def guided(
    features: Float[Array, "*batch H W C"], guide: Float[Array, "H W"] | None
) -> Float[Array, "*batch H W C"]:
    """T ∘ F, as precise as F."""
    return features if guide is None else (features * guide[..., None]).astype(features.dtype)


def blend(each: Sequence[Any], shares: Sequence[Array | float]) -> Any:
    """The moments of several pictures, averaged.

    Args:
      each: {layer: moments} of every picture, or another pytree.
      shares: a weight for each, of any sum.

    >>> blend([{"relu1_1": jnp.array([[2.0]])}, {"relu1_1": jnp.array([[6.0]])}], [3.0, 1.0])
    {'relu1_1': Array([[3.]], dtype=float32)}
    """
    if len(each) == 1:
        return each[0]
    whole = sum(shares)
    return jax.tree.map(
        lambda *leaves: sum(s / whole * x for s, x in zip(shares, leaves, strict=True)), *each
    )


def side_by_side(each: Sequence[Mapping[str, Seen]], axis: int = 0) -> dict[str, Any]:
    """The moments of several regions, by layer, one after the other along an axis that they have.

    >>> side_by_side([{"relu1_1": jnp.array([[[2.0]]])}, {"relu1_1": jnp.array([[[6.0]]])}])
    {'relu1_1': Array([[[2.]],
    <BLANKLINE>
           [[6.]]], dtype=float32)}
    """
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis), *each)
