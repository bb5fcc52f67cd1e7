"""3×3 convolutions with a quarter of the multiplications, for processors.

Winograd's F(4×4, 3×3) takes 36 multiplications for 4×4 outputs of a pair of channels where the
definition takes 144: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015,
https://arxiv.org/abs/1509.09308, equation 12.

    Y = Aᵀ [ Σ_channels (G g Gᵀ) ⊙ (Bᵀ d B) ] A

d are 6×6 inputs that overlap by two, g is the kernel, Y are 4×4 outputs. The transforms are sums of
strided slices; between them stands one matrix product for each of the 36 positions. Strips of tiles
come one after the other, since the tiles of a whole picture, which overlap, would take more than
twice its memory.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.nn.convolution import convolution, even_strips

WINOGRAD_CHANNELS = 64
"""Channels in from which on Winograd's convolution is faster on a processor: with the three of a
picture, its transforms cost more than the multiplications that they save."""
TILE = 4
"""Outputs of a tile in each direction; its inputs are two more."""
TILES_OF_A_STRIP = 256
"""As many tiles are worked at together: few enough to stay in a processor's cache between the
transforms, and enough that the kernels, which are read once for each strip, do not count."""

# From the points 0, 1, −1, 2, −2 and ∞.
_AT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])
_BT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24


def transform_kernel(kernel: Float[Array | np.ndarray, "3 3 I O"]) -> Float[Array, "36 I O"]:
    """G g Gᵀ for every pair of channels: four times as large as the kernel, so done but once.

    NumPy does it where it can: JAX would compile a program for every shape of a kernel, which took
    a second of every start.
    """
    both = np.kron(_G, _G)  # 36×9: one product for both sides
    if isinstance(kernel, jax.core.Tracer):
        flat = kernel.reshape(9, -1)
        transformed = jnp.matmul(both.astype(kernel.dtype), flat, precision="highest")
        return transformed.reshape(-1, *kernel.shape[2:])
    product = both @ np.asarray(kernel, np.float64).reshape(9, -1)
    return jax.device_put(product.astype(kernel.dtype).reshape(-1, *kernel.shape[2:]))


def convolve(
    x: Float[Array, "*batch h w I"],
    kernel: Float[Array, "3 3 I O"],
    transformed: Float[Array, "36 I O"],
) -> Float[Array, "*batch _h _w O"]:
    """The 3×3 convolution of features that have their border of one position already.

    Args:
      x: (..., H + 2, W + 2, I).
      kernel: for derivatives by it; the value does not depend on it.
      transformed: the same kernel, from `transform_kernel`. Derivatives by it are 0.

    Returns:
      (..., H, W, O): up to rounding what `jax.lax.conv_general_dilated` gives.

    >>> kernel = jnp.ones((3, 3, 1, 1))
    >>> convolve(jnp.ones((4, 5, 1)), kernel, transform_kernel(kernel))[..., 0].round(3)
    Array([[9., 9., 9.],
           [9., 9., 9.]], dtype=float32)
    """
    y = _convolve(x.reshape(-1, *x.shape[-3:]), kernel, transformed)
    return y.reshape(*x.shape[:-3], *y.shape[1:])


def _in_tiles(x: Float[Array, "n h w I"], _: Array, transformed: Array) -> Float[Array, "n H W O"]:
    count, height, width = len(x), x.shape[1] - 2, x.shape[2] - 2
    across, rows, strips = _strips(count, height, width)
    x = jnp.pad(x, ((0, 0), (0, strips * rows - height), (0, across * TILE - width), (0, 0)))
    y = jnp.zeros((count, strips * rows, across * TILE, transformed.shape[2]), x.dtype)

    def convolve_strip(index: Array, y: Array) -> Array:
        strip = jax.lax.dynamic_slice_in_dim(x, index * rows, rows + 2, axis=1)
        return jax.lax.dynamic_update_slice_in_dim(
            y, _convolve_strip(strip, transformed), index * rows, axis=1
        )

    return jax.lax.fori_loop(0, strips, convolve_strip, y)[:, :height, :width]


def _strips(count: int, height: int, width: int) -> tuple[int, int, int]:
    """For outputs of a size: tiles in a row, rows of outputs in a strip, and the strips."""
    down, across = -(-height // TILE), -(-width // TILE)
    strips, of_tiles = even_strips(down, TILES_OF_A_STRIP // (count * across))
    return across, of_tiles * TILE, strips


def _convolve_strip(x: Float[Array, "n h w I"], transformed: Array) -> Float[Array, "n H W O"]:
    """The convolution where height and width are whole tiles."""
    count, height, width = len(x), x.shape[1] - 2, x.shape[2] - 2
    rows = [_every_fourth(x, k, height, axis=1) for k in range(TILE + 2)]
    both = jnp.stack(_combine(_BT, rows))
    columns = [_every_fourth(both, k, width, axis=3) for k in range(TILE + 2)]
    tiles = _multiply(jnp.stack(_combine(_BT, columns), 1), transformed, contract=1)
    tiles = jnp.stack(_combine(_AT, _apart(tiles, 0)))
    tiles = jnp.stack(_combine(_AT, _apart(tiles, 1)))
    return tiles.transpose(2, 3, 1, 4, 0, 5).reshape(count, height, width, -1)


def _transposed(
    y: Float[Array, "n H W O"], _: Array, transformed: Array
) -> Float[Array, "n h w I"]:
    """The linear map of `_in_tiles` backwards: from tiles of 4×4 to overlapping ones of 6×6."""
    count, height, width = y.shape[:3]
    across, rows, strips = _strips(count, height, width)
    y = jnp.pad(y, ((0, 0), (0, strips * rows - height), (0, across * TILE - width), (0, 0)))
    x = jnp.zeros((count, strips * rows + 2, across * TILE + 2, transformed.shape[1]), y.dtype)

    def transpose_strip(index: Array, x: Array) -> Array:
        strip = jax.lax.dynamic_slice_in_dim(y, index * rows, rows, axis=1)
        part = _transpose_strip(strip, transformed)
        # The last two rows of a strip are the first of the next.
        part += jax.lax.dynamic_slice_in_dim(x, index * rows, rows + 2, axis=1)
        return jax.lax.dynamic_update_slice_in_dim(x, part, index * rows, axis=1)

    return jax.lax.fori_loop(0, strips, transpose_strip, x)[:, : height + 2, : width + 2]


_convolve = convolution("winograd_convolution", _in_tiles, _transposed)


def _transpose_strip(y: Float[Array, "n H W O"], transformed: Array) -> Float[Array, "n h w I"]:
    both = jnp.stack(_combine(_AT.T, [y[:, k::TILE] for k in range(TILE)]))
    tiles = jnp.stack(_combine(_AT.T, [both[..., k::TILE, :] for k in range(TILE)]), 1)
    tiles = _multiply(tiles, transformed, contract=2)
    both = _overlapped(_combine(_BT.T, list(tiles)), axis=2)
    x = _overlapped(_combine(_BT.T, list(both)), axis=2)
    return x[:, : y.shape[1] + 2, : y.shape[2] + 2]


def _combine(matrix: np.ndarray, parts: Sequence[Array]) -> list[Array]:
    """Each row's sum of the parts, weighed by its entries; most are 0, 1 or −1.

    In JAX's bare operations, since NumPy's signs take ten times as long to trace.
    """
    sums = []
    for row in matrix:
        terms = [
            part
            if weight == 1
            else jax.lax.neg(part)
            if weight == -1
            else jax.lax.mul(part, jnp.full_like(part, weight))
            for weight, part in zip(row, parts, strict=True)
            if weight
        ]
        sums.append(functools.reduce(jax.lax.add, terms))
    return sums


def _multiply(
    tiles: Float[Array, "6 6 n down across c"], transformed: Array, contract: int
) -> Float[Array, "6 6 n down across _c"]:
    """At each of the 36 positions, the product with the kernels along one of their axes."""
    flat = tiles.reshape(36, -1, tiles.shape[-1])
    products = jax.lax.dot_general(flat, transformed, (((2,), (contract,)), ((0,), (0,))))
    return products.reshape(*tiles.shape[:-1], -1)


def _every_fourth(x: Array, first: int, edge: int, axis: int) -> Array:
    """One line of every tile along an axis that has whole tiles of outputs, `edge` in all."""
    return jax.lax.slice_in_dim(x, first, first + edge - TILE + 1, TILE, axis)


def _apart(x: Array, axis: int) -> list[Array]:
    """The parts of an array along an axis."""
    return [jax.lax.index_in_dim(x, k, axis, keepdims=False) for k in range(x.shape[axis])]


def _overlapped(parts: Sequence[Array], axis: int) -> Array:
    """The six lines of every tile along an axis, the last two added to the next tile's first."""
    lines = []
    for k in range(TILE):
        width = [(0, 0)] * parts[0].ndim
        width[axis] = (0, 1)
        line = jnp.pad(parts[k], width)
        if k < len(parts) - TILE:
            width[axis] = (1, 0)
            line += jnp.pad(parts[k + TILE], width)
        lines.append(line)
    stacked = jnp.stack(lines, axis + 1)
    return stacked.reshape(*stacked.shape[:axis], -1, *stacked.shape[axis + 2 :])
