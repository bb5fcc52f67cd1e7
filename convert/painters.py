"""A state dict of pytorch/examples' fast_neural_style -> `PainterWeights`.

Its networks take and give RGB in 0 … 255, which goes into the first and the last kernel here. The
biases before a normalisation are left out, as that takes them away.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from jnst.convert.checking import hash_of, read_tensors
from jnst.convert.layouts import OIHW, without_prefixes
from jnst.convert.sources import read_source
from jnst.convert.tensors import Fault, Tensor
from jnst.nn.painter_file import Architecture, PainterWeights

FIRST, LAST = "conv1.conv2d.weight", "deconv3.conv2d.weight"
"""The keys that such a file is known by."""
EPSILON = 1e-5
"""Of PyTorch's instance normalization."""
RANGE = 255
_BUFFERS = (".running_mean", ".running_var", ".num_batches_tracked")
"""What files of PyTorch before 0.4 hold besides, and nothing uses."""
_EDGES = {
    "in1": ("conv1", "in1"),
    "in2": ("conv2", "in2"),
    "in3": ("conv3", "in3"),
    "up1": ("deconv1", "in4"),
    "up2": ("deconv2", "in5"),
    "out": ("deconv3", ""),
}
"""{our layer: (its convolution, its normalisation)} outside of the residual blocks."""


def is_painter(keys: Iterable[str]) -> bool:
    """Whether the names of tensors are those of such a network."""
    return {FIRST, LAST} <= without_prefixes(keys).keys()


def read_painter_source(source: str | os.PathLike[str]) -> PainterWeights:
    """Read such a network; nothing in the file is run. Its style is called as the file is.

    Args:
      source: the file.

    Raises:
      ValueError: for a file that is missing, damaged or no such network; it is named.
    """
    path = Path(source)
    with read_source(path) as tensors:
        named = {
            name: tensors[key]
            for name, key in without_prefixes(tensors).items()
            if not name.endswith(_BUFFERS)
        }
        architecture = _architecture(named)
        arrays = read_tensors("network of fast_neural_style", _shapes(architecture), named)
        sha256 = hash_of(path)
    return PainterWeights(
        arrays=_converted(architecture, arrays),
        styles=(path.stem,),
        architecture=architecture,
        facts={"source": path.name, "sha256": sha256},
    )


def _architecture(tensors: dict[str, Tensor]) -> Architecture:
    """What the network is made of, by its tensors."""
    widths = []
    for number in (1, 2, 3):
        key = f"conv{number}.conv2d.weight"
        if key not in tensors or len(tensors[key].shape) != 4:
            raise Fault(f"is no whole network of fast_neural_style; missing or misshapen: {key}")
        widths.append(tensors[key].shape[0])
    blocks = {name.partition(".")[0] for name in tensors if name.startswith("res")}
    return Architecture(
        channels=(widths[0], widths[1], widths[2]),
        residuals=len(blocks),
        epsilon=EPSILON,
        output="linear",
    )


def _keys(layer: str) -> tuple[str, str]:
    """The beginnings of the keys of a layer's convolution and of its normalisation."""
    if layer in _EDGES:
        convolution, normalisation = _EDGES[layer]
        return f"{convolution}.conv2d", normalisation
    block, half = layer[:-1], "ab".index(layer[-1]) + 1
    return f"{block}.conv{half}.conv2d", f"{block}.in{half}"


def _shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in the file, by its key."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in architecture.layers():
        convolution, normalisation = _keys(layer.name)
        shapes[f"{convolution}.weight"] = layer.after, layer.before, layer.size, layer.size
        shapes[f"{convolution}.bias"] = (layer.after,)
        if normalisation:
            shapes[f"{normalisation}.weight"] = shapes[f"{normalisation}.bias"] = (layer.after,)
    return shapes


def _converted(architecture: Architecture, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays by our names."""
    made: dict[str, np.ndarray] = {}
    for layer in architecture.layers():
        convolution, normalisation = _keys(layer.name)
        kernel = np.ascontiguousarray(arrays[f"{convolution}.weight"].transpose(OIHW))
        if layer.name == "in1":
            kernel = kernel * np.float32(RANGE)
        if not normalisation:
            made[f"{layer.name}/kernel"] = kernel / np.float32(RANGE)
            made[f"{layer.name}/bias"] = arrays[f"{convolution}.bias"] / np.float32(RANGE)
            continue
        made[f"{layer.name}/kernel"] = kernel
        made[f"{layer.name}/scale"] = arrays[f"{normalisation}.weight"][None]
        made[f"{layer.name}/shift"] = arrays[f"{normalisation}.bias"][None]
    return made
