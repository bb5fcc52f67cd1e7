"""The terms of style transfer, built from a content image and style images.

One way for all: for a run, for the cells of a grid, for shapes alone (under `jax.eval_shape`) and
for other JAX code by `jnst.make_targets`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jnst.image.masks import Masks
from jnst.losses.blending import blend
from jnst.losses.content import Content, Energy, content_term, relative_to_style
from jnst.losses.matting import make_matting, photorealism_term
from jnst.losses.objectives import within
from jnst.losses.recipe import LossWeights, Recipe
from jnst.losses.regions import guides_and_shares, style_guides
from jnst.losses.style import Measured, StyleTerm, measure_layers, relative_scales, style_term
from jnst.losses.terms import Scalar, Term, replace
from jnst.losses.variation import roughness, variation_term
from jnst.nn.backbone import Backbone, is_exact, strides_of


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
    of_styles, energies = build_style_term(model, styles, shares, masks, recipe)
    of_styles = add_guides(of_styles, model, masks, shares, content.shape[-3:-1])
    if recipe.weighing == "relative":
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
) -> tuple[StyleTerm, dict[str, Float[Array, "*batch"]]]:
    """The style term, as yet without the regions of the picture, and the styles' energies."""
    each, energies = measure_styles(model, styles, shares, masks, recipe)
    exact, axis, regional = is_exact(model), jnp.ndim(styles[0]) - 3, has_regions(masks)
    term = assemble_style(each, shares, recipe, regional=regional, exact=exact, axis=axis)
    return term, energies


def measure_styles(
    model: Backbone,
    styles: Sequence[Float[Array | np.ndarray, "*batch _h _w 3"]],
    shares: Sequence[Scalar | int],
    masks: Masks | None,
    recipe: Recipe,
    *,
    keep_rows: bool = False,
) -> tuple[list[dict[str, Measured]], dict[str, Float[Array, "*batch"]]]:
    """Look at the style images.

    Args:
      model: the network.
      styles: the style images, of any size.
      shares: how much each counts.
      masks: the regions, of any size; None: there are none.
      recipe: which terms, and how they are weighed.
      keep_rows: the rows of the styles are split over devices and stay where they are.

    Returns:
      {layer: what the loss sees of it} of every style image, and {content layer: their energy per
      position}, averaged by their shares; empty but with relative weighing, which alone needs it.
    """
    layers, exact = recipe.style_layers, is_exact(model)
    shapes = [jnp.shape(style)[-3:-1] for style in styles]
    guides = style_guides(masks, shapes, strides_of(model, layers))
    of_content = recipe.content_layers if recipe.weighing == "relative" else ()
    energy = Energy(weights=equal_weights(of_content))
    both = tuple(dict.fromkeys((*layers, *of_content)))
    each, energies = [], []
    for style, of_mask in zip(styles, guides, strict=True):
        features = model(jnp.asarray(style), both)
        seen = {name: features[name] for name in layers}
        each.append(measure_layers(recipe.loss, seen, of_mask, exact=exact, keep_rows=keep_rows))
        energies.append(energy.statistics(features))
    return each, blend(energies, shares)


def has_regions(masks: Masks | None) -> bool:
    """Whether each style image has a region of its own."""
    return masks is not None and masks.regions is not None


def relate(
    model: Backbone,
    image: Float[Array, "*batch H W 3"],
    content: Content,
    style: StyleTerm,
    energies: Mapping[str, Float[Array, "*batch"]],
    extent: Int[Array, "2"] | None = None,
) -> tuple[Content, StyleTerm]:
    """Give both terms the units of relative weighing, which both pictures decide."""
    content, measured = relate_content(model, image, content, style, energies, extent)
    return content, replace(style, scales=relative_scales(style, measured))


def relate_content(
    model: Backbone,
    image: Float[Array, "*batch H W 3"],
    content: Content,
    style: StyleTerm,
    energies: Mapping[str, Float[Array, "*batch"]],
    extent: Int[Array, "2"] | None = None,
) -> tuple[Content, dict[str, Measured]]:
    """Give the content term its units, and measure for those of the style term.

    Args:
      model: the network.
      image: the content image.
      content: its term.
      style: the style term, with the picture's regions.
      energies: the styles', of `measure_styles`.
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
    return relative_to_style(content, energies, positions), measured


def assemble_style(
    each: Sequence[Mapping[str, Measured]],
    shares: Sequence[Scalar | int],
    recipe: Recipe,
    *,
    regional: bool,
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
        regional=regional,
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


def weigh_terms(terms: Sequence[Term], weights: LossWeights) -> tuple[Term, ...]:
    """Terms with these weights, and of their layers those that the weights name.

    Raises:
      ValueError: for a layer without a target.
    """
    of_terms = {
        "content": weights.alpha,
        "style": weights.beta,
        "variation": weights.gamma,
        "photorealism": weights.photorealism,
    }
    weighed: list[Term] = []
    for each in terms:
        changes: dict[str, Any] = {"weight": of_terms.get(each.name, each.weight)}
        if isinstance(each, Content | StyleTerm):
            changes["weights"] = getattr(weights, each.name)
            for layer in changes["weights"]:
                if layer not in each.targets:
                    made = ", ".join(each.targets)
                    raise ValueError(f"there is no {each.name} target at {layer}, only at {made}")
        weighed.append(replace(each, **changes))
    return tuple(weighed)


def measuring_term(model: Backbone, recipe: Recipe, guides: Any) -> StyleTerm:
    """A style term that only measures."""
    weights = equal_weights(recipe.style_layers)
    return recipe.loss(targets={}, scales={}, weights=weights, guides=guides, exact=is_exact(model))
