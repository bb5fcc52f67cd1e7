"""The key layouts of VGG files: which tensor of a file is which convolution."""

import dataclasses
import functools
from collections.abc import Iterable

from jnst.nn.blocks import NETWORKS, Network, convolutions

OIHW, HWIO = (2, 3, 1, 0), (0, 1, 2, 3)
"""The transpositions that bring a kernel of PyTorch, and of Keras, to (3, 3, in, out)."""

_TORCH_CLASSIFIERS = ("classifier.", "pre_logits.", "head.")
_KERAS_OTHERS = ("fc1/", "fc2/", "predictions/", "dense", "optimizer", "top_level_model_weights/")

PREFIXES = (
    *("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "encoder.", "vgg."),
    *("model_weights/", "layers/", "_layer_checkpoint_dependencies/"),
)
"""What DataParallel, `torch.compile`, Lightning and other wrappers, and the ways in which Keras
saves, put before every key; in any order, and more than once."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """One way to name the tensors of a network.

    Attributes:
      network: whose tensors they are.
      name: what messages call it.
      keys: {convolution: (key of its kernel, key of its bias)}.
      axes: the transposition that brings a kernel to (3, 3, in, out).
      lineage: a key of `jnst.nn.lineages.LINEAGES`, where the names alone tell it.
      preprocessing: the keys of a 1×1 convolution that does Caffe's preprocessing.
      ignored: beginnings of keys that are no convolution of the network: classifiers, optimisers.
    """

    network: Network
    name: str
    keys: dict[str, tuple[str, str]]
    axes: tuple[int, ...] = OIHW
    lineage: str | None = None
    preprocessing: tuple[str, str] | None = None
    ignored: tuple[str, ...] = ()

    def used(self) -> set[str]:
        """Every key that a file in this layout has."""
        return {key for pair in (*self.keys.values(), self.preprocessing or ()) for key in pair}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every key, and the shape of its tensor in the file."""
        shapes: dict[str, tuple[int, ...]] = {}
        if self.preprocessing:
            kernel, bias = self.preprocessing
            shapes |= {kernel: (3, 3, 1, 1), bias: (3,)}
        for name, (before, after) in convolutions(self.network.blocks).items():
            wanted = (3, 3, before, after)
            kernel, bias = self.keys[name]
            shapes |= {
                kernel: tuple(wanted[self.axes.index(axis)] for axis in range(4)),
                bias: (after,),
            }
        return shapes


def layouts() -> tuple[Layout, ...]:
    """Every layout of every known network."""
    return tuple(layout for network in NETWORKS.values() for layout in _layouts(network))


@functools.cache
def _layouts(network: Network) -> tuple[Layout, ...]:
    names = list(convolutions(network.blocks))
    torchvision = _positions(network, before_all=0, before_each=0)
    # The AdaIN authors pad in layers of their own and begin with a 1×1 convolution.
    adain = _positions(network, before_all=1, before_each=1)
    keras = [name.replace("conv", "block").replace("_", "_conv") for name in names]
    numbers = ["conv2d", *(f"conv2d_{n}" for n in range(1, len(names)))]

    def torch(name: str, pattern: str, fills: Iterable[object], **others: object) -> Layout:
        keys = _table(names, f"{pattern}.weight", f"{pattern}.bias", fills)
        return Layout(network=network, name=name, keys=keys, **others)  # type: ignore[arg-type]

    def of_keras(name: str, kernel: str, bias: str, fills: Iterable[object]) -> Layout:
        return Layout(
            network=network,
            name=name,
            keys=_table(names, kernel, bias, fills),
            axes=HWIO,
            lineage="caffe",
            ignored=_KERAS_OTHERS,
        )

    return (
        torch("torchvision", "features.{}", torchvision, ignored=_TORCH_CLASSIFIERS),
        torch("torchvision's features alone", "{}", torchvision),
        torch("AdaIN", "{}", adain, lineage="caffe", preprocessing=("0.weight", "0.bias")),
        torch("Gatys", "{}", names, lineage="caffe"),
        of_keras("keras-applications", "{0}/{0}_W_1:0", "{0}/{0}_b_1:0", keras),
        of_keras("TF-Keras", "{0}/{0}/kernel:0", "{0}/{0}/bias:0", keras),
        of_keras("Keras HDF5", "{0}/{0}/kernel", "{0}/{0}/bias", keras),
        of_keras("Keras 3", "{}/vars/0", "{}/vars/1", keras),
        of_keras("Keras 3 by class", "{}/vars/0", "{}/vars/1", numbers),
    )


def _positions(network: Network, *, before_all: int, before_each: int) -> list[int]:
    """Where the convolutions stand in a list of all layers, each with a ReLU behind it."""
    positions, place = [], before_all
    for count, _ in network.blocks:
        for _ in range(count):
            positions.append(place + before_each)
            place += before_each + 2
        place += 1  # the pooling
    return positions


def _table(
    names: Iterable[str], kernel: str, bias: str, fills: Iterable[object]
) -> dict[str, tuple[str, str]]:
    return {
        name: (kernel.format(fill), bias.format(fill))
        for name, fill in zip(names, fills, strict=True)
    }


def without_prefixes(keys: Iterable[str]) -> dict[str, str]:
    """{key without what `PREFIXES` lists: key}, for files that wrap every name in the same way.

    >>> without_prefixes(["model._orig_mod.features.0.weight"])
    {'features.0.weight': 'model._orig_mod.features.0.weight'}
    """
    names = {key: key for key in keys}
    changed = True
    while changed:
        changed = False
        for prefix in PREFIXES:
            shorter = {name.removeprefix(prefix): key for name, key in names.items()}
            if len(shorter) == len(names) and shorter.keys() != names.keys():
                names, changed = shorter, True  # two keys must not become one
    return names


def best_layout(keys: Iterable[str]) -> Layout | None:
    """The layout with most of its keys among `keys`; None where no key fits any.

    Of two with as many, the one that lacks fewer: the names of VGG-16's convolutions are all among
    those of VGG-19's.

    >>> layout = best_layout(["conv1_1.weight", "conv3_4.bias"])
    >>> layout.name, layout.network.title
    ('Gatys', 'VGG-19')
    """
    keys = set(keys)

    def fit(layout: Layout) -> tuple[int, int]:
        used = layout.used()
        return len(keys & used), -len(used - keys)

    best = max(layouts(), key=fit)
    return best if fit(best)[0] else None
