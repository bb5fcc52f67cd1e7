"""A trained network on pictures beyond the memory of the device: layer by layer, in strips of rows.

Instance normalization asks for the moments of the whole picture after every layer, so a window
cannot be painted by itself. Here each layer is convolved strip by strip and its output kept on the
host, where it is normalized once its moments are known. That is the picture of one pass up to
rounding, while the device holds one strip.
"""

from numbers import Integral
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._programs import program
from jnst.execution import memory
from jnst.nn import winograd
from jnst.nn.painter import CELL, Painter, by_winograd, mix_at, mix_of_pixels
from jnst.nn.painter_file import Layer
from jnst.nn.reflecting import mirrored_to
from jnst.transfer.tile_checks import check_at_least

BYTES = 30
"""That one pass takes for each pixel and each of the network's channels there, measured on a
processor."""
BYTES_OF_REGIONS = 15
"""That it takes besides where styles differ from pixel to pixel, likewise."""
LEAST = 64
"""Pixels: the least edge that may be asked for."""
WINDOW = 1024
"""Pixels: a strip has as many as a square of this edge, where none is asked for."""


def check_strip(tile: Any, name: str = "tile") -> None:
    """Raise ValueError or TypeError unless `tile` is None, `"auto"` or an edge."""
    check_at_least(LEAST, tile, name)


def strip_for(
    tile: int | str | None, painter: Painter, shape: tuple[int, int], *, regions: bool = False
) -> int | None:
    """The edge for a picture of (height, width); None: it is painted as a whole.

    Raises:
      ValueError: where it does not fit in the memory and `tile` is None.
    """
    height, width = shape
    if isinstance(tile, Integral):
        return int(tile) if height * width > tile**2 else None
    device = memory.device_of(painter)
    each = BYTES + BYTES_OF_REGIONS * regions
    needed = each * painter.architecture.channels[0] * height * width
    if tile is None:
        memory.require(needed, shape, device)
    return None if needed <= memory.free_bytes(device) else WINDOW


def paint_in_strips(
    painter: Painter,
    image: Float[np.ndarray, "H W 3"],
    shares: Float[np.ndarray, "..."],
    edge: int,
) -> Float[np.ndarray, "H W 3"]:
    """What `painter(image, shares)` paints, in strips of about `edge` times `edge` pixels."""
    height, width, _ = image.shape
    *first, last = painter.architecture.layers()
    x = before = np.asarray(mirrored_to(image, (CELL, CELL)))
    mix = mix_of_pixels(shares, image.ndim)
    for layer in first:
        if layer.begins_block:
            before = x
        x = _convolved(painter, layer, x, edge)
        _normalise(painter, layer, x, np.asarray(mix_at(mix, x.shape[:2])))
        if layer.ends_block:
            x += before
        else:
            np.maximum(x, 0, out=x)
    y = _convolved(painter, last, x, edge) + np.asarray(painter.arrays[f"{last.name}/bias"])
    if painter.architecture.output == "sigmoid":
        y = np.asarray(jax.nn.sigmoid(y))
    return y[:height, :width]


def _convolved(
    painter: Painter, layer: Layer, x: Float[np.ndarray, "h w I"], edge: int
) -> Float[np.ndarray, "_h _w O"]:
    """A layer's convolution of all rows, on the host."""
    scale, beyond = 2 if layer.doubles else 1, layer.size // 2
    rows, columns = (scale * size for size in x.shape[:2])
    height, width = (-(-size // layer.stride) for size in (rows, columns))
    y = np.empty((height, width, layer.after), np.float32)
    taken = min(height, max(1, edge**2 // columns // layer.stride))
    kernel = painter.arrays[f"{layer.name}/kernel"]
    for top in range(0, height, taken):
        start = min(top, height - taken)  # the last strip is as high as the others
        first, last = start * layer.stride, (start + taken - 1) * layer.stride
        seen = np.arange(first - beyond, last + beyond + 1)
        seen = np.abs(seen) % max(1, 2 * (rows - 1))  # mirrored as often as it takes
        mirrored = np.where(seen >= rows, 2 * (rows - 1) - seen, seen)
        strip = _strip(kernel, x[mirrored // scale], layer=layer, fast=painter.fast)
        y[start : start + taken] = np.asarray(strip)
    return y


@program(static_argnames=("layer", "fast"))
def _strip(
    kernel: Float[Array, "k k I O"], x: Float[Array, "n w I"], *, layer: Layer, fast: bool
) -> Float[Array, "_n _w O"]:
    """The convolution of rows that have their borders above and below already."""
    if layer.doubles:
        x = jnp.repeat(x, 2, axis=1)
    edge = layer.size // 2
    x = jnp.pad(x, ((0, 0), (edge, edge), (0, 0)), mode="reflect")
    if fast and by_winograd(layer):
        return winograd.convolve(x, kernel, winograd.transform_kernel(kernel))
    layout = ("NHWC", "HWIO", "NHWC")
    y = jax.lax.conv_general_dilated(
        x[None], kernel, (layer.stride,) * 2, "VALID", dimension_numbers=layout
    )
    return y[0]


def _normalise(
    painter: Painter, layer: Layer, x: Float[np.ndarray, "h w C"], mix: Float[np.ndarray, "_h _w S"]
) -> None:
    """Give each channel the mean and deviation of the styles that are mixed there, in place."""
    scale, shift = (
        np.asarray(painter.arrays[f"{layer.name}/{part}"]) for part in ("scale", "shift")
    )
    x -= np.mean(x, axis=(0, 1), dtype=np.float64).astype(np.float32)
    variance = np.einsum("hwc,hwc->hc", x, x).mean(axis=0, dtype=np.float64) / x.shape[1]
    scale = (scale / np.sqrt(variance + painter.architecture.epsilon)).astype(np.float32)
    for number, row in enumerate(x):
        here = mix[number % len(mix)]
        row *= here @ scale
        row += here @ shift
