"""The shapes that pictures are worked at: few, so that few compiled programs serve many pictures.

A picture lies at the upper left of a canvas whose edges are whole multiples of some pixels. Beyond
its own edges its mirror image continues it, renewed at every step; what lies there counts for
nothing: features there are 0 in every statistic. At the last size the picture keeps its shape so.
At the coarser sizes it is stretched to the nearest such shape, since there only the layout counts.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jnst.image.fitting import SMALLEST_EDGE, rounded
from jnst.image.resampling import resize_on_host

FINEST = 32
"""Pixels: what the edges of canvases below 1024 px are rounded up to; larger ones to a sixteenth of
the next lower power of two."""

Shape = tuple[int, int]
"""(height, width) in pixels."""


class Canvas(NamedTuple):
    """Where a picture is worked at.

    Attributes:
      shape: of the canvas.
      extent: of the picture at its upper left.
    """

    shape: Shape
    extent: Shape

    @property
    def exact(self) -> bool:
        """Whether the picture fills the canvas."""
        return self.shape == self.extent

    def put(self, image: Float[np.ndarray, "h w C"]) -> Float[np.ndarray, "H W C"]:
        """An image of any shape on the canvas: resized to the picture's, and mirrored beyond it."""
        resized = resize_on_host(image, self.extent)
        (height, width), (h, w) = self.shape, self.extent
        beyond = (0, height - h), (0, width - w)
        return np.pad(resized, (*beyond, (0, 0)), mode="symmetric")

    def take(self, canvas: Float[np.ndarray, "*batch H W C"]) -> Float[np.ndarray, "*batch h w C"]:
        """The picture that is on the canvas."""
        height, width = self.extent
        return canvas[..., :height, :width, :]


def exact_canvas(shape: Shape) -> Canvas:
    """The canvas of a picture that is worked at as it is."""
    return Canvas(shape=shape, extent=shape)


def coarse_canvas(shape: Shape) -> Canvas:
    """The canvas of a coarse size: the nearest shape of whole strides, which the picture fills.

    >>> coarse_canvas((85, 128)).shape, coarse_canvas((30, 128)).shape
    ((80, 128), (32, 128))
    """
    height, width = (max(SMALLEST_EDGE, rounded(edge)) for edge in shape)
    return exact_canvas((height, width))


def last_canvas(shape: Shape) -> Canvas:
    """The canvas of the last size: edges rounded up.

    >>> last_canvas((341, 512)).shape, last_canvas((700, 1000)).shape
    ((352, 512), (704, 1024))
    """
    height, width = (math.ceil(edge / unit(edge)) * unit(edge) for edge in shape)
    return Canvas(shape=(height, width), extent=shape)


def unit(edge: int) -> int:
    """What the edge of a canvas is rounded up to.

    >>> unit(96), unit(512), unit(600), unit(4096)
    (32, 32, 32, 256)
    """
    return max(FINEST, 2 ** int(math.log2(edge)) // 16)
