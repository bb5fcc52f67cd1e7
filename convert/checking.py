"""The tensors of a file against the shapes that a network needs: all faults in one message."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from jnst._files import sha256_of
from jnst.convert.tensors import FLOATS, Fault, Tensor

LISTED = 8
"""How many keys a message lists of each kind of fault."""


def read_tensors(
    what: str, shapes: Mapping[str, tuple[int, ...]], tensors: Mapping[str, Tensor]
) -> dict[str, np.ndarray]:
    """Read tensors as float32.

    Args:
      what: the file should hold, for messages.
      shapes: of every tensor that is wanted, by its key.
      tensors: of the file; there may be no others.

    Raises:
      Fault: tells everything that is missing, unexpected or otherwise wrong.
    """
    faults: dict[str, list[str]] = {
        "missing": [key for key in shapes if key not in tensors],
        "unexpected": [key for key in tensors if key not in shapes],
        "misshapen": [],
        "not floating point": [],
        "not finite": [],
    }
    arrays = {}
    for key, shape in shapes.items():
        tensor = tensors.get(key)
        if tensor is None:
            continue
        if tensor.shape != shape:
            faults["misshapen"].append(f"{key} {tensor.shape} instead of {shape}")
        elif tensor.dtype not in FLOATS:
            faults["not floating point"].append(f"{key} {tensor.dtype}")
        else:
            with np.errstate(over="ignore"):  # a float64 beyond float32 is found right below
                arrays[key] = tensor.read().astype(np.float32)
            if not np.isfinite(arrays[key]).all():
                faults["not finite"].append(key)
    if any(faults.values()):
        told = "; ".join(f"{kind}: {listed(keys)}" for kind, keys in faults.items() if keys)
        raise Fault(f"is no whole {what}; {told}")
    return arrays


def listed(keys: Collection[str]) -> str:
    """The first `LISTED` keys, and how many more there are."""
    first = ", ".join(list(keys)[:LISTED])
    return f"{first} and {len(keys) - LISTED} more" if len(keys) > LISTED else first


def hash_of(path: Path) -> str:
    """The file's sha256 in hex; raises Fault where it cannot be read."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise Fault(f"cannot be read: {error.strerror}") from None
