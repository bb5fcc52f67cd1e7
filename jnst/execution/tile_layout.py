"""How a picture is cut into tiles, each with a halo of what its features see beyond it.

The features of a tile's own region come out as those of the whole picture if the window that the
network is run over holds all that they depend on, begins where the whole picture's pooling begins a
new cell, and ends with the picture's border where it comes near it.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from jnst.nn.geometry import Geometry


class Span(NamedTuple):
    """Of a tile, along one axis, in pixels of the whole picture.

    Attributes:
      origin: where the window begins.
      start, stop: the tile's own region, within the window.
    """

    origin: int
    start: int
    stop: int


class Tiles(NamedTuple):
    """Tiles that cover a picture; all windows have one shape, so that one program serves all.

    Attributes:
      shape: (height, width) of the picture.
      window: (height, width) of every window.
      spans: of each tile, down and across.
      halo: what a window has around its own region, at least, but at the picture's border.
    """

    shape: tuple[int, int]
    window: tuple[int, int]
    spans: tuple[tuple[Span, Span], ...]
    halo: int

    @property
    def overhead(self) -> float:
        """The pixels of all windows, in units of the picture's."""
        return len(self.spans) * math.prod(self.window) / math.prod(self.shape)


def cover(geometry: Geometry, height: int, width: int, layers: Iterable[str], most: int) -> Tiles:
    """The fewest tiles that cover a picture, their windows as small as that number allows.

    Args:
      geometry: of the network.
      height: of the picture.
      width: of the picture.
      layers: whose features are wanted.
      most: the largest edge that a window may have, its halo included.

    Returns:
      The tiles; their own regions are disjoint and begin at multiples of the stride.

    Raises:
      ValueError: for a picture that needs tiles whose windows may not even hold the halo.

    >>> from jnst.nn.vgg import VGG19_BLOCKS, vgg_geometry
    >>> tiles = cover(vgg_geometry(VGG19_BLOCKS), 300, 200, ["relu5_1"], 256)
    >>> tiles.window, [down for down, _ in tiles.spans]
    ((236, 200), [Span(origin=0, start=0, stop=144), Span(origin=64, start=144, stop=300)])
    """
    layers = tuple(layers)
    least = geometry.least_window(layers)
    if max(height, width) > most and most < least:
        raise ValueError(f"tile must be at least {least} for these layers, got {most}")
    margin, cell = geometry.halo(layers), geometry.stride(layers)
    tall, down = _cut(height, margin, cell, most)
    wide, across = _cut(width, margin, cell, most)
    spans = tuple((rows, columns) for rows in down for columns in across)
    return Tiles((height, width), (tall, wide), spans, margin)


def _cut(extent: int, margin: int, cell: int, most: int) -> tuple[int, list[Span]]:
    """The windows' edge and the spans along one axis."""
    if extent <= most:
        return extent, [Span(0, 0, extent)]
    # In strides. A window has the same rest as the picture, so that one that ends at the border
    # begins at a whole stride, and pooling leaves out the same last row.
    cells, rest = divmod(extent, cell)
    both = 2 * margin // cell
    count = math.ceil((cells - both) / ((most - rest) // cell - both))
    advance = math.ceil((cells - both) / count)
    edge = (both + advance) * cell + rest
    origins = [min(i * advance * cell, extent - edge) for i in range(count)]
    starts = [0, *(origin + margin for origin in origins[1:])]
    return edge, list(map(Span, origins, starts, [*starts[1:], extent]))
