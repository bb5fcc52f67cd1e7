"""The orthogonal factor of a matrix, by polynomials that take all singular values to 1."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

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
