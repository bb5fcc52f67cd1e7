"""The activation losses against NumPy, and their place among the terms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnst.losses.activation import COMPARED, Activation, Resemblance, mean_square, resemblance
from jnst.losses.jitter import mirrored, shifted
from jnst.losses.objectives import Objective, evaluate


def features(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_mean_squares_are_those_of_numpy():
    x = features(5, 7, 3)
    np.testing.assert_allclose(mean_square(x), np.mean(x.astype(float) ** 2, (0, 1)), rtol=1e-6)


@pytest.mark.parametrize("shape", [(5, 7, 4), (2, 3, 4, 4), (1, COMPARED + 3, 4)])
def test_resemblance_takes_the_best_guide_of_every_position(shape):
    x, guide = features(*shape), unit(features(6, 4, seed=1))
    wanted = (x.astype(float) @ guide.T).max(-1).mean((-2, -1))
    np.testing.assert_allclose(resemblance(x, guide), wanted, rtol=1e-5)


def test_the_gradient_of_a_resemblance_is_the_chosen_guide():
    x, guide = features(3, 4, 5), unit(features(6, 5, seed=1))
    slope = jax.grad(lambda x: resemblance(x, jnp.asarray(guide)))(jnp.asarray(x))
    chosen = guide[(x @ guide.T).argmax(-1)]
    np.testing.assert_allclose(slope, chosen / 12, rtol=1e-5)


def activation(**changes):
    given = {
        "channels": {"relu1_1": jnp.array([0.5, 0.0, 0.5, 0.0])},
        "scales": {"relu1_1": jnp.float32(2.0)},
        "weights": {"relu1_1": 3.0},
    }
    return Activation(**given | changes)


def test_an_activation_weighs_channels_layers_and_itself(tiny):
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(16, 24, 3)), jnp.float32)
    term = activation(weight=10.0)
    losses = evaluate(image, Objective(model=tiny, terms=(term,)))
    squares = np.mean(np.square(tiny(image, ["relu1_1"])["relu1_1"]), (0, 1))
    wanted = -3 * 2 * (squares[0] + squares[2]) / 2
    assert losses["activation"] == pytest.approx(wanted, rel=1e-5)
    assert losses["total"] == pytest.approx(10 * wanted, rel=1e-5)


@pytest.mark.parametrize("kind", ["activation", "resemblance"])
def test_the_statistics_of_halves_add_up_to_those_of_the_whole(kind):
    x = jnp.asarray(features(4, 6, 4))
    term = activation()
    if kind == "resemblance":
        term = Resemblance(
            guides={"relu1_1": jnp.asarray(unit(features(3, 4, seed=2)))},
            scales={"relu1_1": jnp.ones(())},
            weights={"relu1_1": 1.0},
        )
    whole = term.statistics({"relu1_1": x})
    halves = [term.statistics({"relu1_1": part}, {"relu1_1": 24}) for part in (x[:1], x[1:])]
    added = sum(float(half["relu1_1"]) for half in halves)
    assert float(whole["relu1_1"]) == pytest.approx(added, rel=1e-5)
    assert term.linear and term.additive


def test_mirrored_places_stay_within_the_line_however_far_the_shift():
    for offset in range(-30, 31):
        places = mirrored(5, jnp.array(offset))
        line = np.pad(np.arange(5), 40, mode="symmetric")
        np.testing.assert_array_equal(places, line[40 + offset : 45 + offset])


def test_a_shift_is_at_most_the_jitter_and_takes_all_numbers():
    image = jnp.asarray(np.mgrid[:9, :9].transpose(1, 2, 0), jnp.float32)
    corners = {
        tuple(np.asarray(shifted(image, 1.0, jax.random.key(n))[4, 4]) - 4) for n in range(80)
    }
    assert corners == {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    np.testing.assert_array_equal(shifted(image, 0.0, jax.random.key(0)), image)


def test_a_key_jitters_what_the_network_sees_and_not_the_pixels(tiny):
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(16, 24, 3)), jnp.float32)
    term = activation()
    key = jax.random.key(1)
    objective = Objective(model=tiny, terms=(term,), jitter=5.0)
    plain = evaluate(image, objective)["total"]
    moved = evaluate(shifted(image, 5.0, key), Objective(model=tiny, terms=(term,)))["total"]
    assert evaluate(image, objective, key)["total"] == pytest.approx(float(moved), rel=1e-6)
    assert plain != pytest.approx(float(moved), rel=1e-6)
