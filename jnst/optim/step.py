"""One jitted update of an image, and what it changes."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from jnst._programs import program

Objective = Callable[..., dict[str, Array]]
"""`objective(image, args)`, or `objective(image, args, key)` where the controls hold a random key:
{term: loss}, of which `"total"` is minimised."""


class Controls(NamedTuple):
    """The numbers that steer a run; traced, so that changing them never recompiles.

    Attributes:
      learning_rate: of the first step.
      final_learning_rate: of the last step, reached along half a cosine.
      steps: the number of steps over which the rate falls.
      lower, upper: the box that every pixel is kept in.
      ema_decay: of the average over the iterates, in [0, 1); 0 is no averaging.
      active: False leaves the image as it is: in a batch, of an image that has converged.
      colors: (3, 3), the axes of colour that a preconditioned descent works along, as of
        `jnst.optim.preconditioning.color_axes`; None: red, green and blue.
      key: a random key; each step draws its own from it. None: the objective takes none.
    """

    learning_rate: Array | float
    final_learning_rate: Array | float
    steps: Array | float
    lower: Array | float = 0.0
    upper: Array | float = 1.0
    ema_decay: Array | float = 0.0
    active: Array | bool = True
    colors: Float[Array | np.ndarray, "*batch 3 3"] | None = None
    key: Key[Array, "..."] | None = None


class State(NamedTuple):
    """Everything a step changes.

    Attributes:
      image: the current iterate.
      average: exponential moving average of the iterates before it whose loss was finite, not
        corrected for its start from 0; read it with `picture`.
      opt_state: the optimiser's own state.
      steps: updates made.
      diverged: a loss or image was not finite; nothing changes from there on.
    """

    image: Float[Array, "*image"]
    average: Float[Array, "*image"]
    opt_state: optax.OptState
    steps: Int[Array, ""]
    diverged: Bool[Array, ""]


@program(static_argnames=("optimizer",))
def init_state(image: Float[Array, "*image"], optimizer: optax.GradientTransformation) -> State:
    """The state before the first step; it shares no memory with `image`, so it can be donated."""
    state = State(
        image=image,
        average=jnp.zeros_like(image),
        opt_state=optimizer.init(image),
        steps=jnp.zeros((), jnp.int32),
        diverged=jnp.zeros((), bool),
    )
    return jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), state)


@program(static_argnames=("objective", "optimizer"), donate_argnames=("state",), quick=True)
def step(
    state: State,
    args: Any,
    controls: Controls,
    *,
    objective: Objective,
    optimizer: optax.GradientTransformation,
) -> tuple[State, dict[str, Array], Bool[Array, ""]]:
    """One update of the image.

    Args:
      state: before the step; it is given away.
      args: whatever the objective needs besides the image; a pytree of arrays.
      controls: the numbers that steer the run.
      objective: see `Objective`.
      optimizer: an Optax transformation.

    Returns:
      The next state, the losses at `state.image`, and whether the run has diverged.
    """
    drawn = () if controls.key is None else (jax.random.fold_in(controls.key, state.steps),)

    def total(image: Array) -> tuple[Array, dict[str, Array]]:
        losses = objective(image, args, *drawn)
        return losses["total"], losses

    (_, losses), gradient = jax.value_and_grad(total, has_aux=True)(state.image)
    value_fn = functools.partial(_value, total)
    return apply_gradient(state, losses, gradient, controls, optimizer, value_fn)


def _value(
    total: Callable[[Array], tuple[Array, Any]], image: Array, *, learning_rate: Any = None
) -> Array:
    """The total loss of another image, for line searches.

    They pass on all that the update is given and that has a name here.
    """
    return total(image)[0]


def apply_gradient(
    state: State,
    losses: dict[str, Array],
    gradient: Float[Array, "*image"],
    controls: Controls,
    optimizer: optax.GradientTransformation,
    value_fn: Callable[..., Array],
) -> tuple[State, dict[str, Array], Bool[Array, ""]]:
    """Given the gradient, apply the update.

    Args:
      state: before the step.
      losses: {term: loss} at `state.image`.
      gradient: of `losses["total"]`.
      controls: the numbers that steer the run.
      optimizer: an Optax transformation.
      value_fn: the total loss of another image, for line searches.

    Returns:
      As `step`.
    """
    loss = losses["total"]
    progress = jnp.clip(state.steps.astype(state.image.dtype) / controls.steps, 0, 1)
    swing = (1 + jnp.cos(jnp.pi * progress)) / 2
    first, last = controls.learning_rate, controls.final_learning_rate
    colors = {} if controls.colors is None else {"colors": controls.colors}
    updates, opt_state = optax.with_extra_args_support(optimizer).update(
        gradient,
        state.opt_state,
        state.image,
        learning_rate=last + (first - last) * swing,  # for ours; the rest is for line searches
        value=loss,
        grad=gradient,
        value_fn=value_fn,
        **colors,
    )
    image = jnp.clip(state.image + updates, controls.lower, controls.upper)
    average = controls.ema_decay * state.average + (1 - controls.ema_decay) * state.image
    # The squared norm, since Adam would divide by it: a gradient that overflows it moves nothing.
    finite = jnp.isfinite(loss) & jnp.isfinite(jnp.vdot(gradient, gradient))
    diverged = state.diverged | ~finite | ~jnp.isfinite(image).all()
    after = State(
        image=image,
        average=average,
        opt_state=opt_state,
        steps=state.steps + 1,
        diverged=diverged,
    )
    frozen = diverged | ~jnp.asarray(controls.active, bool)
    state = jax.tree.map(lambda new, old: jnp.where(frozen, old, new), after, state)
    return state._replace(diverged=diverged), losses, diverged


@program()
def picture(state: State, controls: Controls) -> Float[Array, "*image"]:
    """The picture that a state stands for: the bias-corrected average of its finite iterates."""
    decay, diverged = controls.ema_decay, state.diverged
    weight = jnp.where(diverged, 0, 1 - decay)
    mixed = jnp.where(diverged, 1, decay) * state.average + weight * state.image
    count = (state.steps + jnp.where(diverged, 0, 1)).astype(state.image.dtype)
    norm = 1 - decay**count
    return jnp.where(norm > 0, mixed / jnp.where(norm > 0, norm, 1), state.image)
