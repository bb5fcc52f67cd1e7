"""The one loop over sizes, from coarse to fine; for a picture or for a batch."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst.image.resizing import resize
from jnst.optim.checkpoint import Losses, Saved
from jnst.optim.descent import Execution, Run, Schedule, StepCallback, descend


class Level(NamedTuple):
    """One size of a run.

    Attributes:
      shape: (height, width) in pixels.
      steps: updates to make.
      window: the largest edge of the windows to work in; None: the picture is worked at as a whole.
    """

    shape: tuple[int, int]
    steps: int
    window: int | None = None


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
      carry: makes what a level starts from of the picture of the one before; None: it is enlarged.
    """

    execute: Callable[[Level], Execution]
    controls: Callable[[int], Any]
    tolerance: float = 0.0
    callback: Callable[[Level, int, int], StepCallback] | None = None
    keeper: Keeper = NOT_KEPT
    carry: Callable[[Array, Level], Array] | None = None


class Outcome(NamedTuple):
    """What `coarse_to_fine` comes back with.

    Attributes:
      image: the last level's picture, or pictures.
      losses: of every level.
      runs: of every level that was run now.
      execution: of the last level.
    """

    image: Float[Array, "*batch H W 3"]
    losses: Losses
    runs: list[Run]
    execution: Execution


def coarse_to_fine(
    levels: Sequence[Level], image: Float[Array, "*batch _h _w 3"], steering: Steering
) -> Outcome:
    """Make the steps of all levels, each started from the enlarged result of the one before.

    Args:
      levels: coarse to fine.
      image: to start from, or a batch of them.
      steering: how.
    """
    execute, controls_of, tolerance, callback, keeper, carry = steering
    saved, save, save_every = keeper
    losses: Losses = saved.losses[:-1] if saved else []
    runs: list[Run] = []

    for number in range(len(losses), len(levels)):
        level = levels[number]
        done = sum(len(part["total"]) for part in losses)
        total = done + sum(later.steps for later in levels[number:])
        image = carry(image, level) if carry and runs else resize(image, level.shape)
        # The execution first: its targets may take more memory than there is beside a state.
        execution = execute(level)
        state = execution.begin(image, saved and saved.state)
        if runs and state.diverged.ndim:  # of a batch, what has diverged stays so
            state = state._replace(diverged=jnp.array(runs[-1].state.diverged))

        def keep(run: Run, execution: Execution = execution, before: Losses = losses) -> None:
            if save:
                save(execution, run, [*before, run.losses])

        controls = execution.controls(controls_of(level.steps))
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
        if run.stopped or execution.fetch(run.state.diverged).all():
            break
    return Outcome(image=image, losses=losses, runs=runs, execution=execution)
