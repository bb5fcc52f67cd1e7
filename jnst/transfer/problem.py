"""The objective of a run at one size: the one place that puts it together.

It serves runs, cells of grids, and, under `jax.eval_shape`, forecasts of memory.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array, Float, Int

from jnst._programs import Programs, program
from jnst.execution.devices import keep
from jnst.image.masks import Masks, resize_mask
from jnst.losses.blending import blend_shares
from jnst.losses.build import (
    assemble_style,
    build_content_term,
    has_regions,
    measure_styles,
    relate_content,
    weigh_terms,
)
from jnst.losses.content import Content
from jnst.losses.matting import make_matting, photorealism_term
from jnst.losses.objectives import Objective
from jnst.losses.recipe import Recipe
from jnst.losses.regions import Kept, guides_of, region_shares
from jnst.losses.style import StyleTerm, relative_scales
from jnst.losses.terms import Scalar, Term, replace
from jnst.losses.variation import roughness, variation_term
from jnst.nn.backbone import Backbone, is_exact, strides_of
from jnst.transfer.inputs import Inputs
from jnst.transfer.own_terms import OwnTerm, check_names, make_own
from jnst.transfer.settings import Settings

Remember = Callable[[str, Callable[[], Any]], Any]
"""`remember(part, make)`: a part of an objective, made now or before."""


def build_objective(
    inputs: Inputs,
    settings: Settings,
    *,
    own: Sequence[OwnTerm] = (),
    sharding: NamedSharding | None = None,
    remember: Remember = lambda part, make: make(),
    photorealism: bool | None = None,
) -> Objective:
    """Put together the objective of a picture.

    Args:
      inputs: of the picture's size.
      settings: of the run.
      own: terms of one's own, beside ours.
      sharding: how images lie on several devices.
      remember: gives parts that were made before, by their names.
      photorealism: whether there is that term; None: where the settings weigh it.

    Returns:
      The objective, its numbers set as the settings say.
    """
    model, content, styles, _, _ = inputs
    recipe, extent = settings.recipe(), inputs.traced_extent
    shares = shares_of(settings, len(styles))
    of_content = remember(
        "content",
        lambda: content_part(model, content, extent, recipe=recipe, sharding=sharding),
    )
    of_styles, energies = remember(
        "style", lambda: make_style_term(inputs, shares, recipe, sharding)
    )
    rough = remember("roughness", lambda: roughness_part(styles, shares))
    content_rough = remember("content roughness", lambda: roughness_part((content,), (1.0,)))
    variation = variation_term((*inputs.shape, 3), recipe.weighing, rough, content_rough)
    terms: list[Term] = [of_content, of_styles, replace(variation, extent=extent)]
    if settings.photorealism if photorealism is None else photorealism:
        matting = remember("matting", lambda: matting_part(content))
        shape = (*inputs.shape, 3)
        terms.append(photorealism_term(matting, shape, recipe.weighing, extent))
    objective = finish_objective(inputs, settings, terms, own, remember)
    if recipe.weighing != "relative":
        return objective
    of_content, of_styles, *others = objective.terms

    def units() -> tuple[Any, Any]:
        terms = of_content, of_styles
        scales, measured = relation_part(model, content, terms, energies, extent, sharding=sharding)
        return scales, style_units(of_styles, measured)

    content_scales, style_scales = remember("units", units)
    of_content = replace(of_content, scales=content_scales)
    of_styles = replace(of_styles, scales=style_scales)
    return objective._replace(terms=(of_content, of_styles, *others))


def finish_objective(
    inputs: Inputs,
    settings: Settings,
    terms: Sequence[Term],
    own: Sequence[OwnTerm],
    remember: Remember = lambda part, make: make(),
) -> Objective:
    """Give the terms of a picture its regions, the settings' weights, and terms of one's own."""
    model, content, styles, masks, _ = inputs
    kept = None
    if masks is not None:
        strides = tuple(strides_of(model, settings.recipe().style_layers).items())
        shares = shares_of(settings, len(styles))
        guides, of_regions, kept = remember(
            "guides", lambda: regions_part(inputs, masks, shares, strides)
        )
        kept = None if kept is None else Kept(mask=kept, content=content)
        terms = [
            replace(term, guides=guides, shares=of_regions) if isinstance(term, StyleTerm) else term
            for term in terms
        ]
    terms = [*weigh_terms(terms, settings.loss_weights()), *make_own(own, model, content)]
    check_names([term.name for term in terms])
    return Objective(model=model, terms=tuple(terms), kept=kept, extent=inputs.traced_extent)


def regions_part(
    inputs: Inputs, masks: Masks, shares: tuple[Scalar, ...], strides: Any
) -> tuple[Any, Array, Array | None]:
    """The guides and the shares of a picture's regions, and the mask of what is kept."""
    painted, of_regions, keep = masks_part(
        masks, shares, shape=inputs.shape, held=inputs.content.shape[:2]
    )
    return guides_part(painted, inputs.traced_extent, strides=strides), of_regions, keep


@program(static_argnames=("shape", "held"))
def masks_part(
    masks: Masks, shares: tuple[Scalar, ...], *, shape: tuple[int, int], held: tuple[int, int]
) -> tuple[Float[Array, "R H W"], Float[Array, " R"], Float[Array, "H W"] | None]:
    """The regions of a picture on its canvas, how much each counts, and what is kept."""
    (height, width), (h, w) = held, shape
    beyond = (0, height - h), (0, width - w)
    painted = masks.painted(shape)
    keep = None if masks.keep is None else resize_mask(masks.keep, shape)
    return (
        jnp.pad(painted, ((0, 0), *beyond)),
        region_shares(painted, masks, shares),
        None if keep is None else jnp.pad(keep, beyond),
    )


def styles_apart(settings: Settings, masks: Masks | None) -> int:
    """The least number of styles for which an objective of this form can be built.

    Without weights and regions styles are one blend, however many they are.
    """
    return len(settings.style_weights or (1.0,)) if masks is None else len(masks.styles)


def make_style_term(
    inputs: Inputs, shares: tuple[Scalar, ...], recipe: Recipe, sharding: NamedSharding | None
) -> tuple[StyleTerm, dict[str, Array]]:
    """The style term without the picture's regions, and the styles' energies."""
    model, _, styles, masks, _ = inputs
    each, energies = style_part(model, styles, shares, masks, recipe=recipe, sharding=sharding)
    return assembled(each, inputs, shares, recipe), energies


def assembled(
    each: list[Any], inputs: Inputs, shares: tuple[Scalar, ...], recipe: Recipe
) -> StyleTerm:
    """The style term of what was measured of every style image."""
    regional, exact = has_regions(inputs.masks), is_exact(inputs.model)
    return assembled_part(each, shares, recipe=recipe, regional=regional, exact=exact)


def style_units(style: StyleTerm, measured: Any) -> Any:
    """The style's factors with relative weighing, by what was measured of the content."""
    return units_part(replace(style, guides=None, shares=None), measured)


def shares_of(settings: Settings, count: int) -> tuple[Scalar, ...]:
    """A weight for each of `count` style images."""
    return tuple(np.float32(share) for share in blend_shares(settings.style_weights, count))


@program(static_argnames=("recipe", "sharding"))
def content_part(
    model: Backbone,
    content: Float[Array, "H W 3"],
    extent: Int[Array, "2"] | None,
    *,
    recipe: Recipe,
    sharding: NamedSharding | None = None,
) -> Content:
    """The content term, compiled."""
    return build_content_term(model, keep(content, sharding), recipe, extent)


@program(static_argnames=("recipe", "sharding"))
def style_part(
    model: Backbone,
    styles: tuple[Float[Array, "_h _w 3"], ...],
    shares: tuple[Scalar, ...],
    masks: Masks | None,
    *,
    recipe: Recipe,
    sharding: NamedSharding | None = None,
) -> tuple[list[Any], dict[str, Array]]:
    """What the style loss sees of every style image, and the styles' energies, compiled."""
    styles = tuple(keep(style, sharding) for style in styles)
    return measure_styles(model, styles, shares, masks, recipe, keep_rows=sharding is not None)


@program(static_argnames=("sharding",))
def relation_part(
    model: Backbone,
    content: Float[Array, "H W 3"],
    terms: tuple[Content, StyleTerm],
    energies: Any,
    extent: Int[Array, "2"] | None,
    *,
    sharding: NamedSharding | None = None,
) -> tuple[Any, Any]:
    """The content's factors with relative weighing, and what the style's follow from, compiled."""
    related, measured = relate_content(model, keep(content, sharding), *terms, energies, extent)
    return related.scales, measured


# Of as many channels these are the same at every size, and take long to compile.
assembled_part = Programs(
    assemble_style, static_argnames=("recipe", "regional", "exact"), quick=True
)
units_part = Programs(relative_scales, quick=True)
roughness_part = Programs(roughness)
matting_part = Programs(make_matting)


@program(static_argnames=("strides",))
def guides_part(
    painted: Float[Array, "R H W"],
    extent: Int[Array, "2"] | None,
    *,
    strides: tuple[tuple[str, int], ...],
) -> Any:
    """The guides of regions, compiled."""
    return guides_of(painted, dict(strides), extent)


def abstract(tree: Any) -> Any:
    """The shapes of arrays and numbers."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), getattr(leaf, "dtype", jnp.float32)),
        tree,
    )
