"""`jnst.minimize`, the loop for an objective of one's own."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from bowl import GOAL, START
from unchecked import unchecked

import jnst
from jnst.optim.convergence import WINDOW
from jnst.optim.step import step


def distance(image, goal):
    return jnp.sum((image - goal) ** 2)


def noisy(image, goal, key):
    return jnp.sum((image - goal + 0.01 * jax.random.normal(key, image.shape)) ** 2)


def test_a_loss_that_is_a_number_falls_to_its_minimum():
    result = jnst.minimize(distance, START, GOAL)
    np.testing.assert_allclose(result.image, GOAL, atol=5e-3)
    assert list(result.losses) == ["total"]
    assert result.losses["total"].shape == (300,)
    assert result.losses["total"][0] == pytest.approx(((START - GOAL) ** 2).sum(), rel=1e-5)
    assert (result.steps, result.reason) == (300, "finished")


def test_terms_are_reported_and_their_total_is_what_falls():
    def two(image, args):
        left, right = jnp.sum((image - 0.2) ** 2), jnp.sum((image - 0.6) ** 2)
        return {"left": left, "right": right, "total": 3 * left + right}

    result = jnst.minimize(two, START, optimizer="lbfgs", steps=40)
    np.testing.assert_allclose(result.image, 0.3, atol=5e-3)  # (3 · 0.2 + 0.6) / 4
    losses = result.losses
    np.testing.assert_allclose(losses["total"], 3 * losses["left"] + losses["right"], rtol=1e-5)


@pytest.mark.parametrize("shape", [(), (7,), (2, 3, 4, 5)])
def test_an_image_may_have_any_shape(shape):
    result = jnst.minimize(distance, np.zeros(shape), np.full(shape, 0.5, np.float32), steps=200)
    assert result.image.shape == shape
    np.testing.assert_allclose(result.image, 0.5, atol=1e-2)


def test_modules_and_numbers_among_the_arguments_compile_once(tiny, pictures):
    targets = jnst.make_targets(
        tiny, *pictures, content_layers=["relu2_1"], style_layers=["relu1_1"]
    )
    sizes = []
    for beta in (1, 30.0, np.float32(7)):
        weights = jnst.LossWeights(1.0, beta, 0.1, {"relu2_1": 1.0}, {"relu1_1": 1.0})
        result = jnst.minimize(jnst.objective, pictures[0], (tiny, targets, weights), steps=3)
        assert result.losses["total"][2] < result.losses["total"][0]
        sizes.append(step.made)
    assert sizes[1:] == sizes[:1] * 2


def test_with_a_key_every_step_draws_another_and_the_same_key_the_same():
    results = [
        jnst.minimize(noisy, START, GOAL, steps=8, key=jax.random.key(seed)) for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(results[0].image, results[1].image)
    assert np.abs(results[0].image - results[2].image).max() > 1e-5
    still = jnst.minimize(
        noisy, START, GOAL, steps=8, key=jax.random.key(1), optimizer=optax.sgd(0.0)
    )
    assert len(set(still.losses["total"].tolist())) == 8  # though the image stays where it is


def test_bounds_are_kept_and_there_may_be_none():
    far = np.full_like(START, 2.0)
    seen = []
    inside = jnst.minimize(
        distance,
        *(START, far),
        steps=60,
        bounds=(0.25, 0.75),
        averaging=0.0,
        callback=lambda progress: seen.append(progress.picture()),
    )
    np.testing.assert_array_equal(inside.image, 0.75)
    assert all(image.min() >= 0.25 and image.max() <= 0.75 for image in map(np.asarray, seen))
    free = jnst.minimize(distance, START, far, bounds=None, optimizer="lbfgs", steps=60)
    np.testing.assert_allclose(free.image, 2, atol=1e-2)


def test_the_image_is_the_average_of_the_last_iterates():
    iterates = [START]
    options = {"steps": 6, "optimizer": optax.sgd(0.1), "averaging": 0.0}
    last = jnst.minimize(
        distance,
        START,
        GOAL,
        callback=lambda p: iterates.append(np.asarray(p.picture())),
        **options,
    )
    np.testing.assert_array_equal(last.image, iterates[-1])
    averaged = jnst.minimize(distance, START, GOAL, **options | {"averaging": 0.7})
    weights = 0.7 ** np.arange(6, -1, -1)
    expected = np.tensordot(weights / weights.sum(), np.array(iterates, np.float64), 1)
    np.testing.assert_allclose(averaged.image, expected, rtol=1e-5)


def test_it_ends_where_the_loss_hardly_improves():
    result = jnst.minimize(distance, START, GOAL, tolerance=1.0)
    assert (result.reason, result.steps) == ("converged", WINDOW + 2)
    assert len(result.losses["total"]) == WINDOW + 2


def test_the_callback_is_told_where_the_run_is_and_stops_it():
    told = []

    def callback(progress):
        told.append(progress)
        return progress.step == 4

    result = jnst.minimize(distance, START, GOAL, steps=9, callback=callback)
    assert (result.reason, result.steps) == ("stopped", 4)
    assert [(p.step, p.steps, p.shape) for p in told] == [(n, 9, (4, 5)) for n in range(1, 5)]
    losses = [float(p.losses["total"]) for p in told]
    np.testing.assert_array_equal(losses, result.losses["total"][[0, 0, 1, 2]])


def test_a_run_that_diverges_ends_at_its_last_finite_image():
    def cliff(image, args):
        return jnp.where(image.max() < 0.5, jnp.nan, jnp.sum(image**2))

    result = jnst.minimize(cliff, START, averaging=0.0)
    assert result.reason == "diverged"
    assert 0 < result.steps < 60
    assert len(result.losses["total"]) == result.steps
    assert np.isfinite(result.losses["total"]).all()
    assert np.isfinite(result.image).all()
    lost = jnst.minimize(lambda image, args: jnp.nan * image.sum(), START)
    assert (lost.reason, lost.steps) == ("diverged", 0)
    np.testing.assert_array_equal(lost.image, START)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_run_goes_on_from_its_checkpoint_to_the_same_bits(tmp_path, optimizer):
    path = tmp_path / "run.npz"
    options = {"steps": 12, "optimizer": optimizer, "key": jax.random.key(3)}
    whole = jnst.minimize(noisy, START, GOAL, **options)
    kept = options | {"checkpoint": path, "checkpoint_every": 5, "resume": True}
    stopped = jnst.minimize(noisy, START, GOAL, callback=lambda p: p.step == 7, **kept)
    assert (stopped.reason, path.exists()) == ("stopped", True)
    gone_on = jnst.minimize(noisy, START, GOAL, **kept)
    np.testing.assert_array_equal(gone_on.image, whole.image)
    np.testing.assert_array_equal(gone_on.losses["total"], whole.losses["total"])
    for changed, said in (
        ({"key": jax.random.key(4)}, "key"),
        ({"bounds": None}, "numbers"),
        ({"steps": 11}, "steps"),  # of which 12 have been made
        ({"steps": 13, "bounds": None}, "steps"),
    ):
        with pytest.raises(ValueError, match=f"of another run: .*{said}"):
            jnst.minimize(noisy, START, GOAL, **kept | changed)
    with pytest.raises(ValueError, match="another content"):
        jnst.minimize(noisy, START, GOAL / 2, **kept)
    more = jnst.minimize(noisy, START, GOAL, **kept | {"steps": 13})
    assert (more.steps, more.reason) == (13, "finished")
    np.testing.assert_array_equal(more.losses["total"][:12], whole.losses["total"])


@pytest.mark.parametrize(
    "optimizer",
    [optax.sgd(0.1), optax.lbfgs(), optax.chain(optax.clip(1.0), optax.adam(0.05))],
    ids=["sgd", "line search", "chain"],
)
def test_any_optax_transformation_will_do(optimizer):
    result = jnst.minimize(distance, START, GOAL, optimizer=optimizer, steps=150, averaging=0.0)
    np.testing.assert_allclose(result.image, GOAL, atol=1e-2)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"fn": "objective"}, TypeError, "fn must be a function of an image and args, got 'obj"),
        ({"fn": lambda image: 0.0}, TypeError, "fn must be a function of an image and args, got <"),
        ({"image": np.zeros((2, 2), int)}, TypeError, "image must hold floats, got int64"),
        ({"steps": 0}, ValueError, "steps must be at least 1, got 0"),
        ({"steps": 2.5}, TypeError, "steps must be a whole number, got 2.5"),
        (
            {"optimizer": "adams"},
            ValueError,
            "one of preconditioned, adam, lbfgs, got 'adams'",
        ),
        ({"optimizer": 3}, TypeError, "optimizer must be a name or an optax.GradientTransfor"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be above 0, got 0"),
        ({"schedule": "linear"}, ValueError, "schedule must be one of cosine, constant"),
        ({"bounds": (1, 0)}, ValueError, "bounds must be a lower and a higher number, got (1, 0)"),
        ({"bounds": 1.0}, TypeError, "bounds must be two numbers or None, got 1.0"),
        ({"bounds": ("0", 1)}, TypeError, "bounds must be a number, got '0'"),
        ({"averaging": 1.0}, ValueError, "averaging must lie between 0 and 0.9999, got 1"),
        ({"tolerance": -1}, ValueError, "tolerance must lie between 0 and 1, got -1"),
        ({"key": 7}, TypeError, "key must be a random key"),
        ({"callback": 1}, TypeError, "callback must be a function of a jnst.Progress, got 1"),
        ({"resume": True}, ValueError, "resume needs a checkpoint"),
        (
            {"optimizer": optax.sgd(0.1), "learning_rate": 0.1},
            ValueError,
            "learning_rate has no effect beside an Optax transformation",
        ),
        (
            {"optimizer": optax.sgd(0.1), "schedule": "cosine"},
            ValueError,
            "schedule has no effect beside an Optax transformation",
        ),
    ],
)
def test_a_mistake_is_told_before_anything_is_traced(change, error, said):
    def never(image, args):
        raise AssertionError("traced")

    with unchecked(), pytest.raises(error) as raised:
        jnst.minimize(**{"fn": never, "image": START} | change)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda image, args: {"sum": image.sum()}, 'must return a loss named "total", got sum'),
        (lambda image, args: image, r"must return one number, got an array of shape \(4, 5, 3\)"),
    ],
)
def test_a_function_must_return_one_number(loss, said):
    with pytest.raises(ValueError, match=said):
        jnst.minimize(loss, START)
