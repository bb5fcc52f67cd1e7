"""A network that paints in one pass, in one or several styles that it was trained for.

Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution",
2016, https://arxiv.org/abs/1603.08155, as it is built today: instance normalization (Ulyanov,
Vedaldi and Lempitsky, 2016, https://arxiv.org/abs/1607.08022), whose scale and shift choose the
style (Dumoulin, Shlens and Kudlur, 2017, https://arxiv.org/abs/1610.07629), mirrored borders, and
nearest neighbours and a convolution in place of transposed ones. Half the channels; a floor under
the deviation.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.nn import winograd
from jnst.nn.painter_file import Architecture, Layer, PainterWeights
from jnst.nn.reflecting import convolve, doubled, mirrored_to
from jnst.nn.regrouping import convolve_cells, convolve_doubled
from jnst.nn.winograd import WINOGRAD_CHANNELS

CELL = 4
"""Pixels of a position of the residual blocks."""
STATIC = {"static": True}
"""Marks fields that are part of a network's structure."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Painter:
    """The network; a pytree of arrays. `jnst.fast` paints with it.

    Attributes:
      arrays: by the names of `Architecture.shapes`.
      styles: the names of its styles.
      architecture: what it is made of.
      fast: convolve as is fast on a processor, by Winograd's method and by channels of several
        pixels put side by side.
    """

    arrays: Mapping[str, Float[Array, "..."]]
    styles: tuple[str, ...] = dataclasses.field(metadata=STATIC)
    architecture: Architecture = dataclasses.field(metadata=STATIC)
    fast: bool = dataclasses.field(metadata=STATIC)

    def __call__(
        self,
        image: Float[Array | np.ndarray, "*batch H W 3"],
        shares: Float[Array | np.ndarray, "..."] | None = None,
    ) -> Float[Array, "*batch H W 3"]:
        """Paint an image.

        Args:
          image: sRGB in [0, 1].
          shares: of each style, of sum 1: (*batch, S), or (*batch, H, W, S) where they differ from
            pixel to pixel; None: all alike.

        Returns:
          A picture of its size, nominally in [0, 1].

        Raises:
          ValueError: for shares of another shape.
        """
        height, width = image.shape[-3:-1]
        count = len(self.styles)
        mix = jnp.full(count, 1 / count) if shares is None else jnp.asarray(shares)
        if mix.ndim > image.ndim - 2 and mix.shape[:-1] != image.shape[:-1]:
            raise ValueError(
                f"shares must have the shape (*batch, {count}) or (*batch, H, W, {count}), "
                f"got {mix.shape} for an image of {image.shape}"
            )
        mix = mix_of_pixels(mix, image.ndim)
        *first, last = self.architecture.layers()
        x = mirrored_to(image, (CELL, CELL))
        before = x
        for layer in first:
            if layer.begins_block:
                before = x
            x = self._normalised(self._convolved(x, layer), layer, mix)
            x = before + x if layer.ends_block else jax.nn.relu(x)
        y = self._convolved(x, last) + self.arrays[f"{last.name}/bias"]
        if self.architecture.output == "sigmoid":
            y = jax.nn.sigmoid(y)
        return y[..., :height, :width, :]

    def _convolved(self, x: Array, layer: Layer) -> Array:
        kernel = self.arrays[f"{layer.name}/kernel"]
        if self.fast and layer.size == 9:
            return convolve_cells(x, kernel)
        if self.fast and layer.doubles:
            return convolve_doubled(x, kernel)
        transformed = None
        if self.fast and by_winograd(layer):
            transformed = winograd.transform_kernel(jax.lax.stop_gradient(kernel))
        x = doubled(x) if layer.doubles else x
        return convolve(x, kernel, transformed, stride=layer.stride)

    def _normalised(self, x: Array, layer: Layer, mix: Array) -> Array:
        """Each channel's mean and deviation over the picture replaced by the styles' there."""
        here = mix_at(mix, x.shape[-3:-1])
        scale, shift = (here @ self.arrays[f"{layer.name}/{part}"] for part in ("scale", "shift"))
        mean = jnp.mean(x, axis=(-3, -2), keepdims=True)
        centred = x - mean
        variance = jnp.mean(jnp.square(centred), axis=(-3, -2), keepdims=True)
        return centred * jax.lax.rsqrt(variance + self.architecture.epsilon) * scale + shift


def mix_of_pixels(
    shares: Float[Array | np.ndarray, "..."], axes: int
) -> Float[Array, "*batch H W S"] | Float[Array, "*batch 1 1 S"]:
    """The shares, continued beyond the border as the image is.

    Args:
      shares: (*batch, S) or (*batch, H, W, S).
      axes: how many the image has.
    """
    if shares.ndim < axes:
        return jnp.asarray(shares)[..., None, None, :]
    return mirrored_to(shares, (CELL, CELL))


def mix_at(
    mix: Float[Array, "*batch H W S"] | Float[Array, "*batch 1 1 S"], shape: Sequence[int]
) -> Float[Array, "*batch h w S"] | Float[Array, "*batch 1 1 S"]:
    """The shares of pixels, averaged over each position of a layer of that height and width."""
    *batch, height, width, count = mix.shape
    if (height, width) in ((1, 1), tuple(shape)):
        return mix
    rows, columns = shape
    parts = mix.reshape(*batch, rows, height // rows, columns, width // columns, count)
    return parts.mean(axis=(-4, -2))


def by_winograd(layer: Layer) -> bool:
    """Whether Winograd's method is faster for a layer on a processor."""
    return layer.stride == 1 and layer.size == 3 and layer.before >= WINOGRAD_CHANNELS


def make_painter(weights: PainterWeights) -> Painter:
    """Make the network with these weights, as fast as the device is with it."""
    return Painter(
        arrays=jax.device_put(dict(weights.arrays)),
        styles=weights.styles,
        architecture=weights.architecture,
        fast=jax.default_backend() == "cpu",
    )


def new_painter(key: Array, styles: Sequence[str], architecture: Architecture) -> Painter:
    """A network before its training, of He's random weights; it paints a middle grey."""
    arrays: dict[str, Array] = {}
    for name, shape in architecture.shapes(len(styles)).items():
        if name.endswith("/kernel"):
            key, own = jax.random.split(key)
            deviation = (2 / (shape[0] * shape[1] * shape[2])) ** 0.5
            arrays[name] = deviation * jax.random.normal(own, shape, jnp.float32)
        else:
            arrays[name] = jnp.full(shape, float(name.endswith("/scale")), jnp.float32)
    arrays["out/kernel"] = arrays["out/kernel"] / 10
    fast = jax.default_backend() == "cpu"
    return Painter(arrays=arrays, styles=tuple(styles), architecture=architecture, fast=fast)
