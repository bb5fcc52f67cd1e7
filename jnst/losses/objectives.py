"""What style transfer minimises: the one place where the terms are weighed and summed.

    L = α L_content + β L_style + γ TV (+ the weight of photorealism times the matting loss)

An objective is a function of the image and of everything else, `objective(image, args)`, so that
`jax.grad`, `jax.jit` and `jax.vmap` apply to it as they are.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array, Float

from jnst.execution.devices import keep
from jnst.losses.gram import content_loss, total_variation
from jnst.losses.matting import matting_loss
from jnst.losses.moments import Seen
from jnst.losses.regions import composed
from jnst.losses.style_losses import style_distance
from jnst.losses.targets import Scalar, Targets, needs_means, seen_of
from jnst.nn.vgg import VGG19


class LossWeights(NamedTuple):
    """How much each term counts. All leaves are traced: changing them never recompiles.

    Attributes:
      alpha: weight of the content term.
      beta: weight of the style term.
      gamma: weight of the total variation.
      content: {layer: weight} within the content term.
      style: {layer: weight} within the style term, w_l in the paper.
      photorealism: weight of the matting loss; it counts where the targets hold a matting.
    """

    alpha: Scalar
    beta: Scalar
    gamma: Scalar
    content: Mapping[str, Scalar]
    style: Mapping[str, Scalar]
    photorealism: Scalar = 0.0


def loss_terms(
    image: Float[Array | np.ndarray, "*batch H W 3"], args: tuple[VGG19, Targets, LossWeights]
) -> dict[str, Float[Array, "*batch"]]:
    """Every term of the objective before α, β and γ, and their weighted sum.

    Args:
      image: the generated image, sRGB, nominally in [0, 1].
      args: the model, the targets and the weights; the layers are those that the weights name.

    Returns:
      {"content", "style", "variation", "total"}, and "photorealism" where the targets hold a
      matting.

    Raises:
      ValueError: for a layer without a target, or an image of another size than the content's.
    """
    model, targets, weights = args
    image = composed(jnp.asarray(image), targets.regions)
    features = model(image, {*weights.content, *weights.style})
    _check_targets(features, targets, weights)
    seen = seen_of(
        model,
        {name: features[name] for name in weights.style},
        means=needs_means(targets.style),
        guides=targets.regions and targets.regions.guides,
    )
    return weighed(
        content_term(features, targets.content, targets.content_scale, weights),
        style_term(seen, targets, weights),
        pixel_terms(image, targets),
        weights,
    )


def content_term(
    features: Mapping[str, Array],
    target: Mapping[str, Array | np.ndarray],
    scale: Mapping[str, Array],
    weights: LossWeights,
) -> Float[Array, "*batch"]:
    """L_content: the sum over the layers, each by its weight and its factor."""
    return _sum_of_layers(
        weights.content, lambda name: scale[name] * content_loss(features[name], target[name])
    )


def style_term(
    seen: Mapping[str, Seen], targets: Targets, weights: LossWeights
) -> Float[Array, "*batch"]:
    """L_style, likewise, and over the regions by their shares."""

    def of_layer(name: str) -> Array:
        loss = targets.style_scale[name] * style_distance(seen[name], targets.style[name])
        if targets.regions is None:
            return loss
        return jnp.sum(targets.regions.shares * loss, axis=-1)

    return _sum_of_layers(weights.style, of_layer)


def _sum_of_layers(weights: Mapping[str, Scalar], loss: Callable[[str], Array]) -> Array:
    return sum(
        (weight * loss(name) for name, weight in weights.items()), start=jnp.zeros((), jnp.float32)
    )


def pixel_terms(
    image: Float[Array, "*batch H W 3"], targets: Targets
) -> dict[str, Float[Array, "*batch"]]:
    """The terms that need no network: "variation" and, with a matting, "photorealism"."""
    terms = {"variation": targets.variation_scale * total_variation(image)}
    if targets.matting is not None:
        terms["photorealism"] = targets.matting_scale * matting_loss(image, targets.matting)
    return terms


def weighed(
    content: Array, style: Array, of_pixels: Mapping[str, Array], weights: LossWeights
) -> dict[str, Float[Array, "*batch"]]:
    """The terms by name, with their weighted sum as `"total"`."""
    total = weights.alpha * content + weights.beta * style + weights.gamma * of_pixels["variation"]
    if "photorealism" in of_pixels:
        total += weights.photorealism * of_pixels["photorealism"]
    return {"content": content, "style": style, **of_pixels, "total": total}


def _check_targets(features: dict[str, Array], targets: Targets, weights: LossWeights) -> None:
    for term in ("content", "style"):
        for name in getattr(weights, term):
            if name not in getattr(targets, term):
                made = ", ".join(getattr(targets, term))
                raise ValueError(f"there is no {term} target at {name}, only at {made}")
    for name in weights.content:
        wanted, got = targets.content[name].shape[-3:], features[name].shape[-3:]
        if wanted != got:
            raise ValueError(
                f"image must have the content's size: features at {name} are {got}, not {wanted}"
            )


def objective(
    image: Float[Array | np.ndarray, "*batch H W 3"], args: tuple[VGG19, Targets, LossWeights]
) -> Float[Array, "*batch"]:
    """The total loss, L = α L_content + β L_style + γ TV; see `loss_terms`."""
    return loss_terms(image, args)["total"]


@functools.cache  # one function for each structure, so that what is jitted over it compiles once
def flat_loss_terms(
    structure: Any, sharding: NamedSharding | None = None
) -> Callable[[Array, Any], dict[str, Array]]:
    """`loss_terms` for a model that travels as its bare arrays.

    Flattening a module takes Python a fifth of a millisecond at every call of a jitted function;
    a tuple of arrays takes next to nothing.

    Args:
      structure: of the model, as in `leaves, structure = jax.tree.flatten(model)`.
      sharding: how the image, and so all that is computed from it, lies on several devices.

    Returns:
      A function of (image, (leaves, targets, weights)).
    """

    def terms(image: Array, args: Any) -> dict[str, Array]:
        leaves, targets, weights = args
        model = jax.tree.unflatten(structure, leaves)
        return loss_terms(keep(image, sharding), (model, targets, weights))

    return terms
