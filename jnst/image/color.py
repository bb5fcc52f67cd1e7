"""Whose colours the picture gets: linear matching of colours, and transfer of luminance alone.

Gatys, Bethge, Hertzmann and Shechtman, "Preserving color in neural artistic style transfer", 2016,
https://arxiv.org/abs/1606.05897. Images are sRGB, channels last with any leading axes; as in the
paper, nothing is linearised first.
"""

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jnst._checks import check_choice

COLORS = ("style", "luminance", "cholesky", "pca")
"""What the setting `colors` can be; the last two are the methods of `match_colors`."""
METHODS = ("pca", "cholesky")
MIN_VARIANCE = (0.5 / 255) ** 2
"""Of colours in any direction. Less is the rounding of 8 bits: a picture without that colour."""
YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
"""The rows give luminance Y and chrominance I, Q of NTSC from R, G, B."""


def match_colors(
    image: Float[ArrayLike, "*batch H W 3"],
    reference: Float[ArrayLike, "*batch _H _W 3"],
    *,
    method: str = "pca",
) -> Float[Array, "*batch H W 3"]:
    """The image with the mean and the covariance of the reference's colours, by a linear map.

        x ↦ A (x − μ) + μ_r,   A Σ Aᵀ = Σ_r

    with A as in `color_map`: the paper's "color histogram matching".

    Args:
      image: sRGB in [0, 1].
      reference: likewise, of any size.
      method: `"pca"` or `"cholesky"`.

    Returns:
      The recoloured image. The map is linear, so values may lie outside [0, 1]; clip them where
      that matters.

    Raises:
      ValueError: for another method.

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
    """The image with every colour x as A x + b, for `color_map`'s A and b."""
    mapped = jnp.einsum("...ij,...hwj->...hwi", matrix, jnp.asarray(image), precision="highest")
    return mapped + shift[..., None, None, :]


def color_map(
    image: Float[ArrayLike, "*batch H W 3"],
    reference: Float[ArrayLike, "*batch _H _W 3"],
    *,
    method: str = "pca",
) -> tuple[Float[Array, "*batch 3 3"], Float[Array, "*batch 3"]]:
    """The matrix A and the shift μ_r − A μ that give the image the reference's colours.

        pca:       A = Σ_r^½ Σ^−½,   Σ^½ symmetric            cholesky:  A = L_r L⁻¹,   Σ = L Lᵀ

    PCA treats the channels alike; Cholesky takes red first, then green, then blue.

    A picture may lack a colour (a grey one lacks all): then Σ has no inverse. Variances below
    `MIN_VARIANCE` count as 0 and the inverse is the pseudo-inverse, a departure from the paper:
    in such a direction nothing is amplified, and the result stays at the reference's mean.
    """
    check_choice("method", method, METHODS)
    mean, covariance = _moments(jnp.asarray(image))
    target_mean, target_covariance = _moments(jnp.asarray(reference))
    inverse = jnp.linalg.pinv(_root(covariance, method))
    matrix = jnp.matmul(_root(target_covariance, method), inverse, precision="highest")
    return matrix, target_mean - jnp.einsum("...ij,...j->...i", matrix, mean, precision="highest")


def _moments(image: Float[Array, "*batch H W 3"]) -> tuple[Array, Array]:
    """Mean and covariance of the colours."""
    mean = image.mean(axis=(-3, -2))
    centred = image - mean[..., None, None, :]
    rest = centred.mean(axis=(-3, -2))  # what float32 has lost in a sum over millions of pixels
    centred = centred - rest[..., None, None, :]
    products = jnp.einsum("...hwi,...hwj->...ij", centred, centred, precision="highest")
    return mean + rest, products / (image.shape[-3] * image.shape[-2])


def _root(covariance: Float[Array, "*batch 3 3"], method: str) -> Float[Array, "*batch 3 3"]:
    """R with R Rᵀ = Σ: the symmetric one, or the lower triangular one with a diagonal ≥ 0."""
    values, vectors = jnp.linalg.eigh(covariance)
    deviations = jnp.sqrt(jnp.where(values > MIN_VARIANCE, values, 0))
    turned = jnp.swapaxes(vectors, -1, -2)
    if method == "pca":
        return jnp.matmul(vectors * deviations[..., None, :], turned, precision="highest")
    # By QR, since Cholesky's own decomposition has no result for a singular matrix.
    upper = jnp.linalg.qr(deviations[..., None] * turned, mode="r")
    signs = jnp.where(jnp.diagonal(upper, axis1=-2, axis2=-1) < 0, -1, 1)
    return jnp.swapaxes(signs[..., None] * upper, -1, -2)


def luminance(image: Float[ArrayLike, "*batch H W 3"]) -> Float[Array, "*batch H W 1"]:
    """Y of YIQ: how light each pixel is, 0.299 R + 0.587 G + 0.114 B."""
    return _to_yiq(image)[..., :1]


def chrominance(image: Float[ArrayLike, "*batch H W 3"]) -> Float[Array, "*batch H W 2"]:
    """I and Q of YIQ: which colour each pixel has; 0 for grey."""
    return _to_yiq(image)[..., 1:]


def _to_yiq(image: Float[ArrayLike, "*batch H W 3"]) -> Float[Array, "*batch H W 3"]:
    image = jnp.asarray(image)
    return jnp.matmul(image, YIQ.T.astype(image.dtype), precision="highest")


def keep_colors(
    picture: Float[ArrayLike, "*batch H W 3"], content: Float[ArrayLike, "*batch H W 3"]
) -> Float[Array, "*batch H W 3"]:
    """The luminance of the picture with the chrominance of the content.

        (Y, I, Q) = (Y of the picture, I of the content, Q of the content)

    The end of the paper's "luminance-only transfer".

    Args:
      picture, content: sRGB in [0, 1], of one size.

    Returns:
      sRGB in [0, 1]. Not every luminance goes with every chrominance; what would lie outside is
      clipped.

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
    """The luminance of the style with the mean and the deviation of the content's.

        L' = σ_C / σ_S (L_S − μ_S) + μ_C

    The beginning of the paper's "luminance-only transfer". A style of a single luminance has no
    deviation to scale: it gets the content's mean.

    Args:
      style, content: sRGB in [0, 1], of any sizes.

    Returns:
      L', which may lie outside [0, 1].
    """
    values, target = luminance(style), luminance(content)
    axes = (-3, -2, -1)
    deviation, wanted = (jnp.std(x, axis=axes, keepdims=True) for x in (values, target))
    flat = deviation**2 <= MIN_VARIANCE
    ratio = jnp.where(flat, 0, wanted / jnp.where(flat, 1, deviation))
    mean, wanted_mean = (jnp.mean(x, axis=axes, keepdims=True) for x in (values, target))
    return ratio * (values - mean) + wanted_mean


def prepare_content(colors: str, content: Float[Array, "H W 3"]) -> Float[Array, "H W 3"]:
    """The content as the transfer is to see it under `colors`: grey if light alone counts."""
    return _grey(luminance(content)) if colors == "luminance" else content


def prepare_style(
    colors: str,
    content: Float[Array, "H W 3"],
    style: Float[Array, "h w 3"],
    palette: Float[Array, "_h _w 3"] | None = None,
) -> Float[Array, "h w 3"]:
    """The style as the transfer is to see it.

    Args:
      colors: one of `COLORS`.
      content, style: sRGB in [0, 1].
      palette: whose colours the style is given in place of the content's; by PCA where `colors` is
        `"style"`.

    Returns:
      sRGB in [0, 1], clipped.
    """
    if colors == "luminance":
        return _grey(match_luminance(style, content))
    if palette is None and colors == "style":
        return style
    reference = content if palette is None else palette
    method = "pca" if colors == "style" else colors
    return jnp.clip(match_colors(style, reference, method=method), 0, 1)


def _grey(values: Float[Array, "H W 1"]) -> Float[Array, "H W 3"]:
    """A luminance as a picture."""
    return jnp.clip(values.repeat(3, axis=-1), 0, 1)


def depends_on_content(colors: str, palette: object | None) -> bool:
    """Whether the style as it is seen depends on the content."""
    return colors == "luminance" or (colors != "style" and palette is None)


def check_palette(colors: str, palette: object | None, name: str = "palette") -> None:
    """Raise ValueError for a palette beside a setting that leaves it no colours to give."""
    if palette is not None and colors == "luminance":
        raise ValueError(
            f"{name} gives the style other colours, of which colors 'luminance' takes none; "
            f"choose style, {' or '.join(METHODS)} for colors, or leave the palette out"
        )
