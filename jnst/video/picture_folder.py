"""A folder of numbered pictures as a clip."""

import math
import os
import re
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path

import numpy as np

from jnst.image.pictures import FORMATS, image_size, load_image
from jnst.video.clip import Clip, Timed, Window, sized

FPS = 24
"""Frames a second of a folder of pictures."""


class PictureFolder(Clip):
    """The numbered pictures of a folder, in the order of their numbers."""

    def __init__(self, path: Path, window: Window):
        files = [file for file in path.iterdir() if file.suffix.lower() in FORMATS]
        numbered = {file: re.findall(r"\d+", file.stem) for file in files}
        self.files = sorted(
            (file for file, numbers in numbered.items() if numbers),
            key=lambda file: (int(numbered[file][-1]), file.name),
        )
        if not self.files:
            raise ValueError(f"{path} holds no numbered pictures, as frame-0001.png")
        self.path, self.window = path, window
        self.rate = Fraction(window.fps or FPS).limit_denominator(1001)
        width, height = image_size(os.fspath(self.files[0]))
        self.shape = sized(height, width, window.size, path)
        start, end = window.bounds()
        first, last = math.ceil(start * self.rate), len(self.files)
        if end is not None:
            last = min(last, math.ceil(end * self.rate))
        self.count = last - first
        if self.count < 1:
            raise ValueError(f"start: {path} has only {float(last / self.rate):.2f} s")

    def frames(self) -> Generator[Timed]:
        """Read the pictures; they come at the rate as they are."""
        self.problem = ""
        return self._within(self._decoded())

    def _decoded(self) -> Generator[Timed]:
        damaged = 0
        for number, file in enumerate(self.files):
            try:
                pixels = load_image(os.fspath(file), max(self.shape))
            except ValueError as error:
                damaged += 1
                self.problem = f"frames left out, as they cannot be read: {damaged}; {error}"
                continue
            if pixels.shape[:2] != self.shape:
                height, width = pixels.shape[:2]
                raise ValueError(
                    f"{file} comes out as {width}×{height} px, where the first picture of the "
                    f"folder has {self.shape[1]}×{self.shape[0]}; give frames of one shape"
                )
            levels = np.rint(pixels * 255).astype(np.uint8)
            yield Timed(levels, number / self.rate)
