"""Feature maps: what each channel of each layer responds to in a picture."""

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jnst._checks import check_choice
from jnst._programs import program
from jnst.execution import memory
from jnst.image.fitting import SMALLEST_EDGE, fit
from jnst.image.inputs import check_image
from jnst.nn.backbone import Backbone, check_backbone
from jnst.nn.geometry import Geometry

TOGETHER = 2**28
"""Bytes of features that are computed at a time; a layer that takes more is computed alone."""
PROBE_EDGE = 256
COPIES = 3
PERCENTILE = 99.5
"""Of a layer's magnitudes, what is shown at full brightness: the few above it are the same."""
ORDERS = ("number", "variance")


class LayerMaps(NamedTuple):
    """The features of a picture at one layer.

    Attributes:
      layer: its name.
      values: (H, W, C), float32.
    """

    layer: str
    values: Float[np.ndarray, "H W C"]

    @property
    def channels(self) -> int:
        """The number of channels."""
        return self.values.shape[-1]

    @property
    def energy(self) -> float:
        """The mean of the squares of all features."""
        return float(np.mean(np.square(self.values)))

    @property
    def zeros(self) -> float:
        """The share of features that are 0."""
        return float(np.mean(self.values == 0))

    @property
    def silent(self) -> Any:
        """Which channels are 0 all over the picture: booleans, (C,)."""
        return np.logical_not(self.values.any(axis=(0, 1)))

    @property
    def scale(self) -> float:
        """The `PERCENTILE` of the magnitudes, or their maximum where that is 0; never 0."""
        magnitudes = np.abs(self.values)
        return float(np.percentile(magnitudes, PERCENTILE) or magnitudes.max()) or 1.0

    def ordered(self, by: str = "number") -> Int[np.ndarray, " C"]:
        """The numbers of the channels, as they come or by falling variance.

        Raises:
          ValueError: for another word.
        """
        check_choice("order", by, ORDERS)
        if by == "number":
            return np.arange(self.channels)
        return np.argsort(-self.values.var(axis=(0, 1)), kind="stable")

    def heat(self) -> Float[np.ndarray, "H W"]:
        """The mean magnitude over the channels."""
        return np.abs(self.values).mean(axis=-1)

    def components(self, count: int = 3) -> Float[np.ndarray, "H W n"]:
        """The projections on the first principal components of the channels.

        See `components_of`.
        """
        (found,) = components_of([self], count)
        return found

    def gram(self) -> Float[np.ndarray, "C C"]:
        """The Gram matrix, an average over positions: what the style loss compares."""
        flat = self.values.reshape(-1, self.channels)
        return flat.T @ flat / len(flat)


def components_of(each: Sequence[LayerMaps], count: int = 3) -> list[Float[np.ndarray, "H W n"]]:
    """The projections of a layer's maps on the first principal components of the first of them.

    The largest loading of a component is made positive, so that its sign is always the same.

    Args:
      each: the layer's maps of one picture, or of several.
      count: of components; where there are fewer channels, the others are 0.
    """
    first = each[0].values.reshape(-1, each[0].channels)
    mean = first.mean(axis=0)
    centred = first - mean
    _, axes = np.linalg.eigh(centred.T @ centred / len(first))
    axes = axes[:, ::-1][:, :count]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    axes = axes * np.where(largest < 0, -1, 1)
    found = [(maps.values - mean) @ axes for maps in each]
    return [np.pad(of, ((0, 0), (0, 0), (0, count - of.shape[-1]))) for of in found]


def feature_maps(
    model: Backbone,
    image: Float[ArrayLike, "H W 3"],
    layers: Iterable[str] | None = None,
) -> Iterator[LayerMaps]:
    """Compute the features of a picture, layer by layer.

    The layers come one after the other, in the order of the network, and only a few of them are
    held at a time: those of a large photograph would take more memory than there is.

    Args:
      model: the network, from `jnst.load_vgg19`.
      image: sRGB in [0, 1].
      layers: their names; None: the first ReLU of every block.

    Returns:
      An iterator over the layers' features, in NumPy's memory.

    Raises:
      ValueError, TypeError: for a layer that the network does not have, an image that will not do,
        or one that is smaller than a position of the deepest layer or that the device has not the
        memory for; before anything is computed.

    >>> from flax import nnx
    >>> from jnst import VGG19
    >>> model = VGG19(rngs=nnx.Rngs(0))  # in earnest: jnst.load_vgg19()
    >>> [maps.values.shape for maps in feature_maps(model, np.zeros((32, 48, 3)), ["relu2_1"])]
    [(16, 24, 128)]
    """
    model = check_backbone(model)
    geometry = model.geometry
    chosen = geometry.check_layers("layers", default_layers(geometry) if layers is None else layers)
    pixels = jnp.asarray(check_image("image", image))
    check_large_enough(geometry, pixels.shape, chosen)
    check_memory(model, pixels.shape, chosen)
    return _computed(model, pixels, in_order(geometry, chosen))


def default_layers(geometry: Geometry) -> tuple[str, ...]:
    """The first ReLU of every block; of a network without such names, every layer."""
    relus = (name for name in geometry.layers if name.startswith("relu"))
    named = tuple(name for name in relus if name.endswith("_1"))
    return named or geometry.layers


def in_order(geometry: Geometry, layers: Iterable[str]) -> tuple[str, ...]:
    """Layers in the order of the network, each once."""
    return tuple(sorted(set(layers), key=geometry.layers.index))


def check_large_enough(
    geometry: Geometry, shape: Sequence[int], layers: Iterable[str], name: str = "image"
) -> None:
    """Raise ValueError if an image is smaller than a position of one of the layers."""
    height, width = shape[:2]
    for layer in layers:
        if min(height, width) < (stride := geometry.stride_of(layer)):
            raise ValueError(
                f"{name} of {width}×{height} px is too small for {layer}, each position of which "
                f"is {stride} px wide"
            )


def _computed(
    model: Backbone, image: Float[Array, "H W 3"], layers: tuple[str, ...]
) -> Iterator[LayerMaps]:
    for group in grouped(model, image.shape, layers):
        features = jax.device_get(features_of(model, image, layers=group))
        while features:
            layer = group[len(group) - len(features)]
            yield LayerMaps(layer=layer, values=features.pop(layer))


def check_memory(model: Backbone, shape: tuple[int, ...], layers: tuple[str, ...]) -> None:
    """Raise ValueError for a picture whose layers, one by one, the device's memory does not hold.

    What it takes to compute them is measured at `PROBE_EDGE`, since all of it grows with the
    pixels; to look at a layer takes `COPIES` of its features.
    """
    height, width = shape[:2]
    if max(height, width) <= memory.SURELY_FITS[0]:
        return
    probe = fit(height, width, PROBE_EDGE, SMALLEST_EDGE)
    small = jax.ShapeDtypeStruct((*probe, 3), jnp.float32)
    for layer in layers:
        program = features_of.lower(model, small, layers=(layer,)).compile()
        (features,) = jax.tree.leaves(program.out_info)
        of_small = memory.bytes_beside(model, program) + COPIES * 4 * math.prod(features.shape)
        needed = of_small * height * width / math.prod(small.shape[:2])
        memory.require(needed, (height, width), memory.device_of(model))


def grouped(
    model: Backbone, shape: tuple[int, ...], layers: tuple[str, ...]
) -> list[tuple[str, ...]]:
    """The layers in groups whose features take no more than `TOGETHER`, for fewer programs."""
    image = jax.ShapeDtypeStruct(shape, jnp.float32)
    shapes = jax.eval_shape(functools.partial(features_of.function, layers=layers), model, image)
    groups: list[tuple[str, ...]] = []
    room = 0
    for layer in layers:
        needed = 4 * math.prod(shapes[layer].shape)
        if not groups or needed > room:
            groups.append(())
            room = TOGETHER
        groups[-1] += (layer,)
        room -= needed
    return groups


@program(static_argnames=("layers",))
def features_of(
    model: Backbone, image: Float[Array, "H W 3"], *, layers: tuple[str, ...]
) -> dict[str, Array]:
    """{layer: features} in float32."""
    return {name: x.astype(jnp.float32) for name, x in model(image, layers).items()}
