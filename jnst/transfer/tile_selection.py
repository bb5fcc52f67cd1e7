"""Which sizes of a picture are worked at in tiles, by what the device has free."""

import math
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import jax
import jax.numpy as jnp
from jax.stages import Compiled

from jnst.execution import memory
from jnst.execution.memory import LARGEST_WINDOW, SPARE, SURELY_FITS, device_of
from jnst.image.fitting import SMALLEST_EDGE, fit
from jnst.image.masks import Masks
from jnst.image.resizing import style_shape
from jnst.losses.objectives import evaluate
from jnst.losses.registry import style_loss_named
from jnst.nn.backbone import Backbone
from jnst.optim.whole import Whole
from jnst.transfer.canvas import last_canvas
from jnst.transfer.inputs import Inputs
from jnst.transfer.levels import levels_of
from jnst.transfer.plan import Plan
from jnst.transfer.problem import (
    abstract,
    build_objective,
    shares_of,
    style_part,
    styles_apart,
)
from jnst.transfer.settings import Settings
from jnst.transfer.tile_checks import check_additive
from jnst.transfer.tile_memory import Shape, memory_of_style, memory_of_tiles

MEASURED_EDGE = 2048
"""Pixels: the edge of images whose program is compiled to know what larger ones need."""
DOUBT = 0.7, 1.1
"""Of what is free: between these, such a forecast does not say whether it suffices."""


def window_edges(
    tile: int | str | None,
    plan: Plan,
    model: Backbone,
    settings: Settings,
    styles: Sequence[Any] = (),
    masks: Masks | None = None,
) -> list[int | None]:
    """The largest edge of a window for each size of a plan; None where no tiles are needed.

    Args:
      tile: as in `jnst.stylize`.
      plan: the sizes.
      model: the network.
      settings: of the run.
      styles: the style images, which with a `style_scale` above 1 may need more than the picture.
      masks: where there are regions.

    Raises:
      ValueError: for a picture that the device's memory does not hold.
    """
    shapes = [shape for shape, _ in plan]
    of_styles = [
        [style_shape(style, shape, settings.style_scale) for style in styles] for shape in shapes
    ]
    longest = [
        max(map(max, [shape, *sized])) for shape, sized in zip(shapes, of_styles, strict=True)
    ]
    if isinstance(tile, Integral):
        return [int(tile) if edge > tile else None for edge in longest]
    device = device_of(model)
    free = memory.free_bytes(device)
    edge, enough = SURELY_FITS
    if longest[-1] <= edge and free >= enough and not settings.photorealism and masks is None:
        return [None] * len(plan)
    of_steps, of_targets = _needed_whole(shapes, of_styles, model, settings, masks, free)
    needed = list(map(max, of_steps, of_targets))
    if needed[-1] <= free:
        return [None] * len(plan)
    if tile is None:
        height, width = shapes[-1]
        beside = ""
        if of_targets[-1] > of_steps[-1]:
            style = max(of_styles[-1], key=math.prod)
            beside = f" with a style of {style[1]}×{style[0]} px"
        raise ValueError(
            f"a picture of {width}×{height} px{beside} needs {needed[-1] / 2**30:.1f} GiB of "
            f"memory and {device} has {free / 2**30:.1f} GiB free; choose a size of at most "
            f"{int(SPARE * max(height, width) * math.sqrt(free / needed[-1]))} px, or tile"
        )
    check_additive([style_loss_named(settings.style_loss)])
    window = _largest_window(shapes[-1], of_styles[-1], model, settings, masks, free)
    return [window if of_shape > free else None for of_shape in needed]


def _needed_whole(
    shapes: list[Shape],
    of_styles: list[list[Shape]],
    model: Backbone,
    settings: Settings,
    masks: Masks | None,
    free: float,
) -> tuple[list[float], list[float]]:
    """Bytes that the step and the targets of the styles need at each size, without tiles."""
    shape, styles = shapes[-1], of_styles[-1]
    step = _bytes_a_pixel(lambda shapes: untiled(model, shapes[0], settings, masks), [shape], free)
    targets = 0.0
    if pixels_of(styles) > math.prod(shape):  # fewer do not need more, having no gradient
        targets = _bytes_a_pixel(
            lambda shapes: untiled_styles(model, shapes, settings, masks), styles, free
        )
    return (
        [step * math.prod(shape) for shape in shapes],
        [targets * pixels_of(styles) for styles in of_styles],
    )


def _bytes_a_pixel(
    compiled: Callable[[list[Shape]], Compiled], shapes: list[Shape], free: float
) -> float:
    """What the program for images of these shapes needs, by pixel.

    A GPU's compiler tries out convolutions, which of large images takes minutes, and some compilers
    fail where memory does. So smaller images are measured first, and these themselves only where
    that leaves in doubt whether they fit.
    """
    pixels, longest = pixels_of(shapes), max(map(max, shapes))
    fitting = math.sqrt(free / (memory.LEAST_BYTES * pixels))
    share = min(MEASURED_EDGE / longest, fitting)
    if share < 1:
        small = [_shrunk(shape, share) for shape in shapes]
        needed = memory.program_bytes(compiled(small)) / pixels_of(small)
        least, most = DOUBT
        if not least * free < needed * pixels < most * free:
            return needed
    return memory.program_bytes(compiled(shapes)) / pixels


def _shrunk(shape: Shape, share: float) -> Shape:
    """A smaller shape; the whole of a canvas, as the memory is that of a canvas."""
    edge = max(SMALLEST_EDGE, int(share * max(shape)))
    return last_canvas(fit(*shape, edge, SMALLEST_EDGE)).shape


def _largest_window(
    shape: Shape,
    styles: Sequence[Shape],
    model: Backbone,
    settings: Settings,
    masks: Masks | None,
    free: float,
) -> int:
    """The largest edge of windows that fit beside what is kept of the whole picture."""
    layers = (*settings.content_layers, *settings.style_layers)
    least = model.geometry.least_window(layers)
    most = max(least, min(LARGEST_WINDOW, max(map(max, [shape, *styles])) - 1))
    while True:
        of_tile, of_whole = memory_of_tiles(model, shape, most, settings, masks)
        of_tile = max(
            of_tile,
            *(memory_of_style(model, style, most, settings, masks is not None) for style in styles),
            0,
        )
        needed = max(of_tile, of_whole)
        if needed <= free:
            return most
        if most == least or of_whole > free:
            height, width = shape
            raise ValueError(
                f"a picture of {width}×{height} px needs {needed / 2**30:.1f} GiB of memory even "
                f"in tiles and {device_of(model)} has {free / 2**30:.1f} GiB free; choose a "
                "smaller size"
            )
        most = max(least, min(most - 1, int(SPARE * most * math.sqrt(free / of_tile))))


def untiled(
    model: Backbone, shape: Shape, settings: Settings, masks: Masks | None = None
) -> Compiled:
    """The step on a whole picture; running it compiles nothing anew."""
    canvas = levels_of([(shape, 1)], settings)[0].canvas
    extent = None if canvas.exact else canvas.extent
    image = jax.ShapeDtypeStruct((*canvas.shape, 3), jnp.float32)
    small = jax.ShapeDtypeStruct((SMALLEST_EDGE, SMALLEST_EDGE, 3), jnp.float32)
    styles = (small,) * styles_apart(settings, masks)
    objective = jax.eval_shape(
        lambda model, content, styles: build_objective(
            Inputs(model, content, styles, masks, extent), settings
        ),
        model,
        image,
        styles,
    )
    objective = objective._replace(model=model)  # whose arrays are there
    execution = Whole(evaluate, abstract(objective), settings.transformation())
    return execution.compiled(image, settings.controls(1))


def untiled_styles(
    model: Backbone, shapes: Sequence[Shape], settings: Settings, masks: Masks | None = None
) -> Compiled:
    """The targets of whole styles, likewise."""
    images = tuple(jax.ShapeDtypeStruct((*shape, 3), jnp.float32) for shape in shapes)
    shares = shares_of(settings, len(images))
    return style_part.lower(  # called as for a run, since otherwise that would compile it anew
        model, images, shares, masks, recipe=settings.recipe(), sharding=None
    ).compile()


def pixels_of(shapes: Sequence[Shape]) -> int:
    """Of all these images."""
    return sum(map(math.prod, shapes))
