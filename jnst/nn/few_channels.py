"""The 3×3 convolution of the few channels of a picture, for processors."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst.nn.convolution import convolution, direct


def from_few_channels(
    x: Float[Array, "*batch h w I"], kernel: Float[Array, "3 3 I O"]
) -> Float[Array, "*batch _h _w O"]:
    """The convolution, with a gradient that is fast on processors.

    XLA computes the gradient by the pixels as a convolution with that few channels out, which takes
    ten times as long as this: one matrix product at each position, whose nine parts are then
    shifted and added.

    >>> from_few_channels(jnp.ones((4, 5, 1)), jnp.ones((3, 3, 1, 1)))[..., 0]
    Array([[9., 9., 9.],
           [9., 9., 9.]], dtype=float32)
    """
    y = _convolve(x.reshape(-1, *x.shape[-3:]), kernel)
    return y.reshape(*x.shape[:-3], *y.shape[1:])


def _to_few_channels(
    y: Float[Array, "n H W O"], kernel: Float[Array, "3 3 I O"]
) -> Float[Array, "n h w I"]:
    parts = jnp.einsum("nhwo,abio->nhwabi", y, kernel)
    shifted = [
        jnp.pad(parts[..., a, b, :], [(0, 0), (a, 2 - a), (b, 2 - b), (0, 0)])
        for a in range(3)
        for b in range(3)
    ]
    return sum(shifted[1:], shifted[0])


_convolve = convolution("convolution_from_few_channels", direct, _to_few_channels)
