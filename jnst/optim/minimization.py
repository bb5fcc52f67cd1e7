"""`jnst.minimize`: the loop for an objective of one's own."""

import functools
import inspect
import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from jnst._checks import LARGEST, check_integer, check_number
from jnst.optim import checkpoint as checkpoints
from jnst.optim.checkpoint import Checkpoint
from jnst.optim.concrete import check_concrete
from jnst.optim.descent import Execution, Run, Save, Schedule, StepCallback, descend
from jnst.optim.optimizers import Descent
from jnst.optim.step import Controls, State, init_state, picture
from jnst.optim.stored_state import key_data, storable
from jnst.optim.whole import Whole


class Progress(NamedTuple):
    """What a callback is told after every step.

    Attributes:
      step: updates made so far, at all sizes.
      steps: updates that the run will make at most; fewer once a size has converged.
      shape: (height, width) of the current size.
      losses: {term: loss} of the step before this one; reading them does not make the device wait.
      picture: a function that returns the picture so far, (height, width, 3); to be called within
        the callback, since its arrays are given to the next step.
    """

    step: int
    steps: int
    shape: tuple[int, int]
    losses: dict[str, Array]
    picture: Callable[[], Float[Array, "H W 3"]]


Callback = Callable[[Progress], bool | None]


class Minimum(NamedTuple):
    """What `minimize` comes back with.

    Attributes:
      image: the average of the last iterates, in the shape of the image that came.
      losses: {term: (steps,)}, each at the iterate before its update; "total" is what fell.
      steps: updates made.
      reason: why it ended: `"finished"`, `"converged"`, `"stopped"` or `"diverged"`.
    """

    image: Float[Array, "*image"]
    losses: dict[str, np.ndarray]
    steps: int
    reason: str


def minimize(
    fn: Callable[..., Array | dict[str, Array]],
    image: Float[ArrayLike, "*image"],
    args: Any = None,
    *,
    steps: int = 300,
    optimizer: str | optax.GradientTransformation = "adam",
    learning_rate: float | None = None,
    schedule: str | None = None,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    averaging: float = 0.9,
    tolerance: float = 0.0,
    key: Key[Array, ""] | None = None,
    callback: Callback | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = checkpoints.EVERY,
    resume: bool = False,
) -> Minimum:
    """Minimise an objective of one's own over the pixels of an image.

    Each step is one compiled program; numbers and arrays among `args` may change from call to call
    without compiling anything anew, as long as `fn` is the same function object.

    Args:
      fn: `fn(image, args)` returns the loss, a scalar, or {term: loss} with the sum to minimise
        under "total". With `key`, `fn(image, args, key)`, where each step draws another key.
      image: floats to start from, in any shape; (H, W, 3) for a picture.
      args: a pytree of whatever `fn` needs besides, models and `jnst.Targets` included.
      steps: updates, at least 1.
      optimizer: `"adam"`, `"lbfgs"`, or any Optax transformation, whose own learning rate counts.
      learning_rate: of the first step; None: the optimiser's own. Refused beside an Optax
        transformation.
      schedule: `"cosine"`: the rate falls to a tenth; `"constant"`; None: the optimiser's own.
      bounds: the box that every value is kept in; None: none.
      averaging: decay of the average over iterates that is returned, in [0, 1); 0: the last one.
      tolerance: steps end when the best loss of the last 20 is better by less than this share than
        the best one before them, and what is returned is no worse than the start; in [0, 1], 0 is
        never. The loss must not be negative.
      key: a random key, for an objective that draws something at every step.
      callback: called with a `jnst.Progress` after every step; True ends the run.
      checkpoint: a file to keep all in that the run needs to go on.
      checkpoint_every: steps between two writings of it.
      resume: go on from `checkpoint` and end with the same bits, on the same device, as without the
        interruption; from the beginning where there is no such file yet.

    Returns:
      The image, the losses, the steps made and why the run ended.

    Raises:
      ValueError, TypeError: for an argument that will not do, before anything is traced.

    >>> goal = jnp.full((4, 4, 3), 0.25)
    >>> result = minimize(lambda x, goal: jnp.sum((x - goal) ** 2), jnp.ones((4, 4, 3)), goal)
    >>> bool(jnp.abs(result.image - goal).max() < 0.01), result.reason
    (True, 'finished')
    """
    keyed = isinstance(key, Array)
    if not callable(fn) or not _takes(fn, 3 if keyed else 2):
        wanted = "an image, args and a key" if keyed else "an image and args"
        raise TypeError(f"fn must be a function of {wanted}, got {fn!r}")
    check_concrete("minimize", image, args, key)
    image = np.asarray(image)
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise TypeError(f"image must hold floats, got {image.dtype}")
    image = jnp.asarray(image)
    check_integer("steps", steps, least=1)
    steps = int(steps)
    check_number("averaging", averaging, least=0, most=0.9999)
    check_number("tolerance", tolerance, least=0, most=1)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of a jnst.Progress, got {callback!r}")
    descent = Descent(optimizer=optimizer, learning_rate=learning_rate, schedule=schedule)
    if key is not None and not isinstance(key, Array):
        raise TypeError(f"key must be a random key, as jax.random.key(0), got {key!r}")
    lower, upper = check_bounds(bounds)
    file = checkpoints.check_checkpoint(checkpoint, checkpoint_every, resume)
    first, last = descent.rates()
    transformation = descent.transformation()
    execution = Whole(as_terms(fn), args, transformation, image.dtype)
    controls = execution.controls(
        Controls(
            learning_rate=first,
            final_learning_rate=last,
            steps=steps,
            lower=lower,
            upper=upper,
            ema_decay=averaging,
            key=key,
        )
    )
    saved: checkpoints.Saved | None = None
    save: Save | None = None
    if file is not None:
        identity = _identity(fn, image, execution.leaves, descent, controls, steps)
        save = _saving(file, identity, execution)
        if file.resume:
            shape = jax.eval_shape(functools.partial(init_state, optimizer=transformation), image)
            saved = checkpoints.read_checkpoint(file.path, identity, [steps], [shape])
    run = descend(
        execution,
        execution.begin(image, saved and saved.state),
        controls,
        Schedule(
            steps=steps,
            tolerance=tolerance,
            callback=callback and _step_callback(callback, steps),
            before=saved and saved.losses[-1],
            save=save,
            save_every=checkpoint_every,
        ),
    )
    if save is not None:
        save(run)
    reason = "converged" if run.converged else "stopped" if run.stopped else "finished"
    return Minimum(
        image=picture(run.state, controls),
        losses=run.losses,
        steps=int(run.state.steps),
        reason="diverged" if run.state.diverged else reason,
    )


@functools.lru_cache(maxsize=64)  # one function for each, so that it compiles once
def as_terms(fn: Callable[..., Any]) -> Callable[..., dict[str, Array]]:
    """An objective that returns {term: loss}, of one that may return the loss alone."""

    def terms(image: Array, args: Any, *key: Array) -> dict[str, Array]:
        loss = fn(image, args, *key)
        losses = dict(loss) if isinstance(loss, dict) else {"total": loss}
        if "total" not in losses:
            raise ValueError(f'fn must return a loss named "total", got {", ".join(losses)}')
        if jnp.shape(losses["total"]) != ():
            raise ValueError(
                f"fn must return one number, got an array of shape {jnp.shape(losses['total'])}"
            )
        return losses

    return terms


def check_bounds(bounds: Any) -> tuple[float, float]:
    """Return the lowest and the highest value, infinite where there are no bounds.

    Raises:
      ValueError, TypeError: unless there are two numbers, the first of them less than the second.
    """
    if bounds is None:
        return -math.inf, math.inf
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise TypeError(f"bounds must be two numbers or None, got {bounds!r}")
    for bound in bounds:
        check_number("bounds", bound, least=-LARGEST)
    lower, upper = map(float, bounds)
    if lower >= upper:
        raise ValueError(f"bounds must be a lower and a higher number, got {bounds}")
    return lower, upper


def _saving(file: Checkpoint, identity: dict[str, Any], execution: Execution) -> Save:
    """What keeps a run in its file."""

    def save(run: Run) -> None:
        state = execution.fetch(storable(run.state))
        checkpoints.write_checkpoint(file.path, identity, state, [run.losses])

    return save


def _step_callback(callback: Callback, steps: int) -> StepCallback:
    def call(state: State, controls: Controls, losses: dict[str, Array], count: int) -> bool | None:
        return callback(
            Progress(
                step=count,
                steps=steps,
                shape=cast(tuple[int, int], state.image.shape[-3:-1]),
                losses=losses,
                picture=lambda: picture(state, controls),
            )
        )

    return call


def _identity(
    fn: Callable[..., Any],
    image: Array,
    leaves: tuple[Array, ...],
    descent: Descent,
    controls: Controls,
    steps: int,
) -> dict[str, Any]:
    """What a run is made of. The function counts by its name only, and its arguments by value."""
    numbers = (
        *(controls.learning_rate, controls.final_learning_rate),  # steps are told by name
        *(controls.lower, controls.upper, controls.ema_decay),
    )
    return {
        "function": getattr(fn, "__qualname__", type(fn).__qualname__),
        "optimizer": descent.name,
        "steps": steps,
        "numbers": [float(number) for number in numbers],
        "key": None if controls.key is None else jax.random.key_data(controls.key).tolist(),
        "init": checkpoints.fingerprint([image]),
        "content": checkpoints.fingerprint(map(key_data, leaves)),
    }


def _takes(fn: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments, as far as it tells."""
    try:
        inspect.signature(fn).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # it has no signature
        return True
    return True
