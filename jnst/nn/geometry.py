"""Where the positions of a network's layers lie in the image, and how much of it they see.

Nothing here needs JAX.
"""

import dataclasses
import functools
import math
from collections.abc import Iterable

from jnst._checks import check_choice
from jnst.nn.blocks import Blocks


@dataclasses.dataclass(frozen=True, kw_only=True)
class Geometry:
    """The layers of a backbone in their order, and the geometry of each.

    Position (i, j) of a layer of stride s owns the pixels from (i·s, j·s) up to (i·s + s, j·s + s),
    and depends on those and on the layer's reach around them. Pixels at the image's border beyond
    whole strides belong to no position.

    Attributes:
      layers: names, from the image inwards.
      strides: the pixels, along one axis, of a position at each layer.
      reaches: how many pixels a position sees beyond its own on either side, at most.

    Raises:
      ValueError: for no layers, a name that comes twice, tuples of different lengths, a stride
        below 1 or a reach below 0.
    """

    layers: tuple[str, ...]
    strides: tuple[int, ...]
    reaches: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.layers or len(set(self.layers)) != len(self.layers):
            raise ValueError(f"layers must be distinct names, at least one, got {self.layers}")
        for name, least in (("strides", 1), ("reaches", 0)):
            values = getattr(self, name)
            if len(values) != len(self.layers):
                raise ValueError(
                    f"{name} must have one value for each of {len(self.layers)} layers, "
                    f"got {len(values)}"
                )
            if min(values) < least:
                raise ValueError(f"{name} must be at least {least}, got {min(values)}")

    def check_layers(self, name: str, layers: Iterable[str]) -> tuple[str, ...]:
        """Return `layers` as a tuple, once they are known to be layers of this network.

        Args:
          name: what messages call the argument.
          layers: the names to check.

        Raises:
          TypeError: for anything but a sequence of names, a single string included.
          ValueError: for an empty sequence, or a name that is no layer.
        """
        if isinstance(layers, str):
            raise TypeError(f"{name} must be a sequence of layer names, got the string {layers!r}")
        if not isinstance(layers, Iterable):
            raise TypeError(f"{name} must be a sequence of layer names, got {layers!r}")
        layers = tuple(layers)
        if not layers:
            raise ValueError(f"{name} must name at least one layer")
        for layer in layers:
            check_choice(name, layer, self.layers)
        return layers

    def depth_of(self, layers: Iterable[str]) -> int:
        """How many layers must be computed, from the first on, to have all of these.

        >>> vgg_geometry(((2, 64),)).depth_of(["relu1_1", "conv1_1"])
        2
        """
        return 1 + max(map(self.layers.index, layers))

    def stride_of(self, layer: str) -> int:
        """The pixels, along one axis, of a position of the layer."""
        return self.strides[self.layers.index(layer)]

    def stride(self, layers: Iterable[str]) -> int:
        """The largest stride of the layers."""
        return max(map(self.stride_of, layers))

    def halo(self, layers: Iterable[str]) -> int:
        """How far the layers see beyond a position's own pixels, in pixels, as whole strides.

        >>> geometry = vgg_geometry(((2, 64), (2, 128), (4, 256)))
        >>> geometry.halo(["relu1_1"]), geometry.halo(["relu1_1", "relu3_1"])
        (1, 12)
        """
        layers = tuple(layers)
        reach = max(self.reaches[self.layers.index(layer)] for layer in layers)
        stride = self.stride(layers)
        return math.ceil(reach / stride) * stride

    def least_window(self, layers: Iterable[str]) -> int:
        """The least edge, in pixels, of a window that an image is cut into for these layers.

        It is two halos, a stride of the tile's own, and what the image has beyond whole strides,
        which every window has too.
        """
        layers = tuple(layers)
        return 2 * self.halo(layers) + 2 * self.stride(layers) - 1


@functools.cache
def vgg_geometry(blocks: Blocks) -> Geometry:
    """The geometry of a network of 3×3 convolutions with a 2×2 pooling after each block.

    Each convolution adds one of its positions on either side; pooling only joins neighbours.

    >>> vgg_geometry(((1, 64), (1, 128)))  # doctest: +NORMALIZE_WHITESPACE
    Geometry(layers=('conv1_1', 'relu1_1', 'pool1', 'conv2_1', 'relu2_1', 'pool2'),
             strides=(1, 1, 2, 2, 2, 4), reaches=(1, 1, 1, 3, 3, 3))
    """
    layers: list[tuple[str, int, int]] = []
    stride, reach = 1, 0
    for block, (count, _) in enumerate(blocks, start=1):
        for index in range(1, count + 1):
            reach += stride
            layers += [(f"{kind}{block}_{index}", stride, reach) for kind in ("conv", "relu")]
        stride *= 2
        layers.append((f"pool{block}", stride, reach))
    names, strides, reaches = zip(*layers, strict=True)
    return Geometry(layers=names, strides=strides, reaches=reaches)
