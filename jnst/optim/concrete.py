"""Functions that run a loop of their own cannot be traced; they say so in a sentence."""

from typing import Any

import jax
import jax.numpy as jnp


def check_concrete(name: str, *values: Any) -> None:
    """Raise TypeError within `jax.jit`, and where `jax.vmap` or `jax.grad` trace an argument.

    Args:
      name: of the function that is called.
      *values: its arguments, pytrees.

    >>> jax.vmap(lambda image: check_concrete("stylize", image))(jnp.zeros((2, 3)))
    Traceback (most recent call last):
      ...
    TypeError: stylize needs concrete arrays, since it runs a loop of compiled steps; call it \
outside of jit, vmap and grad, within which jnst.objective can be used
    """
    # Within jit even a constant is traced.
    if any(isinstance(leaf, jax.core.Tracer) for leaf in (*jax.tree.leaves(values), jnp.zeros(()))):
        raise TypeError(
            f"{name} needs concrete arrays, since it runs a loop of compiled steps; call it "
            "outside of jit, vmap and grad, within which jnst.objective can be used"
        )
