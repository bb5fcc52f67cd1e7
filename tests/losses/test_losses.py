"""The losses against NumPy in float64, written from the paper's formulas, and their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import jnst

random = np.random.default_rng(0)
F = random.normal(size=(7, 5, 6))
P = random.normal(size=(7, 5, 6))


def numpy_gram(features):
    height, width, channels = features.shape
    columns = features.reshape(height * width, channels)
    gram = np.zeros((channels, channels))
    for i in range(channels):
        for j in range(channels):
            gram[i, j] = sum(columns[k, i] * columns[k, j] for k in range(height * width))
    return gram / (height * width)


def numpy_variation(image):
    height, width, _ = image.shape
    total = 0.0
    for i in range(height):
        for j in range(width):
            if i + 1 < height:
                total += ((image[i + 1, j] - image[i, j]) ** 2).sum()
            if j + 1 < width:
                total += ((image[i, j + 1] - image[i, j]) ** 2).sum()
    return total


def test_gram_matrix_is_the_papers_divided_by_positions():
    expected = numpy_gram(F)
    error = np.linalg.norm(jnst.gram_matrix(jnp.float32(F)) - expected)
    assert error <= 1e-6 * np.linalg.norm(expected)


def test_content_loss_is_equation_1():
    expected = 0.5 * ((F - P) ** 2).sum()
    assert float(jnst.content_loss(jnp.float32(F), jnp.float32(P))) == pytest.approx(expected, 1e-6)


def test_style_loss_is_equation_4_of_grams_of_sums():
    positions, channels = 35, 6
    G, A = numpy_gram(F) * positions, numpy_gram(P) * positions  # as the paper has them
    expected = ((G - A) ** 2).sum() / (4 * channels**2 * positions**2)
    actual = jnst.style_loss(jnst.gram_matrix(jnp.float32(F)), jnst.gram_matrix(jnp.float32(P)))
    assert float(actual) == pytest.approx(expected, rel=1e-6)


def test_total_variation_counts_every_pair_of_neighbours_once():
    expected = numpy_variation(F)
    assert float(jnst.total_variation(jnp.float32(F))) == pytest.approx(expected, rel=1e-6)


def test_gram_matrix_does_not_depend_on_extent_or_place():
    tiled = np.tile(F, (2, 3, 1))
    rolled = np.roll(F, (2, 1), axis=(0, 1))
    gram = jnst.gram_matrix(jnp.float32(F))
    np.testing.assert_allclose(jnst.gram_matrix(jnp.float32(tiled)), gram, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jnst.gram_matrix(jnp.float32(rolled)), gram, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        lambda a, b: jnst.gram_matrix(a),
        jnst.content_loss,
        lambda a, b: jnst.style_loss(jnst.gram_matrix(a), jnst.gram_matrix(b)),
        lambda a, b: jnst.total_variation(a),
    ],
    ids=["gram_matrix", "content_loss", "style_loss", "total_variation"],
)
class TestConventions:
    """What holds for every loss: leading axes, transformations, dtype."""

    def test_leading_axes_are_kept(self, loss):
        a, b = (jnp.float32(random.normal(size=(2, 3, 4, 5, 6))) for _ in range(2))
        each = jnp.stack([jnp.stack([loss(a[i, j], b[i, j]) for j in range(3)]) for i in range(2)])
        np.testing.assert_allclose(loss(a, b), each, rtol=1e-5)

    def test_vmap_is_the_same_as_a_leading_axis(self, loss):
        a, b = (jnp.float32(random.normal(size=(3, 4, 5, 6))) for _ in range(2))
        np.testing.assert_allclose(jax.vmap(loss)(a, b), loss(a, b), rtol=1e-5)

    def test_jit_changes_nothing(self, loss):
        a, b = jnp.float32(F), jnp.float32(P)
        np.testing.assert_allclose(jax.jit(loss)(a, b), loss(a, b), rtol=1e-6)

    def test_gradient_agrees_with_differences_in_float64(self, loss):
        with jax.enable_x64(True):
            check_grads(  # which calls it with NumPy's arrays too
                lambda a, b: loss(jnp.asarray(a), jnp.asarray(b)),
                (jnp.asarray(F), jnp.asarray(P)),
                order=1,
                modes=["rev"],
                rtol=1e-6,
            )
