"""Steps of one size, and descent that is coarse first."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnst.optim.ascent import normalized_gradient, pyramid_bands, smoothed
from jnst.optim.frequencies import coarse_first, filtered, frequencies


def gradient(seed=0, shape=(24, 32, 3)):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


@pytest.mark.parametrize("bands", [1, 4])
@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_a_pixel_moves_by_the_rate_whatever_the_gradient(bands, smoothing):
    optimizer = normalized_gradient(smoothing, bands)
    for factor in (1e-6, 1e4):
        updates, _ = optimizer.update(
            factor * gradient(), optimizer.init(gradient()), learning_rate=0.25
        )
        assert np.abs(updates).mean() == pytest.approx(0.25, rel=1e-4)
    assert normalized_gradient(smoothing, bands) is optimizer


def test_without_a_gradient_nothing_moves():
    optimizer = normalized_gradient(0.5, 3)
    updates, _ = optimizer.update(jnp.zeros((8, 8, 3)), optimizer.init(None), learning_rate=1.0)
    np.testing.assert_array_equal(updates, 0)


def test_one_band_is_the_gradient_itself():
    g = gradient()
    updates, _ = normalized_gradient().update(g, None, learning_rate=1.0)
    np.testing.assert_allclose(updates, -g / np.abs(g).mean(), rtol=1e-5)


def test_smoothing_is_scipys_gaussian():
    from scipy.ndimage import gaussian_filter

    g = gradient()
    wanted = gaussian_filter(np.asarray(g), (1.5, 1.5, 0), mode="nearest", radius=(5, 5, 0))
    np.testing.assert_allclose(smoothed(g, 1.5), wanted, atol=1e-5)


def test_bands_equalise_what_is_coarse_and_what_is_fine():
    rows = jnp.arange(64)[:, None, None]
    coarse, fine = jnp.sin(rows / 8), 0.0 + (rows % 2)
    image = jnp.broadcast_to(0.01 * coarse + fine - 0.5, (64, 64, 3))
    plain, _ = normalized_gradient(0.0, 1).update(image, None, learning_rate=-1.0)
    equal, _ = normalized_gradient(0.0, 4).update(image, None, learning_rate=-1.0)

    def share(update):
        return abs(float(jnp.vdot(update, jnp.broadcast_to(coarse, update.shape))))

    assert share(equal) > 10 * share(plain)
    assert len(pyramid_bands(image, 4)) == 4
    assert len(pyramid_bands(image[:5], 4)) == 2  # it is too small for more


def test_frequencies_are_divided_as_numpy_would():
    g = gradient()
    for power in (0.0, 1.0):
        spectrum = np.fft.fft2(np.asarray(g, float), axes=(0, 1))
        rows, columns = np.fft.fftfreq(24)[:, None], np.fft.fftfreq(32)[None]
        size = np.maximum(32 * np.hypot(rows, columns), 1) ** power
        wanted = np.fft.ifft2(spectrum / size[..., None], axes=(0, 1)).real
        np.testing.assert_allclose(filtered(g, power), wanted, atol=1e-5)
    assert frequencies(24, 32).min() == 1


def test_coarse_first_moves_what_is_coarse_more():
    target = jnp.asarray(np.random.default_rng(1).normal(size=(32, 32, 3)), jnp.float32)

    def after(power):
        optimizer, image = coarse_first(power), jnp.zeros_like(target)
        state = optimizer.init(image)
        for _ in range(3):
            slope = jax.grad(lambda x: jnp.sum((x - target) ** 2))(image)
            updates, state = optimizer.update(slope, state, image, learning_rate=0.05)
            image = image + updates
        spectrum = np.abs(np.fft.fft2(np.asarray(image), axes=(0, 1)))
        return spectrum[1:3, 1:3].mean() / spectrum[14:18, 14:18].mean()

    assert after(1.0) > 3 * after(0.0)
