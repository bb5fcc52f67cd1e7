"""Checkpoints of `torch.save`, in the format of today (a zip) and the one before PyTorch 1.6.

A zip holds `NAME/data.pkl` and each storage as `NAME/data/KEY`. A legacy file is five pickles (a
magic number, the protocol, facts about the machine, the object, the keys of its storages), then
each storage: its length as eight bytes, little-endian, and its elements. PyTorch's
`torch/serialization.py` is where both are defined.
"""

import functools
import zipfile
from collections.abc import Callable
from typing import IO, Any, Literal

import numpy as np

from jnst.convert.pickles import Storage, View, extent, unpickle
from jnst.convert.tensors import Fault, Tensor

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
WRAPPERS = ("state_dict", "model_state_dict", "model")
"""The names under which checkpoints of a training run keep the state dict."""

_ZIP_DAMAGE = (
    zipfile.BadZipFile,
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    RuntimeError,  # encrypted
    ValueError,
)

_Fetch = Callable[[Storage, int, int], bytes]  # (storage, first byte, number of bytes)
_ByteOrder = Literal["<", ">"]


def read_legacy(file: IO[bytes], size: int) -> dict[str, Tensor]:
    """The tensors of a file in the legacy format.

    Args:
      file: open at its start, and kept open for as long as the tensors are read.
      size: the file's length in bytes.

    Raises:
      Fault: for anything but a state dict, whole and in this format.
    """
    if unpickle(file) != MAGIC:
        raise Fault("is a pickle, but not one that torch.save wrote")
    if unpickle(file) != PROTOCOL:
        raise Fault(f"is in another version of PyTorch's legacy format than {PROTOCOL}")
    unpickle(file)  # Sizes of C types, of no use: all elements are little-endian.
    storages: dict[str, Storage] = {}
    tree = unpickle(file, storages)
    keys = unpickle(file)
    known = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not known or sorted(keys) != sorted(storages):
        raise Fault("is damaged: its list of storages does not fit its tensors")
    starts = {}
    for key in keys:
        storage = storages[key]
        if int.from_bytes(file.read(8), "little") != storage.length:
            raise Fault(f"is damaged or truncated: no length stands before its storage {key}")
        starts[key] = file.tell()
        end = starts[key] + storage.length * _item(storage.dtype).itemsize
        if end > size:
            raise Fault(f"is truncated: it has {size} bytes and should have at least {end}")
        file.seek(end)

    def fetch(storage: Storage, start: int, count: int) -> bytes:
        try:
            file.seek(starts[storage.key] + start)
            return file.read(count)
        except OSError as error:
            raise Fault(f"cannot be read: {error}") from None

    return _tensors(tree, fetch, "<")


def read_zip(file: IO[bytes]) -> dict[str, Tensor]:
    """The tensors of a file in the zip format.

    Args:
      file: kept open for as long as the tensors are read.

    Raises:
      Fault: for anything but a state dict, whole and in this format.
    """
    storages: dict[str, Storage] = {}
    try:
        archive = zipfile.ZipFile(file)
        names = archive.namelist()
        folder = _folder(names)
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise Fault("is a compressed or damaged zip; torch.save does not compress")
        with archive.open(f"{folder}data.pkl") as entry:
            tree = unpickle(entry, storages)
        big = f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") == b"big"
        sizes = {key: archive.getinfo(f"{folder}data/{key}").file_size for key in storages}
    except Fault:
        raise
    except _ZIP_DAMAGE as error:
        raise Fault(f"is a damaged or truncated zip: {error}") from None
    for key, storage in storages.items():
        if sizes[key] != storage.length * _item(storage.dtype).itemsize:
            raise Fault(f"is damaged: its storage {key} does not have the size that it should")

    def fetch(storage: Storage, start: int, count: int) -> bytes:
        try:
            with archive.open(f"{folder}data/{storage.key}") as entry:
                entry.seek(start)
                return entry.read(count)
        except _ZIP_DAMAGE as error:
            raise Fault(f"is a damaged or truncated zip: {error}") from None

    return _tensors(tree, fetch, ">" if big else "<")


def _folder(names: list[str]) -> str:
    if any(name.endswith("model.weights.h5") for name in names):
        raise Fault("is a Keras archive; convert the file that save_weights('x.weights.h5') writes")
    found = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(found) != 1:
        raise Fault("is a zip, but not one that torch.save wrote: it holds no data.pkl")
    folder = found[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in names:
        raise Fault("is a TorchScript program; save the model's state_dict() instead")
    return folder


def _tensors(tree: Any, fetch: _Fetch, byte_order: _ByteOrder) -> dict[str, Tensor]:
    return {
        key: Tensor(
            view.shape, view.storage.dtype, functools.partial(_values, view, fetch, byte_order)
        )
        for key, view in _state_dict(tree).items()
    }


def _state_dict(tree: Any) -> dict[str, View]:
    candidates = [tree]
    if isinstance(tree, dict):
        candidates += [tree.get(name) for name in WRAPPERS]
    for candidate in candidates:
        if isinstance(candidate, dict):
            found = {key: value for key, value in candidate.items() if isinstance(value, View)}
            if found and all(isinstance(key, str) for key in found):
                return found
    raise Fault("holds no state dict: a dictionary of tensors, by name, was expected")


def _item(dtype: str) -> np.dtype:
    return np.dtype("uint16" if dtype == "bfloat16" else dtype)


def _values(view: View, fetch: _Fetch, byte_order: _ByteOrder) -> np.ndarray:
    item = _item(view.storage.dtype)
    count = extent(view.shape, view.strides)
    raw = fetch(view.storage, view.offset * item.itemsize, count * item.itemsize)
    if len(raw) != count * item.itemsize:
        raise Fault("is truncated")
    flat = np.frombuffer(raw, item.newbyteorder(byte_order))
    if view.storage.dtype == "bfloat16":  # the upper half of a float32
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    strides = tuple(step * flat.itemsize for step in view.strides)
    return np.lib.stride_tricks.as_strided(flat, view.shape, strides, writeable=False)
