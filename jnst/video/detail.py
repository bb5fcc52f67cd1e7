"""Detail given back to pictures that lost some where others were mixed in."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

FINE = 1.5
"""Pixels: the deviation of the Gaussian that parts detail from the rest."""
AROUND = 6.0
"""Pixels: that of the Gaussian that averages the energy of the detail."""
MOST = 1.6
"""How often detail is at most taken."""
SILENCE = 1e-6
"""Energy of detail that is not worth restoring."""


def with_detail_of(
    picture: Float[Array, "H W 3"], sharp: Float[Array, "H W 3"]
) -> Float[Array, "H W 3"]:
    """Raise the detail of a picture towards the energy that it has in another.

        o + (g − 1) (o − G ∗ o),   g² → (A ∗ |s − G ∗ s|²) / (A ∗ |o − G ∗ o|²)

    Mixing pictures whose strokes lie a little apart blurs them. Where that has happened the ratio
    is above 1; where nothing was mixed it is 1 and the picture stays.

    Args:
      picture: o, what was mixed.
      sharp: s, the newest of what was mixed.
    """
    fine, wanted = (image - blurred(image, FINE) for image in (picture, sharp))
    there, asked = (
        blurred(jnp.mean(jnp.square(x), axis=-1, keepdims=True), AROUND) for x in (fine, wanted)
    )
    gain = jnp.clip(jnp.sqrt((asked + SILENCE) / (there + SILENCE)), 1, MOST)
    return picture + (gain - 1) * fine


def blurred(image: Float[Array, "H W C"], deviation: float) -> Float[Array, "H W C"]:
    """An image blurred by a Gaussian; beyond the border it goes on as at it.

    >>> blurred(jnp.ones((4, 5, 1)), 1.0).shape
    (4, 5, 1)
    """
    radius = round(2.5 * deviation)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / deviation) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (0, 1):
        length = image.shape[axis]
        around = [(radius, radius) if a == axis else (0, 0) for a in range(3)]
        padded = jnp.pad(image, around, mode="edge")
        image = jnp.zeros_like(image)
        for place, weight in enumerate(weights):
            part = (slice(None),) * axis + (slice(place, place + length),)
            image = image + weight * padded[part]
    return image
