"""What style transfer minimises: the one place where the terms are weighed and summed.

    L = α L_content + β L_style + γ TV (+ the weight of photorealism times the matting loss)

An objective is a function of the image and of everything else, `objective(image, args)`, so that
`jax.grad`, `jax.jit` and `jax.vmap` apply to it as they are.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array, Float

from jnst._checks import one_of
from jnst.losses import content_loss, gram_matrix, style_loss, total_variation
from jnst.matting import Matting, make_matting, matting_loss
from jnst.sharding import keep
from jnst.vgg import VGG19, check_layers

CONTENT_LAYERS = ("relu4_2",)
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
WEIGHINGS = ("relative", "paper")


Scalar = Array | float


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


class Targets(NamedTuple):
    """What the generated image is compared with, computed once from content and style.

    Attributes:
      content: {layer: features} of the content image, P.
      style: {layer: Gram matrix} of the style image, A.
      content_scale: {layer: factor} of each layer's content loss.
      style_scale: {layer: factor} of each layer's style loss.
      variation_scale: factor of the total variation, and of the matting loss.
      matting: what the content contributes to the matting loss; None: there is no such term.
    """

    content: dict[str, Float[Array, "*batch _h _w _c"]]
    style: dict[str, Float[Array, "*batch _c _c"]]
    content_scale: dict[str, Float[Array, "*batch"]]
    style_scale: dict[str, Float[Array, "*batch"]]
    variation_scale: Scalar
    matting: Matting | None = None


def make_targets(
    model: VGG19,
    content: Float[Array | np.ndarray, "*batch H W 3"],
    style: Float[Array | np.ndarray, "*batch h w 3"],
    *,
    content_layers: Sequence[str] = CONTENT_LAYERS,
    style_layers: Sequence[str] = STYLE_LAYERS,
    weighing: str = "relative",
    photorealism: bool = False,
) -> Targets:
    """The targets of a content and a style image.

    Args:
      model: the network.
      content: the content image, sRGB in [0, 1]; the generated image will have its size.
      style: the style image, of any size.
      content_layers: where the content is compared.
      style_layers: where the style is compared.
      weighing: `"paper"`: every term as the paper has it. `"relative"`: every term divided by its
        own target's energy, so that it is 0 for a perfect match and 1 for an empty image, and the
        total variation and the matting loss by the number of pixel values; alpha, beta, gamma and
        photorealism then mean the same for every family of weights, size and picture.
      photorealism: whether there is the term of that name, the matting loss of the content.

    Returns:
      The targets, a pytree of arrays.

    Raises:
      ValueError: for an unknown layer or weighing.
    """
    one_of("weighing", weighing, WEIGHINGS)
    shape = jnp.shape(content)[-3:]
    features, content_scale = content_targets(model, content, content_layers, weighing)
    grams, style_scale = style_targets(model, style, style_layers, weighing)
    variation = variation_scale(shape, weighing)
    matting = make_matting(content) if photorealism else None
    return Targets(features, grams, content_scale, style_scale, variation, matting)


def content_targets(
    model: VGG19,
    content: Float[Array | np.ndarray, "*batch H W 3"],
    layers: Sequence[str],
    weighing: str,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The content image's half of `make_targets`: features and factors by layer."""
    layers = check_layers("content_layers", layers)
    features = model(jnp.asarray(content), layers)
    return features, scales(content_loss, features, weighing)


def style_targets(
    model: VGG19,
    style: Float[Array | np.ndarray, "*batch h w 3"],
    layers: Sequence[str],
    weighing: str,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The style image's half of `make_targets`: Gram matrices and factors by layer."""
    layers = check_layers("style_layers", layers)
    features = model(jnp.asarray(style), layers)
    grams = gram_matrices(model, features)
    return grams, scales(style_loss, grams, weighing)


def variation_scale(shape: tuple[int, ...], weighing: str) -> float:
    """The factor of the total variation for an image of this (height, width, channels)."""
    return 1.0 if weighing == "paper" else 1 / math.prod(shape)


def scales(
    loss: Callable[[Array, Array], Array], targets: dict[str, Array], weighing: str
) -> dict[str, Array]:
    """Each layer's factor: 1, or the inverse of its target's energy."""
    return {name: scale(loss(t, jnp.zeros_like(t)), weighing) for name, t in targets.items()}


def scale(energy: Float[Array, "*batch"], weighing: str) -> Float[Array, "*batch"]:
    """1, or 1 / energy, or 0 for a layer that is silent, which then has nothing to say."""
    if weighing == "paper":
        return jnp.ones_like(energy)
    return jnp.where(energy > 0, 1 / jnp.where(energy > 0, energy, 1), 0)


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
    image = jnp.asarray(image)
    features = model(image, {*weights.content, *weights.style})
    _check_targets(features, targets, weights)
    grams = gram_matrices(model, {name: features[name] for name in weights.style})
    return weighed(
        content_term(features, targets.content, targets.content_scale, weights),
        style_term(grams, targets, weights),
        pixel_terms(image, targets.variation_scale, targets.matting),
        weights,
    )


def content_term(
    features: Mapping[str, Array],
    target: Mapping[str, Array],
    scale: Mapping[str, Array],
    weights: LossWeights,
) -> Float[Array, "*batch"]:
    """L_content: the sum over the layers, each by its weight and its factor."""
    return _sum_of_layers(
        weights.content, lambda name: scale[name] * content_loss(features[name], target[name])
    )


def style_term(
    grams: Mapping[str, Array], targets: Targets, weights: LossWeights
) -> Float[Array, "*batch"]:
    """L_style, likewise."""
    return _sum_of_layers(
        weights.style,
        lambda name: targets.style_scale[name] * style_loss(grams[name], targets.style[name]),
    )


def _sum_of_layers(weights: Mapping[str, Scalar], loss: Callable[[str], Array]) -> Array:
    return sum(
        (weight * loss(name) for name, weight in weights.items()), start=jnp.zeros((), jnp.float32)
    )


def pixel_terms(
    image: Float[Array, "*batch H W 3"], scale: Scalar, matting: Matting | None
) -> dict[str, Float[Array, "*batch"]]:
    """The terms that need no network: "variation" and, with a matting, "photorealism"."""
    terms = {"variation": scale * total_variation(image)}
    if matting is not None:
        terms["photorealism"] = scale * matting_loss(image, matting)
    return terms


def weighed(
    content: Array, style: Array, of_pixels: Mapping[str, Array], weights: LossWeights
) -> dict[str, Float[Array, "*batch"]]:
    """The terms by name, with their weighted sum as `"total"`."""
    total = weights.alpha * content + weights.beta * style + weights.gamma * of_pixels["variation"]
    if "photorealism" in of_pixels:
        total += weights.photorealism * of_pixels["photorealism"]
    return {"content": content, "style": style, **of_pixels, "total": total}


def gram_matrices(
    model: VGG19, features: Mapping[str, Float[Array, "*batch _h _w _c"]]
) -> dict[str, Float[Array, "*batch _c _c"]]:
    """Each layer's Gram matrix, computed as precisely as the model's features are."""
    exact = model.precision == "highest"
    with jax.default_matmul_precision("highest") if exact else contextlib.nullcontext():
        return {
            name: gram_matrix(of_layer, rows_apart=model.rows_apart)
            for name, of_layer in features.items()
        }


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
