"""Networks other than VGG as HDF5 files of jnst's: named arrays, and facts about them. No JAX."""

import os
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from jnst._files import atomic_write

PREFIX = "jnst-"
VERSION = 1
TITLES = {
    "weights": "a VGG network",
    "vgg19": "a VGG network",
    "decoder": "a decoder of AdaIN",
    "painter": "a trained network",
}
"""What messages call what a file holds, by its kind."""
_DAMAGE = (OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError)

Arrays = dict[str, np.ndarray]


def write_arrays(
    path: str | os.PathLike[str],
    kind: str,
    arrays: Mapping[str, np.ndarray],
    facts: Mapping[str, Any],
) -> None:
    """Write a file, whole or not at all; the same content makes the same bytes.

    Args:
      path: of the file, which is replaced where it exists.
      kind: of the network, as in `"decoder"`.
      arrays: by name; a name may hold slashes.
      facts: attributes of the file, as HDF5 can hold them.

    Raises:
      OSError: for a file that cannot be written; nothing is left then.
    """
    with atomic_write(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        file.attrs["format"] = PREFIX + kind
        file.attrs["version"] = VERSION
        for name, fact in facts.items():
            file.attrs[name] = fact
        for name, array in arrays.items():
            file[name] = np.ascontiguousarray(array)


def read_arrays(path: str | os.PathLike[str], kind: str) -> tuple[Arrays, dict[str, Any]]:
    """Read a file of `write_arrays`: its arrays by name, and its facts.

    Raises:
      ValueError: for a file that is missing, damaged or of another kind or version; it is named.
    """
    if not os.path.exists(path):
        raise ValueError(f"{path} does not exist")
    if (found := kind_of(path)) != kind:
        what = f"holds {TITLES[found]}" if found else "is no file of a network of jnst's"
        raise ValueError(f"{path} {what}, and {TITLES[kind]} is wanted")
    arrays: Arrays = {}

    def collect(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = np.asarray(item)

    try:
        with h5py.File(path, "r") as file:
            facts = dict(file.attrs)
            file.visititems(collect)
    except _DAMAGE as error:
        raise ValueError(f"{path} is damaged ({error})") from error
    if facts.get("version") != VERSION:
        raise ValueError(
            f"{path} has format version {facts.get('version')}, and this jnst reads {VERSION}"
        )
    return arrays, facts


def kind_of(path: str | os.PathLike[str]) -> str:
    """What network a file of jnst's holds; an empty text for any other file."""
    try:
        with h5py.File(path, "r") as file:
            form = str(file.attrs.get("format"))
    except OSError:  # not HDF5, or damaged
        return ""
    kind = form.removeprefix(PREFIX)
    return kind if form.startswith(PREFIX) and kind in TITLES else ""


def array_faults(arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """What is wrong with arrays of which these shapes are wanted, in words; empty if nothing."""
    faults = [f"{name} is missing" for name in shapes if name not in arrays]
    for name, shape in shapes.items():
        array = arrays.get(name)
        if array is None:
            continue
        if array.dtype != np.float32:
            faults.append(f"{name} holds {array.dtype}, not float32")
        elif array.shape != shape:
            faults.append(f"{name} has the shape {array.shape}, not {shape}")
        elif not np.isfinite(array).all():
            faults.append(f"{name} holds NaN or infinite values")
    return "; ".join(faults)
