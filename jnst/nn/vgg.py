"""VGG as a Flax module: an image in, the features of its layers out.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014,
https://arxiv.org/abs/1409.1556, without the classifier.
"""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from jnst._checks import check_choice
from jnst.nn import winograd
from jnst.nn.blocks import VGG16_BLOCKS, VGG19_BLOCKS, Blocks, check_blocks, convolutions
from jnst.nn.few_channels import from_few_channels
from jnst.nn.geometry import vgg_geometry
from jnst.nn.lineages import LINEAGES
from jnst.nn.pooling import POOLINGS, pool
from jnst.nn.winograd import WINOGRAD_CHANNELS

LAYERS = vgg_geometry(VGG19_BLOCKS).layers
"""The names of VGG-19's layers, in the order of the network: conv1_1, relu1_1, …, pool5."""

PADDINGS = ("zeros", "replicate", "reflect")
_PAD_MODES = {"zeros": "constant", "replicate": "edge", "reflect": "reflect"}
PRECISIONS = ("auto", "highest", "float32", "bfloat16")


def choose_precision(precision: str, platform: str | None = None) -> str:
    """Resolve `"auto"` to what is fast and safe on a platform; return anything else as it is.

    Args:
      precision: one of `PRECISIONS`.
      platform: as JAX names it; None: the default backend's.

    Returns:
      For `"auto"`, `"bfloat16"` on GPUs and TPUs and `"float32"` elsewhere.

    Raises:
      ValueError: for an unknown precision.
    """
    check_choice("precision", precision, PRECISIONS)
    if precision != "auto":
        return precision
    return "bfloat16" if (platform or jax.default_backend()) in ("gpu", "tpu") else "float32"


class Constant(nnx.Variable):
    """An array that belongs to the weights and that nobody trains."""


class VGG(nnx.Module):
    """The convolutional part of a network of the VGG family; a `jnst.nn.backbone.Backbone`.

    Preprocessing belongs to the weights and so lives in the module: images go in as they are.

    Attributes:
      geometry: the layers, conv1_1, relu1_1, …, and what each sees of the image.
      pooling, padding, precision, lineage: as given; precision is never `"auto"`.
      winograd: whether it convolves as is fast on a processor; see `use_winograd`.
      keep_rows: whether images may be split over devices along their rows, so that no axis of the
        rows may be merged with another; see `for_sharding`.

    Args:
      blocks: (convolutions, channels) of each block.
      pooling: `"max"`, as the network was trained; `"average"`, which the paper prefers; or
        `"l2"`, the root of the mean of squares, which lies between the two.
      padding: what a convolution sees beyond the picture's border: `"zeros"`, as the network was
        trained, `"replicate"` or `"reflect"`.
      precision: of the features; all that follows from them (Gram matrices, losses) is float32.
        `"highest"`: float32 throughout, convolved by the definition. `"float32"`: as fast as the
        device is with it, which is TF32 on GPUs and, once `use_winograd` was called, Winograd's
        convolution on processors. `"bfloat16"`: half the memory. `"auto"`: see `choose_precision`.
      lineage: a key of `jnst.nn.lineages.LINEAGES`; its preprocessing is used.
      rngs: random streams for the initial weights, before real ones are loaded.

    Raises:
      ValueError: for unusable blocks, or an unknown pooling, padding, precision or lineage.
    """

    def __init__(
        self,
        blocks: Blocks,
        *,
        pooling: str = "max",
        padding: str = "zeros",
        precision: str = "auto",
        lineage: str = "torchvision",
        rngs: nnx.Rngs,
    ):
        blocks = check_blocks("blocks", blocks)
        check_choice("pooling", pooling, POOLINGS)
        check_choice("padding", padding, PADDINGS)
        check_choice("lineage", lineage, LINEAGES)
        self.geometry = vgg_geometry(blocks)
        self.pooling, self.padding, self.lineage = pooling, padding, lineage
        self.precision = choose_precision(precision)
        self.winograd = self.keep_rows = False
        dtype = jnp.bfloat16 if self.precision == "bfloat16" else jnp.float32
        mean, std = LINEAGES[lineage]
        self.mean = Constant(jnp.array(mean, jnp.float32))
        self.std = Constant(jnp.array(std, jnp.float32))
        for name, (before, after) in convolutions(blocks).items():
            conv = nnx.Conv(
                before,
                after,
                kernel_size=(3, 3),
                padding=1 if padding == "zeros" else "VALID",
                param_dtype=dtype,
                precision="highest" if self.precision == "highest" else None,
                kernel_init=nnx.initializers.he_normal(),
                rngs=rngs,
            )
            setattr(self, name, conv)

    def __call__(
        self, image: Float[Array | np.ndarray, "*batch H W 3"], layers: Iterable[str]
    ) -> dict[str, Float[Array, "*batch _h _w _c"]]:
        """Compute the features of `image` at `layers`, and nothing deeper.

        Args:
          image: sRGB in [0, 1], channels last, any leading axes.
          layers: names out of `geometry.layers`; `conv4_2` is before its ReLU, `relu4_2` after.

        Returns:
          The features by name, float32 or bfloat16. At block b, height and width are those of the
          image divided by 2^(b−1), rounded down.

        Raises:
          ValueError: for an unknown layer, or an image that is not (..., H, W, 3) or too small.
          TypeError: for an image of integers.

        >>> model = VGG19(rngs=nnx.Rngs(0))
        >>> features = model(jnp.zeros((32, 48, 3)), ["relu1_1", "conv4_2"])
        >>> {name: f.shape for name, f in features.items()}
        {'relu1_1': (32, 48, 64), 'conv4_2': (4, 6, 512)}
        """
        wanted = self.geometry.check_layers("layers", layers)
        if image.ndim < 3 or image.shape[-1] != 3:
            raise ValueError(f"image must have the shape (..., H, W, 3), got {image.shape}")
        names = self.geometry.layers[: self.geometry.depth_of(wanted)]
        if min(image.shape[-3:-1]) < self.geometry.stride_of(names[-1]):
            raise ValueError(f"image is too small for {names[-1]}, got {image.shape}")
        if not jnp.issubdtype(image.dtype, jnp.floating):
            raise TypeError(f"image must hold floats in [0, 1], got {image.dtype}")
        # float32 even where the program enables JAX's 64 bits, as the weights are.
        mean, std = (_of_channels(constant[...], image.ndim) for constant in (self.mean, self.std))
        x = (jnp.asarray(image, jnp.float32) - mean) / std
        if self.precision == "bfloat16":
            x = x.astype(jnp.bfloat16)
        features = {}
        for name in names:
            if name.startswith("conv"):
                x = self._convolve(getattr(self, name), x)
            elif name.startswith("relu"):
                x = jax.nn.relu(x)
            else:
                x = pool(x, self.pooling)
            if name in wanted:
                features[name] = x
        return features

    def use_winograd(self) -> None:
        """Convolve from now on as is fast on a processor.

        By Winograd's method, but for the three channels of the picture itself.

        The kernels are kept a second time, transformed, which takes 320 MB for VGG-19; those that
        are changed afterwards need another call.
        """
        self.winograd = True
        for conv in self._convolutions():
            if conv.in_features >= WINOGRAD_CHANNELS:
                conv.transformed = Constant(winograd.transform_kernel(conv.kernel[...]))

    def for_sharding(self) -> "VGG":
        """Copy the network for images that are split over devices along their rows.

        The copy convolves by the definition, which JAX splits too, while the tiles of Winograd's
        method would be sent about.
        """
        model = nnx.clone(self)
        model.winograd, model.keep_rows = False, True
        for conv in model._convolutions():
            if hasattr(conv, "transformed"):
                del conv.transformed
        return model

    def _convolutions(self) -> list[Any]:
        return [getattr(self, name) for name in self.geometry.layers if name.startswith("conv")]

    def _convolve(self, conv: nnx.Conv, x: Float[Array, "*batch h w c"]) -> Array:
        if self.winograd or self.padding != "zeros":  # else the convolution itself pads
            border = [(0, 0)] * (x.ndim - 3) + [(1, 1), (1, 1), (0, 0)]
            x = jnp.pad(x, border, mode=_PAD_MODES[self.padding])
        if not self.winograd:
            return conv(x)
        kernel, bias = conv.kernel[...], _of_channels(jnp.asarray(conv.bias), x.ndim)
        transformed = getattr(conv, "transformed", None)
        if transformed is None:
            return from_few_channels(x, kernel) + bias
        return winograd.convolve(x, kernel, transformed[...]) + bias


def _of_channels(values: Float[Array, " C"], ndim: int) -> Array:
    """A value for each channel of an image of so many axes.

    As many axes as the image has, for programs that forbid JAX to add some.
    """
    return values.reshape((1,) * (ndim - 1) + values.shape)


class VGG16(VGG):
    """The convolutional part of VGG-16; see `VGG` for the options."""

    def __init__(
        self,
        *,
        pooling: str = "max",
        padding: str = "zeros",
        precision: str = "auto",
        lineage: str = "torchvision",
        rngs: nnx.Rngs,
    ):
        super().__init__(
            VGG16_BLOCKS,
            pooling=pooling,
            padding=padding,
            precision=precision,
            lineage=lineage,
            rngs=rngs,
        )


class VGG19(VGG):
    """The convolutional part of VGG-19; see `VGG` for the options."""

    def __init__(
        self,
        *,
        pooling: str = "max",
        padding: str = "zeros",
        precision: str = "auto",
        lineage: str = "torchvision",
        rngs: nnx.Rngs,
    ):
        super().__init__(
            VGG19_BLOCKS,
            pooling=pooling,
            padding=padding,
            precision=precision,
            lineage=lineage,
            rngs=rngs,
        )
