"""The key layouts of VGG-19 files: which tensor of a file is which convolution."""

import dataclasses
from collections.abc import Iterable

from jnst.nn.vgg import CONVOLUTIONS

OIHW, HWIO = (2, 3, 1, 0), (0, 1, 2, 3)
"""The transpositions that bring a kernel of PyTorch, and of Keras, to (3, 3, in, out)."""

# Where the convolutions stand among torchvision's layers, and among those of the AdaIN authors,
# who pad in layers of their own and begin with a 1×1 convolution.
_TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
_ADAIN = (2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42, 45, 48, 51)

_TORCH_CLASSIFIERS = ("classifier.", "pre_logits.", "head.")
_KERAS_OTHERS = ("fc1/", "fc2/", "predictions/", "dense", "optimizer", "top_level_model_weights/")

PREFIXES = ("module.", "model_weights/", "layers/", "_layer_checkpoint_dependencies/")
"""What DataParallel, and the ways in which Keras saves, put before every key."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """One way to name the tensors of VGG-19.

    Attributes:
      name: what messages call it.
      keys: {convolution: (key of its kernel, key of its bias)}.
      axes: the transposition that brings a kernel to (3, 3, in, out).
      lineage: a key of `jnst.nn.vgg.LINEAGES`, where the names alone tell it.
      preprocessing: the keys of a 1×1 convolution that does Caffe's preprocessing.
      ignored: beginnings of keys that are no convolution of VGG-19: classifiers, optimisers.
    """

    name: str
    keys: dict[str, tuple[str, str]]
    axes: tuple[int, ...] = OIHW
    lineage: str | None = None
    preprocessing: tuple[str, str] | None = None
    ignored: tuple[str, ...] = ()

    def used(self) -> set[str]:
        """Every key that a file in this layout has."""
        return {key for pair in (*self.keys.values(), self.preprocessing or ()) for key in pair}


def _table(kernel: str, bias: str, fills: Iterable[object]) -> dict[str, tuple[str, str]]:
    return {
        name: (kernel.format(fill), bias.format(fill))
        for name, fill in zip(CONVOLUTIONS, fills, strict=True)
    }


def _torch(pattern: str, fills: Iterable[object]) -> dict[str, tuple[str, str]]:
    return _table(f"{pattern}.weight", f"{pattern}.bias", fills)


_KERAS_NAMES = [name.replace("conv", "block").replace("_", "_conv") for name in CONVOLUTIONS]
_KERAS_NUMBERS = ["conv2d", *(f"conv2d_{n}" for n in range(1, len(CONVOLUTIONS)))]


def _keras(name: str, kernel: str, bias: str, fills: Iterable[object]) -> Layout:
    return Layout(
        name=name,
        keys=_table(kernel, bias, fills),
        axes=HWIO,
        lineage="caffe",
        ignored=_KERAS_OTHERS,
    )


LAYOUTS = (
    Layout(
        name="torchvision",
        keys=_torch("features.{}", _TORCHVISION),
        ignored=_TORCH_CLASSIFIERS,
    ),
    Layout(name="torchvision's features alone", keys=_torch("{}", _TORCHVISION)),
    Layout(
        name="AdaIN",
        keys=_torch("{}", _ADAIN),
        lineage="caffe",
        preprocessing=("0.weight", "0.bias"),
    ),
    Layout(name="Gatys", keys=_torch("{}", CONVOLUTIONS), lineage="caffe"),
    _keras("keras-applications", "{0}/{0}_W_1:0", "{0}/{0}_b_1:0", _KERAS_NAMES),
    _keras("TF-Keras", "{0}/{0}/kernel:0", "{0}/{0}/bias:0", _KERAS_NAMES),
    _keras("Keras HDF5", "{0}/{0}/kernel", "{0}/{0}/bias", _KERAS_NAMES),
    _keras("Keras 3", "{}/vars/0", "{}/vars/1", _KERAS_NAMES),
    _keras("Keras 3 by class", "{}/vars/0", "{}/vars/1", _KERAS_NUMBERS),
)


def without_prefixes(keys: Iterable[str]) -> dict[str, str]:
    """{key without what `PREFIXES` lists: key}, for files that wrap every name in the same way.

    >>> without_prefixes(["module.features.0.weight"])
    {'features.0.weight': 'module.features.0.weight'}
    """
    names = {key: key for key in keys}
    for prefix in PREFIXES:
        shorter = {name.removeprefix(prefix): key for name, key in names.items()}
        if len(shorter) == len(names):  # two keys must not become one
            names = shorter
    return names


def best_layout(keys: Iterable[str]) -> Layout | None:
    """The layout with most of its keys among `keys`; None where no key fits any.

    >>> best_layout(["conv1_1.weight", "conv1_1.bias"]).name
    'Gatys'
    """
    keys = set(keys)
    score, best = max(
        ((len(keys & layout.used()), layout) for layout in LAYOUTS), key=lambda pair: pair[0]
    )
    return best if score else None
