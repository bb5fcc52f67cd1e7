"""Some cells of a grid at a time, as a batch that one compiled step updates."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from jnst._threads import each
from jnst.execution import memory
from jnst.execution.batch import Batch
from jnst.execution.devices import fetch, least, place, split
from jnst.grid.axes import Cell, Index
from jnst.grid.cells import (
    GridContext,
    batch_axes,
    cell_controls,
    cell_objective,
    job_of,
    levels_for,
)
from jnst.image.resampling import resize_on_host
from jnst.optim.descent import StepCallback
from jnst.transfer.details import details_beyond, share_of_details
from jnst.transfer.job import Result, finished, shown
from jnst.transfer.levels import NOT_KEPT, Keeper, Level, Outcome, Steering, coarse_to_fine

LARGEST_BATCH = {"cpu": 4}
"""Cells on a device at most, by platform; more are no faster, and their pictures come later."""
LARGEST_BATCH_ELSEWHERE = 16


def run_batch(
    context: GridContext,
    cells: Sequence[Cell],
    edges: Sequence[int | None],
    *,
    callback: Callable[[Level, int, int], StepCallback] | None = None,
    keeper: Keeper = NOT_KEPT,
) -> tuple[list[Result], bool]:
    """Run as many cells as the devices of the mesh can share evenly.

    Args:
      context: the grid and its devices.
      cells: those to run.
      edges: of windows at each level, of which there are none.
      callback: see `jnst.transfer.levels.Steering`.
      keeper: of the batch.

    Returns:
      The results, and whether the callback has stopped the run.
    """
    levels = levels_for(context, cells, edges)
    starts = [np.asarray(job_of(context, cell, edges).start) for cell in cells]
    outcome = coarse_to_fine(
        levels,
        place(np.stack(starts), split(context.mesh)),
        Steering(
            execute=functools.partial(batch_execution, context, cells),
            controls=lambda steps: [cell_controls(context, cell, steps) for cell in cells],
            tolerance=float(cells[0].settings.tolerance),
            callback=callback,
            keeper=keeper,
            details=functools.partial(batch_details, context, cells),
        ),
    )
    context.evict(cells)
    stopped = outcome.runs[-1].stopped
    return batch_results(context, cells, levels, outcome), stopped


def batch_execution(context: GridContext, cells: Sequence[Cell], level: Level) -> Batch:
    """The execution of a batch at one size."""
    last = level.shape == context.grid.plans[cells[0].content][-1][0]
    masked = (last and context.grid.mixed) or not all(canvas.exact for canvas in level.canvases)
    objectives = [
        cell_objective(context, cell, canvas, level.shape, masked)
        for cell, canvas in zip(cells, level.canvases, strict=True)
    ]
    axes = batch_axes(context, objectives[0])
    return Batch(objectives, axes, cells[0].settings.transformation(), context.mesh)


def batch_details(
    context: GridContext, cells: Sequence[Cell], before: Level, level: Level
) -> Float[np.ndarray, "n H W 1"] | None:
    """What is added to the enlarged picture of every cell; None: nothing to any."""
    shares = [share_of_details(cell.settings) for cell in cells]
    if not any(shares):
        return None
    found: dict[Any, np.ndarray] = {}  # cells may share a content
    each = []
    for cell, share, *canvases in zip(cells, shares, before.canvases, level.canvases, strict=True):
        content = context.numbers("seen content", cell), *canvases
        if content not in found:
            found[content] = details_beyond(context.content(cell), *canvases)
        each.append(share * found[content])
    return np.stack(each)


def batch_results(
    context: GridContext, cells: Sequence[Cell], levels: Sequence[Level], outcome: Outcome
) -> list[Result]:
    """The result of every cell."""
    run, losses = outcome.runs[-1], outcome.losses
    images, diverged = fetch((outcome.image, run.state.diverged))
    images = outcome.level.shown(images)
    shapes = [context.grid.plans[cell.content][-1][0] for cell in cells]
    images = [
        np.clip(resize_on_host(np.asarray(image), shape), 0, 1)
        for image, shape in zip(images, shapes, strict=True)
    ]
    images = shown_cells(context, cells, images)
    styles = [context.styles(cell) for cell in cells]  # which are made once, so not in threads

    def finish(n: int) -> np.ndarray:
        return finished(cells[n].settings, styles[n], context.grid.masks, images[n])

    images = each(finish, range(len(cells)))
    made = np.array([(~np.isnan(part["total"])).sum(axis=0) for part in losses])
    total = sum(level.steps for level in levels)
    results = []
    for n in range(len(cells)):
        of_cell = {
            term: np.concatenate([part[term][: made[k, n], n] for k, part in enumerate(losses)])
            for term in losses[0]
        }
        reason = "finished"
        if diverged[n]:
            reason = "diverged"
        elif np.asarray(run.converged)[n]:
            reason = "converged"
        elif run.stopped and max(made.sum(axis=0)) < total:
            reason = "stopped"
        results.append(
            Result(
                image=images[n],
                losses=of_cell,
                steps=int(made[:, n].sum()),
                reason=reason,
                plan=tuple(
                    (shape, int(steps))
                    for (shape, _), steps in zip(
                        context.grid.plans[cells[n].content], made[:, n], strict=False
                    )
                ),
            )
        )
    return results


def shown_cells(
    context: GridContext, cells: Sequence[Cell], images: Sequence[Float[np.ndarray, "_h _w 3"]]
) -> Any:
    """What there is to be seen of the images of some cells; a list where shapes differ."""
    grid = context.grid
    kept = None if grid.masks is None else grid.masks.keep
    each = [
        np.asarray(shown(cell.settings.colors, grid.contents[cell.content], image, kept))
        for cell, image in zip(cells, images, strict=False)
    ]
    return np.stack(each) if len({image.shape for image in each}) == 1 else each


def balanced(count: int, most: int) -> int:
    """Return the size of equal batches for `count` cells.

    It is from half of `most` to `most`, but not 1 if that can be helped, and such that the fewest
    places in the last batch stay empty.

    >>> balanced(16, 6), balanced(17, 16), balanced(4, 6)
    (4, 9, 4)
    """
    if count <= most:
        return count
    sizes = range(most, min(most, max(2, math.ceil(most / 2))) - 1, -1)
    return min(sizes, key=lambda size: math.ceil(count / size) * size)


def fitting_batch(context: GridContext, index: Index, most: int) -> tuple[int, str]:
    """How many cells a device can work at together, by what the compiled step says that it needs.

    Args:
      context: the grid and its devices.
      index: any cell.
      most: cells that each device gets in all.

    Returns:
      The number, 0 if not even one cell a device fits; and what is to be said then.
    """
    device = context.mesh.local_devices[0]
    free = least(memory.free_bytes(device))
    (height, width), _ = context.grid.plan[-1]
    largest = LARGEST_BATCH.get(device.platform, LARGEST_BATCH_ELSEWHERE)
    largest = max(1, min(largest, int(free / (memory.LEAST_BYTES * height * width))))
    while True:
        each = balanced(most, largest)
        needed = memory.program_bytes(compiled_step(context, index, each))
        if needed <= free:
            return each, ""
        if each == 1:
            return 0, (
                f"a cell of {width}×{height} px needs {needed / 2**30:.1f} GiB of memory, and "
                f"{device} has {free / 2**30:.1f} GiB free; choose a smaller size"
            )
        largest = min(each - 1, max(1, int(each * free / needed)))


def compiled_step(context: GridContext, index: Index, each: int) -> jax.stages.Compiled:
    """The step at the last size for `each` cells a device; running it compiles nothing anew."""
    cells: list[Any] = [context.grid.cells[index]] * each * context.mesh.size
    level = levels_for(context, cells, [None] * len(context.grid.plan))[-1]
    execution = batch_execution(context, cells, level)
    controls = [cell_controls(context, cell, level.steps) for cell in cells]
    return execution.compiled((len(cells), *level.canvas.shape, 3), execution.controls(controls))
