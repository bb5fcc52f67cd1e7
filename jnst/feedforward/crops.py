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
        crop = photo[top : top + taken, left : left + taken]
        scale = 255
        if halved:  # in whole numbers, as floats would keep a GPU waiting
            wide = crop[::2].astype(np.uint16) + crop[1::2]
            crop, scale = wide[:, ::2] + wide[:, 1::2], 4 * 255
        if random.random() < 0.5:
            crop = crop[:, ::-1]
        np.multiply(crop, np.float32(1 / scale), out=crops[number])
    return crops
