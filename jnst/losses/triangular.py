"""Cholesky factors and inverses of triangular matrices, quick on processors too."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst.losses.arrays import lifted

LEAF = 32
"""The edge of the blocks that are inverted by substitution."""


def one_by_one(function: Callable[..., Any], signature: str) -> Callable[..., Any]:
    """A function of matrices that on processors takes those of a batch one after the other.

    There, XLA has code of its own for batches of factors and triangular systems. It is far slower
    than LAPACK, which does single ones; and where several batches are computed at a time, they can
    wait for each other for ever (JAX 0.10).

    What comes out has no derivatives: see `cholesky` and `triangular_inverse` for those.
    """
    in_turn = jnp.vectorize(jax.custom_batching.sequential_vmap(function), signature=signature)

    def chosen(*matrices: Array) -> Any:
        return jax.lax.platform_dependent(*matrices, cpu=in_turn, default=function)

    return chosen


_cholesky_in_turn = one_by_one(jnp.linalg.cholesky, "(n,n)->(n,n)")


def _substituted(lower: Float[Array, "*batch C C"]) -> Float[Array, "*batch C C"]:
    """L⁻¹ by substitution."""
    identity = jnp.broadcast_to(jnp.eye(lower.shape[-1], dtype=lower.dtype), lower.shape)
    return jax.lax.linalg.triangular_solve(lower, identity, left_side=True, lower=True)


_substituted_in_turn = one_by_one(_substituted, "(n,n)->(n,n)")


def _inverted(lower: Float[Array, "*batch C C"]) -> Float[Array, "*batch C C"]:
    """L⁻¹ of a lower triangular L, without derivatives.

        L = [A 0; B C],   L⁻¹ = [A⁻¹ 0; −C⁻¹ B A⁻¹  C⁻¹]

    The blocks along the diagonal are inverted by substitution, and neighbours joined by products
    until one is left. From 256 rows on that takes about half the time of substitution for the
    whole.
    """
    edge, size = lower.shape[-1], LEAF
    if edge % LEAF or (edge // LEAF).bit_count() != 1:
        return _substituted_in_turn(lower)

    def blocks(below: int, apart: int) -> Array:
        """Those of L of the present size that begin so many rows below its diagonal."""
        starts = range(0, edge, apart)
        each = [lower[..., n + below : n + below + size, n : n + size] for n in starts]
        return jnp.stack(each, axis=-3)

    inverse = _substituted_in_turn(blocks(0, size))
    while size < edge:
        first, second = inverse[..., ::2, :, :], inverse[..., 1::2, :, :]
        with jax.default_matmul_precision("highest"):
            joint = -second @ (blocks(size, 2 * size) @ first)
        left = jnp.concatenate([first, joint], axis=-2)
        right = jnp.concatenate([jnp.zeros_like(joint), second], axis=-2)
        inverse = jnp.concatenate([left, right], axis=-1)
        size *= 2
    return inverse[..., 0, :, :]


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
def cholesky(covariance: Array) -> Array:
    """L of Σ = L Lᵀ; of its derivatives the same holds as of the inverse's."""
    return _cholesky_in_turn(covariance)


@cholesky.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (covariance,), (change,) = primals, tangents
    with jax.default_matmul_precision("highest"):
        lower = cholesky(covariance)
        inverse = triangular_inverse(lower)
        symmetric = (change + jnp.swapaxes(change, -1, -2)) / 2
        inner = jnp.tril(inverse @ symmetric @ jnp.swapaxes(inverse, -1, -2))
        identity = jnp.eye(inner.shape[-1], dtype=inner.dtype)
        slope = lower @ (inner * lifted(1 - identity / 2, inner.ndim))
    return lower, slope
