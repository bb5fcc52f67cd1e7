"""The network that paints in one pass, and its file."""

import dataclasses

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnst.nn.painter import make_painter, new_painter
from jnst.nn.painter_file import Architecture, PainterWeights, read_painter, write_painter

SMALL = Architecture(channels=(4, 6, 8), residuals=1)


@pytest.fixture(scope="module")
def painter():
    painter = new_painter(jax.random.key(1), ["a", "b"], SMALL)
    random = np.random.default_rng(0)
    arrays = {
        name: array + random.normal(size=array.shape).astype(np.float32) / 10
        for name, array in painter.arrays.items()
    }
    return make_painter(PainterWeights(arrays=arrays, styles=("a", "b"), architecture=SMALL))


@pytest.fixture
def file(painter, tmp_path):
    arrays = {name: np.asarray(array) for name, array in painter.arrays.items()}
    path = tmp_path / "net.h5"
    facts = {"steps": 3}
    write_painter(
        path, PainterWeights(arrays=arrays, styles=("a", "b"), architecture=SMALL, facts=facts)
    )
    return path


@pytest.mark.parametrize("shape", [(32, 40), (33, 43), (8, 9)])
def test_any_size(painter, pictures, shape):
    image = pictures[0][: shape[0], : shape[1]]
    picture = painter(image)
    assert picture.shape == image.shape
    assert picture.min() >= 0 and picture.max() <= 1 and picture.std() > 0.001


def test_shares_choose_the_style(painter, pictures):
    image = jnp.asarray(pictures[0][:32, :32])
    several = painter(jnp.stack([image] * 3), jnp.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]))
    first, second, both = several
    np.testing.assert_allclose(painter(image, np.array([1, 0], np.float32)), first, atol=1e-5)
    np.testing.assert_allclose(painter(image), both, atol=1e-5)
    assert np.abs(first - second).max() > 1e-3


def test_a_floor_keeps_flat_features_from_being_blown_up(painter):
    """They would have a deviation of 1, be they ever so flat."""
    first = SMALL.layers()[0]
    ones = dataclasses.replace(
        painter, arrays={"in1/scale": jnp.ones((2, 4)), "in1/shift": jnp.zeros((2, 4))}
    )
    noise = jax.random.normal(jax.random.key(0), (16, 16, 4))
    mix = jnp.array([[[1.0, 0.0]]])
    assert ones._normalised(1e-3 * noise, first, mix).std() < 0.05
    assert ones._normalised(noise, first, mix).std() > 0.95


def test_it_has_as_many_weights_as_is_said():
    shapes = Architecture().shapes(1)
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 424_099


def test_a_file_holds_all_of_it(painter, file):
    found = read_painter(file)
    assert (found.styles, found.architecture, found.facts) == (("a", "b"), SMALL, {"steps": 3})
    for name, array in painter.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)


@pytest.mark.parametrize(
    "action, message",
    [
        (lambda f: f.pop("res1a/scale"), "res1a/scale is missing"),
        (lambda f: f.attrs.modify("styles", '["a"]'), "has the shape"),
        (lambda f: f.attrs.modify("styles", "[]"), "it has no styles"),
        (lambda f: f.attrs.modify("architecture", "{}"), "channels"),
        (lambda f: f.attrs.modify("facts", "nothing"), "is damaged"),
        (lambda f: f.attrs.modify("version", 9), "has format version 9"),
        (lambda f: f.attrs.modify("format", "jnst-decoder"), "holds a decoder of AdaIN"),
    ],
)
def test_a_damaged_file_is_refused(file, action, message):
    with h5py.File(file, "r+") as stored:
        action(stored)
    with pytest.raises(ValueError, match=f"net.h5 .*{message}"):
        read_painter(file)
