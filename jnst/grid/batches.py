"""The engine of a grid: some cells at a time, as a batch that one compiled step updates."""

import functools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float

from jnst.execution import memory as cost
from jnst.execution.devices import fetch, keep, least, place, split
from jnst.grid.axes import Cell, Index
from jnst.grid.cell_targets import Work, arguments, content_of, forget, styles_of
from jnst.image.inputs import initial_image, resize
from jnst.losses.objectives import flat_loss_terms
from jnst.optim.minimization import State, Watch, batched_step, init_state, minimize, picture
from jnst.transfer.stylization import Result, shown

LARGEST_BATCH = {"cpu": 4}
"""Cells on a device at most, by platform; more are no faster, and their pictures come later."""
LARGEST_BATCH_ELSEWHERE = 16


def run_chunk(
    work: Work, cells: list[Cell], tell: Callable[[int], Watch] | None
) -> tuple[list[Result], bool]:
    """Run as many cells as the devices of the mesh can share evenly.

    Args:
      work: the grid and its devices.
      cells: those to run.
      tell: gives the watch over the steps at a size, by the size's place in the plan.

    Returns:
      The results, and whether the watch has stopped the run.
    """
    plan, over = work.grid.plan, split(work.mesh)
    optimizer = cells[0].settings.transformation()
    starts = [
        initial_image(
            work.init,
            content_of(work, cell),
            styles_of(work, cell)[0],
            plan[0][0],
            cell.key,
        )
        for cell in cells
    ]
    images = place(np.stack(starts), over)
    halted = place(np.zeros(len(cells), bool), over)
    history: list[dict[str, np.ndarray]] = []
    done = np.zeros(len(cells), int)
    for level, (shape, steps) in enumerate(plan):
        args, axes, controls = arguments(work, cells, level)
        run = minimize(
            flat_loss_terms(jax.tree.structure(work.model)),
            _begin(images, halted, shape=shape, optimizer=optimizer, mesh=work.mesh),
            args,
            controls,
            optimizer=optimizer,
            steps=steps,
            watch=tell and tell(level),
            update=batched_step(axes, work.mesh),
        )
        images, halted = pictures(run.state, controls), run.state.halted
        history.append(run.losses)
        done += fetch(run.state.steps)
        if run.stopped:
            break
    losses = {term: np.concatenate([part[term] for part in history]) for term in history[0]}
    images, diverged = fetch((_finished(images, plan[-1][0]), halted))
    images = shown_cells(work, cells, images)
    forget(work, cells)
    total = sum(steps for _, steps in plan)
    ended = "stopped" if run.stopped and max(done) < total else "finished"
    results = [
        Result(
            images[n],
            {term: values[: done[n], n] for term, values in losses.items()},
            int(done[n]),
            "diverged" if diverged[n] else ended,
        )
        for n in range(len(cells))
    ]
    return results, run.stopped


def shown_cells(
    work: Work, cells: Sequence[Cell], images: Float[np.ndarray, "n H W 3"]
) -> Float[np.ndarray, "n H W 3"]:
    """What there is to be seen of the images of some cells."""
    pairs, grid = zip(cells, images, strict=True), work.grid
    kept = grid.masks and grid.masks.keep
    return np.stack(
        [shown(cell.settings.colors, grid.contents[cell.content], x, kept) for cell, x in pairs]
    )


@functools.partial(jax.jit, static_argnames=("shape", "optimizer", "mesh"))
def _begin(
    images: Float[Array, "n _h _w 3"],
    halted: Bool[Array, "n"],
    *,
    shape: tuple[int, int],
    optimizer: optax.GradientTransformation,
    mesh: Mesh,
) -> State:
    """The states before the first step at a size; what has halted stays so."""

    def begin(image: Array, halted: Array) -> State:
        return init_state(resize(image, shape), optimizer)._replace(halted=jnp.array(halted))

    return keep(jax.vmap(begin)(images, halted), split(mesh))


pictures = jax.jit(jax.vmap(picture))


@functools.partial(jax.jit, static_argnames="shape")
def _finished(images: Float[Array, "n _h _w 3"], shape: tuple[int, int]) -> Array:
    return jnp.clip(jax.vmap(lambda image: resize(image, shape))(images), 0, 1)


def balanced(count: int, most: int) -> int:
    """The size of equal chunks for `count` cells: from half of `most` to `most`, but not 1 if that
    can be helped, and such that the fewest places in the last chunk stay empty.

    >>> balanced(16, 6), balanced(17, 16), balanced(4, 6)
    (4, 9, 4)
    """
    if count <= most:
        return count
    sizes = range(most, min(most, max(2, math.ceil(most / 2))) - 1, -1)
    return min(sizes, key=lambda size: math.ceil(count / size) * size)


def fitting_batch(work: Work, index: Index, most: int) -> int:
    """How many cells a device can work at together, by what the compiled step says that it needs.

    Args:
      work: the grid and its devices.
      index: any cell.
      most: cells that each device gets in all.

    Raises:
      ValueError: if not even one cell a device fits.
    """
    device = work.mesh.local_devices[0]
    free = least(cost.free(device))
    (height, width), _ = work.grid.plan[-1]
    largest = LARGEST_BATCH.get(device.platform, LARGEST_BATCH_ELSEWHERE)
    largest = max(1, min(largest, int(free / (cost.LEAST_BYTES * height * width))))
    while True:
        each = balanced(most, largest)
        if (needed := cost.needed(_compiled(work, index, each))) <= free:
            return each
        if each == 1:
            raise ValueError(
                f"a cell of {width}×{height} px needs {needed / 2**30:.1f} GiB of memory, and "
                f"{device} has {free / 2**30:.1f} GiB free; choose a smaller size"
            )
        largest = min(each - 1, max(1, int(each * free / needed)))


def _compiled(work: Work, index: Index, each: int) -> jax.stages.Compiled:
    """The step at the largest size for `each` cells a device; running it compiles nothing anew."""
    cells = [work.grid.cells[index]] * each * work.mesh.size
    args, axes, controls = arguments(work, cells, len(work.grid.plan) - 1)
    shape, _ = work.grid.plan[-1]
    optimizer = cells[0].settings.transformation()
    states = jax.eval_shape(
        functools.partial(_begin, shape=shape, optimizer=optimizer, mesh=work.mesh),
        jax.ShapeDtypeStruct((len(cells), *shape, 3), jnp.float32),
        jax.ShapeDtypeStruct((len(cells),), bool),
    )
    over = split(work.mesh)
    states = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=over), states
    )
    terms = flat_loss_terms(jax.tree.structure(work.model))
    step = batched_step(axes, work.mesh)
    return step.lower(states, args, controls, objective=terms, optimizer=optimizer).compile()
