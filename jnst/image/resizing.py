"""Images at other sizes, on the device."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.image.fitting import SMALLEST_EDGE, fit, rounded
from jnst.image.resampling import resize_on_host


def resize(image: Float[Array | np.ndarray, "*batch _h _w 3"], shape: tuple[int, int]) -> Any:
    """`image` at another (height, width), by Lanczos' filter, antialiased, kept in [0, 1]."""
    if image.shape[-3:-1] == tuple(shape):
        return image
    if isinstance(image, np.ndarray):
        return resize_on_host(image, shape)
    resized = jax.image.resize(image, (*image.shape[:-3], *shape, 3), "lanczos3")
    return jnp.clip(resized, 0, 1)


def style_shape(
    style: Float[Array | np.ndarray, "h w 3"], shape: tuple[int, int], scale: float
) -> tuple[int, int]:
    """The (height, width) of the style image while the picture has `shape`.

    Its long edge is the picture's times `scale`.
    """
    height, width, _ = style.shape
    return fit(height, width, rounded(scale * max(shape)), SMALLEST_EDGE)


def resize_styles(
    styles: Iterable[Float[Array | np.ndarray, "_h _w 3"]], shape: tuple[int, int], scale: float
) -> tuple[Float[Array, "_H _W 3"], ...]:
    """The style images, each at its `style_shape`."""
    return tuple(resize(style, style_shape(style, shape, scale)) for style in styles)
