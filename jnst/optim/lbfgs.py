"""L-BFGS in two passes over its memory.

Nocedal's two loops read every remembered image one after the other, each read waiting for the last.
The compact form of the same matrix needs their inner products with the newest, a small triangular
system, and one weighted sum: Byrd, Nocedal and Schnabel, "Representations of
quasi-Newton matrices and their use in limited memory methods", 1994,
https://doi.org/10.1007/BF01582063, theorem 2.2.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

LEAST_CURVATURE = 0.01
"""Cosine between a step and its change of the gradient below which the pair is not remembered: it
would say that the loss is flat there, or bends down, and send the next step far off."""


class LBFGSState(NamedTuple):
    """What L-BFGS remembers.

    Attributes:
      image, gradient: of the last update.
      steps, changes: the last steps s and changes of the gradient y, in the order of their slots.
      sy, yy: the inner products of every step, and of every change, with every change.
      updates: how many updates there were.
      stored: how many pairs were remembered; the next goes to the slot of this number, modulo m.
    """

    image: Float[Array, "*image"]
    gradient: Float[Array, "*image"]
    steps: Float[Array, "m *image"]
    changes: Float[Array, "m *image"]
    sy: Float[Array, "m m"]
    yy: Float[Array, "m m"]
    updates: Int[Array, ""]
    stored: Int[Array, ""]


def scale_by_lbfgs(memory: int) -> optax.GradientTransformation:
    """Multiplies the gradient by L-BFGS' approximation H of the inverse Hessian.

        H = γ I + [S  γY] [ R⁻ᵀ (D + γ YᵀY) R⁻¹   −R⁻ᵀ ] [ Sᵀ  ]
                          [ −R⁻¹                    0   ] [ γYᵀ ]

    with the columns s and y of S and Y from the oldest to the newest, R the upper triangle of SᵀY,
    D its diagonal and γ = sᵀy / yᵀy of the newest pair. Departures: a pair of hardly any curvature
    is not remembered (`LEAST_CURVATURE`), and while there is none, γ is such that the update is no
    longer than 1, as in Optax.

    Args:
      memory: m, how many pairs to remember.

    Returns:
      A transformation of one array; its update needs the parameters.

    >>> optimizer = scale_by_lbfgs(memory=5)
    >>> x = jnp.array([1.0, 2.0])
    >>> state = optimizer.init(x)
    >>> for _ in range(5):
    ...     direction, state = optimizer.update(jnp.array([1.0, 10.0]) * x, state, x)
    ...     x = x - direction
    >>> bool(jnp.abs(x).max() < 1e-2)
    True
    """

    def init(params: Array) -> LBFGSState:
        zeros, pairs = jnp.zeros_like(params), jnp.zeros((memory, *params.shape), params.dtype)
        products, none = jnp.zeros((memory, memory), params.dtype), jnp.zeros((), jnp.int32)
        return LBFGSState(zeros, zeros, pairs, pairs, products, products, none, none)

    def update(gradient: Array, state: LBFGSState, params: Array) -> tuple[Array, LBFGSState]:
        state = _remember(gradient, state, params)
        return _multiply(gradient, state), state

    return optax.GradientTransformation(init, update)


def _remember(gradient: Array, state: LBFGSState, params: Array) -> LBFGSState:
    """The state with the pair of the last step, if it will do."""
    step, change = params - state.image, gradient - state.gradient
    least = LEAST_CURVATURE * jnp.sqrt(jnp.sum(step**2) * jnp.sum(change**2))
    good = (state.updates > 0) & (jnp.sum(step * change) > least)
    slot = state.stored % len(state.steps)

    def put(memory: Array, new: Array) -> Array:
        return memory.at[slot].set(jnp.where(good, new, memory[slot]))

    def put_products(products: Array, row: Array, column: Array) -> Array:
        return jnp.where(good, products.at[slot].set(row).at[:, slot].set(column), products)

    step, change = apart(step, change)
    steps, changes = put(state.steps, step), put(state.changes, change)
    of_change = dots(changes, change)
    return LBFGSState(
        image=params,
        gradient=gradient,
        steps=steps,
        changes=changes,
        sy=put_products(state.sy, dots(changes, step), dots(steps, change)),
        yy=put_products(state.yy, of_change, of_change),
        updates=state.updates + 1,
        stored=state.stored + good,
    )


def _multiply(gradient: Array, state: LBFGSState) -> Array:
    """H times the gradient."""
    m = len(state.steps)
    oldest_first = (state.stored + jnp.arange(m)) % m
    sy, yy = (table[oldest_first][:, oldest_first] for table in (state.sy, state.yy))
    s_gradient, y_gradient = (
        dots(memory, gradient)[oldest_first] for memory in (state.steps, state.changes)
    )
    curvature = jnp.diagonal(sy)
    # Slots without a pair are zero; a 1 on the diagonal keeps them so in the solution.
    triangle = jnp.triu(sy) + jnp.diag(jnp.where(curvature > 0, 0, 1).astype(sy.dtype))
    solve = functools.partial(jax.scipy.linalg.solve_triangular, triangle)
    length = jnp.sqrt(jnp.sum(gradient**2))
    newest = yy[-1, -1] > 0
    first = 1 / jnp.maximum(1, length)
    gamma = jnp.where(newest, curvature[-1] / jnp.where(newest, yy[-1, -1], 1), first)
    of_changes = solve(s_gradient)
    both = apart(curvature * of_changes, gamma * (dots(yy, of_changes) - y_gradient))
    of_steps = solve(both[0] + both[1], trans=1)
    slots = jnp.argsort(oldest_first)
    along = apart(
        gamma * gradient,
        weighted_sum(of_steps[slots], state.steps),
        weighted_sum(gamma * of_changes[slots], state.changes),
    )
    return along[0] + along[1] - along[2]


def apart(*terms: Array) -> tuple[Array, ...]:
    """The terms of a sum, each rounded by itself.

    Fused with the sum, a product is not; and what is fused depends on whether there is a batch.
    """
    return jax.lax.optimization_barrier(terms)


def dots(memory: Float[Array, "m *image"], image: Float[Array, "*image"]) -> Float[Array, " m"]:
    """The inner products of every image in the memory with one.

    As a sum rather than a matrix product, which is rounded in another way when it is batched; and
    the gradient of VGG-19 makes a visible difference of the least one in the image, wherever that
    decides which side of a ReLU or which pixel of a pooling counts.
    """
    return jnp.sum(memory * image, axis=range(1, memory.ndim))


def weighted_sum(weights: Float[Array, " m"], memory: Float[Array, "m *image"]) -> Array:
    """Σ w_i · memory_i; not as a matrix product, see `dots`."""
    return jnp.sum(weights.reshape(-1, *[1] * (memory.ndim - 1)) * memory, axis=0)
