"""Grids: every combination of alpha, beta and other settings in one compiled program.

A cell is one run of `jnst.stylize`. The cells are taken in chunks; of a chunk, one compiled step
(that of `jnst.stylize` under `jax.vmap`) updates all the images, split over all devices.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jnst._checks import check_integer
from jnst.execution.devices import checked_mesh, fetch, make_mesh, place, whole
from jnst.grid.axes import Grid, Index, make_grid
from jnst.grid.batches import fitting_batch, pictures, run_chunk, shown_cells
from jnst.grid.cell_targets import Work
from jnst.image.inputs import RANDOM_INITS, check_init
from jnst.image.masks import Mask
from jnst.nn.vgg import VGG19
from jnst.optim.minimization import Controls, State, Watch
from jnst.transfer.settings import Settings
from jnst.transfer.stylization import Result


class GridResult(NamedTuple):
    """What `stylize_grid` comes back with; A and B are the numbers of alphas and betas.

    Attributes:
      images: (A, B, …, H, W, 3), sRGB in [0, 1]; NaN for a cell that was never begun.
      losses: {term: (A, B, …, steps)} as in `jnst.Result`; NaN from where a cell ended early.
      steps: (A, B, …), the updates of every cell.
      reasons: (A, B, …), why each ended: `"finished"`, `"stopped"` or `"diverged"`.
      axes: {name: values} of every axis before H, in their order; images and keys by number.
    """

    images: Float[np.ndarray, "A B *more H W 3"]
    losses: dict[str, Float[np.ndarray, "A B *more steps"]]
    steps: np.ndarray
    reasons: np.ndarray
    axes: dict[str, tuple[Any, ...]]


class GridProgress(NamedTuple):
    """What a grid's callback is told after every step of a chunk of cells.

    Attributes:
      cells: the indices of those that are being worked at.
      done: how many cells are finished.
      total: how many there are to do.
      step, steps, shape: as in `jnst.Progress`, of the cells that are being worked at.
      losses: {term: (cells,)} of the step before this one.
      pictures: a function that returns these cells' pictures so far, (cells, height, width, 3); to
        be called within the callback.
    """

    cells: tuple[Index, ...]
    done: int
    total: int
    step: int
    steps: int
    shape: tuple[int, int]
    losses: dict[str, Array]
    pictures: Callable[[], Float[np.ndarray, "cells H W 3"]]


GridCallback = Callable[[GridProgress], bool | None]


def stylize_grid(
    model: VGG19,
    content: Float[ArrayLike, "H W 3"] | Sequence[Float[ArrayLike, "H W 3"]],
    style: Float[ArrayLike, "_h _w 3"]
    | Sequence[Float[ArrayLike, "_h _w 3"] | Sequence[Float[ArrayLike, "_h _w 3"]]],
    *,
    alpha: float | Sequence[float] = Settings.alpha,
    beta: float | Sequence[float] = Settings.beta,
    key: Array | None = None,
    init: str | Float[ArrayLike, "_h _w 3"] = "content",
    palette: Float[ArrayLike, "_h _w 3"] | None = None,
    regions: Mask | Sequence[Mask] | None = None,
    style_regions: Mask | Sequence[Mask | None] | None = None,
    keep: Mask | str | None = None,
    batch: int | str = "auto",
    mesh: Mesh | None = None,
    callback: GridCallback | None = None,
    **settings: Any,
) -> GridResult:
    """Paint a picture for every combination of several alphas, betas and other settings.

    Every cell is what `jnst.stylize` makes with the same settings, but for rounding. A cell whose
    loss is no longer finite stays as it is and leaves the others untouched.

    Args:
      model: the network, from `jnst.load_vgg19`.
      content: the content image as for `jnst.stylize`, or several of one shape: a further axis.
      style: the style image, or several of any size: a further axis. Lists within the list are
        blends, as `jnst.stylize` paints with several styles: `[[a, b], [c, d]]` is an axis of two,
        `[[a, b]]` one blend and no axis. `style_weights` then needs a number for each image of
        every blend.
      alpha, beta: one number or several.
      key: for noise; an array of several keys, as `jax.random.split` makes it, is a
        further axis.
      init, palette: as for `jnst.stylize`, the same for all cells.
      regions, style_regions, keep: masks as for `jnst.stylize`, the same for all cells: each style
        must then be a blend of as many images, which are not blended but have these regions.
      batch: how many cells are worked at together, rounded to a multiple of the devices, which
        share them; `"auto"`: as many as help and as the memory holds, by what the compiled step
        says that it needs.
      mesh: the devices to use; None: all that JAX has, those of other processes included.
      callback: called with a `GridProgress` after every step; True ends the grid. Where there are
        several processes, it must answer the same in each.
      **settings: the fields of `jnst.Settings`. Several gammas, learning rates, averagings or
        photorealisms are further axes, and so are several `content_layers` or `style_layers`, as in
        `style_layers=[{"relu1_1": 1.0, "relu3_1": 1.0}, {"relu3_1": 1.0}]`.

    Returns:
      The pictures and losses of all cells, on the host. The axes are alpha, beta and then, where
      there are several: content, style, content_layers, style_layers, gamma, learning_rate,
      averaging, photorealism, key.

    Raises:
      ValueError, TypeError: for an image or a value that will not do, an axis that is empty or
        has a value twice, more than 10,000 cells, or (unless `batch` is a number) a picture too
        large for the memory; before anything is run.

    >>> from flax import nnx
    >>> model = VGG19(rngs=nnx.Rngs(0))  # in earnest: jnst.load_vgg19()
    >>> content, style = np.zeros((32, 48, 3)), np.ones((40, 40, 3))
    >>> result = stylize_grid(model, content, style, alpha=[1, 2], beta=[3, 30, 300], steps=2)
    >>> result.images.shape, result.losses["style"].shape, result.axes
    ((2, 3, 32, 48, 3), (2, 3, 2), {'alpha': (1, 2), 'beta': (3, 30, 300)})
    """
    masks = {"regions": regions, "style_regions": style_regions, "keep": keep}
    grid = make_grid(
        content, style, alpha=alpha, beta=beta, key=key, palette=palette, **masks, **settings
    )
    results = run_cells(model, grid, init=init, batch=batch, mesh=mesh, callback=callback)
    shape = tuple(map(len, grid.axes.values()))
    steps = sum(count for _, count in grid.plan)
    images = np.full((*shape, *grid.plan[-1][0], 3), np.nan, np.float32)
    done, reasons = np.zeros(shape, int), np.full(shape, "stopped", "<U8")
    losses: dict[str, np.ndarray] = {}
    for index, result in results:
        images[index], done[index], reasons[index] = result.image, result.steps, result.reason
        for term, values in result.losses.items():
            table = losses.setdefault(term, np.full((*shape, steps), np.nan, np.float32))
            table[index][: len(values)] = values
    return GridResult(images, losses, done, reasons, grid.axes)


def run_cells(
    model: VGG19,
    grid: Grid,
    cells: Sequence[Index] | None = None,
    *,
    init: str | Float[ArrayLike, "_h _w 3"] = "content",
    batch: int | str = "auto",
    mesh: Mesh | None = None,
    callback: GridCallback | None = None,
) -> Iterator[tuple[Index, Result]]:
    """Run the cells of a grid chunk by chunk; a chunk's results are given out as it ends.

    Args:
      model, init, batch, mesh, callback: as for `stylize_grid`.
      grid: from `make_grid`.
      cells: those to run; None: all.

    Returns:
      An iterator over (index, result); after the callback has stopped it, nothing more comes.

    Raises:
      ValueError, TypeError: before anything is run.
    """
    if not isinstance(model, VGG19):
        raise TypeError(f"model must be a jnst.VGG19, as jnst.load_vgg19 makes it, got {model!r}")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of a jnst.GridProgress, got {callback!r}")
    if batch != "auto":
        if isinstance(batch, str):
            raise ValueError(f'batch must be "auto" or a whole number, got {batch!r}')
        check_integer("batch", batch, least=1)
    todo = list(grid.cells if cells is None else cells)
    init = check_init(init)
    if "key" in grid.axes and not (isinstance(init, str) and init in RANDOM_INITS):
        raise ValueError(
            f"several keys make no difference unless init is {' or '.join(map(repr, RANDOM_INITS))}"
        )
    mesh = checked_mesh(mesh) or make_mesh(jax.devices())
    if jax.process_count() == 1:  # more devices than cells would only repeat work
        mesh = make_mesh(mesh.devices.flat[: max(1, len(todo))])
    if not todo:
        return iter(())
    if mesh.size > 1:
        model = model.over_devices()
    work = Work(model, place(model, whole(mesh)), grid, init, mesh, {})
    most = math.ceil(len(todo) / mesh.size)
    if isinstance(batch, str):
        each = fitting_batch(work, todo[0], most)
    else:
        each = min(most, max(1, batch // mesh.size))
    return _chunks(work, todo, each * mesh.size, callback)


def _chunks(
    work: Work, todo: list[Index], size: int, callback: GridCallback | None
) -> Iterator[tuple[Index, Result]]:
    """The results of all cells, in chunks of one size, for which one compiled program does."""
    for start in range(0, len(todo), size):
        cells = todo[start : start + size]
        filled = cells + cells[-1:] * (size - len(cells))  # with repeats of its last cell
        tell = callback and functools.partial(_watch, callback, work, cells, start, len(todo))
        results, stopped = run_chunk(work, [work.grid.cells[index] for index in filled], tell)
        yield from zip(cells, results, strict=False)
        if stopped:
            return


def _watch(
    callback: GridCallback, work: Work, cells: list[Index], done: int, total: int, level: int
) -> Watch:
    """What `minimize` calls after every step of a chunk, telling `callback` of the grid."""
    plan = work.grid.plan
    before, steps = (sum(count for _, count in part) for part in (plan[:level], plan))
    doing = [work.grid.cells[index] for index in cells]

    def watch(
        state: State, controls: Controls, losses: dict[str, Array], count: int
    ) -> bool | None:
        if len(cells) < len(state.image):  # without those that only fill the chunk
            losses = {term: values[: len(cells)] for term, values in losses.items()}
        return callback(
            GridProgress(
                cells=tuple(cells),
                done=done,
                total=total,
                step=before + count,
                steps=steps,
                shape=plan[level][0],
                losses=losses,
                pictures=lambda: shown_cells(
                    work, doing, fetch(pictures(state, controls))[: len(cells)]
                ),
            )
        )

    return watch
