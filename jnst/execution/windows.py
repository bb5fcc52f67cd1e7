"""What terms see of a picture through a window: a tile and its halo; only the tile counts."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jnst._programs import program
from jnst.execution.tile_layout import Tiles
from jnst.losses.objectives import layers_of, look
from jnst.losses.terms import PIXELS, Features, Statistics, Term, View
from jnst.nn.backbone import Backbone, positions_of, strides_of
from jnst.optim.whole import on_leaves

Window = tuple[int, int]
"""(height, width) in pixels."""
Place = Int[Array, "2 3"]
"""(origin, start, stop) of a tile, down and across, as in `jnst.execution.tile_layout.Span`."""


def looks(term: Term) -> bool:
    """Whether a term looks at layers of the network, and not at the pixels alone."""
    return any(layer != PIXELS for layer in term.layers)


class Look:
    """Terms that look at a window through the network.

    Attributes:
      leaves: of the network and the terms.
      reduce: `reduce(pixels, leaves, place, shape)`: the terms' statistics.
    """

    def __init__(self, model: Backbone, terms: tuple[Term, ...]):
        leaves, structure = jax.tree.flatten((model, terms))
        self.leaves = tuple(leaves)
        self.reduce = on_leaves(window_statistics, structure)
        self._shapes: dict[Window, tuple[Statistics, ...]] = {}

    def zeros(self, image: Any, window: Window) -> tuple[Statistics, ...]:
        """The statistics of nothing. Their shapes are worked out but once: that traces all."""
        if window not in self._shapes:
            pixels = jax.ShapeDtypeStruct((*window, 3), image.dtype)
            place = jax.ShapeDtypeStruct((2, 3), jnp.int32)
            self._shapes[window] = jax.eval_shape(
                lambda *args: self.reduce(*args, image.shape), pixels, self.leaves, place
            )
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), self._shapes[window])


def window_statistics(
    pixels: Float[Array, "h w 3"],
    args: tuple[Backbone, tuple[Term, ...]],
    place: Place,
    shape: tuple[int, ...],
) -> tuple[Statistics, ...]:
    """What a tile adds to the statistics of terms.

    Args:
      pixels: of the tile's window.
      args: the network and the terms.
      place: of the tile.
      shape: of the whole picture.
    """
    model, terms = args
    layers = layers_of(terms)
    features = own_features(model, pixels, place, layers)
    positions = positions_of(model, tuple(n for n in layers if n != PIXELS), shape)
    return tuple(term.statistics(features, positions) for term in terms)


def own_features(
    model: Backbone, pixels: Float[Array, "h w 3"], place: Place, layers: Sequence[str]
) -> Features:
    """The features of a window, 0 outside of the tile's own region."""
    features = dict(look(model, pixels, tuple(layers)))
    for name, of_window in features.items():
        stride = 1 if name == PIXELS else model.geometry.stride_of(name)
        # A far border that is no multiple of the stride is rounded down, as pooling does.
        (top, above, below), (left, before, after) = place // stride
        rows = top + jnp.arange(of_window.shape[0], dtype=place.dtype)
        columns = left + jnp.arange(of_window.shape[1], dtype=place.dtype)
        own_rows, own_columns = _within(rows, above, below), _within(columns, before, after)
        own = own_rows[:, None, None] & own_columns[None, :, None]
        features[name] = jnp.where(own, of_window, 0)
    return features


def _within(places: Int[Array, " n"], start: Array, stop: Array) -> Bool[Array, " n"]:
    return (start <= places) & (places < stop)


def cut_out(image: Float[Array, "H W 3"], place: Place, window: Window) -> Float[Array, "h w 3"]:
    """The window of a tile."""
    there = place[0, 0], place[1, 0], jnp.zeros((), place.dtype)
    return jax.lax.dynamic_slice(image, there, (*window, 3))


def places_of(tiles: Tiles) -> list[Place]:
    """The tiles as arrays on the device: as Python's numbers they would be sent at every call."""
    return [jnp.array(spans, jnp.int32) for spans in tiles.spans]


def views_of(tiles: Tiles, model: Backbone, layers: Sequence[str]) -> list[View]:
    """The windows of the tiles, for `Term.at`."""
    strides = strides_of(model, layers)
    return [
        View(origin=(down.origin, across.origin), shape=tiles.window, strides=strides)
        for down, across in tiles.spans
    ]


@program(static_argnames=("reduce", "window"), donate_argnames=("seen",))
def add_statistics(
    seen: tuple[Statistics, ...],
    leaves: tuple[Array, ...],
    image: Float[Array, "H W 3"],
    place: Place,
    *,
    reduce: Callable[..., Any],
    window: Window,
) -> tuple[Statistics, ...]:
    """The first pass over one tile."""
    parts = reduce(cut_out(image, place, window), leaves, place, image.shape)
    return jax.tree.map(jnp.add, seen, parts)


def add_up(
    image: Float[Array, "H W 3"],
    each: Sequence[Look],
    places: Sequence[Place],
    window: Window,
) -> tuple[Statistics, ...]:
    """The statistics of a picture, added up over its tiles."""
    seen = each[0].zeros(image, window)
    for at_window, place in zip(each, places, strict=True):
        seen = add_statistics(
            seen, at_window.leaves, image, place, reduce=at_window.reduce, window=window
        )
    return seen
