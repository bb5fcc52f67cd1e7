"""The first two moments of features over their positions, which is all that a style loss sees.

Moments are sums over positions divided by their number. So those of a picture are those of its
tiles added up, and those of several styles together are a weighted average.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.losses import gram_matrix


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
    features: Float[Array | np.ndarray, "*batch H W C"], *, rows_apart: bool = False
) -> Moments:
    """Mean and second raw moment over the positions.

        μ_i = 1/M Σ_k F_ik,   G_ij = 1/M Σ_k F_ik F_jk,   M = H·W

    The products are exact to float32 at any precision of the network: the covariance G − μμᵀ is a
    difference, and would else have eigenvalues below 0.

    Args:
      features: the responses of a layer.
      rows_apart: as for `jnst.gram_matrix`.

    Returns:
      The moments, in float32 at least.

    >>> moments(jnp.array([[[1.0, 2.0], [3.0, 0.0]]])).mean
    Array([2., 1.], dtype=float32)
    """
    features = jnp.asarray(features)
    wide = jnp.promote_types(features.dtype, jnp.float32)
    with jax.default_matmul_precision("highest"):
        gram = gram_matrix(features, rows_apart=rows_apart)
    return Moments(jnp.mean(features, axis=(-3, -2), dtype=wide), gram)


def blend(each: Sequence[Mapping[str, Seen]], shares: Sequence[Array | float]) -> dict[str, Any]:
    """The moments of several pictures, by layer, averaged.

    Args:
      each: {layer: moments} of every picture.
      shares: a weight for each, of any sum.

    >>> blend([{"relu1_1": jnp.array([[2.0]])}, {"relu1_1": jnp.array([[6.0]])}], [3.0, 1.0])
    {'relu1_1': Array([[3.]], dtype=float32)}
    """
    if len(each) == 1:
        return dict(each[0])
    whole = sum(shares)
    return jax.tree.map(
        lambda *leaves: sum(s / whole * x for s, x in zip(shares, leaves, strict=True)), *each
    )
