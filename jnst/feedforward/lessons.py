"""What a network is trained by: the terms of style transfer, on its pictures of crops.

Every crop is weighed relatively, as in `jnst.stylize`: the style loss is 1 for the unpainted crop,
so that beta means the same for every painting and photograph.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jnst._programs import program
from jnst.losses.build import build_style_term, equal_weights, weigh_terms
from jnst.losses.content import content_term, relative_to_style
from jnst.losses.objectives import Objective, evaluate
from jnst.losses.recipe import LossWeights, Recipe
from jnst.losses.style import relative_scales
from jnst.losses.terms import replace
from jnst.losses.variation import roughness, variation_term
from jnst.nn.backbone import Backbone
from jnst.nn.painter import Painter

WEIGHING = "relative"


class Lesson(NamedTuple):
    """What is known of the styles, all along a first axis; a pytree.

    Attributes:
      terms: style terms.
      energies: {content layer: energy per position}.
      roughness: total variations.
    """

    terms: Any
    energies: dict[str, Float[Array, " S"]]
    roughness: Float[Array, " S"]


class Batch(NamedTuple):
    """What one step is made of.

    Attributes:
      crops: of photographs.
      numbers: which style each is painted in.
    """

    crops: Float[Array | np.ndarray, "n h w 3"]
    numbers: Int[Array | np.ndarray, " n"]


def make_lesson(
    model: Backbone, styles: Sequence[Float[np.ndarray, "_h _w 3"]], recipe: Recipe
) -> Lesson:
    """Look at the style images."""
    each = [_of_style(model, jnp.asarray(style), recipe=recipe) for style in styles]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)


@program(static_argnames=("recipe",))
def _of_style(model: Backbone, style: Float[Array, "h w 3"], *, recipe: Recipe) -> Lesson:
    terms, energies = build_style_term(model, [style], [1.0], None, recipe)
    return Lesson(terms=terms, energies=energies, roughness=roughness([style], [1.0]))


def lesson_losses(
    painter: Painter,
    model: Backbone,
    lesson: Lesson,
    weights: LossWeights,
    batch: Batch,
    recipe: Recipe,
) -> dict[str, Float[Array, ""]]:
    """{term: mean over the crops} of the network's pictures, and their weighted sum as "total".

    Args:
      painter: the network.
      model: the backbone that looks at its pictures.
      lesson: of the styles.
      weights: of the terms.
      batch: crops, and the styles that they are painted in.
      recipe: which terms there are.
    """
    crops = jnp.asarray(batch.crops)
    pictures = painter(crops, jax.nn.one_hot(batch.numbers, len(painter.styles)))

    def of_crop(picture: Array, crop: Array, number: Array) -> dict[str, Array]:
        own: Lesson = jax.tree.map(lambda leaf: leaf[number], lesson)
        layers = tuple(dict.fromkeys((*recipe.content_layers, *recipe.style_layers)))
        seen = model(crop, layers)
        positions = {name: math.prod(of_layer.shape[-3:-1]) for name, of_layer in seen.items()}
        content = content_term(
            {name: seen[name] for name in recipe.content_layers},
            equal_weights(recipe.content_layers),
            WEIGHING,
        )
        content = relative_to_style(content, own.energies, positions)
        style = replace(own.terms, scales=relative_scales(own.terms, own.terms.statistics(seen)))
        rough = roughness([crop], [1.0])
        variation = variation_term(crop.shape, WEIGHING, own.roughness, rough)
        terms = weigh_terms((content, style, variation), weights)
        return evaluate(picture, Objective(model=model, terms=terms))

    losses = jax.vmap(of_crop)(pictures, crops, jnp.asarray(batch.numbers))
    return {name: jnp.mean(values) for name, values in losses.items()}
