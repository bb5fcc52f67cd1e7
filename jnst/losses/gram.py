"""The paper's style loss: the distance of Gram matrices.

Gatys, Ecker and Bethge, "A neural algorithm of artistic style", 2015,
https://arxiv.org/abs/1508.06576; the equation number is that paper's.
"""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.losses.arrays import as_floats, check_same_shape, lifted, widened
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
      gram: G, of the generated image, from `jnst.gram_matrix`.
      target: A, of the style image, of the same shape.

    Returns:
      The loss, at least 0, in float32 at least.

    Raises:
      ValueError: where the shapes differ.
      TypeError: for arrays that hold no floats.

    >>> style_loss(jnp.eye(2), jnp.zeros((2, 2)))
    Array(0.125, dtype=float32)
    """
    gram, target = as_floats("gram", gram), as_floats("target", target)
    check_same_shape("target", target, "gram", gram)
    return gram_distance(gram, target)


def gram_distance(
    gram: Float[Array, "*#batch C C"], target: Float[Array, "*#batch C C"]
) -> Float[Array, "*#batch"]:
    """The same for the Gram matrices of a batch beside one target, which is compared with each."""
    gram, target = widened(gram, target)
    difference = gram - lifted(target, gram.ndim)
    return jnp.sum(jnp.square(difference), axis=(-2, -1)) / (4 * gram.shape[-1] ** 2)


@term
class Gram(StyleTerm):
    """`"gram"`: E_l of Gram matrices, by `style_loss`."""

    averaging: ClassVar[float] = 4.0  # `style_loss` is a quarter of a mean

    @classmethod
    def measure(cls, features: Array, guide: Array | None, *, key: Any, keep_rows: bool) -> Array:
        """The Gram matrix."""
        return gram_matrix(guided(features, guide), keep_rows=keep_rows)

    @classmethod
    def distance(cls, measured: Array, target: Array, key: Any) -> Float[Array, "*#batch"]:
        """E_l."""
        return gram_distance(measured, target)
