"""What is seen of a picture through a window: a tile and its halo; only the tile counts."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jnst.execution.tile_layout import Tiles, level
from jnst.losses.moments import Moments, Seen
from jnst.losses.regions import Guides
from jnst.losses.targets import needs_means, seen_of
from jnst.nn.vgg import VGG19

Window = tuple[int, int]


def own_features(
    model: VGG19,
    window: Float[Array, "h w 3"],
    tile: Int[Array, "2 3"],
    layers: Sequence[str],
) -> dict[str, Float[Array, "_h _w _c"]]:
    """The features of a window, 0 outside of the tile's own region."""
    features = model(window, layers)
    for name, of_window in features.items():
        # A far border that is no multiple of the stride is rounded down, as pooling does.
        (top, above, below), (left, before, after) = tile >> level(name)
        rows = top + jnp.arange(of_window.shape[0])
        columns = left + jnp.arange(of_window.shape[1])
        own_rows, own_columns = _within(rows, above, below), _within(columns, before, after)
        features[name] = jnp.where((own_rows[:, None] & own_columns)[..., None], of_window, 0)
    return features


def _within(places: Int[Array, "n"], start: Array, stop: Array) -> Bool[Array, "n"]:
    return (start <= places) & (places < stop)


def cut_out(
    image: Float[Array, "H W 3"], tile: Int[Array, "2 3"], window: Window
) -> Float[Array, "h w 3"]:
    return jax.lax.dynamic_slice(image, (tile[0, 0], tile[1, 0], 0), (*window, 3))


def parts_of(
    model: VGG19,
    features: Mapping[str, Array],
    whole: tuple[int, ...],
    tile: Int[Array, "2 3"],
    guides: Guides | None,
    *,
    means: bool,
) -> dict[str, Seen]:
    """What a tile adds to the moments of a picture whose shape is `whole`."""
    of_window = guides and {
        name: _cut_out_guides(guides[name], tile >> level(name), of_tile.shape)
        for name, of_tile in features.items()
    }
    parts = seen_of(model, features, means=means, guides=of_window)
    for name, of_tile in features.items():
        height, width, _ = of_tile.shape
        positions = (whole[0] >> level(name)) * (whole[1] >> level(name))
        share = height * width / positions
        parts[name] = jax.tree.map(lambda moment, share=share: moment * share, parts[name])
    return parts


def _cut_out_guides(
    guides: Float[Array, "R _H _W"], tile: Int[Array, "2 3"], shape: tuple[int, ...]
) -> Float[Array, "R _h _w"]:
    return jax.lax.dynamic_slice(guides, (0, tile[0, 0], tile[1, 0]), (len(guides), *shape[:2]))


@functools.partial(
    jax.jit, static_argnames=("structure", "layers", "window"), donate_argnames="seen"
)
def add_moments(
    seen: dict[str, Seen],
    leaves: tuple[Array, ...],
    image: Float[Array, "H W 3"],
    tile: Int[Array, "2 3"],
    guides: Guides | None,
    *,
    structure: Any,
    layers: tuple[str, ...],
    window: Window,
) -> dict[str, Seen]:
    """The first pass over one tile."""
    model = jax.tree.unflatten(structure, leaves)
    features = own_features(model, cut_out(image, tile, window), tile, layers)
    parts = parts_of(model, features, image.shape, tile, guides, means=needs_means(seen))
    return jax.tree.map(jnp.add, seen, parts)


def places_of(tiles: Tiles) -> list[Int[Array, "2 3"]]:
    """The tiles as arrays on the device: as Python's numbers they would be sent at every call."""
    return [jnp.array(spans, jnp.int32) for spans in tiles.spans]


def tiled_moments(
    model: VGG19,
    image: Float[Array, "H W 3"],
    tiles: Tiles,
    layers: Sequence[str],
    *,
    means: bool,
    guides: Guides | None = None,
) -> dict[str, Seen]:
    """The moments of a picture by layer, or but its Gram matrices, added up over its tiles; of its
    regions where there are guides."""
    leaves, structure = jax.tree.flatten(model)
    places = places_of(tiles)
    return add_up(
        tuple(leaves), image, places, guides, structure, tuple(layers), tiles.window, means
    )


def add_up(
    leaves: tuple[Array, ...],
    image: Float[Array, "H W 3"],
    places: list[Array],
    guides: Guides | None,
    structure: Any,
    layers: tuple[str, ...],
    window: Window,
    means: bool,
) -> dict[str, Seen]:
    seen = nothing_seen(leaves, image, guides, structure=structure, layers=layers, means=means)
    for place in places:
        seen = add_moments(
            seen, leaves, image, place, guides, structure=structure, layers=layers, window=window
        )
    return seen


def nothing_seen(
    leaves: tuple[Array, ...],
    image: Array,
    guides: Guides | None,
    *,
    structure: Any,
    layers: tuple[str, ...],
    means: bool,
) -> dict[str, Seen]:
    def features(leaves: tuple[Array, ...], image: Array) -> dict[str, Array]:
        return jax.tree.unflatten(structure, leaves)(image, layers)

    shapes = jax.eval_shape(features, leaves, image)
    channels = {name: shapes[name].shape[-1] for name in layers}
    lead = {name: guides[name].shape[:1] if guides else () for name in layers}
    grams = {
        name: jnp.zeros((*lead[name], count, count), image.dtype)
        for name, count in channels.items()
    }
    if not means:
        return dict(grams)
    return {
        name: Moments(jnp.zeros((*lead[name], count), image.dtype), grams[name])
        for name, count in channels.items()
    }
