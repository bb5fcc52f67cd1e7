"""What a generated image is compared with, computed once from content and style."""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._checks import check_choice, check_same_length
from jnst.image.masks import Mask, Masks, gather_masks, resize_mask
from jnst.losses.gram import content_loss, gram_matrix
from jnst.losses.matting import Matting, make_matting
from jnst.losses.moments import Seen, blend, guided, moments, side_by_side
from jnst.losses.normalization import (
    WEIGHINGS,
    content_average,
    matting_scale,
    roughness,
    scale,
    variation_scale,
)
from jnst.losses.regions import Guides, Regions, guidance, make_regions
from jnst.losses.style_losses import GRAM, STYLE_LOSSES, StyleTarget, energy, style_target
from jnst.nn.vgg import VGG19, check_layers

CONTENT_LAYERS = ("relu4_2",)
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
Scalar = Array | float
ContentHalf = tuple[dict[str, Array], dict[str, Array]]
"""What is compared with, and factors, by layer."""
StyleHalf = tuple[dict[str, StyleTarget], dict[str, Array], Float[Array, "*batch"]]
"""Likewise, and the roughness of the styles."""


class Targets(NamedTuple):
    """What the generated image is compared with, computed once from content and style.

    Attributes:
      content: {layer: features} of the content image, P.
      style: {layer: what the style loss compares with}; for `"gram"` the Gram matrix of the style
        image, A.
      content_scale: {layer: factor} of each layer's content loss.
      style_scale: {layer: factor} of each layer's style loss.
      variation_scale: factor of the total variation.
      matting_scale: factor of the matting loss.
      matting: what the content contributes to the matting loss; None: there is no such term.
      regions: where each style counts, and what is kept; None: one style everywhere. Else what is
        compared of a layer's style, and its factor, have an axis of the regions before their own.
    """

    content: dict[str, Float[Array, "*batch _h _w _c"]]
    style: dict[str, StyleTarget]
    content_scale: dict[str, Float[Array, "*batch"]]
    style_scale: dict[str, Float[Array, "*batch"]]
    variation_scale: Float[Array, "*batch"]
    matting_scale: Float[Array, "*batch"]
    matting: Matting | None = None
    regions: Regions | None = None


def make_targets(
    model: VGG19,
    content: Float[Array | np.ndarray, "*batch H W 3"],
    style: Float[Array | np.ndarray, "*batch h w 3"]
    | Sequence[Float[Array | np.ndarray, "*batch _h _w 3"]],
    *,
    content_layers: Sequence[str] = CONTENT_LAYERS,
    style_layers: Sequence[str] = STYLE_LAYERS,
    weighing: str = "relative",
    style_loss: str = GRAM,
    style_weights: Sequence[Scalar | int] | None = None,
    photorealism: bool = False,
    regions: Mask | Sequence[Mask] | None = None,
    style_regions: Mask | Sequence[Mask | None] | None = None,
    keep: Mask | None = None,
) -> Targets:
    """The targets of a content and a style image.

    Args:
      model: the network.
      content: the content image, sRGB in [0, 1]; the generated image will have its size.
      style: the style image, of any size, or a list of several, whose moments are averaged.
      content_layers: where the content is compared.
      style_layers: where the style is compared.
      weighing: `"paper"`: every term as the paper has it. `"relative"`: every term divided by its
        own target's energy, so that it is 0 for a perfect match and 1 for an empty image, the total
        variation so that it is 1 for an image as rough as the style, and the matting loss by the
        number of pixel values; alpha, beta, gamma and photorealism then mean the same for every
        family of weights, size and picture. `"mean"`: every term as a mean of squares, that of the
        features, of the Gram matrices, and the terms of the pixels divided by their number; this is
        how most other programs weigh.
      style_loss: one of `STYLE_LOSSES`; see `jnst.Settings`, whose default is another: here it is
        the paper's.
      style_weights: how much each of several style images counts; None: all the same.
      photorealism: whether there is the term of that name, the matting loss of the content.
      regions, style_regions, keep: masks, as for `jnst.stylize`, which checks them; here they may
        be traced, and their values are taken as they are.

    Returns:
      The targets, a pytree of arrays.

    Raises:
      ValueError: for an unknown layer, weighing or style loss, or weights or masks of another
        number than the style images.
    """
    check_choice("weighing", weighing, WEIGHINGS)
    check_choice("style_loss", style_loss, STYLE_LOSSES)
    shape = jnp.shape(content)[-3:]
    styles = tuple(style) if isinstance(style, list | tuple) else (style,)
    shares = blend_shares(style_weights, len(styles))
    masks = gather_masks(len(styles), regions, style_regions, keep)
    return put_together(
        content_targets(model, content, content_layers, weighing),
        style_targets(model, styles, shares, style_layers, weighing, style_loss, masks),
        shape,
        weighing,
        make_matting(content) if photorealism else None,
        masks and make_regions(masks, jnp.asarray(content), shares, style_layers),
    )


def put_together(
    content: ContentHalf,
    style: StyleHalf,
    shape: tuple[int, ...],
    weighing: str,
    matting: Matting | None,
    regions: Regions | None,
) -> Targets:
    """The targets of a content of this (height, width, channels), from its half and the styles'."""
    features, content_scale = content
    compared, style_scale, rough = style
    return Targets(
        content=features,
        style=compared,
        content_scale=content_scale,
        style_scale=style_scale,
        variation_scale=variation_scale(shape, weighing, rough),
        matting_scale=jnp.full_like(rough, matting_scale(shape, weighing)),
        matting=matting,
        regions=regions,
    )


def blend_shares(weights: Sequence[Scalar | int] | None, count: int) -> tuple[Scalar | int, ...]:
    """A weight for each of `count` style images; raises ValueError where there are not as many."""
    if weights is None:
        return (1.0,) * count
    check_same_length("style_weights", "weight", weights, count)
    return tuple(weights)


def content_targets(
    model: VGG19,
    content: Float[Array | np.ndarray, "*batch H W 3"],
    layers: Sequence[str],
    weighing: str,
) -> ContentHalf:
    """The content image's half of `make_targets`: features and factors by layer."""
    layers = check_layers("content_layers", layers)
    features = model(jnp.asarray(content), layers)
    return features, {
        name: scale(
            content_loss(of_layer, jnp.zeros_like(of_layer)),
            weighing,
            content_average(of_layer.shape),
        )
        for name, of_layer in features.items()
    }


def style_targets(
    model: VGG19,
    styles: Sequence[Float[Array | np.ndarray, "*batch _h _w 3"]],
    shares: Sequence[Scalar | int],
    layers: Sequence[str],
    weighing: str,
    style_loss: str,
    masks: Masks | None = None,
) -> StyleHalf:
    """The style images' half of `make_targets`: what is compared with and factors by layer, and how
    rough they are."""
    layers = check_layers("style_layers", layers)
    means = style_loss != GRAM
    each = [
        seen_of(model, model(jnp.asarray(style), layers), means=means, guides=guides)
        for style, guides in zip(styles, style_guides(styles, masks, layers), strict=True)
    ]
    axis = jnp.ndim(styles[0]) - 3
    halves = compared_and_scales(each, shares, weighing, style_loss, apart(masks), axis)
    return *halves, roughness(styles, shares)


def style_guides(
    styles: Sequence[Float[Array | np.ndarray, "*batch _h _w 3"]],
    masks: Masks | None,
    layers: Sequence[str],
) -> list[Guides | None]:
    """T of each style image as the only region of it; None for all where there are no masks."""
    if masks is None:
        return [None] * len(styles)
    shapes = [jnp.shape(style)[-3:-1] for style in styles]
    sized = [
        jnp.ones(shape, jnp.float32) if mask is None else resize_mask(mask, shape)
        for mask, shape in zip(masks.styles, shapes, strict=True)
    ]
    return [guidance(mask[None], layers) for mask in sized]


def apart(masks: Masks | None) -> bool:
    """Whether each style image has a region of its own, so that they are not blended."""
    return masks is not None and masks.regions is not None


def compared_and_scales(
    each: Sequence[Mapping[str, Seen]],
    shares: Sequence[Scalar | int],
    weighing: str,
    style_loss: str,
    regional: bool,
    axis: int = 0,
) -> tuple[dict[str, StyleTarget], dict[str, Array]]:
    """What the generated image's moments are compared with, and the factors, by layer.

    Args:
      each: {layer: moments} of every style image.
      shares: how much each counts where they are blended.
      weighing: one of `WEIGHINGS`.
      style_loss: one of `STYLE_LOSSES`.
      regional: each has a region of its own, so that they are not blended.
      axis: of the regions.
    """
    seen = side_by_side(each, axis) if regional else blend(each, shares)
    targets = {name: style_target(of_layer, style_loss) for name, of_layer in seen.items()}
    averaging = 4.0 if style_loss == GRAM else 1.0  # `jnst.style_loss` is a quarter of a mean
    return targets, {
        name: scale(energy(of_layer, targets[name]), weighing, averaging)
        for name, of_layer in seen.items()
    }


matting_of = jax.jit(make_matting)
regions_of = jax.jit(make_regions, static_argnames="layers")
roughness_of = jax.jit(roughness)


def needs_means(of_layers: Mapping[str, StyleTarget | Seen]) -> bool:
    """Whether a style loss with such targets, or slopes, sees more than Gram matrices."""
    return any(isinstance(of_layer, tuple) for of_layer in of_layers.values())


def seen_of(
    model: VGG19,
    features: Mapping[str, Float[Array, "*batch _h _w _c"]],
    *,
    means: bool,
    guides: Guides | None = None,
) -> dict[str, Seen]:
    """What the style loss sees of each layer: both moments, or but Gram matrices, which then are
    computed as precisely as the model's features are. With guides, those of every region, along an
    axis before their own."""

    def see(of_layer: Array, guide: Array | None = None) -> Seen:
        if means:
            return moments(of_layer, guide, rows_apart=model.rows_apart)
        return gram_matrix(guided(of_layer, guide), rows_apart=model.rows_apart)

    exact = model.precision == "highest"
    with jax.default_matmul_precision("highest") if exact else contextlib.nullcontext():
        if guides is None:
            return {name: see(of_layer) for name, of_layer in features.items()}

        def see_regions(of_layer: Array, guides: Array) -> Seen:
            # In a loop, and anew for the gradient: the guided features of all regions together
            # would take the memory of as many networks.
            each = jax.lax.map(jax.checkpoint(functools.partial(see, of_layer)), guides)
            return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, of_layer.ndim - 3), each)

        return {name: see_regions(of_layer, guides[name]) for name, of_layer in features.items()}
