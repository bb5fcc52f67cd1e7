"""The terms of style transfer, built from a content image and style images.

One way for all: for a run, for the cells of a grid, for shapes alone (under `jax.eval_shape`) and
for other JAX code by `jnst.make_targets`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jnst.image.masks import Masks
from jnst.losses.blending import blend
from jnst.losses.content import Content, Energy, content_term, relative_to_style
from jnst.losses.matting import make_matting, photorealism_term
from jnst.losses.objectives import within
from jnst.losses.regions import guides_and_shares, style_guides
from jnst.losses.registry import REGISTRY
from jnst.losses.style import StyleTerm, measure_layers, relative_scales, style_term
from jnst.losses.terms import Scalar, Term, replace
from jnst.losses.variation import roughness, variation_term
from jnst.nn.backbone import Backbone

CONTENT_LAYERS = ("relu4_2",)
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


class Recipe(NamedTuple):
    """What decides the structure of the terms, and so what is compiled; hashable.

    Attributes:
      content_layers, style_layers: where content and style are compared.
      style_loss: its name, as in `jnst.losses.registry`.
      weighing: one of `jnst.losses.normalization.WEIGHINGS`.
      photorealism: whether there is that term.
    """

    content_layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    style_loss: str
    weighing: str
    photorealism: bool = False

    @property
    def loss(self) -> type[StyleTerm]:
        """The style loss."""
        return REGISTRY[self.style_loss]


def equal_weights(layers: Sequence[str]) -> dict[str, Scalar]:
    """1 for each layer, until a run's own weights take their place."""
    return dict.fromkeys(layers, np.float32(1))


def build_terms(
    model: Backbone,
    content: Float[Array, "*batch H W 3"],
    styles: Sequence[Float[Array | np.ndarray, "*batch _h _w 3"]],
    shares: Sequence[Scalar | int],
    masks: Masks | None,
    recipe: Recipe,
) -> tuple[Term, ...]:
    """All terms of style transfer, of weights that are to be set yet.

    Args:
      model: the network.
      content: the content image; the generated image will have its size.
      styles: the style images, of any size.
      shares: how much each style image counts.
      masks: the regions, of any size; None: there are none.
      recipe: which terms, and how they are weighed.
    """
    of_content = build_content_term(model, content, recipe)
    of_styles = build_style_term(model, styles, shares, masks, recipe)
    of_styles = add_guides(of_styles, model, masks, shares, content.shape[-3:-1])
    if recipe.weighing == "relative":
        energies = style_energies(model, styles, shares, recipe)
        of_content, of_styles = relate(model, content, of_content, of_styles, energies)
    rough, content_rough = roughness(styles, shares), roughness([content], [1.0])
    variation = variation_term(content.shape, recipe.weighing, rough, content_rough)
    terms: list[Term] = [of_content, of_styles, variation]
    if recipe.photorealism:
        matting = make_matting(content)
        terms.append(photorealism_term(matting, content.shape, recipe.weighing))
    return tuple(terms)


def build_content_term(
    model: Backbone,
    content: Float[Array, "*batch H W 3"],
    recipe: Recipe,
    extent: Int[Array, "2"] | None = None,
) -> Content:
    """The content term of a content image."""
    layers = recipe.content_layers
    features, positions = model(content, layers), None
    if extent is not None:
        features, positions = within(features, model, extent)
    return content_term(features, equal_weights(layers), recipe.weighing, positions)


def build_style_term(
    model: Backbone,
    styles: Sequence[Float[Array | np.ndarray, "*batch _h _w 3"]],
    shares: Sequence[Scalar | int],
    masks: Masks | None,
    recipe: Recipe,
    *,
    keep_rows: bool = False,
) -> StyleTerm:
    """The style term of style images, as yet without the regions of the picture.

    Args:
      model: the network.
      styles: the style images, of any size.
      shares: how much each style image counts.
      masks: the regions, of any size; None: there are none.
      recipe: which terms, and how they are weighed.
      keep_rows: the rows of the styles are split over devices and stay where they are.
    """
    layers, exact = recipe.style_layers, is_exact(model)
    shapes = [jnp.shape(style)[-3:-1] for style in styles]
    guides = style_guides(masks, shapes, strides_of(model, layers))
    each = [
        measure_layers(
            recipe.loss,
            model(jnp.asarray(style), layers),
            of_mask,
            exact=exact,
            keep_rows=keep_rows,
        )
        for style, of_mask in zip(styles, guides, strict=True)
    ]
    return assemble_style(each, shares, masks, recipe, exact, axis=jnp.ndim(styles[0]) - 3)


def style_energies(
    model: Backbone,
    styles: Sequence[Float[Array | np.ndarray, "*batch _h _w 3"]],
    shares: Sequence[Scalar | int],
    recipe: Recipe,
) -> dict[str, Float[Array, "*batch"]]:
    """{content layer: energy per position} of style images, averaged by their shares."""
    measuring = Energy(weights=equal_weights(recipe.content_layers))
    each = [
        measuring.statistics(model(jnp.asarray(style), recipe.content_layers)) for style in styles
    ]
    return blend(each, shares)


def relate(
    model: Backbone,
    image: Float[Array, "*batch H W 3"],
    content: Content,
    style: StyleTerm,
    energies: Mapping[str, Float[Array, "*batch"]],
    extent: Int[Array, "2"] | None = None,
) -> tuple[Content, StyleTerm]:
    """Give both terms the units of relative weighing, which both pictures decide.

    Args:
      model: the network.
      image: the content image.
      content: its term.
      style: the style term, with the picture's regions.
      energies: of `style_energies`.
      extent: (height, width) of the picture at the upper left of the image; None: all of it.
    """
    layers = tuple(dict.fromkeys((*content.layers, *style.layers)))
    features = dict(model(image, layers))
    positions: dict[str, Any] = {
        name: math.prod(of_layer.shape[-3:-1]) for name, of_layer in features.items()
    }
    if extent is not None:
        features, positions = within(features, model, extent)
    # With positions, so that it is moments that are measured, of which there can be targets.
    measured = style.statistics(features, positions)
    return (
        relative_to_style(content, energies, positions),
        replace(style, scales=relative_scales(style, measured)),
    )


def assemble_style(
    each: Sequence[Mapping[str, object]],
    shares: Sequence[Scalar | int],
    masks: Masks | None,
    recipe: Recipe,
    exact: bool,
    axis: int = 0,
) -> StyleTerm:
    """The style term of what was measured of every style image; see `style_term`."""
    return style_term(
        recipe.loss,
        each,
        shares,
        equal_weights(recipe.style_layers),
        weighing=recipe.weighing,
        regional=masks is not None and masks.regions is not None,
        axis=axis,
        exact=exact,
    )


def add_guides(
    style: StyleTerm,
    model: Backbone,
    masks: Masks | None,
    shares: Sequence[Scalar | int],
    shape: tuple[int, ...],
) -> StyleTerm:
    """The style term with the regions of a picture of this (height, width)."""
    if masks is None:
        return style
    strides = strides_of(model, style.layers)
    guides, of_regions = guides_and_shares(masks, shape, shares, strides)
    return replace(style, guides=guides, shares=of_regions)


def strides_of(model: Backbone, layers: Sequence[str]) -> dict[str, int]:
    """{layer: pixels along one axis of a position}."""
    return {layer: model.geometry.stride_of(layer) for layer in layers}


def is_exact(model: Backbone) -> bool:
    """Whether what follows from the network's features is to be as precise as float32."""
    return getattr(model, "precision", "") == "highest"


def positions_of(model: Backbone, layers: Sequence[str], shape: tuple[int, ...]) -> dict[str, int]:
    """{layer: positions} of a picture of this (height, width)."""
    return {
        layer: math.prod(edge // stride for edge in shape[:2])
        for layer, stride in strides_of(model, layers).items()
    }
