"""The decoder of AdaIN: from VGG-19's features at relu4_1 back to a picture.

Huang and Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization",
2017, https://arxiv.org/abs/1703.06868: the encoder mirrored, nearest neighbours in place of
pooling, the border mirrored in place of zeros.
"""

import dataclasses
from collections.abc import Sequence

import jax
from jaxtyping import Array, Float

from jnst.nn.decoder_file import UPSAMPLED, DecoderWeights
from jnst.nn.reflecting import Convolution, doubled, make_convolution


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoder:
    """Nine convolutions, ReLUs between them, and three times twice the size.

    Attributes:
      convolutions: in their order.
    """

    convolutions: Sequence[Convolution]

    def __call__(self, features: Float[Array, "*batch h w C"]) -> Float[Array, "*batch H W 3"]:
        """The picture of these features: sRGB, nominally in [0, 1], of eight times their size."""
        x = features
        last = len(self.convolutions) - 1
        for number, convolution in enumerate(self.convolutions):
            x = convolution(x)
            if number < last:
                x = jax.nn.relu(x)
            if number in UPSAMPLED:
                x = doubled(x)
        return x


def make_decoder(weights: DecoderWeights, *, fast: bool = False) -> Decoder:
    """Make the decoder with these weights; `fast` as for `make_convolution`."""
    made = [make_convolution(kernel, bias, fast=fast) for kernel, bias in weights.layers]
    return Decoder(convolutions=tuple(made))
