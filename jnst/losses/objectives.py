"""What is minimised: the one place where the terms are weighed and summed.

    L = Σ_terms weight · loss = α L_content + β L_style + γ TV + …

An objective is a function of the image and of everything else, `objective(image, args)`, so that
`jax.grad`, `jax.jit` and `jax.vmap` apply to it as they are.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jnst.losses.arrays import mirrored_beyond, summed, zero_beyond
from jnst.losses.jitter import shifted
from jnst.losses.regions import Kept, composed
from jnst.losses.terms import PIXELS, Features, Scalar, Term
from jnst.nn.backbone import Backbone


class Objective(NamedTuple):
    """Everything that the loss of an image depends on besides the image; a pytree.

    Attributes:
      model: the network.
      terms: what is summed, each with its weight.
      kept: what stays the content's pixels; None: nothing does.
      extent: (height, width) of the picture at the upper left of the image, which the mirror of the
        picture continues; None: the image is the picture.
      jitter: the most pixels that the network's view of the image is shifted by at every step, at
        random; None, or a step without a key: it is not.
    """

    model: Backbone
    terms: tuple[Term, ...]
    kept: Kept | None = None
    extent: Int[Array, "2"] | None = None
    jitter: Scalar | None = None


def evaluate(
    image: Float[Array, "*batch H W 3"], objective: Objective, key: Key[Array, ""] | None = None
) -> dict[str, Float[Array, "*batch"]]:
    """Every term of an objective before its weight, and their weighted sum.

    Args:
      image: the generated image, sRGB, nominally in [0, 1].
      objective: what the loss depends on besides.
      key: for terms that draw something at random.

    Returns:
      {term: loss}, and the sum under "total".
    """
    image = composed(image, objective.kept)
    if objective.extent is not None:
        image = mirrored_beyond(image, objective.extent)
    terms, view = objective.terms, image
    if key is not None:
        terms = drawn(terms, key)
        if objective.jitter is not None:
            view = shifted(image, objective.jitter, key)
    features = {**look(objective.model, view, layers_of(terms)), PIXELS: image}
    positions = None
    if objective.extent is not None:
        features, positions = within(features, objective.model, objective.extent)
    losses = {term.name: term.loss(term.statistics(features, positions)) for term in terms}
    return losses | {"total": total_of(terms, losses)}


def look(model: Backbone, image: Array, layers: tuple[str, ...]) -> Features:
    """{layer: features} of an image, itself at `PIXELS`."""
    of_network = tuple(layer for layer in layers if layer != PIXELS)
    features = model(image, of_network) if of_network else {}
    return {**features, PIXELS: image}


def within(
    features: Features, model: Backbone, extent: Int[Array, "2"]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The features of an image, 0 beyond the picture at its upper left, but for the pixels.

    Args:
      features: {layer: (..., H, W, C)}.
      model: the network.
      extent: (height, width) of the picture in pixels; traced.

    Returns:
      The features, and {layer: positions} of the picture.
    """
    masked, positions = dict(features), {}
    for name, of_layer in features.items():
        if name == PIXELS:
            continue
        height, width = of_picture = extent // model.geometry.stride_of(name)
        masked[name] = zero_beyond(of_layer, of_picture, channels=True)
        positions[name] = (height * width).astype(jnp.float32)
    return masked, positions


def layers_of(terms: tuple[Term, ...]) -> tuple[str, ...]:
    """All layers that terms look at, each once."""
    return tuple(dict.fromkeys(layer for term in terms for layer in term.layers))


def drawn(terms: tuple[Term, ...], key: Key[Array, ""]) -> tuple[Term, ...]:
    """The terms with what each draws from a key of its own."""
    return tuple(term.drawn(jax.random.fold_in(key, n)) for n, term in enumerate(terms))


def total_of(
    terms: tuple[Term, ...], losses: dict[str, Float[Array, "*batch"]]
) -> Float[Array, "*batch"]:
    """The weighted sum of the terms' losses."""
    return summed([term.weight * losses[term.name] for term in terms])
