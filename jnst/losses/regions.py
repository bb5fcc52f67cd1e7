"""Regions of a picture, each with a style of its own, and what of it stays as it is.

Gatys, Ecker, Bethge, Hertzmann and Shechtman, "Controlling perceptual factors in neural style
transfer", 2017, https://arxiv.org/abs/1611.07865: the Gram matrix of a region is that of the
features times a guide T_r, and so the mask's weighted average over the positions.

    F_r = T_r ∘ F,   G_r = 1/M Σ_k T_rk² F_ik F_jk,   1/M Σ_k T_rk² = 1

The style term is Σ_r share_r L_style(G_r, A_r). Two departures. The paper's guides have Σ T² = 1,
as its Gram matrices are not divided by M. And share_r is the weight of a region's style times the
part of the picture that the region takes, so that the style is as strong in a small region as in a
large one, and where there is no region there is none.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst.execution.tile_layout import level
from jnst.image.masks import Masks, resize_mask

Guides = dict[str, Float[Array, "R _h _w"]]
"""{layer: T of each of R regions}."""


class Regions(NamedTuple):
    """What the objective is told of R regions.

    Attributes:
      guides: T, by layer.
      shares: how much the style of each region counts.
      keep: the mask of what stays the content's pixels; None: nothing does.
      content: these pixels; None where nothing is kept.
    """

    guides: Guides
    shares: Float[Array, "R"]
    keep: Float[Array, "H W"] | None
    content: Float[Array, "*batch H W 3"] | None


def make_regions(
    masks: Masks,
    content: Float[Array, "*batch H W 3"],
    weights: Sequence[Array | float | int],
    layers: Iterable[str],
) -> Regions:
    """The regions of a picture.

    Args:
      masks: of any size.
      content: the content image.
      weights: of each region's style; where the whole picture is one region, it weighs 1.
      layers: where the style is compared.
    """
    shape = content.shape[-3:-1]
    painted = masks.painted(shape)
    factors = jnp.asarray(weights if masks.regions else 1.0, painted.dtype)
    shares = factors * jnp.mean(painted, axis=(1, 2))
    if masks.keep is None:
        return Regions(guidance(painted, layers), shares, None, None)
    return Regions(guidance(painted, layers), shares, resize_mask(masks.keep, shape), content)


def guidance(masks: Float[Array, "R H W"], layers: Iterable[str]) -> Guides:
    """T_r = (m_r / mean m_r)^½ by layer, m_r being the mask's average over the pixels of each
    position.

    A mask that covers no position of a layer, as of a last row that pooling drops, is 0 there.

    >>> guidance(jnp.array([[[1.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0]]]), ["pool1"])
    {'pool1': Array([[[1.1547005, 0.8164966]]], dtype=float32)}
    """
    return {name: _guide(masks, 2 ** level(name)) for name in layers}


def _guide(masks: Float[Array, "R H W"], cell: int) -> Float[Array, "R _h _w"]:
    count, height, width = masks.shape
    rows, columns = height // cell, width // cell
    cells = masks[:, : rows * cell, : columns * cell].reshape(count, rows, cell, columns, cell)
    averaged = jnp.mean(cells, axis=(2, 4))
    whole = jnp.mean(averaged, axis=(1, 2), keepdims=True)
    return jnp.sqrt(jnp.where(whole > 0, averaged / jnp.where(whole > 0, whole, 1), 0))


def composed(
    image: Float[Array, "*batch H W 3"], regions: Regions | None
) -> Float[Array, "*batch H W 3"]:
    """The picture that an image stands for: where something is kept, the content."""
    if regions is None or regions.keep is None or regions.content is None:
        return image
    return composite(image, regions.content, regions.keep)


def composite(
    image: Float[Array | np.ndarray, "*batch H W 3"],
    content: Float[Array, "*batch H W 3"],
    keep: Float[Array, "H W"],
) -> Float[Array, "*batch H W 3"]:
    """k · content + (1 − k) · image; where the mask k is 1, the content to the bit."""
    kept = keep[..., None]
    return kept * content + (1 - kept) * image


def of_image(
    gradient: Float[Array, "*batch H W 3"], regions: Regions | None
) -> Float[Array, "*batch H W 3"]:
    """The gradient by an image, of that by the picture that `composed` makes of it."""
    if regions is None or regions.keep is None:
        return gradient
    return (1 - regions.keep[..., None]) * gradient
