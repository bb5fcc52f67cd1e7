"""The objective of a dream: what it makes stronger, in units of the photograph's response."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.image.fitting import fit
from jnst.image.resizing import resize
from jnst.losses.activation import Activation, Resemblance, Responses
from jnst.losses.objectives import Objective
from jnst.nn.backbone import Backbone
from jnst.visualize.dream_settings import Sought, check_channels
from jnst.visualize.features import features_of

MEASURED_EDGE = 384
"""Pixels: the long edge at which the photograph's own responses are measured, at most."""
GUIDES = 1024
"""Features of a guide's layer that are kept, at most."""
LEAST_ENERGY = 1e-12
"""Of a layer; one that does not respond at all would divide by 0."""


def dream_terms(
    model: Backbone,
    photo: Float[Array, "H W 3"],
    each: Sequence[Sought],
    guide: Float[Array, "h w 3"] | None = None,
) -> list[Responses]:
    """The terms of several dreams of one photograph and of the same layers.

    A layer's response is divided by that of the photograph, so that the weights of layers mean the
    same whatever their energies, and a loss of −3 is a response three times as strong.

    Args:
      model: the network.
      photo: the photograph.
      each: what each dream makes stronger; all have the same layers.
      guide: a picture whose features are what is looked for.

    Raises:
      ValueError: for the number of a channel that its layer does not have.
    """
    layers = tuple(each[0].layers)
    features = measured_at(model, photo, layers)
    channels = {layer: of_layer.shape[-1] for layer, of_layer in features.items()}
    for sought in each:
        check_channels(sought, channels)
    units = dict.fromkeys(layers, jnp.ones(()))
    if guide is not None:
        guides = guide_features(measured_at(model, guide, layers))
        plain = Resemblance(guides=guides, scales=units, weights=dict.fromkeys(layers, 1.0))
        scales = scales_of(plain.statistics(features))
        return [
            Resemblance(guides=guides, scales=scales, weights=weights_of(sought)) for sought in each
        ]
    uniform = {layer: jnp.full(count, 1 / count) for layer, count in channels.items()}
    plain_activation = Activation(
        channels=uniform,
        scales=units,
        weights=dict.fromkeys(layers, 1.0),
    )
    scales = scales_of(plain_activation.statistics(features))
    return [
        Activation(
            channels=channel_shares(sought, channels), scales=scales, weights=weights_of(sought)
        )
        for sought in each
    ]


def channel_shares(sought: Sought, channels: Mapping[str, int]) -> dict[str, Array]:
    """How much each channel counts: those that are sought equally, one in all."""
    shares = {}
    for layer, count in channels.items():
        numbers = list(sought.channels or range(count))
        share = np.zeros(count, np.float32)
        share[numbers] = 1 / len(set(numbers))
        shares[layer] = jnp.asarray(share)
    return shares


def weights_of(sought: Sought) -> dict[str, float]:
    """The weights of the layers, with the sum 1."""
    total = sum(sought.layers.values())
    return {layer: weight / total for layer, weight in sought.layers.items()}


def scales_of(responses: Mapping[str, Array]) -> dict[str, Array]:
    """One divided by each layer's response."""
    return {layer: 1 / jnp.maximum(of_layer, LEAST_ENERGY) for layer, of_layer in responses.items()}


def measured_at(
    model: Backbone, image: Float[Array, "H W 3"], layers: tuple[str, ...]
) -> dict[str, Float[Array, "h w C"]]:
    """The features of an image, of at most `MEASURED_EDGE` pixels."""
    height, width, _ = image.shape
    if max(height, width) > MEASURED_EDGE:
        least = min(height, width, model.geometry.stride(layers))
        image = resize(image, fit(height, width, MEASURED_EDGE, least))
    return features_of(model, image, layers=layers)


def guide_features(features: Mapping[str, Array]) -> dict[str, Float[Array, "n C"]]:
    """At most `GUIDES` features of each layer, evenly spread over the picture, of unit length."""
    guides = {}
    for layer, of_layer in features.items():
        flat = of_layer.reshape(-1, of_layer.shape[-1])
        count = min(len(flat), GUIDES)
        flat = flat[np.arange(count) * len(flat) // count]
        length = jnp.linalg.norm(flat, axis=-1, keepdims=True)
        guides[layer] = flat / jnp.where(length > 0, length, 1)
    return guides


def dream_objective(model: Backbone, term: Responses, jitter: float) -> Objective:
    """What a dream minimises; the jitter is there even where it is 0, for the same program."""
    return Objective(model=model, terms=(term,), jitter=jnp.float32(jitter))


def batch_axes(objective: Objective) -> tuple[Any, ...]:
    """For `jnst.execution.batch.Batch`: all dreams share the network and nothing else."""
    of_model = len(jax.tree.leaves(objective.model))
    return (None,) * of_model + (0,) * (len(jax.tree.leaves(objective)) - of_model)
