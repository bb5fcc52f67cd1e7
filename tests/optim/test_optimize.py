"""The step and the loop on objectives whose minimum is known."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jnst.optim.minimization import Controls, init_state, minimize, picture, step
from jnst.optim.optimizers import ADAM_EPSILON, OPTIMIZERS, make_optimizer

START = np.random.default_rng(0).uniform(size=(4, 5, 3)).astype(np.float32)
GOAL = np.random.default_rng(1).uniform(0.1, 0.9, size=(4, 5, 3)).astype(np.float32)


def bowl(image, args):
    """An elongated quadratic bowl around `goal`, of any height."""
    goal, height = args
    stretch = jnp.linspace(1, 30, image.size).reshape(image.shape)
    return {"total": height * jnp.sum(stretch * (image - goal) ** 2)}


def controls(**changed):
    return Controls(**({"rate": 0.05, "final_rate": 0.05, "steps": 100} | changed))


def run(steps, objective=bowl, args=(GOAL, 1.0), optimizer="adam", watch=None, **changed):
    settings = controls(steps=steps, **changed)
    if isinstance(optimizer, str):
        optimizer = make_optimizer(optimizer)
    done = minimize(
        objective,
        init_state(jnp.asarray(START), optimizer),
        args,
        settings,
        optimizer=optimizer,
        steps=steps,
        watch=watch,
    )
    return done, np.asarray(picture(done.state, settings))


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
    assert not done.state.halted and not done.stopped


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("height", [1e-6, 1.0, 1e6])
def test_optimizers_reach_the_minimum_whatever_the_scale_of_the_loss(optimizer, height):
    rate = {"adam": 0.05, "lbfgs": 1.0}[optimizer]
    done, result = run(
        150, args=(GOAL, height), optimizer=optimizer, rate=rate, final_rate=rate / 50
    )
    assert done.losses["total"][-1] < 1e-5 * done.losses["total"][0]
    np.testing.assert_allclose(result, GOAL, atol=2e-3)


def test_lbfgs_does_not_stall_at_the_start():
    done, _ = run(10, args=(GOAL, 1e-8), optimizer="lbfgs", rate=1.0, final_rate=1.0)
    assert done.losses["total"][-1] < 0.3 * done.losses["total"][0]


def test_lbfgs_does_not_diverge_where_the_curvature_is_negative():
    def waves(image, args):
        return {"total": jnp.sum(jnp.cos(25 * image) + 0.1 * (image - 0.5) ** 2)}

    done, result = run(
        200,
        objective=waves,
        args=(),
        optimizer="lbfgs",
        rate=1.0,
        final_rate=1.0,
        lower=-9,
        upper=9,
    )
    assert not done.state.halted and not done.stopped
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

    def watch(state, *_):
        images.append(np.asarray(state.image))

    run(10, objective=slope, args=(), watch=watch, rate=0.05, final_rate=0.01, lower=-9.0)
    moved = -np.diff([START, *images], axis=0)[:, 0, 0, 0]
    expected = 0.01 + 0.04 * (1 + np.cos(np.pi * np.arange(10) / 10)) / 2
    np.testing.assert_allclose(moved * (1 + ADAM_EPSILON), expected, rtol=1e-3)


def test_pixels_stay_in_the_box_at_every_step():
    seen = []
    outside = np.where(GOAL > 0.5, 3.0, -2.0).astype(np.float32)
    run(40, args=(outside, 1.0), watch=lambda state, *_: seen.append(np.asarray(state.image)) and 0)
    assert len(seen) == 40
    assert all(image.min() >= 0 and image.max() <= 1 for image in seen)
    _, free = run(200, args=(outside, 1.0), rate=0.1, lower=-9.0, upper=9.0)
    assert free.min() < -1.5
    assert free.max() > 2.5


def test_the_picture_is_the_bias_corrected_average_of_the_iterates():
    iterates = [START]
    done, result = run(
        6, watch=lambda state, *_: iterates.append(np.asarray(state.image)), decay=0.8
    )
    weights = 0.8 ** np.arange(6, -1, -1)
    expected = np.tensordot(weights / weights.sum(), np.array(iterates, np.float64), 1)
    np.testing.assert_allclose(result, expected, rtol=1e-5)
    assert int(done.state.steps) == 6


def cliff(image, args):
    """A bowl that is NaN from the call on at which all of the image is below `edge`."""
    goal, edge = args
    total = jnp.sum((image - goal) ** 2)
    return {"total": jnp.where(image.max() < edge, jnp.nan, total)}


@pytest.mark.parametrize("decay", [0.0, 0.8])
def test_a_loss_that_is_not_finite_ends_the_run_at_the_last_finite_picture(decay):
    iterates = [START]
    done, result = run(
        100,
        objective=cliff,
        args=(np.zeros_like(START), 0.5),
        watch=lambda state, *_: iterates.append(np.asarray(state.image)),
        decay=decay,
    )
    count = int(done.state.steps)
    assert done.state.halted and not done.stopped
    assert 0 < count < 30
    assert len(done.losses["total"]) == count
    assert np.isfinite(done.losses["total"]).all()
    finite = np.array(iterates[:count])  # the next one's loss was NaN
    assert finite[-1].max() >= 0.5
    weights = decay ** np.arange(count - 1, -1, -1.0)
    expected = np.tensordot(weights / weights.sum(), finite, 1)
    np.testing.assert_allclose(result, expected, rtol=1e-4)
    assert len(iterates) <= count + 4  # and it ended at once


def test_a_gradient_that_is_not_finite_ends_the_run_too():
    def kink(image, args):
        return {"total": jnp.sum(jnp.sqrt(image - image))}  # 0, with a gradient of NaN

    done, result = run(50, objective=kink, args=())
    assert done.state.halted and int(done.state.steps) == 0
    np.testing.assert_array_equal(result, START)


def test_watch_stops_the_run():
    done, _ = run(50, watch=lambda state, controls, losses, count: count == 3)
    assert done.stopped and int(done.state.steps) == 3
    assert done.losses["total"].shape == (3,)


def test_watch_sees_the_losses_of_the_step_before():
    seen = []
    done, _ = run(5, watch=lambda state, controls, losses, count: seen.append(losses["total"]))
    expected = done.losses["total"][[0, 0, 1, 2, 3]]
    np.testing.assert_array_equal(np.array(seen), expected)


def test_other_numbers_never_recompile():
    run(3)
    before = step._cache_size()
    run(4, args=(GOAL / 2, 7.0), rate=0.01, final_rate=0.001, lower=-1.0, decay=0.5)
    assert step._cache_size() == before


def test_the_state_can_be_donated_and_the_start_survives():
    start = jnp.asarray(START)
    optimizer = make_optimizer("lbfgs")
    state = init_state(start, optimizer)
    buffers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state)]
    assert len(set(buffers)) == len(buffers)
    minimize(bowl, state, (GOAL, 1.0), controls(), optimizer=optimizer, steps=3)
    np.testing.assert_array_equal(start, START)


def test_pixels_without_a_gradient_make_the_others_move_no_more():
    gradient = jax.random.normal(jax.random.key(2), (8, 8, 3))
    within = jnp.pad(gradient, ((0, 24), (8, 0), (0, 0)))  # of a picture that else is kept
    optimizer = make_optimizer("adam")
    alone, among = (
        optimizer.update(values, optimizer.init(values), rate=0.1)[0]
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


def test_an_unknown_optimizer_is_named():
    with pytest.raises(ValueError, match=r"must be one of adam, lbfgs, got 'adams' \(did you"):
        make_optimizer("adams")
