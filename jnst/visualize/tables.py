"""Sheets of labelled pictures, drawn from arrays: rows, columns, words beside them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jnst.image.lettering import text_size, write_text
from jnst.image.pictures import resize_picture

GAP = 8
INK = 0.15, 0.15, 0.15
MOST_TILES = 1024
"""Pictures on a sheet: with more of them nobody would see anything."""


class Row(NamedTuple):
    """A row of a table of pictures.

    Attributes:
      title: what stands at its left, in one line or several.
      pictures: (h, w, 3) each, sRGB in [0, 1].
      labels: what stands under each.
    """

    title: str
    pictures: Sequence[Float[np.ndarray, "_h _w 3"]]
    labels: Sequence[str]


def check_tiles(count: int, name: str) -> None:
    """Raise ValueError for more pictures than a sheet can show."""
    if count > MOST_TILES:
        raise ValueError(f"{name}: a sheet shows at most {MOST_TILES} pictures, not {count}")


def table_of(
    rows: Sequence[Row], *, edge: int = 512, heading: str = ""
) -> Float[np.ndarray, "H W 3"]:
    """Draw rows of pictures, each with a label under it, as one picture.

    Args:
      rows: at least one.
      edge: the long edge of a picture, which is scaled down to it where it is larger.
      heading: a line above all.

    Raises:
      ValueError: for more pictures than `MOST_TILES`.
    """
    check_tiles(sum(len(row.pictures) for row in rows), "sheet")
    shown = [[_reduced(picture, edge) for picture in row.pictures] for row in rows]
    largest = max(max(picture.shape[:2]) for row in shown for picture in row)
    points = max(11, min(20, largest // 14))
    line = text_size("x", points)[0] + GAP // 2
    words = [text_size(text, points)[1] for row in rows for text in row.title.splitlines()]
    left = max(words) + 2 * GAP if words else GAP
    columns = max(len(row) for row in shown)
    widths = [
        max(
            max(picture.shape[1], text_size(label, points)[1])
            for number, row in enumerate(shown)
            if column < len(row)
            for picture, label in [(row[column], rows[number].labels[column])]
        )
        for column in range(columns)
    ]
    heights = [max(picture.shape[0] for picture in row) for row in shown]
    top = GAP + (line + GAP if heading else 0)
    width = max(left + sum(widths) + GAP * columns, text_size(heading, points)[1] + 2 * GAP)
    canvas = np.ones((top + sum(heights) + len(rows) * (line + GAP), width, 3), np.float32)
    if heading:
        write_text(canvas, heading, (GAP, GAP), points, INK)
    for row, pictures, height in zip(rows, shown, heights, strict=True):
        title = row.title.splitlines()
        for number, text in enumerate(title):
            at = top + height // 2 + round((number - len(title) / 2) * line), GAP
            write_text(canvas, text, at, points, INK)
        x = left
        for picture, label, wide in zip(pictures, row.labels, widths, strict=False):
            h, w, _ = picture.shape
            left_of = x + (wide - w) // 2
            canvas[top + height - h : top + height, left_of : left_of + w] = picture
            middle = x + (wide - text_size(label, points)[1]) // 2
            write_text(canvas, label, (top + height + GAP // 4, middle), points, INK)
            x += wide + GAP
        top += height + line + GAP
    return canvas


def _reduced(picture: Float[np.ndarray, "h w 3"], edge: int) -> Float[np.ndarray, "_h _w 3"]:
    picture = np.asarray(picture, np.float32)
    if max(picture.shape) <= edge:
        return picture
    return resize_picture(picture, None, edge).pixels


def in_rows(pictures: Sequence[Float[np.ndarray, "h w 3"]], labels: Sequence[str]) -> list[Row]:
    """Pictures with their labels in as many rows as make the table about as wide as it is high."""
    height, width, _ = pictures[0].shape
    columns = max(1, min(len(pictures), round(math.sqrt(len(pictures) * 1.4 * height / width))))
    return [
        Row("", pictures[n : n + columns], labels[n : n + columns])
        for n in range(0, len(pictures), columns)
    ]
