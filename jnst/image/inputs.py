"""Input images: checks, resizing, and the initial image."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._checks import check_choice, check_floating, unit_floats
from jnst._programs import program
from jnst.image.resizing import resize

INITS = ("content", "noise", "style-noise")
SMALLEST_INPUT = 8
"""Pixels: sprites of that size have a meaning once they are enlarged; fewer are a mistake."""
RANDOM_INITS = INITS[1:]
"""Those that depend on a random key."""


def check_image(name: str, image: Any, least: int = SMALLEST_INPUT) -> Float[np.ndarray, "H W 3"]:
    """Return `image` as float32; raise unless it is floating, (H, W, 3), finite, in [0, 1].

    Args:
      name: what messages call it.
      image: the array.
      least: pixels that its edges need at least.
    """
    try:
        image = np.asarray(image)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} must be an array (H, W, 3) of numbers") from error
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(f"{name} must have the shape (H, W, 3), got {image.shape}")
    check_floating(name, image.dtype)
    if min(image.shape[:2]) < least:
        raise ValueError(
            f"{name} has only {image.shape[1]}×{image.shape[0]} px; both edges need at least "
            f"{least} px"
        )
    return unit_floats(name, image)


def check_images(name: str, value: Any) -> list[Float[np.ndarray, "_h _w 3"]]:
    """Check one image or several (a list, or an array of four axes)."""
    listed = isinstance(value, list | tuple) and (not value or any(map(is_image, value)))
    if not (listed or is_image(value, axes=4)):
        return [check_image(name, value)]
    if len(value) == 0:
        raise ValueError(f"{name} has no values; give at least one")
    several = enumerate(value, start=1)
    return [check_image(f"{name} number {number}", image) for number, image in several]


def is_image(value: Any, axes: int = 3) -> bool:
    """Say whether a value has the number of axes of an image."""
    return getattr(value, "ndim", None) == axes


def check_init(init: Any) -> str | Float[np.ndarray, "_h _w 3"]:
    """Return `init`, one of `INITS` or an image, as float32; raise if it is neither."""
    if isinstance(init, str):
        check_choice("init", init, INITS)
        return init
    return check_image("init", init)


def initial_image(
    init: str | Float[np.ndarray, "_h _w 3"],
    content: Any,
    style: Any,
    shape: tuple[int, int],
    key: Array | None,
) -> Float[Array, "_H _W 3"]:
    """Make the image to start from.

    Args:
      init: one of `INITS`, or an image, which is resized.
      content: (H, W, 3), sRGB in [0, 1].
      style: whose colours `"style-noise"` has.
      shape: (height, width) of the result.
      key: for noise; None: `jax.random.key(0)`.

    Returns:
      Floating (height, width, 3), in [0, 1].
    """
    if not isinstance(init, str):
        return resize(init, shape)
    if init == "content":
        return resize(content, shape)
    key = jax.random.key(0) if key is None else key
    if init == "style-noise":
        return style_noise(key, style, shape=shape)
    return _noise(key, shape=shape, dtype=content.dtype)


@program(static_argnames=("shape", "dtype"))
def _noise(key: Array, *, shape: tuple[int, int], dtype: Any) -> Float[Array, "_H _W 3"]:
    return jax.random.uniform(key, (*shape, 3), dtype)


@program(static_argnames=("shape",))
def style_noise(
    key: Array, style: Float[Array, "h w 3"], *, shape: tuple[int, int]
) -> Float[Array, "_H _W 3"]:
    """Make Gaussian noise with the mean and covariance of the style's colours, clipped to [0, 1].

    It uses the symmetric root of the covariance, which exists for a grey style too.

    Args:
      key: a JAX random key.
      style: (h, w, 3), sRGB in [0, 1].
      shape: (height, width) of the result.

    >>> style_noise(jax.random.key(0), jnp.full((40, 40, 3), 0.25), shape=(2, 1))[..., 0]
    Array([[0.25],
           [0.25]], dtype=float32)
    """
    colours = style.reshape(-1, 3)
    mean = jnp.mean(colours, axis=0)
    with jax.default_matmul_precision("highest"):
        variances, axes = jnp.linalg.eigh(jnp.cov(colours.T, bias=True))
        root = axes * jnp.sqrt(jnp.maximum(variances, 0)) @ axes.T
        noise = jax.random.normal(key, (*shape, 3), style.dtype) @ root
    return jnp.clip(mean + noise, 0, 1)
