"""Descent by the bands of a pyramid and along axes of colour."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnst
from jnst.image.palette import color_moments
from jnst.optim.optimizers import make_optimizer
from jnst.optim.preconditioning import (
    band_shapes,
    color_axes,
    enlarge,
    from_bands,
    precondition,
    shrink,
    to_bands,
    unit_bands,
)
from jnst.optim.step import Controls, init_state, step

random = np.random.default_rng(8)
of_bands, bands_of = jax.jit(from_bands), jax.jit(to_bands)
AXES = color_axes(np.cov(random.normal(size=(3, 50)) * [[3.0], [1.0], [0.2]]))


@pytest.mark.parametrize("shape", [(16, 16), (17, 23), (5, 64), (2, 3), (1, 1), (33, 7)])
def test_bands_to_picture_and_gradient_to_bands_are_transposes(shape):
    with jax.enable_x64(True):
        colors = jnp.asarray(AXES, jnp.float64) + jnp.asarray(random.normal(size=(3, 3)))
        parts = tuple(jnp.asarray(random.normal(size=(*size, 3))) for size in band_shapes(*shape))
        image = jnp.asarray(random.normal(size=(*shape, 3)))
        there = jnp.vdot(of_bands(parts, colors), image)
        back = bands_of(image, colors)
        assert [part.shape for part in back] == [part.shape for part in parts]
        products = [jnp.vdot(a, b) for a, b in zip(parts, back, strict=True)]
        assert float(there) == pytest.approx(float(sum(products)), rel=1e-12)


@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (1, 2)])
def test_enlarging_keeps_a_flat_picture_flat_and_a_slope_even(shape):
    half = tuple(-(-edge // 2) for edge in shape)
    np.testing.assert_allclose(enlarge(jnp.ones((*half, 3)), shape), np.ones((*shape, 3)))
    slope = jnp.arange(4.0)[:, None, None] * jnp.ones((4, 4, 3))
    rows = np.asarray(enlarge(slope, (8, 8)))[:, 0, 0]
    np.testing.assert_allclose(rows, np.clip(np.arange(8) / 2 - 0.25, 0, 3))
    assert shrink(jnp.ones((*shape, 3))).shape == (*half, 3)


def test_bands_end_where_a_picture_is_too_narrow_for_more():
    assert band_shapes(512, 384) == [(512, 384), (256, 192), (128, 96), (64, 48), (32, 24)]
    assert band_shapes(5, 64) == [(5, 64), (3, 32), (2, 16)]
    assert band_shapes(1, 1) == [(1, 1)]


def test_the_axes_of_colour_are_the_symmetric_root_with_a_floor():
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    axes = np.asarray(color_axes(turn * [9.0, 1.0, 1e-6] @ turn.T))
    np.testing.assert_allclose(axes, turn * [1, 1 / 3, 0.1] @ turn.T, atol=1e-6)


def test_a_style_of_one_colour_has_no_axes():
    _, covariance = color_moments([np.full((4, 4, 3), 0.7)])
    np.testing.assert_array_equal(color_axes(covariance), np.eye(3))


def test_it_is_the_inner_optimiser_of_the_bands():
    """x = S p, where p descends by Adam: the same iterates as with bands for parameters."""
    goal = jnp.float32(random.uniform(size=(12, 9, 3)))
    x = jnp.zeros_like(goal)
    p = bands_of(x)
    inner = optax.adam(0.02)
    wrapped = precondition(optax.adam(0.02))
    state, inner_state = wrapped.init(x), inner.init(p)
    loss = lambda x: jnp.sum(jnp.sin(3 * x - goal) ** 2)  # noqa: E731

    @jax.jit
    def of_the_picture(x, state):
        updates, state = wrapped.update(jax.grad(loss)(x), state, x, colors=AXES)
        return optax.apply_updates(x, updates), state

    @jax.jit
    def of_its_bands(p, state):
        gradient = jax.grad(lambda p: loss(from_bands(p, AXES)))(p)
        updates, state = inner.update(gradient, state)
        return optax.apply_updates(p, updates), state

    for _ in range(5):
        x, state = of_the_picture(x, state)
        p, inner_state = of_its_bands(p, inner_state)
        np.testing.assert_allclose(x, of_bands(p, AXES), atol=2e-5)


def test_every_band_has_a_unit_gradient_and_a_silent_one_none():
    parts = (jnp.full((4, 4, 3), 1e-6), jnp.zeros((2, 2, 3)))
    units, _ = unit_bands().update(parts, optax.EmptyState())
    np.testing.assert_allclose(units[0], np.ones((4, 4, 3)), rtol=1e-6)
    np.testing.assert_array_equal(units[1], np.zeros((2, 2, 3)))


def test_colours_that_the_style_lacks_hardly_move():
    optimizer = make_optimizer("preconditioned")
    axes = color_axes(np.ones((3, 3)))  # a grey style
    x = jnp.full((8, 8, 3), 0.5)
    gradient = jnp.float32(random.normal(size=x.shape))
    updates, _ = optimizer.update(gradient, optimizer.init(x), x, learning_rate=0.1, colors=axes)
    chroma = np.asarray(updates) - np.mean(updates, axis=-1, keepdims=True)
    assert np.abs(chroma).mean() < 0.3 * np.abs(np.mean(updates, axis=-1)).mean()


def test_other_colours_and_rates_compile_nothing_anew():
    optimizer = make_optimizer("preconditioned")
    objective = functools.cache(lambda: lambda x, args: {"total": jnp.sum((x - args) ** 2)})()
    image = jnp.zeros((6, 10, 3))
    before = step.made
    for rate, colors in ((0.1, AXES), (0.2, jnp.eye(3))):
        controls = Controls(rate, rate, 10.0, colors=colors)
        step(
            init_state(image, optimizer), image, controls, objective=objective, optimizer=optimizer
        )
    assert step.made == before + 1


def test_a_batch_is_its_members():
    optimizer = make_optimizer("preconditioned")
    images = jnp.float32(random.uniform(size=(2, 9, 14, 3)))
    colors = jnp.stack([AXES, jnp.eye(3)])

    def descend(image, colors):
        state = optimizer.init(image)
        for _ in range(3):
            updates, state = optimizer.update(
                jnp.sin(5 * image), state, image, learning_rate=0.05, colors=colors
            )
            image = image + updates
        return image

    got, alone = jax.jit(jax.vmap(descend))(images, colors), jax.jit(descend)
    for one, image, axes in zip(got, images, colors, strict=True):
        np.testing.assert_allclose(one, alone(image, axes), atol=1e-6)


def test_minimize_descends_by_bands_and_resumes_to_the_bit(tmp_path):
    goal = jnp.float32(random.uniform(0.2, 0.8, (12, 16, 3)))
    loss = lambda x, goal: jnp.sum((x - goal) ** 2)  # noqa: E731
    start, run = jnp.zeros_like(goal), functools.partial(jnst.minimize, loss)
    whole = run(start, goal, steps=120, optimizer="preconditioned")
    assert float(jnp.abs(whole.image - goal).max()) < 0.05
    file = tmp_path / "run.npz"
    settings = {"steps": 120, "optimizer": "preconditioned", "checkpoint": file}
    run(start, goal, callback=lambda progress: progress.step == 50, **settings)
    resumed = run(start, goal, resume=True, **settings)
    np.testing.assert_array_equal(resumed.image, whole.image)
