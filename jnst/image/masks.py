"""Masks of parts of a picture: 1 inside, 0 outside, soft edges in between."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jnst._checks import check_floating, check_same_length, unit_floats
from jnst._programs import program

MAX_ASPECT_ERROR = 0.02
"""Largest relative difference between the aspect ratios of a mask and its picture."""
REST = "rest"
"""Value of `keep` for everything that no region covers."""
LEVELS = 2**16
"""A resized mask is rounded to this many levels, so that 0 stays 0 and 1 stays 1."""

Mask = Float[ArrayLike, "_h _w"]


class Masks(NamedTuple):
    """The masks of a run, each of any size.

    Attributes:
      regions: where each style is painted; None: the styles are blended, and the whole picture is
        one region.
      styles: which part of each style image is used; None: all of it.
      keep: where the content is left unpainted; None: nowhere.
    """

    regions: tuple[Mask, ...] | None
    styles: tuple[Mask | None, ...]
    keep: Mask | None

    def painted(self, shape: tuple[int, ...]) -> Float[Array, "R H W"]:
        """Return the regions at `shape`, (height, width), without what is kept."""
        return _painted(self.regions, self.keep, shape=tuple(shape))


@program(static_argnames=("shape",))
def _painted(
    regions: tuple[Mask, ...] | None, keep: Mask | None, *, shape: tuple[int, int]
) -> Float[Array, "R _H _W"]:
    masks = [resize_mask(region, shape) for region in regions or ()]
    painted = jnp.stack(masks) if masks else jnp.ones((1, *shape), jnp.float32)
    return painted if keep is None else painted * (1 - resize_mask(keep, shape))[None]


def resize_mask(mask: Mask, shape: tuple[int, ...]) -> Float[Array, "_H _W"]:
    """Resize a mask to (height, width), linearly and antialiased; it stays in [0, 1].

    >>> resize_mask(jnp.array([[0.0, 0.0, 1.0, 1.0, 1.0, 1.0]]), (1, 3)).round(2)
    Array([[0.14, 0.88, 1.  ]], dtype=float32)
    """
    if jnp.shape(mask) == tuple(shape):
        return jax.device_put(mask)
    return _resized(mask, shape=tuple(shape))


@program(static_argnames=("shape",))
def _resized(mask: Mask, *, shape: tuple[int, int]) -> Float[Array, "_H _W"]:
    mask = jax.image.resize(mask, shape, "linear")
    return jnp.clip(jnp.round(mask * LEVELS) / LEVELS, 0, 1)


def gather_masks(
    styles: int,
    regions: Mask | Sequence[Mask] | None,
    style_regions: Mask | Sequence[Mask | None] | None,
    keep: Mask | None,
) -> Masks | None:
    """Collect the masks of a run, unchecked.

    Args:
      styles: number of style images.
      regions: as for `jnst.stylize`.
      style_regions: as for `jnst.stylize`.
      keep: a mask.

    Returns:
      The masks; None if there are none.

    Raises:
      ValueError: if there are not as many masks as style images.
      TypeError: if they are not masks.
    """
    if regions is None and style_regions is None and keep is None:
        return None
    of_styles = (None,) * styles
    if style_regions is not None:
        of_styles = _several("style_regions", style_regions, styles)
    of_picture = None if regions is None else _several("regions", regions, styles)
    return Masks(of_picture, of_styles, keep)


def _several(name: str, value: Any, count: int) -> tuple[Any, ...]:
    """Return one mask or several (a list, or an array of three axes) as a tuple of `count`."""
    axes = getattr(value, "ndim", None)
    if axes == 2:
        value = (value,)
    elif axes != 3 and not isinstance(value, list | tuple):
        raise TypeError(f"{name} must be a mask for each style image, got {value!r}")
    check_same_length(name, "mask", value, count)
    return tuple(value)


def check_masks(
    content: tuple[int, ...],
    styles: Sequence[tuple[int, ...]],
    regions: Mask | Sequence[Mask] | None,
    style_regions: Mask | Sequence[Mask | None] | None,
    keep: Mask | str | None,
) -> Masks | None:
    """Collect and check the masks of a run.

    Args:
      content: shape of the content image, (H, W, 3).
      styles: shapes of the style images.
      regions: as for `jnst.stylize`.
      style_regions: as for `jnst.stylize`.
      keep: a mask, or `"rest"`.

    Returns:
      The masks as float32; None if there are none.

    Raises:
      ValueError: if a mask is not finite, not in [0, 1], has another aspect ratio than its picture,
        covers nothing, or leaves nothing to paint.
      TypeError: if a mask does not hold floats.
    """
    if isinstance(keep, str):
        return _keeping_the_rest(content, styles, regions, style_regions, keep)
    masks = gather_masks(len(styles), regions, style_regions, keep)
    if masks is None:
        return None
    checked = Masks(
        masks.regions
        and tuple(
            check_mask(f"regions number {number}", mask, "the content", content)
            for number, mask in enumerate(masks.regions, start=1)
        ),
        tuple(
            None
            if mask is None
            else check_mask(f"style_regions number {number}", mask, "its style image", shape)
            for number, (mask, shape) in enumerate(zip(masks.styles, styles, strict=True), start=1)
        ),
        None if masks.keep is None else check_mask("keep", masks.keep, "the content", content),
    )
    if keep is not None:
        left = np.asarray(checked.painted(content[:2])).max(axis=(1, 2)) > 0
        if checked.regions is None and not left.all():
            raise ValueError("keep leaves nothing to paint; it must be below 1 somewhere")
        if not left.all():
            number = int(np.argmin(left)) + 1
            raise ValueError(f"regions number {number} covers nothing but what is kept")
    return checked


def _keeping_the_rest(
    content: tuple[int, ...], styles: Any, regions: Any, style_regions: Any, keep: str
) -> Masks:
    """Do the work of `check_masks` if `keep` is a word."""
    if keep != REST:
        raise ValueError(f"keep must be a mask or {REST!r}, got {keep!r}")
    masks = check_masks(content, styles, regions, style_regions, None)
    if masks is None or masks.regions is None:
        raise ValueError(f"keep={REST!r} needs at least one region")
    shared, rest = _with_the_rest(masks.painted(content[:2]))
    return masks._replace(regions=shared, keep=rest)


@program()
def _with_the_rest(
    regions: Float[Array, "R H W"],
) -> tuple[tuple[Float[Array, "H W"], ...], Float[Array, "H W"]]:
    """Regions that cover all, and what they left uncovered."""
    covered = jnp.clip(jnp.sum(regions, axis=0), 0, 1)
    # At a soft edge a style already fades because of what is kept; its region must not fade too.
    shared = jnp.where(covered > 0, regions / jnp.where(covered > 0, covered, 1), 1 / len(regions))
    return tuple(shared), 1 - covered


def check_mask(name: str, mask: Any, picture: str, shape: tuple[int, ...]) -> Float[Array, "_h _w"]:
    """Return `mask` as float32 after checking it.

    Args:
      name: what messages call the mask.
      mask: (h, w), floats in [0, 1] or booleans.
      picture: what messages call its picture.
      shape: (height, width, …) of the picture.

    Raises:
      ValueError: if the mask does not fit the picture, or its values are wrong.
      TypeError: if it holds neither floats nor booleans.
    """
    try:
        mask = np.asarray(mask)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} must be an array of numbers, got {mask!r}") from error
    if mask.ndim != 2 or mask.size == 0:
        raise ValueError(f"{name} must have the shape (h, w), got {mask.shape}")
    if mask.dtype != bool:
        check_floating(name, mask.dtype)
    mask = unit_floats(name, mask)
    (high, wide), (height, width) = mask.shape, shape[:2]
    if abs(math.log(wide * height / (high * width))) > math.log1p(MAX_ASPECT_ERROR):
        raise ValueError(
            f"{name} must have the aspect ratio of {picture}, {width}×{height} px, got "
            f"{wide}×{high} px"
        )
    if not mask.any():
        raise ValueError(f"{name} covers nothing; it must be above 0 somewhere")
    return jax.device_put(mask)
