"""Octaves: what is dreamed at one size is carried to the next as details of a sharp photograph."""

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from jnst.image.resampling import resampling_matrix, resize_on_host
from jnst.transfer.levels import Level


class Octaves:
    """Makes what an octave starts from.

    The whole picture, enlarged, would lose the photograph's own details, which a small octave never
    had. So only the difference is enlarged that the dream made, and added to the photograph:

        start = photograph + enlarged(dream − photograph at the dream's size)

    Args:
      photo: at the last octave's size.
    """

    def __init__(self, photo: Float[ArrayLike, "H W 3"]):
        self.photo = np.asarray(photo, np.float32)

    def at(self, shape: tuple[int, int]) -> Float[np.ndarray, "h w 3"]:
        """The photograph at another size."""
        return resize_on_host(self.photo, shape)

    def carry(
        self, image: Float[ArrayLike, "*batch _h _w 3"], level: Level
    ) -> Float[np.ndarray, "*batch h w 3"]:
        """The start of a level, of the dream at the level before; for a picture or for a batch."""
        dreamed = np.asarray(image)
        details = dreamed - self.at(dreamed.shape[-3:-1])
        return np.clip(self.at(level.shape) + resampled(details, level.shape), 0, 1)


def resampled(
    values: Float[np.ndarray, "*batch _h _w C"], shape: tuple[int, int]
) -> Float[np.ndarray, "*batch h w C"]:
    """Numbers of either sign at another (height, width), by Lanczos' filter.

    >>> resampled(np.full((2, 3, 4, 1), -2.0, np.float32), (6, 8)).round(3).max()
    np.float32(-2.0)
    """
    height, width = values.shape[-3:-1]
    rows, columns = resampling_matrix(height, shape[0]), resampling_matrix(width, shape[1])
    lines = np.einsum("Hh,...hwc->...Hwc", rows, values, optimize=True)
    return np.einsum("Ww,...hwc->...hWc", columns, lines, optimize=True).astype(np.float32)
