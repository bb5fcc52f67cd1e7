"""What a grid of runs consists of: its axes, and the settings of every cell."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._checks import check_number, plain_number
from jnst.image.color_setting import check_palette
from jnst.image.inputs import check_image, check_images, is_image
from jnst.image.masks import Masks, check_masks
from jnst.losses.blending import blend_shares
from jnst.nn.geometry import Geometry
from jnst.transfer.own_terms import OwnTerm, check_own
from jnst.transfer.plan import Plan
from jnst.transfer.setting_values import LayerWeights, weighted_layers
from jnst.transfer.settings import Settings

NUMBERS = ("alpha", "beta", "gamma", "learning_rate", "averaging", "photorealism", "details")
LAYER_WEIGHTS = ("content_layers", "style_layers")
AXES = ("alpha", "beta", "content", "style", *LAYER_WEIGHTS, *NUMBERS[2:], "key")
"""What can vary within a grid, in the order of its axes; alpha and beta always are axes."""
MOST_CELLS = 10_000

Index = tuple[int, ...]
"""Where a cell stands along every axis."""
Blend = tuple[Float[np.ndarray, "_h _w 3"], ...]
"""The style images of a cell, one or several, whose moments are averaged."""


class Cell(NamedTuple):
    """One run of a grid.

    Attributes:
      content: number of the content image.
      style: number of the blend of styles.
      key: for noise; None: the usual one.
      settings: of the run.
    """

    content: int
    style: int
    key: Array | None
    settings: Settings


class Grid(NamedTuple):
    """What a grid consists of, checked.

    Attributes:
      axes: {name: values} of what varies, in the order of `AXES`; images and keys by number.
      contents: the images.
      styles: the blends, most of them of a single image.
      cells: {index: cell}, the last axis running fastest.
      plans: the sizes and the steps at each, for each content.
      palette: whose colours the style images are given, or None.
      masks: the regions, the same for all cells, or None.
      own: terms of one's own, likewise.
    """

    axes: dict[str, tuple[Any, ...]]
    contents: list[Float[np.ndarray, "H W 3"]]
    styles: list[Blend]
    cells: dict[Index, Cell]
    plans: list[Plan]
    palette: Float[np.ndarray, "_h _w 3"] | None = None
    masks: Masks | None = None
    own: tuple[OwnTerm, ...] = ()

    @property
    def plan(self) -> Plan:
        """The sizes and steps of the first content."""
        return self.plans[0]

    @property
    def mixed(self) -> bool:
        """Whether the contents have several shapes."""
        return len({image.shape for image in self.contents}) > 1

    @property
    def photorealistic(self) -> bool:
        """Whether any cell has a weight of photorealism; all of them then have the term."""
        return any(cell.settings.photorealism for cell in self.cells.values())


def make_grid(
    geometry: Geometry,
    content: Any,
    style: Any,
    *,
    key: Array | None = None,
    palette: Any = None,
    masks: Mapping[str, Any] | None = None,
    terms: Any = (),
    mixed: bool = False,
    **settings: Any,
) -> Grid:
    """Make the grid of a network of this geometry, from the arguments of `stylize_grid`.

    Those for regions come as `masks`, by their names.
    """
    given = {"regions": None, "style_regions": None, "keep": None} | dict(masks or {})
    settings = {"alpha": Settings.alpha, "beta": Settings.beta} | settings
    contents, styles = several_images("content", content), several_blends("style", style)
    if len(shapes := {image.shape for image in contents}) > 1 and not mixed:
        listed = " and ".join(f"{width}×{height}" for height, width, _ in sorted(shapes))
        raise ValueError(f"content images must all have one size, got {listed} px")
    keys = several_keys(key)
    values = {name: several_numbers(name, settings.pop(name)) for name in NUMBERS & settings.keys()}
    for name in LAYER_WEIGHTS & settings.keys():
        values[name] = several_layers(name, settings.pop(name), geometry)
    number = {"content": len(contents), "style": len(styles), "key": len(keys)}
    values |= {name: tuple(range(count)) for name, count in number.items()}
    count = math.prod(map(len, values.values()))
    common = Settings.of(geometry, **settings)
    for blend in styles:
        blend_shares(common.style_weights, len(blend))
        shapes_of_blend = [image.shape for image in blend]
        checked = check_masks(contents[0].shape, shapes_of_blend, **given)
    plans = [common.plan(*image.shape[:2]) for image in contents]
    check_palette(common.colors, palette)
    if palette is not None:
        palette = check_image("palette", palette, least=1)
    if count > MOST_CELLS:
        raise ValueError(
            f"a grid has at most {MOST_CELLS:,} cells, got {count:,}; give fewer values"
        )
    axes = {
        name: values[name]
        for name in AXES
        if name in ("alpha", "beta") or len(values.get(name, ())) > 1
    }
    fixed = {name: values[name][0] for name in values.keys() - axes.keys()}
    cells = {}
    for index in itertools.product(*(range(len(axis)) for axis in axes.values())):
        chosen = {name: axes[name][i] for name, i in zip(axes, index, strict=True)} | fixed
        pictures = chosen.pop("content"), chosen.pop("style")
        cell_key = keys[chosen.pop("key")]
        content_number, style_number = pictures
        cells[index] = Cell(
            content=content_number,
            style=style_number,
            key=cell_key,
            settings=Settings.of(geometry, **settings, **chosen),
        )
    return Grid(
        axes=axes,
        contents=contents,
        styles=styles,
        cells=cells,
        plans=plans,
        palette=palette,
        masks=checked,
        own=check_own(terms),
    )


def several_numbers(name: str, value: Any) -> tuple[Any, ...]:
    """One number or several, as a tuple."""
    if isinstance(value, np.ndarray | jax.Array):
        value = value.tolist()
    if isinstance(value, str | Mapping) or not hasattr(value, "__iter__"):
        return (value,)  # whether it will do is for `Settings` to say
    values = tuple(map(plain_number, value))
    for number in values:
        check_number(name, number, least=0)
    return tuple(distinct(name, values, repr_of=np.float32))


def several_layers(name: str, value: Any, geometry: Geometry) -> tuple[dict[str, float], ...]:
    """One choice of layers or several, each with a weight for every layer that any one names."""
    one = isinstance(value, str | Mapping) or not isinstance(value, Sequence) or not value
    if one or all(isinstance(layer, str) for layer in value):
        return (weighted_layers(name, value, geometry),)
    chosen = [weighted_layers(name, layers, geometry) for layers in value]
    used = [layer for layer in geometry.layers if any(layer in layers for layers in chosen)]
    filled = [{u: float(layers.get(u, 0)) for u in used} for layers in chosen]
    return tuple(LayerWeights(layers) for layers in distinct(name, filled))


def several_images(name: str, value: Any) -> list[Float[np.ndarray, "_h _w 3"]]:
    """One image or several, each checked."""
    return distinct(name, check_images(name, value), repr_of=_contents)


def several_blends(name: str, value: Any) -> list[Blend]:
    """Return the blends of an axis.

    A list that holds lists or tuples of images is one of blends; without these, every image is a
    blend by itself.
    """
    if not (isinstance(value, list | tuple) and any(map(is_blend, value))):
        return [(image,) for image in several_images(name, value)]
    numbered = enumerate(value, start=1)
    blends = [tuple(check_images(f"{name} number {number}", blend)) for number, blend in numbered]
    return distinct(name, blends, repr_of=lambda blend: tuple(map(_contents, blend)))


def is_blend(value: Any) -> bool:
    """Whether a value is a list or a tuple with an image in it."""
    return isinstance(value, list | tuple) and any(map(is_image, value))


def _contents(image: Float[np.ndarray, "_h _w 3"]) -> tuple[tuple[int, ...], bytes]:
    """What two images that are the same have in common."""
    return image.shape, np.asarray(image).tobytes()


def several_keys(key: Any) -> list[Array | None]:
    """One random key (None for the usual one) or several."""
    if key is None:
        return [None]
    if not isinstance(key, jax.Array):
        raise TypeError(f"key must be a key of jax.random or an array of several, got {key!r}")
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(key)
    if key.ndim > 1:
        raise ValueError(f"key must be one key or a row of several, got the shape {key.shape}")
    return distinct("key", list(key)) if key.ndim else [key]


def distinct(name: str, values: Sequence[Any], repr_of: Callable[[Any], Any] = repr) -> Any:
    """`values`; raises ValueError if there are none, or if one is there twice."""
    if not values:
        raise ValueError(f"{name} has no values; give at least one")
    seen = set()
    for number, value in enumerate(values):
        if repr_of(value) in seen:
            what = f"{value:g}" if isinstance(value, int | float) else f"number {number + 1}"
            raise ValueError(f"{name} must have every value once, and {what} repeats another")
        seen.add(repr_of(value))
    return values
