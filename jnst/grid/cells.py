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
from jnst.image.color import depends_on_content, prepare_content, prepare_style
from jnst.image.inputs import initial_image
from jnst.image.resizing import resize, resize_styles
from jnst.losses.objectives import Objective
from jnst.losses.style import StyleTerm
from jnst.losses.terms import Term, replace
from jnst.nn.backbone import Backbone
from jnst.optim.step import Controls
from jnst.transfer.levels import Level
from jnst.transfer.problem import Inputs, build_objective
from jnst.transfer.stylization import Job, controls_of

OF_STYLE = ("style", "roughness", "styles")
"""Parts that are made from the style images; all others but the guides are from the content."""
SHARED = 1
"""In place of None, which is no leaf."""


class GridContext(NamedTuple):
    """What stays the same from batch to batch.

    Attributes:
      model: as it came; targets are computed with it.
      spread: the same on every device of the mesh.
      grid: all cells.
      init: what every cell is begun from.
      mesh: the devices.
      parts: of objectives that were computed, by name, numbers of the images and shape.
    """

    model: Backbone
    spread: Backbone
    grid: Grid
    init: str | Array
    mesh: Mesh
    parts: dict[tuple[str, Index, tuple[int, int]], Any]

    def content(self, cell: Cell) -> Float[Array, "H W 3"]:
        """The content of a cell, as the transfer is to see it."""
        content, settings = self.grid.contents[cell.content], cell.settings
        return prepare_content(settings.colors, content, self.styles(cell), settings.style_weights)

    def styles(self, cell: Cell) -> Blend:
        """The styles of a cell, likewise."""
        content, palette = self.grid.contents[cell.content], self.grid.palette
        return tuple(
            prepare_style(cell.settings.colors, content, image, palette)
            for image in self.grid.styles[cell.style]
        )

    def numbers(self, part: str, cell: Cell) -> Index:
        """The numbers of the images that a part is made from."""
        if part == "guides":
            return ()
        if part not in OF_STYLE:
            adopts = cell.settings.colors == "style"
            return (cell.content, cell.style) if adopts else (cell.content,)
        if depends_on_content(cell.settings.colors, self.grid.palette):
            return cell.content, cell.style
        return (cell.style,)

    def varies(self, part: str) -> bool:
        """Whether a part differs between cells."""
        return len({self.numbers(part, cell) for cell in self.grid.cells.values()}) > 1

    def remember(
        self, cell: Cell, shape: tuple[int, int], part: str, make: Callable[[], Any]
    ) -> Any:
        """A part of a cell's objective, computed once; on the host unless all cells share it."""
        place_of = part, self.numbers(part, cell), shape
        if place_of not in self.parts:
            made = make()
            varies = self.varies(part)
            self.parts[place_of] = jax.device_get(made) if varies else place(made, whole(self.mesh))
        return self.parts[place_of]

    def evict(self, cells: Sequence[Cell]) -> None:
        """Drop the parts that none of these cells had: cells come in order, and those of many
        contents would fill the host's memory."""
        used = {(part, self.numbers(part, cell)) for part, *_ in self.parts for cell in cells}
        for part, numbers, shape in [*self.parts]:
            if (part, numbers) not in used:
                del self.parts[part, numbers, shape]


def job_of(context: GridContext, cell: Cell, levels: list[Level]) -> Job:
    """A cell as a picture by itself."""
    content, styles = context.content(cell), context.styles(cell)
    key = jax.random.key(0) if cell.key is None else cell.key
    return Job(
        inputs=Inputs(
            model=context.model, content=content, styles=styles, masks=context.grid.masks
        ),
        content=context.grid.contents[cell.content],
        settings=cell.settings,
        levels=levels,
        start=initial_image(context.init, content, styles[0], levels[0].shape, key),
        own=context.grid.own,
        key=key,
    )


def cell_controls(context: GridContext, cell: Cell, steps: int) -> Controls:
    """The numbers that steer a cell."""
    key = jax.random.key(0) if cell.key is None else cell.key
    return controls_of(cell.settings, context.styles(cell), context.grid.own, key, steps)


def cell_objective(context: GridContext, cell: Cell, shape: tuple[int, int]) -> Objective:
    """The objective of a cell at one size; the network is the one on every device."""

    def remember(part: str, make: Callable[[], Any]) -> Any:
        return context.remember(cell, shape, part, make)

    scale = cell.settings.style_scale
    content = remember("contents", lambda: resize(context.content(cell), shape))
    styles = remember("styles", lambda: resize_styles(context.styles(cell), shape, scale))
    inputs = Inputs(model=context.model, content=content, styles=styles, masks=context.grid.masks)
    objective = build_objective(
        inputs,
        cell.settings,
        own=context.grid.own,
        remember=remember,
        photorealism=context.grid.photorealistic,
    )
    return objective._replace(model=context.spread)


def batch_axes(context: GridContext, objective: Objective) -> Axes:
    """Which leaves of the cells' objectives are batched: numbers, and what differs."""
    varies = {part: context.varies(part) for part in ("content", "style")}

    def flags(tree: Any, varied: bool) -> Any:
        return jax.tree.map(
            lambda leaf: 0 if varied or isinstance(leaf, np.generic | float | int) else SHARED,
            tree,
        )

    def of_term(term: Term) -> Any:
        of_style = isinstance(term, StyleTerm) or term.name == "variation"
        made = flags(term, varies["style" if of_style else "content"])
        if isinstance(term, StyleTerm):  # the regions are the same for all cells
            made = replace(made, guides=flags(term.guides, False), shares=flags(term.shares, False))
        return made

    kept = objective.kept and objective.kept._replace(
        mask=SHARED, content=flags(objective.kept.content, varies["content"])
    )
    made = Objective(
        model=flags(objective.model, False),
        terms=tuple(map(of_term, objective.terms)),
        kept=kept,
    )
    return tuple(None if flag == SHARED else 0 for flag in jax.tree.leaves(made))
