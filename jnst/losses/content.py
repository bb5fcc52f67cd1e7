"""The content loss: how far features are from those of the content image.

Gatys, Ecker and Bethge, "A neural algorithm of artistic style", 2015,
https://arxiv.org/abs/1508.06576, equation 1.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.losses.normalization import layer_scale
from jnst.losses.terms import Features, Scalar, Term, term


def content_loss(
    features: Float[Array | np.ndarray, "*batch H W C"],
    target: Float[Array | np.ndarray, "*batch H W C"],
) -> Float[Array, "*batch"]:
    """Half the squared distance between the features of two images.

        L_content = 1/2 Σ (F − P)²                                           (equation 1)

    Args:
      features: F, the responses of a layer to the generated image.
      target: P, those to the content image.

    Returns:
      The loss, at least 0.

    >>> content_loss(jnp.ones((2, 2, 3)), jnp.zeros((2, 2, 3)))
    Array(6., dtype=float32)
    """
    wide = jnp.promote_types(features.dtype, jnp.float32)
    difference = features.astype(wide) - target.astype(wide)
    return jnp.sum(jnp.square(difference), axis=(-3, -2, -1)) / 2


@term
class Content(Term):
    """The content term, L_content summed over layers.

    Attributes:
      targets: {layer: P}.
      scales: {layer: factor} of each layer's loss, by the way of weighing.
      weights: {layer: weight}.
      weight: α.
    """

    name: ClassVar[str] = "content"
    linear: ClassVar[bool] = True
    targets: Mapping[str, Float[Array | np.ndarray, "*batch _h _w _c"]]
    scales: Mapping[str, Float[Array | np.ndarray, "*batch"]]
    weights: Mapping[str, Scalar]
    weight: Scalar = 1.0

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(self.weights)

    def statistics(self, features: Features, positions: Any = None) -> dict[str, Array]:
        """L_content of each layer, which is a sum over positions."""
        return {name: content_loss(features[name], self.targets[name]) for name in self.weights}

    def loss(self, statistics: Mapping[str, Array]) -> Float[Array, "*batch"]:
        """The sum over the layers, each by its weight and its factor."""
        return sum(
            (w * (self.scales[name] * statistics[name]) for name, w in self.weights.items()),
            start=jnp.zeros((), jnp.float32),
        )


def content_term(
    features: Mapping[str, Float[Array, "*batch _h _w _c"]],
    weights: Mapping[str, Scalar],
    weighing: str,
) -> Content:
    """The content term of a content image with these features."""
    energies = {name: content_energy(of_layer) for name, of_layer in features.items()}
    positions = {name: math.prod(x.shape[-3:]) for name, x in features.items()}
    return Content(
        targets=features,
        scales=content_scales(energies, positions, weighing),
        weights=weights,
    )


def content_energy(features: Float[Array, "*batch H W C"]) -> Float[Array, "*batch"]:
    """The content loss of an empty image."""
    return content_loss(features, jnp.zeros_like(features))


def content_scales(
    energies: Mapping[str, Float[Array, "*batch"]], values: Mapping[str, int], weighing: str
) -> dict[str, Float[Array, "*batch"]]:
    """{layer: factor} of layers with these energies and numbers of features.

    `"mean"` makes of half a sum over the features the mean of the squared differences.
    """
    return {
        name: layer_scale(energy, weighing, 2 / values[name]) for name, energy in energies.items()
    }
