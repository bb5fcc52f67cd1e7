"""The backbone: what a network must have for its features to be compared."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
from jaxtyping import Array, Float

from jnst.nn.geometry import Geometry


@runtime_checkable
class Backbone(Protocol):
    """A frozen network: an image in, the features of its layers out.

    `jnst.load_vgg19` and `jnst.load_vgg16` return one. Yours must also be a JAX pytree, or an NNX
    module, whose arrays are its leaves, since it is passed to jitted functions as an argument; its
    `geometry` must be the same hashable object, not a leaf.

    Two more attributes are used where a backbone has them:

    * `precision: str`, the type of its features, which messages and records show;
    * `for_sharding() -> Backbone`, the same network for images whose rows are split over devices,
      for one that usually computes in a way that JAX cannot split.

    Attributes:
      geometry: the layers, and what each sees of the image.
    """

    geometry: Geometry

    def __call__(
        self, image: Float[Array, "*batch H W 3"], layers: Iterable[str]
    ) -> dict[str, Float[Array, "*batch _h _w _c"]]:
        """Compute the features of an image.

        Args:
          image: sRGB in [0, 1], (..., H, W, 3), any leading axes. Preprocessing is the backbone's.
          layers: names out of `geometry.layers`.

        Returns:
          The features by name, (..., H // stride, W // stride, C) each.
        """
        ...


def check_backbone(model: Any, name: str = "model") -> Backbone:
    """Return `model`, once it is known to be a backbone.

    Args:
      model: what a caller gave.
      name: what messages call the argument.

    Raises:
      TypeError: for anything else: a class, a file's name, a network of another library, an object
        that is not a pytree.
    """
    geometry = None if isinstance(model, type) else getattr(model, "geometry", None)
    if not isinstance(geometry, Geometry) or not callable(model):
        raise TypeError(
            f"{name} must be a backbone such as jnst.load_vgg19() returns, got {_described(model)}"
        )
    if jax.tree_util.all_leaves([model]):
        raise TypeError(
            f"{name} must be a JAX pytree or an NNX module, so that its arrays can be passed to "
            f"jitted functions, got {_described(model)}"
        )
    return model  # type: ignore[no-any-return]


def strides_of(model: Backbone, layers: Sequence[str]) -> dict[str, int]:
    """{layer: pixels along one axis of a position}."""
    return {layer: model.geometry.stride_of(layer) for layer in layers}


def positions_of(model: Backbone, layers: Sequence[str], shape: tuple[int, ...]) -> dict[str, int]:
    """{layer: positions} of a picture of this (height, width)."""
    return {
        layer: math.prod(edge // stride for edge in shape[:2])
        for layer, stride in strides_of(model, layers).items()
    }


def is_exact(model: Backbone) -> bool:
    """Whether what follows from the network's features is to be as precise as float32."""
    return getattr(model, "precision", "") == "highest"


def _described(model: Any) -> str:
    if isinstance(model, type):
        return f"the class {model.__name__} instead of an object of it"
    if model is None or isinstance(model, str | bytes | int | float):
        return repr(model)
    kind = type(model)
    return f"an object of {kind.__module__}.{kind.__qualname__}"
