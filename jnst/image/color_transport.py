"""A picture whose colours are distributed as those of another, on the host.

Iterative distribution transfer: F. Pitié, A. Kokaram and R. Dahyot, "N-dimensional probability
density function transfer and its application to colour transfer", 2005, in Oklab.
"""

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from jnst._checks import check_number
from jnst.image.inputs import check_image
from jnst.image.palette import from_oklab, to_oklab

TURNS = 24
"""How often the axes are turned."""
QUANTILES = 1024
MOST = 2**18
"""Colours of a picture that a transport is made from."""


class Transport(NamedTuple):
    """Where colours go: by turns, along every axis, from one picture's quantiles to another's.

    Attributes:
      axes: of every turn, orthogonal.
      before: the quantiles of the picture along them, before the turn.
      after: those of the reference.
    """

    axes: Float[np.ndarray, "T 3 3"]
    before: Float[np.ndarray, "T 3 Q"]
    after: Float[np.ndarray, "T 3 Q"]

    def __call__(
        self, image: Float[np.ndarray, "*lead 3"], share: float = 1.0
    ) -> Float[np.ndarray, "*lead 3"]:
        """The colours, in sRGB, after so much of the way; in [0, 1]."""
        lab = to_oklab(image)
        there = lab.reshape(-1, 3)
        for axes, before, after in zip(*self, strict=True):
            there = _moved(there, axes, before, after)
        lab = lab + share * (there.reshape(lab.shape) - lab)
        return from_oklab(lab).clip(0, 1).astype(np.float32)


def transport_colors(
    image: Float[ArrayLike, "H W 3"],
    reference: Float[ArrayLike, "h w 3"],
    *,
    share: float = 1.0,
) -> Float[np.ndarray, "H W 3"]:
    """Give the image the reference's colours, each as often as it is there.

    Where `jnst.match_colors` moves all colours by one linear map, this reaches the palette of a
    painting of few colours. Half of the way suits what `jnst.stylize` has painted: it cleans
    colours that neither the photograph nor the painting has, and keeps which place is lighter.

    Args:
      image: sRGB in [0, 1].
      reference: sRGB in [0, 1], of any size.
      share: of the way to the reference's colours, in [0, 1].

    Returns:
      The recoloured image, float32 in [0, 1].

    Raises:
      ValueError, TypeError: for what is no image, or a share that is out of range.

    >>> random = np.random.default_rng(0)
    >>> image, reference = random.uniform(size=(2, 40, 40, 3)) * [[[[1]]], [[[0.5]]]]
    >>> transport_colors(image, reference).max(axis=(0, 1)).round(1)
    array([0.5, 0.5, 0.5], dtype=float32)
    """
    pixels, aim = check_image("image", image, least=1), check_image("reference", reference, least=1)
    check_number("share", share, least=0, most=1)
    return color_transport(pixels, aim)(pixels, share)


def color_transport(
    image: Float[np.ndarray, "*lead 3"], reference: Float[np.ndarray, "*_lead 3"]
) -> Transport:
    """The transport from the colours of one picture to those of another."""
    ours, theirs = _sample(image), _sample(reference)
    random, steps = np.random.default_rng(0), []
    places = np.linspace(0, 1, QUANTILES)
    for _ in range(TURNS):
        axes, _ = np.linalg.qr(random.standard_normal((3, 3)))
        before, after = (np.quantile(x @ axes, places, axis=0).T for x in (ours, theirs))
        ours = _moved(ours, axes, before, after)
        steps.append((axes, before, after))
    return Transport(*map(np.stack, zip(*steps, strict=True)))


def _sample(image: Float[np.ndarray, "*lead 3"]) -> Float[np.ndarray, "n 3"]:
    """Colours in Oklab, taken evenly."""
    colors = np.asarray(image).reshape(-1, 3)
    return to_oklab(colors[:: -(-len(colors) // MOST)]).astype(np.float64)


def _moved(
    colors: Float[np.ndarray, "n 3"],
    axes: Float[np.ndarray, "3 3"],
    before: Float[np.ndarray, "3 Q"],
    after: Float[np.ndarray, "3 Q"],
) -> Float[np.ndarray, "n 3"]:
    """Colours moved along each axis as its quantiles say."""
    along = colors @ axes
    moved = [np.interp(x, *pair) for x, *pair in zip(along.T, before, after, strict=True)]
    return np.asarray(np.stack(moved, axis=-1) @ axes.T)
