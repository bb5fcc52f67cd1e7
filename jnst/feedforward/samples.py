"""A sheet of photographs as a network paints them while it is trained."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from jnst._programs import program
from jnst.nn.painter import Painter

GAP = 6
"""White pixels between the pictures."""
MOST = 4
"""Photographs that are shown where none are named."""


def choose_samples(
    photos: Sequence[UInt8[np.ndarray, "_h _w 3"]], most: int = MOST
) -> Float[np.ndarray, "n h w 3"]:
    """Take photographs from all over a list, and of each the middle, all of one size.

    >>> choose_samples([np.zeros((64, 80, 3), np.uint8), np.zeros((70, 64, 3), np.uint8)]).shape
    (2, 64, 64, 3)
    """
    numbers = np.unique(np.linspace(0, len(photos) - 1, most).round().astype(int))
    chosen = [photos[number] for number in numbers]
    height, width = (min(photo.shape[axis] for photo in chosen) for axis in (0, 1))
    middles = []
    for photo in chosen:
        top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
        middles.append(photo[top : top + height, left : left + width])
    return np.stack(middles).astype(np.float32) / 255


def paint_samples(
    painter: Painter, samples: Float[np.ndarray, "n h w 3"]
) -> Float[np.ndarray, "H W 3"]:
    """The sheet: a row of the photographs, and under it a row in each of the network's styles."""
    rows = [samples]
    for share in np.eye(len(painter.styles), dtype=np.float32):
        # One by one, as a photograph will be painted, and in the memory of one.
        rows.append(np.stack([np.asarray(_painted(painter, photo, share)) for photo in samples]))
    return _joined([_joined(list(row.clip(0, 1)), axis=1) for row in rows], axis=0)


def _joined(pictures: list[np.ndarray], axis: int) -> np.ndarray:
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    parts = [pictures[0]]
    for picture in pictures[1:]:
        parts += [np.ones(shape, np.float32), picture]
    return np.concatenate(parts, axis)


@program()
def _painted(painter: Painter, photo, share):  # type: ignore[no-untyped-def]
    return painter(photo, share)
