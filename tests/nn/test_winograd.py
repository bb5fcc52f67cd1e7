"""Winograd's convolution against the definition, in values, gradients and pictures."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import tiny_vgg

import jnst
from jnst.losses.targets import STYLE_LAYERS
from jnst.nn import vgg
from jnst.nn.blocks import VGG19_BLOCKS, convolutions
from jnst.nn.few_channels import from_few_channels
from jnst.nn.loading import make_vgg
from jnst.nn.vgg import choose_precision
from jnst.nn.winograd import convolve, transform_kernel

LAYERS = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}
"""Few, since it takes XLA half a second to compile a convolution of Winograd's."""

QUICK = {"style_loss": "gram", "sizes": 64, **LAYERS}


@pytest.fixture(scope="module")
def fast(real_weights):
    return make_vgg(real_weights, precision="float32")


@pytest.fixture
def quick(monkeypatch):
    """Makes tiny networks, in float32 by Winograd's method from four channels in on."""
    monkeypatch.setattr(vgg, "WINOGRAD_CHANNELS", 4)
    return functools.partial(tiny_vgg, precision="float32")


def direct(x, kernel):
    layout = jax.lax.conv_dimension_numbers(x.shape, kernel.shape, ("NHWC", "HWIO", "NHWC"))
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=layout)


@pytest.mark.parametrize("size", [(4, 8), (1, 1), (5, 6), (2, 3), (19, 33), (70, 93)])
def test_it_is_the_convolution_and_so_are_its_gradients(size):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, size[0] + 2, size[1] + 2, 5)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 5, 7)), jnp.float32)
    change = jnp.asarray(rng.normal(size=(2, *size, 7)), jnp.float32)

    @functools.partial(jax.jit, static_argnums=0)
    def value_and_gradients(function, *arrays):
        value, back = jax.vjp(function, *arrays)
        return value, *back(change)

    got, wanted = (value_and_gradients(function, x, kernel) for function in (by_winograd, direct))
    for one, other in zip(got, wanted, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=1e-5 * float(jnp.abs(other).max()))


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_so_is_that_of_few_channels(lead):
    rng = np.random.default_rng(2)
    x = jnp.asarray(rng.normal(size=(*lead, 9, 12, 3)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 3, 7)), jnp.float32)
    images = x.reshape(-1, 9, 12, 3)
    wanted, back = jax.vjp(direct, images, kernel)
    got, back_too = jax.vjp(from_few_channels, x, kernel)
    change = jnp.asarray(rng.normal(size=got.shape), jnp.float32)
    for one, other in zip(
        (got, *back_too(change)), (wanted, *back(change.reshape(wanted.shape))), strict=True
    ):
        np.testing.assert_allclose(one, other.reshape(one.shape), rtol=1e-5, atol=1e-4)


def by_winograd(x, kernel):
    return convolve(x, kernel, transform_kernel(kernel))


@pytest.mark.parametrize(
    ("function", "channels"), [(by_winograd, 5), (from_few_channels, 3)], ids=["many", "few"]
)
def test_derivatives_go_forwards_backwards_and_twice(function, channels):
    rng = np.random.default_rng(3)
    x, change = (jnp.asarray(rng.normal(size=(2, 7, 9, channels)), jnp.float32) for _ in range(2))
    kernel, of_kernel = (
        jnp.asarray(rng.normal(size=(3, 3, channels, 4)), jnp.float32) for _ in range(2)
    )

    @functools.partial(jax.jit, static_argnums=0)
    def derivatives(function, x, kernel):
        def value(x, kernel):
            return jnp.sum(jnp.tanh(function(x, kernel) / 9) ** 2)

        def along(x):
            return jnp.vdot(jax.grad(value)(x, kernel), change)

        changes = change, of_kernel
        return {
            "forwards": jax.jvp(function, (x, kernel), changes)[1],
            "forwards over backwards": jax.jvp(jax.grad(value), (x, kernel), changes)[1],
            "by the kernel, too": jax.jvp(jax.grad(value, 1), (x, kernel), changes)[1],
            "backwards over backwards": jax.grad(along)(x),
            "backwards over forwards": jax.grad(
                lambda x: jax.jvp(lambda x: value(x, kernel), (x,), (change,))[1]
            )(x),
            "three times": jax.jvp(jax.grad(along), (x,), (change,))[1],
            "of each of two": jax.vmap(jax.grad(value), in_axes=(1, None))(x[:, None], kernel),
            "by two kernels": jax.vmap(jax.grad(value), in_axes=(None, 3))(
                x, jnp.stack([kernel, of_kernel], 3)
            ),
            "rematerialised": jax.grad(jax.checkpoint(value))(x, kernel),
        }

    got, wanted = derivatives(function, x, kernel), derivatives(direct, x, kernel)
    for name, one in got.items():
        bound = 2e-5 * float(jnp.abs(wanted[name]).max())
        np.testing.assert_allclose(one, wanted[name], atol=bound, err_msg=name)


def test_images_may_be_split_over_a_mesh():
    rng = np.random.default_rng(4)
    x = jnp.asarray(rng.normal(size=(2, 7, 9, 3)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 3, 4)), jnp.float32)

    def gradient(x):
        return jax.grad(lambda x: jnp.sum(jnp.sin(from_few_channels(x, kernel))))(x)

    split = jax.sharding.PartitionSpec("images")
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("images",))
    shared = jax.shard_map(gradient, mesh=mesh, in_specs=split, out_specs=split)
    np.testing.assert_allclose(shared(x), gradient(x), rtol=1e-5, atol=1e-5)


def test_a_transpose_in_the_kernel_is_refused_in_a_sentence():
    x, kernel = jnp.ones((1, 5, 5, 3)), jnp.ones((3, 3, 3, 4))
    with pytest.raises(NotImplementedError, match="transposed in its first argument only"):
        jax.linear_transpose(lambda kernel: from_few_channels(x, kernel), kernel)(
            jnp.ones((1, 3, 3, 4))
        )


def test_leading_axes_are_free_and_vmap_applies():
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.normal(size=(2, 3, 8, 9, 4)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 4, 6)), jnp.float32)
    args = kernel, transform_kernel(kernel)
    every = convolve(x, *args)
    assert every.shape == (2, 3, 6, 7, 6)
    np.testing.assert_allclose(every[1, 2], convolve(x[1, 2], *args), rtol=1e-5, atol=1e-5)
    mapped = jax.vmap(convolve, in_axes=(0, None, None))(x, *args)
    np.testing.assert_allclose(mapped, every, rtol=1e-5, atol=1e-5)


def test_features_are_those_of_the_direct_convolution(fast, model, pictures):
    layers = (*STYLE_LAYERS, "conv4_2")
    read = jax.jit(lambda model, image: model(image, layers))
    features, wanted = read(fast, pictures[0]), read(model, pictures[0])
    for name in layers:
        error = jnp.linalg.norm(features[name] - wanted[name]) / jnp.linalg.norm(wanted[name])
        assert error < 2e-4, name


@pytest.mark.parametrize("padding", ["replicate", "reflect"])
def test_the_border_is_padded_as_asked(quick, pictures, padding):
    read = jax.jit(lambda model, image: model(image, ["relu2_1"])["relu2_1"])
    one, other = (
        read(quick(padding=padding, precision=precision), pictures[0])
        for precision in ("float32", "highest")
    )
    np.testing.assert_allclose(one, other, atol=2e-4 * float(jnp.abs(other).max()))


def test_a_picture_differs_no_more_than_noise_in_its_start_makes_it(quick, pictures):
    """ReLU and pooling make a visible difference, in time, of one in the start.

    The noise is of the size that features may err by, see above.
    """
    content, style = pictures
    model, fast = tiny_vgg(), quick()
    noise = 2e-4 * np.random.default_rng(0).normal(size=content.shape)
    nearly = np.clip(content + noise, 0, 1).astype(np.float32)
    wanted, disturbed, image = (
        jnst.stylize(m, content, style, steps=30, init=init, **QUICK).image
        for m, init in ((model, content), (model, nearly), (fast, content))
    )
    error, least = (jnp.mean(jnp.square(image - wanted)) for image in (image, disturbed))
    assert error < 2 * least


def transformed(model):
    names = convolutions(VGG19_BLOCKS)
    return {name for name in names if hasattr(getattr(model, name), "transformed")}


def test_it_is_used_where_it_is_faster_and_not_at_the_highest_precision(fast, model):
    assert transformed(fast) == set(convolutions(VGG19_BLOCKS)) - {"conv1_1"}
    assert not transformed(model)
    split = fast.for_sharding()
    assert not transformed(split) and transformed(fast)
    assert (split.winograd, split.keep_rows) == (False, True)
    assert (fast.winograd, fast.keep_rows) == (True, False)
    assert (type(split), split.geometry) == (jnst.VGG19, fast.geometry)


def test_a_cell_of_a_grid_is_what_a_run_by_itself_makes(quick, pictures):
    fast = quick()
    several = jnst.stylize_grid(fast, *pictures, beta=[3.0, 30.0], steps=20, **QUICK)
    single = jnst.stylize(fast, *pictures, beta=30.0, steps=20, **QUICK)
    apart = np.linalg.norm(several.images[0, 1] - single.image)
    assert apart < 1e-3 * np.linalg.norm(single.image)


def test_features_in_bfloat16_leave_losses_in_float32(pictures):
    model, half = tiny_vgg(), tiny_vgg(precision="bfloat16")
    weights = jnst.Settings(**LAYERS).loss_weights()
    losses = {}
    for network, dtype in ((half, jnp.bfloat16), (model, jnp.float32)):
        features = jax.jit(lambda network, x: network(x, ["relu2_1"]))(network, pictures[0])
        assert features["relu2_1"].dtype == dtype
        targets = jnst.make_targets(network, *pictures, **LAYERS)
        assert all(gram.dtype == jnp.float32 for gram in targets.style.values())
        loss, gradient = jax.jit(jax.value_and_grad(jnst.objective))(
            jnp.asarray(pictures[0]), (network, targets, weights)
        )
        assert loss.dtype == gradient.dtype == jnp.float32
        losses[network.precision] = float(loss)
    assert losses["bfloat16"] == pytest.approx(losses["highest"], rel=0.01)


def test_auto_is_what_suits_the_platform():
    chosen = [choose_precision("auto", platform) for platform in ("cpu", "gpu", "tpu")]
    assert chosen == ["float32", "bfloat16", "bfloat16"]
    assert choose_precision("highest", "gpu") == "highest"
    with pytest.raises(ValueError, match=r"precision must be one of .*'bfloat16'\?"):
        jnst.load_vgg19(precision="bfloat")
