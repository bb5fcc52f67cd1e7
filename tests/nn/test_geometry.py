"""What each layer of a network sees of the image, against what its features depend on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny import tiny_vgg

from jnst.nn.blocks import (
    NETWORKS,
    VGG16_BLOCKS,
    VGG19_BLOCKS,
    check_blocks,
    network_name,
)
from jnst.nn.geometry import Geometry, vgg_geometry
from jnst.nn.vgg import VGG16, VGG19

VGG_19 = vgg_geometry(VGG19_BLOCKS)


def layer_names(blocks):
    """The names of all layers, in the order of the network."""
    names = []
    for block, (count, _) in enumerate(blocks, start=1):
        for index in range(1, count + 1):
            names += [f"conv{block}_{index}", f"relu{block}_{index}"]
        names.append(f"pool{block}")
    return tuple(names)


def test_the_numbers_of_vgg19():
    """Of the receptive fields, by hand: 1, 2, 2, 4, 8 pixels a convolution in blocks 1 to 5."""
    halos = [VGG_19.halo([name]) for name in ("relu1_1", "relu3_1", "relu5_1")]
    assert halos == [1, 12, 80]
    assert VGG_19.halo(["relu3_1", "relu1_1"]) == 12
    assert VGG_19.least_window(["relu5_1"]) == 191
    assert [VGG_19.stride_of(name) for name in ("relu1_2", "pool1", "conv5_1")] == [1, 2, 16]
    assert VGG_19.stride(["conv5_1", "relu1_1"]) == 16
    assert VGG_19.depth_of(["conv1_2", "relu1_1"]) == 3
    assert VGG_19.reaches[VGG_19.layers.index("relu5_1")] == 2 * 1 + 2 * 2 + 4 * 4 + 4 * 8 + 16


def test_the_numbers_of_vgg16():
    geometry = vgg_geometry(VGG16_BLOCKS)
    assert len(geometry.layers) == 13 + 13 + 5
    assert "relu3_3" in geometry.layers and "relu3_4" not in geometry.layers
    assert geometry.halo(["relu5_1"]) == 64  # 2 + 4 + 12 + 24 + 16 = 58 pixels
    assert geometry.stride(["relu5_1"]) == 16


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("layer", ["relu1_1", "conv2_2", "pool2", "relu3_2", "conv4_1"])
def test_a_position_depends_on_its_pixels_and_its_reach(network, layer):
    """The pixels with a gradient are found to be exactly those that the geometry says."""
    model = tiny_vgg(network=network, pooling="average")
    place = 1 + model.geometry.layers.index(layer)
    assert model.geometry.layers == layer_names(NETWORKS[network].blocks)
    stride, reach = model.geometry.stride_of(layer), model.geometry.reaches[place - 1]
    size, row = 96, 40 // stride
    image = jnp.asarray(np.random.default_rng(5).uniform(size=(size, size, 3)), jnp.float32)
    model = open_relus(model)
    slope = jax.jit(jax.grad(lambda x: jnp.sum(model(x, [layer])[layer][row, row])))(image)
    rows, columns = np.nonzero(np.abs(np.asarray(slope)).sum(-1))
    for found in (rows, columns):
        assert (found.min(), found.max()) == (row * stride - reach, (row + 1) * stride + reach - 1)


def open_relus(model):
    """Positive weights and biases, so that no ReLU hides a pixel."""
    for conv in model._convolutions():
        conv.kernel[...] = jnp.abs(conv.kernel[...])
        conv.bias[...] = jnp.abs(conv.bias[...]) + 100
    return model


def test_models_carry_their_geometry_as_a_static_part():
    for made, blocks in ((VGG16, VGG16_BLOCKS), (VGG19, VGG19_BLOCKS)):
        model = nnx.eval_shape(lambda made=made: made(rngs=nnx.Rngs(0)))
        assert model.geometry is vgg_geometry(blocks)
        assert len(jax.tree.leaves(model)) == 2 + 2 * sum(count for count, _ in blocks)


def test_layers_are_checked_by_name():
    assert VGG_19.check_layers("layers", ["relu1_1", "pool5"]) == ("relu1_1", "pool5")
    with pytest.raises(ValueError, match=r"style_layers must be one of .*did you mean 'relu1_1'"):
        VGG_19.check_layers("style_layers", ["relu1-1"])
    with pytest.raises(TypeError, match=r"layers must be a sequence of layer names, got 5"):
        VGG_19.check_layers("layers", 5)
    with pytest.raises(ValueError, match=r"layers must be one of .* got 'relu3_4'"):
        vgg_geometry(VGG16_BLOCKS).check_layers("layers", ["relu3_4"])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"layers": ()}, "layers must be distinct names, at least one"),
        ({"layers": ("a", "a")}, "layers must be distinct names"),
        ({"strides": (1,)}, "strides must have one value for each of 2 layers, got 1"),
        ({"strides": (0, 1)}, "strides must be at least 1, got 0"),
        ({"reaches": (1, -1)}, "reaches must be at least 0, got -1"),
    ],
)
def test_a_geometry_that_cannot_be(fields, said):
    sound = {"layers": ("a", "b"), "strides": (1, 2), "reaches": (0, 1)}
    assert Geometry(**sound).least_window(["b"]) == 2 * 2 + 2 * 2 - 1
    with pytest.raises(ValueError, match=said):
        Geometry(**{**sound, **fields})


def test_blocks_are_checked():
    assert check_blocks("blocks", np.array([[2, 4], [1, 6]])) == ((2, 4), (1, 6))
    assert network_name(VGG19_BLOCKS) == "vgg19"
    assert network_name(((2, 4), (1, 6))) == "vgg"
    for bad in ((), ((0, 4),), ((1,),), 5, None, (("a", 1),), np.zeros((2, 2), int)):
        with pytest.raises(ValueError, match="blocks must be pairs of the convolutions and chan"):
            check_blocks("blocks", bad)
