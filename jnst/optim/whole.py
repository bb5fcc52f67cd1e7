"""The plain way of computing a step: the whole image, by one compiled program."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.stages import Compiled
from jaxtyping import Array

from jnst.optim.step import Controls, Objective, State, init_state, picture, step

KEPT_OBJECTIVES = 256
"""Objectives put together with a structure of arguments that are remembered, so that what was
compiled for them is found again."""


@functools.lru_cache(maxsize=KEPT_OBJECTIVES)
def on_leaves(function: Callable[..., Any], structure: Any) -> Callable[..., Any]:
    """A function `f(x, args, …)` as one of x and the bare leaves of args.

    This is the one place that knows how arguments travel through the loop: to flatten a Flax module
    takes Python a fifth of a millisecond at every call of a jitted function, while a tuple of
    arrays takes next to nothing. The same function and structure give the same object again, which
    what was compiled for them is known by.
    """

    def of_leaves(x: Array, leaves: tuple[Array, ...], *more: Any) -> Any:
        return function(x, jax.tree.unflatten(structure, leaves), *more)

    return of_leaves


def as_array(leaf: Any, dtype: Any) -> Any:
    """An array as it is, a Python number as one on the device.

    Else it would be sent there at every step.
    """
    if isinstance(leaf, Array | jax.ShapeDtypeStruct):
        return leaf  # a shape where memory is forecast
    return jnp.asarray(leaf, getattr(leaf, "dtype", dtype))


def controls_as_arrays(controls: Controls, dtype: Any) -> Controls:
    """The controls on the device, their numbers of one type."""
    numbers = controls._replace(active=False, key=None)
    numbers = jax.tree.map(lambda number: jnp.asarray(number, dtype), numbers)
    return numbers._replace(active=jnp.asarray(controls.active, bool), key=controls.key)


class Whole:
    """The step of a whole image on one device.

    Args:
      objective: see `jnst.optim.step.Objective`. Pass the same function object again to use the
        same compiled step again.
      args: whatever it needs besides the image; a pytree of arrays and numbers.
      optimizer: an Optax transformation.
      dtype: of the image, which Python's numbers among the arguments get too.
    """

    def __init__(
        self,
        objective: Objective,
        args: Any,
        optimizer: optax.GradientTransformation,
        dtype: Any = jnp.float32,
    ):
        leaves, structure = jax.tree.flatten(args)
        self.leaves = tuple(as_array(leaf, dtype) for leaf in leaves)
        self.objective, self.optimizer = on_leaves(objective, structure), optimizer
        self.dtype = dtype
        self._step: Callable[..., Any] | None = None

    def controls(self, controls: Controls) -> Controls:
        """The numbers that steer a run, where `advance` wants them."""
        return controls_as_arrays(controls, self.dtype)

    def begin(self, image: Array, saved: State | None = None) -> State:
        """The state before the first step, or the saved one."""
        if saved is None:
            return init_state(image, self.optimizer)
        # Copies, since what shares memory with NumPy cannot be given to a step.
        return jax.tree.map(jnp.array, saved)

    def advance(self, state: State, controls: Controls) -> tuple[State, dict[str, Array], Array]:
        """Make one step; see `jnst.optim.descent.Execution`."""
        static = {"objective": self.objective, "optimizer": self.optimizer}
        if self._step is None:  # found once, since to look it up takes as long as to begin a step
            self._step = step.of(state, self.leaves, controls, **static)
        return self._step(state, self.leaves, controls, **static)

    def compiled(self, image: jax.ShapeDtypeStruct, controls: Controls) -> Compiled:
        """The step of an image of this shape; running it compiles nothing anew."""
        return step.lower(
            jax.eval_shape(functools.partial(init_state, optimizer=self.optimizer), image),
            self.leaves,
            self.controls(controls),
            objective=self.objective,
            optimizer=self.optimizer,
        ).compile()

    def picture(self, state: State, controls: Controls) -> Array:
        """The picture that a state stands for."""
        return picture(state, controls)

    def fetch(self, tree: Any) -> Any:
        """Arrays of the device as NumPy's."""
        return jax.device_get(tree)
