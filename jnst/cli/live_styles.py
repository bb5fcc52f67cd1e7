"""What `jnst live` paints with: AdaIN and paintings, looked at once, or a trained network."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jnst.cli.job import read_seen, style_size
from jnst.execution import memory
from jnst.feedforward.adain import AdaIN
from jnst.feedforward.painting import paint_with
from jnst.feedforward.tiling import BYTES
from jnst.feedforward.transfer import Manner, look_at_styles, paint
from jnst.grid.folder import names_of
from jnst.image.fitting import fit
from jnst.image.pictures import resize_picture
from jnst.nn.painter import Painter

SAMPLE = 112
"""Edge in pixels of the pictures by which styles are picked."""


class Styles(NamedTuple):
    """The styles to pick from.

    Attributes:
      samples: {name: a square picture of the style}, in [0, 1].
      paint: paints a frame, sRGB in [0, 1], in the style of that name and of a strength in [0, 1].
    """

    samples: dict[str, Float[np.ndarray, "h w 3"]]
    paint: Callable[[Float[np.ndarray, "H W 3"], str, float], Float[np.ndarray, "H W 3"]]


def read_paintings(paths: Sequence[str], size: int, scale: float) -> dict[str, np.ndarray]:
    """Read the paintings for frames whose long edge is `size`; {name: picture}."""
    edge = style_size(size, scale)
    return {n: read_seen(path, edge) for n, path in zip(names_of(paths), paths, strict=True)}


def styles_of_paintings(
    model: AdaIN, paintings: dict[str, np.ndarray], shape: tuple[int, int], manner: Manner
) -> Styles:
    """The styles of paintings, whose statistics are looked at once.

    Args:
      model: from `make_adain`.
      paintings: {name: picture}.
      shape: (height, width) of the frames.
      manner: how to paint, but for the strength.

    Raises:
      ValueError: if the device has not the memory for such frames.
    """
    memory.require(BYTES * math.prod(shape), shape, memory.device_of(model))
    frame = np.zeros((*shape, 3), np.float32)  # only its size counts
    looks = {n: look_at_styles(model, frame, [style], manner) for n, style in paintings.items()}

    def painted(frame: np.ndarray, name: str, strength: float) -> np.ndarray:
        return np.asarray(paint(model, frame, looks[name], manner._replace(strength=strength)))

    return Styles({name: sample_of(style) for name, style in paintings.items()}, painted)


def styles_of_network(painter: Painter, shape: tuple[int, int]) -> Styles:
    """The styles of a trained network, shown by how each paints a landscape.

    Args:
      painter: from `load_painter`.
      shape: (height, width) of the frames.
    """

    def painted(frame: np.ndarray, name: str, strength: float) -> np.ndarray:
        return np.asarray(paint_with(painter, frame, styles={name: 1.0}, strength=strength))

    scene = landscape(*shape)
    samples = {name: sample_of(painted(scene, name, 1.0)) for name in painter.styles}
    return Styles(samples, painted)


def sample_of(picture: Float[np.ndarray, "H W 3"]) -> Float[np.ndarray, "h w 3"]:
    """The middle of a picture, as a small square."""
    height, width, _ = picture.shape
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = np.ascontiguousarray(picture[top : top + edge, left : left + edge], np.float32)
    return resize_picture(square, None, min(edge, SAMPLE)).pixels


def landscape(height: int, width: int) -> Float[np.ndarray, "H W 3"]:
    """Hills under a low sun: smooth, with edges and with colours warm and cold."""
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    image = _mixed(y[..., None], (0.25, 0.45, 0.75), (0.98, 0.78, 0.55))
    sun = np.hypot((x - 0.6) * width, (y - 0.42) * height) < 0.13 * min(height, width)
    image[sun] = (1.0, 0.93, 0.7)
    ridges = (0.52 + 0.05 * np.sin(9 * x + 1), 0.66 + 0.07 * np.sin(6 * x + 3))
    for ridge, colour in zip(ridges, ((0.35, 0.42, 0.5), (0.2, 0.36, 0.22)), strict=True):
        depth = ((y - ridge) / (1 - ridge))[..., None]
        hill = _mixed(depth, colour, tuple(channel / 2 for channel in colour))
        image = np.where(depth > 0, hill, image)
    return image.astype(np.float32)


def _mixed(share: np.ndarray, one: Any, other: Any) -> np.ndarray:
    return (1 - share) * np.array(one) + share * np.array(other)


def frame_shape(size: int) -> tuple[int, int]:
    """(height, width) of frames lying on their side, 4:3, whose long edge is `size`."""
    return fit(3, 4, size)
