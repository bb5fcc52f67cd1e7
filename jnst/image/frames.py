"""Frames of a live picture: JPEG files in memory, of a size that was agreed upon.

A browser makes them of sRGB, so that colour profiles need not be looked at.
"""

import io
from collections.abc import Collection

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from PIL import Image

from jnst.image.opening import opened

QUALITY = 90
"""Of JPEG, whose colours are not halved in size either: thin brush strokes would fray."""


class _Frame(io.BytesIO):
    name = "the frame"


def read_frame(data: bytes, shapes: Collection[tuple[int, int]]) -> Float[np.ndarray, "H W 3"]:
    """Read a frame.

    Args:
      data: a JPEG file.
      shapes: (height, width) that it may have, in pixels.

    Returns:
      float32 (H, W, 3), sRGB in [0, 1].

    Raises:
      ValueError: if it is no JPEG, of another size, or damaged.
    """
    file = _Frame(data)
    with opened(file) as image:
        if image.format != "JPEG":
            raise ValueError(f"{file.name} must be a JPEG, got {image.format}")
        if (image.height, image.width) not in shapes:
            allowed = " or ".join(f"{width}×{height}" for height, width in shapes)
            got = f"{image.width}×{image.height}"
            raise ValueError(f"{file.name} must have {allowed} px, got {got}")
        image.load()
        return np.asarray(image.convert("RGB"), np.float32) / 255


def write_frame(image: ArrayLike, quality: int = QUALITY) -> bytes:
    """Write an image as a JPEG file.

    Args:
      image: (H, W, 3), sRGB; values outside [0, 1] are clipped.
      quality: 1 to 95.

    >>> read_frame(write_frame(np.full((24, 32, 3), 0.6)), [(24, 32)])[0, 0].round(1)
    array([0.6, 0.6, 0.6], dtype=float32)
    """
    levels = np.rint(np.clip(np.asarray(image), 0, 1) * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=quality, subsampling="4:4:4")
    return file.getvalue()
