"""Which sizes of a picture are worked at in tiles, by what the device has free."""

import functools
import math
from numbers import Integral
from typing import Any

import jax
import jax.numpy as jnp
from jax.stages import Compiled

from jnst import cost
from jnst.images import fit
from jnst.masks import Masks
from jnst.objective import flat_loss_terms, make_targets
from jnst.optimize import init_state, step
from jnst.settings import SMALLEST_EDGE, Plan, Settings
from jnst.tiles import cover, least_window
from jnst.tiling import memory
from jnst.vgg import VGG19

AUTO = "auto"
LARGEST_WINDOW = 1184
"""Pixels: the edge of windows that `"auto"` chooses at most; larger ones save little more."""
SPARE = 0.95
"""Of an edge that is worked out from what another takes: a pixel takes not quite the same."""
SURELY_FITS = 1024, 4 * 2**30
"""A picture of no longer edge, where no fewer bytes are free, is not measured: that would keep a
small run waiting for nothing, as no optimiser of ours takes so much for it."""


def check_tile(tile: Any, settings: Settings, mesh: Any = None, *, name: str = "tile") -> None:
    """Raise unless `tile` is None, `"auto"` or an edge that windows may have."""
    if tile is None or (isinstance(tile, str) and tile == AUTO):
        return
    wrong = f"{name} must be a whole number, {AUTO!r} or None, got {tile!r}"
    if isinstance(tile, str):
        raise ValueError(wrong)
    if isinstance(tile, bool) or not isinstance(tile, Integral):
        raise TypeError(wrong)
    least = least_window((*settings.content_layers, *settings.style_layers))
    if tile < least:
        raise ValueError(f"{name} must be at least {least} px for these layers, got {tile}")
    if mesh is not None:
        raise ValueError(f"{name} and mesh exclude each other; give one of them")


def window_edges(
    tile: int | str | None,
    plan: Plan,
    model: VGG19,
    settings: Settings,
    masks: Masks | None = None,
) -> list[int | None]:
    """The largest edge of a window for each size of a plan; None where no tiles are needed.

    Args:
      tile: as in `jnst.stylize`.
      plan: the sizes.
      model: the network.
      settings, masks: of the run.

    Raises:
      ValueError: for a picture that the device's memory does not hold.
    """
    if isinstance(tile, Integral):
        return [int(tile) if max(shape) > tile else None for shape, _ in plan]
    (height, width), _ = plan[-1]
    device = _device(model)
    free, long = cost.free(device), max(height, width)
    edge, enough = SURELY_FITS
    if long <= edge and free >= enough and not settings.photorealism and masks is None:
        return [None] * len(plan)
    # What could never fit is measured at a size that might: some compilers fail where memory does.
    share = min(1.0, free / (cost.LEAST_BYTES * height * width))
    shape = height, width
    if share < 1:
        shape = fit(height, width, max(SMALLEST_EDGE, int(long * math.sqrt(share))), SMALLEST_EDGE)
    a_pixel = cost.needed(untiled(model, shape, settings, masks)) / math.prod(shape)
    needed = a_pixel * height * width
    if needed <= free:
        return [None] * len(plan)
    if tile is None:
        raise ValueError(
            f"a picture of {width}×{height} px needs {needed / 2**30:.1f} GiB of memory and "
            f"{device} has {free / 2**30:.1f} GiB free; choose a size of at most "
            f"{int(SPARE * long * math.sqrt(free / needed))} px, or tile"
        )
    window = _largest_window((height, width), model, settings, masks, free)
    return [window if a_pixel * math.prod(shape) > free else None for shape, _ in plan]


def _largest_window(
    shape: tuple[int, int], model: VGG19, settings: Settings, masks: Masks | None, free: float
) -> int:
    """The largest edge of windows that fit beside what is kept of the whole picture."""
    layers = (*settings.content_layers, *settings.style_layers)
    weights, controls = settings.loss_weights(), settings.controls(1)
    least = least_window(layers)
    most = max(least, min(LARGEST_WINDOW, max(shape) - 1))
    while True:
        tiles = cover(*shape, layers, most)
        of_tile, of_whole = memory(
            model, tiles, weights, controls, settings.transformation(), settings.style_loss, masks
        )
        needed = max(of_tile, of_whole)
        if needed <= free:
            return most
        if most == least or of_whole > free:
            height, width = shape
            raise ValueError(
                f"a picture of {width}×{height} px needs {needed / 2**30:.1f} GiB of memory even "
                f"in tiles and {_device(model)} has {free / 2**30:.1f} GiB free; choose a smaller "
                "size"
            )
        most = max(least, min(most - 1, int(SPARE * most * math.sqrt(free / of_tile))))


def _device(model: VGG19) -> jax.Device:
    """Where the network is, and so the run."""
    return next(iter(jax.tree.leaves(model)[0].devices()))


def untiled(
    model: VGG19, shape: tuple[int, int], settings: Settings, masks: Masks | None = None
) -> Compiled:
    """The step on a whole picture; running it compiles nothing anew."""
    leaves, structure = jax.tree.flatten(model)
    pixels = jax.ShapeDtypeStruct((*shape, 3), jnp.float32)
    style = jax.ShapeDtypeStruct((SMALLEST_EDGE, SMALLEST_EDGE, 3), jnp.float32)
    optimizer = settings.transformation()
    targets = jax.eval_shape(
        functools.partial(
            make_targets,
            content_layers=tuple(settings.content_layers),
            style_layers=tuple(settings.style_layers),
            weighing=settings.weighing,
            style_loss=settings.style_loss,
            photorealism=settings.photorealism > 0,
        ),
        model,
        pixels,
        style if masks is None else [style] * len(masks.styles),
        regions=masks and masks.regions,
        style_regions=masks and masks.styles,
        keep=masks and masks.keep,
    )
    numbers = settings.loss_weights(), settings.controls(1)
    targets, (weights, controls) = jax.tree.map(_abstract, (targets, numbers))
    return step.lower(
        jax.eval_shape(functools.partial(init_state, optimizer=optimizer), pixels),
        (tuple(leaves), targets, weights),
        controls,
        objective=flat_loss_terms(structure, None),
        optimizer=optimizer,
    ).compile()


def _abstract(leaf: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(jnp.shape(leaf), getattr(leaf, "dtype", jnp.float32))
