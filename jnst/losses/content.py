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

from jnst.losses.arrays import as_floats, check_same_shape, lifted, summed, widened
from jnst.losses.normalization import layer_scale, reciprocal
from jnst.losses.terms import Features, Positions, Scalar, Term, replace, term


def content_loss(
    features: Float[Array | np.ndarray, "*batch H W C"],
    target: Float[Array | np.ndarray, "*batch H W C"],
) -> Float[Array, "*batch"]:
    """Half the squared distance between the features of two images.

        L_content = 1/2 Σ (F − P)²                                           (equation 1)

    Args:
      features: F, the responses of a layer to the generated image.
      target: P, those to the content image, of the same shape.

    Returns:
      The loss, at least 0, in float32 at least.

    Raises:
      ValueError: where the shapes differ.
      TypeError: for arrays that hold no floats.

    >>> content_loss(jnp.ones((2, 2, 3)), jnp.zeros((2, 2, 3)))
    Array(6., dtype=float32)
    """
    features, target = as_floats("features", features), as_floats("target", target)
    check_same_shape("target", target, "features", features)
    return half_square(features, target)


def half_square(
    features: Float[Array, "*#batch H W C"], target: Float[Array | np.ndarray, "*#batch H W C"]
) -> Float[Array, "*batch"]:
    """The same for features of a batch beside one target, which is compared with each."""
    features, target = widened(features, target)
    difference = features - lifted(target, features.ndim)
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
        """The layers that have a weight."""
        return tuple(self.weights)

    def statistics(self, features: Features, positions: Any = None) -> dict[str, Array]:
        """L_content of each layer, which is a sum over positions."""
        return {name: half_square(features[name], self.targets[name]) for name in self.weights}

    def loss(self, statistics: Mapping[str, Array]) -> Float[Array, "*batch"]:
        """The sum over the layers, each by its weight and its factor."""
        each = [
            w * (lifted(jnp.asarray(self.scales[name]), statistics[name].ndim) * statistics[name])
            for name, w in self.weights.items()
        ]
        return summed(each)


def content_term(
    features: Mapping[str, Float[Array, "*batch _h _w _c"]],
    weights: Mapping[str, Scalar],
    weighing: str,
    positions: Positions | None = None,
) -> Content:
    """The content term of a content image with these features."""
    energies = {name: content_energy(of_layer) for name, of_layer in features.items()}
    values = {name: math.prod(x.shape[-3:]) for name, x in features.items()}
    if positions is not None:
        values = {name: positions[name] * x.shape[-1] for name, x in features.items()}
    return Content(
        targets=features,
        scales=content_scales(energies, values, weighing),
        weights=weights,
    )


def content_energy(features: Float[Array, "*batch H W C"]) -> Float[Array, "*batch"]:
    """The content loss of an empty image."""
    return half_square(features, jnp.zeros_like(features))


def content_scales(
    energies: Mapping[str, Float[Array, "*batch"]], values: Mapping[str, Any], weighing: str
) -> dict[str, Float[Array, "*batch"]]:
    """{layer: factor} of layers with these energies and numbers of features.

    `"mean"` makes of half a sum over the features the mean of the squared differences.
    """
    return {
        name: layer_scale(energy, weighing, 2 / values[name]) for name, energy in energies.items()
    }


def relative_to_style(
    content: Content,
    style_energies: Mapping[str, Float[Array, "*batch"]],
    positions: Positions,
) -> Content:
    """The content term, each layer's factor 1 by the larger energy of content and style.

    A flat photograph has hardly any energy of its own: by that alone, a stroke would cost more than
    a lost picture does elsewhere.

    Args:
      content: the term, its factors 1 by the content's own energy.
      style_energies: {layer: energy per position} of the style.
      positions: {layer: positions} of the picture.
    """
    scales = {}
    for name, scale in content.scales.items():
        of_style = style_energies[name] * positions[name]
        unit = jnp.maximum(reciprocal(scale), of_style)
        scales[name] = layer_scale(unit, "relative", 1.0)
    return replace(content, scales=scales)


@term
class Energy(Term):
    """Half the sum of squared features per position: what a picture has to say at each layer.

    A term that only measures.

    Attributes:
      weights: {layer: 1}.
    """

    name: ClassVar[str] = "energy"
    weights: Mapping[str, Scalar]
    weight: Scalar = 0.0

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are measured."""
        return tuple(self.weights)

    def statistics(
        self, features: Features, positions: Positions | None = None
    ) -> dict[str, Array]:
        """{layer: energy per position}."""
        energies = {}
        for name in self.weights:
            height, width = features[name].shape[-3:-1]
            count = height * width if positions is None else positions[name]
            energies[name] = content_energy(features[name]) / count
        return energies

    def loss(self, statistics: Mapping[str, Array]) -> Float[Array, ""]:
        """0: nothing is compared."""
        return jnp.zeros((), jnp.float32)
