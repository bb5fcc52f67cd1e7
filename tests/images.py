"""Images of any size for tests, made by arithmetic."""

import jax.numpy as jnp
import numpy as np


def photograph(height, width):
    """Smooth waves under noise."""
    rows, columns = np.mgrid[:height, :width] / 40
    noise = np.random.default_rng(7).uniform(0, 0.3, (height, width, 3))
    waves = np.stack([np.sin(rows * columns), np.cos(3 * rows), np.sin(columns)], -1)
    return jnp.asarray(0.35 + 0.3 * waves + noise, jnp.float32).clip(0, 1)


def texture(height, width):
    """Noise."""
    return jnp.asarray(np.random.default_rng(8).uniform(size=(height, width, 3)), jnp.float32)
