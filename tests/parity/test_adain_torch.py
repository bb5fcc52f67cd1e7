"""AdaIN with the extra's weights, restated in functions of PyTorch, and jnst's."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn import functional as F

import jnst
from jnst.nn.discovery import in_extra

ENCODER = (2, 5, 9, 12, 16, 19, 22, 25, 29)
"""The convolutions from conv1_1 to conv4_1; 0 is the preprocessing."""
POOLED = (5, 12, 25)
DECODER = (1, 5, 8, 11, 14, 18, 21, 25, 28)
UPSAMPLED = (1, 14, 21)


def state(name):
    (found,) = in_extra(name)
    return torch.load(found.path, weights_only=True)


def convolve(weights, number, x):
    kernel, bias = weights[f"{number}.weight"], weights[f"{number}.bias"]
    if kernel.shape[-1] == 3:
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(x, kernel, bias)


def encode(weights, x):
    x = convolve(weights, 0, x)
    for number in ENCODER:
        x = F.relu(convolve(weights, number, x))
        if number in POOLED:
            x = F.max_pool2d(x, 2, ceil_mode=True)
    return x


def decode(weights, x):
    for number in DECODER:
        x = convolve(weights, number, x)
        if number != DECODER[-1]:
            x = F.relu(x)
        if number in UPSAMPLED:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
    return x


def statistics(features):
    flat = features.flatten(2)
    mean, deviation = flat.mean(2), (flat.var(2) + 1e-5).sqrt()
    return mean[..., None, None], deviation[..., None, None]


def adain(content, style):
    (mean, deviation), (of_style, spread) = statistics(content), statistics(style)
    return (content - mean) / deviation * spread + of_style


def to_torch(image):
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]


@pytest.fixture(scope="module")
def images():
    """Smooth and rough ones, whose edges are multiples of 8 px."""
    random = np.random.default_rng(8)
    rows, columns = np.mgrid[:96, :128] / 128
    content = np.stack([rows, columns, np.sin(20 * rows * columns) / 2 + 0.5], -1)
    style = random.uniform(size=(88, 96, 3)) * (0.9, 0.6, 0.2)
    return content.astype(np.float32), style.astype(np.float32)


@pytest.mark.parametrize("precision", ["highest", "float32"])
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_pictures_agree(images, precision, strength):
    content, style = images
    with torch.no_grad():
        encoder = state("vgg_normalised.pth")
        features, of_style = (encode(encoder, to_torch(image)) for image in images)
        matched = strength * adain(features, of_style) + (1 - strength) * features
        expected = decode(state("decoder.pth"), matched)[0].permute(1, 2, 0).numpy()
    model = jnst.load_adain(precision=precision)
    found = model.features(jnp.asarray(content))
    wanted = features[0].permute(1, 2, 0).numpy()
    assert np.linalg.norm(found - wanted) <= 1e-4 * np.linalg.norm(wanted)
    # The style is as large as the content here: its long edge is 96 of 128 px.
    painted = jnst.fast(
        model, content, style, matching="statistics", strength=strength, style_scale=96 / 128
    )
    np.testing.assert_allclose(painted, np.clip(expected, 0, 1), atol=1e-4)
