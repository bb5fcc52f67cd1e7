"""The same weights and images through PyTorch and through jnst: features, loss, gradient."""

import jax
import jax.numpy as jnp
import make_vgg19
import numpy as np
import pytest
import torch

import jnst
from jnst import convert
from jnst.nn.blocks import VGG16_BLOCKS, VGG19_BLOCKS, convolutions
from jnst.nn.discovery import _installed_extra
from jnst.nn.lineages import LINEAGES
from jnst.nn.loading import make_vgg
from jnst.nn.pooling import pool

FEATURES = {  # torchvision's
    "vgg16": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    "vgg19": (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34),
}
BLOCKS = {"vgg16": VGG16_BLOCKS, "vgg19": VGG19_BLOCKS}


def torchvision_state(name):
    """A state dict shaped like torchvision's, of random weights; activations are of order 1."""
    generator = torch.Generator().manual_seed(7)
    state = {}
    channels = convolutions(BLOCKS[name]).values()
    for index, (before, after) in zip(FEATURES[name], channels, strict=True):
        scale = (2 / (9 * before)) ** 0.5
        kernel = torch.randn(after, before, 3, 3, generator=generator) * scale
        state[f"features.{index}.weight"] = kernel
        state[f"features.{index}.bias"] = torch.randn(after, generator=generator) * 0.1
    state["classifier.0.weight"] = torch.zeros(10, 25)
    return state


def random_network(state, name):
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in LINEAGES["torchvision"])
    pairs = [(state[f"features.{n}.weight"], state[f"features.{n}.bias"]) for n in FEATURES[name]]
    counts = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}[name]
    return make_vgg19.Network(lambda image: (image - mean) / std, pairs, counts)


@pytest.fixture(
    scope="module",
    params=["vgg19 in legacy format", "vgg19 in zip format", "vgg16 in zip format", "real weights"],
)
def networks(request, tmp_path_factory):
    """(PyTorch's network in float32, jnst's model) of the same checkpoint."""
    if request.param == "real weights":
        network = make_vgg19.real_network()
        network.convolutions = [(k.float(), b.float()) for k, b in network.convolutions]
        (found,) = _installed_extra()
        prepare = network.prepare
        network.prepare = lambda image: prepare(image.double()).float()
        return network, make_vgg(convert.read(found.path), precision="highest")
    name, _, form = request.param.partition(" in ")
    path = tmp_path_factory.mktemp("torch") / f"{name}.pth"
    state = torchvision_state(name)
    torch.save(state, path, _use_new_zipfile_serialization=form == "zip format")
    weights = convert.read(path, lineage="torchvision")
    assert weights.network == name
    return random_network(state, name), make_vgg(weights, precision="highest")


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(11)
    return [random.uniform(size=shape).astype(np.float32) for shape in ((67, 90, 3),) * 2]


def to_torch(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None]


def to_numpy(tensor):
    return tensor[0].permute(1, 2, 0).detach().numpy()


def relative_error(actual, expected):
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def test_all_convolutions_relus_and_pools_agree(networks, images):
    network, model = networks
    with torch.no_grad():
        expected = make_vgg19.features(network, to_torch(images[0]))
    layers = model.geometry.layers
    actual = jax.jit(lambda model, x: model(x, layers))(model, jnp.asarray(images[0]))
    assert list(expected) == list(layers)
    errors = {name: relative_error(actual[name], to_numpy(expected[name])) for name in layers}
    assert max(errors.values()) <= 1e-5, errors


def test_the_gradient_of_the_total_loss_agrees(networks, images):
    network, model = networks
    content, style = images
    image = (content + style) / 2
    pixels = to_torch(image).requires_grad_()
    loss = make_vgg19.total_loss(network, pixels, to_torch(content), to_torch(style))
    loss.backward()
    targets = jnst.make_targets(model, jnp.asarray(content), jnp.asarray(style))
    weights = jnst.LossWeights(1.0, 10.0, 0.0, {"relu4_2": 1.0}, dict.fromkeys(targets.style, 0.2))
    value, gradient = jax.jit(jax.value_and_grad(jnst.objective))(
        jnp.asarray(image), (model, targets, weights)
    )
    assert float(value) == pytest.approx(loss.item(), rel=1e-4)
    assert relative_error(gradient, to_numpy(pixels.grad)) <= 1e-4


def test_average_pooling_agrees():
    x = np.random.default_rng(3).normal(size=(9, 12, 4)).astype(np.float32)
    expected = torch.nn.functional.avg_pool2d(to_torch(x), 2)
    actual = pool(jnp.asarray(x), "average")
    np.testing.assert_allclose(actual, to_numpy(expected), rtol=1e-5, atol=1e-6)
