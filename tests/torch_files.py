"""Writes PyTorch checkpoints, sound and crafted, without PyTorch.

The formats are those that PyTorch's `torch/serialization.py` defines, the opcodes those of Python's
`pickletools`. `tests/parity/test_convert_torch.py` reads what PyTorch itself writes.
"""

import dataclasses
import functools
import io
import os
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from tiny import TINY

from jnst.nn.blocks import Blocks, convolutions

STEPS = (7, 3, 5, 1)
"""Strides of the kernels of `vgg`: no two axes alike, so that swapped ones show."""


@dataclasses.dataclass(frozen=True)
class Raw:
    """Opcodes that go into the pickle as they are; they leave one object on the stack."""

    opcodes: bytes


@dataclasses.dataclass(frozen=True)
class Name:
    """A global."""

    module: str
    name: str


@dataclasses.dataclass(frozen=True)
class Call:
    """What a global returns for these arguments, with a state set on it where one is given."""

    function: Any
    args: tuple[Any, ...] = ()
    state: Any = None


@dataclasses.dataclass(frozen=True)
class Ordered:
    """An OrderedDict as state dicts are: filled item by item, then given its `_metadata`."""

    items: dict[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
    """A storage of a `torch.{kind}`; `length` is what the pickle says of it."""

    values: np.ndarray
    kind: str = "FloatStorage"
    length: int | None = None


@dataclasses.dataclass(frozen=True)
class Window:
    """A tensor on a storage; `view` is legacy's (key, start, length) of a part of the storage."""

    stored: Any
    shape: Any
    strides: Any
    offset: Any = 0
    view: tuple[str, int, int] | None = None
    rebuild: str = "_rebuild_tensor_v2"


def window(array: np.ndarray, kind: str = "FloatStorage") -> Window:
    """A tensor with a storage of its own."""
    strides = tuple(step // array.itemsize for step in np.ascontiguousarray(array).strides)
    return Window(Stored(array.reshape(-1), kind), array.shape, strides)


class Encoder:
    """Turns Python objects and the ones above into opcodes of protocol 2, and collects storages."""

    def __init__(self, legacy: bool):
        self.legacy = legacy
        self.storages: list[Stored] = []

    def pickle(self, value: Any) -> bytes:
        return b"\x80\x02" + self._encode(value) + b"."

    def _encode(self, value: Any) -> bytes:
        match value:
            case Raw(opcodes):
                return opcodes
            case None:
                return b"N"
            case bool():
                return b"\x88" if value else b"\x89"
            case int():
                data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
                return b"\x8a" + bytes([len(data)]) + data
            case str():
                return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
            case tuple():
                return b"(" + self._all(value) + b"t"
            case list():
                return b"](" + self._all(value) + b"e"
            case dict():
                return b"}(" + self._all(x for pair in value.items() for x in pair) + b"u"
            case Name(module, name):
                return f"c{module}\n{name}\n".encode()
            case Call(function, args, state):
                built = b"" if state is None else self._encode(state) + b"b"
                return self._encode(function) + self._encode(args) + b"R" + built
            case Ordered(items):
                empty = self._encode(Call(Name("collections", "OrderedDict")))
                metadata = {"_metadata": {"": {"version": 1}}}
                return empty + self._encode(items)[1:] + self._encode(metadata) + b"b"
            case Stored():
                return self._storage(value, None)
            case Window(stored, shape, strides, offset, view, rebuild):
                part = self._storage(stored, view) if isinstance(stored, Stored) else b"N"
                rest = self._all((offset, shape, strides, False, Ordered({})))
                return self._encode(Name("torch._utils", rebuild)) + b"(" + part + rest + b"tR"
        raise TypeError(f"no opcodes for {value!r}")

    def _all(self, values: Any) -> bytes:
        return b"".join(self._encode(value) for value in values)

    def _storage(self, stored: Stored, view: Any) -> bytes:
        if stored not in self.storages:
            self.storages.append(stored)
        key = str(self.storages.index(stored))
        length = stored.values.size if stored.length is None else stored.length
        pid = ("storage", Name("torch", stored.kind), key, "cpu", length)
        return self._encode((*pid, view) if self.legacy else pid) + b"Q"


def legacy_bytes(tree: Any) -> bytes:
    """A file as `torch.save` wrote before PyTorch 1.6."""
    encoder = Encoder(legacy=True)
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    body = encoder.pickle(tree)
    head = b"".join(map(encoder.pickle, (0x1950A86A20F9469CFC6C, 1001, machine)))
    keys = encoder.pickle([str(index) for index in range(len(encoder.storages))])
    storages = b"".join(
        struct.pack("<q", stored.values.size) + stored.values.tobytes()
        for stored in encoder.storages
    )
    return head + body + keys + storages


def zip_bytes(tree: Any, folder: str = "archive/", extra: dict[str, bytes] | None = None) -> bytes:
    """A file as `torch.save` writes today, with more entries where some are given."""
    encoder = Encoder(legacy=False)
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr(f"{folder}data.pkl", encoder.pickle(tree))
        for index, stored in enumerate(encoder.storages):
            archive.writestr(f"{folder}data/{index}", stored.values.tobytes())
        for name, data in (extra or {"version": b"3\n", "byteorder": b"little"}).items():
            archive.writestr(f"{folder}{name}", data)
    return memory.getvalue()


FORMATS = {"legacy": legacy_bytes, "zip": zip_bytes}


def write(path: str | os.PathLike[str], data: bytes) -> Path:
    """The path, with a file of these bytes there."""
    path = Path(path)
    path.write_bytes(data)
    return path


@functools.cache
def vgg(network: str = "vgg19", blocks: Blocks | None = None) -> dict[str, tuple[Window, Window]]:
    """{convolution: (OIHW kernel, bias)}, all windows onto short storages, so that files are small.

    The channels are those of `tiny.TINY` where no blocks are given.
    """
    random = np.random.default_rng(19)
    tensors = {}
    for name, (before, after) in convolutions(blocks or TINY[network]).items():
        shape = (after, before, 3, 3)
        count = 1 + sum((size - 1) * step for size, step in zip(shape, STEPS, strict=True))
        stored = Stored(random.standard_normal(count, np.float32))
        tensors[name] = Window(stored, shape, STEPS), Window(stored, (after,), (2,), offset=3)
    return tensors


# As torchvision 0.20 prints `vgg19().features`, and as the AdaIN authors' net.py lists its layers;
# that of VGG-16 is what their way of padding makes of it.
TORCHVISION = {
    "vgg16": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    "vgg19": (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34),
}
ADAIN = {
    "vgg16": (2, 5, 9, 12, 16, 19, 22, 26, 29, 32, 36, 39, 42),
    "vgg19": (2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42, 45, 48, 51),
}
CAFFE_SWAP = np.array([[0, 0, 255], [0, 255, 0], [255, 0, 0]], np.float32)
CAFFE_MEAN = np.array([103.939, 116.779, 123.68], np.float32)


def torch_tree(
    pattern: str, fills: Iterable[object], network: str = "vgg19", blocks: Blocks | None = None
) -> dict[str, Window]:
    """The network under the keys pattern.weight, pattern.bias."""
    tree = {}
    for (kernel, bias), fill in zip(vgg(network, blocks).values(), fills, strict=True):
        tree[f"{pattern.format(fill)}.weight"], tree[f"{pattern.format(fill)}.bias"] = kernel, bias
    return tree


def torchvision_tree(network: str = "vgg19", blocks: Blocks | None = None) -> dict[str, Window]:
    return torch_tree("features.{}", TORCHVISION[network], network, blocks)


def adain_tree(
    swap: np.ndarray = CAFFE_SWAP, mean: np.ndarray = CAFFE_MEAN, network: str = "vgg19"
) -> dict[str, Window]:
    first = {"0.weight": window(swap.reshape(3, 3, 1, 1)), "0.bias": window(-mean)}
    return first | torch_tree("{}", ADAIN[network], network)


def classifiers() -> dict[str, Window]:
    """What checkpoints hold beside the convolutions."""
    keys = ("classifier.0.weight", "classifier.6.bias", "pre_logits.fc1.weight", "head.fc.bias")
    return {key: window(np.ones(2, np.float32)) for key in keys}


def values(tensor: Window) -> np.ndarray:
    """A tensor's elements, in memory of their own."""
    flat = tensor.stored.values[tensor.offset :]
    strides = [step * flat.itemsize for step in tensor.strides]
    return np.ascontiguousarray(as_strided(flat, tensor.shape, strides))
