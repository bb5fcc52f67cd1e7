"""The loss of sorted projections against NumPy in float64, and what is drawn for it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst.losses.sliced_wasserstein import (
    DIRECTIONS,
    POSITIONS,
    SlicedWasserstein,
    random_directions,
    sampled,
    sliced_wasserstein_loss,
)

KEY = jax.random.key(3)
random = np.random.default_rng(12)
LAYERS = {"content_layers": ["relu1_1"], "style_layers": ["relu1_1", "relu2_1"]}
QUICK = {"style_loss": "sliced-wasserstein", "sizes": (40,), "steps": 2, "finish": 0} | LAYERS


def cloud(count, channels, seed=0):
    return np.random.default_rng(seed).normal(size=(count, channels)).astype(np.float32)


@pytest.mark.parametrize(("ours", "theirs"), [(50, 50), (60, 20), (20, 70), (31, 44)])
def test_the_loss_is_that_of_sorted_projections_in_float64(ours, theirs):
    F, P = cloud(ours, 7), 1.5 * cloud(theirs, 7, 1) + 0.3
    directions = np.float64(random_directions(KEY, 7, jnp.float32))
    np.testing.assert_allclose((directions**2).sum(0), 1, rtol=1e-6)
    total = 0.0
    for direction in directions.T:
        a, b = np.sort(F @ direction), np.sort(P @ direction)
        for n in range(ours):  # the value at the quantile of the middle of the n-th part
            total += (a[n] - b[int((n + 0.5) / ours * theirs)]) ** 2
    actual = sliced_wasserstein_loss(jnp.asarray(F), jnp.asarray(P), KEY)
    assert float(actual) == pytest.approx(total / ours / DIRECTIONS, rel=1e-5)


def test_the_order_of_positions_does_not_matter_and_a_match_costs_nothing():
    F, P = jnp.asarray(cloud(40, 5)), jnp.asarray(cloud(40, 5, 1))
    order = random.permutation(40)
    value = sliced_wasserstein_loss(F, P, KEY)
    assert float(value) > 0.01
    np.testing.assert_allclose(sliced_wasserstein_loss(F[order], P, KEY), value, rtol=1e-5)
    np.testing.assert_allclose(sliced_wasserstein_loss(F, P[order], KEY), value, rtol=1e-5)
    assert float(sliced_wasserstein_loss(P[order], P, KEY)) < 1e-12


def test_all_positions_of_a_small_layer_are_seen_and_of_a_large_one_evenly_many():
    few = jnp.asarray(cloud(30, 4)).reshape(5, 6, 4)
    np.testing.assert_array_equal(sampled(few, None, KEY), few.reshape(30, 4))
    edge = 100
    numbers = jnp.arange(edge * edge, dtype=jnp.float32).reshape(edge, edge, 1)
    for key in (None, KEY):
        chosen = np.asarray(sampled(numbers, None, key)).ravel()
        assert chosen.shape == (POSITIONS,)
        counts = np.histogram(chosen, bins=16, range=(0, edge * edge))[0]
        assert (counts == POSITIONS / 16).all()  # as many from each sixteenth
    assert np.any(sampled(numbers, None, KEY) != sampled(numbers, None, jax.random.key(4)))


def test_within_a_guide_positions_are_drawn_as_often_as_they_count():
    numbers = jnp.arange(64.0).reshape(8, 8, 1)
    guide = jnp.sqrt(jnp.where(numbers[..., 0] < 32, 0, jnp.where(numbers[..., 0] < 48, 3.0, 1.0)))
    chosen = np.asarray(sampled(numbers, guide, KEY)).ravel()
    assert chosen.shape == (POSITIONS,)
    assert chosen.min() >= 32
    assert np.mean(chosen < 48) == pytest.approx(0.75, abs=0.01)


def test_several_styles_are_mixed_by_their_shares():
    ones, twos = {"relu1_1": jnp.ones((400, 3))}, {"relu1_1": jnp.full((100, 3), 2.0)}
    mixed = np.asarray(SlicedWasserstein.blend([ones, twos], [3.0, 1.0])["relu1_1"])
    assert mixed.shape == (400, 3)
    assert np.mean(mixed[:, 0] == 1) == pytest.approx(0.75, abs=0.005)
    assert set(mixed.ravel()) == {1.0, 2.0}
    halves = mixed[:200, 0], mixed[200:, 0]  # both styles are everywhere
    assert all(0.6 < np.mean(half == 1) < 0.9 for half in halves)


def test_a_picture_and_the_cell_of_a_grid_come_out_alike(tiny, pictures):
    content, style = pictures
    run = functools.partial(jnst.stylize, tiny, content, style, key=KEY, **QUICK | {"steps": 20})
    result = run(beta=50.0)
    assert result.losses["style"][-1] < 0.8 * result.losses["style"][0]
    options = QUICK | {"steps": 3}
    alone = jnst.stylize(tiny, content, style, beta=50.0, **options)
    grid = jnst.stylize_grid(tiny, content, style, beta=[5.0, 50.0], **options)
    np.testing.assert_allclose(grid.images[0, 1], alone.image, atol=1e-3)


def test_regions_and_several_styles(tiny, pictures, monkeypatch):
    monkeypatch.setattr("jnst.losses.sliced_wasserstein.POSITIONS", 512)  # sorting takes long
    content, style = pictures
    dark, bright = np.float32(0.2) * style, np.float32(0.6) + np.float32(0.4) * style
    left = np.zeros((64, 80), np.float32)
    left[:, :40] = 1
    options = QUICK | {"style_layers": ["relu1_1"], "steps": 25, "beta": 200.0}
    result = jnst.stylize(tiny, content, [dark, bright], regions=[left, 1 - left], **options)
    swapped = jnst.stylize(tiny, content, [bright, dark], regions=[left, 1 - left], **options)
    change = np.asarray(result.image - swapped.image).mean(axis=(0, 2))
    assert change[:12].mean() < -0.03 and change[-12:].mean() > 0.03
    first, second = (
        jnst.stylize(tiny, content, [dark, bright], style_weights=shares, **options).image.mean()
        for shares in ([1, 0], [0, 1])
    )
    assert first < second - 0.03


def test_tiles_are_refused_in_one_sentence(tiny, pictures):
    with pytest.raises(ValueError, match="SlicedWasserstein sees a picture as a whole and cannot"):
        jnst.stylize(tiny, *pictures, tile=64, **QUICK)


def test_adam_draws_anew_at_every_step_and_lbfgs_never(tiny, pictures):
    options = QUICK | {"steps": 6, "learning_rate": 1e-9, "averaging": 0.0, "clip": False}
    still = jnst.stylize(tiny, *pictures, optimizer="adam", **options)
    assert len(set(still.losses["style"].tolist())) == 6  # of the same picture
    same = jnst.stylize(tiny, *pictures, optimizer="lbfgs", **options)
    np.testing.assert_allclose(same.losses["style"], same.losses["style"][0], rtol=1e-5)
    again, other = (
        jnst.stylize(tiny, *pictures, optimizer="adam", key=jax.random.key(seed), **options)
        for seed in (0, 1)
    )
    np.testing.assert_array_equal(again.losses["style"], still.losses["style"])
    assert not set(other.losses["style"].tolist()) & set(still.losses["style"].tolist())
