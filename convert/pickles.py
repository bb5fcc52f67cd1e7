"""The pickles inside PyTorch's files, read without PyTorch and without running anything in them.

A pickle is a small program that may call whatever it names. Here it can name only what a state
dict is made of, and each name stands for an inert substitute: tensors come out as `View`s, which
say where their elements lie.

What the names mean is documented in PyTorch's `torch/_utils.py` and `torch/serialization.py`.
"""

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import IO, Any, NamedTuple

from jnst.convert.tensors import Fault

STORAGES = {
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.FloatStorage": "float32",
    "torch.DoubleStorage": "float64",
    "torch.BoolStorage": "bool",
    "torch.ByteStorage": "uint8",
    "torch.CharStorage": "int8",
    "torch.ShortStorage": "int16",
    "torch.IntStorage": "int32",
    "torch.LongStorage": "int64",
}
"""PyTorch's storage classes and their element types."""

LONGEST = 1 << 24
"""Bytes that a pickle may have. A state dict needs about a hundred a tensor."""

_REFUSED = ("EXT1", "EXT2", "EXT4", "BYTEARRAY8", "NEXT_BUFFER", "READONLY_BUFFER")

# Everything that a damaged pickle has been seen to raise, or that an opcode is documented to.
_DAMAGE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    Warning,  # of odd escapes in strings, where warnings are errors
)


# The stand-ins are named tuples, since those have no attributes that a pickle's BUILD could set.
class Storage(NamedTuple):
    """A run of elements in the file, under its key."""

    key: str
    dtype: str
    length: int


class Slice(NamedTuple):
    """A storage, or the part of it that legacy files call a view."""

    storage: Storage
    start: int
    length: int


class View(NamedTuple):
    """A tensor: a window onto a storage. Offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Global(NamedTuple):
    """A name in a pickle, and what calling it means."""

    name: str

    def __call__(self, *args: Any) -> Any:
        """Do what the name stands for, if it is one of the few that a state dict needs."""
        if self.name not in _CALLS:
            raise Fault(f"is not a state dict: it calls {self.name}")
        return _CALLS[self.name](*args)


class Dictionary(dict[Any, Any]):
    """Stands for an OrderedDict; the attributes that a pickle sets on one are dropped."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """State dicts carry `_metadata`, the versions of their modules, in this way."""


def _tensor(part: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> View:
    if not isinstance(part, Slice) or not _counts((offset,), shape, strides):
        raise Fault("holds a malformed tensor")
    if len(shape) != len(strides):
        raise Fault(f"holds a tensor with {len(shape)} sizes and {len(strides)} strides")
    if offset + extent(shape, strides) > part.length:
        raise Fault(
            f"holds a tensor of shape {tuple(shape)} that reaches beyond its storage "
            f"of {part.length} elements"
        )
    return View(part.storage, part.start + offset, tuple(shape), tuple(strides))


def _parameter(tensor: Any, *_: Any) -> View:
    if not isinstance(tensor, View):
        raise Fault("holds a malformed parameter")
    return tensor


_CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": Dictionary,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
}


def extent(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """How many elements lie between a tensor's first and last, both counted."""
    if 0 in shape:
        return 0
    return 1 + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))


def _counts(*groups: Any) -> bool:
    return all(
        isinstance(group, (tuple, list)) and all(type(n) is int and 0 <= n < 2**63 for n in group)
        for group in groups
    )


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], storages: dict[str, Storage]):
        super().__init__(file, encoding="utf-8")
        self._storages = storages

    def find_class(self, module: str, name: str) -> Global:
        full = f"{module}.{name}"
        if full not in _CALLS and full not in STORAGES:
            raise Fault(
                f"names {full}, which is refused: only tensors in plain dictionaries are read, and "
                "nothing in a file is run (of a whole model, save its state_dict() instead)"
            )
        return Global(full)

    def persistent_load(self, pid: Any) -> Slice:
        match pid:
            case ("storage", Global(name), str(key), _, length, *view) if name in STORAGES:
                storage = Storage(key, STORAGES[name], length)
            case _:
                raise Fault("holds a malformed storage")
        match view:
            case [] | [None]:
                start, count = 0, length
            case [(_, start, count)]:
                pass
            case _:
                raise Fault("holds a malformed storage")
        if not _counts((length, start, count)) or start + count > length:
            raise Fault(f"holds a storage {key} of impossible size")
        if self._storages.setdefault(key, storage) != storage:
            raise Fault(f"describes its storage {key} twice, and differently")
        return Slice(storage, start, count)


def unpickle(file: IO[bytes], storages: dict[str, Storage] | None = None) -> Any:
    """The next object in `file`, with a `View` for every tensor.

    Args:
      file: open at the start of a pickle; left at its end.
      storages: filled with every storage that the object refers to, by key.

    Raises:
      Fault: for a damaged pickle, or one that names anything but tensors and dictionaries.
    """
    try:
        return _Unpickler(_checked(file), {} if storages is None else storages).load()
    except Fault:
        raise
    except _DAMAGE as error:
        raise Fault(f"is damaged or truncated: {str(error) or type(error).__name__}") from None


def _checked(file: IO[bytes]) -> io.BytesIO:
    """The pickle that begins here, alone, once no opcode in it can do harm before it fails.

    The extension registry would get round `find_class`; the buffers of protocol 5 are of no use
    here; and Python sets aside memory for the highest memo index that a pickle mentions.
    """
    start = file.tell()
    pickled = io.BytesIO(file.read(LONGEST))
    arg: Any
    for opcode, arg, _ in pickletools.genops(pickled):  # up to STOP, or it raises
        if opcode.name in _REFUSED:
            raise Fault(f"is not a state dict: its pickle uses {opcode.name}")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= arg <= pickled.tell():
            raise Fault(f"is damaged: its pickle has an impossible memo index {arg}")
    file.seek(start + pickled.tell())
    pickled.truncate()
    pickled.seek(0)
    return pickled
