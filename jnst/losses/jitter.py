"""Jitter: the network looks at the image from another place at every step.

What a network makes of an image depends on where its pooling begins a new cell, and what is
optimised for one such place shows the cells as a pattern.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jnst.losses.terms import Scalar


def shifted(
    image: Float[Array, "*batch H W C"], jitter: Scalar, key: Key[Array, ""]
) -> Float[Array, "*batch H W C"]:
    """An image shifted by a random number of pixels along both axes, continued by its mirror image.

    Departure from DeepDream's notebook, which rolls the image: there its opposite edges meet, and
    the network dreams of the seam.

    Args:
      image: of any channels.
      jitter: the most pixels that it is shifted by.
      key: of the shift.
    """
    offsets = jnp.floor(jax.random.uniform(key, (2,)) * (2 * jitter + 1)) - jitter
    for axis, offset in zip((-3, -2), offsets.astype(jnp.int32), strict=True):
        image = jnp.take(image, mirrored(image.shape[axis], offset), axis=axis)
    return image


def mirrored(length: int, offset: Array) -> Array:
    """The places of a line that is shifted and continued by its mirror image.

    >>> mirrored(4, jnp.array(2)), mirrored(4, jnp.array(-1))
    (Array([2, 3, 3, 2], dtype=int32), Array([0, 0, 1, 2], dtype=int32))
    """
    places = (jnp.arange(length) + offset) % (2 * length)
    return jnp.where(places < length, places, 2 * length - 1 - places)
