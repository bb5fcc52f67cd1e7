"""Cuts between the scenes of a video."""

import numpy as np

from jnst.video.flow import Frame

CELLS = 24
"""Along the short edge of the small pictures that are compared."""
BINS = 16
"""Of the histogram of each colour."""
MOVED = 0.12
"""Mean difference of small pictures, in [0, 1], from which on a frame may be of another scene."""
CHANGED = 0.15
"""Share of the pixels that have to change colour for that, in [0, 1]."""


def is_cut(earlier: Frame, frame: Frame) -> bool:
    """Say whether a frame begins another scene than the one before it.

    Both the place and the number of the colours have to change at once: a pan keeps the second,
    and a flash of light on a still scene is rare enough.

    >>> dark, light = np.zeros((40, 60, 3), np.uint8), np.full((40, 60, 3), 255, np.uint8)
    >>> is_cut(dark, light), is_cut(dark, dark)
    (True, False)
    """
    before, after = small(earlier), small(frame)
    if np.abs(before - after).mean() < MOVED:
        return False
    return bool(_difference(earlier, frame) > CHANGED)


def small(frame: Frame) -> np.ndarray:
    """A frame as means of cells, in [0, 1]."""
    step = max(1, min(frame.shape[:2]) // CELLS)
    rows, columns = (edge // step for edge in frame.shape[:2])
    cells = frame[: rows * step, : columns * step].astype(np.float32) / 255
    return np.asarray(cells.reshape(rows, step, columns, step, 3).mean(axis=(1, 3)))


def _difference(one: Frame, other: Frame) -> float:
    """The share of pixels by which the histograms of the colours differ, averaged over colours."""
    apart = 0.0
    for colour in range(3):
        counts = [
            np.bincount(frame[::2, ::2, colour].ravel() * BINS // 256, minlength=BINS)
            for frame in (one.astype(np.int32), other.astype(np.int32))
        ]
        total = max(1, counts[0].sum())
        apart += np.abs(counts[0] - counts[1]).sum() / (2 * total)
    return apart / 3
