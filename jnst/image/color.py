"""Colour control: linear colour matching, luminance and chrominance.

Gatys, Bethge, Hertzmann and Shechtman, "Preserving color in neural artistic style transfer", 2016,
https://arxiv.org/abs/1606.05897. Images are sRGB, channels last with any leading axes; as in the
paper, nothing is linearised first.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jnst._checks import check_choice, check_floating

METHODS = ("pca", "cholesky")
MIN_VARIANCE = (0.5 / 255) ** 2
"""Smallest variance of colours in any direction; less is the rounding of 8 bits."""
YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
"""Matrix from R, G, B to NTSC's luminance Y and chrominance I, Q."""


def match_colors(
    image: Float[ArrayLike, "*batch H W 3"],
    reference: Float[ArrayLike, "*batch _H _W 3"],
    *,
    method: str = "pca",
) -> Float[Array, "*batch H W 3"]:
    """Give the image the mean and covariance of the reference's colours by a linear map.

        x ↦ A (x − μ) + μ_r,   A Σ Aᵀ = Σ_r

    with A as in `color_map`; the paper calls it "color histogram matching".

    Args:
      image: sRGB in [0, 1].
      reference: sRGB in [0, 1], of any size.
      method: `"pca"` or `"cholesky"`.

    Returns:
      The recoloured image. The map is linear, so values may lie outside [0, 1]; clip them where
      that matters.

    Raises:
      ValueError, TypeError: for an unknown method; for integers, whose range is another.

    >>> image = jnp.array([[[0.2, 0.0, 0.0], [0.4, 0.0, 0.0]]])
    >>> reference = jnp.array([[[0.0, 0.1, 0.1], [0.0, 0.9, 0.1]]])
    >>> match_colors(image, reference).mean(axis=(0, 1)).round(3)
    Array([0. , 0.5, 0.1], dtype=float32)
    """
    return apply_map(image, *color_map(image, reference, method=method))


def apply_map(
    image: Float[ArrayLike, "*batch H W 3"],
    matrix: Float[Array, "*batch 3 3"],
    shift: Float[Array, "*batch 3"],
) -> Float[Array, "*batch H W 3"]:
    """Map every colour x to A x + b, with A and b as `color_map` returns them."""
    mapped = jnp.einsum("...ij,...hwj->...hwi", matrix, _exact("image", image), precision="highest")
    return mapped + shift[..., None, None, :]


def color_map(
    image: Float[ArrayLike, "*batch H W 3"],
    reference: Float[ArrayLike, "*batch _H _W 3"],
    *,
    method: str = "pca",
) -> tuple[Float[Array, "*batch 3 3"], Float[Array, "*batch 3"]]:
    """Return the matrix A and the shift μ_r − A μ that give the image the reference's colours.

        pca:       A = Σ_r^½ Σ^−½,   Σ^½ symmetric            cholesky:  A = L_r L⁻¹,   Σ = L Lᵀ

    PCA treats the channels alike; Cholesky takes red first, then green, then blue.

    Departure from the paper: a picture may lack a colour (a grey one lacks all), and then Σ has no
    inverse. Variances below `MIN_VARIANCE` count as 0 and the pseudo-inverse is used, so that
    nothing is amplified in such a direction and the result stays at the reference's mean.

    Args:
      image: sRGB in [0, 1].
      reference: sRGB in [0, 1], of any size.
      method: `"pca"` or `"cholesky"`.

    Returns:
      A, (3, 3), and the shift, (3,).

    Raises:
      ValueError: for an unknown method.
    """
    check_choice("method", method, METHODS)
    mean, covariance = _moments(_exact("image", image))
    target_mean, target_covariance = _moments(_exact("reference", reference))
    inverse = jnp.linalg.pinv(_root(covariance, method))
    matrix = jnp.matmul(_root(target_covariance, method), inverse, precision="highest")
    return matrix, target_mean - jnp.einsum("...ij,...j->...i", matrix, mean, precision="highest")


def _moments(image: Float[Array, "*batch H W 3"]) -> tuple[Array, Array]:
    """Return mean and covariance of the colours."""
    mean = image.mean(axis=(-3, -2))
    centred = image - mean[..., None, None, :]
    rest = centred.mean(axis=(-3, -2))  # what float32 has lost in a sum over millions of pixels
    centred = centred - rest[..., None, None, :]
    products = jnp.einsum("...hwi,...hwj->...ij", centred, centred, precision="highest")
    return mean + rest, products / (image.shape[-3] * image.shape[-2])


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _root(covariance: Float[Array, "*batch 3 3"], method: str) -> Float[Array, "*batch 3 3"]:
    """Return R with R Rᵀ = Σ: the symmetric one, or the lower triangular one with diagonal ≥ 0."""
    deviations, vectors = _deviations(covariance)
    turned = jnp.swapaxes(vectors, -1, -2)
    if method == "pca":
        return jnp.matmul(vectors * deviations[..., None, :], turned, precision="highest")
    # By QR, since Cholesky's decomposition fails for a singular matrix.
    upper = jnp.linalg.qr(deviations[..., None] * turned, mode="r")
    signs = jnp.where(jnp.diagonal(upper, axis1=-2, axis2=-1) < 0, -1, 1)
    return jnp.swapaxes(signs[..., None] * upper, -1, -2)


@_root.defjvp
def _root_jvp(method: str, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Differentiate the root by that of its square, which holds where variances are equal too.

        pca:  R dR + dR R = dΣ            cholesky:  dL = L Φ(L⁻¹ dΣ L⁻ᵀ),   Φ lower, diagonal / 2

    Eigenvectors have no derivative there, as in a flat or a grey picture. Directions without
    variance stay without.
    """
    (covariance,), (change,) = primals, tangents
    root = _root(covariance, method)
    deviations, vectors = _deviations(covariance)
    sums = deviations[..., :, None] + deviations[..., None, :]
    there = sums > 0
    turned = _product(jnp.swapaxes(vectors, -1, -2), change, vectors)
    if method == "pca":
        turned = jnp.where(there, turned / jnp.where(there, sums, 1), 0)
        return root, _product(vectors, turned, jnp.swapaxes(vectors, -1, -2))
    change = _product(vectors, jnp.where(there, turned, 0), jnp.swapaxes(vectors, -1, -2))
    inverse = jnp.linalg.pinv(root)
    lower = jnp.tril(_product(inverse, change, jnp.swapaxes(inverse, -1, -2)))
    return root, jnp.matmul(root, lower * (1 - jnp.eye(3) / 2), precision="highest")


def _deviations(covariance: Float[Array, "*batch 3 3"]) -> tuple[Array, Array]:
    """Return the standard deviations along the eigenvectors, and those."""
    values, vectors = jnp.linalg.eigh(covariance)
    return jnp.sqrt(jnp.where(values > MIN_VARIANCE, values, 0)), vectors


def _product(left: Array, middle: Array, right: Array) -> Array:
    """Multiply three matrices."""
    return jnp.einsum("...ij,...jk,...kl->...il", left, middle, right, precision="highest")


def _exact(name: str, image: ArrayLike) -> Array:
    """Return the image in float32 at least; eigenvalues cannot be had in less."""
    image = jnp.asarray(image)
    check_floating(name, image.dtype)
    return image.astype(jnp.promote_types(image.dtype, jnp.float32))


def luminance(image: Float[ArrayLike, "*batch H W 3"]) -> Float[Array, "*batch H W 1"]:
    """Return Y of YIQ, 0.299 R + 0.587 G + 0.114 B."""
    return _to_yiq(image)[..., :1]


def chrominance(image: Float[ArrayLike, "*batch H W 3"]) -> Float[Array, "*batch H W 2"]:
    """Return I and Q of YIQ, the colour of each pixel; 0 for grey."""
    return _to_yiq(image)[..., 1:]


def _to_yiq(image: Float[ArrayLike, "*batch H W 3"]) -> Float[Array, "*batch H W 3"]:
    image = jnp.asarray(image)
    return jnp.matmul(image, YIQ.T.astype(image.dtype), precision="highest")


def keep_colors(
    picture: Float[ArrayLike, "*batch H W 3"], content: Float[ArrayLike, "*batch H W 3"]
) -> Float[Array, "*batch H W 3"]:
    """Combine the luminance of the picture with the chrominance of the content.

        (Y, I, Q) = (Y of the picture, I of the content, Q of the content)

    This is the last step of the paper's "luminance-only transfer".

    Args:
      picture: sRGB in [0, 1].
      content: sRGB in [0, 1], of the same size.

    Returns:
      sRGB, clipped to [0, 1], since not every luminance goes with every chrominance.

    >>> reds = keep_colors(jnp.full((1, 1, 3), 0.5), jnp.array([[[0.6, 0.2, 0.2]]]))
    >>> [f"{value:.2f}" for value in reds[0, 0]]
    ['0.78', '0.38', '0.38']
    """
    mixed = jnp.concatenate([luminance(picture), chrominance(content)], axis=-1)
    back = np.linalg.inv(YIQ).T.astype(mixed.dtype)
    return jnp.clip(jnp.matmul(mixed, back, precision="highest"), 0, 1)


def match_luminance(
    style: Float[ArrayLike, "*batch h w 3"], content: Float[ArrayLike, "*batch H W 3"]
) -> Float[Array, "*batch h w 1"]:
    """Give the style's luminance the mean and standard deviation of the content's.

        L' = σ_C / σ_S (L_S − μ_S) + μ_C

    This is the first step of the paper's "luminance-only transfer". A style of one luminance has
    no deviation to scale: it gets the content's mean.

    Args:
      style: sRGB in [0, 1].
      content: sRGB in [0, 1], of any size.

    Returns:
      L', which may lie outside [0, 1].
    """
    values, target = luminance(style), luminance(content)
    axes = (-3, -2, -1)
    variance, wanted = (jnp.var(x, axis=axes, keepdims=True) for x in (values, target))
    # In two steps each, or the gradient of what is not taken would be NaN.
    flat, even = variance <= MIN_VARIANCE, wanted <= 0
    ratio = jnp.sqrt(jnp.where(even, 1, wanted) / jnp.where(flat, 1, variance))
    ratio = jnp.where(flat | even, 0, ratio)
    mean, wanted_mean = (jnp.mean(x, axis=axes, keepdims=True) for x in (values, target))
    return ratio * (values - mean) + wanted_mean
