"""The optimisers that there are to choose from by name, as Optax transformations."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jnst._checks import check_choice, check_number
from jnst.optim.lbfgs import scale_by_lbfgs
from jnst.optim.preconditioning import precondition, unit_bands

PRECONDITIONED = "preconditioned"
RATES = {PRECONDITIONED: (0.012, 0.0012), "adam": (0.04, 0.004), "lbfgs": (1.0, 1.0)}
"""The learning rates of the first and of the last step, by optimiser."""
OPTIMIZERS = tuple(RATES)
SCHEDULES = ("cosine", "constant")
FALL = 0.1
"""What a learning rate falls to along a cosine, in parts of the first."""
ADAM_EPSILON = 1.0
"""In units of the gradient's root mean square over the image. Adam moves every pixel by about as
much, however little its gradient says; with a tiny epsilon that shows as coloured speckle."""
LBFGS_MEMORY = 20
LBFGS_STRIDE = 0.1
"""The longest step, as the root mean square over the pixels: there is no line search that would
shorten one where the model of the curvature is wrong."""


def _rms(gradient: Float[Array, "*image"]) -> Float[Array, ""]:
    """The root mean square of what is not 0.

    Pixels that are kept have no gradient, however many there are, and must not make the others move
    more.
    """
    count = jnp.maximum(jnp.count_nonzero(gradient), 1).astype(gradient.dtype)
    return jnp.sqrt(jnp.sum(jnp.square(gradient)) / count)


def _unit_gradient() -> optax.GradientTransformation:
    """Divides every gradient by its root mean square, so that the loss's scale does not matter."""

    def update(updates, state, params=None):
        rms = _rms(updates)
        return updates / jnp.where(rms > 0, rms, 1), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _unit_first_gradient() -> optax.GradientTransformation:
    """Divides all gradients by the root mean square of the first.

    L-BFGS compares gradients of different steps, so they must keep one scale; without any, it
    stalls where the loss is small and its first step is tiny.
    """

    def update(updates, state, params=None):
        rms = _rms(updates)
        first = jnp.where(state > 0, state, jnp.where(rms > 0, rms, 1))
        # Not divided: XLA rounds a division by a scalar in another way when it is batched.
        return updates * (1 / first), first

    return optax.GradientTransformation(lambda params: jnp.zeros((), params.dtype), update)


def _scale_by_learning_rate() -> optax.GradientTransformationExtraArgs:
    """Multiplies by −learning_rate, which arrives at every update: a traced number."""

    def update(updates, state, params=None, *, learning_rate, **_):
        return jax.tree.map(lambda u: -learning_rate * u, updates), state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


@functools.cache  # the same object for the same name, so that the step compiles once
def make_optimizer(name: str) -> optax.GradientTransformationExtraArgs:
    """The Optax transformation of a name out of `OPTIMIZERS`; its updates take `learning_rate=`."""
    check_choice("optimizer", name, OPTIMIZERS)
    adam = optax.scale_by_adam(b2=0.99, eps=ADAM_EPSILON)
    if name == "adam":
        return optax.chain(_unit_gradient(), adam, _scale_by_learning_rate())
    if name == PRECONDITIONED:
        return precondition(optax.chain(unit_bands(), adam, _scale_by_learning_rate()))
    return optax.chain(
        _unit_first_gradient(),
        scale_by_lbfgs(LBFGS_MEMORY),
        optax.clip_by_block_rms(LBFGS_STRIDE),
        _scale_by_learning_rate(),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Descent:
    """How a run descends: the optimiser and its learning rate, checked.

    Attributes:
      optimizer: a name out of `OPTIMIZERS`, or any Optax transformation, whose own rate counts.
      learning_rate: of the first step, above 0; None: the optimiser's own.
      schedule: one of `SCHEDULES`; None: the optimiser's own.

    Raises:
      ValueError, TypeError: name what was wanted and what came.
    """

    # Of any type, since it is here that a user's mistake is found.
    optimizer: Any = "adam"
    learning_rate: Any = None
    schedule: Any = None

    def __post_init__(self) -> None:
        if isinstance(self.optimizer, str):
            check_choice("optimizer", self.optimizer, OPTIMIZERS)
        elif not isinstance(self.optimizer, optax.GradientTransformation):
            raise TypeError(
                "optimizer must be a name or an optax.GradientTransformation, "
                f"got {self.optimizer!r}"
            )
        if self.learning_rate is not None:
            check_number("learning_rate", self.learning_rate, least=0)
            if self.learning_rate == 0:
                raise ValueError("learning_rate must be above 0, got 0")
        if self.schedule is not None:
            check_choice("schedule", self.schedule, SCHEDULES)
        if not isinstance(self.optimizer, str):
            for name in ("learning_rate", "schedule"):
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"{name} has no effect beside an Optax transformation, which has a rate of "
                        f"its own; leave {name} out"
                    )

    @property
    def name(self) -> str:
        """The optimiser's name."""
        return (
            self.optimizer if isinstance(self.optimizer, str) else "a transformation of one's own"
        )

    def transformation(self) -> optax.GradientTransformation:
        """The optimiser, as an Optax transformation."""
        return make_optimizer(self.optimizer) if isinstance(self.optimizer, str) else self.optimizer

    def rates(self) -> tuple[float, float]:
        """The learning rates of the first and of the last step."""
        first, last = RATES[self.optimizer] if isinstance(self.optimizer, str) else (1.0, 1.0)
        falls_to = {None: last / first, "cosine": FALL, "constant": 1.0}[self.schedule]
        rate = first if self.learning_rate is None else float(self.learning_rate)
        return rate, rate * falls_to
