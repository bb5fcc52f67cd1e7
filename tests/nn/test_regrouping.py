"""Regrouped convolutions against the definition, in value and gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnst.nn.reflecting import convolve, doubled
from jnst.nn.regrouping import convolve_cells, convolve_doubled


def on_doubled(x, kernel):
    return convolve(doubled(x), kernel)


@pytest.mark.parametrize("size, way, definition", [
    (9, convolve_cells, convolve),
    (3, convolve_doubled, on_doubled),
])  # fmt: skip
@pytest.mark.parametrize("shape", [(12, 20, 3), (2, 8, 8, 5), (3, 2, 16, 12, 4)])
def test_they_are_the_definition(size, way, definition, shape):
    rng = np.random.default_rng(size)
    x = jnp.asarray(rng.normal(size=shape), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(size, size, shape[-1], 6)), jnp.float32)
    wanted, back = jax.vjp(definition, x, kernel)
    got, back_too = jax.vjp(way, x, kernel)
    change = jnp.asarray(rng.normal(size=wanted.shape), jnp.float32)
    pairs = zip((got, *back_too(change)), (wanted, *back(change)), strict=True)
    for one, other in pairs:
        assert one.shape == other.shape
        largest = float(jnp.abs(other).max())
        np.testing.assert_allclose(one, other, atol=5e-5 * largest)
