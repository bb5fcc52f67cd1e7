"""The objective of a run at one size: the one place that puts it together.

It serves runs, cells of grids, and, under `jax.eval_shape`, forecasts of memory.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array, Float

from jnst.execution.devices import keep
from jnst.image.masks import Masks
from jnst.image.resizing import resize, resize_styles
from jnst.losses.build import (
    Recipe,
    build_content_term,
    build_style_term,
    strides_of,
)
from jnst.losses.content import Content
from jnst.losses.matting import photorealism_term
from jnst.losses.objectives import Objective
from jnst.losses.regions import guides_and_shares, kept_of
from jnst.losses.style import StyleTerm
from jnst.losses.targets import blend_shares, weigh_terms
from jnst.losses.terms import Scalar, Term, replace
from jnst.losses.variation import roughness, variation_term
from jnst.nn.backbone import Backbone
from jnst.transfer.settings import Settings

OwnTerm = Term | Callable[[Backbone, Array], Term]
"""A term of one's own, or `make(model, content)` that makes one for the content at each size."""

Remember = Callable[[str, Callable[[], Any]], Any]
"""`remember(part, make)`: a part of an objective, made now or before."""


class Inputs(NamedTuple):
    """What a picture is made of.

    Attributes:
      model: the network.
      content: the content image.
      styles: the style images.
      masks: the regions, of any size; None: there are none.
    """

    model: Backbone
    content: Float[Array, "H W 3"]
    styles: tuple[Float[Array, "_h _w 3"], ...]
    masks: Masks | None = None

    def at(self, shape: tuple[int, int], scale: float) -> "Inputs":
        """The same for a picture of `shape`, whose strokes are `scale` times the usual ones."""
        styles = resize_styles(self.styles, shape, scale)
        return self._replace(content=resize(self.content, shape), styles=styles)


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
      remember: gives parts that were made before: `"content"`, `"style"`, `"roughness"`,
        `"photorealism"`, `"guides"`.
      photorealism: whether there is that term; None: where the settings weigh it.

    Returns:
      The objective, its numbers set as the settings say.
    """
    model, content, styles, masks = inputs
    recipe = settings.recipe()
    shares = shares_of(settings, len(styles))
    variation = variation_term(
        content.shape,
        recipe.weighing,
        remember("roughness", lambda: roughness_part(styles, shares)),
    )
    terms: list[Term] = [
        remember("content", lambda: content_part(model, content, recipe, sharding)),
        remember("style", lambda: style_part(model, styles, shares, masks, recipe, sharding)),
        variation,
    ]
    if settings.photorealism if photorealism is None else photorealism:
        terms.append(remember("photorealism", lambda: photorealism_part(content, recipe.weighing)))
    return finish_objective(inputs, settings, terms, own, remember)


def finish_objective(
    inputs: Inputs,
    settings: Settings,
    terms: Sequence[Term],
    own: Sequence[OwnTerm],
    remember: Remember = lambda part, make: make(),
) -> Objective:
    """Give the terms of a picture its regions, the settings' weights, and terms of one's own."""
    model, content, styles, masks = inputs
    if masks is not None:
        strides = tuple(strides_of(model, settings.recipe().style_layers).items())
        shares = shares_of(settings, len(styles))
        guides, of_regions = remember(
            "guides", lambda: guides_part(masks, content.shape[:2], shares, strides)
        )
        terms = [
            replace(term, guides=guides, shares=of_regions) if isinstance(term, StyleTerm) else term
            for term in terms
        ]
    terms = [*weigh_terms(terms, settings.loss_weights()), *make_own(own, model, content)]
    check_names([term.name for term in terms])
    return Objective(model=model, terms=tuple(terms), kept=kept_of(masks, content))


def make_own(own: Sequence[OwnTerm], model: Backbone, content: Array) -> list[Term]:
    """The terms of one's own for a content image."""
    made = [term if isinstance(term, Term) else term(model, content) for term in own]
    for term in made:
        if not isinstance(term, Term):
            raise TypeError(f"terms must be jnst.Term objects or make some, got {term!r}")
    return made


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError unless every term has a name of its own, which its loss is reported by."""
    for name in names:
        if name == "total" or names.count(name) > 1:
            raise ValueError(
                f"terms must have different names, none of them 'total', got {', '.join(names)}"
            )


def shares_of(settings: Settings, count: int) -> tuple[Scalar, ...]:
    """A weight for each of `count` style images."""
    return tuple(np.float32(share) for share in blend_shares(settings.style_weights, count))


@functools.partial(jax.jit, static_argnames=("recipe", "sharding"))
def content_part(
    model: Backbone,
    content: Float[Array, "H W 3"],
    recipe: Recipe,
    sharding: NamedSharding | None = None,
) -> Content:
    """The content term, compiled."""
    return build_content_term(model, keep(content, sharding), recipe)


@functools.partial(jax.jit, static_argnames=("recipe", "sharding"))
def style_part(
    model: Backbone,
    styles: tuple[Float[Array, "_h _w 3"], ...],
    shares: tuple[Scalar, ...],
    masks: Masks | None,
    recipe: Recipe,
    sharding: NamedSharding | None = None,
) -> StyleTerm:
    """The style term without the picture's regions, compiled."""
    styles = tuple(keep(style, sharding) for style in styles)
    return build_style_term(model, styles, shares, masks, recipe, keep_rows=sharding is not None)


roughness_part = jax.jit(roughness)
photorealism_part = jax.jit(photorealism_term, static_argnames="weighing")


@functools.partial(jax.jit, static_argnames=("shape", "strides"))
def guides_part(
    masks: Masks,
    shape: tuple[int, int],
    shares: tuple[Scalar, ...],
    strides: tuple[tuple[str, int], ...],
) -> Any:
    """The guides and shares of regions, compiled."""
    return guides_and_shares(masks, shape, shares, dict(strides))


def abstract(tree: Any) -> Any:
    """The shapes of arrays and numbers."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), getattr(leaf, "dtype", jnp.float32)),
        tree,
    )
