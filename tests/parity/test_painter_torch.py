"""A network in fast_neural_style's layout, restated in functions of PyTorch, and jnst's."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from jnst import convert
from jnst.nn.painter import make_painter

CHANNELS, RESIDUALS = (8, 12, 64), 3


def random_state():
    generator = torch.Generator().manual_seed(3)
    one, two, three = CHANNELS
    convolutions = {"conv1": (3, one, 9), "conv2": (one, two, 3), "conv3": (two, three, 3)}
    convolutions |= {"deconv1": (three, two, 3), "deconv2": (two, one, 3), "deconv3": (one, 3, 9)}
    norms = {"in1": one, "in2": two, "in3": three, "in4": two, "in5": one}
    for block in range(1, RESIDUALS + 1):
        for half in (1, 2):
            convolutions[f"res{block}.conv{half}"] = three, three, 3
            norms[f"res{block}.in{half}"] = three
    state = {}
    for name, (before, after, size) in convolutions.items():
        shape = after, before, size, size
        scale = (2 / (size * size * before)) ** 0.5 * (60 if name == "deconv3" else 1)
        state[f"{name}.conv2d.weight"] = scale * torch.randn(shape, generator=generator)
        state[f"{name}.conv2d.bias"] = torch.full((after,), 120.0 if name == "deconv3" else 0.3)
    for name, count in norms.items():
        state[f"{name}.weight"] = 1 + 0.2 * torch.randn(count, generator=generator)
        state[f"{name}.bias"] = 0.2 * torch.randn(count, generator=generator)
        state[f"{name}.running_mean"] = torch.zeros(count)
    return state


def layer(state, name, x, stride=1, upsample=False):
    if upsample:
        x = F.interpolate(x, scale_factor=2, mode="nearest")
    kernel = state[f"{name}.conv2d.weight"]
    edge = kernel.shape[-1] // 2
    x = F.pad(x, (edge,) * 4, mode="reflect")
    return F.conv2d(x, kernel, state[f"{name}.conv2d.bias"], stride)


def norm(state, name, x):
    return F.instance_norm(x, weight=state[f"{name}.weight"], bias=state[f"{name}.bias"])


def forward(state, x):
    for name, of_norm, stride in (("conv1", "in1", 1), ("conv2", "in2", 2), ("conv3", "in3", 2)):
        x = F.relu(norm(state, of_norm, layer(state, name, x, stride)))
    for block in range(1, RESIDUALS + 1):
        y = F.relu(norm(state, f"res{block}.in1", layer(state, f"res{block}.conv1", x)))
        x = x + norm(state, f"res{block}.in2", layer(state, f"res{block}.conv2", y))
    for name, of_norm in (("deconv1", "in4"), ("deconv2", "in5")):
        x = F.relu(norm(state, of_norm, layer(state, name, x, upsample=True)))
    return layer(state, "deconv3", x)


@pytest.mark.parametrize("zipped", [True, False])
def test_pictures_agree(zipped, tmp_path):
    state = random_state()
    path = tmp_path / "waves.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    weights = convert.read_painter_source(path)
    assert weights.styles == ("waves",) and weights.architecture.channels == CHANNELS
    image = np.random.default_rng(2).uniform(size=(48, 64, 3)).astype(np.float32)
    with torch.no_grad():
        expected = forward(state, 255 * torch.from_numpy(image).permute(2, 0, 1)[None])
    expected = expected[0].permute(1, 2, 0).numpy() / 255
    assert 0.05 < expected.std() < 5
    painter = make_painter(weights)
    np.testing.assert_allclose(painter(image), expected, atol=1e-4 * np.abs(expected).max())
