"""One update of a network that is trained."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from jnst._programs import program
from jnst.feedforward.lessons import Batch, Lesson, lesson_losses
from jnst.losses.recipe import LossWeights, Recipe
from jnst.nn.backbone import Backbone
from jnst.nn.painter import Painter

CLIPPED = 1.0
"""The largest norm of a gradient; a longer one is shortened."""


class TrainingState(NamedTuple):
    """All that a training goes on from; a pytree.

    Attributes:
      arrays: of the network.
      moments: of Adam.
      steps: made so far, those that changed nothing included.
      caution: what the learning rate is multiplied with; halved where a loss was not finite.
      failures: steps in a row of which that is true.
    """

    arrays: Any
    moments: Any
    steps: Any
    caution: Any
    failures: Any


def initial_state(painter: Painter) -> TrainingState:
    """The state before the first step, of copies, as each step takes the memory of the last."""
    arrays = {name: jnp.array(array) for name, array in painter.arrays.items()}
    return TrainingState(
        arrays=arrays,
        moments=_adam().init(arrays),
        steps=jnp.zeros((), jnp.int32),
        caution=jnp.ones((), jnp.float32),
        failures=jnp.zeros((), jnp.int32),
    )


def _adam() -> optax.GradientTransformation:
    """Adam on clipped gradients; the learning rate comes on top."""
    return optax.chain(optax.clip_by_global_norm(CLIPPED), optax.scale_by_adam())


@program(static_argnames=("recipe",), donate_argnames=("state",))
def training_step(
    state: TrainingState,
    painter: Painter,
    model: Backbone,
    lesson: Lesson,
    weights: LossWeights,
    rate: Any,
    batch: Batch,
    *,
    recipe: Recipe,
) -> tuple[TrainingState, dict[str, Array]]:
    """One update; where a loss or a gradient is not finite, none, and more caution."""

    def loss(arrays: Any) -> tuple[Array, dict[str, Array]]:
        own = dataclasses.replace(painter, arrays=arrays)
        losses = lesson_losses(own, model, lesson, weights, batch, recipe)
        return losses["total"], losses

    gradient, losses = jax.grad(loss, has_aux=True)(state.arrays)
    finite = jnp.isfinite(losses["total"]) & jnp.isfinite(optax.tree.norm(gradient))
    change, moments = _adam().update(gradient, state.moments)
    moved = jax.tree.map(lambda a, c: a - rate * state.caution * c, state.arrays, change)

    def chosen(new: Any, old: Any) -> Any:
        return jax.tree.map(lambda n, o: jnp.where(finite, n, o), new, old)

    after = TrainingState(
        arrays=chosen(moved, state.arrays),
        moments=chosen(moments, state.moments),
        steps=state.steps + 1,
        caution=jnp.where(finite, state.caution, state.caution / 2),
        failures=jnp.where(finite, 0, state.failures + 1),
    )
    return after, losses
