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
from jnst.image.color import METHODS, match_colors
from jnst.image.color_setting import COLORS, prepare_content
from jnst.image.inputs import check_image
from jnst.image.masks import Mask, Masks, check_mask, check_masks, resize_mask
from jnst.losses.terms import Scalar
from jnst.nn.painter import Painter, make_painter
from jnst.nn.painter_discovery import find_painter, open_painter
from jnst.transfer.job import shown
from jnst.transfer.tile_checks import AUTO


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
    regions: Mapping[str, Mask] | None = None,
    keep: Mask | str | None = None,
    tile: int | str | None = AUTO,
) -> Float[Array, "H W 3"]:
    """Paint an image with a trained network.

    `painter(image, shares)` is the bare function, for `jax.jit`, `jax.vmap` and `jax.grad`.

    Args:
      painter: from `load_painter` or `jnst.feedforward.train`.
      content: sRGB in [0, 1], of any size.
      styles: {name: weight} of the network's styles, of any sum; None: all alike. With regions,
        how strong each is beside the strongest.
      strength: 0 leaves the photograph, 1 paints all the way; between them the two are mixed.
      colors: whose colours: `"style"` or `"free"`, the network's; or the content's: `"luminance"`,
        place by place, `"pca"` or `"cholesky"`, as a whole: what is painted is given them by a
        method of `jnst.match_colors`, what regions and `keep` cover included.
      regions: {name: mask} of the network's styles, each of which then goes there and nowhere else;
        all in the same pass. Where several overlap, they share the place.
      keep: a mask of what stays the content's pixels, or `"rest"`: all that no region covers, as
        it does anyway.
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
    check_choice("colors", colors, COLORS)
    check_strip(tile)
    edge = strip_for(tile, painter, content.shape[:2], regions=regions is not None)
    shares, covered = shares_of(painter, _checked_styles(styles, regions)), None
    masks = _checked_masks(content.shape, regions, keep)
    if regions is not None and masks is not None and masks.regions is not None:
        named = dict(zip(regions, masks.regions, strict=True))
        shares, covered = places_of(painter, shares, named, content.shape[:2])
    seen = prepare_content(colors, content)
    if edge is None:
        image = _painted(painter, seen, shares, strength, covered, colors=colors)
    else:
        picture = paint_in_strips(painter, np.asarray(seen), np.asarray(shares), edge)
        image = _mixed(jnp.asarray(seen), jnp.asarray(picture), strength, covered, colors=colors)
    return shown(colors, content, image, None if masks is None else masks.keep)


def shares_of(painter: Painter, styles: Mapping[str, float] | None) -> Float[np.ndarray, " S"]:
    """The share of each style of a network.

    Raises:
      ValueError, TypeError: for a style that it has not, and for what are no weights.
    """
    if not isinstance(styles, Mapping | None):
        raise TypeError(f"styles must be {{style: weight}}, got {type(styles).__name__}")
    wanted = dict.fromkeys(painter.styles, 1.0) if styles is None else dict(styles)
    for name, weight in wanted.items():
        check_choice("styles", name, painter.styles)
        check_number(f"styles: the weight of {name}", weight, least=0)
    whole = sum(wanted.values())
    if whole <= 0:
        raise ValueError("styles: every weight is 0")
    return np.array([wanted.get(name, 0) / whole for name in painter.styles], np.float32)


def _checked_styles(
    styles: Mapping[str, float] | None, regions: Mapping[str, Mask] | None
) -> Mapping[str, float] | None:
    """The styles, those of regions if none are named; raises ValueError or TypeError."""
    if regions is None:
        return styles
    if not isinstance(regions, Mapping):
        raise TypeError(f"regions must be {{style: mask}}, got {type(regions).__name__}")
    if not regions:
        raise ValueError("regions must have a mask for at least one style")
    if styles is not None and set(styles) != set(regions):
        these, those = (", ".join(map(str, names)) or "none" for names in (regions, styles))
        raise ValueError(f"regions must be of the styles that are chosen, {those}, got {these}")
    return dict.fromkeys(regions, 1.0) if styles is None else styles


def _checked_masks(
    content: tuple[int, ...], regions: Mapping[str, Mask] | None, keep: Mask | str | None
) -> Masks | None:
    if regions is None:
        return check_masks(content, [], None, None, keep)
    masks = [
        check_mask(f"regions[{name!r}]", mask, "the content", content)
        for name, mask in regions.items()
    ]
    return check_masks(content, [content] * len(masks), masks, None, keep)


@program(static_argnames=("shape",))
def places_of(
    painter: Painter,
    shares: Float[Array, " S"],
    regions: Mapping[str, Mask],
    shape: tuple[int, int],
) -> tuple[Float[Array, "H W S"], Float[Array, "H W 1"]]:
    """Where each style of a network goes.

    Args:
      painter: the network.
      shares: of its styles: how strong each is beside the strongest.
      regions: {style: mask}.
      shape: height and width of the picture.

    Returns:
      The styles' shares of every pixel, and how much of it is painted.
    """
    masks = {name: resize_mask(mask, shape) for name, mask in regions.items()}
    crowd = jnp.maximum(sum(masks.values()), 1)
    nowhere = jnp.zeros(shape, jnp.float32)
    there = jnp.stack([masks.get(name, nowhere) / crowd for name in painter.styles], axis=-1)
    there = there * (shares / jnp.max(shares))
    covered = jnp.sum(there, axis=-1, keepdims=True)
    painted = covered > 0
    return jnp.where(painted, there / jnp.where(painted, covered, 1), shares), covered


@program(static_argnames=("colors",))
def _painted(
    painter: Painter, content: Any, shares: Any, strength: Scalar, covered: Any, *, colors: str
) -> Float[Array, "H W 3"]:
    return _mixed(content, painter(content, shares), strength, covered, colors=colors)


@program(static_argnames=("colors",))
def _mixed(
    content: Any, picture: Any, strength: Scalar, covered: Any, *, colors: str
) -> Float[Array, "H W 3"]:
    """The picture in the colours that it is to have, mixed with the content."""
    share = strength if covered is None else strength * covered
    picture = jnp.clip(picture, 0, 1)
    if colors in METHODS:
        picture = jnp.clip(match_colors(picture, content, method=colors), 0, 1)
    return content + share * (picture - content)
