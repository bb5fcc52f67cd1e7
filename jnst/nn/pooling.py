"""2×2 pooling with stride 2: maximum, average, or the root of the mean of squares."""

import jax.numpy as jnp
from jaxtyping import Array, Float

POOLINGS = ("max", "average", "l2")


def pool(x: Float[Array, "*batch h w c"], pooling: str) -> Float[Array, "*batch _h _w c"]:
    """Join every 2×2 positions; a last odd row or column is dropped.

    By slices rather than `lax.reduce_window`, whose gradient is a slow scatter, or a reshape, which
    takes more memory and, where an image is sharded along its height, needs that to divide evenly.

    `"l2"` divides by the four values, where Crowson's style-transfer-pytorch takes the root of the
    sum and multiplies that by 0.78.

    Args:
      x: features (..., H, W, C).
      pooling: one of `POOLINGS`.

    Returns:
      (..., H // 2, W // 2, C).

    >>> pool(jnp.arange(4.0).reshape(2, 2, 1), "max").ravel()
    Array([3.], dtype=float32)
    """
    height, width = x.shape[-3] // 2 * 2, x.shape[-2] // 2 * 2
    if pooling == "max":
        x = _larger(x[..., 0:height:2, :, :], x[..., 1:height:2, :, :])
        return _larger(x[..., 0:width:2, :], x[..., 1:width:2, :])
    if pooling == "l2":
        x = jnp.square(x)
    x = x[..., 0:height:2, :, :] + x[..., 1:height:2, :, :]
    x = (x[..., 0:width:2, :] + x[..., 1:width:2, :]) / 4
    if pooling == "l2":
        # The root's slope at 0 is infinite, and four silent features are common after a ReLU.
        return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1)), 0)
    return x


def _larger(a: Array, b: Array) -> Array:
    """The maximum; where both are equal, the gradient is the first one's, as PyTorch's.

    That of `jnp.maximum` is shared between them, by divisions that take as long as a convolution.
    """
    return jnp.where(a >= b, a, b)
