"""The values of settings that are not single numbers: sizes, layers, weights of styles."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

from jnst._checks import check_integer, check_number, plain_number
from jnst.nn.blocks import VGG19_BLOCKS
from jnst.nn.geometry import Geometry, vgg_geometry


class LayerWeights(dict[str, float]):
    """{layer: weight}, checked against the layers of a network."""


def whole_numbers(name: str, values: Any, *, least: int, most: int = 10**9) -> tuple[int, ...]:
    """Return one whole number or several as a tuple, each checked.

    Raises:
      ValueError, TypeError: unless all are whole numbers in [least, most].
    """
    values = plain_number(values)
    if isinstance(values, Integral):
        values = (values,)
    elif isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a whole number or several, got {values!r}")
    values = tuple(map(plain_number, values))
    for value in values:
        check_integer(name, value, least=least, most=most)
    return tuple(map(int, values))


def weighted_layers(
    name: str,
    layers: Mapping[str, float] | Sequence[str],
    geometry: Geometry | None = None,
) -> LayerWeights:
    """Return layers with their weights, checked.

    Args:
      name: of the setting, for errors.
      layers: {layer: weight}, or names alone, which get equal weights that sum to 1.
      geometry: of the network; None: VGG-19's.

    Raises:
      ValueError, TypeError: for a layer that the network lacks, one that is named twice, or weights
        that are negative or all 0.
    """
    names = (geometry or vgg_geometry(VGG19_BLOCKS)).check_layers(name, layers)
    if isinstance(layers, Mapping):
        layers = {layer: plain_number(weight) for layer, weight in layers.items()}
        for layer, weight in layers.items():
            check_number(f"{name}: the weight of {layer}", weight, least=0)
        if not any(layers.values()):
            raise ValueError(f"{name}: every weight is 0")
        return LayerWeights(layers)
    if len(set(names)) < len(names):
        raise ValueError(f"{name} names a layer twice: {', '.join(names)}")
    return LayerWeights(dict.fromkeys(names, 1 / len(names)))


def blend_weights(weights: Any) -> tuple[float, ...]:
    """Return the weights of several style images as a tuple, each checked.

    Raises:
      ValueError, TypeError: unless they are numbers of at least 0, and one of them more.
    """
    if isinstance(weights, str) or not isinstance(weights, Iterable):
        raise TypeError(f"style_weights must be several numbers, got {weights!r}")
    weights = tuple(map(plain_number, weights))
    for weight in weights:
        check_number("style_weights", weight, least=0)
    if not any(weights):
        raise ValueError("style_weights must not all be 0")
    return tuple(map(float, weights))
