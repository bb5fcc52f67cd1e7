"""Many pictures in one program: the step under `jax.vmap`, the batch split over devices."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Bool

from jnst._programs import program
from jnst.execution.devices import fetch, keep, place, split, whole
from jnst.losses.objectives import Objective, evaluate
from jnst.optim.step import Controls, State, init_state, picture, step
from jnst.optim.whole import on_leaves

Axes = tuple[int | None, ...]
"""For each leaf of an objective: 0 where every picture has its own, None where all share one."""


def shared_axes(objectives: Sequence[Any]) -> Axes:
    """What is the same object in all objectives is shared."""
    each = [jax.tree.leaves(objective) for objective in objectives]
    return tuple(
        None if all(leaf is leaves[0] for leaf in leaves) and isinstance(leaves[0], Array) else 0
        for leaves in zip(*each, strict=True)
    )


class Batch:
    """The step of as many pictures as the devices of a mesh can share evenly.

    Args:
      objectives: of every picture, of one structure and of the same shapes.
      axes: an objective whose leaves are 0 where every picture has its own and None where they
        share one; None counts as a leaf.
      optimizer: an Optax transformation.
      mesh: the devices.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        axes: Axes,
        optimizer: optax.GradientTransformation,
        mesh: Mesh,
    ):
        self.mesh, self.optimizer = mesh, optimizer
        structure = jax.tree.structure(objectives[0])
        each = [jax.tree.leaves(objective) for objective in objectives]
        self.leaves = tuple(
            self._stacked(leaves) if axis == 0 else self._shared(leaves[0])
            for axis, leaves in zip(axes, zip(*each, strict=True), strict=True)
        )
        self.static = {
            "axes": tuple(axes),
            "mesh": mesh,
            "objective": on_leaves(evaluate, structure),
            "optimizer": optimizer,
        }
        self._step: Callable[..., Any] | None = None

    def _stacked(self, leaves: Sequence[Any]) -> Array:
        if jnp.issubdtype(getattr(leaves[0], "dtype", np.float32), jax.dtypes.prng_key):
            data = np.stack([np.asarray(jax.random.key_data(leaf)) for leaf in leaves])
            return jax.random.wrap_key_data(place(data, split(self.mesh)))
        stacked = np.stack([np.asarray(leaf) for leaf in leaves])
        if stacked.dtype.kind not in "iub":  # bfloat16 features are compared in float32
            stacked = stacked.astype(np.float32)
        return place(stacked, split(self.mesh))

    def _shared(self, leaf: Any) -> Array:
        if not isinstance(leaf, Array):
            return place(np.float32(leaf), whole(self.mesh))
        there = leaf.sharding.is_equivalent_to(whole(self.mesh), leaf.ndim)
        return leaf if there else place(leaf, whole(self.mesh))

    def controls(self, controls: Sequence[Controls]) -> Controls:
        """The numbers that steer each run, as one batch."""
        numbers = [each._replace(active=True, key=None) for each in controls]
        stacked = jax.tree.map(lambda *leaves: self._stacked(leaves), *numbers)
        active = place(np.array([each.active for each in controls], bool), split(self.mesh))
        keys = [each.key for each in controls]
        return stacked._replace(active=active, key=None if keys[0] is None else self._stacked(keys))

    def begin(self, images: Array, saved: State | None = None) -> State:
        """The states before the first step, or the saved ones."""
        if saved is not None:
            return place(jax.tree.map(np.asarray, saved), split(self.mesh))
        diverged = jnp.zeros(images.shape[:1], bool)
        return begin_batch(images, diverged, optimizer=self.optimizer, mesh=self.mesh)

    def advance(self, state: State, controls: Controls) -> tuple[State, dict[str, Array], Array]:
        """Make one step of every picture."""
        if self._step is None:
            self._step = batched_step.of(state, self.leaves, controls, **self.static)
        return self._step(state, self.leaves, controls, **self.static)

    def picture(self, state: State, controls: Controls) -> Array:
        """The pictures so far."""
        return pictures(state, controls)

    def fetch(self, tree: Any) -> Any:
        """Arrays of all devices as NumPy's, on every process."""
        return fetch(tree)

    def compiled(self, images: Sequence[int], controls: Controls) -> jax.stages.Compiled:
        """The step of a batch of images of this shape; running it compiles nothing anew."""
        states = jax.eval_shape(
            functools.partial(begin_batch, optimizer=self.optimizer, mesh=self.mesh),
            jax.ShapeDtypeStruct(tuple(images), jnp.float32),
            jax.ShapeDtypeStruct(tuple(images[:1]), bool),
        )
        over = split(self.mesh)
        states = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=over), states
        )
        return batched_step.lower(states, self.leaves, controls, **self.static).compile()


@program(static_argnames=("axes", "mesh", "objective", "optimizer"), donate_argnames=("state",))
def batched_step(
    state: State, args: Any, controls: Controls, *, axes: Axes, mesh: Mesh, **static: Any
) -> tuple[State, dict[str, Array], Bool[Array, ""]]:
    """`jnst.optim.step.step` under `jax.vmap`.

    Args:
      state: of every picture; it is given away.
      args: of every picture.
      controls: of every picture.
      axes: which leaves of `args` are batched; those of state and controls are.
      mesh: the devices that the batch is split over; the losses come back whole on every one.
      static: objective and optimizer, as for `step`.

    Returns:
      As `step`; what comes last is whether all the images have diverged.
    """
    one = functools.partial(step.function, **static)
    state, losses, diverged = jax.vmap(one, in_axes=(0, axes, 0))(state, args, controls)
    return state, keep(losses, whole(mesh)), diverged.all()


@program(static_argnames=("optimizer", "mesh"))
def begin_batch(images: Array, diverged: Bool[Array, " n"], *, optimizer: Any, mesh: Mesh) -> State:
    """The states before the first step; what has diverged stays so."""

    def begin(image: Array, diverged: Array) -> State:
        return init_state.function(image, optimizer)._replace(diverged=jnp.array(diverged))

    return keep(jax.vmap(begin)(images, diverged), split(mesh))


@program()
def pictures(states: State, controls: Controls) -> Array:
    """The pictures that the states of a batch stand for."""
    return jax.vmap(picture.function)(states, controls)
