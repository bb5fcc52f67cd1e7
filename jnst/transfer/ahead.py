"""The next size's programs, compiled while the present one is painted."""

import collections
import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from jnst.image.resizing import style_shape
from jnst.losses.objectives import evaluate
from jnst.optim.whole import Whole
from jnst.transfer.inputs import Inputs
from jnst.transfer.levels import Level
from jnst.transfer.problem import (
    abstract,
    build_objective,
    content_part,
    shares_of,
    style_part,
)
from jnst.transfer.settings import Settings

REMEMBERED = 256
"""Sizes that are known to have been compiled."""

_seen: "collections.OrderedDict[Hashable, None]" = collections.OrderedDict()
_lock = threading.Lock()


def compile_ahead(inputs: Inputs, settings: Settings, level: Level) -> threading.Thread | None:
    """Compile what a level will need, in a thread; None where that has been done before.

    Args:
      inputs: of any size.
      settings: of the run.
      level: a later one, without tiles.
    """
    styles = tuple(
        jax.ShapeDtypeStruct((*style_shape(x, level.shape, settings.style_scale), 3), jnp.float32)
        for x in inputs.styles
    )
    structure = jax.tree.structure(inputs.model)
    shapes = level.canvas.shape, level.canvas.exact, tuple(style.shape for style in styles)
    key = structure, settings.recipe(), settings.transformation(), shapes
    with _lock:
        if key in _seen:
            return None
        _seen[key] = None
        while len(_seen) > REMEMBERED:
            _seen.popitem(last=False)
    # No daemon: the end of the interpreter would kill it within the compiler, which aborts then.
    thread = threading.Thread(target=_quietly, args=(_compile, inputs, settings, level, styles))
    thread.start()
    return thread


def _quietly(function: Callable[..., Iterator[None]], *args: Any) -> None:
    """Do the parts of some work whose failure shows where it is wanted, until the program ends."""
    try:
        for _ in function(*args):
            if not threading.main_thread().is_alive():
                return
    except Exception:
        return


def _compile(inputs: Inputs, settings: Settings, level: Level, styles: Any) -> Iterator[None]:
    """Compile one program after the other."""
    canvas = level.canvas
    image = jax.ShapeDtypeStruct((*canvas.shape, 3), jnp.float32)
    extent = None if canvas.exact else canvas.extent
    model, masks = inputs.model, inputs.masks
    of_extent = None if extent is None else jax.ShapeDtypeStruct((2,), jnp.int32)
    recipe = settings.recipe()
    content_part.lower(model, image, of_extent, recipe=recipe, sharding=None).compile()
    yield
    shares = shares_of(settings, len(styles))
    style_part.lower(model, styles, shares, masks, recipe=recipe, sharding=None).compile()
    yield
    objective = jax.eval_shape(
        lambda content, styles: build_objective(
            Inputs(model, content, styles, masks, extent), settings
        ),
        image,
        styles,
    )
    execution = Whole(
        evaluate, abstract(objective._replace(model=model)), settings.transformation()
    )
    yield
    execution.compiled(image, settings.controls(level.steps))
