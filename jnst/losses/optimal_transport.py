"""The Wasserstein distance of two Gaussians, by matrix products and a Cholesky factor.

The textbook's formula takes the root of Σ_t^½ Σ Σ_t^½, whose condition is the square of the
covariances', too much for float32. With Cholesky factors Σ = L Lᵀ and Σ_t = L_t L_tᵀ the same trace
is the sum of the singular values of A = Lᵀ L_t,

    tr (Σ_t^½ Σ Σ_t^½)^½ = tr UᵀA,   A = U (AᵀA)^½

and A is conditioned as the covariances are. U comes from Newton and Schulz's iteration.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.losses.arrays import lifted, widened

LEAST = 1e-6
"""Of A's norm: singular values down to this share of it are told exactly."""
LARGEST_SCALE = 1.69770248526
"""At more, rounding could throw the largest singular values below the smallest."""


def _scales(least: float) -> tuple[float, ...]:
    """What X is multiplied with before each iteration, until its singular values are all 1."""
    scales = []
    while 1 - least > 1e-12:  # float64's next is exact
        scale = min((3 / (1 + least + least**2)) ** 0.5, LARGEST_SCALE)
        ends = (least, 1.0)
        least = min(scale * x * (3 - (scale * x) ** 2) / 2 for x in ends)
        scales.append(scale)
    return tuple(scales)


def orthogonal_factor(matrix: Float[Array, "*batch C C"]) -> Float[Array, "*batch C C"]:
    """U of the polar decomposition A = U (AᵀA)^½, for an A that is not singular.

        X_0 = A / |A|,   X_{k+1} = 1/2 ρ X_k (3 − ρ² X_kᵀ X_k)

    with ρ that falls from 1.7 to 1, by which small singular values grow 2.5 times at each iteration
    instead of 1.5 times; two products each, some twenty iterations.

    Chen and Chow, "A stable scaling of Newton-Schulz for improving the sign function computation of
    a Hermitian matrix", 2014.

    >>> orthogonal_factor(jnp.array([[0.0, -2.0], [0.5, 0.0]])).round(4)
    Array([[ 0., -1.],
           [ 1.,  0.]], dtype=float32)
    """
    norm = jnp.linalg.norm(matrix, axis=(-2, -1), keepdims=True)
    identity = jnp.eye(matrix.shape[-1], dtype=matrix.dtype)

    def iterate(x: Array, scale: Array) -> tuple[Array, None]:
        x = scale * x
        return x @ (1.5 * identity - 0.5 * (jnp.swapaxes(x, -1, -2) @ x)), None

    identity = lifted(identity, matrix.ndim)
    with jax.default_matmul_precision("highest"):
        scales = jnp.array(_scales(LEAST), matrix.dtype)
        return jax.lax.scan(iterate, matrix / norm, scales)[0]


def _divided(matrix: Array, lower: Array) -> Array:
    """B L⁻¹, for a lower triangular L."""
    return jax.lax.linalg.triangular_solve(lower, matrix, left_side=False, lower=True)


def one_by_one(function: Callable[..., Any], signature: str) -> Callable[..., Any]:
    """A function of matrices that on processors takes those of a batch one after the other.

    There, XLA has code of its own for batches of factors and triangular systems. It is far slower
    than LAPACK, which does single ones; and where several batches are computed at a time, they can
    wait for each other for ever (JAX 0.10).

    What comes out has no derivatives: see `_cholesky` and `_divide` for those.
    """
    in_turn = jnp.vectorize(jax.custom_batching.sequential_vmap(function), signature=signature)

    def chosen(*matrices: Array) -> Any:
        return jax.lax.platform_dependent(*matrices, cpu=in_turn, default=function)

    return chosen


_cholesky_in_turn = one_by_one(jnp.linalg.cholesky, "(n,n)->(n,n)")
_divide_in_turn = one_by_one(_divided, "(n,n),(n,n)->(n,n)")


@jax.custom_jvp
def _divide(matrix: Array, lower: Array) -> Array:
    """B L⁻¹, for a lower triangular L.

    Its derivatives, which only second derivatives of the distance take, are matrix products with
    the inverse of L, and so are theirs: what goes one by one cannot be transposed.
    """
    return _divide_in_turn(matrix, lower)


@_divide.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (matrix, lower), (of_matrix, of_lower) = primals, tangents
    with jax.default_matmul_precision("highest"):
        quotient = _divide(matrix, lower)
        slope = (of_matrix - quotient @ of_lower) @ _inverse(lower)
    return quotient, slope


@jax.custom_jvp
def _cholesky(covariance: Array) -> Array:
    """L of Σ = L Lᵀ; of its derivatives the same holds as of those of `_divide`."""
    return _cholesky_in_turn(covariance)


@_cholesky.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (covariance,), (change,) = primals, tangents
    with jax.default_matmul_precision("highest"):
        lower = _cholesky(covariance)
        inverse = _inverse(lower)
        symmetric = (change + jnp.swapaxes(change, -1, -2)) / 2
        inner = jnp.tril(inverse @ symmetric @ jnp.swapaxes(inverse, -1, -2))
        identity = jnp.eye(inner.shape[-1], dtype=inner.dtype)
        slope = lower @ (inner * lifted(1 - identity / 2, inner.ndim))
    return lower, slope


def _inverse(lower: Array) -> Array:
    """L⁻¹."""
    return _divide(
        jnp.broadcast_to(jnp.eye(lower.shape[-1], dtype=lower.dtype), lower.shape), lower
    )


def target_factor(covariance: Float[Array, "*batch C C"]) -> Float[Array, "*batch C C"]:
    """L of Σ = L Lᵀ, one matrix after the other; `jax.vmap` makes a batch of it."""
    flat = covariance.reshape(-1, *covariance.shape[-2:])
    return jax.lax.map(jnp.linalg.cholesky, flat).reshape(covariance.shape)


@jax.custom_jvp
def overlap(
    covariance: Float[Array, "*batch C C"], factor: Float[Array, "*batch C C"]
) -> Float[Array, "*batch"]:
    """tr (Σ_t^½ Σ Σ_t^½)^½ of a covariance Σ and another's Cholesky factor L_t.

    Its derivative by Σ is 1/2 L_t Uᵀ L⁻¹, a symmetric matrix, and by L_t it is L U.

    >>> overlap(jnp.diag(jnp.array([4.0, 9.0])), jnp.eye(2))
    Array(5., dtype=float32)
    """
    return _overlap_and_slopes(covariance, factor)[0]


@overlap.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    value, *slopes = _overlap_and_slopes(*primals)
    products = (jnp.sum(s * t, axis=(-2, -1)) for s, t in zip(slopes, tangents, strict=True))
    return value, sum(products, start=jnp.zeros_like(value))


def _of_batch(covariance: Array, factor: Array) -> tuple[Array, Array, Array]:
    """`overlap` and its derivatives by both."""
    with jax.default_matmul_precision("highest"):
        lower = _cholesky(covariance)
        product = jnp.swapaxes(lower, -1, -2) @ factor
        orthogonal = orthogonal_factor(product)
        of_covariance = _divide(factor @ jnp.swapaxes(orthogonal, -1, -2), lower)
        of_factor = lower @ orthogonal
    value = jnp.sum(orthogonal * product, axis=(-2, -1))
    return value, (of_covariance + jnp.swapaxes(of_covariance, -1, -2)) / 4, of_factor


_in_turn = one_by_one(_of_batch, "(n,n),(n,n)->(),(n,n),(n,n)")


@jax.custom_jvp
def _overlap_and_slopes(covariance: Array, factor: Array) -> tuple[Array, Array, Array]:
    """The same, on processors one matrix after the other.

    There, products of batches round otherwise than those of single matrices, which the iteration
    and the steps after it amplify: a grid's cell would soon differ from the run by itself.
    """
    return _in_turn(covariance, factor)


@_overlap_and_slopes.defjvp
def _(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Any, Any]:
    return jax.jvp(_of_batch, primals, tangents)  # what goes one by one has no derivatives


def squared_distance(
    mean: Float[Array | np.ndarray, "*batch C"],
    covariance: Float[Array | np.ndarray, "*batch C C"],
    target_mean: Float[Array | np.ndarray, "*batch C"],
    target_factor: Float[Array | np.ndarray, "*batch C C"],
) -> Float[Array, "*batch"]:
    """The squared Wasserstein-2 distance of two Gaussians.

        W² = |μ − μ_t|² + tr(Σ + Σ_t − 2 (Σ_t^½ Σ Σ_t^½)^½)

    Args:
      mean: μ.
      covariance: Σ, positive definite.
      target_mean: μ_t.
      target_factor: L_t, lower triangular with L_t L_tᵀ = Σ_t.

    Returns:
      The distance, at least 0 but for rounding: it is the difference of traces.

    >>> squared_distance(jnp.ones(2), 4 * jnp.eye(2), jnp.zeros(2), jnp.eye(2))
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
    between = overlap(covariance, lifted(target_factor, covariance.ndim))
    return offset + ours + lifted(theirs, ours.ndim) - 2 * between
