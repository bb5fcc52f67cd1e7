"""The weights of a network that paints in one pass, and jnst's HDF5 file of them. No JAX."""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jnst._checks import check_choice
from jnst.nn.array_files import array_faults, read_arrays, write_arrays

KIND = "painter"
OUTPUTS = ("sigmoid", "linear")


class Layer(NamedTuple):
    """A convolution of the network.

    Attributes:
      name: of its arrays.
      size: of its kernel.
      before, after: its channels.
      stride: 2 halves height and width.
      doubles: height and width are doubled before it.
    """

    name: str
    size: int
    before: int
    after: int
    stride: int = 1
    doubles: bool = False

    @property
    def begins_block(self) -> bool:
        """Whether it is the first convolution of a residual block."""
        return self.name.startswith("res") and self.name.endswith("a")

    @property
    def ends_block(self) -> bool:
        """Whether it is the second, to whose output the block's input is added."""
        return self.name.startswith("res") and self.name.endswith("b")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """What the network is made of; hashable.

    Attributes:
      channels: at the picture's size, half and a quarter of it.
      residuals: blocks of two convolutions at a quarter of the size.
      epsilon: added to variances under the root, so that flat parts are not blown up.
      output: what the last convolution passes through; `"linear"` is nothing.
    """

    channels: tuple[int, int, int] = (16, 32, 64)
    residuals: int = 5
    epsilon: float = 1e-3
    output: str = "sigmoid"

    def layers(self) -> list[Layer]:
        """The convolutions in their order; the last one is not normalised.

        >>> [layer.name for layer in Architecture(residuals=1).layers()]
        ['in1', 'in2', 'in3', 'res1a', 'res1b', 'up1', 'up2', 'out']
        """
        one, two, three = self.channels
        blocks = [
            Layer(f"res{number}{half}", 3, three, three)
            for number in range(1, self.residuals + 1)
            for half in "ab"
        ]
        return [
            Layer("in1", 9, 3, one),
            Layer("in2", 3, one, two, stride=2),
            Layer("in3", 3, two, three, stride=2),
            *blocks,
            Layer("up1", 3, three, two, doubles=True),
            Layer("up2", 3, two, one, doubles=True),
            Layer("out", 9, one, 3),
        ]

    def shapes(self, styles: int) -> dict[str, tuple[int, ...]]:
        """The shape of every array by its name: kernels, and a scale and a shift for each style."""
        shapes: dict[str, tuple[int, ...]] = {}
        *normalised, last = self.layers()
        for layer in normalised:
            shapes[f"{layer.name}/kernel"] = layer.size, layer.size, layer.before, layer.after
            shapes[f"{layer.name}/scale"] = shapes[f"{layer.name}/shift"] = styles, layer.after
        shapes[f"{last.name}/kernel"] = last.size, last.size, last.before, last.after
        shapes[f"{last.name}/bias"] = (last.after,)
        return shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class PainterWeights:
    """A network in memory.

    Attributes:
      arrays: by the names of `Architecture.shapes`, float32.
      styles: the names of its styles.
      architecture: what it is made of.
      facts: anything that JSON can hold about how it was made, its source and its licence.
    """

    arrays: dict[str, np.ndarray]
    styles: tuple[str, ...]
    architecture: Architecture = Architecture()
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def write_painter(path: str | os.PathLike[str], weights: PainterWeights) -> None:
    """Write jnst's HDF5 file, whole or not at all; raises OSError where it cannot be written."""
    facts = {
        "styles": json.dumps(list(weights.styles)),
        "architecture": json.dumps(dataclasses.asdict(weights.architecture)),
        "facts": json.dumps(dict(weights.facts)),
    }
    write_arrays(path, KIND, weights.arrays, facts)


def read_painter(path: str | os.PathLike[str]) -> PainterWeights:
    """Read jnst's HDF5 file; raises ValueError that names it and everything wrong with it."""
    arrays, attributes = read_arrays(path, KIND)
    try:
        styles = tuple(map(str, json.loads(attributes["styles"])))
        found = json.loads(attributes["architecture"])
        one, two, three = map(int, found.pop("channels"))
        architecture = Architecture(channels=(one, two, three), **found)
        check_choice("output", architecture.output, OUTPUTS)
        shapes = architecture.shapes(len(styles))
        facts = dict(json.loads(attributes["facts"]))
        if not styles:
            raise ValueError("it has no styles")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error})") from None
    if faults := array_faults(arrays, shapes):
        raise ValueError(f"{path} is damaged: {faults}")
    return PainterWeights(
        arrays={name: arrays[name] for name in shapes},
        styles=styles,
        architecture=architecture,
        facts=facts,
    )
