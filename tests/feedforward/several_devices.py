"""Run by test_training.py as a program of its own, with as many devices as XLA_FLAGS says.

Prints how far the losses of a training on all devices are from those on one.
"""

import jax
import numpy as np
from tiny import tiny_vgg

from jnst.execution.devices import make_mesh
from jnst.feedforward import train
from jnst.nn.painter_file import Architecture

random = np.random.default_rng(6)
photos = [random.integers(0, 256, (80, 90, 3), np.uint8)]
style = random.uniform(size=(64, 64, 3)) ** 2
options = {
    "architecture": Architecture(channels=(4, 6, 8), residuals=1),
    "steps": 10,
    "crop": 64,
    "style_size": 64,
    "batch": 2,
}
one, several = (
    train(tiny_vgg(), photos, style, mesh=mesh, **options).losses["total"]
    for mesh in (make_mesh(jax.devices()[:1]), None)
)
print(jax.device_count(), np.abs(several / one - 1).max())
