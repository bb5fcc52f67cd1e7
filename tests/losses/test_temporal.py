"""The temporal loss, against NumPy in float64 and by differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from unchecked import unchecked

from jnst.losses.objectives import Objective, evaluate
from jnst.losses.temporal import temporal_loss, temporal_term
from jnst.losses.terms import PIXELS, View


@pytest.fixture(scope="module")
def arrays():
    random = np.random.default_rng(0)
    image, warped = random.uniform(size=(2, 12, 16, 3)).astype(np.float32)
    trusted = random.uniform(size=(12, 16)).astype(np.float32)
    return image, warped, trusted


def test_it_is_the_paper_s(arrays):
    image, warped, trusted = (x.astype(np.float64) for x in arrays)
    expected = (trusted[..., None] * (image - warped) ** 2).sum() / (12 * 16 * 3)
    np.testing.assert_allclose(temporal_loss(*arrays), expected, rtol=1e-6)


def test_its_gradient_is_that_of_differences(arrays):
    """Central ones of a quadratic are exact, in float64."""
    image, warped, trusted = (x.astype(np.float64) for x in arrays)
    with jax.enable_x64(True):
        gradient = np.asarray(jax.grad(temporal_loss)(jnp.array(image), warped, trusted))
        for place in ((0, 0, 0), (3, 7, 1), (11, 15, 2)):
            values = []
            for step in (-1e-3, 1e-3):
                moved = image.copy()
                moved[place] += step
                values.append(float(temporal_loss(jnp.array(moved), warped, trusted)))
            slope = (values[1] - values[0]) / 2e-3
            np.testing.assert_allclose(gradient[place], slope, rtol=1e-6)
    assert gradient.dtype == np.float64


def test_the_term_is_weighed_with_the_others(arrays, tiny):
    image, warped, trusted = arrays
    term = temporal_term(warped, trusted, weight=np.float32(3))
    losses = evaluate(jnp.asarray(image), Objective(model=tiny, terms=(term,)))
    expected = temporal_loss(*arrays)
    np.testing.assert_allclose(losses["temporal"], expected, rtol=1e-6)
    np.testing.assert_allclose(losses["total"], 3 * expected, rtol=1e-6)


def test_it_adds_up_over_windows(arrays):
    image, warped, trusted = arrays
    term = temporal_term(warped, trusted)
    total = 0.0
    for left in (0, 8):
        view = View(origin=(0, left), shape=(12, 8), strides={PIXELS: 1})
        part = {PIXELS: jnp.asarray(image[:, left : left + 8])}
        total += term.at(view).statistics(part)
    np.testing.assert_allclose(term.loss(total), temporal_loss(*arrays), rtol=1e-6)


def test_an_average_with_the_sum_of_the_weights_has_the_gradient_of_all(arrays):
    """Several earlier pictures are one to the optimiser."""
    image, first, trusted = arrays
    second, other = first[::-1], 1 - trusted[:, ::-1]
    total = trusted + other
    average = (trusted[..., None] * first + other[..., None] * second) / total[..., None]

    def separately(x):
        return temporal_loss(x, first, trusted) + temporal_loss(x, second, other)

    together = jax.grad(lambda x: temporal_loss(x, average, total))(jnp.asarray(image))
    np.testing.assert_allclose(together, jax.grad(separately)(jnp.asarray(image)), atol=1e-7)


def test_shapes_that_do_not_fit():
    with unchecked(), pytest.raises(ValueError, match="trusted must have the shape of a channel"):
        temporal_loss(np.zeros((4, 5, 3)), np.zeros((4, 5, 3)), np.zeros((4, 4)))
    with unchecked(), pytest.raises(TypeError, match="image must hold floats, got int64"):
        temporal_loss(np.zeros((4, 5, 3), int), np.zeros((4, 5, 3)), np.zeros((4, 5)))
