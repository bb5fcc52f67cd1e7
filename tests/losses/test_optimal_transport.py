"""The Wasserstein distance of Gaussians: against SciPy in float64, wherever it is defined."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.test_util import check_grads

from jnst.losses.moments import moments
from jnst.losses.optimal_transport import overlap, squared_distance, squared_distance_of_points
from jnst.losses.orthogonal_factor import (
    EXACT,
    LEAST,
    minimax_quintic,
    minimax_sequence,
    orthogonal_factor,
)
from jnst.losses.wasserstein import Wasserstein, points_of, wasserstein_target

random = np.random.default_rng(3)


def spread(size, condition, seed):
    """A covariance of this condition, float64."""
    axes = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]
    return axes * np.geomspace(1, 1 / condition, size) @ axes.T


def polar(matrix):
    left, _, right = np.linalg.svd(np.float64(matrix), full_matrices=False)
    return left @ right


def scipy_overlap(a, b):
    """The trace and its slope by a, in float64."""
    root = scipy.linalg.sqrtm(b).real
    between = scipy.linalg.sqrtm(root @ a @ root).real
    return np.trace(between), root @ np.linalg.inv(between) @ root / 2


@pytest.mark.parametrize("least", [1e-6, 1e-3, 0.1, 0.5])
def test_the_quintic_is_off_by_the_same_at_four_points_and_nowhere_by_more(least):
    (a, b, c), error = minimax_quintic(least)
    x = np.linspace(least, 1, 200_001)
    off = 1 - (a * x + b * x**3 + c * x**5)
    assert np.abs(off).max() == pytest.approx(error, rel=1e-6)
    extremes = x[np.abs(off) > (1 - 1e-6) * error]
    groups = 1 + np.count_nonzero(np.diff(extremes) > 0.01 * (1 - least))
    assert groups == 4


def test_the_polynomials_take_all_from_the_least_on_to_one():
    coefficients, begins = minimax_sequence(LEAST)
    x = np.geomspace(LEAST, 1, 100_001)
    for (a, b, c), least in zip(coefficients, begins, strict=True):
        assert x.min() > (1 - 1e-9) * least
        assert x.max() < 1 + 1e-9
        x = a * x + b * x**3 + c * x**5
    assert np.abs(x - 1).max() <= EXACT


@pytest.mark.parametrize("shape", [(40, 40), (17, 40), (2, 3, 9, 12)])
def test_the_orthogonal_factor_is_that_of_the_singular_value_decomposition(shape):
    matrix = random.normal(size=shape)
    np.testing.assert_allclose(orthogonal_factor(jnp.float32(matrix)), polar(matrix), atol=2e-5)


def test_the_orthogonal_factor_of_a_matrix_whose_singular_values_span_five_decades():
    left, _, right = np.linalg.svd(random.normal(size=(24, 24)))
    with jax.enable_x64(True):
        got = orthogonal_factor(jnp.asarray(left * np.geomspace(1, 1e-5, 24) @ right))
        np.testing.assert_allclose(got, left @ right, atol=1e-6)


@pytest.mark.parametrize("size", [4, 60])
def test_rounding_of_a_singular_value_far_above_all_others_does_not_grow(size):
    left, _, right = np.linalg.svd(random.normal(size=(size, size)))
    for seed in range(20):
        values = np.random.default_rng(seed).uniform(1e-5, 1e-4, size)
        values[0] = 1
        got = orthogonal_factor(jnp.float32(left * values @ right))
        np.testing.assert_allclose(got @ got.T, np.eye(size), atol=1e-4)


def test_the_orthogonal_factor_of_nothing_is_nothing():
    np.testing.assert_array_equal(orthogonal_factor(jnp.zeros((4, 6))), np.zeros((4, 6)))


@pytest.mark.parametrize("condition", [1e1, 1e3, 1e5])
def test_overlap_and_slope_are_scipys_in_float64(condition):
    a, b = 3 * spread(80, condition, 1), spread(80, condition, 2)
    wanted, slope = scipy_overlap(a, b)
    factor = jnp.float32(np.linalg.cholesky(b))
    got, got_slope = jax.value_and_grad(overlap)(jnp.float32(a), factor)
    assert float(got) == pytest.approx(wanted, rel=1e-4)
    # A covariance that is rounded to float32 has, at a condition of 1e5, another slope.
    tolerance = 1e-4 if condition < 1e5 else 2e-3
    assert np.linalg.norm(got_slope - slope) < tolerance * np.linalg.norm(slope)


def test_the_distance_of_covariances_whose_scales_are_far_apart():
    a, b = 1e-8 * spread(20, 1e3, 1), 1e6 * spread(20, 1e3, 2)
    got = overlap(jnp.float32(a), jnp.float32(np.linalg.cholesky(b)))
    assert float(got) == pytest.approx(scipy_overlap(a, b)[0], rel=1e-4)


def test_a_batch_of_overlaps_is_that_of_its_members():
    a = jnp.float32([spread(12, c, s) for c, s in ((2, 1), (1e4, 2), (50, 3))])
    factors = jnp.linalg.cholesky(jnp.float32([spread(12, 1e3, s) for s in (4, 5, 6)]))
    each = jax.vmap(jax.value_and_grad(overlap))
    values, slopes = each(a, factors)
    for n in range(3):
        value, slope = jax.value_and_grad(overlap)(a[n], factors[n])
        assert float(values[n]) == pytest.approx(float(value), rel=1e-5)
        np.testing.assert_allclose(slopes[n], slope, rtol=1e-4, atol=1e-5)


def test_the_overlap_has_derivatives_forwards_and_backwards():
    with jax.enable_x64(True):
        a, b = jnp.asarray(spread(6, 30, 1)), spread(6, 30, 2)
        check_grads(
            lambda a, factor: overlap(jnp.asarray(a + a.T) / 2, jnp.tril(factor)),
            (a, jnp.linalg.cholesky(b)),
            order=1,
            modes=["fwd", "rev"],
            rtol=1e-5,
        )


def test_second_derivatives_are_those_of_differences_in_float64():
    with jax.enable_x64(True):
        a, b = jnp.asarray(spread(5, 30, 1)), spread(5, 30, 2)
        check_grads(
            lambda a, factor: overlap(jnp.asarray(a + a.T) / 2, jnp.tril(factor)),
            (a, jnp.linalg.cholesky(b)),
            order=2,
            modes=["rev"],
            rtol=1e-4,
        )


def features(positions, channels, seed):
    """As after a ReLU, (positions, 1, channels)."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(channels, channels)) * np.geomspace(1, 0.01, channels)
    return np.maximum(random.normal(size=(positions, channels)) @ mixing + 0.3, 0)[:, None]


def scipy_distance(seen, mean, covariance):
    """From the Gaussian of features, nothing added, to another, in float64."""
    flat = np.float64(seen[:, 0])
    points = (flat - flat.mean(0)) / len(flat) ** 0.5
    shared = scipy.linalg.svdvals(points @ scipy.linalg.sqrtm(covariance).real).sum()
    offset = flat.mean(0) - mean
    return offset @ offset + flat.var(0).sum() + np.trace(covariance) - 2 * shared


def test_the_distance_from_few_points_and_its_slope_are_scipys_in_float64():
    few, other = features(20, 64, 1), features(90, 64, 2)
    covariance = np.cov(other[:, 0].T, bias=True) + 1e-3 * np.eye(64)
    mean = other[:, 0].mean(0)
    factor = np.linalg.cholesky(covariance)

    def distance(seen):
        factor_, mean_ = (jnp.asarray(x, seen.dtype) for x in (factor, mean))
        return squared_distance_of_points(*points_of(seen), mean_, factor_)

    got, slope = jax.value_and_grad(distance)(jnp.float32(few))
    assert float(got) == pytest.approx(scipy_distance(few, mean, covariance), rel=1e-4)
    directions = np.random.default_rng(5).normal(size=(4, *few.shape))
    for direction in directions:
        ends = [scipy_distance(few + step * direction, mean, covariance) for step in (1e-5, -1e-5)]
        wanted = (ends[0] - ends[1]) / 2e-5
        assert float((slope * direction).sum()) == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_few_points_are_as_far_as_their_covariance_is():
    few, covariance = features(10, 24, 1), spread(24, 100, 2)
    factor = jnp.float32(np.linalg.cholesky(covariance))
    seen, mean = moments(jnp.float32(few)), jnp.ones(24)
    spread_of_few = seen.gram - jnp.outer(seen.mean, seen.mean) + 1e-6 * jnp.eye(24)
    wanted = squared_distance(seen.mean, spread_of_few, mean, factor)
    got = squared_distance_of_points(*points_of(jnp.float32(few)), mean, factor)
    assert float(got) == pytest.approx(float(wanted), rel=5e-3)


def test_points_that_are_silent_or_alike_have_a_finite_slope():
    factor, mean = jnp.float32(np.linalg.cholesky(spread(12, 100, 1))), jnp.ones(12)
    for few in (np.zeros((5, 1, 12)), np.ones((5, 1, 12)), np.full((1, 1, 12), 0.5)):
        value, slope = jax.value_and_grad(
            lambda x: squared_distance_of_points(*points_of(x), mean, factor)
        )(jnp.float32(few))
        assert np.isfinite(value)
        assert np.isfinite(slope).all()


def test_points_in_a_batch_are_compared_one_by_one():
    few = jnp.float32([features(6, 16, seed) for seed in (1, 2)])
    factor, mean = jnp.float32(np.linalg.cholesky(spread(16, 50, 1))), jnp.ones(16)
    got = jax.vmap(lambda x: squared_distance_of_points(*points_of(x), mean, factor))(few)
    wanted = [squared_distance_of_points(*points_of(x), mean, factor) for x in few]
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


def term(layer_features):
    target = wasserstein_target(moments(layer_features))
    one = jnp.ones(())
    return Wasserstein(
        targets={"relu4_1": target}, scales={"relu4_1": one}, weights={"relu4_1": one}
    )


def test_the_term_takes_the_small_side_where_there_is_one_and_no_tile_or_region():
    style = jnp.float32(features(80, 32, 1))
    few, many = ({"relu4_1": jnp.float32(features(n, 32, 2))} for n in (12, 40))
    of_style = term(style)
    assert of_style.statistics(few)["relu4_1"].points.shape == (12, 32)
    assert of_style.statistics(many)["relu4_1"].gram.shape == (32, 32)
    in_tiles = of_style.statistics(few, {"relu4_1": 12})
    assert in_tiles["relu4_1"].gram.shape == (32, 32)
    small, large = (float(of_style.loss(x)) for x in (of_style.statistics(few), in_tiles))
    assert small == pytest.approx(large, rel=0.1)
    assert of_style.for_sharding().statistics(few)["relu4_1"].gram.shape == (32, 32)
