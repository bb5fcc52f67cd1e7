"""Painting with a network that was trained for its styles."""

import os
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._checks import check_choice, check_number
from jnst._programs import program
from jnst.feedforward.painting_strips import check_strip, paint_in_strips, strip_for
from jnst.image.color_setting import prepare_content
from jnst.image.inputs import check_image
from jnst.image.masks import Mask, check_masks
from jnst.losses.terms import Scalar
from jnst.nn.painter import Painter, make_painter
from jnst.nn.painter_discovery import find_painter, open_painter
from jnst.transfer.job import shown
from jnst.transfer.tile_checks import AUTO

PAINTER_COLORS = ("style", "luminance")
"""Whose colours a picture can have: a network's styles cannot be recoloured."""


def load_painter(path: str | os.PathLike[str]) -> Painter:
    """Load a network of `jnst train` or `jnst convert`, or one that comes along.

    Args:
      path: a file, or a name out of `jnst.nn.painter_discovery.bundled()`: that of a style makes
        a network of this style alone.

    Raises:
      ValueError: for any other file or name.
    """
    return make_painter(open_painter(find_painter(path)))


def paint_with(
    painter: Painter,
    content: Float[np.ndarray, "H W 3"],
    *,
    styles: Mapping[str, float] | None = None,
    strength: float = 1.0,
    colors: str = "style",
    keep: Mask | None = None,
    tile: int | str | None = AUTO,
) -> Float[Array, "H W 3"]:
    """Paint an image with a trained network.

    `painter(image, shares)` is the bare function, for `jax.jit`, `jax.vmap` and `jax.grad`.

    Args:
      painter: from `load_painter` or `jnst.feedforward.train`.
      content: sRGB in [0, 1], of any size.
      styles: {name: weight} of the network's styles, of any sum; None: all alike.
      strength: 0 leaves the photograph, 1 paints all the way; between them the two are mixed.
      colors: whose colours: `"style"`, or `"luminance"`, the content's.
      keep: a mask of what stays the content's pixels.
      tile: work in strips of about as many pixels as a square of this edge, with the same result;
        `"auto"`: where the picture would not fit in the memory; None: never.

    Returns:
      The picture, in [0, 1].

    Raises:
      ValueError, TypeError: for an image or a setting that will not do.
      ValueError: for a picture that the device has not the memory for, where `tile` is None.

    >>> import jax
    >>> from jnst.nn.painter import new_painter
    >>> from jnst.nn.painter_file import Architecture
    >>> painter = new_painter(jax.random.key(0), ["waves"], Architecture())  # not trained
    >>> paint_with(painter, np.zeros((30, 41, 3)), styles={"waves": 1.0}).shape
    (30, 41, 3)
    """
    content = check_image("content", content)
    check_number("strength", strength, least=0, most=1)
    check_choice("colors", colors, PAINTER_COLORS)
    shares = shares_of(painter, styles)
    check_strip(tile)
    edge = strip_for(tile, painter, content.shape[:2])
    masks = check_masks(content.shape, [], None, None, keep)
    seen = prepare_content(colors, content)
    if edge is None:
        image = _painted(painter, seen, shares, strength)
    else:
        picture = paint_in_strips(painter, np.asarray(seen), shares, edge).clip(0, 1)
        image = jnp.asarray(seen + strength * (picture - np.asarray(seen)))
    return shown(colors, content, image, None if masks is None else masks.keep)


def shares_of(painter: Painter, styles: Mapping[str, float] | None) -> Float[np.ndarray, " S"]:
    """The share of each style of a network; raises ValueError for one that it has not."""
    wanted = dict.fromkeys(painter.styles, 1.0) if styles is None else dict(styles)
    for name, weight in wanted.items():
        check_choice("styles", name, painter.styles)
        check_number(f"styles: the weight of {name}", weight, least=0)
    whole = sum(wanted.values())
    if whole <= 0:
        raise ValueError("styles: every weight is 0")
    return np.array([wanted.get(name, 0) / whole for name in painter.styles], np.float32)


@program()
def _painted(painter: Painter, content: Any, shares: Any, strength: Scalar) -> Array:
    picture = jnp.clip(painter(content, shares), 0, 1)
    return content + strength * (picture - content)
