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

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jnst.image.masks import Masks, resize_mask
from jnst.losses.arrays import lifted, zero_beyond
from jnst.losses.terms import Scalar

Guides = Mapping[str, Float[Array, "R _h _w"]]
"""{layer: T of each of R regions}."""


class Kept(NamedTuple):
    """What stays the content's pixels.

    Attributes:
      mask: 1 where it does.
      content: these pixels.
    """

    mask: Float[Array | np.ndarray, "H W"]
    content: Float[Array | np.ndarray, "*batch H W 3"]


def kept_of(masks: Masks | None, content: Float[Array | np.ndarray, "*batch H W 3"]) -> Kept | None:
    """What stays the content's pixels; None where nothing does."""
    if masks is None or masks.keep is None:
        return None
    mask = resize_mask(masks.keep, content.shape[-3:-1])
    return Kept(mask=mask, content=jnp.asarray(content))


def guides_and_shares(
    masks: Masks,
    shape: tuple[int, ...],
    weights: Sequence[Scalar | int],
    strides: Mapping[str, int],
) -> tuple[Guides, Float[Array, " R"]]:
    """The guides of a picture's regions by layer, and how much the style of each counts.

    Args:
      masks: of any size.
      shape: (height, width) of the picture.
      weights: of each region's style; where the whole picture is one region, it weighs 1.
      strides: {layer: pixels of a position} where the style is compared.
    """
    painted = masks.painted(shape)
    return guides_of(painted, strides), region_shares(painted, masks, weights)


def region_shares(
    painted: Float[Array, "R h w"], masks: Masks, weights: Sequence[Scalar | int]
) -> Float[Array, " R"]:
    """How much the style of each region counts: its weight times its part of the picture."""
    factors = jnp.asarray(weights if masks.regions else 1.0, painted.dtype)
    return factors * jnp.mean(painted, axis=(1, 2))


def guides_of(
    masks: Float[Array, "R H W"],
    strides: Mapping[str, int],
    extent: Int[Array, "2"] | None = None,
) -> Guides:
    """T_r = (m_r / mean m_r)^½ by layer, for masks m_r averaged over the pixels of each position.

    With an extent, the means are over the picture of this (height, width) at the upper left. A
    mask that covers no position of a layer, as of a last row that pooling drops, is 0 there.

    >>> guides_of(jnp.array([[[1.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0]]]), {"pool1": 2})
    {'pool1': Array([[[1.1547005, 0.8164966]]], dtype=float32)}
    """
    return {name: _guide(masks, stride, extent) for name, stride in strides.items()}


def _guide(
    masks: Float[Array, "R H W"], cell: int, extent: Int[Array, "2"] | None
) -> Float[Array, "R _h _w"]:
    count, height, width = masks.shape
    rows, columns = height // cell, width // cell
    cells = masks[:, : rows * cell, : columns * cell].reshape(count, rows, cell, columns, cell)
    averaged = jnp.mean(cells, axis=(2, 4))
    if extent is not None:
        height, width = extent // cell
        averaged = zero_beyond(averaged, (height, width))
        positions = jnp.maximum(height * width, 1).astype(masks.dtype)
        whole = jnp.sum(averaged, axis=(1, 2), keepdims=True) / positions
    else:
        whole = jnp.mean(averaged, axis=(1, 2), keepdims=True)
    return jnp.sqrt(jnp.where(whole > 0, averaged / jnp.where(whole > 0, whole, 1), 0))


def style_guides(
    masks: Masks | None,
    shapes: Sequence[tuple[int, ...]],
    strides: Mapping[str, int],
) -> list[Guides | None]:
    """T of each style image as the only region of it; None for all where there are no masks."""
    if masks is None:
        return [None] * len(shapes)
    sized = [
        jnp.ones(shape, jnp.float32) if mask is None else resize_mask(mask, shape)
        for mask, shape in zip(masks.styles, shapes, strict=True)
    ]
    return [guides_of(mask[None], strides) for mask in sized]


def composed(
    image: Float[Array, "*batch H W 3"], kept: Kept | None
) -> Float[Array, "*batch H W 3"]:
    """The picture that an image stands for: where something is kept, the content."""
    return image if kept is None else composite(image, kept.content, kept.mask)


def composite(
    image: Float[Array | np.ndarray, "*batch H W 3"],
    content: Float[Array | np.ndarray, "*batch H W 3"],
    keep: Float[Array | np.ndarray, "H W"],
) -> Float[Array, "*batch H W 3"]:
    """k · content + (1 − k) · image; where the mask k is 1, the content to the bit."""
    kept = lifted(keep[..., None], jnp.ndim(image))
    return kept * content + (1 - kept) * image


def by_image(
    gradient: Float[Array, "*batch H W 3"], kept: Kept | None
) -> Float[Array, "*batch H W 3"]:
    """The gradient by an image, of that by the picture that `composed` makes of it."""
    return (
        gradient if kept is None else (1 - lifted(kept.mask[..., None], gradient.ndim)) * gradient
    )
