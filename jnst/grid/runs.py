"""The cells of a grid, run batch by batch, and a checkpoint of where they stand."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jnst._checks import check_integer
from jnst.execution.batch import pictures
from jnst.execution.devices import checked_mesh, fetch, make_mesh, place, whole
from jnst.grid.axes import Grid, Index
from jnst.grid.batches import fitting_batch, run_batch, shown_cells
from jnst.grid.cells import GridContext, job_of, levels_for
from jnst.grid.checkpoint import GridCheckpoint, grid_identity
from jnst.image.inputs import RANDOM_INITS, check_init
from jnst.nn.backbone import Backbone, check_backbone
from jnst.optim.checkpoint import Checkpoint
from jnst.optim.descent import StepCallback
from jnst.optim.minimization import Progress
from jnst.optim.step import Controls, State
from jnst.transfer.job import Result
from jnst.transfer.levels import Keeper, Level
from jnst.transfer.painting import paint
from jnst.transfer.tile_checks import AUTO, check_tile
from jnst.transfer.tile_selection import window_edges


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


class Running(NamedTuple):
    """How the cells of a grid are run; attributes as the arguments of `jnst.stylize_grid`.

    Attributes:
      init, batch, mesh, tile, callback: as there.
      file: where to keep what is needed to go on.
      keep_results: whether the file also holds the results of finished cells.
    """

    init: str | ArrayLike = "content"
    batch: int | str = "auto"
    mesh: Mesh | None = None
    tile: int | str | None = "auto"
    callback: GridCallback | None = None
    file: Checkpoint | None = None
    keep_results: bool = False


def run_cells(
    model: Backbone, grid: Grid, cells: Sequence[Index] | None, running: Running
) -> Iterator[tuple[Index, Result]]:
    """Run the cells of a grid batch by batch; a batch's results are given out as it ends.

    Args:
      model: the network.
      grid: from `make_grid`.
      cells: those to run; None: all.
      running: how.

    Returns:
      An iterator over (index, result); after the callback has stopped it, nothing more comes.

    Raises:
      ValueError, TypeError: before anything is run.
    """
    check_backbone(model)
    if running.callback is not None and not callable(running.callback):
        raise TypeError(
            f"callback must be a function of a jnst.GridProgress, got {running.callback!r}"
        )
    if running.batch != "auto":
        if isinstance(running.batch, str):
            raise ValueError(f'batch must be "auto" or a whole number, got {running.batch!r}')
        check_integer("batch", running.batch, least=1)
    todo = list(grid.cells if cells is None else cells)
    init = check_init(running.init)
    if "key" in grid.axes and not (isinstance(init, str) and init in RANDOM_INITS):
        raise ValueError(
            f"several keys make no difference unless init is {' or '.join(map(repr, RANDOM_INITS))}"
        )
    mesh = checked_mesh(running.mesh) or make_mesh(jax.devices())
    settings = next(iter(grid.cells.values())).settings
    check_tile(running.tile, settings, model.geometry)
    if jax.process_count() == 1:  # more devices than cells would only repeat work
        mesh = make_mesh(mesh.devices.flat[: max(1, len(todo))])
    if not todo:
        return iter(())
    spread = model
    if mesh.size > 1 and hasattr(model, "for_sharding"):
        spread = model = model.for_sharding()
    context = GridContext(
        model=model,
        spread=place(spread, whole(mesh)),
        grid=grid,
        init=init,
        mesh=mesh,
        parts={},
    )
    edges, size = choose_batch(context, todo, running)
    file = None
    if running.file is not None:
        file = GridCheckpoint(running.file, grid_identity(model, grid, init), running.keep_results)
        if running.file.resume:
            file.read(levels_for(context, [grid.cells[todo[0]]], edges), settings)
    return _run(
        _Work(
            context=context,
            edges=edges,
            todo=todo,
            size=size,
            callback=running.callback,
            file=file,
        )
    )


class _Work(NamedTuple):
    context: GridContext
    edges: list[int | None]
    todo: list[Index]
    size: int
    callback: GridCallback | None
    file: GridCheckpoint | None


def choose_batch(
    context: GridContext, todo: Sequence[Index], running: Running
) -> tuple[list[int | None], int]:
    """The windows of each size, None where there are none; and how many cells make a batch.

    Raises:
      ValueError: for cells that the device's memory does not hold.
    """
    plan, mesh = context.grid.plan, context.mesh
    tile = running.tile

    def windows() -> list[int | None]:
        cell = context.grid.cells[todo[0]]
        styles = context.styles(cell)
        return window_edges(tile, plan, context.model, cell.settings, styles, context.grid.masks)

    if tile not in (AUTO, None):
        edges = windows()
        if any(edges):
            return edges, 1
    most = math.ceil(len(todo) / mesh.size)
    if not isinstance(running.batch, str):
        return [None] * len(plan), min(most, max(1, running.batch // mesh.size)) * mesh.size
    each, said = fitting_batch(context, todo[0], most)
    if each:
        return [None] * len(plan), each * mesh.size
    if tile is None or mesh.size > 1:
        raise ValueError(said)
    edges = windows()
    if not any(edges):
        raise ValueError(said)
    return edges, 1


def _run(work: _Work) -> Iterator[tuple[Index, Result]]:
    """The results of all cells, in batches of one size, for which one compiled program does."""
    todo, done = list(work.todo), 0
    if work.file:
        for index, result in work.file.finished.items():
            if index in todo:
                todo.remove(index)
                done += 1
                yield index, result
    while todo:
        cells = (work.file and work.file.begun(todo)) or todo[: work.size]
        keeper = work.file.keeper(cells) if work.file else Keeper()
        if any(work.edges):
            results, stopped = _tiled_cell(work, cells[0], done, keeper)
        else:
            filled = cells + cells[-1:] * (work.size - len(cells))  # repeats of its last cell
            counts = done, len(work.todo)
            results, stopped = run_batch(
                work.context,
                [work.context.grid.cells[index] for index in filled],
                work.edges,
                callback=work.callback and functools.partial(_step_callback, work, cells, counts),
                keeper=keeper,
            )
        finished = list(zip(cells, results, strict=False))
        if work.file and not stopped:
            work.file.finished |= finished
        yield from finished
        if stopped:
            return
        todo = [index for index in todo if index not in cells]
        done += len(cells)


def _tiled_cell(work: _Work, index: Index, done: int, keeper: Keeper) -> tuple[list[Result], bool]:
    """A cell by itself, in tiles."""
    cell, callback = work.context.grid.cells[index], work.callback
    job = job_of(work.context, cell, work.edges)

    def tell(progress: Progress) -> bool | None:
        return callback(  # type: ignore[misc]
            GridProgress(
                cells=(index,),
                done=done,
                total=len(work.todo),
                step=progress.step,
                steps=progress.steps,
                shape=progress.shape,
                losses={term: value[None] for term, value in progress.losses.items()},
                pictures=lambda: np.asarray(progress.picture())[None],
            )
        )

    result = paint(job, tell if callback else None, keeper)
    return [result], result.reason == "stopped"


def _step_callback(
    work: _Work, cells: list[Index], counts: tuple[int, int], level: Level, before: int, steps: int
) -> StepCallback:
    """What is called after every step of a batch, telling the grid's callback."""
    context = work.context
    doing = [context.grid.cells[index] for index in cells]

    def call(state: State, controls: Controls, losses: dict[str, Array], count: int) -> bool | None:
        if len(cells) < len(state.image):  # without those that only fill the batch
            losses = {term: values[: len(cells)] for term, values in losses.items()}
        return work.callback(  # type: ignore[misc]
            GridProgress(
                cells=tuple(cells),
                done=counts[0],
                total=counts[1],
                step=before + count,
                steps=steps,
                shape=level.shape,
                losses=losses,
                pictures=lambda: shown_cells(
                    context, doing, level.shown(fetch(pictures(state, controls)))
                ),
            )
        )

    return call
