"""One pass from a photograph and paintings to a picture."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jnst._checks import check_choice, check_number
from jnst._programs import program
from jnst.feedforward.adain import AdaIN, at_positions
from jnst.feedforward.matching import MATCHINGS, Map, Spread, blended, map_between, spread_of
from jnst.feedforward.tiling import check_edge, decode, edge_for, encode
from jnst.image.color_setting import COLORS, check_palette, prepare_content, prepare_style
from jnst.image.inputs import check_image, check_images
from jnst.image.masks import Mask, Masks, check_masks, resize_mask
from jnst.image.resizing import resize_styles
from jnst.losses.blending import blend_shares
from jnst.losses.terms import Scalar
from jnst.transfer.job import shown
from jnst.transfer.setting_values import blend_weights
from jnst.transfer.settings import LARGEST_SCALE, SMALLEST_SCALE
from jnst.transfer.tile_checks import AUTO


class Manner(NamedTuple):
    """How `fast` paints; checked.

    Attributes:
      matching: one of `MATCHINGS`.
      strength: in [0, 1].
      style_weights: of the styles; None: all alike.
      style_scale: of the styles, to the content's size.
      colors: as in `jnst.Settings`.
      tile: as for `fast`.
    """

    matching: str = MATCHINGS[0]
    strength: Any = 1.0
    style_weights: Sequence[float] | None = None
    style_scale: float = 1.0
    colors: str = "style"
    tile: int | str | None = AUTO


def fast(
    model: AdaIN,
    content: Float[ArrayLike, "H W 3"],
    style: Float[ArrayLike, "h w 3"] | Sequence[Float[ArrayLike, "_h _w 3"]],
    *,
    matching: str = MATCHINGS[0],
    strength: Scalar = 1.0,
    style_weights: Sequence[float] | None = None,
    style_scale: float = 1.0,
    colors: str = "style",
    palette: Float[ArrayLike, "_h _w 3"] | None = None,
    regions: Mask | Sequence[Mask] | None = None,
    style_regions: Mask | Sequence[Mask | None] | None = None,
    keep: Mask | str | None = None,
    tile: int | str | None = AUTO,
) -> Float[Array, "H W 3"]:
    """Paint the content of one image in the style of another, in one pass.

    A function of arrays: `jax.jit`, `jax.grad` and `jax.vmap` apply, as over several strengths.

    Args:
      model: from `jnst.load_adain`.
      content: the content image, sRGB in [0, 1], of any size.
      style: the style image, likewise; or a list of several, which are blended. They are brought
        to the content's size times `style_scale`.
      matching: `"wasserstein"`: the content's features are moved to the style's by optimal
        transport; `"statistics"`: their channels are given the style's means and deviations, as
        AdaIN has it, which keeps more of the photograph; `"mixed"`: halfway between them.
      strength: 0 leaves the photograph, 1 paints all the way.
      style_weights: one for each style. With regions, how strong each is beside the strongest.
      style_scale: of the brush strokes.
      colors: whose colours: `"style"`, `"luminance"`, `"pca"` or `"cholesky"`, as for
        `jnst.stylize`.
      palette: an image whose colours the styles are given first, as for `jnst.stylize`.
      regions: a mask for each style, which then goes there and nowhere else.
      style_regions: a mask of each style, of what is to count of it; None among them: all.
      keep: a mask of what stays the content's pixels, or `"rest"`: all that no region covers.
      tile: the largest edge in pixels of the windows that larger pictures are painted in, with the
        same result; `"auto"`: windows for what would not fit in the memory; None: never. What is
        traced is painted as a whole.

    Returns:
      The picture, of the content's size, in [0, 1].

    Raises:
      ValueError, TypeError: for an image or a setting that will not do.
    """
    pixels, *styles = _images(content, style)
    check_edge(tile, model)
    manner = check_manner(matching, strength, style_weights, style_scale, colors)
    manner = manner._replace(tile=tile)
    blend_shares(manner.style_weights, len(styles))
    check_palette(colors, palette)
    recolour: Any = palette
    if palette is not None and not _is_traced(palette):
        recolour = check_image("palette", palette, least=1)
    shapes = [image.shape for image in styles]
    masks = check_masks(pixels.shape, shapes, regions, style_regions, keep)
    looks = look_at_styles(model, pixels, styles, manner, recolour, masks)
    return paint(model, pixels, looks, manner, masks)


def check_manner(
    matching: str,
    strength: Any,
    style_weights: Sequence[float] | None,
    style_scale: float,
    colors: str,
) -> Manner:
    """Check the settings of `fast`; raises ValueError or TypeError that names the wrong one."""
    check_choice("matching", matching, MATCHINGS)
    if not _is_traced(strength):
        check_number("strength", strength, least=0, most=1)
    check_number("style_scale", style_scale, least=SMALLEST_SCALE, most=LARGEST_SCALE)
    check_choice("colors", colors, COLORS)
    return Manner(
        matching=matching,
        strength=strength,
        style_weights=None if style_weights is None else blend_weights(style_weights),
        style_scale=float(style_scale),
        colors=colors,
    )


def look_at_styles(
    model: AdaIN,
    content: Float[Array | np.ndarray, "H W 3"],
    styles: Sequence[Float[Array | np.ndarray, "_h _w 3"]],
    manner: Manner,
    palette: Float[Array | np.ndarray, "_h _w 3"] | None = None,
    masks: Masks | None = None,
) -> tuple[Spread, ...]:
    """The spread of each style's features, at the size and with the colours it is to have."""
    prepared = [prepare_style(manner.colors, content, style, palette) for style in styles]
    if not any(map(_is_traced, prepared)):
        prepared = [np.asarray(style) for style in prepared]  # resized as every style is
    height, width, _ = content.shape
    sized = resize_styles(prepared, (height, width), manner.style_scale)
    of_styles = (None,) * len(styles) if masks is None else masks.styles
    looks = []
    for style, mask in zip(sized, of_styles, strict=True):
        counts = None if mask is None else resize_mask(mask, style.shape[:2])
        edge = _edge(manner, model, style)
        if edge is None:
            looks.append(_look(model, style, counts))
        else:
            looks.append(_spread(encode(model, style, edge), counts))
    return tuple(looks)


def paint(
    model: AdaIN,
    content: Float[Array | np.ndarray, "H W 3"],
    looks: Sequence[Spread],
    manner: Manner,
    masks: Masks | None = None,
) -> Float[Array, "H W 3"]:
    """Paint a content in styles that were looked at; see `fast`."""
    shape = content.shape[:2]
    weights = [float(weight) for weight in blend_shares(manner.style_weights, len(looks))]
    regions = None
    whole = sum(weights)
    if masks is not None and masks.regions is not None:
        regions = tuple(resize_mask(region, shape) for region in masks.regions)
        whole = max(weights)
    seen = prepare_content(manner.colors, content)
    shares = jnp.array([weight / whole for weight in weights], jnp.float32)
    edge = _edge(manner, model, content)
    if edge is None:
        image = _paint(
            model, seen, tuple(looks), shares, manner.strength, regions, matching=manner.matching
        )
    else:
        features = encode(model, seen, edge)
        maps, places = _maps(features, tuple(looks), regions, matching=manner.matching)
        on_host = None if places is None else [np.asarray(place) for place in places]
        image = decode(model, features, maps, shares, manner.strength, on_host, edge)
        image = jnp.asarray(image[: shape[0], : shape[1]])
    return shown(manner.colors, content, image, None if masks is None else masks.keep)


@program()
def _look(model: AdaIN, style: Float[Array, "h w 3"], counts: Float[Array, "h w"] | None) -> Spread:
    return spread_of(model.features(style), None if counts is None else at_positions(counts))


@program(static_argnames=("matching",))
def _paint(
    model: AdaIN,
    content: Float[Array, "H W 3"],
    looks: tuple[Spread, ...],
    shares: Float[Array, " S"],
    strength: Scalar,
    regions: tuple[Float[Array, "H W"], ...] | None,
    *,
    matching: str,
) -> Float[Array, "H W 3"]:
    features = model.features(content)
    maps, places = _found(features, looks, regions, matching)
    height, width, _ = content.shape
    moved = blended(features, maps, shares, strength, places)
    return jnp.clip(model.picture(moved, (height, width)), 0, 1)


def _found(
    features: Float[Array, "h w C"],
    looks: tuple[Spread, ...],
    regions: tuple[Float[Array, "H W"], ...] | None,
    matching: str,
) -> tuple[list[Map], list[Float[Array, "h w"]] | None]:
    """The map to each style, and where it applies."""
    if regions is None:
        seen, places = [spread_of(features)] * len(looks), None
    else:
        places = [at_positions(region) for region in regions]
        seen = [spread_of(features, place) for place in places]
    pairs = zip(seen, looks, strict=True)
    return [map_between(ours, theirs, matching) for ours, theirs in pairs], places


@program(static_argnames=("matching",))
def _maps(features: Any, looks: Any, regions: Any, *, matching: str) -> Any:
    return _found(features, looks, regions, matching)


@program()
def _spread(features: Float[Array, "h w C"], counts: Float[Array, "H W"] | None) -> Spread:
    return spread_of(features, None if counts is None else at_positions(counts))


def _edge(manner: Manner, model: AdaIN, image: Any) -> int | None:
    """The edge of windows for an image; None: it is looked at as a whole."""
    if any(map(_is_traced, jax.tree.leaves((model, image, manner.strength)))):
        return None
    return edge_for(manner.tile, model, image.shape)


def _images(content: Any, style: Any) -> list[Any]:
    """The content and the styles: checked, or where they are traced as they are."""
    if not any(map(_is_traced, jax.tree.leaves((content, style)))):
        return [check_image("content", content), *check_images("style", style)]
    styles = list(style) if isinstance(style, list | tuple) else [style]
    for name, image in (("content", content), *(("style", image) for image in styles)):
        if image.ndim != 3 or image.shape[-1] != 3:
            raise ValueError(f"{name} must have the shape (H, W, 3), got {image.shape}")
    return [jnp.asarray(content), *map(jnp.asarray, styles)]


def _is_traced(value: Any) -> bool:
    return isinstance(value, jax.core.Tracer)
