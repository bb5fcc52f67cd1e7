"""Images moved along optical flow."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

SHARPNESS = -0.5
"""The parameter a of Keys' cubic kernel."""


def warp(
    image: Float[Array | np.ndarray, "H W C"],
    flow: Float[Array | np.ndarray, "H W 2"],
    *,
    cubic: bool = True,
) -> Float[Array, "H W C"]:
    """Fetch every pixel from where the flow says that it was.

        y(p) = x(p + flow(p))

    between pixels by Keys' cubic convolution, 1981, https://doi.org/10.1109/TASSP.1981.1163711,
    which keeps edges sharp where frame after frame is warped, or linearly. Beyond the border the
    image goes on with its outermost pixels.

    Args:
      image: x, an image or features.
      flow: (right, down) in positions of x.
      cubic: False: linear interpolation, which never overshoots.

    >>> image = jnp.arange(5.0).reshape(1, 5, 1)
    >>> right = jnp.broadcast_to(jnp.array([1.0, 0.0]), (1, 5, 2))
    >>> warp(image, right)[0, :, 0]
    Array([1., 2., 3., 4., 4.], dtype=float32)
    """
    image, flow = jnp.asarray(image), jnp.asarray(flow)
    height, width, _ = image.shape
    down = jnp.clip(jnp.arange(height)[:, None] + flow[..., 1], 0, height - 1)
    right = jnp.clip(jnp.arange(width) + flow[..., 0], 0, width - 1)
    top, left = jnp.floor(down), jnp.floor(right)
    kernel = _cubic if cubic else _linear
    rows, columns = kernel(down - top), kernel(right - left)
    first = -1 if cubic else 0
    warped = jnp.zeros_like(image)
    for y, of_row in enumerate(rows, start=first):
        row = jnp.clip(top.astype(jnp.int32) + y, 0, height - 1)
        for x, of_column in enumerate(columns, start=first):
            column = jnp.clip(left.astype(jnp.int32) + x, 0, width - 1)
            warped = warped + (of_row * of_column)[..., None] * image[row, column]
    return warped


def _linear(t: Array) -> tuple[Array, ...]:
    """The weights of the two pixels around a place, t right of the first."""
    return 1 - t, t


def _cubic(t: Array) -> tuple[Array, ...]:
    """The weights of the four."""
    a = SHARPNESS

    def near(x: Array) -> Array:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1

    def far(x: Array) -> Array:
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a

    return far(1 + t), near(t), near(1 - t), far(2 - t)
