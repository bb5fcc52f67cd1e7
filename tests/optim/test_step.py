"""The step: what an update does to an image, whatever loop is around it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from bowl import GOAL, START, bowl, controls, run

from jnst.optim.optimizers import ADAM_EPSILON, OPTIMIZERS, make_optimizer
from jnst.optim.step import init_state, step
from jnst.optim.whole import Whole


def test_adam_is_optax_adam_on_gradients_of_unit_size():
    reference = optax.adam(0.05, b2=0.99, eps=ADAM_EPSILON)
    image, moments, losses = jnp.asarray(START), reference.init(jnp.asarray(START)), []
    for _ in range(7):
        loss, gradient = jax.value_and_grad(lambda x: bowl(x, (GOAL, 1.0))["total"])(image)
        gradient = gradient / jnp.sqrt(jnp.mean(gradient**2))
        updates, moments = reference.update(gradient, moments, image)
        image = jnp.clip(image + updates, 0, 1)
        losses.append(loss)
    done, result = run(7)
    np.testing.assert_allclose(result, image, rtol=1e-5)
    np.testing.assert_allclose(done.losses["total"], losses, rtol=1e-5)
    assert int(done.state.steps) == 7
    assert not done.state.diverged and not done.stopped


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("height", [1e-6, 1.0, 1e6])
def test_optimizers_reach_the_minimum_whatever_the_scale_of_the_loss(optimizer, height):
    rate = {"preconditioned": 0.02, "adam": 0.05, "lbfgs": 1.0}[optimizer]
    done, result = run(
        150,
        args=(GOAL, height),
        optimizer=optimizer,
        learning_rate=rate,
        final_learning_rate=rate / 50,
    )
    assert done.losses["total"][-1] < 1e-5 * done.losses["total"][0]
    np.testing.assert_allclose(result, GOAL, atol=2e-3)


def test_lbfgs_does_not_stall_at_the_start():
    done, _ = run(
        10, args=(GOAL, 1e-8), optimizer="lbfgs", learning_rate=1.0, final_learning_rate=1.0
    )
    assert done.losses["total"][-1] < 0.3 * done.losses["total"][0]


def test_lbfgs_does_not_diverge_where_the_curvature_is_negative():
    def waves(image, args):
        return {"total": jnp.sum(jnp.cos(25 * image) + 0.1 * (image - 0.5) ** 2)}

    done, result = run(
        200,
        objective=waves,
        args=(),
        optimizer="lbfgs",
        learning_rate=1.0,
        final_learning_rate=1.0,
        lower=-9,
        upper=9,
    )
    assert not done.state.diverged and not done.stopped
    assert done.losses["total"][-1] < -0.9 * START.size
    assert np.abs(result).max() < 2


@pytest.mark.parametrize("optimizer", [optax.sgd(0.01), optax.lbfgs()], ids=["sgd", "line search"])
def test_any_optax_transformation_will_do(optimizer):
    _, result = run(300, optimizer=optimizer)
    np.testing.assert_allclose(result, GOAL, atol=1e-3)


def test_the_rate_falls_along_half_a_cosine_from_first_to_last():
    def slope(image, args):
        return {"total": jnp.sum(image)}  # Adam then moves by rate / (1 + epsilon)

    images = []

    def keep(state, *_):
        images.append(np.asarray(state.image))

    rates = {"learning_rate": 0.05, "final_learning_rate": 0.01}
    run(10, objective=slope, args=(), callback=keep, lower=-9.0, **rates)
    moved = -np.diff([START, *images], axis=0)[:, 0, 0, 0]
    expected = 0.01 + 0.04 * (1 + np.cos(np.pi * np.arange(10) / 10)) / 2
    np.testing.assert_allclose(moved * (1 + ADAM_EPSILON), expected, rtol=1e-3)


def test_pixels_stay_in_the_box_at_every_step():
    seen = []
    outside = np.where(GOAL > 0.5, 3.0, -2.0).astype(np.float32)
    run(
        40,
        args=(outside, 1.0),
        callback=lambda state, *_: seen.append(np.asarray(state.image)),
    )
    assert len(seen) == 40
    assert all(image.min() >= 0 and image.max() <= 1 for image in seen)
    _, free = run(200, args=(outside, 1.0), learning_rate=0.1, lower=-9.0, upper=9.0)
    assert free.min() < -1.5
    assert free.max() > 2.5


def test_the_picture_is_the_bias_corrected_average_of_the_iterates():
    iterates = [START]
    done, result = run(
        6, callback=lambda state, *_: iterates.append(np.asarray(state.image)), ema_decay=0.8
    )
    weights = 0.8 ** np.arange(6, -1, -1)
    expected = np.tensordot(weights / weights.sum(), np.array(iterates, np.float64), 1)
    np.testing.assert_allclose(result, expected, rtol=1e-5)
    assert int(done.state.steps) == 6


def test_other_numbers_never_recompile():
    run(3)
    before = step.made
    run(
        4,
        args=(GOAL / 2, 7.0),
        learning_rate=0.01,
        final_learning_rate=0.001,
        lower=-1.0,
        ema_decay=0.5,
    )
    assert step.made == before


def test_the_state_can_be_donated_and_the_start_survives():
    start = jnp.asarray(START)
    execution = Whole(bowl, (GOAL, 1.0), make_optimizer("lbfgs"))
    state = execution.begin(start)
    buffers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state)]
    assert len(set(buffers)) == len(buffers)
    for _ in range(3):
        state, *_ = execution.advance(state, execution.controls(controls()))
    np.testing.assert_array_equal(start, START)
    assert np.abs(state.image - START).max() > 0.01


def test_pixels_without_a_gradient_make_the_others_move_no_more():
    gradient = jax.random.normal(jax.random.key(2), (8, 8, 3))
    within = jnp.pad(gradient, ((0, 24), (8, 0), (0, 0)))  # of a picture that else is kept
    optimizer = make_optimizer("adam")
    alone, among = (
        optimizer.update(values, optimizer.init(values), learning_rate=0.1)[0]
        for values in (gradient, within)
    )
    assert jnp.abs(alone).max() > 0.05
    np.testing.assert_allclose(among[:8, 8:], alone, rtol=1e-6)
    assert not jnp.any(among[8:])


def test_the_step_can_be_vmapped():
    optimizer = make_optimizer("adam")
    starts = jnp.stack([jnp.asarray(START), jnp.asarray(START) / 2])
    states = jax.vmap(lambda image: init_state(image, optimizer))(starts)

    def advance(state, height):
        return step(state, (GOAL, height), controls(), objective=bowl, optimizer=optimizer)[0]

    states = jax.vmap(advance)(states, jnp.array([1.0, 2.0]))
    for index, height in enumerate((1.0, 2.0)):
        alone = advance(init_state(starts[index], optimizer), height)
        np.testing.assert_allclose(states.image[index], alone.image, rtol=1e-5)


def test_an_image_that_is_not_active_stays_as_it_is():
    optimizer = make_optimizer("adam")
    state = init_state(jnp.asarray(START), optimizer)
    resting = controls(active=False)
    after, losses, diverged = step(state, (GOAL, 1.0), resting, objective=bowl, optimizer=optimizer)
    np.testing.assert_array_equal(after.image, START)
    assert int(after.steps) == 0 and not diverged and losses["total"] > 0


def test_every_step_draws_another_key_from_the_runs():
    drawn = []

    def noisy(image, args, key):
        number = jax.random.uniform(key)
        return {"total": jnp.sum((image - args) ** 2) + 0 * number, "drawn": number}

    for seed in (1, 1, 2):
        done, _ = run(5, objective=noisy, args=GOAL, key=jax.random.key(seed))
        drawn.append(done.losses["drawn"])
        assert len(set(done.losses["drawn"].tolist())) == 5
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not set(drawn[0].tolist()) & set(drawn[2].tolist())


def test_an_unknown_optimizer_is_named():
    with pytest.raises(ValueError, match=r"preconditioned, adam, lbfgs, got 'adams' \(did you"):
        make_optimizer("adams")
