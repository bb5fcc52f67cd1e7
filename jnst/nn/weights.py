"""The weights of VGG networks, and the HDF5 file that jnst keeps them in. No JAX is needed."""

import dataclasses
import os

import h5py
import numpy as np

from jnst._checks import check_choice
from jnst._files import atomic_write
from jnst.nn.blocks import (
    CUSTOM,
    NETWORKS,
    VGG19_BLOCKS,
    Blocks,
    blocks_to,
    check_blocks,
    convolutions,
    network_name,
    network_title,
)
from jnst.nn.lineages import LINEAGES

FORMAT = "jnst-weights"
VERSION = 2
FIRST_FORMAT = "jnst-vgg19"
"""The format of version 1, which held VGG-19 only and did not name it."""
FORMATS = (FORMAT, FIRST_FORMAT)
DTYPES = ("float32", "float16")
"""What a file may hold; float16 takes half the room and rounds weights by up to 0.05 %."""
LICENCE = "CC BY 4.0"
ATTRIBUTION = (
    "{} weights by Karen Simonyan and Andrew Zisserman, Visual Geometry Group, University of "
    "Oxford, https://www.robots.ox.ac.uk/~vgg/research/very_deep/, CC BY 4.0; converted by jnst."
)

_Layers = dict[str, tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """The convolutions of a VGG network in memory, and where they come from.

    Attributes:
      layers: {name: (kernel, bias)} for each of `jnst.nn.blocks.convolutions(blocks)`, float32, the
        kernel (3, 3, in, out) with conv1_1 for RGB input.
      lineage: a key of `jnst.nn.lineages.LINEAGES`, which holds the preprocessing.
      source: the name of the file that the weights were read from.
      sha256: the hash of that file, in hex.
      blocks: (convolutions, channels) of each block.
    """

    layers: _Layers
    lineage: str
    source: str
    sha256: str
    blocks: Blocks = VGG19_BLOCKS

    @property
    def network(self) -> str:
        """A key of `jnst.nn.blocks.NETWORKS`, or `CUSTOM`."""
        return network_name(self.blocks)

    @property
    def title(self) -> str:
        """What messages call the network: VGG-19."""
        return network_title(self.network)

    def up_to(self, layer: str, *, name: str = "layer") -> "Weights":
        """The same without what is deeper than a convolution; `name` is what messages call it.

        Raises:
          ValueError: for anything but one of the network's convolutions.
        """
        check_choice(name, layer, tuple(convolutions(self.blocks)))
        blocks = blocks_to(self.blocks, layer)
        layers = {name: self.layers[name] for name in convolutions(blocks)}
        return dataclasses.replace(self, layers=layers, blocks=blocks)


def write_weights(path: str | os.PathLike[str], weights: Weights, dtype: str = "float32") -> None:
    """Write jnst's HDF5 file: a group a layer with `kernel` and `bias`, attributes on the root.

    The same weights make the same bytes.

    Args:
      path: of the file, which is replaced where it exists.
      weights: what is written.
      dtype: one of `DTYPES`.

    Raises:
      ValueError: for another dtype, or weights beyond its range.
      OSError: for a file that cannot be written; nothing is left then.
    """
    check_choice("dtype", dtype, DTYPES)
    lineage = LINEAGES[weights.lineage]
    if dtype != "float32":
        largest = max(np.abs(array).max() for layer in weights.layers.values() for array in layer)
        if largest > np.finfo(dtype).max:
            raise ValueError(f"weights up to {largest:.3g} do not fit in {dtype}; keep float32")
    with atomic_write(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        file.attrs["format"] = FORMAT
        file.attrs["version"] = VERSION
        file.attrs["network"] = weights.network
        file.attrs["blocks"] = np.array(weights.blocks, np.int64)
        file.attrs["lineage"] = weights.lineage
        file.attrs["mean"] = np.array(lineage.mean)
        file.attrs["std"] = np.array(lineage.std)
        file.attrs["source"] = weights.source
        file.attrs["sha256"] = weights.sha256
        file.attrs["licence"] = LICENCE
        file.attrs["attribution"] = ATTRIBUTION.format(weights.title)
        for name in convolutions(weights.blocks):
            kernel, bias = weights.layers[name]
            group = file.create_group(name)
            group["kernel"] = np.ascontiguousarray(kernel, dtype)
            group["bias"] = np.ascontiguousarray(bias, dtype)


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Read jnst's HDF5 file, of this version or the first one.

    Args:
      path: of the file.

    Raises:
      ValueError: names the file and everything that is wrong with it.
    """
    layers: _Layers = {}
    try:
        with h5py.File(path, "r") as file:
            attributes = dict(file.attrs)
            blocks = _blocks(path, attributes)
            for name in convolutions(blocks):
                group = file[name]
                layers[name] = _widened(group["kernel"]), _widened(group["bias"])
    except _Refused:
        raise
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise ValueError(
            f"weights file {path} is damaged ({error}); convert the weights again"
        ) from error
    lineage, source, sha256 = (str(attributes.get(n)) for n in ("lineage", "source", "sha256"))
    check_choice(f"the lineage in {path}", lineage, LINEAGES)
    if faults := _faults(layers, blocks):
        raise ValueError(f"weights file {path} is damaged: {'; '.join(faults)}")
    return Weights(layers=layers, lineage=lineage, source=source, sha256=sha256, blocks=blocks)


class _Refused(ValueError):
    """A file whose attributes are whole and say that it is not for this reader."""


def _blocks(path: str | os.PathLike[str], attributes: dict[str, object]) -> Blocks:
    """The blocks that a file declares, which are those of its network; raises _Refused."""
    form, version = str(attributes.get("format")), str(attributes.get("version"))
    if form not in FORMATS:
        raise _Refused(
            f"{path} is not a weights file of jnst; `jnst convert {path}` makes one of it"
        )
    if version != ("1" if form == FIRST_FORMAT else str(VERSION)):
        raise _Refused(
            f"{path} has format version {version}, and this jnst reads versions 1 to {VERSION}; "
            "convert the weights again"
        )
    if form == FIRST_FORMAT:
        return VGG19_BLOCKS
    network, declared = attributes.get("network"), attributes.get("blocks")
    try:
        check_choice(f"the network in {path}", network, (*NETWORKS, CUSTOM))
        blocks = check_blocks(f"the blocks in {path}", declared)
    except ValueError as error:
        raise _Refused(f"{error}; convert the weights again") from None
    if network_name(blocks) != network:
        raise _Refused(
            f"weights file {path} is damaged: its blocks are {blocks}, not those of {network}"
        )
    return blocks


def _widened(stored: h5py.Dataset) -> np.ndarray:
    """The array, in float32 where it was kept in float16."""
    array = np.asarray(stored)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _faults(layers: _Layers, blocks: Blocks) -> list[str]:
    """Every array of a wrong type or shape, or with values that are not finite, in words."""
    faults = []
    for name, (before, after) in convolutions(blocks).items():
        for part, array, wanted in zip(
            ("kernel", "bias"), layers[name], ((3, 3, before, after), (after,)), strict=True
        ):
            if array.dtype != np.float32:
                faults.append(f"{name}/{part} holds {array.dtype}, not float32")
            elif array.shape != wanted:
                faults.append(f"{name}/{part} has the shape {array.shape}, not {wanted}")
            elif not np.isfinite(array).all():
                faults.append(f"{name}/{part} holds NaN or infinite values")
    return faults


def is_weights_file(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is in jnst's format, of any version; its content is not checked."""
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("format")) in FORMATS
    except OSError:  # not HDF5, or damaged
        return False
