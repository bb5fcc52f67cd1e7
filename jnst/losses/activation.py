"""The activation losses: how strongly an image makes a network respond. DeepDream descends them.

Mordvintsev, Olah and Tyka, "Inceptionism: going deeper into neural networks", 2015,
https://research.google/blog/inceptionism-going-deeper-into-neural-networks/; the loss for a guide
is that of their notebook, https://github.com/google/deepdream.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.losses.arrays import summed
from jnst.losses.terms import Features, Scalar, Term, term

COMPARED = 4096
"""Positions that are compared with a guide at a time."""


def mean_square(features: Float[Array | np.ndarray, "*batch H W C"]) -> Float[Array, "*batch C"]:
    """The mean of the squared responses of each channel.

    >>> mean_square(jnp.array([[[1.0, 0.0], [3.0, 0.0]]]))
    Array([5., 0.], dtype=float32)
    """
    wide = jnp.promote_types(features.dtype, jnp.float32)
    return jnp.mean(jnp.square(features.astype(wide)), axis=(-3, -2))


def resemblance(
    features: Float[Array | np.ndarray, "*batch H W C"], guide: Float[Array | np.ndarray, "n C"]
) -> Float[Array, "*batch"]:
    """How far features point where those of a guide do, averaged over positions.

        1/M Σ_i max_j F_i · g_j,   |g_j| = 1

    Departure from Google's notebook: the guide's features have one length, so that a position is
    compared with the feature that is most like its own and not with the strongest of all.

    Args:
      features: F, of a layer.
      guide: g, features of another image, of unit length.

    >>> guide = jnp.eye(2)
    >>> resemblance(jnp.array([[[3.0, 1.0], [0.0, 1.0]]]), guide)
    Array(2., dtype=float32)
    """
    wide = jnp.promote_types(features.dtype, jnp.float32)
    flat = jnp.asarray(features, wide).reshape(*features.shape[:-3], -1, features.shape[-1])
    guide = jnp.asarray(guide)

    def nearest(feature: Float[Array, " C"]) -> Array:
        return jnp.argmax(guide @ feature)

    # The choice has no slope; the products of all with all would be larger than the features.
    fixed = jax.lax.stop_gradient(flat).reshape(-1, flat.shape[-1])
    chosen = jax.lax.map(nearest, fixed, batch_size=COMPARED).reshape(flat.shape[:-1])
    return jnp.mean(jnp.sum(flat * guide[chosen], axis=-1), axis=-1)


@term
class Responses(Term):
    """What the activation losses share: layers, weights, factors.

    Attributes:
      scales: {layer: factor} of what is measured of a layer.
      weights: {layer: weight}.
      weight: of the whole.
    """

    name: ClassVar[str] = "activation"
    linear: ClassVar[bool] = True
    scales: Mapping[str, Float[Array, "*batch"]]
    weights: Mapping[str, Scalar]
    weight: Scalar = 1.0

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are measured."""
        return tuple(self.weights)

    def measure(self, layer: str, features: Array) -> Float[Array, "*batch"]:
        """Measure the response of a layer, an average over positions."""
        raise NotImplementedError

    def statistics(
        self, features: Features, positions: Mapping[str, int] | None = None
    ) -> dict[str, Array]:
        """The response of each layer."""
        measured = {name: self.measure(name, features[name]) for name in self.weights}
        if positions is None:
            return measured
        shares = {
            name: math.prod(features[name].shape[-3:-1]) / positions[name] for name in measured
        }
        return {name: of_layer * shares[name] for name, of_layer in measured.items()}

    def loss(self, statistics: Mapping[str, Array]) -> Float[Array, "*batch"]:
        """Minus the sum over the layers: what falls is the loss, so that the responses rise."""
        return summed(
            [-w * (self.scales[name] * statistics[name]) for name, w in self.weights.items()]
        )


@term
class Activation(Responses):
    """Minus the mean squared response of layers, or of some of their channels.

        L = − Σ_l w_l / E_l Σ_c a_lc · mean_i (F^l_ic)²

    Attributes:
      channels: {layer: a, how much each channel counts}.
      scales: {layer: 1 / E_l}.
      weights, weight: see `Responses`.
    """

    channels: Mapping[str, Float[Array, "*batch _c"]]

    def measure(self, layer: str, features: Array) -> Float[Array, "*batch"]:
        """The weighted sum of the channels' mean squares."""
        return jnp.sum(self.channels[layer] * mean_square(features), axis=-1)


@term
class Resemblance(Responses):
    """Minus how far the responses of layers point where a guide's do; see `resemblance`.

    Attributes:
      guides: {layer: features of the guide, of unit length}.
      scales, weights, weight: see `Responses`.
    """

    guides: Mapping[str, Float[Array, "*batch _n _c"]]

    def measure(self, layer: str, features: Array) -> Float[Array, "*batch"]:
        """The resemblance."""
        return resemblance(features, self.guides[layer])
