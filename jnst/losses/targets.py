"""The objective as plain functions: targets made once, weights in a tuple of their own.

What `jnst.stylize` minimises, for other JAX code: `jnst.make_targets`, `jnst.LossWeights`,
`jnst.objective` and `jnst.loss_terms`, all of them thin over terms.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float

from jnst._checks import check_choice
from jnst.image.masks import Mask, gather_masks
from jnst.losses.arrays import as_floats
from jnst.losses.blending import blend_shares
from jnst.losses.build import build_terms, weigh_terms
from jnst.losses.content import Content
from jnst.losses.normalization import WEIGHINGS
from jnst.losses.objectives import Objective, evaluate
from jnst.losses.recipe import CONTENT_LAYERS, STYLE_LAYERS, LossWeights, Recipe
from jnst.losses.regions import Kept, kept_of
from jnst.losses.registry import STYLE_LOSSES
from jnst.losses.style import StyleTerm
from jnst.losses.terms import Scalar, Term
from jnst.nn.backbone import Backbone


class Targets(NamedTuple):
    """What the generated image is compared with, computed once from content and style.

    Attributes:
      terms: the terms of the objective, which hold their targets.
      kept: what stays the content's pixels; None: nothing does.
    """

    terms: tuple[Term, ...]
    kept: Kept | None = None

    @property
    def content(self) -> Mapping[str, Float[Array, "*batch _h _w _c"]]:
        """{layer: features} of the content image, P."""
        return self._one(Content).targets

    @property
    def content_scale(self) -> Mapping[str, Float[Array, "*batch"]]:
        """{layer: factor} of each layer's content loss."""
        return self._one(Content).scales

    @property
    def style(self) -> Mapping[str, Any]:
        """{layer: what the style loss compares with}; for `"gram"` the style's Gram matrix, A."""
        return self._one(StyleTerm).targets

    @property
    def style_scale(self) -> Mapping[str, Float[Array, "*batch"]]:
        """{layer: factor} of each layer's style loss."""
        return self._one(StyleTerm).scales

    def _one(self, kind: type) -> Any:
        return next(term for term in self.terms if isinstance(term, kind))


def make_targets(
    model: Backbone,
    content: Float[Array | np.ndarray, "*batch H W 3"],
    style: Float[Array | np.ndarray, "*batch h w 3"]
    | Sequence[Float[Array | np.ndarray, "*batch _h _w 3"]],
    *,
    content_layers: Sequence[str] = CONTENT_LAYERS,
    style_layers: Sequence[str] = STYLE_LAYERS,
    weighing: str = "relative",
    style_loss: str = "gram",
    style_weights: Sequence[Scalar | int] | None = None,
    photorealism: bool = False,
    regions: Mask | Sequence[Mask] | None = None,
    style_regions: Mask | Sequence[Mask | None] | None = None,
    keep: Mask | None = None,
) -> Targets:
    """The targets of a content and a style image.

    Args:
      model: the network.
      content: the content image, sRGB in [0, 1]; the generated image will have its size.
      style: the style image, of any size, or a list of several, whose moments are averaged.
      content_layers: where the content is compared.
      style_layers: where the style is compared.
      weighing: `"paper"`: every term as the paper has it. `"relative"`: 0 is a perfect match; the
        style's 1 is the content image's own loss (at least a fifth of the larger energy of the
        two), the content's the larger energy of the two, that of an empty image; the total
        variation is divided so that it is 1 for an image as rough as the style, and the matting
        loss by the number of pixel values; alpha, beta, gamma and photorealism then mean the same
        for every family of weights, size and picture. `"mean"`: every term as a mean of squares,
        that of the features, of the Gram matrices, and the terms of the pixels divided by their
        number; this is how most other programs weigh.
      style_loss: one of `STYLE_LOSSES`; see `jnst.Settings`, whose default is another: here it is
        the paper's.
      style_weights: how much each of several style images counts; None: all the same.
      photorealism: whether there is the term of that name, the matting loss of the content.
      regions: a mask of the content for each style image, as for `jnst.stylize`, which checks
        masks; here they may be traced, and their values are taken as they are.
      style_regions: a mask of each style image, as there.
      keep: a mask of what stays the content's pixels, as there.

    Returns:
      The targets, a pytree of arrays.

    Raises:
      ValueError: for an unknown layer, weighing or style loss, or weights or masks of another
        number than the style images.
      TypeError: for images that hold no floats.
    """
    check_choice("weighing", weighing, WEIGHINGS)
    check_choice("style_loss", style_loss, STYLE_LOSSES)
    styles = tuple(
        as_floats("style", image)
        for image in (style if isinstance(style, list | tuple) else (style,))
    )
    shares = blend_shares(style_weights, len(styles))
    masks = gather_masks(len(styles), regions, style_regions, keep)
    recipe = Recipe(
        content_layers=model.geometry.check_layers("content_layers", content_layers),
        style_layers=model.geometry.check_layers("style_layers", style_layers),
        style_loss=style_loss,
        weighing=weighing,
        photorealism=photorealism,
    )
    content = as_floats("content", content)
    terms = build_terms(model, content, styles, shares, masks, recipe)
    return Targets(terms=terms, kept=kept_of(masks, content))


def loss_terms(
    image: Float[Array | np.ndarray, "*batch H W 3"], args: tuple[Backbone, Targets, LossWeights]
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
      TypeError: for an image that holds no floats.
    """
    model, targets, weights = args
    image = as_floats("image", image)
    terms = weigh_terms(targets.terms, weights)
    _check_size(image, model, targets)
    return evaluate(image, Objective(model=model, terms=terms, kept=targets.kept))


def objective(
    image: Float[Array | np.ndarray, "*batch H W 3"], args: tuple[Backbone, Targets, LossWeights]
) -> Float[Array, "*batch"]:
    """The total loss, L = α L_content + β L_style + γ TV.

    Args:
      image: the generated image, sRGB, nominally in [0, 1].
      args: the model, the targets and the weights, as for `jnst.loss_terms`.

    Returns:
      The loss, `jnst.loss_terms(image, args)["total"]`.

    Raises:
      ValueError, TypeError: as `jnst.loss_terms`.
    """
    return loss_terms(image, args)["total"]


def _check_size(image: Array, model: Backbone, targets: Targets) -> None:
    """Raise ValueError for an image of another size than the content's."""
    for name, wanted in targets.content.items():
        stride = model.geometry.stride_of(name)
        got = tuple(edge // stride for edge in image.shape[-3:-1])
        if wanted.shape[-3:-1] != got:
            raise ValueError(
                f"image must have the content's size: features at {name} are {got}, "
                f"not {wanted.shape[-3:-1]}"
            )
