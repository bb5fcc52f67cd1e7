"""Where colours go to be distributed as those of another picture, on the host.

Iterative distribution transfer: F. Pitié, A. Kokaram and R. Dahyot, "N-dimensional probability
density function transfer and its application to colour transfer", 2005, in Oklab. What it does to
the colours near a place is averaged there, so that a flat sky stays flat and is treated like what
is nearly of its colour.
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jnst._threads import each
from jnst.image.palette import from_oklab, to_oklab

TURNS = 16
"""How often the axes are turned."""
QUANTILES = 256
MOST = 2**14
"""Colours of a picture that a transport is made from."""
SHAKEN, THEIRS_SHAKEN = 0.01, 0.003
"""Deviations, in Oklab, by which these are shaken and the references' are, so that no two are the
same: where many would go to one colour, rounding would decide which of them go beyond it."""
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

        def move(start: int) -> None:
            part = slice(start, start + BLOCK)
            lab = to_oklab(colors[part])
            done[part] = from_oklab(lab + share * self.of(lab)).clip(0, 1)

        each(move, range(0, len(colors), BLOCK))
        return done.reshape(image.shape)

    def of_chroma(self) -> "Transport":
        """The same, leaving lightness as it is."""
        return Transport(self.moves * np.array([0, 1, 1], np.float32))

    def of(self, lab: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """The moves of colours in Oklab."""
        return sum(weight[:, None] * self.moves[corner] for corner, weight in _corners(lab))


def color_transport(
    image: Float[np.ndarray, "*lead 3"],
    references: Sequence[Float[np.ndarray, "*_lead 3"]],
    shares: Sequence[float] | None = None,
) -> Transport:
    """The transport from the colours of one picture to those of others together.

    Args:
      image: sRGB in [0, 1].
      references: likewise, of any size.
      shares: how much each of them counts; None: all the same.
    """
    random = np.random.default_rng(0)
    parts = np.ones(len(references)) if shares is None else np.asarray(shares, float)
    seen = [(x, part) for x, part in zip(references, parts / parts.sum(), strict=True) if part]
    count = min(MOST, sum(np.size(x) // 3 for x, _ in seen))
    theirs = np.concatenate([_sample(x, math.ceil(part * count)) for x, part in seen])
    theirs += THEIRS_SHAKEN * random.standard_normal(theirs.shape)
    ours = _sample(image, min(MOST, np.size(image) // 3))
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


def _sample(image: Float[np.ndarray, "*lead 3"], count: int) -> Float[np.ndarray, "n 3"]:
    """So many colours in Oklab, taken evenly."""
    colors = np.asarray(image).reshape(-1, 3)
    chosen = np.linspace(0, len(colors) - 1, count).astype(int)
    return to_oklab(colors[chosen]).astype(np.float64)
