"""VGG networks with the layers of the real ones and few channels, for tests to be quick."""

import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np

from jnst.nn.blocks import NETWORKS, Blocks, convolutions
from jnst.nn.decoder_file import DecoderWeights, decoder_convolutions
from jnst.nn.loading import make_vgg
from jnst.nn.vgg import VGG
from jnst.nn.weights import Weights, write_weights

TINY: dict[str, Blocks] = {
    "vgg16": ((2, 4), (2, 6), (3, 8), (3, 10), (3, 10)),
    "vgg19": ((2, 4), (2, 6), (4, 8), (4, 10), (4, 10)),
}
"""Blocks with as many convolutions as the network of that name has."""


def tiny_weights(seed: int = 0, *, network: str = "vgg19", lineage: str = "torchvision") -> Weights:
    """He's random weights, with which features stay of order 1, the same on any machine."""
    random = np.random.default_rng(seed)
    layers = {}
    for name, (before, after) in convolutions(TINY[network]).items():
        kernel = random.standard_normal((3, 3, before, after), np.float32)
        bias = 0.1 * random.standard_normal(after, np.float32)
        layers[name] = kernel * np.float32((2 / (9 * before)) ** 0.5), bias
    return Weights(
        layers=layers,
        lineage=lineage,
        source=f"tiny-{network}-{seed}",
        sha256=hashlib.sha256(f"{network} {seed}".encode()).hexdigest(),
        blocks=TINY[network],
    )


def tiny_vgg(seed: int = 0, *, network: str = "vgg19", **options: str) -> VGG:
    """A network of these weights, in float32 and convolved directly unless options say else."""
    return make_vgg(tiny_weights(seed, network=network), **{"precision": "highest", **options})


def write_tiny_weights(path: str | os.PathLike[str], seed: int = 0) -> Path:
    """Write a weights file for `--weights` and `JNST_WEIGHTS`, of 19 kB."""
    write_weights(path, tiny_weights(seed))
    return Path(path)


def shrink_networks(monkeypatch) -> None:
    """Give VGG-16 and VGG-19 few channels, where files are written, read and converted."""
    for name, blocks in TINY.items():
        monkeypatch.setitem(NETWORKS, name, dataclasses.replace(NETWORKS[name], blocks=blocks))


def tiny_decoder(seed: int = 0) -> DecoderWeights:
    """A decoder of random weights for `tiny_weights(0)`; it paints around a middle grey."""
    random = np.random.default_rng(seed)
    channels = tuple(count for _, count in TINY["vgg19"][:4])
    layers = []
    for before, after in decoder_convolutions(channels):
        kernel = random.standard_normal((3, 3, before, after), np.float32)
        bias = np.full(after, 0.5 if after == 3 else 0.1, np.float32)
        size = (0.2 if after == 3 else 2) / (9 * before)
        layers.append((kernel * np.float32(size**0.5), bias))
    return DecoderWeights(
        layers=tuple(layers),
        source=f"tiny-decoder-{seed}",
        sha256=hashlib.sha256(f"decoder {seed}".encode()).hexdigest(),
        encoder=tiny_weights().sha256,
        channels=channels,
    )
