"""The networks that come along, found by name, and those of files. No JAX."""

import dataclasses
import functools
import os
from pathlib import Path
from typing import NamedTuple

from jnst._checks import near_match
from jnst.nn.painter_file import PainterWeights, read_painter

FOLDER = Path(__file__).parent / "networks"
"""Of the networks that come along, each for one or several styles."""


class Found(NamedTuple):
    """A network's file, and which of its styles is wanted; None: all of them."""

    path: Path
    style: str | None


def bundled() -> dict[str, Found]:
    """{name: what it stands for} of every network that comes along, and of every style in them."""
    return {
        name: found
        for path in sorted(FOLDER.glob("*.h5"))
        for name, found in _names_in(path).items()
    }


@functools.cache
def _names_in(path: Path) -> dict[str, Found]:
    styles = read_painter(path).styles
    return {path.stem: Found(path, None), **{style: Found(path, style) for style in styles}}


def find_painter(name: str | os.PathLike[str]) -> Found:
    """The file of this name, else the network or the style of this name that comes along.

    Raises:
      ValueError: where there is neither; it says what there is.
    """
    if Path(name).exists() or Path(name).suffix:
        return Found(Path(name), None)
    known = bundled()
    if found := known.get(str(name)):
        return found
    there = f"; networks that come along: {', '.join(known)}" if known else ""
    raise ValueError(f"there is no network {name}{near_match(str(name), tuple(known))}{there}")


def open_painter(found: Found) -> PainterWeights:
    """Read a network, with the wanted style only; raises ValueError for any other file."""
    weights = read_painter(found.path)
    if found.style is None:
        return weights
    number = weights.styles.index(found.style)
    arrays = {
        name: array[number : number + 1] if name.endswith(("/scale", "/shift")) else array
        for name, array in weights.arrays.items()
    }
    return dataclasses.replace(weights, arrays=arrays, styles=(found.style,))
