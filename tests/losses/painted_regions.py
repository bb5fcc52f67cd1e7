"""Masks, a second style, and gradients, for the tests of regions and of what is kept."""

import jax
import jax.numpy as jnp
import numpy as np

import jnst

LAYERS = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}
"""Which are soon compiled."""
QUICK = {"sizes": (80,), "steps": 4, "style_loss": "gram"} | LAYERS
LEFT = np.zeros((64, 80), np.float32)
LEFT[:, :40] = 1
RIGHT = 1 - LEFT
HOLE = np.zeros((64, 80), np.float32)
HOLE[20:44, 30:60] = 1
SOFT = np.clip(np.hypot(*(np.mgrid[:64, :80] - np.array([[[20]], [[30]]]))) / 60, 0, 1)
SOFT = SOFT.astype(np.float32)


def waves():
    """A style unlike that of `pictures`, smooth and dark, (64, 72, 3)."""
    rows, columns = np.mgrid[:64, :72] / 9
    waves = np.sin(rows + columns)[..., None] * [0.2, 0.1, 0.3] + [0.2, 0.2, 0.5]
    return waves.astype(np.float32)


OTHER = waves()


def losses_and_gradient(model, image, targets, weights):
    def total(image):
        terms = jnst.loss_terms(image, (model, targets, weights))
        return terms["total"], terms

    (_, terms), gradient = jax.jit(jax.value_and_grad(total, has_aux=True))(jnp.asarray(image))
    return terms, gradient
