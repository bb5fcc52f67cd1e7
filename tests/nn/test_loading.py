"""Networks with weights in them, by the public functions."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import TINY, tiny_vgg, tiny_weights, write_tiny_weights

import jnst
from jnst.nn.blocks import VGG16_BLOCKS, convolutions
from jnst.nn.lineages import LINEAGES
from jnst.nn.loading import load_network, make_vgg
from jnst.nn.vgg import VGG, VGG16
from jnst.nn.weights import Weights, write_weights


def test_the_model_holds_the_weights_and_options(real_weights):
    model = make_vgg(real_weights, pooling="average", padding="reflect", precision="highest")
    assert type(model) is jnst.VGG19
    assert (model.pooling, model.padding, model.lineage) == ("average", "reflect", "caffe")
    for name, (kernel, bias) in real_weights.layers.items():
        np.testing.assert_array_equal(getattr(model, name).kernel[...], kernel)
        np.testing.assert_array_equal(getattr(model, name).bias[...], bias)
    np.testing.assert_allclose(model.mean[...], LINEAGES["caffe"].mean, rtol=1e-6)


@pytest.fixture(scope="module")
def vgg16_file(tmp_path_factory):
    """A VGG-16 of full size whose features count the pixels that they see."""
    layers = {
        name: (np.zeros((3, 3, before, after), np.float32), np.ones(after, np.float32))
        for name, (before, after) in convolutions(VGG16_BLOCKS).items()
    }
    weights = Weights(
        layers=layers, lineage="torchvision", source="x", sha256="0", blocks=VGG16_BLOCKS
    )
    path = tmp_path_factory.mktemp("weights") / "vgg16.h5"
    write_weights(path, weights)
    return path


def test_load_vgg16(vgg16_file, monkeypatch):
    model = jnst.load_vgg16(vgg16_file, pooling="average", precision="highest")
    assert type(model) is VGG16 is jnst.VGG16
    assert (model.pooling, model.precision, model.lineage) == ("average", "highest", "torchvision")
    assert "conv3_3" in model.geometry.layers and "conv3_4" not in model.geometry.layers
    features = model(jnp.zeros((16, 16, 3)), ["conv1_1"])["conv1_1"]
    np.testing.assert_array_equal(features, np.ones((16, 16, 64)))
    monkeypatch.setenv("JNST_CACHE", str(vgg16_file.parent))
    monkeypatch.delenv("JNST_WEIGHTS", raising=False)
    assert type(load_network("vgg16", precision="highest")) is VGG16
    with pytest.raises(ValueError, match=r"vgg16.h5 .* holds VGG-16, and VGG-19 is wanted"):
        jnst.load_vgg19(vgg16_file)
    with pytest.raises(ValueError, match=r"network must be one of vgg16, vgg19, got 'vgg15'"):
        load_network("vgg15")


def test_load_vgg19_is_ready_for_use(tmp_path, monkeypatch):
    path = write_tiny_weights(tmp_path / "tiny.h5")
    model = jnst.load_vgg19(path, pooling="average", precision="highest")
    assert (type(model), model.pooling) == (VGG, "average")
    image = jnp.full((32, 32, 3), 0.5)
    features = model(image, ["relu1_1"])["relu1_1"]
    assert float(features.max()) > 0
    monkeypatch.setenv("JNST_WEIGHTS", str(path))
    found = jnst.load_vgg19(precision="highest")(image, ["relu1_1"])["relu1_1"]
    np.testing.assert_array_equal(found, features)
    with pytest.raises(ValueError, match="pooling must be one of"):
        jnst.load_vgg19(path, pooling="median")


def test_weights_can_be_replaced():
    other = dataclasses.replace(tiny_weights(), lineage="caffe")
    assert make_vgg(other).lineage == "caffe"


@pytest.mark.parametrize("network", TINY)
def test_tiny_networks_are_those_of_the_same_seed(network):
    one, same, other = (tiny_vgg(seed, network=network) for seed in (0, 0, 1))
    assert type(one) is VGG
    pairs = list(zip(jax.tree.leaves(one), jax.tree.leaves(same), strict=True))
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert not np.array_equal(one.conv1_1.kernel[...], other.conv1_1.kernel[...])
    read = jax.jit(lambda model, image: model(image, ["relu1_1", "relu5_1"]))
    features = read(one, jnp.full((64, 64, 3), 0.5))
    for values in features.values():
        assert 0.1 < float(jnp.sqrt(jnp.mean(values**2))) < 10
