"""One picture on several devices, each of which holds some of its rows."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Array

from jnst.execution.devices import fetch, keep, place, split, split_rows, whole
from jnst.losses.objectives import Objective, evaluate
from jnst.optim.step import Controls, State, init_state
from jnst.optim.whole import Whole


class Rows(Whole):
    """The step of a picture whose rows are split over the devices of a mesh.

    Args:
      objective: what is minimised; its arrays lie on the mesh.
      optimizer: an Optax transformation.
      mesh: the devices.
    """

    def __init__(self, objective: Objective, optimizer: optax.GradientTransformation, mesh: Mesh):
        self.mesh = mesh
        terms = tuple(term.for_sharding() for term in objective.terms)
        numbers_placed = jax.tree.map(self._placed, objective._replace(terms=terms))
        super().__init__(sharded(split(mesh)), numbers_placed, optimizer)

    def _placed(self, leaf: Any) -> Any:
        return leaf if isinstance(leaf, Array) else place(np.float32(leaf), whole(self.mesh))

    def controls(self, controls: Controls) -> Controls:
        """The numbers that steer a run, on every device."""
        return place(super().controls(controls), whole(self.mesh))

    def begin(self, image: Array, saved: State | None = None) -> State:
        """The state before the first step, or the saved one, its rows over the devices."""
        shapes = jax.eval_shape(functools.partial(init_state, optimizer=self.optimizer), image)
        rows = jax.tree.map(functools.partial(split_rows, mesh=self.mesh), shapes)
        if saved is not None:
            return jax.tree.map(place, saved, rows)
        return jax.jit(init_state.function, static_argnames="optimizer", out_shardings=rows)(
            image, self.optimizer
        )

    def fetch(self, tree: Any) -> Any:
        """Arrays of all devices as NumPy's, on every process."""
        return fetch(tree)


@functools.lru_cache(maxsize=16)  # one function for each, so that it compiles once
def sharded(sharding: NamedSharding) -> Callable[..., dict[str, Array]]:
    """The objective of an image that is split so, as is what follows from it."""

    def of_rows(image: Array, objective: Objective, *key: Array) -> dict[str, Array]:
        return evaluate(keep(image, sharding), objective, *key)

    return of_rows
