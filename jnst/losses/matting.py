"""How far a picture is from being, in every small window, an affine function of another's colours.

Luan, Paris, Shechtman and Bala, "Deep photo style transfer", 2017,
https://arxiv.org/abs/1703.07511, take the quadratic form of the matting Laplacian of Levin,
Lischinski and Weiss, "A closed-form solution to natural image matting", 2008, for this: where it
is small, edges are where they were, and as straight.
"""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jnst.losses.arrays import as_floats, lifted, widened, zero_beyond
from jnst.losses.normalization import per_value
from jnst.losses.terms import PIXELS, Features, Positions, Scalar, Term, term

EPSILON = 1e-7
"""ε, for colours in [0, 1], as in Levin's and Luan's code."""
OFFSETS = tuple((down, across) for down in range(3) for across in range(3))
"""Of the pixels of a window from its upper left one."""


class Matting(NamedTuple):
    """What a guide contributes to `matting_loss`, computed once.

    Attributes:
      guide: the picture, I.
      whitening: T of every window: an upper triangular matrix with T Tᵀ = (Σ I Iᵀ + ε 1)⁻¹, where I
        are the window's colours less their mean.
    """

    guide: Float[Array | np.ndarray, "*batch H W 3"]
    whitening: Float[Array | np.ndarray, "*batch _h _w 3 3"]


def make_matting(guide: Float[Array | np.ndarray, "*batch H W 3"]) -> Matting:
    """What `matting_loss` needs of the picture that guides it.

    T is the inverse of R in QR = [I; √ε 1], by modified Gram-Schmidt. The sum Σ I Iᵀ is never
    formed: its condition is the square of that of I, and in a window of greys the ε, which alone
    keeps it regular, would drown in float32's rounding.

    Args:
      guide: sRGB in [0, 1], at least 3×3 pixels.

    Returns:
      The guide and the whitening of its windows.

    Raises:
      TypeError: for a guide that holds no floats.
      ValueError: for a guide that is not (..., H, W, 3) or too small.
    """
    (guide,) = widened(as_floats("guide", guide))
    if guide.ndim < 3 or guide.shape[-1] != 3 or min(guide.shape[-3:-1]) < 3:
        raise ValueError(
            f"guide must have the shape (..., H, W, 3) with at least 3×3 pixels, got {guide.shape}"
        )
    colours = _windows(guide)
    unit_matrix = jnp.eye(3, dtype=colours.dtype)
    extra = jnp.broadcast_to(EPSILON**0.5 * unit_matrix, (*colours.shape[:-2], 3, 3))
    columns = jnp.moveaxis(jnp.concatenate([colours, extra], axis=-2), -1, 0)
    # Each column less its parts along those before it; of T, the same on the columns of 1.
    of_unit = [jnp.broadcast_to(axis, (*colours.shape[:-2], 3)) for axis in unit_matrix]
    orthogonal: list[Array] = []
    whitening: list[Array] = []
    for column, unit in zip(columns, of_unit, strict=True):
        for before, along in zip(orthogonal, whitening, strict=True):
            share = jnp.sum(before * column, axis=-1, keepdims=True)
            column, unit = column - share * before, unit - share * along
        length = jnp.sqrt(jnp.sum(jnp.square(column), axis=-1, keepdims=True))
        orthogonal.append(column / length)
        whitening.append(unit / length)
    return Matting(guide, jnp.stack(whitening, axis=-1))


def matting_loss(
    image: Float[Array | np.ndarray, "*batch H W 3"], matting: Matting
) -> Float[Array, "*batch"]:
    """What is left of an image after the best affine map of the guide's colours, window by window.

        L = Σ_c Σ_w min_{a,b} [ Σ_{i∈w} (a·I_i + b − V_ic)² + ε |a|² ] = Σ_c V_cᵀ M V_c

    over all 3×3 windows w and channels c; M is the matting Laplacian, which is never formed. The
    minimum is computed as the sum of squares that it is, of colours less their window's mean, and
    not as a difference of variances, which in float32 could come out negative.

    Args:
      image: V, the pixels, sRGB in [0, 1].
      matting: of the guide I, from `make_matting`.

    Returns:
      The loss, at least 0, and 0 for an image of one colour.

    Raises:
      TypeError: for an image that holds no floats.
      ValueError: for an image of another size than the guide.

    >>> guide = jnp.linspace(0, 1, 75).reshape(5, 5, 3) ** 2
    >>> matting = make_matting(guide)
    >>> bool(matting_loss(1 - guide, matting) < 1e-5), bool(matting_loss(guide**4, matting) > 1e-3)
    (True, True)
    """
    (image,) = widened(as_floats("image", image))
    if image.shape[-3:] != matting.guide.shape[-3:]:
        raise ValueError(
            f"image must have the guide's shape {matting.guide.shape[-3:]}, got {image.shape[-3:]}"
        )
    return jnp.sum(window_losses(image, matting), axis=(-2, -1))


def window_losses(
    image: Float[Array, "*batch H W 3"], matting: Matting
) -> Float[Array, "*batch _h _w"]:
    """The matting loss of every 3×3 window, which is at its upper left pixel."""
    # Sums of products rather than matrix products, which GPUs round to TF32.
    white = jnp.sum(_windows(matting.guide)[..., :, None] * matting.whitening[..., None, :, :], -2)
    values = _windows(image)
    white = lifted(white, values.ndim)
    slopes = jnp.sum(white[..., :, None] * values[..., None, :], axis=-3)  # by the whitened colours
    left = values - jnp.sum(white[..., :, None] * slopes[..., None, :, :], axis=-2)
    whitening = lifted(matting.whitening, values.ndim)
    maps = jnp.sum(whitening[..., :, None] * slopes[..., None, :, :], axis=-2)  # a
    return jnp.sum(jnp.square(left), (-2, -1)) + EPSILON * jnp.sum(jnp.square(maps), (-2, -1))


def _windows(image: Any) -> Float[Array, "*batch _h _w 9 3"]:
    """Every 3×3 window, less its mean.

    Less its centre first, so that the mean is of small numbers and loses nothing.
    """
    height, width = image.shape[-3] - 2, image.shape[-2] - 2
    shifted = jnp.stack([image[..., i : i + height, j : j + width, :] for i, j in OFFSETS], axis=-2)
    shifted = shifted - shifted[..., len(OFFSETS) // 2, None, :]
    return shifted - jnp.mean(shifted, axis=-2, keepdims=True)


@term
class Photorealism(Term):
    """The matting loss of the content as a term.

    Attributes:
      matting: of the content.
      scale: its factor, by the way of weighing.
      extent: (height, width) of the picture at the upper left of the image; None: all of it.
    """

    name: ClassVar[str] = "photorealism"
    linear: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = (PIXELS,)  # type: ignore[assignment, misc]
    matting: Matting
    scale: Float[Array | np.ndarray, "*batch"]
    weight: Scalar = 0.0
    extent: Int[Array, "2"] | None = None

    def statistics(
        self, features: Features, positions: Positions | None = None
    ) -> Float[Array, "*batch"]:
        """The matting loss, of the windows that lie in the picture."""
        image = features[PIXELS]
        if self.extent is None:
            return matting_loss(image, self.matting)
        losses = zero_beyond(window_losses(image, self.matting), self.extent - 2)
        return jnp.sum(losses, axis=(-2, -1))

    def loss(self, statistics: Any) -> Any:
        """The matting loss times its factor."""
        return self.scale * statistics


def photorealism_term(
    matting: Matting, shape: tuple[int, ...], weighing: str, extent: Int[Array, "2"] | None = None
) -> Photorealism:
    """The term of a content's matting.

    Args:
      matting: of the content image.
      shape: (height, width, 3) of the picture.
      weighing: one of `jnst.losses.normalization.WEIGHINGS`.
      extent: see `Photorealism`.
    """
    factor = 1.0 if weighing == "paper" else per_value(shape)
    scale = jnp.full(matting.guide.shape[:-3], factor, matting.guide.dtype)
    return Photorealism(matting=matting, scale=scale, extent=extent)
