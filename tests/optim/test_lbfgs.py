"""L-BFGS against the dense matrix that it stands for, and against Optax's."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jnst.optim.lbfgs import scale_by_lbfgs

SIZE = 12
CURVATURE = np.linspace(1, 20, SIZE)
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(SIZE, SIZE)))[0]
HESSIAN = TURN @ np.diag(CURVATURE) @ TURN.T


def walk(optimizer, steps, rate=0.3):
    """The points, gradients and directions of some steps down a quadratic bowl."""
    x = jnp.asarray(np.random.default_rng(1).normal(size=SIZE), jnp.float32)
    state, seen = optimizer.init(x), []
    for _ in range(steps):
        gradient = jnp.asarray(HESSIAN, jnp.float32) @ x
        direction, state = optimizer.update(gradient, state, x)
        seen.append([np.float64(v) for v in (x, gradient, direction)])
        x = x - rate * direction
    return seen


def dense(pairs, gradient):
    """H times the gradient by the BFGS formula itself, in float64; Nocedal and Wright, (6.17)."""
    s, y = pairs[-1]
    h = np.eye(SIZE) * (s @ y) / (y @ y)
    for s, y in pairs:
        v = np.eye(SIZE) - np.outer(y, s) / (s @ y)
        h = v.T @ h @ v + np.outer(s, s) / (s @ y)
    return h @ gradient


@pytest.mark.parametrize("steps", [2, 4, 9])
def test_it_is_the_bfgs_matrix_of_the_last_pairs(steps):
    memory = 4
    seen = walk(scale_by_lbfgs(memory), steps)
    pairs = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(seen)][-memory:]
    _, gradient, direction = seen[-1]
    np.testing.assert_allclose(direction, dense(pairs, gradient), rtol=1e-3, atol=1e-5)


def test_it_goes_where_optax_goes():
    ours, theirs = walk(scale_by_lbfgs(5), 12), walk(optax.scale_by_lbfgs(5), 12)
    for (_, _, mine), (_, _, other) in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-2, atol=1e-4)


def test_a_pair_without_curvature_is_not_remembered():
    optimizer = scale_by_lbfgs(3)
    x = jnp.ones(SIZE)
    state = optimizer.init(x)
    _, state = optimizer.update(x, state, x)
    _, state = optimizer.update(2 * x, state, x - 0.1)  # the slope rises where we went down
    assert int(state.stored) == 0
    assert not state.steps.any()
    direction, state = optimizer.update(0.5 * x, state, x - 0.5)
    assert int(state.stored) == 1
    assert float(direction @ x) > 0


def test_it_can_be_batched():
    optimizer = scale_by_lbfgs(3)
    starts = jnp.asarray(np.random.default_rng(2).normal(size=(4, SIZE)), jnp.float32)

    def go(x):
        state = optimizer.init(x)
        for _ in range(5):
            direction, state = optimizer.update(jnp.linspace(1, 9, SIZE) * x, state, x)
            x = x - 0.5 * direction
        return x

    together = jax.vmap(go)(starts)
    alone = jnp.stack([go(start) for start in starts])
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-5)
