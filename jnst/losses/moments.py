"""The first two moments of features over their positions, which is all that most style losses see.

Moments are sums over positions divided by their number. So those of a picture are those of its
tiles added up, those of several styles together are a weighted average, and with a guide (see
`jnst.losses.regions`) those of a region are too.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.losses.arrays import as_floats, lifted, wide_dtype


def gram_matrix(
    features: Float[Array | np.ndarray, "*batch H W C"], *, keep_rows: bool = False
) -> Float[Array, "*batch C C"]:
    """How strongly each pair of channels is active together, averaged over the positions.

        G_ij = 1/M Σ_k F_ik F_jk,   M = H·W                                  (equation 3)

    The paper does not divide by M: its images agree in size. Ours need not, and with the division
    a texture has the same Gram matrix at any extent.

    Args:
      features: the responses of a layer.
      keep_rows: make no single axis of the positions. On processors that is several times slower,
        but features whose rows are split over devices then stay where they are.

    Returns:
      The symmetric, positive semidefinite Gram matrices, in float32 at least.

    Raises:
      TypeError: for features that hold no floats.

    >>> gram_matrix(jnp.array([[[1.0, 2.0], [3.0, 0.0]]]))
    Array([[5., 1.],
           [1., 2.]], dtype=float32)
    """
    features = as_floats("features", features)
    *batch, height, width, channels = features.shape
    if not keep_rows:
        features = features.reshape(*batch, height * width, channels)
    return _squared(features, "hw" if keep_rows else "k") / (height * width)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _squared(features: Array, positions: str) -> Float[Array, "*batch C C"]:
    """Σ_k F_ik F_jk.

    Its derivative is said to be symmetric, so that the gradient takes one product with the features
    instead of one for each of the two F; and it is as precise as the features, so that those of 16
    bits are multiplied as such, which on a GPU takes a fraction of the time.
    """
    return _products(features, features, positions, wide_dtype(features))


@_squared.defjvp
def _(positions: str, features: tuple[Array], change: tuple[Array]) -> tuple[Array, Array]:
    squared = _squared(*features, positions)
    half = _products(*change, *features, positions, features[0].dtype).astype(squared.dtype)
    return squared, half + jnp.swapaxes(half, -1, -2)


def _products(a: Array, b: Array, positions: str, dtype: Any) -> Float[Array, "*batch C C"]:
    """Σ_k a_ik b_jk over the positions k, along the axes that `positions` has a letter for."""
    terms = f"...{positions}i,...{positions}j->...ij"
    return jnp.einsum(terms, a, b, preferred_element_type=dtype)


class Moments(NamedTuple):
    """The moments of a layer's features.

    Attributes:
      mean: μ, the mean of every channel.
      gram: G, the second raw moment, as `jnst.gram_matrix` gives it.
    """

    mean: Float[Array, "*batch C"]
    gram: Float[Array, "*batch C C"]


def moments(
    features: Float[Array | np.ndarray, "*batch H W C"],
    guide: Float[Array, "H W"] | None = None,
    *,
    keep_rows: bool = False,
) -> Moments:
    """Mean and second raw moment over the positions.

        μ_i = 1/M Σ_k T_k² F_ik,   G_ij = 1/M Σ_k T_k² F_ik F_jk,   M = H·W

    The products are exact to float32 at any precision of the network: the covariance G − μμᵀ is a
    difference, and would else have eigenvalues below 0.

    Args:
      features: the responses of a layer.
      guide: T, the root of how much each position counts; None: 1.
      keep_rows: as for `jnst.gram_matrix`.

    Returns:
      The moments, in float32 at least.

    >>> moments(jnp.array([[[1.0, 2.0], [3.0, 0.0]]])).mean
    Array([2., 1.], dtype=float32)
    """
    features = guided(as_floats("features", features), guide)
    with jax.default_matmul_precision("highest"):
        gram = gram_matrix(features, keep_rows=keep_rows)
    return Moments(jnp.mean(guided(features, guide), axis=(-3, -2), dtype=gram.dtype), gram)


def guided(
    features: Float[Array, "*batch H W C"], guide: Float[Array, "H W"] | None
) -> Float[Array, "*batch H W C"]:
    """T ∘ F, as precise as F."""
    if guide is None:
        return features
    guide = lifted(guide[..., None], features.ndim)
    wide = wide_dtype(features, guide)
    return (features.astype(wide) * guide.astype(wide)).astype(features.dtype)


def covariance(seen: Moments, epsilon: Float[Array, "*batch"]) -> Float[Array, "*batch C C"]:
    """Σ = G − μμᵀ + εI."""
    identity = jnp.eye(seen.mean.shape[-1], dtype=seen.gram.dtype)
    spread = epsilon[..., None, None] * lifted(identity, epsilon.ndim + 2)
    spread = lifted(spread, seen.gram.ndim)
    return seen.gram - seen.mean[..., :, None] * seen.mean[..., None, :] + spread


def deviation(seen: Moments, epsilon: Float[Array, "*batch"]) -> Float[Array, "*batch C"]:
    """σ = (diag G − μ² + ε)^½; rounding cannot take it to the root of a number below 0."""
    variance = diagonal(seen.gram) - jnp.square(seen.mean)
    return jnp.sqrt(jnp.maximum(variance, 0) + lifted(epsilon[..., None], variance.ndim))


RELATIVE_EPS = 1e-3
"""ε in parts of the style's mean energy per channel: what is added to every variance, so that
flat and silent channels have roots with a slope, and covariances are positive definite."""


def epsilon_of(seen: Moments) -> Float[Array, "*batch"]:
    """ε for a style with these moments."""
    epsilon = RELATIVE_EPS * jnp.mean(diagonal(seen.gram), axis=-1)
    return jnp.maximum(epsilon, jnp.finfo(epsilon.dtype).tiny ** 0.25)  # of a silent layer


def diagonal(gram: Float[Array, "*batch C C"]) -> Float[Array, "*batch C"]:
    """The second moments of single channels."""
    return jnp.diagonal(gram, axis1=-2, axis2=-1)
