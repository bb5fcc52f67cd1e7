"""Convolutions of few channels, as convolutions of many at a fraction of the size.

A processor multiplies matrices fast, and the first and the last convolutions of a network that
paints, with three channels of a picture on one side, are none: they took two thirds of its time.
Both functions compute what the definition does, up to rounding, by other kernels, which are made of
the given ones; the gradients go through that.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.nn import winograd

CELL = 4
"""Pixels along the edge of a square whose channels are put side by side."""


def convolve_cells(
    x: Float[Array, "*batch h w I"], kernel: Float[Array, "9 9 I O"]
) -> Float[Array, "*batch h w O"]:
    """A 9×9 convolution with a mirrored border, as one of 3×3 cells of 4×4 pixels.

    The kernel of cells has zeros where a pixel of a cell is beyond the given one, but 3×3 is what
    Winograd's method takes a quarter of the multiplications for.

    Args:
      x: height and width are multiples of 4.
      kernel: of 9×9.

    >>> x, kernel = jnp.ones((8, 8, 1)), jnp.ones((9, 9, 1, 1))
    >>> round(float(convolve_cells(x, kernel)[3, 3, 0]), 3)
    81.0
    """
    border = [(0, 0)] * (x.ndim - 3) + [(CELL, CELL), (CELL, CELL), (0, 0)]
    x = jnp.pad(x, border, mode="reflect")
    places = _cell_places(x.dtype.name)
    of_cells = jnp.einsum("arpk,bcql,klio->abrcipqo", places, places, kernel, precision="highest")
    channels = CELL * CELL * kernel.shape[2], CELL * CELL * kernel.shape[3]
    y = _by_winograd(_gathered(x, CELL), of_cells.reshape(3, 3, *channels))
    return _scattered(y, CELL)


def convolve_doubled(
    x: Float[Array, "*batch h w I"], kernel: Float[Array, "3 3 I O"]
) -> Float[Array, "*batch _h _w O"]:
    """A 3×3 convolution, with a mirrored border, of x at twice its height and width.

    Of the four pixels that a position becomes each sees two by two positions, by sums of the
    kernel's values: a 3×3 convolution at the size of x with four times the channels.

    >>> convolve_doubled(jnp.ones((2, 2, 1)), jnp.ones((3, 3, 1, 1)))[..., 0].round(3)[0]
    Array([9., 9., 9., 9.], dtype=float32)
    """
    border = [(0, 0)] * (x.ndim - 3) + [(1, 1), (1, 1), (0, 0)]
    x = jnp.pad(x, border, mode="edge")  # the line beyond is the outermost one, mirrored
    places = np.array([[[1, 0, 0], [0, 0, 0]], [[0, 1, 1], [1, 1, 0]], [[0, 0, 0], [0, 0, 1]]])
    places = places.astype(x.dtype)
    of_four = jnp.einsum("apk,bql,klio->abipqo", places, places, kernel, precision="highest")
    y = _by_winograd(x, of_four.reshape(3, 3, kernel.shape[2], 4 * kernel.shape[3]))
    return _scattered(y, 2)


def _by_winograd(x: Array, kernel: Array) -> Array:
    transformed = winograd.transform_kernel(jax.lax.stop_gradient(kernel))
    return winograd.convolve(x, kernel, transformed)


@functools.cache
def _cell_places(dtype: str) -> Float[np.ndarray, "3 4 4 9"]:
    """1 where line r of cell a is line k of the kernel for line p of the cell in the middle."""
    a, r, p, k = np.ogrid[:3, :CELL, :CELL, :9]
    return (CELL * a + r - p == k).astype(dtype)


def _gathered(x: Float[Array, "*batch h w C"], edge: int) -> Float[Array, "*batch _h _w _c"]:
    """The pixels of each square as channels of one position."""
    *batch, height, width, channels = x.shape
    rows, columns = height // edge, width // edge
    parts = x.reshape(*batch, rows, edge, columns, edge, channels)
    return jnp.moveaxis(parts, -4, -3).reshape(*batch, rows, columns, edge * edge * channels)


def _scattered(y: Float[Array, "*batch h w C"], edge: int) -> Float[Array, "*batch _h _w _c"]:
    """The inverse of `_gathered`."""
    *batch, rows, columns, channels = y.shape
    parts = y.reshape(*batch, rows, columns, edge, edge, channels // edge**2)
    return jnp.moveaxis(parts, -3, -4).reshape(
        *batch, rows * edge, columns * edge, channels // edge**2
    )
