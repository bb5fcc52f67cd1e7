"""Lanczos' filter as a pair of matrices, one for the rows and one for the columns.

So pictures of any shapes are resized by one compiled program for each shape that they are held in,
and on the host by none.
"""

import functools

import numpy as np
from jaxtyping import Float

LOBES = 3
"""Of the filter on either side."""
KEPT = 256
"""Matrices that are remembered."""


@functools.lru_cache(maxsize=KEPT)
def resampling_matrix(
    before: int, after: int, held_before: int | None = None, held_after: int | None = None
) -> Float[np.ndarray, "after before"]:
    """The matrix that resamples a line of pixels.

    With y = R x each new pixel is a weighted average of the old ones, by Lanczos' filter, which is
    as wide as the larger of the two pixels: so it interpolates upwards and averages downwards.

    Args:
      before: pixels of the line.
      after: pixels of the resampled line.
      held_before: pixels of the array that holds the line at its beginning; None: as many. The rest
        has no say.
      held_after: pixels of the array that holds the resampled line; None: as many. After the line
        there is its mirror image.

    Returns:
      float32 (held_after, held_before), each row of the sum 1.

    >>> resampling_matrix(4, 2).round(2)
    array([[ 0.46,  0.46,  0.14, -0.07],
           [-0.07,  0.14,  0.46,  0.46]], dtype=float32)
    """
    scale = before / after
    centres = (np.arange(after) + 0.5) * scale - 0.5
    distance = np.abs(centres[:, None] - np.arange(before)) / max(scale, 1)
    weights = np.where(distance < LOBES, np.sinc(distance) * np.sinc(distance / LOBES), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    if held_before is not None:
        weights = np.pad(weights, ((0, 0), (0, held_before - before)))
    if held_after is not None:
        weights = np.pad(weights, ((0, held_after - after), (0, 0)), mode="symmetric")
    made = weights.astype(np.float32)
    made.flags.writeable = False
    return made


def resize_on_host(
    image: Float[np.ndarray, "*batch H W C"], shape: tuple[int, ...]
) -> Float[np.ndarray, "*batch _H _W C"]:
    """An image at another (height, width), antialiased, clipped to [0, 1].

    >>> resize_on_host(np.ones((4, 4, 3), np.float32), (2, 3)).shape
    (2, 3, 3)
    """
    height, width = image.shape[-3:-1]
    if (height, width) == tuple(shape):
        return image
    rows, columns = resampling_matrix(height, shape[0]), resampling_matrix(width, shape[1])
    lines = np.tensordot(rows, image, axes=(1, image.ndim - 3))
    both = np.tensordot(columns, np.moveaxis(lines, 0, -3), axes=(1, image.ndim - 2))
    return np.clip(np.moveaxis(both, 0, -2), 0, 1).astype(np.float32)
