"""Palettes: the mean and covariance of colours in Oklab, and pictures that are given others'.

Oklab is a space of colours in which equal steps look alike: lightness, and two axes of chroma, 0
for greys. Björn Ottosson, "A perceptual color space for image processing", 2020,
https://bottosson.github.io/posts/oklab/.

All is done on the host: JAX would compile a dozen programs for every shape of a picture, and keep
them.
"""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
"""From linear R, G, B to what the eye's three cones answer to."""
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
"""From the cube roots of these to lightness and chroma."""
LEAST_DEVIATION = 0.02
"""In Oklab. It is added to the deviations along every axis: what varies by less is noise, and a
picture that is nearly grey must not be blown up into coloured speckle."""
SHARE = 1.0
"""How far a content goes towards the colours of its style."""


def to_oklab(image: Float[ArrayLike, "*lead 3"]) -> Float[np.ndarray, "*lead 3"]:
    """Lightness, 0 to 1, and two axes of chroma, of sRGB in [0, 1].

    >>> to_oklab(np.ones(3)).round(3) + 0.0
    array([1., 0., 0.])
    """
    image = _floats(image)
    bright = ((np.maximum(image, 0.04045) + 0.055) / 1.055) ** 2.4
    linear = np.where(image <= 0.04045, image / 12.92, bright)
    return _mapped(np.cbrt(_mapped(linear, TO_CONES)), TO_LAB)


def from_oklab(lab: Float[np.ndarray, "*lead 3"]) -> Float[np.ndarray, "*lead 3"]:
    """SRGB of colours in Oklab; outside of [0, 1] where there is none."""
    linear = _mapped(_mapped(lab, np.linalg.inv(TO_LAB)) ** 3, np.linalg.inv(TO_CONES))
    bright = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, bright)


def _floats(image: ArrayLike) -> np.ndarray:
    """On the host; in float32 where it is less, as NumPy does not know all of JAX's types."""
    image = np.asarray(image)
    return image if image.dtype in (np.float32, np.float64) else image.astype(np.float32)


def _mapped(colors: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Every colour c as M c."""
    return colors @ matrix.T.astype(colors.dtype)


def color_moments(
    images: Sequence[Float[ArrayLike, "_h _w 3"]], shares: Sequence[float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean, (3,), and covariance, (3, 3), of the colours of images together, in float64.

    Args:
      images: colours in any space.
      shares: how much each counts; None: all the same.
    """
    shares = [1.0] * len(images) if shares is None else [float(share) for share in shares]
    means, squares = [], []
    for image in images:
        flat = np.asarray(image, np.float64).reshape(-1, 3)
        means.append(flat.mean(axis=0))
        squares.append(flat.T @ flat / len(flat))
    mean = np.average(means, axis=0, weights=shares)
    return mean, np.average(squares, axis=0, weights=shares) - np.outer(mean, mean)


def adopt_colors(
    content: Float[ArrayLike, "H W 3"],
    styles: Sequence[Float[ArrayLike, "_h _w 3"]],
    shares: Sequence[float] | None = None,
    share: float = SHARE,
) -> Float[np.ndarray, "H W 3"]:
    """Give a content image the palette of style images, moving its colours as little as that takes.

        x ↦ x + share · (A (x − μ) + μ_r − x),   A = Σ^−½ (Σ^½ Σ_r Σ^½)^½ Σ^−½

    in Oklab, with Σ + `LEAST_DEVIATION`² I in place of Σ, for both. A is the map of optimal
    transport: unlike that of `jnst.match_colors` it is symmetric, so that it turns no hue into
    another for the sake of a covariance.

    Args:
      content: sRGB in [0, 1].
      styles: likewise, of any size.
      shares: how much each style counts; None: all the same.
      share: in [0, 1].

    Returns:
      sRGB, clipped to [0, 1].
    """
    lab = to_oklab(content)
    noise = LEAST_DEVIATION**2 * np.eye(3)
    mean, covariance = color_moments([lab])
    wanted_mean, wanted = color_moments([to_oklab(style) for style in styles], shares)
    root, inverse = _roots(covariance + noise)
    matrix = inverse @ _roots(root @ (wanted + noise) @ root)[0] @ inverse
    matrix = share * matrix + (1 - share) * np.eye(3)
    shift = mean + share * (wanted_mean - mean) - matrix @ mean
    return np.clip(from_oklab(_mapped(lab, matrix) + shift.astype(lab.dtype)), 0, 1)


def _roots(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The symmetric root, and its inverse."""
    values, vectors = np.linalg.eigh(covariance)
    return tuple(vectors * values**power @ vectors.T for power in (0.5, -0.5))  # type: ignore[return-value]
