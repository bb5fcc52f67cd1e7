"""L-BFGS in two passes over its memory.

Nocedal's two loops read every remembered image one after the other, each read waiting for the last.
The compact form of the same matrix needs one product of all of them with each other, a small
triangular system, and one weighted sum: Byrd, Nocedal and Schnabel, "Representations of
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
      updates: how many updates there were.
      stored: how many pairs were remembered; the next goes to the slot of this number, modulo m.
    """

    image: Float[Array, "*image"]
    gradient: Float[Array, "*image"]
    steps: Float[Array, "m *image"]
    changes: Float[Array, "m *image"]
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
        none = jnp.zeros((), jnp.int32)
        return LBFGSState(zeros, zeros, pairs, pairs, none, none)

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

    return LBFGSState(
        image=params,
        gradient=gradient,
        steps=put(state.steps, step),
        changes=put(state.changes, change),
        updates=state.updates + 1,
        stored=state.stored + good,
    )


def _multiply(gradient: Array, state: LBFGSState) -> Array:
    """H times the gradient."""
    m = len(state.steps)
    vectors = jnp.concatenate([state.steps, state.changes, gradient[None]])
    flat = vectors.reshape(len(vectors), -1)
    products = jnp.matmul(flat, flat.T, precision="highest")
    oldest_first = (state.stored + jnp.arange(m)) % m
    sy = products[:m, m:-1][oldest_first][:, oldest_first]
    yy = products[m:-1, m:-1][oldest_first][:, oldest_first]
    s_gradient, y_gradient = products[:m, -1][oldest_first], products[m:-1, -1][oldest_first]
    curvature = jnp.diagonal(sy)
    # Slots without a pair are zero; a 1 on the diagonal keeps them so in the solution.
    triangle = jnp.triu(sy) + jnp.diag(jnp.where(curvature > 0, 0, 1).astype(sy.dtype))
    solve = functools.partial(jax.scipy.linalg.solve_triangular, triangle)
    first = jnp.minimum(1, jax.lax.rsqrt(products[-1, -1]))
    newest = yy[-1, -1] > 0
    gamma = jnp.where(newest, curvature[-1] / jnp.where(newest, yy[-1, -1], 1), first)
    of_changes = solve(s_gradient)
    inner = curvature * of_changes + gamma * (yy @ of_changes) - gamma * y_gradient
    of_steps = solve(inner, trans=1)
    slots = jnp.argsort(oldest_first)
    weights = jnp.concatenate([of_steps[slots], -gamma * of_changes[slots], gamma[None]])
    return jnp.tensordot(weights, vectors, 1, precision="highest")
