"""What every kind of weight file is read into: tensors by name that are not in memory yet."""

import dataclasses
from collections.abc import Callable

import numpy as np

FLOATS = ("float16", "bfloat16", "float32", "float64")
"""The element types that weights may have."""


class Fault(ValueError):
    """What is wrong with a file, as the rest of a sentence that begins with the file's name."""


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor in a file.

    Attributes:
      shape: as the file states it.
      dtype: its element type by NumPy's name, or `"bfloat16"`.
      read: fetches the values, bfloat16 as float32; raises `Fault` where the file is damaged.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]
