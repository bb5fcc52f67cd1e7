"""The loop around the step: losses, callbacks, and the reasons to end."""

import collections
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jnst.optim.convergence import converged
from jnst.optim.step import Controls, State


@runtime_checkable
class Execution(Protocol):
    """A way of computing a step: of a whole picture, by rows over devices, in tiles, of a batch.

    It holds the objective, what this needs besides the image, and the optimiser; and it alone knows
    of devices, tiles and batches.
    """

    def controls(self, controls: Any, /) -> Controls:
        """The numbers that steer a run, where `advance` wants them."""

    def begin(self, image: Array, /, saved: State | None = None) -> State:
        """The state before the first step, or the saved one."""

    def advance(self, state: State, controls: Controls) -> tuple[State, dict[str, Array], Array]:
        """One step: the next state, the losses before it, and whether every image has diverged."""

    def picture(self, state: State, controls: Controls) -> Array:
        """The picture, or pictures, that a state stands for."""

    def fetch(self, tree: Any) -> Any:
        """Arrays of the device, or of all devices, as NumPy's."""


StepCallback = Callable[[State, Controls, dict[str, Array], int], bool | None]
"""`callback(state, controls, losses, count)` after `count` steps; True stops the run. The losses
are those of the step before, so that reading them does not keep the device waiting; the arrays of
`state` are given to the next step and are gone after the call."""


class Run(NamedTuple):
    """What `descend` comes back with.

    Attributes:
      state: after the last step.
      losses: {term: (count,)}, each value taken at the iterate before its update; for a batch of
        n images (count, n), NaN from where an image diverged or converged.
      stopped: the callback ended the run.
      converged: the loss hardly improved any more; for a batch (n,).
    """

    state: State
    losses: dict[str, np.ndarray]
    stopped: bool = False
    converged: bool | np.ndarray = False


LAG = 2
"""Steps after which it is looked whether one diverged. Until the device has said so it has the next
ones to work at; they change nothing where it did."""
CLEARLY = 0.9
"""Below this part of the start's loss, a picture is better than the start beyond doubt."""
PAUSE = 10
"""Steps from one look at whether a picture is better than the start to the next."""
Save = Callable[[Run], None]
"""`save(run)` between two steps, with the run so far; as with `StepCallback`, the arrays of its
state are gone after the call."""


class Schedule(NamedTuple):
    """How long a run goes on, and what happens on its way.

    Attributes:
      steps: updates to make, those of `before` included.
      tolerance: of `jnst.optim.convergence.converged`. What is looked at are the losses up to the
        last step but one, for which the device does not have to be waited for; and where these are
        hardly below the start's, the picture itself.
      callback: called after every step; see `StepCallback`.
      before: the losses of the steps that the state has already seen, where a run goes on.
      save: called after every `save_every` steps that are followed by another; see `Save`.
      save_every: as just said.
    """

    steps: int
    tolerance: float = 0.0
    callback: StepCallback | None = None
    before: dict[str, np.ndarray] | None = None
    save: Save | None = None
    save_every: int = 1


def descend(execution: Execution, state: State, controls: Controls, schedule: Schedule) -> Run:
    """Update an image, or a batch, until the steps are made, it diverges, converges or is stopped.

    Args:
      execution: makes the steps.
      state: where to start, from `init_state` or of a run that goes on; it is given away.
      controls: the numbers that steer the run, of `execution.controls`.
      schedule: how long, and who is told.

    Returns:
      The state, the losses of every step made, those of `before` included, and why it ended.
    """
    steps, tolerance, callback, before, save, save_every = schedule
    history: list[dict[str, Any]] = _rows(before or {})
    totals: list[np.ndarray] = []
    # Of a batch that goes on, those that had converged made fewer steps than there are losses.
    done = execution.fetch((state.steps < len(history)) & ~state.diverged)
    if done.any():
        controls = controls._replace(active=jnp.asarray(~done))
    asked: collections.deque[Array] = collections.deque()
    stopped = False
    for count in range(len(history) + 1, steps + 1):
        if tolerance:
            totals += [np.asarray(losses["total"]) for losses in history[len(totals) : -1]]
            at_rest = np.asarray(_at_rest(totals, tolerance) & ~done)
            if at_rest.any():
                at_rest = _no_worse(at_rest, execution, state, controls, totals)
            if at_rest.any():
                done = done | at_rest
                if done.all():
                    break
                controls = controls._replace(active=jnp.asarray(~done))
        state, losses, diverged = execution.advance(state, controls)
        history.append(losses)
        _send(losses, diverged)
        if callback and callback(state, controls, history[-2:][0], count):
            stopped = True
            break
        asked.append(diverged)
        if len(asked) > LAG and asked.popleft():
            break
        if save and count % save_every == 0 and count < steps:
            save(Run(state=state, losses=_columns(history, state, execution)))
    return Run(
        state=state,
        losses=_columns(history, state, execution),
        stopped=stopped,
        converged=done if done.ndim else bool(done),
    )


def _send(*arrays: Any) -> None:
    """Send arrays to the host, to be there by the time they are asked for."""
    for array in jax.tree.leaves(arrays):
        if isinstance(array, Array):
            array.copy_to_host_async()


def _at_rest(totals: Sequence[np.ndarray], tolerance: float) -> np.ndarray:
    """Which of the images have converged; one that diverged has not."""
    if not totals:
        return np.zeros((), bool)
    table = np.stack(totals)
    flat = table.reshape(len(table), -1)
    judged = [bool(np.isfinite(row).all()) and converged(row.tolist(), tolerance) for row in flat.T]
    return np.array(judged).reshape(table.shape[1:])


def _no_worse(
    at_rest: np.ndarray,
    execution: Execution,
    state: State,
    controls: Controls,
    totals: Sequence[np.ndarray],
) -> np.ndarray:
    """Which of the pictures that have come to rest are no worse than their start.

    The losses are those of iterates, and a picture is an average of them, which beside a start that
    was good already may be worse. To see that takes a step and the memory of another state, at
    every tenth step only; nothing is to be seen where the losses are well below the start's.
    """
    below = at_rest & (totals[-1] < CLEARLY * totals[0])
    if (below == at_rest).all() or len(totals) % PAUSE:
        return np.asarray(below)
    shown = execution.begin(execution.picture(state, controls))
    _, losses, _ = execution.advance(shown, controls)
    return np.asarray(below | (at_rest & (np.asarray(losses["total"]) <= totals[0])))


def _rows(losses: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """{term: (count,)} as {term: loss} for every step."""
    return [dict(zip(losses, row, strict=True)) for row in zip(*losses.values(), strict=True)]


def _columns(
    history: list[dict[str, Any]], state: State, execution: Execution
) -> dict[str, np.ndarray]:
    """{term: loss} of every step as {term: (count,)}, without those that changed nothing."""
    made = execution.fetch(state.steps)
    values = jax.device_get(history[: made.max()])
    counted = np.arange(len(values)).reshape(-1, *[1] * made.ndim) < made
    losses = {}
    for term in history[0] if history else ():
        rows = np.array([value[term] for value in values]).reshape(len(values), *made.shape)
        losses[term] = np.where(counted, rows, np.nan)
    return losses
