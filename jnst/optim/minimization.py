"""Gradient descent on pixels: one jitted step, and the loop around it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from jnst.execution.devices import fetch, keep, whole
from jnst.optim.convergence import converged

Objective = Callable[[Array, Any], dict[str, Array]]
"""`objective(image, args)` -> {term: loss}, of which `"total"` is minimised."""

Watch = Callable[["State", "Controls", dict[str, Array], int], bool | None]
"""`watch(state, controls, losses, count)` after `count` steps; True stops the run. The losses are
those of the step before, so that reading them does not keep the device waiting; the arrays of
`state` are given to the next step and are gone after the call."""


class Controls(NamedTuple):
    """The numbers that steer a run; traced, so that changing them never recompiles.

    Attributes:
      rate: learning rate of the first step.
      final_rate: learning rate of the last step, reached along half a cosine.
      steps: the number of steps over which the rate falls.
      lower, upper: the box that every pixel is kept in.
      decay: of the average over the iterates, in [0, 1); 0 is no averaging.
    """

    rate: Array | float
    final_rate: Array | float
    steps: Array | float
    lower: Array | float = 0.0
    upper: Array | float = 1.0
    decay: Array | float = 0.0


class State(NamedTuple):
    """Everything a step changes.

    Attributes:
      image: the current iterate.
      average: exponential moving average of the iterates before it whose loss was finite, not
        corrected for its start from 0; read it with `picture`.
      moments: the optimiser's own state.
      steps: updates made.
      halted: a loss or image was not finite; nothing changes from there on.
    """

    image: Float[Array, "H W 3"]
    average: Float[Array, "H W 3"]
    moments: optax.OptState
    steps: Int[Array, ""]
    halted: Bool[Array, ""]


@functools.partial(jax.jit, static_argnames="optimizer")
def init_state(image: Float[Array, "H W 3"], optimizer: optax.GradientTransformation) -> State:
    """The state before the first step; it shares no memory with `image`, so it can be donated."""
    moments = optimizer.init(image)
    state = State(
        image, jnp.zeros_like(image), moments, jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    )
    return jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), state)


@functools.partial(jax.jit, static_argnames=("objective", "optimizer"), donate_argnames="state")
def step(
    state: State,
    args: Any,
    controls: Controls,
    *,
    objective: Objective,
    optimizer: optax.GradientTransformation,
) -> tuple[State, dict[str, Array], Bool[Array, ""]]:
    """One update of the image.

    Returns:
      The next state, the losses at `state.image`, and whether the run has halted.
    """

    def total(image):
        terms = objective(image, args)
        return terms["total"], terms

    (_, terms), gradient = jax.value_and_grad(total, has_aux=True)(state.image)
    return advance(
        state, terms, gradient, controls, optimizer, lambda image, rate=None: total(image)[0]
    )


def advance(
    state: State,
    terms: dict[str, Array],
    gradient: Float[Array, "H W 3"],
    controls: Controls,
    optimizer: optax.GradientTransformation,
    value_fn: Callable[..., Array],
) -> tuple[State, dict[str, Array], Bool[Array, ""]]:
    """The part of a step that follows the gradient, however that was come by.

    Args:
      state: before the step.
      terms: {term: loss} at `state.image`.
      gradient: of `terms["total"]`.
      controls: the numbers that steer the run.
      optimizer: an Optax transformation.
      value_fn: the total loss of another image, for line searches.

    Returns:
      As `step`.
    """
    loss = terms["total"]
    progress = jnp.clip(state.steps / controls.steps, 0, 1)
    swing = (1 + jnp.cos(jnp.pi * progress)) / 2
    rate = controls.final_rate + (controls.rate - controls.final_rate) * swing
    updates, moments = optax.with_extra_args_support(optimizer).update(
        gradient,
        state.moments,
        state.image,
        rate=rate,  # for ours; the others are for line searches, which evaluate on their own
        value=loss,
        grad=gradient,
        value_fn=value_fn,
    )
    image = jnp.clip(state.image + updates, controls.lower, controls.upper)
    average = controls.decay * state.average + (1 - controls.decay) * state.image
    # The squared norm, since Adam would divide by it: a gradient that overflows it moves nothing.
    finite = jnp.isfinite(loss) & jnp.isfinite(jnp.vdot(gradient, gradient))
    halted = state.halted | ~finite | ~jnp.isfinite(image).all()
    after = State(image, average, moments, state.steps + 1, halted)
    state = jax.tree.map(lambda new, old: jnp.where(halted, old, new), after, state)
    return state._replace(halted=halted), terms, halted


Update = Any
"""`step`, or what `batched_step` makes of it, or `jnst.execution.tiling.tiled_step`'s: a function of the same
arguments."""


@functools.cache  # one function for each way of batching, so that it compiles once
def batched_step(axes: Any, mesh: Mesh) -> Update:
    """`step` under `jax.vmap`, for many images at a time.

    Args:
      axes: which leaves of `args` are batched: 0 where they are and None where all images share
        them, as the `in_axes` of `jax.vmap`. State and controls always are.
      mesh: the devices that the batch is split over; the losses come back whole on every one.

    Returns:
      A function like `step`; what it returns last is whether all the images have halted.
    """

    @functools.partial(jax.jit, static_argnames=("objective", "optimizer"), donate_argnames="state")
    def steps(state, args, controls, *, objective, optimizer):
        one = functools.partial(step, objective=objective, optimizer=optimizer)
        state, losses, halted = jax.vmap(one, in_axes=(0, axes, 0))(state, args, controls)
        return state, keep(losses, whole(mesh)), halted.all()

    return steps


@jax.jit
def picture(state: State, controls: Controls) -> Float[Array, "H W 3"]:
    """The picture that a state stands for: the bias-corrected average of its finite iterates."""
    weight = jnp.where(state.halted, 0, 1 - controls.decay)
    mixed = jnp.where(state.halted, 1, controls.decay) * state.average + weight * state.image
    count = (state.steps + jnp.where(state.halted, 0, 1)).astype(state.image.dtype)
    norm = 1 - controls.decay**count
    return jnp.where(norm > 0, mixed / jnp.where(norm > 0, norm, 1), state.image)


class Run(NamedTuple):
    """What `minimize` comes back with.

    Attributes:
      state: after the last step.
      losses: {term: (count,)}, each value taken at the iterate before its update; for a batch of
        n images (count, n), NaN from where an image halted.
      stopped: `watch` ended the run.
      converged: it ended since the loss hardly improved any more.
    """

    state: State
    losses: dict[str, np.ndarray]
    stopped: bool = False
    converged: bool = False


Save = Callable[[Run], None]
"""`save(run)` between two steps, with the run so far; as with `Watch`, the arrays of its state are
gone after the call."""


def minimize(
    objective: Objective,
    state: State,
    args: Any,
    controls: Controls,
    *,
    optimizer: optax.GradientTransformation,
    steps: int,
    watch: Watch | None = None,
    update: Update = step,
    tolerance: float = 0.0,
    before: dict[str, np.ndarray] | None = None,
    save: Save | None = None,
    save_every: int = 1,
) -> Run:
    """Update an image a number of times, until it diverges or converges, or until `watch` says to
    stop.

    Args:
      objective: `objective(image, args)` -> {term: loss} with the sum to minimise under "total".
        Pass the same function object again to use the same compiled step again.
      state: where to start, from `init_state` or of a run that goes on; it is given away and gone
        after the call.
      args: whatever the objective needs besides; a pytree of arrays.
      controls: the numbers that steer the run.
      optimizer: an Optax transformation; `jnst.optim.optimizers.make_optimizer` makes those that follow
        `controls.rate`.
      steps: updates to make, those of `before` included.
      watch: called after every step; see `Watch`.
      update: `step`, or another way of making one: for a batch of images, or in tiles.
      tolerance: of `jnst.optim.convergence.converged`, for a single image. What is looked at are the
        losses up to the last step but one, for which the device does not have to be waited for.
      before: the losses of the steps that `state` has already seen, where a run goes on.
      save: called after every `save_every` steps that are followed by another; see `Save`.
      save_every: as just said.

    Returns:
      The state, the losses of every step made, those of `before` included, and why it ended.
    """

    def as_array(leaf: Any) -> Array:
        return leaf if isinstance(leaf, Array) else jnp.asarray(leaf, state.image.dtype)

    # As arrays: Python numbers would be sent to the device again at every step.
    args, controls = jax.tree.map(as_array, (args, controls))
    history: list[dict[str, Any]] = _rows(before or {})
    totals: list[float] = []
    halted_before: Array | bool = False
    stopped = at_rest = False
    for count in range(len(history) + 1, steps + 1):
        if tolerance:
            totals += [float(losses["total"]) for losses in history[len(totals) : -1]]
            if at_rest := converged(totals, tolerance):
                break
        state, losses, halted = update(
            state, args, controls, objective=objective, optimizer=optimizer
        )
        history.append(losses)
        if watch and watch(state, controls, history[-2:][0], count):
            stopped = True
            break
        if halted_before:  # while this is waited for, the device is busy with the step after it
            break
        halted_before = halted
        if save and count % save_every == 0 and count < steps:
            save(Run(state, _columns(history, state)))
    return Run(state, _columns(history, state), stopped, at_rest)


def _rows(losses: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """{term: (count,)} as {term: loss} for every step."""
    return [dict(zip(losses, row, strict=True)) for row in zip(*losses.values(), strict=True)]


def _columns(history: list[dict[str, Any]], state: State) -> dict[str, np.ndarray]:
    """{term: loss} of every step as {term: (count,)}, without those that changed nothing."""
    done = fetch(state.steps)
    values = jax.device_get(history[: done.max()])
    made = np.arange(len(values)).reshape(-1, *[1] * done.ndim) < done
    losses = {}
    for term in history[0]:
        rows = np.array([value[term] for value in values]).reshape(len(values), *done.shape)
        losses[term] = np.where(made, rows, np.nan)
    return losses
