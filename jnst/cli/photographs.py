"""The photographs of a folder, read by several threads; what cannot be used is named."""

import concurrent.futures
import functools
import math
import os
from pathlib import Path

import numpy as np

from jnst.cli.contents import about
from jnst.cli.job import check_memory
from jnst.image.fitting import fit
from jnst.image.pictures import image_size, read_picture

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
"""Other files of a folder are not looked at."""
SHORT_EDGE = 2.5
"""Of a photograph, in crops, at most: more would take memory, and show less of it in a crop."""


def read_photographs(folder: str, crop: int) -> tuple[list[np.ndarray], list[str]]:
    """Read the photographs of a folder and of those within it.

    Args:
      folder: its name.
      crop: edge of the crops that will be taken of them.

    Returns:
      uint8 (H, W, 3) each, in the order of their names, and a sentence for each that is left out.

    Raises:
      ValueError: if it is no folder, or has nothing that can be used.
    """
    place = Path(folder)
    if not place.is_dir():
        what = "is a file" if place.exists() else "does not exist"
        raise ValueError(f"--photos must be a folder of photographs; {folder} {what}")
    files = sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"--photos {folder} holds no pictures ({', '.join(SUFFIXES)})")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        read = list(workers.map(functools.partial(_read, crop=crop), files))
    problems = [one for one in read if isinstance(one, str)]
    photos = [one for one in read if not isinstance(one, str)]
    if not photos:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ValueError(f"--photos {folder} holds no picture to train with: {problems[0]}{more}")
    return photos, problems


def _read(path: Path, crop: int) -> np.ndarray | str:
    """A photograph, or what is wrong with it."""
    try:
        width, height = image_size(path)
        if min(width, height) < crop:
            raise ValueError(f"{path} has only {width}×{height} px, less than a crop of {crop} px")
        check_memory(str(path), (height, width))
        scale = min(1.0, math.ceil(SHORT_EDGE * crop) / min(width, height))
        long_edge = max(fit(height, width, round(scale * max(width, height)), crop))
        pixels = read_picture(path, long_edge).on_white()
        return np.rint(255 * pixels).astype(np.uint8)
    except (ValueError, OSError) as error:
        return about(str(path), error)
