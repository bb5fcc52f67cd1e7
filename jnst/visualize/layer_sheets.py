"""Feature maps as pictures: sheets of channels, heat maps, principal components, Gram matrices."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jnst.image.lettering import text_size, write_text
from jnst.image.resampling import resize_on_host
from jnst.visualize.features import LayerMaps
from jnst.visualize.tables import GAP, check_tiles

SHEET_EDGE = 2048
"""Pixels along a sheet, roughly, where its tiles would be smaller without being enlarged."""
LARGEST_SHEET = 6000
"""Pixels along a sheet at most, roughly: of larger maps every so many positions are shown."""
PERCENTILE_OF_GRAM = 99.9
"""Of the roots of a Gram matrix, what is shown as hot."""
GROUND, WORDS, SILENT = (0.13, 0.14, 0.17), (0.8, 0.8, 0.8), (1.0, 0.35, 0.3)
HEAT = np.array(
    [
        (0.00, 0.00, 0.02),
        (0.26, 0.04, 0.41),
        (0.58, 0.15, 0.40),
        (0.87, 0.32, 0.23),
        (0.99, 0.65, 0.04),
        (0.99, 1.00, 0.64),
    ],
    np.float32,
)
"""Colours of a heat map from cold to hot, evenly spaced; their lightness rises throughout."""


def grey_levels(
    values: Float[np.ndarray, "*shape"], scale: Any, signed: bool
) -> Float[np.ndarray, "*shape"]:
    """Features as grey in [0, 1]: 0 is black, or middle grey where there are negative ones."""
    levels = values / scale
    return np.clip((levels + 1) / 2 if signed else levels, 0, 1)


def chosen_channels(maps: LayerMaps, top: int | None, order: str) -> Int[np.ndarray, " n"]:
    """The numbers of the channels that a sheet shows: the first, or those of highest variance."""
    channels = maps.ordered(order)[: maps.channels if top is None else top]
    check_tiles(len(channels), f"{maps.layer} without top" if top is None else "top")
    return channels


def channel_sheet(
    each: Sequence[LayerMaps],
    *,
    top: int | None = None,
    order: str = "number",
    by_channel: bool = False,
) -> Float[np.ndarray, "H W 3"]:
    """Draw the channels of a layer as tiles, the number of each under it.

    A tile is the array itself, each of its positions a square of whole pixels. All tiles have one
    scale, so that they can be compared, and the maps of several pictures stand side by side in one.
    Channels that are 0 all over are marked.

    Args:
      each: the layer's maps of one picture, or of several of the same shape.
      top: how many channels; None: all.
      order: `"number"` or `"variance"`, of the first picture's maps.
      by_channel: scale each channel by itself instead.

    Raises:
      ValueError: for more channels than a sheet can show, or another order.
    """
    first = each[0]
    channels = chosen_channels(first, top, order)
    values = np.stack([maps.values[..., channels] for maps in each])
    signed = bool((values < 0).any())
    scale: Any
    if by_channel:
        largest = np.abs(values).max(axis=(0, 1, 2))
        scale = np.where(largest > 0, largest, 1)
    else:
        scale = max(maps.scale for maps in each)
    count, height, width = len(each), *values.shape[1:3]
    columns = best_columns(len(channels), height, count * width)
    rows = math.ceil(len(channels) / columns)
    enlarged, every = tile_factor(max(rows * height, columns * count * width))
    values = grey_levels(values[:, ::every, ::every], scale, signed)
    silent = np.logical_and.reduce([maps.silent[channels] for maps in each])
    tiles = np.concatenate([*np.moveaxis(values, -1, 1)], axis=-1)  # (channels, height, widths)
    tiles = tiles.repeat(enlarged, axis=1).repeat(enlarged, axis=2)
    points = max(9, min(16, tiles.shape[2] // 8), tiles.shape[2] // 18)
    pitch = tiles.shape[1] + text_size("0", points)[0] + GAP // 2, tiles.shape[2] + GAP // 2
    shape = rows * pitch[0] + GAP // 2, columns * pitch[1] + GAP // 2, 3
    sheet = np.full(shape, np.array(GROUND, np.float32))
    for place, (tile, channel) in enumerate(zip(tiles, channels, strict=True)):
        y, x = (GAP // 2 + n * p for n, p in zip(divmod(place, columns), pitch, strict=True))
        there = sheet[y : y + tile.shape[0], x : x + tile.shape[1]]
        there[...] = tile[..., None]
        color = WORDS
        if silent[place]:
            color = SILENT
            there[[0, -1]] = there[:, [0, -1]] = SILENT
        write_text(sheet, str(channel), (y + tile.shape[0], x), points, color)
    return sheet


def best_columns(count: int, height: int, width: int) -> int:
    """Columns that make a sheet of tiles of this shape about square, its last row full if possible.

    >>> best_columns(64, 512, 437), best_columns(5, 12, 16)
    (8, 2)
    """
    square = max(1, min(count, round(math.sqrt(count * height / width))))
    near = range(math.ceil(0.8 * square), math.floor(1.25 * square) + 1)
    full = [columns for columns in near if count % columns == 0]
    return min(full, key=lambda columns: abs(columns - square), default=square)


def tile_factor(edge: int) -> tuple[int, int]:
    """How often each position is repeated, and every how many positions one is shown.

    Args:
      edge: of all tiles together, in positions, along the sheet's longer side.

    >>> tile_factor(8 * 512), tile_factor(23 * 32), tile_factor(8 * 2048)
    ((1, 1), (2, 1), (1, 3))
    """
    return max(1, SHEET_EDGE // edge), max(1, math.ceil(edge / LARGEST_SHEET))


def heat_colors(values: Float[np.ndarray, "H W"], most: float) -> Float[np.ndarray, "H W 3"]:
    """Numbers from 0 to `most` as the colours of a heat map."""
    places = np.clip(values / (most or 1), 0, 1) * (len(HEAT) - 1)
    low = np.minimum(places.astype(int), len(HEAT) - 2)
    share = (places - low)[..., None]
    return (HEAT[low] * (1 - share) + HEAT[low + 1] * share).astype(np.float32)


def heat_overlay(
    heat: Float[np.ndarray, "h w"], photo: Float[np.ndarray, "H W 3"], most: float
) -> Float[np.ndarray, "H W 3"]:
    """A heat map laid over the photograph: its colours, with the photograph's light and shade."""
    colors = enlarged_to(heat_colors(heat, most), photo.shape[:2])
    light = photo.mean(axis=-1, keepdims=True)
    return np.clip(0.7 * colors + 0.3 * light, 0, 1)


def component_colors(
    each: Sequence[Float[np.ndarray, "h w 3"]],
) -> list[Float[np.ndarray, "h w 3"]]:
    """Three principal components as red, green and blue about grey: each by its own spread.

    The spread is that of the first picture, so that colours of several mean the same.
    """
    spread = each[0].std(axis=(0, 1))
    scale = 4 * np.where(spread > 0, spread, 1)
    return [np.clip(0.5 + components / scale, 0, 1) for components in each]


def gram_colors(
    each: Sequence[Float[np.ndarray, "C C"]], least: int = 384
) -> list[Float[np.ndarray, "_C _C 3"]]:
    """Gram matrices as pictures in one scale, enlarged to at least so many pixels.

    Their roots are shown, with their sign about middle grey where there are negative entries: a few
    pairs of channels are far stronger than all others.
    """
    roots = np.sign(each) * np.sqrt(np.abs(each))
    most = float(np.percentile(np.abs(roots), PERCENTILE_OF_GRAM)) or float(roots.max()) or 1.0
    if (roots < 0).any():
        roots = (roots + most) / 2
    factor = max(1, math.ceil(least / roots.shape[-1]))
    return [
        heat_colors(of_picture, most).repeat(factor, axis=0).repeat(factor, axis=1)
        for of_picture in roots
    ]


def enlarged_to(
    image: Float[np.ndarray, "h w 3"], shape: Sequence[int]
) -> Float[np.ndarray, "H W 3"]:
    """A picture of positions at the size of the photograph: each position a rectangle, unsmoothed.

    A picture that is larger is reduced.
    """
    height, width = shape
    if image.shape[0] > height or image.shape[1] > width:
        return resize_on_host(image, (height, width))
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    return image[rows[:, None], columns]
