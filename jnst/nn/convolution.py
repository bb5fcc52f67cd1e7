"""3×3 convolutions by the definition, and what other ways of convolving share with it.

All take features that have their border of one position already, (…, H + 2, W + 2, I), and give
(…, H, W, O).
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

one_by_one = jax.custom_batching.sequential_vmap
"""How sums and products are rounded depends on their size; so that a cell of a grid is what a run
by itself makes, `jax.vmap` takes one image after the other."""


def direct(x: Float[Array, "n h w I"], kernel: Float[Array, "3 3 I O"]) -> Float[Array, "n H W O"]:
    """The convolution by its definition."""
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=layout)


@jax.custom_vjp
def from_few_channels(
    x: Float[Array, "*batch h w I"], kernel: Float[Array, "3 3 I O"]
) -> Float[Array, "*batch _h _w O"]:
    """The same for the few channels of a picture, with a gradient that is fast on processors.

    XLA takes the gradient by the pixels to be a convolution with as few channels out, and takes ten
    times as long for it as for this: one matrix product at each position, whose nine parts are then
    shifted and added.

    >>> from_few_channels(jnp.ones((4, 5, 1)), jnp.ones((3, 3, 1, 1)))[..., 0]
    Array([[9., 9., 9.],
           [9., 9., 9.]], dtype=float32)
    """
    y = direct(x.reshape(-1, *x.shape[-3:]), kernel)
    return y.reshape(*x.shape[:-3], *y.shape[1:])


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return from_few_channels(x, kernel), (x, kernel)


def _backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = kept
    parts = jnp.einsum("...hwo,abio->...hwabi", gradient, kernel)
    border = [(0, 0)] * (x.ndim - 3)
    shifted = [
        jnp.pad(parts[..., a, b, :], [*border, (a, 2 - a), (b, 2 - b), (0, 0)])
        for a in range(3)
        for b in range(3)
    ]
    images, of_images = (array.reshape(-1, *array.shape[-3:]) for array in (x, gradient))
    return sum(shifted[1:], shifted[0]), gradient_by_kernel(images, kernel, of_images)


from_few_channels.defvjp(_forward, _backward)


def gradient_by_kernel(
    x: Float[Array, "n h w I"], kernel: Float[Array, "3 3 I O"], gradient: Float[Array, "n H W O"]
) -> Float[Array, "3 3 I O"]:
    """By the definition; nothing of it is computed where only the pixels are asked for."""
    return jax.vjp(lambda kernel: direct(x, kernel), kernel)[1](gradient)[0]


def even_strips(rows: int, most: int) -> tuple[int, int]:
    """The fewest strips of at most so many rows (or of one), and the rows of each, none too many.

    >>> even_strips(66, 64), even_strips(5, 0)
    ((2, 33), (5, 1))
    """
    strips = math.ceil(rows / max(1, min(rows, most)))
    return strips, math.ceil(rows / strips)
