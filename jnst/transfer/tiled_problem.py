"""The objective of a picture in tiles: what `jnst.transfer.problem` makes, a window at a time."""

from collections.abc import Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst._programs import program
from jnst.execution.tile_layout import Tiles, cover
from jnst.execution.tiling import Tiled
from jnst.execution.windows import Look, Place, add_up, cut_out, own_features, places_of, views_of
from jnst.losses.blending import blend
from jnst.losses.build import equal_weights, measuring_term
from jnst.losses.content import (
    Content,
    Energy,
    content_energy,
    content_scales,
    relative_to_style,
)
from jnst.losses.matting import photorealism_term
from jnst.losses.regions import style_guides
from jnst.losses.style import StyleTerm
from jnst.losses.terms import PIXELS, Term, replace
from jnst.losses.variation import variation_term
from jnst.nn.backbone import Backbone, positions_of, strides_of
from jnst.transfer.inputs import Inputs
from jnst.transfer.own_terms import OwnTerm
from jnst.transfer.problem import (
    assembled,
    finish_objective,
    matting_part,
    roughness_part,
    shares_of,
    style_units,
)
from jnst.transfer.settings import Settings
from jnst.transfer.tile_checks import check_additive


def tiled_execution(
    inputs: Inputs, settings: Settings, edge: int, own: Sequence[OwnTerm] = ()
) -> Tiled:
    """The execution of a picture in windows of at most `edge` pixels.

    Args:
      inputs: of the picture's size.
      settings: of the run.
      edge: the largest edge of a window.
      own: terms of one's own.
    """
    model, content, styles, _, _ = inputs
    recipe = settings.recipe()
    shares = shares_of(settings, len(styles))
    layers = (*recipe.content_layers, *recipe.style_layers)
    tiles = cover(model.geometry, content.shape[0], content.shape[1], layers, edge)
    scales, crops = content_windows(model, content, tiles, settings)
    terms: list[Term] = [
        Content(targets={}, scales=scales, weights=equal_weights(recipe.content_layers)),
        tiled_style_term(inputs, settings, edge),
        variation_term(
            content.shape,
            recipe.weighing,
            roughness_part(styles, shares),
            roughness_part((content,), (1.0,)),
        ),
    ]
    if settings.photorealism:
        matting = matting_part(content)
        terms.append(photorealism_term(matting, content.shape, recipe.weighing))
    # With the crop of any window the content term has its layers, which the weights are checked by.
    terms[0] = replace(terms[0], targets=crops[0])
    objective = finish_objective(inputs, settings, terms, own)
    content_term: Any
    rest: list[Any]
    content_term, *rest = objective.terms
    check_additive([term for term in rest if any(layer != PIXELS for layer in term.layers)])
    if recipe.weighing == "relative":
        content_term, rest[0] = tiled_units(
            inputs, settings, content_term, cast(StyleTerm, rest[0]), edge
        )
    objective = objective._replace(terms=(replace(content_term, targets={}), *rest))
    return assemble_tiled(objective, crops, tiles, settings)


def assemble_tiled(
    objective: Any, crops: Sequence[dict[str, Any]], tiles: Tiles, settings: Settings
) -> Tiled:
    """The execution of an objective whose content term has its targets by window."""
    content_term, *rest = objective.terms
    looking = [term for term in rest if any(layer != PIXELS for layer in term.layers)]
    layers = [n for term in looking for n in term.layers if n != PIXELS]
    windows = []
    for crop, view in zip(crops, views_of(tiles, objective.model, layers), strict=True):
        at_window = [jax.device_get(term.at(view)) for term in looking]
        windows.append((replace(content_term, targets=crop, scales={}), *at_window))
    return Tiled(objective, windows, tiles, settings.transformation())


def content_windows(
    model: Backbone, content: Float[Array, "H W 3"], tiles: Tiles, settings: Settings
) -> tuple[dict[str, Array], list[dict[str, Any]]]:
    """The factors of the content's layers, and its features by window, on the host."""
    layers, weighing = settings.recipe().content_layers, settings.weighing
    crops: list[dict[str, Any]] = []
    energies = dict.fromkeys(layers, jnp.zeros((), content.dtype))
    for place in places_of(tiles):
        crop, parts = crop_and_energies(
            model, content, place, layers=tuple(layers), window=tiles.window
        )
        crops.append(jax.device_get(crop))
        energies = {name: energies[name] + parts[name] for name in layers}
    channels = {name: of_layer.shape[-1] for name, of_layer in crops[0].items()}
    values = {
        name: count * channels[name]
        for name, count in positions_of(model, layers, content.shape).items()
    }
    return content_scales(energies, values, weighing), crops


@program(static_argnames=("layers", "window"))
def crop_and_energies(
    model: Backbone,
    content: Float[Array, "H W 3"],
    place: Place,
    *,
    layers: tuple[str, ...],
    window: tuple[int, int],
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The content's features in a window, 0 outside of the tile's own region, and their energy."""
    features = own_features(model, cut_out(content, place, window), place, layers)
    features = {name: features[name] for name in layers}
    return features, {name: content_energy(of_layer) for name, of_layer in features.items()}


def tiled_style_term(inputs: Inputs, settings: Settings, edge: int) -> StyleTerm:
    """The style term without the picture's regions, its styles looked at in tiles."""
    model, _, styles, masks, _ = inputs
    recipe = settings.recipe()
    layers = recipe.style_layers
    guides = style_guides(masks, [x.shape[:2] for x in styles], strides_of(model, layers))
    each: list[Any] = []
    for style, of_mask in zip(styles, guides, strict=True):
        tiles = cover(model.geometry, style.shape[0], style.shape[1], layers, edge)
        measuring = measuring_term(model, settings.recipe(), of_mask)
        windows = [Look(model, (measuring.at(v),)) for v in views_of(tiles, model, layers)]
        each += add_up(style, windows, places_of(tiles), tiles.window)
    shares = shares_of(settings, len(styles))
    return assembled(each, inputs, shares, recipe)


def tiled_units(
    inputs: Inputs, settings: Settings, content: Content, style: StyleTerm, edge: int
) -> tuple[Content, StyleTerm]:
    """Give both terms the units of relative weighing; see `jnst.losses.build.relate`."""
    model, image, styles = inputs.model, inputs.content, inputs.styles
    layers = content.layers
    tiles = cover(model.geometry, image.shape[0], image.shape[1], (*layers, *style.layers), edge)
    shares = shares_of(settings, len(styles))
    each: list[Any] = []
    for of_style in styles:
        of_tiles = cover(model.geometry, of_style.shape[0], of_style.shape[1], layers, edge)
        looks = [Look(model, (Energy(weights=equal_weights(layers)),))] * len(of_tiles.spans)
        each += add_up(jnp.asarray(of_style), looks, places_of(of_tiles), of_tiles.window)
    views = views_of(tiles, model, style.layers)
    looks = [Look(model, (jax.device_get(style.at(view)),)) for view in views]
    (measured,) = add_up(jnp.asarray(image), looks, places_of(tiles), tiles.window)
    return (
        relative_to_style(content, blend(each, shares), positions_of(model, layers, image.shape)),
        replace(style, scales=style_units(style, measured)),
    )
