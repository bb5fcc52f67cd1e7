"""Networks with pretrained weights, ready for use. Nothing is downloaded."""

import os
from typing import Any

import jax
import numpy as np
from flax import nnx

from jnst.nn.discovery import find_weights, open_weights
from jnst.nn.lineages import LINEAGES
from jnst.nn.vgg import VGG, VGG16, VGG19
from jnst.nn.weights import Weights

_MODELS = {"vgg16": VGG16, "vgg19": VGG19}


def make_vgg(
    weights: Weights, *, pooling: str = "max", padding: str = "zeros", precision: str = "auto"
) -> VGG:
    """Make the network with these weights; in float32 on a processor, with Winograd's convolutions.

    Args:
      weights: of any blocks; those of a known network make a `VGG16` or `VGG19`.
      pooling: see `jnst.nn.vgg.VGG`.
      padding: see `jnst.nn.vgg.VGG`.
      precision: see `jnst.nn.vgg.VGG`.

    Raises:
      ValueError: for an unknown option.
    """
    options: dict[str, Any] = {
        "pooling": pooling,
        "padding": padding,
        "precision": precision,
        "lineage": weights.lineage,
    }

    def make() -> VGG:
        if made := _MODELS.get(weights.network):
            return made(**options, rngs=nnx.Rngs(0))
        return VGG(weights.blocks, **options, rngs=nnx.Rngs(0))

    # Shapes only: no time is spent on random numbers.
    graph, state = nnx.split(nnx.eval_shape(make))
    mean, std = LINEAGES[weights.lineage]
    arrays: dict[str, Any] = {"mean": np.array(mean, np.float32), "std": np.array(std, np.float32)}
    for name, (kernel, bias) in weights.layers.items():
        arrays[name] = {"kernel": kernel, "bias": bias}
    dtypes = nnx.to_pure_dict(state)
    arrays = jax.tree.map(lambda array, like: np.asarray(array, like.dtype), arrays, dtypes)
    # Not by jnp.asarray, which compiles a program for every shape.
    nnx.replace_by_pure_dict(state, jax.device_put(arrays))
    model = nnx.merge(graph, state)
    if model.precision == "float32" and jax.default_backend() == "cpu":
        model.use_winograd()
    return model


def load_network(
    network: str,
    path: str | os.PathLike[str] | None = None,
    *,
    pooling: str = "max",
    padding: str = "zeros",
    precision: str = "auto",
) -> VGG:
    """Load a network by its name.

    Args:
      network: `"vgg16"` or `"vgg19"`; a key of `jnst.nn.blocks.NETWORKS`.
      path: a weights file, jnst's own HDF5 or any that `jnst convert` reads; None: the first that
        is found, in the order of `jnst.nn.discovery.find_weights`. A file that declares blocks of
        its own, of a smaller VGG, is taken as it is.
      pooling: `"max"`, `"average"` or `"l2"`.
      padding: at the picture's border: `"zeros"`, `"replicate"` or `"reflect"`.
      precision: `"auto"`, `"highest"`, `"float32"` or `"bfloat16"`; see `jnst.nn.vgg.VGG`. On a
        processor all but `"highest"` and `"bfloat16"` use Winograd's convolution.

    Returns:
      The network, ready for use.

    Raises:
      ValueError: no weights, damaged ones, those of another network, or an unknown option.
    """
    options = {"pooling": pooling, "padding": padding, "precision": precision}
    return make_vgg(open_weights(find_weights(path, network), network), **options)


def load_vgg16(
    path: str | os.PathLike[str] | None = None,
    *,
    pooling: str = "max",
    padding: str = "zeros",
    precision: str = "auto",
) -> VGG:
    """Load VGG-16 with pretrained weights; see `load_network` for arguments and errors.

    Its weights come in no extra: `jnst convert --download --network vgg16` fetches torchvision's.
    """
    options = {"pooling": pooling, "padding": padding, "precision": precision}
    return load_network("vgg16", path, **options)


def load_vgg19(
    path: str | os.PathLike[str] | None = None,
    *,
    pooling: str = "max",
    padding: str = "zeros",
    precision: str = "auto",
) -> VGG:
    """Load VGG-19 with pretrained weights.

    Args:
      path: a weights file, jnst's own HDF5 or any that `jnst convert` reads; None: the first that
        is found: `$JNST_WEIGHTS`, `vgg19.h5` in jnst's cache folder, torchvision's checkpoint in
        the torch hub cache, the extra `jnst[weights]`.
      pooling: `"max"`, as the network was trained, `"average"`, which the paper prefers, or `"l2"`,
        the root of the mean of squares.
      padding: at the picture's border: `"zeros"`, `"replicate"` or `"reflect"`.
      precision: `"auto"`, `"highest"`, `"float32"` or `"bfloat16"`; see `jnst.nn.vgg.VGG`. On a
        processor all but `"highest"` and `"bfloat16"` use Winograd's convolution.

    Returns:
      The network, ready for use.

    Raises:
      ValueError: no weights, damaged ones, those of another network, or an unknown option.
    """
    options = {"pooling": pooling, "padding": padding, "precision": precision}
    return load_network("vgg19", path, **options)
