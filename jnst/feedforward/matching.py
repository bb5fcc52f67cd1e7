"""Features that are given the statistics of others: what AdaIN and optimal transport do.

All are affine maps of the features at each position, x ↦ M (x − μ) + μ_t, with a symmetric M:

    statistics:   M = diag(σ_t / σ)
    wasserstein:  M = Σ^−½ (Σ^½ Σ_t Σ^½)^½ Σ^−½
    mixed:        the mean of both

The first is Huang and Belongie's adaptive instance normalization, 2017,
https://arxiv.org/abs/1703.06868, equation 8. The second is the optimal transport of a Gaussian onto
another: Mroueh, "Wasserstein style transfer", 2019, https://arxiv.org/abs/1905.12828; it sees which
channels are active together as well, and so gives a face the colours of whatever in the painting
has its place among the features: dark blue cheeks, where the first leaves them pale. Halfway
between the two, faces stay and skies have the painting's colours.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst._checks import check_choice
from jnst.losses.optimal_transport import overlap
from jnst.losses.terms import Scalar

MATCHINGS = ("mixed", "wasserstein", "statistics")
EPSILON = 1e-5
"""Added to variances under AdaIN's roots, as where the decoder was trained."""
LEAST_SHARE = 1e-2
"""Of its mean eigenvalue, added to the content's covariance, so that what is hardly there is not
blown up."""
LEAST_STYLE_SHARE = 1e-4
"""Of its mean eigenvalue, added to the style's, for Cholesky's decomposition."""


class Spread(NamedTuple):
    """Mean and covariance of features over their positions."""

    mean: Float[Array, "*batch C"]
    covariance: Float[Array, "*batch C C"]


class Map(NamedTuple):
    """An affine map of features, x ↦ M (x − before) + after."""

    matrix: Float[Array, "*batch C C"]
    before: Float[Array, "*batch C"]
    after: Float[Array, "*batch C"]

    def __call__(self, features: Float[Array, "*batch H W C"]) -> Float[Array, "*batch H W C"]:
        """Map the features of every position."""
        centred = features - self.before[..., None, None, :]
        with jax.default_matmul_precision("highest"):
            moved = jnp.einsum("...hwi,...ij->...hwj", centred, self.matrix)
        return moved + self.after[..., None, None, :]


def spread_of(
    features: Float[Array, "*batch H W C"], counts: Float[Array, "H W"] | None = None
) -> Spread:
    """The mean and the covariance of features.

    Args:
      features: of a layer.
      counts: how much each position counts; None: all alike, and the covariance is divided by one
        less than their number, as AdaIN's is.

    >>> spread_of(jnp.array([[[1.0, 2.0], [3.0, 0.0]]])).covariance
    Array([[ 2., -2.],
           [-2.,  2.]], dtype=float32)
    """
    height, width = features.shape[-3:-1]
    if counts is None:
        shares = jnp.full((height, width), 1 / (height * width), features.dtype)
        correction = height * width / max(height * width - 1, 1)
    else:
        shares, correction = counts / jnp.sum(counts), 1.0
    with jax.default_matmul_precision("highest"):
        mean = jnp.einsum("...hwi,hw->...i", features, shares)
        centred = features - mean[..., None, None, :]
        weighed = centred * shares[..., None]
        covariance = correction * jnp.einsum("...hwi,...hwj->...ij", weighed, centred)
    return Spread(mean=mean, covariance=covariance)


def map_between(seen: Spread, target: Spread, matching: str) -> Map:
    """The map that gives features of one spread that of others.

    Args:
      seen: of the features that will be mapped.
      target: what they are to have.
      matching: one of `MATCHINGS`.

    Raises:
      ValueError: for an unknown matching.
    """
    check_choice("matching", matching, MATCHINGS)
    matrix = jnp.zeros_like(seen.covariance)
    if matching in ("statistics", "mixed"):
        matrix += _scaling(seen.covariance, target.covariance)
    if matching in ("wasserstein", "mixed"):
        matrix += _transport(seen.covariance, target.covariance)
    if matching == "mixed":
        matrix /= 2
    return Map(matrix=matrix, before=seen.mean, after=target.mean)


def _scaling(covariance: Array, target: Array) -> Float[Array, "*batch C C"]:
    """Diag(σ_t / σ)."""
    ours, theirs = (jnp.diagonal(x, axis1=-2, axis2=-1) + EPSILON for x in (covariance, target))
    return jnp.sqrt(theirs / ours)[..., None] * jnp.eye(ours.shape[-1], dtype=ours.dtype)


def _transport(covariance: Array, target: Array) -> Float[Array, "*batch C C"]:
    """The symmetric T with T Σ T = Σ_t.

    It is twice the derivative of tr (Σ_t^½ Σ Σ_t^½)^½ by Σ, which needs no eigenvectors.
    """
    factor = jnp.linalg.cholesky(_raised(target, LEAST_STYLE_SHARE))
    slope = jax.grad(lambda covariance: jnp.sum(overlap(covariance, factor)))
    return 2 * slope(_raised(covariance, LEAST_SHARE))


def _raised(covariance: Array, share: float) -> Array:
    """Σ with so much of its mean eigenvalue, and at least a little, added to all of them."""
    size = covariance.shape[-1]
    mean = jnp.trace(covariance, axis1=-2, axis2=-1) / size
    added = jnp.maximum(share * mean, EPSILON)
    return covariance + added[..., None, None] * jnp.eye(size, dtype=covariance.dtype)


def blended(
    features: Float[Array, "*batch H W C"],
    maps: Sequence[Map],
    shares: Sequence[Scalar | int] | Float[Array, " S"],
    strength: Scalar | int,
    regions: Sequence[Float[Array, "H W"]] | None = None,
) -> Float[Array, "*batch H W C"]:
    """The features after several maps, each by its share; or each in a region of its own.

        x + strength · Σ_s share_s (M_s(x) − x)

    Args:
      features: of the content.
      maps: of every style.
      shares: of every style; their sum is 1 unless there are regions, where each is how strong the
        style is there.
      strength: 0 leaves the features as they are, 1 changes them all the way.
      regions: where each style goes, in [0, 1]; None: everywhere. Where several overlap, they
        share the place.
    """
    change = jnp.zeros_like(features)
    for number, of_style in enumerate(maps):
        moved = shares[number] * (of_style(features) - features)
        if regions is not None:
            crowd = jnp.maximum(sum(regions[1:], start=regions[0]), 1)
            moved = moved * (regions[number] / crowd)[..., None]
        change = change + moved
    return features + strength * change
