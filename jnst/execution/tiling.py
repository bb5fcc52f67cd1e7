"""The gradient of a picture of any size, in the memory of one tile, and exact.

The style loss sees the picture only through its Gram matrices (and means, where it wants them),
and those are sums over positions. So one pass over the tiles adds them up,

    G^l = Σ_tiles G^l_tile,   D^l = ∂(β L_style) / ∂G^l

and a second adds up the gradients of

    Σ_l ⟨D^l, G^l_tile(x)⟩ + α L_content,tile(x)

(and the same of the means) with D held fixed, which by the chain rule is the gradient of the whole
picture. The total variation and the matting loss need no network and are taken of the whole. A
tile's features count only in its own region, so that none counts twice; its gradient reaches into
the halo.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from jnst.execution.tile_layout import Tiles
from jnst.execution.windows import (
    Window,
    add_up,
    cut_out,
    own_features,
    parts_of,
    places_of,
    tiled_moments,
)
from jnst.image.masks import Masks
from jnst.losses.gram import content_loss
from jnst.losses.moments import Seen
from jnst.losses.normalization import content_average, scale
from jnst.losses.objectives import LossWeights, content_term, pixel_terms, style_term, weighed
from jnst.losses.regions import Guides, composed, of_image
from jnst.losses.style_losses import GRAM
from jnst.losses.targets import (
    Scalar,
    Targets,
    apart,
    compared_and_scales,
    matting_of,
    needs_means,
    put_together,
    regions_of,
    roughness_of,
    style_guides,
)
from jnst.nn.vgg import VGG19
from jnst.optim.minimization import Controls, State, Update, advance

Crop = dict[str, np.ndarray]
"""{layer: features} of the content in a window, 0 outside of the tile's own region; on the host,
since together they may take more memory than the device has."""


class TiledTargets(NamedTuple):
    """`Targets` for tiles.

    Attributes:
      whole: the targets but for the content's features, of which there are none.
      crops: these, a window at a time.
    """

    whole: Targets
    crops: list[Crop]


@jax.jit
def _style_and_slopes(
    seen: dict[str, Seen], targets: Targets, weights: LossWeights
) -> tuple[Float[Array, ""], dict[str, Seen]]:
    """The style term, and D: how β times that changes with each moment."""

    def of_moments(seen: dict[str, Seen]) -> tuple[Array, Array]:
        style = style_term(seen, targets, weights)
        return weights.beta * style, style

    slopes, style = jax.grad(of_moments, has_aux=True)(seen)
    return style, slopes


@functools.partial(
    jax.jit, static_argnames=("structure", "window"), donate_argnames=("gradient", "content")
)
def add_gradient(
    gradient: Float[Array, "H W 3"],
    content: Float[Array, ""],
    leaves: tuple[Array, ...],
    image: Float[Array, "H W 3"],
    tile: Int[Array, "2 3"],
    crop: Mapping[str, Array | np.ndarray],
    slopes: dict[str, Seen],
    scales: dict[str, Array],
    weights: LossWeights,
    guides: Guides | None,
    *,
    structure: Any,
    window: Window,
) -> tuple[Float[Array, "H W 3"], Float[Array, ""]]:
    """The second pass over one tile: gradient and content term of the tiles so far."""
    model = jax.tree.unflatten(structure, leaves)

    def surrogate(pixels: Array) -> tuple[Array, Array]:
        features = own_features(model, pixels, tile, tuple({*weights.content, *weights.style}))
        content = content_term(features, crop, scales, weights)
        of_style = {name: features[name] for name in slopes}
        parts = parts_of(model, of_style, image.shape, tile, guides, means=needs_means(slopes))
        products = jax.tree.map(lambda slope, part: jnp.sum(slope * part), slopes, parts)
        style = sum(jax.tree.leaves(products))
        return weights.alpha * content + style, content

    part, of_tile = jax.grad(surrogate, has_aux=True)(cut_out(image, tile, window))
    there = tile[0, 0], tile[1, 0], 0
    part += cut_out(gradient, tile, window)
    return jax.lax.dynamic_update_slice(gradient, part, there), content + of_tile


@functools.partial(jax.jit, static_argnames="optimizer", donate_argnames="state")
def finish(
    state: State,
    gradient: Float[Array, "H W 3"],
    content: Float[Array, ""],
    style: Float[Array, ""],
    targets: Targets,
    weights: LossWeights,
    controls: Controls,
    *,
    optimizer: optax.GradientTransformation,
) -> tuple[State, dict[str, Array], Bool[Array, ""]]:
    """The step, once the tiles have been gone through; of the targets, those of `pixel_terms`."""

    def of_pixels(image: Array) -> tuple[Array, dict[str, Array]]:
        of_picture = pixel_terms(composed(image, targets.regions), targets)
        terms = weighed(content, style, of_picture, weights)
        return terms["total"], terms

    slope, terms = jax.grad(of_pixels, has_aux=True)(state.image)
    gradient = of_image(gradient, targets.regions) + slope
    return advance(state, terms, gradient, controls, optimizer, _no_line_search)


def _no_line_search(image: Array, rate: Array | None = None) -> Array:
    """For Optax to call; it would take as many passes over the tiles as there are trials."""
    raise ValueError(
        "optimizer must do without a line search where the picture is worked at in tiles; "
        "choose another one, or a size that needs no tiles"
    )


@functools.partial(jax.jit, static_argnames=("structure", "layers", "window"))
def _crop_and_energies(
    leaves: tuple[Array, ...],
    content: Float[Array, "H W 3"],
    tile: Int[Array, "2 3"],
    *,
    structure: Any,
    layers: tuple[str, ...],
    window: Window,
) -> tuple[dict[str, Array], dict[str, Array]]:
    model = jax.tree.unflatten(structure, leaves)
    features = own_features(model, cut_out(content, tile, window), tile, layers)
    energies = {name: content_loss(f, jnp.zeros_like(f)) for name, f in features.items()}
    return features, energies


def tiled_targets(
    model: VGG19,
    content: Float[Array, "H W 3"],
    styles: Sequence[Float[Array, "_h _w 3"]],
    tiles: Tiles,
    style_tiles: Sequence[Tiles],
    *,
    content_layers: Sequence[str],
    style_layers: Sequence[str],
    weighing: str,
    style_loss: str = GRAM,
    shares: Sequence[Scalar | int] = (1.0,),
    photorealism: bool = False,
    masks: Masks | None = None,
) -> TiledTargets:
    """What `jnst.make_targets` makes, a window at a time.

    Args:
      model: the network.
      content: the content image, sRGB in [0, 1].
      styles: the style images, likewise.
      tiles: of the content; of the generated image the same must be used.
      style_tiles: of each style image.
      content_layers: where the content is compared.
      style_layers: where the style is compared.
      weighing: one of `WEIGHINGS`.
      style_loss: one of `STYLE_LOSSES`.
      shares: how much each style image counts.
      photorealism: whether there is the term of that name.
      masks: where there are regions.

    Returns:
      The targets; the content's features are on the host.
    """
    leaves, structure = jax.tree.flatten(model)
    layers = tuple(content_layers)
    crops: list[Crop] = []
    energies = dict.fromkeys(layers, jnp.zeros((), content.dtype))
    for place in places_of(tiles):
        crop, parts = _crop_and_energies(
            tuple(leaves), content, place, structure=structure, layers=layers, window=tiles.window
        )
        crops.append(jax.device_get(crop))
        energies = {name: energies[name] + parts[name] for name in layers}
    whole = jax.eval_shape(lambda image: model(image, layers), content)  # computes nothing
    content_scale = {
        name: scale(energy, weighing, content_average(whole[name].shape))
        for name, energy in energies.items()
    }
    guides = style_guides(styles, masks, style_layers)
    each = [
        tiled_moments(
            model, style, of_style, style_layers, means=style_loss != GRAM, guides=of_mask
        )
        for style, of_style, of_mask in zip(styles, style_tiles, guides, strict=True)
    ]
    of_styles = _compared_and_scales(each, tuple(shares), weighing, style_loss, apart(masks))
    targets = put_together(
        ({}, content_scale),
        (*of_styles, roughness_of(tuple(styles), tuple(shares))),
        content.shape,
        weighing,
        matting_of(content) if photorealism else None,
        masks and regions_of(masks, content, tuple(shares), tuple(style_layers)),
    )
    return TiledTargets(targets, crops)


_compared_and_scales = jax.jit(
    compared_and_scales, static_argnames=("weighing", "style_loss", "regional")
)


def tiled_step(structure: Any, tiles: Tiles, crops: list[Crop]) -> Update:
    """`jnst.optim.minimization.step` in tiles, for `minimize(update=…)`.

    Args:
      structure: of the model, as in `leaves, structure = jax.tree.flatten(model)`.
      tiles: of the picture.
      crops: the content's features, of `tiled_targets`.

    Returns:
      A function like `step`, but that knows its objective: `jnst.loss_terms`, with args that are
      (leaves, targets, weights). It does not wait for the device.
    """
    places = places_of(tiles)

    def update(
        state: State,
        args: tuple[tuple[Array, ...], Targets, LossWeights],
        controls: Controls,
        *,
        objective: Callable[..., Any] | None = None,
        optimizer: optax.GradientTransformation,
    ) -> tuple[State, dict[str, Array], Bool[Array, ""]]:
        _, targets, weights = args
        image = _composed(state.image, targets.regions)
        gradient, terms = _gradient(image, args, places, crops, structure, tiles.window)
        of_pixels = targets._replace(content={}, style={}, content_scale={}, style_scale={})
        return finish(state, gradient, *terms, of_pixels, weights, controls, optimizer=optimizer)

    return update


_composed = jax.jit(composed)


def _gradient(
    image: Float[Array, "H W 3"],
    args: tuple[tuple[Array, ...], Targets, LossWeights],
    places: list[Array],
    crops: list[Crop],
    structure: Any,
    window: Window,
) -> tuple[Float[Array, "H W 3"], tuple[Array, Array]]:
    """The gradient by the picture but for that of `pixel_terms`, and the terms of content and
    style."""
    leaves, targets, weights = args
    means = needs_means(targets.style)
    guides = targets.regions and targets.regions.guides
    seen = add_up(leaves, image, places, guides, structure, tuple(weights.style), window, means)
    style, slopes = _style_and_slopes(seen, targets, weights)
    gradient, content = jnp.zeros_like(image), jnp.zeros((), image.dtype)
    for place, crop in zip(places, crops, strict=True):
        gradient, content = add_gradient(
            gradient,
            content,
            leaves,
            image,
            place,
            crop,
            slopes,
            targets.content_scale,
            weights,
            guides,
            structure=structure,
            window=window,
        )
    return gradient, (content, style)
