"""Words as pixels, for labels on pictures that are made of arrays."""

import functools

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

Color = tuple[float, float, float]


@functools.lru_cache(maxsize=4096)
def lettered(text: str, points: int) -> Float[np.ndarray, "h w"]:
    """One line of text: how much of each pixel is ink, in [0, 1].

    Lines of the same size have the same height, so that they stand on one base line.

    Args:
      text: what to write; a letter that the font lacks comes out as a box.
      points: height of the letters, roughly, in pixels.

    >>> lettered("relu4_1", 14).shape[0] == lettered("x", 14).shape[0]
    True
    """
    font = ImageFont.load_default(points)
    _, top, _, bottom = font.getbbox("Åpgjy|_")
    width = max(1, round(font.getlength(text)))
    image = Image.new("L", (width, int(bottom - top)))
    ImageDraw.Draw(image).text((0, -top), text, fill=255, font=font)
    ink = np.asarray(image, np.float32) / 255
    ink.flags.writeable = False
    return ink


def text_size(text: str, points: int) -> tuple[int, int]:
    """(height, width) of a line of text in pixels."""
    height, width = lettered(text, points).shape
    return height, width


def write_text(
    canvas: Float[np.ndarray, "H W 3"],
    text: str,
    at: tuple[int, int],
    points: int,
    color: Color = (0.0, 0.0, 0.0),
) -> None:
    """Write a line on a canvas, in place; what lies beyond its edges is left out.

    Args:
      canvas: the picture to write on.
      text: the line.
      at: (top, left) of the line, in pixels.
      points: height of the letters.
      color: of the ink.
    """
    top, left = at
    ink = lettered(text, points)[max(0, -top) :, max(0, -left) :]
    top, left = max(0, top), max(0, left)
    there = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
    ink = ink[: there.shape[0], : there.shape[1], None]
    there += ink * (np.asarray(color, np.float32) - there)
