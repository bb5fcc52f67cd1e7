"""Any weight file -> its tensors by name. The content decides what it is, not the suffix."""

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from jnst._files import not_a_file
from jnst.convert.tensors import Fault, Tensor
from jnst.convert.torch_files import read_legacy, read_zip
from jnst.nn.array_files import PREFIX

_SAFETENSORS_TYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}

# What h5py raises for damaged files, each kind seen on cut or garbled ones.
_HDF5_DAMAGE = (OSError, RuntimeError, LookupError, TypeError, ValueError)


@contextlib.contextmanager
def open_source(path: Path) -> Iterator[dict[str, Tensor]]:
    """The tensors of a weight file, which can be read for as long as the block lasts.

    Args:
      path: a `torch.save` file of either format, a safetensors file, or an HDF5 file.

    Raises:
      Fault: for anything else, a damaged file, or one that cannot be opened.
    """
    if path.is_dir():
        raise Fault("is a folder; give the name of a file")
    if why := not_a_file(path):
        raise Fault(why)
    try:
        size = path.stat().st_size
        file = path.open("rb")
    except FileNotFoundError:
        raise Fault("does not exist") from None
    except OSError as error:
        raise Fault(f"cannot be read: {error.strerror}") from None
    with file:
        head = file.read(512)
        file.seek(0)
        if head.startswith(b"\x80"):
            yield read_legacy(file, size)
        elif head.startswith(b"PK"):
            yield read_zip(file)
        elif head.startswith(b"\x89HDF\r\n\x1a\n"):
            with _hdf5(path) as tensors:
                yield tensors
        elif head[8:9] == b"{":
            with _safetensors(path) as tensors:
                yield tensors
        else:
            raise Fault(_unknown(head))


@contextlib.contextmanager
def read_source(path: Path) -> Iterator[dict[str, Tensor]]:
    """As `open_source`, for a block whose faults are told to users.

    Raises:
      ValueError: for any `Fault` in the block; it names the file.
    """
    try:
        with open_source(path) as tensors:
            yield tensors
    except Fault as fault:
        raise ValueError(f"{path} {fault}") from None


def _unknown(head: bytes) -> str:
    if not head:
        return "is empty"
    if head[257:262] == b"ustar":
        return "is a tar file, as PyTorch wrote before 0.1.10; load and save it with a newer one"
    if head.lstrip()[:1] == b"<":
        return "is a web page, not a weight file; download it again"
    if head.startswith(b"version https://git-lfs"):
        return "is a pointer to a Git LFS file; fetch the file itself with `git lfs pull`"
    return "is neither a PyTorch, nor a safetensors, nor an HDF5 file"


@contextlib.contextmanager
def _hdf5(path: Path) -> Iterator[dict[str, Tensor]]:
    tensors: dict[str, Tensor] = {}

    def collect(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            read = functools.partial(_hdf5_values, item)
            tensors[name] = Tensor(tuple(item.shape or ()), item.dtype.name, read)

    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(h5py.File(path, "r"))
            own = str(file.attrs.get("format")).startswith(PREFIX)
            file.visititems(collect)
        except _HDF5_DAMAGE as error:
            raise Fault(f"is a damaged or truncated HDF5 file: {error}") from None
        if own:
            raise Fault("is in jnst's own format already; it needs no conversion")
        yield tensors


def _hdf5_values(dataset: h5py.Dataset) -> np.ndarray:
    try:
        return np.asarray(dataset[...])
    except _HDF5_DAMAGE as error:
        raise Fault(f"is a damaged or truncated HDF5 file: {error}") from None


@contextlib.contextmanager
def _safetensors(path: Path) -> Iterator[dict[str, Tensor]]:
    try:
        import ml_dtypes  # noqa: F401 - with it NumPy has bfloat16, which safetensors asks for
        import safetensors
    except ImportError:
        raise Fault(
            'is a safetensors file, which needs a library more: pip install "jnst[safetensors]"'
        ) from None
    tensors = {}
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(safetensors.safe_open(os.fspath(path), framework="numpy"))
            for key in sorted(file.keys()):
                entry = file.get_slice(key)
                dtype = _SAFETENSORS_TYPES.get(entry.get_dtype(), entry.get_dtype())
                read = functools.partial(file.get_tensor, key)
                tensors[key] = Tensor(tuple(entry.get_shape()), dtype, read)
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise Fault(f"is a damaged or truncated safetensors file: {error}") from None
        yield tensors
