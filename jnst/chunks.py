"""The engine of a grid: some cells at a time, as a batch that one compiled step updates."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float

from jnst import cost
from jnst.axes import Blend, Cell, Grid, Index
from jnst.color import follows_content, seen_content, seen_style
from jnst.descent import Half, content_half, style_half
from jnst.inputs import first_image, resize, sized_styles
from jnst.matting import Matting
from jnst.objective import flat_loss_terms
from jnst.optimize import Controls, State, Watch, batched_step, init_state, minimize, picture
from jnst.regions import Regions
from jnst.sharding import fetch, keep, least, place, split, whole
from jnst.stylize import Result, shown
from jnst.targets import Targets, blend_shares, matting_of, regions_of, variation_scale
from jnst.vgg import VGG19

LARGEST_BATCH = {"cpu": 4}
"""Cells on a device at most, by platform; more are no faster, and their pictures come later."""
LARGEST_BATCH_ELSEWHERE = 16


class Work(NamedTuple):
    """What stays the same from chunk to chunk.

    Attributes:
      model: as it came; targets are computed with it.
      spread: the same on every device of the mesh.
      halves: targets that were computed, by kind, numbers of the images and shape.
    """

    model: VGG19
    spread: VGG19
    grid: Grid
    init: str | Array
    mesh: Mesh
    halves: dict[tuple[str, Index, tuple[int, int]], Half]


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
        first_image(
            work.init,
            _seen_content(work, cell),
            _seen_styles(work, cell)[0],
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
        args, axes, controls = _arguments(work, cells, level)
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
    _forget(work, cells)
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


def _arguments(work: Work, cells: list[Cell], level: int) -> tuple[Any, Any, Controls]:
    """What the step at one size is given beside the state, and which of its args are batched."""
    shape, steps = work.grid.plan[level]
    over = split(work.mesh)

    def stacked(trees: Sequence[Any]) -> Any:
        return place(jax.tree.map(lambda *x: np.array(x, np.float32), *trees), over)

    def halves(kind: str) -> tuple[Half, int | None]:
        if _shared(work, kind):
            return _half(work, kind, cells[0], shape), None
        return stacked([_half(work, kind, cell, shape) for cell in cells]), 0

    def mattings() -> tuple[Matting | None, int | None]:
        if not work.grid.photorealistic:
            return None, None
        if len(work.grid.contents) == 1:
            matting = matting_of(resize(_seen_content(work, cells[0]), shape))
            return place(matting, whole(work.mesh)), None
        return stacked([matting_of(resize(_seen_content(work, cell), shape)) for cell in cells]), 0

    def regions() -> tuple[Regions | None, Any]:
        masks, settings = work.grid.masks, cells[0].settings
        if masks is None:
            return None, None
        shares = blend_shares(settings.style_weights, len(masks.styles))
        first = resize(_seen_content(work, cells[0]), shape)
        made = regions_of(masks, first, shares, tuple(settings.style_layers))
        made = place(made, whole(work.mesh))
        if masks.keep is None or len(work.grid.contents) == 1:
            return made, None
        contents = stacked([resize(_seen_content(work, cell), shape) for cell in cells])
        of_content: Any = None, None, None, 0
        return made._replace(content=contents), Regions(*of_content)

    weighing = cells[0].settings.weighing
    (features, content_scale), content = halves("content")
    (compared, style_scale), style = halves("style")
    variation = place(np.float32(variation_scale((*shape, 3), weighing)), whole(work.mesh))
    matting, guide = mattings()
    of_regions, kept = regions()
    targets = Targets(
        features, compared, content_scale, style_scale, variation, matting, of_regions
    )
    weights = stacked([cell.settings.loss_weights() for cell in cells])
    controls = stacked([cell.settings.controls(steps) for cell in cells])
    of_targets: Any = content, style, content, style, None, guide, kept
    axes = None, Targets(*of_targets), 0
    return (tuple(jax.tree.leaves(work.spread)), targets, weights), axes, controls


def _half(work: Work, kind: str, cell: Cell, shape: tuple[int, int]) -> Half:
    """The targets of a content or a blend, computed once; on the host unless all cells share
    them."""
    numbers = _numbers(work, kind, cell)
    if (kind, numbers, shape) not in work.halves:
        settings = cell.settings
        if kind == "content":
            image = resize(_seen_content(work, cell), shape)
            layers = tuple(settings.content_layers)
            half = content_half(work.model, image, layers, settings.weighing)
        else:
            images = sized_styles(_seen_styles(work, cell), shape, settings.style_scale)
            shares = blend_shares(settings.style_weights, len(images))
            layers = tuple(settings.style_layers)
            half = style_half(
                work.model,
                images,
                shares,
                layers,
                settings.weighing,
                settings.style_loss,
                masks=work.grid.masks,
            )
        shared = _shared(work, kind)
        half = place(half, whole(work.mesh)) if shared else jax.device_get(half)
        work.halves[kind, numbers, shape] = half
    return work.halves[kind, numbers, shape]


def _forget(work: Work, cells: Sequence[Cell]) -> None:
    """Drop the targets that none of these cells had: cells come in order, and those of many
    contents would fill the host's memory."""
    used = {(kind, _numbers(work, kind, cell)) for kind in ("content", "style") for cell in cells}
    for kind, numbers, shape in [*work.halves]:
        if (kind, numbers) not in used:
            del work.halves[kind, numbers, shape]


def _numbers(work: Work, kind: str, cell: Cell) -> Index:
    """The numbers of the images that the targets of a kind are made from."""
    if kind == "content":
        return (cell.content,)
    if follows_content(cell.settings.colors, work.grid.palette):
        return cell.content, cell.style
    return (cell.style,)


def _shared(work: Work, kind: str) -> bool:
    """Whether the targets of a kind are the same for all cells."""
    return len({_numbers(work, kind, cell) for cell in work.grid.cells.values()}) == 1


def _seen_content(work: Work, cell: Cell) -> Float[Array, "H W 3"]:
    return seen_content(cell.settings.colors, work.grid.contents[cell.content])


def _seen_styles(work: Work, cell: Cell) -> Blend:
    content, palette = work.grid.contents[cell.content], work.grid.palette
    blend = work.grid.styles[cell.style]
    return tuple(seen_style(cell.settings.colors, content, image, palette) for image in blend)


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
    args, axes, controls = _arguments(work, cells, len(work.grid.plan) - 1)
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
