"""The networks: layers, shapes, preprocessing, pooling and padding; goldens made by PyTorch."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny import TINY, tiny_vgg, tiny_weights

import jnst
from jnst.nn import vgg
from jnst.nn.blocks import VGG19_BLOCKS, convolutions
from jnst.nn.lineages import LINEAGES
from jnst.nn.loading import make_vgg
from jnst.nn.pooling import POOLINGS, pool
from jnst.nn.vgg import PADDINGS, VGG

GOLDEN = np.load(Path(__file__).parents[1] / "goldens" / "vgg19.npz")  # by goldens/make_vgg19.py


def test_layers_are_the_fields_names_in_order():
    assert len(jnst.LAYERS) == 16 + 16 + 5
    assert jnst.LAYERS[:6] == ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1")
    assert jnst.LAYERS[-3:] == ("conv5_4", "relu5_4", "pool5")
    counts = [9 * a * b + b for a, b in convolutions(VGG19_BLOCKS).values()]
    assert sum(counts) == 20_024_384  # the paper's 20 M


def pooled(x):
    """The maximum of every 2×2 positions, in NumPy."""
    height, width = x.shape[0] // 2, x.shape[1] // 2
    cells = x[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1)
    return cells.max((1, 3))


def convolved(x, kernel, bias):
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    return np.einsum("hwcij,ijco->hwo", windows, kernel.astype(np.float64)) + bias


@pytest.mark.parametrize("network", TINY)
def test_every_layer_agrees_with_numpy_in_float64(network):
    weights = tiny_weights(network=network)
    image = np.random.default_rng(6).uniform(size=(35, 40, 3))
    mean, std = LINEAGES["torchvision"]
    model = tiny_vgg(network=network)
    layers = model.geometry.layers
    features = jax.jit(lambda model, x: model(x, layers))(model, image.astype(np.float32))
    assert set(features) == set(layers)
    x = (image - mean) / std
    for name in layers:
        if name.startswith("conv"):
            x = convolved(x, *weights.layers[name])
        else:
            x = np.maximum(x, 0) if name.startswith("relu") else pooled(x)
        assert np.linalg.norm(features[name] - x) <= 1e-5 * np.linalg.norm(x), name


@pytest.mark.parametrize("layer", jnst.LAYERS)
def test_every_layer_agrees_with_pytorch(model, golden_features, layer):
    values = np.asarray(golden_features[layer]).ravel()[GOLDEN[f"{layer}/places"]]
    expected = GOLDEN[f"{layer}/values"]
    assert np.linalg.norm(values - expected) <= 1e-5 * np.linalg.norm(expected)


@pytest.fixture(scope="module")
def golden_features(model):
    return jax.jit(lambda model, image: model(image, jnst.LAYERS))(model, GOLDEN["image"])


def test_gradient_of_the_total_loss_agrees_with_pytorch(model):
    targets = jnst.make_targets(model, GOLDEN["content"], GOLDEN["style"])
    weights = jnst.LossWeights(1.0, 10.0, 0.0, {"relu4_2": 1.0}, dict.fromkeys(targets.style, 0.2))
    loss, gradient = jax.jit(jax.value_and_grad(jnst.objective))(
        jnp.asarray(GOLDEN["image"]), (model, targets, weights)
    )
    assert float(loss) == pytest.approx(float(GOLDEN["loss"]), rel=1e-5)
    difference = np.linalg.norm(gradient - GOLDEN["gradient"])
    assert difference <= 1e-4 * np.linalg.norm(GOLDEN["gradient"])


def test_leading_axes_are_free():
    model = tiny_vgg()
    images = jnp.asarray(np.random.default_rng(0).uniform(size=(2, 2, 16, 20, 3)), jnp.float32)
    read = jax.jit(lambda model, x: model(x, ["relu2_1"])["relu2_1"])
    batched, single = read(model, images), read(model, images[1, 0])
    assert batched.shape == (2, 2, 8, 10, 6)
    np.testing.assert_allclose(batched[1, 0], single, rtol=1e-4, atol=1e-5)


def test_nothing_deeper_than_asked_for_is_computed():
    text = str(jax.make_jaxpr(lambda m, x: m(x, ["relu2_1"]))(tiny_vgg(), jnp.zeros((16, 16, 3))))
    assert text.count("conv_general_dilated") == 3


def test_each_lineage_brings_its_preprocessing():
    for lineage, (mean, std) in LINEAGES.items():
        model = make_vgg(tiny_weights(lineage=lineage))
        model.conv1_1.bias[...] *= 0
        model.conv1_1.kernel[...] = jnp.zeros((3, 3, 3, 4)).at[1, 1, :, :3].set(jnp.eye(3))
        image = np.random.default_rng(1).uniform(size=(4, 4, 3)).astype(np.float32)
        seen = model(jnp.asarray(image), ["conv1_1"])["conv1_1"][..., :3]
        np.testing.assert_allclose(seen, (image - mean) / std, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("shape", [(6, 4, 2), (7, 5, 2), (3, 5, 8, 2)])
def test_pooling_agrees_with_windows(pooling, shape):
    x = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    h, w = shape[-3] // 2, shape[-2] // 2
    expected = np.empty((*shape[:-3], h, w, 2))
    for i in range(h):
        for j in range(w):
            window = x[..., 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, :]
            reduced = {
                "max": window.max((-3, -2)),
                "average": window.mean((-3, -2)),
                "l2": np.linalg.norm(window, axis=(-3, -2)) / 2,
            }
            expected[..., i, j, :] = reduced[pooling]
    np.testing.assert_allclose(pool(jnp.asarray(x), pooling), expected, rtol=1e-6)


@pytest.mark.parametrize("padding", PADDINGS)
def test_padding_reaches_every_convolution(padding):
    weights = tiny_weights(lineage="caffe")
    model = make_vgg(weights, padding=padding)
    mode = {"zeros": "constant", "replicate": "edge", "reflect": "reflect"}[padding]
    x = np.random.default_rng(4).uniform(size=(6, 6, 3)).astype(np.float32)
    kernel, bias = weights.layers["conv1_1"]
    mean, std = LINEAGES["caffe"]
    padded = np.pad((x - mean) / std, ((1, 1), (1, 1), (0, 0)), mode=mode)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    expected = np.einsum("hwcij,ijco->hwo", windows, kernel) + bias
    features = model(jnp.asarray(x), ["conv1_1", "conv1_2"])
    np.testing.assert_allclose(features["conv1_1"], expected, rtol=1e-3, atol=1e-4)
    assert features["conv1_2"].shape == (6, 6, 4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pooling": "avg"}, "pooling must be one of max, average, l2, got 'avg'"),
        ({"padding": "zero"}, r"padding must be one of .* \(did you mean 'zeros'\?\)"),
        ({"lineage": "cafe"}, r"did you mean 'caffe'\?"),
    ],
)
def test_options_that_do_not_exist_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        jnst.VGG19(**options, rngs=nnx.Rngs(0))


def test_blocks_that_cannot_be_are_named():
    with pytest.raises(ValueError, match="blocks must be pairs of the convolutions and channels"):
        VGG(((2, 0),), rngs=nnx.Rngs(0))


def test_layers_that_do_not_exist_are_named():
    model = tiny_vgg()
    image = jnp.zeros((16, 16, 3))
    with pytest.raises(ValueError, match=r"got 'conv4-2' \(did you mean 'conv4_2'\?\)"):
        model(image, ["conv4-2"])
    with pytest.raises(TypeError, match="a sequence of layer names"):
        model(image, "conv4_2")
    with pytest.raises(ValueError, match="at least one layer"):
        model(image, [])


def test_an_image_too_small_or_of_integers_is_refused():
    model = tiny_vgg()
    with pytest.raises(ValueError, match="too small for relu5_1"):
        model(jnp.zeros((15, 90, 3)), ["relu1_1", "relu5_1"])
    with pytest.raises(TypeError, match=r"floats in \[0, 1\], got uint8"):
        model(jnp.zeros((16, 16, 3), jnp.uint8), ["relu1_1"])


def test_an_image_of_another_shape_is_refused():
    model = tiny_vgg()
    with pytest.raises(ValueError, match=r"shape \(\.\.\., H, W, 3\), got \(3, 16, 16\)"):
        model(jnp.zeros((3, 16, 16)), ["relu1_1"])


def test_l2_pooling_is_the_root_of_the_mean_of_squares_with_a_finite_slope_at_0():
    x = np.random.default_rng(4).uniform(-1, 1, (2, 5, 6, 3)).astype(np.float32)
    x[0, :2, :2] = 0
    windows = x[:, :4].astype(np.float64).reshape(2, 2, 2, 3, 2, 3)
    wanted = np.sqrt(np.square(windows).mean((2, 4)))
    np.testing.assert_allclose(pool(jnp.asarray(x), "l2"), wanted, rtol=1e-6)
    slope = jax.grad(lambda x: pool(x, "l2").sum())(jnp.asarray(x))
    assert np.isfinite(slope).all() and not np.any(slope[0, :2, :2])
    inside = x[:, :4].reshape(2, 2, 2, 3, 2, 3)
    found = np.asarray(slope)[:, :4].reshape(2, 2, 2, 3, 2, 3)
    by_hand = inside / np.where(wanted > 0, 4 * wanted, 1)[:, :, None, :, None]
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)


@pytest.mark.parametrize("precision", ["highest", "float32", "bfloat16"])
def test_nothing_becomes_float64_where_a_program_enables_it(precision, monkeypatch):
    monkeypatch.setattr(vgg, "WINOGRAD_CHANNELS", 4)

    @jax.jit
    def read(model, x):
        """The features, and the gradient of their sum, which is by way of float32 and no wider."""
        features, back = jax.vjp(lambda x: model(x, ["relu1_2"])["relu1_2"], x)
        return features, back(jnp.ones_like(features))[0]

    image = np.random.default_rng(8).uniform(size=(16, 16, 3)).astype(np.float32)
    wanted, _ = read(tiny_vgg(precision=precision), image)
    with jax.enable_x64(True):
        model = tiny_vgg(precision=precision)
        dtype = jnp.dtype("bfloat16" if precision == "bfloat16" else "float32")
        assert {leaf.dtype for leaf in jax.tree.leaves(model)} == {jnp.dtype("float32"), dtype}
        for x in (image, image.astype(np.float64)):
            features, gradient = read(model, jnp.asarray(x))
            assert (features.dtype, gradient.dtype) == (dtype, x.dtype)
            np.testing.assert_array_equal(features, wanted)


def test_a_blank_network_is_float32_where_a_program_enables_float64():
    with jax.enable_x64(True):
        model = nnx.eval_shape(lambda: VGG(((1, 4),), precision="highest", rngs=nnx.Rngs(0)))
    assert {leaf.dtype for leaf in jax.tree.leaves(model)} == {jnp.dtype("float32")}
