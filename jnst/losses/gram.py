"""The losses of neural style transfer, as pure functions of features, Gram matrices and pixels.

Gatys, Ecker and Bethge, "A neural algorithm of artistic style", 2015,
https://arxiv.org/abs/1508.06576; the equation numbers are that paper's. Arrays are channels last
with any leading axes, which every function keeps.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def gram_matrix(
    features: Float[Array | np.ndarray, "*batch H W C"], *, rows_apart: bool = False
) -> Float[Array, "*batch C C"]:
    """How strongly each pair of channels is active together, averaged over the positions.

        G_ij = 1/M Σ_k F_ik F_jk,   M = H·W                                  (equation 3)

    The paper does not divide by M: its images agree in size. Ours need not, and with the division
    a texture has the same Gram matrix at any extent.

    Args:
      features: the responses of a layer.
      rows_apart: make no single axis of the positions. On processors that is several times slower,
        but features whose rows are split over devices then stay where they are.

    Returns:
      The symmetric, positive semidefinite Gram matrices.

    >>> gram_matrix(jnp.array([[[1.0, 2.0], [3.0, 0.0]]]))
    Array([[5., 1.],
           [1., 2.]], dtype=float32)
    """
    features = jnp.asarray(features)
    *batch, height, width, channels = features.shape
    if not rows_apart:
        features = features.reshape(*batch, height * width, channels)
    return _squared(features, "hw" if rows_apart else "k") / (height * width)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _squared(features: Array, positions: str) -> Float[Array, "*batch C C"]:
    """Σ_k F_ik F_jk. Its derivative is said to be symmetric, so that the gradient takes one product
    with the features instead of one for each of the two F."""
    return _products(features, features, positions)


@_squared.defjvp
def _(positions: str, features: tuple[Array], change: tuple[Array]) -> tuple[Array, Array]:
    half = _products(*change, *features, positions)
    return _squared(*features, positions), half + jnp.swapaxes(half, -1, -2)


def _products(a: Array, b: Array, positions: str) -> Float[Array, "*batch C C"]:
    """Σ_k a_ik b_jk over the positions k, along the axes that `positions` has a letter for."""
    terms = f"...{positions}i,...{positions}j->...ij"
    return jnp.einsum(terms, a, b, preferred_element_type=_wide(a))


def content_loss(
    features: Float[Array | np.ndarray, "*batch H W C"],
    target: Float[Array | np.ndarray, "*batch H W C"],
) -> Float[Array, "*batch"]:
    """Half the squared distance between the features of two images.

        L_content = 1/2 Σ (F − P)²                                           (equation 1)

    Args:
      features: F, the responses of a layer to the generated image.
      target: P, those to the content image.

    Returns:
      The loss, at least 0.

    >>> content_loss(jnp.ones((2, 2, 3)), jnp.zeros((2, 2, 3)))
    Array(6., dtype=float32)
    """
    difference = features.astype(_wide(features)) - target.astype(_wide(target))
    return jnp.sum(jnp.square(difference), axis=(-3, -2, -1)) / 2


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


def total_variation(image: Float[Array | np.ndarray, "*batch H W C"]) -> Float[Array, "*batch"]:
    """The squared differences of all neighbouring pixels, summed.

        TV = Σ (x_{i+1,j} − x_{i,j})² + (x_{i,j+1} − x_{i,j})²

    Mahendran and Vedaldi, "Understanding deep image representations by inverting them", 2014,
    https://arxiv.org/abs/1412.0035, with β = 2; as there, smooth where the image is flat.

    Args:
      image: the pixels.

    Returns:
      The total variation, at least 0.

    >>> total_variation(jnp.array([[[0.0], [1.0]], [[0.0], [3.0]]]))
    Array(14., dtype=float32)
    """
    image = jnp.asarray(image)
    down = jnp.square(image[..., 1:, :, :] - image[..., :-1, :, :])
    across = jnp.square(image[..., :, 1:, :] - image[..., :, :-1, :])
    return down.sum(axis=(-3, -2, -1)) + across.sum(axis=(-3, -2, -1))


def _wide(array: Array | np.ndarray) -> np.dtype:
    """What to add up the array's values in: its own type, but at least float32."""
    return jnp.promote_types(array.dtype, jnp.float32)
