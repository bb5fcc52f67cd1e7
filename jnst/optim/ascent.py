"""Steps of one size, whatever the slope: how DeepDream climbs."""

import functools
import math

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float


@functools.cache  # the same object for the same numbers, so that the step compiles once
def normalized_gradient(
    smoothing: float = 0.0, bands: int = 1
) -> optax.GradientTransformationExtraArgs:
    """Steps along the gradient in which a pixel moves by the learning rate on average.

        x ← x − rate · u / mean |u|,   u = Σ_b g_b / mean |g_b|

    where the g_b are the bands of a Laplacian pyramid of g: what is coarse in the gradient, and
    would drown in what is fine, has its share too. (The idea is that of TensorFlow's DeepDream
    notebook, https://github.com/tensorflow/tensorflow/tree/v1.0.0/tensorflow/examples/tutorials/deepdream.)

    Args:
      smoothing: the standard deviation, in pixels, of a Gaussian that the gradient is first
        smoothed with; 0: none.
      bands: of the pyramid, at least 1; 1: the gradient as it is.

    Returns:
      A transformation of an image (H, W, C); its updates take `learning_rate=`.
    """

    def update(updates, state, params=None, *, learning_rate, **_):
        parts = pyramid_bands(smoothed(updates, smoothing), bands)
        return -learning_rate * unit_mean(sum(map(unit_mean, parts))), state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


def unit_mean(values: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
    """Numbers divided by their mean magnitude; 0 where that is 0."""
    size = jnp.mean(jnp.abs(values))
    return values / jnp.where(size > 0, size, 1)


def pyramid_bands(image: Float[Array, "H W C"], count: int) -> list[Float[Array, "H W C"]]:
    """Split an image into bands, from fine to coarse, whose sum it is.

    Each has half the frequencies of the one before; an image that is too small has fewer.

    >>> bands = pyramid_bands(jnp.arange(192.0).reshape(8, 8, 3), 3)
    >>> len(bands), bool(jnp.allclose(sum(bands), jnp.arange(192.0).reshape(8, 8, 3)))
    (3, True)
    """
    bands: list[Array] = []
    shape, whole = image.shape, image
    coarse = image
    for _ in range(count - 1):
        height, width = coarse.shape[0] // 2, coarse.shape[1] // 2
        if min(height, width) < 2:
            break
        coarse = jax.image.resize(coarse, (height, width, shape[2]), "linear")
        back = jax.image.resize(coarse, shape, "linear")
        bands.append(whole - back)
        whole = back
    return [*bands, whole]


def smoothed(image: Float[Array, "H W C"], deviation: float) -> Float[Array, "H W C"]:
    """An image convolved with a Gaussian of so many pixels, continued by its border.

    >>> smoothed(jnp.ones((4, 4, 3)), 0.5).shape
    (4, 4, 3)
    """
    if not deviation:
        return image
    reach = math.ceil(3 * deviation)
    kernel = jnp.exp(-jnp.square(jnp.arange(-reach, reach + 1) / deviation) / 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        border = [(reach, reach) if n == axis else (0, 0) for n in range(3)]
        wide = jnp.pad(image, border, mode="edge")
        length = image.shape[axis]
        image = sum(
            weight * jax.lax.slice_in_dim(wide, n, n + length, axis=axis)
            for n, weight in enumerate(kernel)
        )
    return image
