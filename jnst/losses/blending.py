"""What is measured of several pictures, put together."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jnst._checks import check_same_length
from jnst.losses.terms import Scalar


def blend(each: Sequence[Any], shares: Sequence[Scalar | int]) -> Any:
    """The moments of several pictures, averaged.

    Args:
      each: {layer: moments} of every picture, or another pytree.
      shares: a weight for each, of any sum.

    >>> blend([{"relu1_1": jnp.array([[2.0]])}, {"relu1_1": jnp.array([[6.0]])}], [3.0, 1.0])
    {'relu1_1': Array([[3.]], dtype=float32)}
    """
    if len(each) == 1:
        return each[0]
    whole = sum(shares)
    return jax.tree.map(
        lambda *leaves: sum(s / whole * x for s, x in zip(shares, leaves, strict=True)), *each
    )


def side_by_side(each: Sequence[Mapping[str, Any]], axis: int = 0) -> dict[str, Any]:
    """The moments of several regions, by layer, one after the other along an axis that they have.

    >>> side_by_side([{"relu1_1": jnp.array([[[2.0]]])}, {"relu1_1": jnp.array([[[6.0]]])}])
    {'relu1_1': Array([[[2.]],
    <BLANKLINE>
           [[6.]]], dtype=float32)}
    """
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis), *each)


def blend_shares(weights: Sequence[Scalar | int] | None, count: int) -> tuple[Scalar | int, ...]:
    """A weight for each of `count` style images; raises ValueError where there are not as many."""
    if weights is None:
        return (1.0,) * count
    check_same_length("style_weights", "weight", weights, count)
    return tuple(weights)
