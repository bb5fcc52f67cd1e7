"""What the cells of a grid are compared with, and are steered by, some cells at a time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jnst.execution.devices import place, split, whole
from jnst.grid.axes import Blend, Cell, Grid, Index
from jnst.image.color import depends_on_content, prepare_content, prepare_style
from jnst.image.inputs import resize, resize_styles
from jnst.losses.matting import Matting
from jnst.losses.regions import Regions
from jnst.losses.targets import (
    ContentHalf,
    StyleHalf,
    Targets,
    blend_shares,
    matting_of,
    put_together,
    regions_of,
)
from jnst.nn.vgg import VGG19
from jnst.optim.minimization import Controls
from jnst.transfer.levels import content_half, style_half


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
    halves: dict[tuple[str, Index, tuple[int, int]], ContentHalf | StyleHalf]


def arguments(work: Work, cells: list[Cell], level: int) -> tuple[Any, Any, Controls]:
    """What the step at one size is given beside the state, and which of its args are batched."""
    shape, steps = work.grid.plan[level]
    over = split(work.mesh)

    def stacked(trees: Sequence[Any]) -> Any:
        return place(jax.tree.map(lambda *x: np.array(x, np.float32), *trees), over)

    def halves(kind: str) -> tuple[Any, int | None]:
        if _shared(work, kind):
            return _half(work, kind, cells[0], shape), None
        return stacked([_half(work, kind, cell, shape) for cell in cells]), 0

    def mattings() -> tuple[Matting | None, int | None]:
        if not work.grid.photorealistic:
            return None, None
        if len(work.grid.contents) == 1:
            matting = matting_of(resize(content_of(work, cells[0]), shape))
            return place(matting, whole(work.mesh)), None
        return stacked([matting_of(resize(content_of(work, cell), shape)) for cell in cells]), 0

    def regions() -> tuple[Regions | None, Any]:
        masks, settings = work.grid.masks, cells[0].settings
        if masks is None:
            return None, None
        shares = blend_shares(settings.style_weights, len(masks.styles))
        first = resize(content_of(work, cells[0]), shape)
        made = regions_of(masks, first, shares, tuple(settings.style_layers))
        made = place(made, whole(work.mesh))
        if masks.keep is None or len(work.grid.contents) == 1:
            return made, None
        contents = stacked([resize(content_of(work, cell), shape) for cell in cells])
        of_content: Any = None, None, None, 0
        return made._replace(content=contents), Regions(*of_content)

    weighing = cells[0].settings.weighing
    of_content, content = halves("content")
    of_styles, style = halves("style")
    matting, guide = mattings()
    of_regions, kept = regions()
    targets = put_together(of_content, of_styles, (*shape, 3), weighing, matting, of_regions)
    weights = stacked([cell.settings.loss_weights() for cell in cells])
    controls = stacked([cell.settings.controls(steps) for cell in cells])
    of_targets: Any = content, style, content, style, style, style, guide, kept
    axes = None, Targets(*of_targets), 0
    return (tuple(jax.tree.leaves(work.spread)), targets, weights), axes, controls


def _half(work: Work, kind: str, cell: Cell, shape: tuple[int, int]) -> ContentHalf | StyleHalf:
    """The targets of a content or a blend, computed once; on the host unless all cells share
    them."""
    numbers = _numbers(work, kind, cell)
    if (kind, numbers, shape) not in work.halves:
        settings = cell.settings
        if kind == "content":
            image = resize(content_of(work, cell), shape)
            layers = tuple(settings.content_layers)
            half = content_half(work.model, image, layers, settings.weighing)
        else:
            images = resize_styles(styles_of(work, cell), shape, settings.style_scale)
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


def forget(work: Work, cells: Sequence[Cell]) -> None:
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
    if depends_on_content(cell.settings.colors, work.grid.palette):
        return cell.content, cell.style
    return (cell.style,)


def _shared(work: Work, kind: str) -> bool:
    """Whether the targets of a kind are the same for all cells."""
    return len({_numbers(work, kind, cell) for cell in work.grid.cells.values()}) == 1


def content_of(work: Work, cell: Cell) -> Float[Array, "H W 3"]:
    return prepare_content(cell.settings.colors, work.grid.contents[cell.content])


def styles_of(work: Work, cell: Cell) -> Blend:
    content, palette = work.grid.contents[cell.content], work.grid.palette
    blend = work.grid.styles[cell.style]
    return tuple(prepare_style(cell.settings.colors, content, image, palette) for image in blend)
