"""The objectives of a grid's cells, their parts computed once."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jnst.execution.batch import Axes
from jnst.execution.devices import place, whole
from jnst.grid.axes import Blend, Cell, Grid, Index
from jnst.image.color_setting import depends_on_content, prepare_content, prepare_style
from jnst.image.inputs import initial_image
from jnst.image.resizing import resize_styles
from jnst.losses.objectives import Objective
from jnst.losses.style import StyleTerm
from jnst.losses.variation import Variation
from jnst.nn.backbone import Backbone
from jnst.optim.step import Controls
from jnst.transfer.canvas import Canvas
from jnst.transfer.inputs import Inputs, on_canvas
from jnst.transfer.job import Job, axes_of, controls_of
from jnst.transfer.levels import Level, levels_of
from jnst.transfer.problem import build_objective

OF_STYLE = ("style", "roughness", "styles", "seen styles", "axes")
"""Parts that are made from the style images; all others but the guides are from the content."""
OF_BOTH = ("units",)
"""Parts that are made from both."""
OF_SHAPE = ("guides", "shares", "extent")
"""Fields of terms that only a picture's shape decides, for the regions are the same for all."""


class GridContext(NamedTuple):
    """What stays the same from batch to batch.

    Attributes:
      model: as it came; targets are computed with it.
      spread: the same on every device of the mesh.
      grid: all cells.
      init: what every cell is begun from.
      mesh: the devices.
      parts: of objectives that were computed, by name, numbers of the images and shape, and what
        is made of the images themselves, which has none.
    """

    model: Backbone
    spread: Backbone
    grid: Grid
    init: Any
    mesh: Mesh
    parts: dict[tuple[str, Index, Canvas | None], Any]

    def content(self, cell: Cell) -> Float[np.ndarray, "H W 3"]:
        """The content of a cell, as the transfer is to see it."""

        def prepared() -> Any:
            content, settings = self.grid.contents[cell.content], cell.settings
            styles = self.styles(cell) if self.adopts(cell) else ()
            return prepare_content(settings.colors, content, styles, settings.style_weights)

        return self.once(cell, "seen content", lambda: np.asarray(prepared()))

    def styles(self, cell: Cell) -> Blend:
        """The styles of a cell, likewise."""
        content, palette = self.grid.contents[cell.content], self.grid.palette
        return self.once(
            cell,
            "seen styles",
            lambda: tuple(
                np.asarray(prepare_style(cell.settings.colors, content, image, palette))
                for image in self.grid.styles[cell.style]
            ),
        )

    def axes(self, cell: Cell) -> Array | None:
        """The axes of colour that a cell's descent works along."""
        return self.once(cell, "axes", lambda: axes_of(cell.settings, self.styles(cell)))

    def adopts(self, cell: Cell) -> bool:
        """Whether the content of a cell is given the colours of its styles."""
        return cell.settings.colors == "style" and self.grid.masks is None

    def numbers(self, part: str, cell: Cell) -> Index:
        """The numbers of the images that a part is made from."""
        if part == "guides" and not self.grid.mixed:
            return ()
        if part not in OF_STYLE and part not in OF_BOTH:
            return (cell.content, cell.style) if self.adopts(cell) else (cell.content,)
        if part in OF_BOTH or depends_on_content(cell.settings.colors, self.grid.palette):
            return cell.content, cell.style
        return (cell.style,)

    def varies(self, part: str) -> bool:
        """Whether a part differs between cells."""
        return len({self.numbers(part, cell) for cell in self.grid.cells.values()}) > 1

    def once(self, cell: Cell, part: str, make: Callable[[], Any]) -> Any:
        """What is made of a cell's images at their own size, made once and left as it is."""
        place_of = part, self.numbers(part, cell), None
        if place_of not in self.parts:
            self.parts[place_of] = make()
        return self.parts[place_of]

    def remember(self, cell: Cell, canvas: Canvas, part: str, make: Callable[[], Any]) -> Any:
        """A part of a cell's objective, computed once; on the host unless all cells share it."""
        place_of = part, self.numbers(part, cell), canvas
        if place_of not in self.parts:
            made = make()
            varies = self.varies(part)
            self.parts[place_of] = jax.device_get(made) if varies else place(made, whole(self.mesh))
        return self.parts[place_of]

    def evict(self, cells: Sequence[Cell]) -> None:
        """Drop the parts that none of these cells had.

        Cells come in order, and the parts of many contents would fill the host's memory.
        """
        used = {(part, self.numbers(part, cell)) for part, *_ in self.parts for cell in cells}
        for part, numbers, shape in [*self.parts]:
            if (part, numbers) not in used:
                del self.parts[part, numbers, shape]


def levels_for(
    context: GridContext, cells: Sequence[Cell], edges: Sequence[int | None]
) -> list[Level]:
    """The levels of a batch of cells, or of a cell by itself.

    Args:
      context: the grid.
      cells: of the batch.
      edges: the largest edge of a window at each level; None: there are none.
    """
    grid, settings = context.grid, cells[0].settings
    each = [levels_of(grid.plans[cell.content], settings, edges, grid.own) for cell in cells]
    return [
        levels[0]._replace(canvases=tuple(level.canvas for level in levels))
        for levels in zip(*each, strict=True)
    ]


def job_of(context: GridContext, cell: Cell, edges: Sequence[int | None]) -> Job:
    """A cell as a picture by itself."""
    content, styles = context.content(cell), context.styles(cell)
    key = jax.random.key(0) if cell.key is None else cell.key
    levels = levels_for(context, [cell], edges)
    start = initial_image(context.init, content, styles[0], levels[0].shape, key)
    return Job(
        inputs=Inputs(
            model=context.model, content=content, styles=styles, masks=context.grid.masks
        ),
        content=context.grid.contents[cell.content],
        settings=cell.settings,
        levels=levels,
        start=levels[0].canvas.put(np.asarray(start)),
        own=context.grid.own,
        key=key,
    )


def cell_controls(context: GridContext, cell: Cell, steps: int) -> Controls:
    """The numbers that steer a cell."""
    key = jax.random.key(0) if cell.key is None else cell.key
    return controls_of(cell.settings, context.axes(cell), context.grid.own, key, steps)


def cell_objective(
    context: GridContext, cell: Cell, canvas: Canvas, shape: tuple[int, int], masked: bool
) -> Objective:
    """The objective of a cell at one size; the network is the one on every device.

    Args:
      context: the grid.
      cell: of it.
      canvas: where its picture is worked at.
      shape: of its picture.
      masked: whether what lies beyond the picture is left out, even if that is nothing.
    """

    def remember(part: str, make: Callable[[], Any]) -> Any:
        return context.remember(cell, canvas, part, make)

    scale = cell.settings.style_scale
    content = remember("contents", lambda: on_canvas(context.content(cell), canvas))
    styles = remember("styles", lambda: resize_styles(context.styles(cell), shape, scale))
    inputs = Inputs(
        model=context.model,
        content=content,
        styles=styles,
        masks=context.grid.masks,
        extent=canvas.extent if masked else None,
    )
    objective = build_objective(
        inputs,
        cell.settings,
        own=context.grid.own,
        remember=remember,
        photorealism=context.grid.photorealistic,
    )
    return objective._replace(model=context.spread)


def batch_axes(context: GridContext, objective: Objective) -> Axes:
    """Which leaves of the cells' objectives are batched: numbers, and what differs.

    Args:
      context: the grid.
      objective: of any cell.

    Returns:
      For each leaf 0, or None where all cells share it.
    """
    mixed = context.grid.mixed
    varies = {part: context.varies(part) for part in ("content", "style", "units")}

    def batched(path: tuple[Any, ...], leaf: Any) -> bool:
        names: list[Any] = [getattr(key, "name", getattr(key, "idx", None)) for key in path]
        field, *rest = names
        if field == "model":
            return False
        if field == "extent" or (field == "kept" and "mask" in rest):
            return mixed
        if field == "kept":
            return varies["content"]
        if isinstance(leaf, np.generic | float | int):
            return True
        term, of_term = objective.terms[rest[0]], rest[1]
        if of_term in OF_SHAPE:
            return mixed
        if of_term == "scales" or isinstance(term, Variation):
            return varies["units"] or mixed
        return varies["style" if isinstance(term, StyleTerm) else "content"]

    leaves = jax.tree.leaves_with_path(objective)
    return tuple(0 if batched(path, leaf) else None for path, leaf in leaves)
