"""A picture whose colours are distributed as those of another, on the host.

Iterative distribution transfer: F. Pitié, A. Kokaram and R. Dahyot, "N-dimensional probability
density function transfer and its application to colour transfer", 2005, in Oklab. What it does to
the colours near a place is averaged there, so that a flat sky stays flat and is treated like what
is nearly of its colour.
"""

from itertools import product
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
MOST = 2**16
"""Colours of a picture that a transport is made from."""
SHAKEN = 0.01
"""Deviation, in Oklab, by which these are shaken, so that no two are the same."""
BLOCK = 2**16
"""Colours that are moved together: not more than the processor's cache holds."""
LOW, EDGE, NODES = np.array([0.0, -0.4, -0.4]), 0.025, (41, 33, 33)
"""The grid of places: its first one, the distance of neighbours, and how many there are."""
FAINT = 1e-2
"""How much a place counts what its neighbours know, against what it knows itself."""


class Transport(NamedTuple):
    """Where colours go.

    Attributes:
      moves: of the places of the grid, in Oklab.
    """

    moves: Float[np.ndarray, "L A B 3"]

    def __call__(
        self, image: Float[np.ndarray, "*lead 3"], share: float = 1.0
    ) -> Float[np.ndarray, "*lead 3"]:
        """The colours, in sRGB, after so much of the way; in [0, 1]."""
        colors = np.asarray(image).reshape(-1, 3)
        done = np.empty(colors.shape, np.float32)
        for start in range(0, len(colors), BLOCK):
            part = slice(start, start + BLOCK)
            lab = to_oklab(colors[part])
            move = sum(weight[:, None] * self.moves[corner] for corner, weight in _corners(lab))
            done[part] = from_oklab(lab + share * move).clip(0, 1)
        return done.reshape(image.shape)


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
    random = np.random.default_rng(0)
    ours, theirs = _sample(image), _sample(reference)
    ours = moved = ours + SHAKEN * random.standard_normal(ours.shape)
    places = np.linspace(0, 1, QUANTILES)
    for _ in range(TURNS):
        axes, _ = np.linalg.qr(random.standard_normal((3, 3)))
        along = moved @ axes
        before, after = (np.quantile(x, places, axis=0).T for x in (along, theirs @ axes))
        new = [np.interp(x, *pair) for x, *pair in zip(along.T, before, after, strict=True)]
        moved = np.stack(new, axis=-1) @ axes.T
    return Transport(_averaged(ours, moved - ours))


def _averaged(
    colors: Float[np.ndarray, "n 3"], moves: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "L A B 3"]:
    """The mean move at each place; far from all colours, that of the nearest ones."""
    known = np.concatenate([moves, np.ones((len(moves), 1))], axis=-1)
    total = np.zeros((*NODES, 4))
    for corner, weight in _corners(colors):
        np.add.at(total, corner, weight[:, None] * known)
    while not total[..., 3].all():
        total = total + FAINT * _of_neighbours(total)
    return (total[..., :3] / total[..., 3:]).astype(np.float32)


def _of_neighbours(values: Float[np.ndarray, "L A B n"]) -> Float[np.ndarray, "L A B n"]:
    """The sum of what the six neighbours of each place have."""
    padded = np.pad(values, [(1, 1)] * 3 + [(0, 0)], mode="edge")
    inner = (slice(1, -1),) * 3
    sums = np.zeros_like(values)
    for axis, shift in product(range(3), (-1, 1)):
        sums += np.roll(padded, shift, axis)[inner]
    return sums


def _corners(colors: Float[np.ndarray, "n 3"]) -> list[tuple[tuple[np.ndarray, ...], np.ndarray]]:
    """The eight places around each colour, and the weights by which it lies between them."""
    last = np.array(NODES) - 1
    place = np.clip((colors - LOW.astype(colors.dtype)) / EDGE, 0, last)
    lower = np.minimum(place.astype(int), last - 1)
    above = place - lower
    found = []
    for corner in product((0, 1), repeat=3):
        weight = np.prod(np.where(corner, above, 1 - above), axis=-1)
        found.append((tuple((lower + corner).T), weight))
    return found


def _sample(image: Float[np.ndarray, "*lead 3"]) -> Float[np.ndarray, "n 3"]:
    """Colours in Oklab, taken evenly."""
    colors = np.asarray(image).reshape(-1, 3)
    return to_oklab(colors[:: -(-len(colors) // MOST)]).astype(np.float64)
