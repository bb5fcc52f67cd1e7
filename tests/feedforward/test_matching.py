"""What the maps do to means and covariances, against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnst.feedforward.matching import (
    EPSILON,
    LEAST_SHARE,
    LEAST_STYLE_SHARE,
    MATCHINGS,
    Map,
    blended,
    map_between,
    spread_of,
)


def features_of(seed, shape, channels=12):
    """Correlated features, one channel of which is silent."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(channels, channels)) * random.uniform(0.1, 3, channels)
    features = random.normal(size=(*shape, channels)) @ mixing + random.normal(size=channels)
    features[..., -1] = 0
    return features


@pytest.fixture(scope="module")
def pair():
    return features_of(1, (20, 17)), features_of(2, (15, 21))


def covariance(features):
    return np.cov(features.reshape(-1, features.shape[-1]), rowvar=False)


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def raised(matrix, share):
    return matrix + share * np.trace(matrix) / len(matrix) * np.eye(len(matrix))


def test_a_spread_is_the_mean_and_the_covariance(pair):
    spread = spread_of(jnp.asarray(pair[0], jnp.float32))
    np.testing.assert_allclose(spread.mean, pair[0].mean(axis=(0, 1)), atol=1e-5)
    np.testing.assert_allclose(spread.covariance, covariance(pair[0]), rtol=1e-4, atol=1e-4)


def test_counts_choose_positions(pair):
    features = jnp.asarray(pair[0], jnp.float32)
    counts = jnp.zeros(features.shape[:2]).at[:, :9].set(0.5)
    chosen, alone = spread_of(features, counts), spread_of(features[:, :9])
    np.testing.assert_allclose(chosen.mean, alone.mean, atol=1e-5)
    less = (20 * 9 - 1) / (20 * 9)
    np.testing.assert_allclose(chosen.covariance, less * alone.covariance, rtol=1e-3, atol=1e-4)


def test_statistics_are_those_of_adain(pair):
    content, style = pair
    spreads = [spread_of(jnp.asarray(x, jnp.float32)) for x in pair]
    moved = map_between(*spreads, "statistics")(jnp.asarray(content, jnp.float32))

    def deviation(x):
        return np.sqrt(x.var(axis=(0, 1), ddof=1) + EPSILON)

    normal = (content - content.mean(axis=(0, 1))) / deviation(content)
    expected = normal * deviation(style) + style.mean(axis=(0, 1))
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-4)


def test_transport_is_the_textbooks(pair):
    ours, theirs = (covariance(x) for x in pair)
    ours, theirs = raised(ours, LEAST_SHARE), raised(theirs, LEAST_STYLE_SHARE)
    half = root(ours)
    inverse = np.linalg.inv(half)
    expected = inverse @ root(half @ theirs @ half) @ inverse
    spreads = [spread_of(jnp.asarray(x, jnp.float32)) for x in pair]
    matrix = np.asarray(map_between(*spreads, "wasserstein").matrix, np.float64)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-4)
    np.testing.assert_allclose(matrix, expected, atol=2e-3 * np.abs(expected).max())
    np.testing.assert_allclose(matrix @ ours @ matrix, theirs, atol=5e-3 * np.abs(theirs).max())


@pytest.mark.parametrize("matching", MATCHINGS)
def test_flat_features_take_the_mean(matching, pair):
    flat = jnp.ones((4, 5, 12))
    style = spread_of(jnp.asarray(pair[1], jnp.float32))
    moved = map_between(spread_of(flat), style, matching)(flat)
    np.testing.assert_allclose(moved, jnp.broadcast_to(style.mean, moved.shape), atol=1e-3)


@pytest.mark.parametrize("matching", MATCHINGS)
def test_the_gradient_is_finite(matching, pair):
    content, style = (jnp.asarray(x, jnp.float32) for x in pair)

    def loss(content, style):
        found = map_between(spread_of(content), spread_of(style), matching)
        return jnp.sum(jnp.square(found(content)[3, 4]))

    for gradient in jax.grad(loss, (0, 1))(content, style):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def test_maps_are_blended_by_share_and_strength():
    features = jnp.ones((2, 2, 1))
    twice, thrice = (
        Map(matrix=jnp.array([[n]]), before=jnp.zeros(1), after=jnp.zeros(1)) for n in (2.0, 3.0)
    )
    half = blended(features, [twice, thrice], [0.25, 0.75], 0.5)
    np.testing.assert_allclose(half, 1 + 0.5 * (0.25 * 1 + 0.75 * 2))
    left = jnp.array([[1.0, 0.0], [1.0, 0.0]])
    apart = blended(features, [twice, thrice], [1.0, 1.0], 1.0, [left, 1 - left])
    np.testing.assert_allclose(apart[..., 0], [[2, 3], [2, 3]])
    shared = blended(features, [twice, thrice], [1.0, 1.0], 1.0, [jnp.ones((2, 2))] * 2)
    np.testing.assert_allclose(shared, 2.5)


def test_mixed_is_halfway(pair):
    spreads = [spread_of(jnp.asarray(features, jnp.float32)) for features in pair]
    of = {matching: map_between(*spreads, matching).matrix for matching in MATCHINGS}
    halfway = (of["statistics"] + of["wasserstein"]) / 2
    np.testing.assert_allclose(of["mixed"], halfway, rtol=1e-6, atol=1e-7)
