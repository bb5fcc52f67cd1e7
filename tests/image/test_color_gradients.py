"""Derivatives of the maps of colours, in flat and grey pictures too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jnst.image.color import METHODS, match_colors, match_luminance

RANDOM = np.random.default_rng(11)
MIX = np.array([[0.9, 0.2, 0.1], [0.0, 0.6, 0.3], [0.1, 0.0, 0.5]], np.float32)


def coloured(height, width):
    return jnp.asarray(RANDOM.uniform(size=(height, width, 3)).astype(np.float32) @ MIX)


def grey(height, width):
    return jnp.asarray(RANDOM.uniform(size=(height, width, 1)).astype(np.float32)).repeat(
        3, axis=-1
    )


PICTURES = {
    "flat": jnp.full((6, 7, 3), 0.4),
    "black": jnp.zeros((6, 7, 3)),
    "one pixel": jnp.full((1, 1, 3), 0.4),
    "grey": grey(6, 7),
    "two colours": jnp.asarray(RANDOM.integers(0, 2, (6, 7, 1)) * np.float32([1, 0.5, 0.2])),
    "no blue": coloured(6, 7).at[..., 2].set(0),
    "coloured": coloured(6, 7),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", PICTURES)
def test_gradients_are_finite_in_any_picture(name, method):
    def mean_square(image, reference):
        return jnp.mean(match_colors(image, reference, method=method) ** 2)

    gradient = jax.jit(jax.grad(mean_square, argnums=(0, 1)))
    for images in ((PICTURES[name], coloured(5, 6)), (coloured(5, 6), PICTURES[name])):
        for found in gradient(*images):
            assert jnp.isfinite(found).all()
            assert jnp.abs(found).max() < 1e3


@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_those_of_differences(method):
    """In float64, both ways, and where two variances are the same."""
    with jax.enable_x64(True):
        image, reference = (np.asarray(coloured(4, 5), np.float64) for _ in range(2))
        corners = np.stack(np.meshgrid(*[[0.25, 0.75]] * 3), -1).reshape(2, 4, 3)
        for first in (image, corners):

            def match(image, reference):
                return match_colors(image, reference, method=method)

            check_grads(match, (jnp.asarray(first), jnp.asarray(reference)), order=1, rtol=1e-5)
            check_grads(match, (jnp.asarray(reference), jnp.asarray(first)), order=1, rtol=1e-5)


@pytest.mark.parametrize("name", PICTURES)
def test_gradients_of_the_luminance_are_finite_too(name):
    def mean_square(style, content):
        return jnp.mean(match_luminance(style, content) ** 2)

    for images in ((PICTURES[name], coloured(5, 6)), (coloured(5, 6), PICTURES[name])):
        assert all(jnp.isfinite(g).all() for g in jax.grad(mean_square, argnums=(0, 1))(*images))


@pytest.mark.parametrize("method", METHODS)
def test_pictures_in_half_precision_are_matched_as_in_float32(method):
    image, reference = coloured(6, 7), coloured(5, 6)
    wanted = match_colors(image, reference, method=method)
    for dtype in (jnp.bfloat16, jnp.float16):
        found = match_colors(image.astype(dtype), reference.astype(dtype), method=method)
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, wanted, atol=0.05)
