"""AdaIN: any painting in one pass, by an encoder, matched statistics and a trained decoder.

Huang and Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization",
2017, https://arxiv.org/abs/1703.06868. Departure: pictures of any size; where an edge is no
multiple of 8 px the picture is continued, mirrored, and what comes of that is cut off.
"""

import dataclasses
import os

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._checks import check_choice
from jnst.nn.blocks import convolutions
from jnst.nn.decoder import Decoder, make_decoder
from jnst.nn.decoder_discovery import find_decoder, find_encoder, open_decoder
from jnst.nn.decoder_file import DecoderWeights
from jnst.nn.loading import make_vgg
from jnst.nn.reflecting import mirrored_to
from jnst.nn.vgg import VGG
from jnst.nn.weights import Weights

LAYER = "relu4_1"
STRIDE = 8
"""Pixels of a position there."""
PRECISIONS = ("float32", "highest")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class AdaIN:
    """Encoder and decoder; a pytree of arrays. `jnst.fast` paints with it.

    Attributes:
      encoder: VGG-19 to relu4_1, its border mirrored.
      decoder: from there back to a picture.
    """

    encoder: VGG
    decoder: Decoder

    def features(
        self, image: Float[Array | np.ndarray, "*batch H W 3"]
    ) -> Float[Array, "*batch _h _w C"]:
        """The features of an image at relu4_1, of an eighth of its size, rounded up."""
        whole = mirrored_to(image, (STRIDE, STRIDE))
        return self.encoder(whole, (LAYER,))[LAYER]

    def picture(
        self, features: Float[Array, "*batch h w C"], shape: tuple[int, int]
    ) -> Float[Array, "*batch _H _W 3"]:
        """The picture of these features, cut to (height, width); nominally in [0, 1]."""
        height, width = shape
        return self.decoder(features)[..., :height, :width, :]


def at_positions(values: Float[Array, "H W *C"]) -> Float[Array, "h w *C"]:
    """What is given for every pixel, averaged over those of each position at relu4_1."""
    below, across = (-edge % STRIDE for edge in values.shape[:2])
    beyond = [(0, below), (0, across), *[(0, 0)] * (values.ndim - 2)]
    whole = jnp.pad(values, beyond, mode="edge")
    rows, columns = (edge // STRIDE for edge in whole.shape[:2])
    parts = whole.reshape(rows, STRIDE, columns, STRIDE, *whole.shape[2:])
    return jnp.mean(parts, axis=(1, 3))


def make_adain(encoder: Weights, decoder: DecoderWeights, *, precision: str = "float32") -> AdaIN:
    """Put the two together; `precision` as for `load_adain`."""
    check_choice("precision", precision, PRECISIONS)
    blocks = tuple(zip((2, 2, 4, 1), decoder.channels, strict=True))
    layers = {name: encoder.layers[name] for name in convolutions(blocks)}
    first = dataclasses.replace(encoder, layers=layers, blocks=blocks)
    fast = precision == "float32" and jax.default_backend() == "cpu"
    return AdaIN(
        encoder=make_vgg(first, padding="reflect", precision=precision),
        decoder=make_decoder(decoder, fast=fast),
    )


def load_adain(
    path: str | os.PathLike[str] | None = None,
    *,
    encoder: str | os.PathLike[str] | None = None,
    precision: str = "float32",
) -> AdaIN:
    """Load AdaIN with pretrained weights; nothing is downloaded.

    Args:
      path: the decoder's file, jnst's own HDF5 or PyTorch's; None: `adain.h5` in jnst's cache
        folder, where `jnst convert` puts it, else that of the extra `jnst[weights]`.
      encoder: the file of the VGG-19 that the decoder was trained for; None: it is looked for, as
        for `jnst.load_vgg19`, and in the extra.
      precision: `"float32"`, as fast as the device is with it, or `"highest"`, by the definition.

    Returns:
      The networks, ready for `jnst.fast`.

    Raises:
      ValueError: no weights, damaged or wrong ones, or an unknown precision.
    """
    weights = open_decoder(find_decoder(path))
    return make_adain(find_encoder(weights, encoder), weights, precision=precision)
