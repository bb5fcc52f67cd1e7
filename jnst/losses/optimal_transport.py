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

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from jnst.losses.arrays import lifted, widened

LEAST = 1e-6
"""Of A's norm: singular values down to this share of it are told exactly."""
CUSHION = 0.025
"""Where the interval that polynomials are made for begins at the least: those for longer ones take
some of the larger singular values so far down that little but rounding would remain of them."""
SAFETY = 1.01
"""How much above 1 a singular value may be: the polynomials are steep at 1, so that what rounding
adds there would grow tenfold at each iteration."""
EXACT = 1e-7
"""How near to 1 the singular values come."""
POWER_STEPS = 4
"""Steps of the power iteration that chooses ζ, which need not be exact."""


def minimax_quintic(least: float) -> tuple[np.ndarray, float]:
    """The odd polynomial a x + b x³ + c x⁵ that is nearest to 1 on [least, 1], by Remez' exchange.

    Returns:
      (a, b, c), and how far from 1 it comes there.

    >>> minimax_quintic(0.5)[1] < 0.05
    True
    """
    points = least + (1 - least) * np.array([0.0, 0.35, 0.75, 1.0])
    for _ in range(100):
        powers = np.stack([points, points**3, points**5, [1.0, -1.0, 1.0, -1.0]], axis=1)
        a, b, c, error = np.linalg.solve(powers, np.ones(4))
        extrema = np.sort(np.sqrt(np.roots([5 * c, 3 * b, a]).astype(complex)).real)
        moved = np.array([least, *np.clip(extrema, least, 1.0), 1.0])
        if np.abs(moved - points).max() < 1e-13:
            break
        points = moved
    return np.array([a, b, c]), abs(float(error))


@functools.cache
def minimax_sequence(least: float) -> tuple[np.ndarray, np.ndarray]:
    """Polynomials that one after the other take all of [least, 1] to 1.

    Each is the best there is for what the ones before it leave, but for the `CUSHION`, and scaled
    to stay below 1. For an interval that begins with 10⁻⁶ twelve of them come to 1 within `EXACT`;
    for a shorter one the last of these will do. The idea is that of Amsel, Persson, Musco and
    Gower, "The Polar Express", 2025, https://arxiv.org/abs/2505.16932.

    Returns:
      The coefficients, (n, 3), and what each interval begins with, (n,).
    """
    coefficients, begins = [], []
    while 1 - least > EXACT:
        begins.append(least)
        if least > 0.9:  # near 1 Taylor's does as well, and its equations are well conditioned
            coefficients.append(np.array([15.0, -10.0, 3.0]) / 8)
            error = 5 * (1 - least) ** 3 / 2
            least = 1 - error
        else:
            nearest, error = minimax_quintic(max(least, CUSHION))
            a, b, c = nearest / (1 + error) / SAFETY ** np.array([1, 3, 5])
            coefficients.append(np.array([a, b, c]))
            least = min(a * least + b * least**3 + c * least**5, (1 - error) / (1 + error))
    return np.array(coefficients), np.array(begins)


def orthogonal_factor(
    matrix: Float[Array, "*batch R C"],
    least: Float[Array, "*batch"] | None = None,
    *,
    differentiable: bool = False,
) -> Float[Array, "*batch R C"]:
    """U of the polar decomposition A = (AAᵀ)^½ U, for an A with no more rows than columns.

        X_0 = A / |A|,   X_{k+1} = (a_k + b_k Y + c_k Y²) X_k,   Y = X_k X_kᵀ

    with the polynomials of `minimax_sequence`, by which small singular values grow more than four
    times at each iteration. Those of 0 stay 0.

    Args:
      matrix: A; where it is 0, so is U.
      least: what none of its singular values is less than; None: `LEAST` of the norm.
      differentiable: go through all polynomials, those that are not needed doing nothing, since
        only a loop of a known length can be transposed.

    >>> orthogonal_factor(jnp.array([[0.0, -2.0], [0.5, 0.0]])).round(4)
    Array([[ 0., -1.],
           [ 1.,  0.]], dtype=float32)
    """
    if matrix.ndim > 2:
        one = functools.partial(orthogonal_factor, differentiable=differentiable)
        flat = matrix.reshape(-1, *matrix.shape[-2:])
        if least is None:
            return jax.vmap(one)(flat).reshape(matrix.shape)
        return jax.vmap(one)(flat, jnp.reshape(least, len(flat))).reshape(matrix.shape)
    coefficients, begins = minimax_sequence(LEAST)
    table = jnp.array(coefficients, matrix.dtype)
    identity = jnp.eye(matrix.shape[-2], dtype=matrix.dtype)

    def polynomial(step: Array, y: Array, squared: Array) -> Array:
        a, b, c = table[step]
        return a * identity + b * y + c * squared

    def iterate(step: Array, x: Array) -> Array:
        y = x @ x.T
        return polynomial(step, y, y @ y) @ x

    with jax.default_matmul_precision("highest"):
        frobenius = jnp.linalg.norm(matrix)
        x = matrix / jnp.where(frobenius > 0, frobenius, 1)
        y = x @ x.T
        squared = y @ y
        # The fourth root of Σ σ⁸: much nearer to the largest singular value than the norm is.
        largest = jnp.linalg.norm(squared) ** 0.25
        scale = 1 / jnp.where(largest > 0, largest, 1)
        first = jnp.zeros((), jnp.int32)
        if least is not None:
            bound = scale * least / jnp.where(frobenius > 0, frobenius, 1)
            reached = jnp.sum(jnp.array(begins, matrix.dtype) <= bound)
            first = jnp.maximum(reached.astype(jnp.int32) - 1, 0)
        x = polynomial(first, scale**2 * y, scale**4 * squared) @ (scale * x)
        if differentiable:
            return jax.lax.fori_loop(
                1, len(begins), lambda n, x: jnp.where(n > first, iterate(n, x), x), x
            )
        return jax.lax.fori_loop(first + 1, len(begins), iterate, x)


def _largest(matrix: Float[Array, "*batch C C"]) -> Float[Array, "*batch 1 1"]:
    """About the largest singular value."""
    vector = jnp.ones((*matrix.shape[:-1], 1), matrix.dtype)
    value = jnp.ones((*matrix.shape[:-2], 1, 1), matrix.dtype)
    for _ in range(POWER_STEPS):
        vector = vector / jnp.linalg.norm(vector, axis=-2, keepdims=True)
        vector = jnp.swapaxes(matrix, -1, -2) @ (matrix @ vector)
        value = jnp.linalg.norm(vector, axis=-2, keepdims=True)
    return jnp.sqrt(value)


def _inverted(lower: Float[Array, "*batch C C"]) -> Float[Array, "*batch C C"]:
    """L⁻¹ of a lower triangular L, without derivatives."""
    identity = jnp.broadcast_to(jnp.eye(lower.shape[-1], dtype=lower.dtype), lower.shape)
    return jax.lax.linalg.triangular_solve(lower, identity, left_side=True, lower=True)


def one_by_one(function: Callable[..., Any], signature: str) -> Callable[..., Any]:
    """A function of matrices that on processors takes those of a batch one after the other.

    There, XLA has code of its own for batches of factors and triangular systems. It is far slower
    than LAPACK, which does single ones; and where several batches are computed at a time, they can
    wait for each other for ever (JAX 0.10).

    What comes out has no derivatives: see `_cholesky` and `triangular_inverse` for those.
    """
    in_turn = jnp.vectorize(jax.custom_batching.sequential_vmap(function), signature=signature)

    def chosen(*matrices: Array) -> Any:
        return jax.lax.platform_dependent(*matrices, cpu=in_turn, default=function)

    return chosen


_cholesky_in_turn = one_by_one(jnp.linalg.cholesky, "(n,n)->(n,n)")
_inverted_in_turn = one_by_one(_inverted, "(n,n)->(n,n)")


@jax.custom_jvp
def triangular_inverse(lower: Float[Array, "*batch C C"]) -> Float[Array, "*batch C C"]:
    """L⁻¹ of a lower triangular L.

    Its derivatives are matrix products, and so are theirs: what goes one by one cannot be
    transposed.
    """
    return _inverted_in_turn(lower)


@triangular_inverse.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (lower,), (change,) = primals, tangents
    with jax.default_matmul_precision("highest"):
        inverse = triangular_inverse(lower)
        return inverse, -inverse @ change @ inverse


@jax.custom_jvp
def _cholesky(covariance: Array) -> Array:
    """L of Σ = L Lᵀ; of its derivatives the same holds as of the inverse's."""
    return _cholesky_in_turn(covariance)


@_cholesky.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (covariance,), (change,) = primals, tangents
    with jax.default_matmul_precision("highest"):
        lower = _cholesky(covariance)
        inverse = triangular_inverse(lower)
        symmetric = (change + jnp.swapaxes(change, -1, -2)) / 2
        inner = jnp.tril(inverse @ symmetric @ jnp.swapaxes(inverse, -1, -2))
        identity = jnp.eye(inner.shape[-1], dtype=inner.dtype)
        slope = lower @ (inner * lifted(1 - identity / 2, inner.ndim))
    return lower, slope


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

    >>> overlap(jnp.diag(jnp.array([4.0, 9.0])), jnp.eye(2))
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
        lower = _cholesky(covariance)
        of_lower = triangular_inverse(lower)
        product = jnp.swapaxes(lower, -1, -2) @ factor
        inverted = of_lower @ jnp.swapaxes(inverse, -1, -2)
        balance = jnp.sqrt(_largest(inverted) / _largest(product))
        balance = jax.lax.stop_gradient(balance)
        # Whatever ζ is, (ζ σ + 1 / (ζ σ)) / 2 is 1 at the least.
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
    if target_inverse is not None:
        target_inverse = lifted(jnp.asarray(target_inverse), covariance.ndim)
    between = overlap(covariance, lifted(target_factor, covariance.ndim), target_inverse)
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
