"""A foreign VGG file -> `Weights`: every key accounted for, every fault in one message."""

import os
from pathlib import Path

import numpy as np

from jnst._checks import check_choice
from jnst.convert.checking import hash_of, listed, read_tensors
from jnst.convert.layouts import Layout, best_layout, layouts, without_prefixes
from jnst.convert.sources import read_source
from jnst.convert.tensors import Fault, Tensor
from jnst.nn.blocks import NETWORKS
from jnst.nn.lineages import LINEAGES
from jnst.nn.weights import Weights

KNOWN_FILES = {
    "dcbb9e9d": "torchvision",  # torchvision's vgg19-dcbb9e9d.pth
    "397923af": "torchvision",  # torchvision's vgg16-397923af.pth
    "d01eb7cb": "caffe",  # vgg19-d01eb7cb.pth, converted by Justin Johnson for neural-style-pt
    "00b39a1b": "caffe",  # vgg16-00b39a1b.pth, his too
    "74e45263": "caffe",  # pystiche's conversion
}
"""The lineage of published files whose keys do not tell it, by the start of their sha256."""

_Layers = dict[str, tuple[np.ndarray, np.ndarray]]


def read(source: str | os.PathLike[str], *, lineage: str | None = None) -> Weights:
    """Read the weights in a VGG file of PyTorch, safetensors or Keras. PyTorch is not needed.

    Nothing in the file is run, and no more of it than the convolutions is read. Its keys tell which
    network of `jnst.nn.blocks.NETWORKS` it holds.

    Args:
      source: a state dict as `torch.save` writes it, today or before PyTorch 1.6; a safetensors
        file; or the HDF5 file of a Keras model.
      lineage: a key of `jnst.nn.lineages.LINEAGES`; needed for files in torchvision's layout that
        are not among `KNOWN_FILES`, since weights of both lineages are published in it.

    Returns:
      float32 kernels (3, 3, in, out), conv1_1 for RGB input, and biases.

    Raises:
      ValueError: for a file that is missing, damaged or no such network, or a lineage that is
        needed or wrong. The message names the file.
    """
    if lineage is not None:
        check_choice("lineage", lineage, LINEAGES)
    path = Path(source)
    with read_source(path) as tensors:
        layout, tensors = _matched(tensors)
        layers = _layers(layout, tensors)
        if layout.preprocessing:
            _check_preprocessing(*(tensors[key].read() for key in layout.preprocessing))
        sha256 = hash_of(path)
        lineage = _lineage(layout.lineage or KNOWN_FILES.get(sha256[:8]), lineage)
    if lineage == "caffe":  # such files all expect BGR
        kernel, bias = layers["conv1_1"]
        layers["conv1_1"] = np.ascontiguousarray(kernel[:, :, ::-1]), bias
    return Weights(
        layers=layers,
        lineage=lineage,
        source=path.name,
        sha256=sha256,
        blocks=layout.network.blocks,
    )


def _matched(tensors: dict[str, Tensor]) -> tuple[Layout, dict[str, Tensor]]:
    names = without_prefixes(tensors)
    layout = best_layout(names)
    if layout is None:
        titles = " or ".join(network.title for network in NETWORKS.values())
        known = ", ".join(dict.fromkeys(known.name for known in layouts()))
        raise Fault(
            f"is no {titles} in a known layout ({known}): its tensors are {listed(names) or 'none'}"
        )
    return layout, {
        name: tensors[key] for name, key in names.items() if not name.startswith(layout.ignored)
    }


def _layers(layout: Layout, tensors: dict[str, Tensor]) -> _Layers:
    """Every convolution's kernel and bias, read and transposed; raises Fault that tells all."""
    what = f"{layout.network.title} in the layout of {layout.name}"
    arrays = read_tensors(what, layout.shapes(), tensors)
    return {
        name: (np.ascontiguousarray(arrays[kernel].transpose(layout.axes)), arrays[bias])
        for name, (kernel, bias) in layout.keys.items()
    }


def _check_preprocessing(kernel: np.ndarray, bias: np.ndarray) -> None:
    """Raise unless a 1×1 convolution turns RGB in [0, 1] into BGR in [0, 255] minus the mean."""
    mean = 255 * np.array(LINEAGES["caffe"].mean[::-1])
    swap = 255 * np.eye(3)[::-1]
    wanted = np.column_stack([swap, -mean])
    if not np.allclose(np.column_stack([kernel[:, :, 0, 0], bias]), wanted, rtol=0, atol=0.01):
        raise Fault("has a first layer that is not Caffe's preprocessing, so its use is not known")


def _lineage(known: str | None, given: str | None) -> str:
    if known and given and known != given:
        raise Fault(f"holds weights of the {known} lineage, so lineage must not be {given!r}")
    if lineage := known or given:
        return lineage
    raise Fault(
        "does not tell the lineage of its weights; give lineage (--lineage on the command line) as "
        "torchvision, trained by PyTorch's authors for RGB normalised by ImageNet's mean and "
        "deviation, or as caffe, Oxford's own for BGR in 0 … 255 minus a mean"
    )
