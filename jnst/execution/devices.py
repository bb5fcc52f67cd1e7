"""Where arrays live on several devices: an image split along its height, a batch by its images.

JAX's own partitioner does the rest: it exchanges the rows that a convolution needs of its neighbour
and adds up the parts of a Gram matrix.
"""

from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def make_mesh(devices: Iterable[jax.Device]) -> Mesh:
    """A mesh of one axis, along which JAX's partitioner splits what it is told to."""
    return Mesh(np.array(list(devices)), ("devices",), axis_types=(AxisType.Auto,))


def checked_mesh(mesh: Any) -> Mesh | None:
    """The devices of `mesh` as `make_mesh` makes it; raises TypeError unless it is one of JAX's."""
    if mesh is None:
        return None
    if not isinstance(mesh, Mesh):
        raise TypeError(f"mesh must be a jax.sharding.Mesh, got {mesh!r}")
    return make_mesh(mesh.devices.flat)


def whole(mesh: Mesh) -> NamedSharding:
    """All of an array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
    """An array's first axis over all devices: the rows of an image, or the images of a batch."""
    return NamedSharding(mesh, PartitionSpec(mesh.axis_names))


def split_rows(leaf: Any, mesh: Mesh) -> NamedSharding:
    """Of an array (..., H, W, C): its rows over all devices where they divide evenly, else whole.

    What is computed from an image that does not divide is split all the same, by `split` within
    the compiled step; only what lies between two steps cannot be.
    """
    if len(leaf.shape) < 3 or leaf.shape[-3] % mesh.size:
        return whole(mesh)
    return NamedSharding(mesh, PartitionSpec(*(None,) * (len(leaf.shape) - 3), mesh.axis_names))


def keep(tree: Any, sharding: NamedSharding | None) -> Any:
    """Arrays that within a jitted function are then laid out so, as is what follows from them."""
    return tree if sharding is None else jax.lax.with_sharding_constraint(tree, sharding)


def place(tree: Any, sharding: NamedSharding) -> Any:
    """The arrays of `tree`, which every process has, put where `sharding` says."""
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)

    def put(leaf: Any) -> jax.Array:
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(put, tree)


def fetch(tree: Any) -> Any:
    """The arrays of `tree` as NumPy's, whole, on every process."""
    if jax.process_count() == 1:
        return jax.device_get(tree)
    return multihost_utils.process_allgather(tree, tiled=True)


def least(number: float) -> float:
    """The smallest of the numbers that the processes have, so that all do the same with it."""
    return float(multihost_utils.process_allgather(np.float32(number)).min())
