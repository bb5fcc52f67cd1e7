"""The same weights and images through PyTorch and through jnst: features, loss, gradient."""

import jax
import jax.numpy as jnp
import make_vgg19
import numpy as np
import pytest
import torch

import jnst
from jnst import convert
from jnst.nn import weights as jnst_weights
from jnst.nn.vgg import CONVOLUTIONS, LINEAGES

FEATURES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)  # torchvision's


def torchvision_state():
    """A state dict shaped like torchvision's, of random weights; activations are of order 1."""
    generator = torch.Generator().manual_seed(7)
    state = {}
    for index, (before, after) in zip(FEATURES, CONVOLUTIONS.values(), strict=True):
        scale = (2 / (9 * before)) ** 0.5
        kernel = torch.randn(after, before, 3, 3, generator=generator) * scale
        state[f"features.{index}.weight"] = kernel
        state[f"features.{index}.bias"] = torch.randn(after, generator=generator) * 0.1
    state["classifier.0.weight"] = torch.zeros(10, 25)
    return state


def random_network(state):
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in LINEAGES["torchvision"])
    convolutions = [(state[f"features.{n}.weight"], state[f"features.{n}.bias"]) for n in FEATURES]
    return make_vgg19.Network(lambda image: (image - mean) / std, convolutions)


@pytest.fixture(scope="module", params=["legacy format", "zip format", "real weights"])
def networks(request, tmp_path_factory):
    """(PyTorch's network in float32, jnst's model) of the same checkpoint."""
    if request.param == "real weights":
        network = make_vgg19.real_network()
        network.convolutions = [(k.float(), b.float()) for k, b in network.convolutions]
        (found,) = jnst_weights._installed_extra()
        prepare = network.prepare
        network.prepare = lambda image: prepare(image.double()).float()
        return network, jnst_weights.make_vgg19(convert.read(found.path), precision="highest")
    path = tmp_path_factory.mktemp("torch") / "vgg19.pth"
    state = torchvision_state()
    torch.save(state, path, _use_new_zipfile_serialization=request.param == "zip format")
    weights = convert.read(path, lineage="torchvision")
    return random_network(state), jnst_weights.make_vgg19(weights, precision="highest")


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
    actual = jax.jit(lambda model, x: model(x, jnst.LAYERS))(model, jnp.asarray(images[0]))
    assert list(expected) == list(jnst.LAYERS)
    errors = {name: relative_error(actual[name], to_numpy(expected[name])) for name in jnst.LAYERS}
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
    actual = jnst.nn.vgg.pool(jnp.asarray(x), "average")
    np.testing.assert_allclose(actual, to_numpy(expected), rtol=1e-5, atol=1e-6)
