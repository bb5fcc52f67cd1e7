"""Arrays as the losses take them: floats of like shapes, in one type of at least float32.

What is done here by hand, JAX does by itself unless a program asks it not to, by
`jax.numpy_dtype_promotion("strict")` or `jax.numpy_rank_promotion("raise")`.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

WIDE = np.dtype(np.float32)
"""What values are summed in, at the least."""


def as_floats(name: str, values: Any) -> Float[Array, "..."]:
    """Return an array of floating-point numbers.

    Args:
      name: what messages call it.
      values: what a caller gave.

    Raises:
      TypeError: for integers, booleans, complex numbers and anything that is no array: a picture of
        bytes would overflow silently.
    """
    dtype = getattr(values, "dtype", None)
    if dtype is None:
        values = np.asarray(values)
        dtype = values.dtype
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"{name} must hold floats, got {dtype}")
    return jnp.asarray(values)


def wide_dtype(*arrays: Array | np.ndarray) -> np.dtype:
    """Return the type to compute in: the widest of the arrays' own, but at least float32."""
    return max(
        [WIDE, *(np.dtype(array.dtype) for array in arrays)], key=lambda dtype: dtype.itemsize
    )


def widened(*arrays: Array | np.ndarray) -> tuple[Array, ...]:
    """Return the arrays in their `wide_dtype`."""
    wide = wide_dtype(*arrays)
    return tuple(jnp.asarray(array).astype(wide) for array in arrays)


def check_same_shape(name: str, array: Array, other: str, wanted: Array) -> None:
    """Raise ValueError unless both arrays have one shape, since broadcasting hides mistakes."""
    if array.shape != wanted.shape:
        raise ValueError(
            f"{name} must have the shape of {other}, {wanted.shape}, got {array.shape}"
        )


def zero_beyond(
    values: Float[Array, "..."], extent: Sequence[Any] | Array, *, channels: bool = False
) -> Float[Array, "..."]:
    """Return the values of a picture's positions, 0 beyond the picture at their upper left.

    Args:
      values: (..., H, W), or with `channels` (..., H, W, C).
      extent: (height, width) of the picture, in positions; traced integers.
      channels: whether there is an axis after those of the positions.
    """
    first = values.ndim - (3 if channels else 2)
    below, across = (
        jnp.arange(values.shape[first + axis], dtype=edge.dtype) < edge
        for axis, edge in enumerate(extent)
    )
    inside = below[:, None] & across[None, :]
    if channels:
        inside = inside[..., None]
    return jnp.where(jnp.broadcast_to(inside, values.shape), values, 0)


def mirrored_beyond(
    image: Float[Array, "*batch H W C"], extent: Sequence[Any] | Array
) -> Float[Array, "*batch H W C"]:
    """The picture at the upper left of an image, continued by its mirror.

    Args:
      image: whatever it has beyond the picture counts for nothing.
      extent: (height, width) of the picture; traced integers, at least half of the image's. What is
        further away than the mirror shows repeats its last line.

    >>> mirrored_beyond(jnp.array([[[1.0], [2.0], [9.0]]]), (1, 2))[..., 0]
    Array([[1., 2., 2.]], dtype=float32)
    """
    for axis, edge in zip((-3, -2), extent, strict=True):
        lines = jnp.arange(image.shape[axis], dtype=getattr(edge, "dtype", jnp.int32))
        lines = jnp.where(lines < edge, lines, 2 * edge - 1 - lines)
        image = jnp.take(image, lines, axis=axis, mode="clip")
    return image


def summed(values: Sequence[Any]) -> Any:
    """Return the sum of arrays of one type; 0 where there are none."""
    return sum(values[1:], start=values[0]) if values else jnp.zeros((), WIDE)


def lifted(values: Any, ndim: int) -> Any:
    """Return an array of so many axes, those that are missing put in front."""
    return values.reshape((1,) * (ndim - values.ndim) + values.shape)
