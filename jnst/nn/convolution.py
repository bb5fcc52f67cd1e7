"""3×3 convolutions with ways of their own for both directions, forwards and backwards.

All take features that have their border of one position already, (…, H + 2, W + 2, I), and give
(…, H, W, O).

JAX derives the way backwards from the way forwards, which for a fast convolution is a slow one. A
rule for it by `jax.custom_vjp` would be the end of forward-mode and of second derivatives. But a
convolution is linear in its input, and so is its transpose: a pair of primitives that are each
other's transpose, and each its own derivative, has all of them. Frostig et al., "Decomposing
reverse-mode automatic differentiation", 2021, https://arxiv.org/abs/2105.09469.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

Way = Callable[..., Array]
"""(array, kernel, *constants) to array."""


def direct(x: Float[Array, "n h w I"], kernel: Float[Array, "3 3 I O"]) -> Float[Array, "n H W O"]:
    """The convolution by its definition."""
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=layout)


def convolution(name: str, forwards: Way, backwards: Way) -> Way:
    """A 3×3 convolution that is computed as given.

    `jax.vmap` takes one image after the other: how sums and products are rounded depends on their
    size, and so a cell of a grid is what a run by itself makes.

    Args:
      name: of the primitives, for printed programs.
      forwards: (x, kernel, *constants) to y, up to rounding what `direct` gives: (n, h, w, I) and
        (3, 3, I, O) to (n, h - 2, w - 2, O).
      backwards: the transpose in x: (y, kernel, *constants) to an array of the shape of x.

    Returns:
      A function like `forwards`. Derivatives by the kernel are those of `direct`; there are none
      by the constants.
    """

    def shape_forwards(x: Array, kernel: Array) -> tuple[int, ...]:
        count, height, width, _ = x.shape
        return count, height - 2, width - 2, kernel.shape[3]

    def shape_backwards(y: Array, kernel: Array) -> tuple[int, ...]:
        count, height, width, _ = y.shape
        return count, height + 2, width + 2, kernel.shape[2]

    def direct_backwards(y: Array, kernel: Array) -> Array:
        x = jnp.zeros_like(y, shape=shape_backwards(y, kernel))
        return jax.vjp(lambda x: direct(x, kernel), x)[1](y)[0]

    there = _primitive(name, forwards, shape_forwards)
    back = _primitive(f"{name}_transposed", backwards, shape_backwards)
    _are_transposes(there, back)
    _has_derivatives(there, direct)
    _has_derivatives(back, direct_backwards)
    return there.bind


def _primitive(name: str, way: Way, shape: Callable[..., tuple[int, ...]]) -> Primitive:
    """A primitive of (array, kernel, *constants) without derivatives, and the shape it gives."""
    primitive = Primitive(name)
    primitive.def_impl(jax.jit(way))
    primitive.def_abstract_eval(
        # All else, as the axes of a mesh over which it varies, is that of the array.
        lambda x, kernel, *_: x.update(shape=shape(x, kernel), weak_type=False)
    )
    mlir.register_lowering(primitive, mlir.lower_fun(way, multiple_results=False))

    def one_by_one(arrays: tuple[Array, ...], axes: tuple[int | None, ...]) -> tuple[Array, int]:
        many = [axis is not None for axis in axes]
        in_front = [
            jnp.moveaxis(array, axis, 0)
            for array, axis in zip(arrays, axes, strict=True)
            if axis is not None
        ]

        def one(batched: list[Array]) -> Array:
            each = iter(batched)
            return primitive.bind(
                *(
                    next(each) if of_many else array
                    for array, of_many in zip(arrays, many, strict=True)
                )
            )

        return jax.lax.map(one, in_front), 0

    batching.primitive_batchers[primitive] = one_by_one
    return primitive


def _are_transposes(one: Primitive, other: Primitive) -> None:
    """Each is the transpose of the other in its first argument."""

    def rule(of: Primitive) -> Callable[..., list[Array | None]]:
        def transpose(change: Any, first: Any, *rest: Any) -> list[Any]:
            if not ad.is_undefined_primal(first):
                raise NotImplementedError(f"{one.name} is transposed in its first argument only")
            of_first = change if type(change) is ad.Zero else of.bind(change, *rest)
            return [of_first, *[None] * len(rest)]

        return transpose

    ad.primitive_transposes[one] = rule(other)
    ad.primitive_transposes[other] = rule(one)


def _has_derivatives(primitive: Primitive, by_definition: Way) -> None:
    """By its first argument and by the kernel, in both of which it is linear."""

    def jvp(primals: tuple[Array, ...], tangents: tuple[Any, ...]) -> tuple[Array, Any]:
        x, kernel, *constants = primals
        of_x, of_kernel, *_ = tangents
        y = primitive.bind(*primals)
        changes = []
        if type(of_x) is not ad.Zero:
            changes.append(primitive.bind(of_x, kernel, *constants))
        if type(of_kernel) is not ad.Zero:
            changes.append(by_definition(x, of_kernel))
        return y, sum(changes[1:], changes[0]) if changes else jnp.zeros_like(y)

    ad.primitive_jvps[primitive] = jvp


def even_strips(rows: int, most: int) -> tuple[int, int]:
    """The fewest strips of at most so many rows (or of one), and the rows of each, none too many.

    >>> even_strips(66, 64), even_strips(5, 0)
    ((2, 33), (5, 1))
    """
    strips = math.ceil(rows / max(1, min(rows, most)))
    return strips, math.ceil(rows / strips)
