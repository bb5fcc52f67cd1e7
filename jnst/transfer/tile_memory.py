"""The memory that work in tiles takes, told from shapes; what is compiled for it a run uses."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from jnst.execution import memory
from jnst.execution.tile_layout import Tiles, cover
from jnst.execution.tiling import Tiled
from jnst.execution.windows import Look, View, add_statistics, views_of
from jnst.image.fitting import SMALLEST_EDGE
from jnst.image.masks import Masks
from jnst.losses.build import measuring_term
from jnst.losses.regions import guides_of
from jnst.losses.terms import PIXELS, replace
from jnst.nn.backbone import Backbone, strides_of
from jnst.optim.step import init_state
from jnst.transfer.inputs import Inputs
from jnst.transfer.problem import abstract, build_objective, styles_apart
from jnst.transfer.settings import Settings

Shape = tuple[int, int]
"""(height, width) in pixels."""


def memory_of_tiles(
    model: Backbone, shape: Shape, edge: int, settings: Settings, masks: Masks | None
) -> tuple[int, int]:
    """Bytes on the device while a step is at a tile, and while it finishes, from shapes alone.

    Args:
      model: the network.
      shape: of the picture.
      edge: the largest edge of a window.
      settings: of the run.
      masks: where there are regions.
    """
    tiled = abstract_tiled(model, shape, edge, settings, masks)
    image = jax.ShapeDtypeStruct((*shape, 3), jnp.float32)
    state = jax.eval_shape(functools.partial(init_state, optimizer=tiled.optimizer), image)
    at_tile, at_end = tiled.programs(state, tiled.controls(settings.controls(1)))
    # Beside the program lie the state, of which it has the image, and what its end is given.
    composed = tiled.kept is not None
    kept = _bytes((state, tiled.of_pixels, tiled.kept)) - (0 if composed else _bytes(image))
    return memory.program_bytes(at_tile) + kept, memory.program_bytes(at_end)


def abstract_tiled(
    model: Backbone, shape: Shape, edge: int, settings: Settings, masks: Masks | None
) -> Tiled:
    """The execution in tiles, of shapes in place of arrays."""
    recipe = settings.recipe()
    tiles = cover(model.geometry, *shape, (*recipe.content_layers, *recipe.style_layers), edge)
    image = jax.ShapeDtypeStruct((*shape, 3), jnp.float32)
    small = jax.ShapeDtypeStruct((SMALLEST_EDGE, SMALLEST_EDGE, 3), jnp.float32)
    styles = (small,) * styles_apart(settings, masks)
    objective = abstract(
        jax.eval_shape(
            lambda model, content, styles: build_objective(
                Inputs(model, content, styles, masks), settings
            ),
            model,
            image,
            styles,
        )
    )
    window = jax.ShapeDtypeStruct((*tiles.window, 3), jnp.float32)
    crop = jax.eval_shape(lambda model, x: model(x, recipe.content_layers), model, window)
    content, *rest = objective.terms
    looking = [term for term in rest if any(layer != PIXELS for layer in term.layers)]
    layers = [n for term in looking for n in term.layers if n != PIXELS]
    view = views_of(tiles, model, layers)[0]
    at_window = [jax.eval_shape(functools.partial(_at, view=view), term) for term in looking]
    windows = [(replace(content, targets=dict(crop), scales={}), *at_window)]
    objective = objective._replace(terms=(replace(content, targets={}), *rest))
    return Tiled(objective, windows * len(tiles.spans), tiles, settings.transformation())


def _at(term: Any, view: View) -> Any:
    return term.at(view)


def memory_of_style(
    model: Backbone, shape: Shape, edge: int, settings: Settings, masked: bool
) -> int:
    """Bytes on the device while a style image, or a part of it, is looked at in tiles, likewise."""
    layers = settings.recipe().style_layers
    tiles: Tiles = cover(model.geometry, *shape, layers, edge)
    guides = None
    if masked:
        mask = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
        guides = jax.eval_shape(
            functools.partial(guides_of, strides=strides_of(model, layers)), mask
        )
    term = abstract(measuring_term(model, settings.recipe(), guides))
    view = views_of(tiles, model, layers)[0]
    look = Look(model, (jax.eval_shape(functools.partial(_at, view=view), term),))
    image = jax.ShapeDtypeStruct((*shape, 3), jnp.float32)
    program = add_statistics.lower(
        jax.eval_shape(lambda: look.zeros(image, tiles.window)),
        look.leaves,
        image,
        jax.ShapeDtypeStruct((2, 3), jnp.int32),
        reduce=look.reduce,
        window=tiles.window,
    )
    return memory.program_bytes(program.compile())


def _bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
