"""Random square crops of photographs, the same for the same seed and step."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8


def draw_crops(
    photos: Sequence[UInt8[np.ndarray, "_h _w 3"]], count: int, edge: int, seed: int, step: int
) -> Float[np.ndarray, "n edge edge 3"]:
    """Crops for one step: of any photograph, at one of two scales, mirrored or not.

    Args:
      photos: both edges of at least `edge`.
      count: of the crops.
      edge: of the crops, in pixels.
      seed: of all steps.
      step: the number of this one.
    """
    random = np.random.default_rng([seed, step])
    crops = np.empty((count, edge, edge, 3), np.float32)
    for number in range(count):
        photo = photos[int(random.integers(len(photos)))]
        halved = min(photo.shape[:2]) >= 2 * edge and random.random() < 0.5
        taken = 2 * edge if halved else edge
        top, left = (random.integers(size - taken + 1) for size in photo.shape[:2])
        crop = photo[top : top + taken, left : left + taken].astype(np.float32) / 255
        if halved:
            crop = crop.reshape(edge, 2, edge, 2, 3).mean(axis=(1, 3))
        crops[number] = crop[:, ::-1] if random.random() < 0.5 else crop
    return crops
