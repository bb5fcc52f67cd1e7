"""The Wasserstein distance of two Gaussians, by matrix products and a Cholesky factor.

The textbook's formula takes the root of Σ_t^½ Σ Σ_t^½, whose condition is the square of the
covariances', too much for float32. With Cholesky factors Σ = L Lᵀ and Σ_t = L_t L_tᵀ the same trace
is the sum of the singular values of A = Lᵀ L_t,

    tr (Σ_t^½ Σ Σ_t^½)^½ = tr UᵀA,   A = U (AᵀA)^½

and A is conditioned as the covariances are. Both factors being triangular, A⁻ᵀ is as cheap as A,
and one step of Newton's iteration,

    X = (ζ A + A⁻ᵀ / ζ) / 2

has the same U and the root of A's condition. From there polynomials lead to U.

Of fewer points than dimensions the covariance is F Fᵀ of a narrow F, and A = F L_t has as few rows:
everything is smaller.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from jnst.losses.arrays import lifted, widened
from jnst.losses.orthogonal_factor import orthogonal_factor
from jnst.losses.triangular import cholesky, one_by_one, triangular_inverse


def target_factor(covariance: Float[Array, "*batch C C"]) -> Float[Array, "*batch C C"]:
    """L of Σ = L Lᵀ, one matrix after the other; `jax.vmap` makes a batch of it."""
    flat = covariance.reshape(-1, *covariance.shape[-2:])
    return jax.lax.map(jnp.linalg.cholesky, flat).reshape(covariance.shape)


def overlap(
    covariance: Float[Array, "*batch C C"],
    factor: Float[Array, "*batch C C"],
    inverse: Float[Array, "*batch C C"] | None = None,
) -> Float[Array, "*batch"]:
    """tr (Σ_t^½ Σ Σ_t^½)^½ of a covariance Σ and another's Cholesky factor L_t.

    Its derivative by Σ is 1/2 L_t Uᵀ L⁻¹, a symmetric matrix, and by L_t it is L U.

    Args:
      covariance: Σ.
      factor: L_t.
      inverse: L_t⁻¹, of which no derivative is taken; None: it is computed.

    >>> overlap(jnp.diag(jnp.array([4.0, 9.0])), jnp.eye(2)).round(4)
    Array(5., dtype=float32)
    """
    if inverse is None:
        inverse = triangular_inverse(factor)
    return _overlap(covariance, factor, jax.lax.stop_gradient(inverse))


@jax.custom_jvp
def _overlap(covariance: Array, factor: Array, inverse: Array) -> Array:
    return _polar_form(covariance, factor, inverse)[0]


def _overlap_jvp(primals: tuple[Array, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    value, of_covariance, lower, orthogonal = _polar_form(*primals)
    change = jnp.zeros_like(value)
    if not isinstance(tangents[0], SymbolicZero):
        change += jnp.sum(of_covariance * tangents[0], axis=(-2, -1))
    if not isinstance(tangents[1], SymbolicZero):
        with jax.default_matmul_precision("highest"):
            of_factor = lower @ orthogonal
        change += jnp.sum(of_factor * tangents[1], axis=(-2, -1))
    return value, change


_overlap.defjvp(_overlap_jvp, symbolic_zeros=True)


def _of_batch(
    covariance: Array, factor: Array, inverse: Array, *, differentiable: bool = False
) -> tuple[Array, Array, Array, Array]:
    """`overlap`, its derivative by Σ, L, and U."""
    with jax.default_matmul_precision("highest"):
        lower = cholesky(covariance)
        of_lower = triangular_inverse(lower)
        product = jnp.swapaxes(lower, -1, -2) @ factor
        inverted = of_lower @ jnp.swapaxes(inverse, -1, -2)
        # Whatever ζ is, (ζ σ + 1 / (ζ σ)) / 2 is 1 at the least. With these norms for the largest σ
        # of each it is a little further from the best than with a power iteration, whose many small
        # kernels would take longer than all the rest.
        balance = jnp.sqrt(_norm(inverted) / _norm(product))
        balance = jax.lax.stop_gradient(balance)
        nearer = (balance * product + inverted / balance) / 2
        least = jnp.ones(nearer.shape[:-2], nearer.dtype)
        orthogonal = orthogonal_factor(nearer, least, differentiable=differentiable)
        of_covariance = (factor @ jnp.swapaxes(orthogonal, -1, -2)) @ of_lower
    value = jnp.sum(orthogonal * product, axis=(-2, -1))
    symmetric = (of_covariance + jnp.swapaxes(of_covariance, -1, -2)) / 4
    return value, symmetric, lower, orthogonal


_in_turn = one_by_one(_of_batch, "(n,n),(n,n),(n,n)->(),(n,n),(n,n),(n,n)")


@jax.custom_jvp
def _polar_form(covariance: Array, factor: Array, inverse: Array) -> tuple[Array, ...]:
    """The same, on processors one matrix after the other.

    There, products of batches round otherwise than those of single matrices, which the iteration
    and the steps after it amplify: a grid's cell would soon differ from the run by itself.
    """
    return _in_turn(covariance, factor, inverse)


@_polar_form.defjvp
def _(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Any, Any]:
    # What goes one by one has no derivatives, and those of the inverse follow from the factor.
    def with_own_inverse(covariance: Array, factor: Array) -> tuple[Array, ...]:
        return _of_batch(covariance, factor, triangular_inverse(factor), differentiable=True)

    return jax.jvp(with_own_inverse, primals[:2], tangents[:2])


def squared_distance(
    mean: Float[Array | np.ndarray, "*batch C"],
    covariance: Float[Array | np.ndarray, "*batch C C"],
    target_mean: Float[Array | np.ndarray, "*batch C"],
    target_factor: Float[Array | np.ndarray, "*batch C C"],
    target_inverse: Float[Array | np.ndarray, "*batch C C"] | None = None,
) -> Float[Array, "*batch"]:
    """The squared Wasserstein-2 distance of two Gaussians.

        W² = |μ − μ_t|² + tr(Σ + Σ_t − 2 (Σ_t^½ Σ Σ_t^½)^½)

    Args:
      mean: μ.
      covariance: Σ, positive definite.
      target_mean: μ_t.
      target_factor: L_t, lower triangular with L_t L_tᵀ = Σ_t.
      target_inverse: L_t⁻¹; None: it is computed.

    Returns:
      The distance, at least 0 but for rounding: it is the difference of traces.

    >>> squared_distance(jnp.ones(2), 4 * jnp.eye(2), jnp.zeros(2), jnp.eye(2)).round(4)
    Array(4., dtype=float32)
    """
    mean, target_mean, covariance, target_factor = widened(
        jnp.asarray(mean),
        jnp.asarray(target_mean),
        jnp.asarray(covariance),
        jnp.asarray(target_factor),
    )
    ours = jnp.trace(covariance, axis1=-2, axis2=-1)
    theirs = jnp.sum(jnp.square(target_factor), axis=(-2, -1))
    offset = jnp.sum(jnp.square(mean - lifted(target_mean, mean.ndim)), axis=-1)
    inverse = None
    if target_inverse is not None:
        inverse = lifted(jnp.asarray(target_inverse), covariance.ndim)
    between = overlap(covariance, lifted(target_factor, covariance.ndim), inverse)
    return offset + ours + lifted(theirs, ours.ndim) - 2 * between


def squared_distance_of_points(
    mean: Float[Array, "*batch C"],
    points: Float[Array, "*batch M C"],
    target_mean: Float[Array, "*_target C"],
    target_factor: Float[Array, "*_target C C"],
) -> Float[Array, "*batch"]:
    """The same of the Gaussian of M points, which are fewer than their C dimensions.

    Its covariance, the points' own, is singular, and nothing is added to it: the distance is
    defined all the same, and so is its slope, since it comes without the covariance's root.

    Args:
      mean: μ, of the points.
      points: what remains without μ, (p − μ) / √M.
      target_mean: μ_t.
      target_factor: L_t, with L_t L_tᵀ = Σ_t.
    """
    mean, points, target_mean, target_factor = widened(mean, points, target_mean, target_factor)
    theirs = jnp.sum(jnp.square(target_factor), axis=(-2, -1))
    target_factor = lifted(target_factor, points.ndim)
    with jax.default_matmul_precision("highest"):
        product = points @ target_factor
    # U maximises tr UᵀA, so that the slope is that at a fixed U.
    orthogonal = jax.lax.stop_gradient(orthogonal_factor(jax.lax.stop_gradient(product)))
    shared = jnp.sum(orthogonal * product, axis=(-2, -1))
    offset = jnp.sum(jnp.square(mean - lifted(target_mean, mean.ndim)), axis=-1)
    ours = jnp.sum(jnp.square(points), axis=(-2, -1))
    return offset + ours + lifted(theirs, ours.ndim) - 2 * shared


def _norm(matrix: Float[Array, "*batch C C"]) -> Float[Array, "*batch 1 1"]:
    return jnp.linalg.norm(matrix, axis=(-2, -1), keepdims=True)
