"""A PyTorch file of AdaIN's decoder -> `DecoderWeights`."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from jnst.convert.checking import hash_of, read_tensors
from jnst.convert.layouts import OIHW, best_layout, without_prefixes
from jnst.convert.sources import read_source
from jnst.nn.decoder_file import DecoderWeights, decoder_convolutions

POSITIONS = (1, 5, 8, 11, 14, 18, 21, 25, 28)
"""Where its convolutions stand among all layers of the published module."""


def is_decoder(keys: Iterable[str]) -> bool:
    """Whether the names of tensors are a decoder's, rather than those of a VGG network."""
    names = without_prefixes(keys)
    wanted = {f"{n}.{part}" for n in POSITIONS for part in ("weight", "bias")}
    layout = best_layout(names)
    of_network = len(layout.used() & names.keys()) if layout else 0
    return len(wanted & names.keys()) > max(of_network, len(wanted) // 2)


def read_decoder_source(source: str | os.PathLike[str]) -> DecoderWeights:
    """Read AdaIN's decoder from a state dict of PyTorch; nothing in the file is run.

    Args:
      source: the file.

    Raises:
      ValueError: for a file that is missing, damaged or no such decoder; it is named.
    """
    path = Path(source)
    shapes: dict[str, tuple[int, ...]] = {}
    for number, (before, after) in zip(POSITIONS, decoder_convolutions(), strict=True):
        shapes |= {f"{number}.weight": (after, before, 3, 3), f"{number}.bias": (after,)}
    with read_source(path) as tensors:
        named = {name: tensors[key] for name, key in without_prefixes(tensors).items()}
        arrays = read_tensors("decoder of AdaIN", shapes, named)
        sha256 = hash_of(path)
    layers = [
        (np.ascontiguousarray(arrays[f"{n}.weight"].transpose(OIHW)), arrays[f"{n}.bias"])
        for n in POSITIONS
    ]
    return DecoderWeights(layers=tuple(layers), source=path.name, sha256=sha256)
