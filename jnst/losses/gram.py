"""The paper's style loss: the distance of Gram matrices.

Gatys, Ecker and Bethge, "A neural algorithm of artistic style", 2015,
https://arxiv.org/abs/1508.06576; the equation number is that paper's.
"""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.losses.moments import gram_matrix, guided
from jnst.losses.style import StyleTerm
from jnst.losses.terms import term


def style_loss(
    gram: Float[Array | np.ndarray, "*batch C C"], target: Float[Array | np.ndarray, "*batch C C"]
) -> Float[Array, "*batch"]:
    """The squared distance between two Gram matrices of a layer.

        E = 1/(4 N²) Σ (G − A)²,   N channels                                (equation 4)

    The paper's 1/M² is already in the Gram matrices of `gram_matrix`.

    Args:
      gram: G, of the generated image.
      target: A, of the style image.

    Returns:
      The loss, at least 0.

    >>> style_loss(jnp.eye(2), jnp.zeros((2, 2)))
    Array(0.125, dtype=float32)
    """
    channels = gram.shape[-1]
    return jnp.sum(jnp.square(gram - target), axis=(-2, -1)) / (4 * channels**2)


@term
class Gram(StyleTerm):
    """`"gram"`: E_l of Gram matrices, by `style_loss`."""

    averaging: ClassVar[float] = 4.0  # `style_loss` is a quarter of a mean

    @classmethod
    def measure(cls, features: Array, guide: Array | None, *, key: Any, keep_rows: bool) -> Array:
        return gram_matrix(guided(features, guide), keep_rows=keep_rows)

    @classmethod
    def distance(cls, measured: Array, target: Array, key: Any) -> Float[Array, "*batch"]:
        return style_loss(measured, target)
