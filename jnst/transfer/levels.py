"""The one loop over sizes, from coarse to fine; for a picture or for a batch."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._programs import program, spare_maps
from jnst.image.resampling import resampling_matrix, resize_on_host
from jnst.image.resizing import resize
from jnst.optim.checkpoint import Losses, Saved
from jnst.optim.descent import Execution, Run, Schedule, StepCallback, descend
from jnst.transfer.canvas import Canvas, coarse_canvas, exact_canvas, last_canvas
from jnst.transfer.plan import Plan
from jnst.transfer.settings import Settings


class Level(NamedTuple):
    """One size of a run.

    Attributes:
      shape: (height, width) in pixels of the picture, or of the first of a batch.
      steps: updates to make.
      window: the largest edge of the windows to work in; None: the picture is worked at as a whole.
      canvases: where the picture, or each picture of a batch, is worked at; all of one shape.
    """

    shape: tuple[int, int]
    steps: int
    window: int | None = None
    canvases: tuple[Canvas, ...] = ()

    @property
    def canvas(self) -> Canvas:
        """Where the picture, or the first of a batch, is worked at."""
        return self.canvases[0] if self.canvases else exact_canvas(self.shape)

    def shown(self, images: Float[Array, "*batch H W 3"]) -> Any:
        """The pictures on the canvases, at their true shape; a list where shapes differ."""
        if not self.canvases or (self.canvas.exact and self.canvas.shape == self.shape):
            return images
        host = np.asarray(images)
        if host.ndim == 3:
            return resize_on_host(self.canvas.take(host), self.shape)
        each = [canvas.take(image) for canvas, image in zip(self.canvases, host, strict=False)]
        if self.canvas.exact:  # a coarse size, which is stretched
            each = [resize_on_host(image, self.shape) for image in each]
        return np.stack(each) if len({image.shape for image in each}) == 1 else each


def levels_of(
    plan: Plan,
    settings: Settings,
    edges: Sequence[int | None] = (),
    own: Sequence[Any] = (),
) -> list[Level]:
    """The levels of a plan, each with its canvas.

    Args:
      plan: shapes and steps.
      settings: of the run.
      edges: the largest edge of a window at each, None where there are none; empty: nowhere.
      own: terms of one's own, which see no further than the picture.
    """
    # What lies beyond a picture can be left out of statistics that are sums over positions only.
    masked = settings.recipe().loss.additive and not own
    levels = []
    for number, (shape, steps) in enumerate(plan, start=1):
        edge = edges[number - 1] if edges else None
        if number < len(plan) and edge is None:
            canvas = coarse_canvas(shape)
        else:
            canvas = last_canvas(shape) if masked and edge is None else exact_canvas(shape)
        levels.append(Level(shape=shape, steps=steps, window=edge, canvases=(canvas,)))
    return levels


class Keeper(NamedTuple):
    """Where a run goes on from, and what keeps it.

    Attributes:
      saved: a checkpoint to go on from; None: from the beginning.
      save: keeps a run's state, and the losses of every level so far; None: nothing does.
      every: steps between two savings.
    """

    saved: Saved | None = None
    save: Callable[[Execution, Run, Losses], None] | None = None
    every: int = 1


NOT_KEPT = Keeper()
"""Of a run that no file is kept of."""


class Steering(NamedTuple):
    """What a run is told beside its levels.

    Attributes:
      execute: makes the execution of a level.
      controls: the numbers that steer so many steps, for the execution.
      tolerance: see `jnst.optim.descent.Schedule`.
      callback: given the steps made before a level and those of the whole run, what is called after
        every step; None: nothing.
      keeper: see `Keeper`.
      ahead: called with the level after the present one once that is under way.
      carry: makes what a level starts from of the picture of the one before; None: it is enlarged.
      details: given the level before and a level, what is added to the picture that is enlarged for
        it, or to each of a batch; None: nothing. What `carry` makes gets none.
    """

    execute: Callable[[Level], Execution]
    controls: Callable[[int], Any]
    tolerance: float = 0.0
    callback: Callable[[Level, int, int], StepCallback] | None = None
    keeper: Keeper = NOT_KEPT
    ahead: Callable[[Level], Any] | None = None
    carry: Callable[[Array, Level], Array] | None = None
    details: Callable[[Level, Level], Float[np.ndarray, "*batch H W 1"] | None] | None = None


class Outcome(NamedTuple):
    """What `coarse_to_fine` comes back with.

    Attributes:
      image: the last level's picture, or pictures, on their canvases.
      losses: of every level.
      runs: of every level that was run now.
      level: the last that was run.
    """

    image: Float[Array, "*batch H W 3"]
    losses: Losses
    runs: list[Run]
    level: Level


def coarse_to_fine(
    levels: Sequence[Level], image: Float[Array, "*batch _h _w 3"], steering: Steering
) -> Outcome:
    """Make the steps of all levels, each started from the enlarged result of the one before.

    Args:
      levels: coarse to fine.
      image: to start from, or a batch of them.
      steering: how.
    """
    execute, controls_of, tolerance, callback, keeper, ahead, carry, details = steering
    saved, save, save_every = keeper
    losses: Losses = saved.losses[:-1] if saved else []
    runs: list[Run] = []
    diverged = np.zeros((), bool)  # or of each of a batch

    for number in range(len(losses), len(levels)):
        level = levels[number]
        done = sum(len(part["total"]) for part in losses)
        total = done + sum(later.steps for later in levels[number:])
        if carry and runs:
            image = carry(image, level)
        else:
            before = levels[number - 1] if runs else None
            added = details(before, level) if details and before else None
            if added is not None and diverged.ndim:
                added = added * ~diverged[:, None, None, None]
            image = enlarged(image, before, level, added)
        # The execution first: its targets may take more memory than there is beside a state.
        execution = execute(level)
        state = execution.begin(image, saved and saved.state)
        if runs and state.diverged.ndim:  # of a batch, what has diverged stays so
            state = state._replace(diverged=jnp.array(runs[-1].state.diverged))

        def keep(run: Run, execution: Execution = execution, before: Losses = losses) -> None:
            if save:
                save(execution, run, [*before, run.losses])

        controls = execution.controls(controls_of(level.steps))
        if ahead and number + 1 < len(levels):
            ahead(levels[number + 1])
        run = descend(
            execution,
            state,
            controls,
            Schedule(
                steps=level.steps,
                tolerance=tolerance,
                callback=callback and callback(level, done, total),
                before=saved and saved.losses[-1],
                save=keep if save else None,
                save_every=save_every,
            ),
        )
        keep(run)
        saved = None
        image = execution.picture(run.state, controls)
        losses = [*losses, run.losses]
        runs.append(run)
        diverged = execution.fetch(run.state.diverged)
        if run.stopped or diverged.all():
            break
    spare_maps()
    return Outcome(image=image, losses=losses, runs=runs, level=level)


def enlarged(
    image: Any,
    before: Level | None,
    level: Level,
    details: Float[np.ndarray, "*batch H W 1"] | None = None,
) -> Any:
    """The result of a level on the canvases of the next; the first image is on those of the first.

    Args:
      image: of the level before, or to start from.
      before: the level before; None: the image is to start from.
      level: that it is wanted for.
      details: added to the enlarged image.
    """
    if before is None:
        # `jnp.asarray` would compile a program for every shape.
        return image if isinstance(image, Array) else jax.device_put(image)
    if not level.canvases:
        image = resize(image, level.shape)
        return image if details is None else with_details(image, details)
    pairs = list(zip(before.canvases, level.canvases, strict=True))
    rows, columns = (
        np.stack(
            [
                resampling_matrix(
                    old.extent[axis], new.extent[axis], old.shape[axis], new.shape[axis]
                )
                for old, new in pairs
            ]
        )
        for axis in (0, 1)
    )
    if image.ndim == 3:
        rows, columns = rows[0], columns[0]
    return resample(image, rows, columns, details)


@program()
def resample(
    image: Float[Array, "*batch h w 3"],
    rows: Float[Array, "*batch H h"],
    columns: Float[Array, "*batch W w"],
    details: Float[Array, "*batch H W 1"] | None = None,
) -> Float[Array, "*batch H W 3"]:
    """The image by the matrices of its rows and columns, and details, clipped to [0, 1]."""
    lines = jnp.einsum("...Hh,...hwc->...Hwc", rows, image, precision="highest")
    both = jnp.einsum("...Ww,...Hwc->...HWc", columns, lines, precision="highest")
    return jnp.clip(both if details is None else both + details, 0, 1)


@program()
def with_details(
    image: Float[Array, "H W 3"], details: Float[Array, "H W 1"]
) -> Float[Array, "H W 3"]:
    """The image and details, clipped to [0, 1]."""
    return jnp.clip(image + details, 0, 1)
