"""The state of an optimiser, any pytree, as arrays by name, as a checkpoint stores it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

STATE = "state"
"""What the names of the leaves begin with."""


def storable(state: Any) -> Any:
    """The state with the numbers behind random keys in their place, so that it can be fetched."""
    return jax.tree.map(key_data, state)


def put_together(path: Path, arrays: Mapping[str, np.ndarray], expected: Any) -> Any:
    """The leaves put together as in `expected`, after a check of names, shapes and types."""
    wanted = named_leaves(expected)
    found = {name: array for name, array in arrays.items() if name.startswith(STATE)}
    if differ := sorted(wanted.keys() ^ found.keys()):
        raise ValueError(
            f"checkpoint {path} holds the state of another optimiser: {', '.join(differ)} "
            f"{'is' if len(differ) == 1 else 'are'} not in both"
        )
    leaves: list[Any] = []
    for name, leaf in wanted.items():
        stored = jax.eval_shape(key_data, leaf)
        bits, array = _bits(stored.dtype), found[name]
        if (array.shape, array.dtype) != (stored.shape, bits):
            raise ValueError(
                f"checkpoint {path}: {name} must be {bits} {stored.shape}, got "
                f"{array.dtype} {array.shape}"
            )
        array = array.view(stored.dtype)
        if stored.dtype != leaf.dtype:
            array = jax.random.wrap_key_data(jnp.asarray(array), impl=_key_impl(leaf))
        leaves.append(array)
    return jax.tree.unflatten(jax.tree.structure(expected), leaves)


def named_leaves(state: Any) -> dict[str, Any]:
    """The leaves of a state by their names, as in `state.opt_state[1].mu`."""
    leaves, _ = jax.tree.flatten_with_path(state)
    return {STATE + jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def key_data(leaf: Any) -> Any:
    """A leaf, or the numbers behind a random key."""
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def _key_impl(key: jax.ShapeDtypeStruct) -> Any:
    """Which generator a random key is of, which JAX tells of a traced key only."""
    told: list[Any] = []
    jax.eval_shape(lambda key: told.append(jax.random.key_impl(key)), key)
    return told[0]


def _bits(dtype: Any) -> np.dtype:
    """The type that an array is stored with.

    Its own, or a whole number's where NumPy has none of its name, as for bfloat16.
    """
    dtype = np.dtype(dtype)
    return dtype if dtype.isbuiltin == 1 else np.dtype(f"u{dtype.itemsize}")


def as_bits(array: Any) -> np.ndarray:
    """An array in the type that it is stored with."""
    return np.asarray(array).view(_bits(array.dtype))
