"""VGG-19 as a Flax module: an image in, the features of its layers out.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014,
https://arxiv.org/abs/1409.1556, configuration E without its classifier.
"""

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from jnst._checks import check_choice
from jnst.nn import convolution, winograd

BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
"""Convolutions and channels of each block; a pooling follows each."""


def _convolutions() -> dict[str, tuple[int, int]]:
    channels, before = {}, 3
    for block, (count, after) in enumerate(BLOCKS, start=1):
        for index in range(1, count + 1):
            channels[f"conv{block}_{index}"] = (before, after)
            before = after
    return channels


def _layers() -> tuple[str, ...]:
    names: list[str] = []
    for block, (count, _) in enumerate(BLOCKS, start=1):
        for index in range(1, count + 1):
            names += [f"conv{block}_{index}", f"relu{block}_{index}"]
        names.append(f"pool{block}")
    return tuple(names)


CONVOLUTIONS = _convolutions()
"""Every convolution's (channels in, channels out), in the order of the network."""

LAYERS = _layers()
"""The names of all layers, in the order of the network: conv1_1, relu1_1, …, pool5."""

POOLINGS = ("max", "average", "l2")
PADDINGS = ("zeros", "replicate", "reflect")
_PAD_MODES = {"zeros": "constant", "replicate": "edge", "reflect": "reflect"}
PRECISIONS = ("auto", "highest", "float32", "bfloat16")
WINOGRAD_CHANNELS = 64
"""Channels in from which on Winograd's convolution is faster on a processor: with the three of a
picture, its transforms cost more than the multiplications that they save."""


def choose_precision(precision: str, platform: str | None = None) -> str:
    """`precision` as it stands, or for `"auto"` what is fast and safe on a platform of JAX's:
    bfloat16 on GPUs and TPUs, float32 elsewhere."""
    check_choice("precision", precision, PRECISIONS)
    if precision != "auto":
        return precision
    return "bfloat16" if (platform or jax.default_backend()) in ("gpu", "tpu") else "float32"


class Lineage(NamedTuple):
    """A family of weights: its preprocessing, (image − mean) / std, for RGB in [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


LINEAGES = {
    "torchvision": Lineage((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": Lineage((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3),
}
"""The two families of VGG-19 weights that exist (Caffe's mean is RGB here; its file says BGR)."""


class Constant(nnx.Variable):
    """An array that belongs to the weights and that nobody trains."""


def check_layers(name: str, layers: Iterable[str]) -> tuple[str, ...]:
    """`layers` as a tuple; raises ValueError for an empty one or a name outside `LAYERS`."""
    if isinstance(layers, str):
        raise TypeError(f"{name} must be a sequence of layer names, got the string {layers!r}")
    if not isinstance(layers, Iterable):
        raise TypeError(f"{name} must be a sequence of layer names, got {layers!r}")
    layers = tuple(layers)
    if not layers:
        raise ValueError(f"{name} must name at least one layer")
    for layer in layers:
        check_choice(name, layer, LAYERS)
    return layers


class VGG19(nnx.Module):
    """The convolutional part of VGG-19.

    Preprocessing belongs to the weights and so lives in the module: images go in as they are.

    Args:
      pooling: `"max"`, as the network was trained; `"average"`, which the paper prefers; or
        `"l2"`, the root of the mean of squares, which lies between the two.
      padding: what a convolution sees beyond the picture's border: `"zeros"`, as the network was
        trained, `"replicate"` or `"reflect"`.
      precision: of the features; all that follows from them (Gram matrices, losses) is float32.
        `"highest"`: float32 throughout, convolved by the definition. `"float32"`: as fast as the
        device is with it, which is TF32 on GPUs and, once `use_winograd` was called, Winograd's
        convolution on processors. `"bfloat16"`: half the memory. `"auto"`: see `choose_precision`.
      lineage: a key of `LINEAGES`; its preprocessing is used.
      rngs: random streams for the initial weights, before real ones are loaded.

    Raises:
      ValueError: for an unknown pooling, padding, precision or lineage.
    """

    def __init__(
        self,
        *,
        pooling: str = "max",
        padding: str = "zeros",
        precision: str = "auto",
        lineage: str = "torchvision",
        rngs: nnx.Rngs,
    ):
        check_choice("pooling", pooling, POOLINGS)
        check_choice("padding", padding, PADDINGS)
        check_choice("lineage", lineage, LINEAGES)
        self.pooling, self.padding, self.lineage = pooling, padding, lineage
        self.precision = choose_precision(precision)
        self.on_processor = self.rows_apart = False
        dtype = jnp.bfloat16 if self.precision == "bfloat16" else jnp.float32
        mean, std = LINEAGES[lineage]
        self.mean, self.std = Constant(jnp.array(mean)), Constant(jnp.array(std))
        for name, (before, after) in CONVOLUTIONS.items():
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
        """The features of `image` at `layers`; nothing deeper is computed.

        Args:
          image: sRGB in [0, 1], channels last, any leading axes.
          layers: names out of `LAYERS`; `conv4_2` is before its ReLU, `relu4_2` after.

        Returns:
          The features by name. At block b, height and width are those of the image divided by
          2^(b−1), rounded down.

        Raises:
          ValueError: for an unknown layer, or an image that is not (..., H, W, 3) or too small.
          TypeError: for an image of integers.

        >>> model = VGG19(rngs=nnx.Rngs(0))
        >>> features = model(jnp.zeros((32, 48, 3)), ["relu1_1", "conv4_2"])
        >>> {name: f.shape for name, f in features.items()}
        {'relu1_1': (32, 48, 64), 'conv4_2': (4, 6, 512)}
        """
        wanted = check_layers("layers", layers)
        if image.ndim < 3 or image.shape[-1] != 3:
            raise ValueError(f"image must have the shape (..., H, W, 3), got {image.shape}")
        depth = 1 + max(map(LAYERS.index, wanted))
        if min(image.shape[-3:-1]) < 2 ** sum(name.startswith("pool") for name in LAYERS[:depth]):
            raise ValueError(f"image is too small for {LAYERS[depth - 1]}, got {image.shape}")
        if not jnp.issubdtype(image.dtype, jnp.floating):
            raise TypeError(f"image must hold floats in [0, 1], got {image.dtype}")
        x = (jnp.asarray(image) - self.mean[...]) / self.std[...]
        if self.precision == "bfloat16":
            x = x.astype(jnp.bfloat16)
        features = {}
        for name in LAYERS[:depth]:
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
        """Convolve from now on as is fast on a processor: by Winograd's method, but for the three
        channels of the picture itself.

        The kernels are kept a second time, transformed, which takes 320 MB; those that are changed
        afterwards need another call.
        """
        self.on_processor = True
        for name, (before, _) in CONVOLUTIONS.items():
            if before >= WINOGRAD_CHANNELS:
                conv = getattr(self, name)
                conv.transformed = Constant(winograd.transform_kernel(conv.kernel[...]))

    def over_devices(self) -> "VGG19":
        """The same network for images that are split over devices. It convolves by the definition,
        which JAX splits too, while the tiles of Winograd's method would be sent about."""
        model = nnx.clone(self)
        model.on_processor, model.rows_apart = False, True
        for name in CONVOLUTIONS:
            if hasattr(conv := getattr(model, name), "transformed"):
                del conv.transformed
        return model

    def _convolve(self, conv: nnx.Conv, x: Float[Array, "*batch h w c"]) -> Array:
        if self.on_processor or self.padding != "zeros":  # else the convolution itself pads
            border = [(0, 0)] * (x.ndim - 3) + [(1, 1), (1, 1), (0, 0)]
            x = jnp.pad(x, border, mode=_PAD_MODES[self.padding])
        if not self.on_processor:
            return conv(x)
        kernel, bias = conv.kernel[...], jnp.asarray(conv.bias)
        transformed = getattr(conv, "transformed", None)
        if transformed is None:
            return convolution.from_few_channels(x, kernel) + bias
        return winograd.convolve(x, kernel, transformed[...]) + bias


def pool(x: Float[Array, "*batch h w c"], pooling: str) -> Float[Array, "*batch _h _w c"]:
    """2×2 pooling with stride 2; a last odd row or column is dropped, as the network does.

    By slices rather than `lax.reduce_window`, whose gradient is a slow scatter, or a reshape, which
    takes more memory and, where an image is sharded along its height, needs that to divide evenly.

    `"l2"` divides by the four values, where Crowson's style-transfer-pytorch takes the root of the
    sum and multiplies that by 0.78.
    """
    height, width = x.shape[-3] // 2 * 2, x.shape[-2] // 2 * 2
    if pooling == "max":
        x = _larger(x[..., 0:height:2, :, :], x[..., 1:height:2, :, :])
        return _larger(x[..., 0:width:2, :], x[..., 1:width:2, :])
    if pooling == "l2":
        x = jnp.square(x)
    x = x[..., 0:height:2, :, :] + x[..., 1:height:2, :, :]
    x = (x[..., 0:width:2, :] + x[..., 1:width:2, :]) / 4
    if pooling == "l2":
        # The root's slope at 0 is infinite, and four silent features are common after a ReLU.
        return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1)), 0)
    return x


def _larger(a: Array, b: Array) -> Array:
    """The maximum; where both are equal, the gradient is the first one's, as PyTorch's. That of
    `jnp.maximum` is shared between them, by divisions that take as long as a convolution."""
    return jnp.where(a >= b, a, b)
