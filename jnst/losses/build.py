"""The terms of style transfer, built from a content image and style images.

One way for all: for a run, for the cells of a grid, for shapes alone (under `jax.eval_shape`) and
for other JAX code by `jnst.make_targets`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.image.masks import Masks
from jnst.losses.content import Content, content_term
from jnst.losses.matting import photorealism_term
from jnst.losses.regions import guides_and_shares, style_guides
from jnst.losses.registry import REGISTRY
from jnst.losses.style import StyleTerm, measure_layers, style_term
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
    of_styles = build_style_term(model, styles, shares, masks, recipe)
    of_styles = add_guides(of_styles, model, masks, shares, content.shape[-3:-1])
    variation = variation_term(content.shape, recipe.weighing, roughness(styles, shares))
    terms: list[Term] = [build_content_term(model, content, recipe), of_styles, variation]
    if recipe.photorealism:
        terms.append(photorealism_term(content, recipe.weighing))
    return tuple(terms)


def build_content_term(
    model: Backbone, content: Float[Array, "*batch H W 3"], recipe: Recipe
) -> Content:
    """The content term of a content image."""
    layers = recipe.content_layers
    return content_term(model(content, layers), equal_weights(layers), recipe.weighing)


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
