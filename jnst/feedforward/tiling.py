"""AdaIN on pictures beyond the memory: windows are encoded, and later decoded, one by one.

The features of the whole picture take a sixtieth of what the pass over it takes, so they are kept,
and their moments are those of the whole picture: there are no seams.
"""

from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._programs import program
from jnst.execution import memory
from jnst.execution.tile_layout import Tiles, cover
from jnst.feedforward.adain import LAYER, STRIDE, AdaIN
from jnst.feedforward.matching import Map, blended
from jnst.losses.terms import Scalar
from jnst.nn.geometry import Geometry
from jnst.nn.reflecting import mirrored_to
from jnst.transfer.tile_checks import check_at_least

BYTES = 2100
"""That one pass over a picture takes for each pixel, measured on a processor."""
WINDOW = 1024
"""Pixels: the largest edge of windows where none is asked for."""
DECODED = Geometry(layers=("picture",), strides=(1,), reaches=(4,))
"""What the decoder sees of the features: four positions beyond its own."""


def least_edge(model: AdaIN) -> int:
    """The least edge in pixels that windows may have."""
    of_decoder = STRIDE * DECODED.least_window(DECODED.layers)
    return max(model.encoder.geometry.least_window((LAYER,)), of_decoder)


def check_edge(tile: Any, model: AdaIN, name: str = "tile") -> None:
    """Raise ValueError or TypeError unless `tile` is None, `"auto"` or an edge of windows."""
    check_at_least(least_edge(model), tile, name)


def edge_for(tile: int | str | None, model: AdaIN, shape: tuple[int, ...]) -> int | None:
    """The edge of windows for a picture of this (height, width); None: it needs none."""
    height, width = shape[:2]
    if isinstance(tile, Integral):
        return int(tile) if max(height, width) > tile else None
    device = memory.device_of(model)
    free = memory.free_bytes(device)
    if BYTES * height * width <= free:
        return None
    if tile is None:
        raise ValueError(
            f"a picture of {width}×{height} px needs {BYTES * height * width / 2**30:.1f} GiB of "
            f"memory and {device} has {free / 2**30:.1f} GiB free; choose a smaller size, or tile"
        )
    return WINDOW


def encode(
    model: AdaIN, image: Float[Array | np.ndarray, "H W 3"], edge: int
) -> Float[np.ndarray, "_h _w C"]:
    """The features of an image, on the host, by windows of at most `edge` pixels."""
    whole = np.asarray(mirrored_to(image, (STRIDE, STRIDE)))
    height, width, _ = whole.shape
    tiles = cover(model.encoder.geometry, height, width, (LAYER,), edge)
    features: np.ndarray | None = None
    for window, own, inside in _cuts(tiles, STRIDE):
        seen = np.asarray(_encoded(model, whole[window]))
        if features is None:
            shape = height // STRIDE, width // STRIDE, seen.shape[-1]
            features = np.empty(shape, np.float32)
        features[own] = seen[inside]
    assert features is not None  # there is a tile at least
    return features


def decode(
    model: AdaIN,
    features: Float[np.ndarray, "h w C"],
    maps: Sequence[Map],
    shares: Float[Array, " S"],
    strength: Scalar,
    places: Sequence[Float[np.ndarray, "h w"]] | None,
    edge: int,
) -> Float[np.ndarray, "_H _W 3"]:
    """The picture of blended features, on the host; arguments as for `blended`."""
    height, width, _ = features.shape
    tiles = cover(DECODED, height, width, DECODED.layers, edge // STRIDE)
    picture = np.empty((height * STRIDE, width * STRIDE, 3), np.float32)
    for window, own, inside in _cuts(tiles, 1):
        here = None if places is None else tuple(place[window] for place in places)
        seen = _decoded(model, features[window], tuple(maps), shares, strength, here)
        picture[_enlarged(own)] = np.asarray(seen)[_enlarged(inside)]
    return picture


_Cut = tuple[slice, slice]


def _cuts(tiles: Tiles, stride: int) -> Iterator[tuple[_Cut, _Cut, _Cut]]:
    """Of each tile: its window, its own positions, and those within the window."""
    for spans in tiles.spans:
        both = tuple(zip(spans, tiles.window, strict=True))
        (top, left) = (slice(span.origin, span.origin + size) for span, size in both)
        own = tuple(slice(s.start // stride, s.stop // stride) for s in spans)
        inside = tuple(
            slice((s.start - s.origin) // stride, (s.stop - s.origin) // stride) for s in spans
        )
        yield (top, left), (own[0], own[1]), (inside[0], inside[1])


def _enlarged(cut: _Cut) -> _Cut:
    down, across = (slice(STRIDE * part.start, STRIDE * part.stop) for part in cut)
    return down, across


@program()
def _encoded(model: AdaIN, window: Float[Array, "h w 3"]) -> Float[Array, "_h _w C"]:
    return model.features(window)


@program()
def _decoded(
    model: AdaIN,
    features: Float[Array, "h w C"],
    maps: tuple[Map, ...],
    shares: Float[Array, " S"],
    strength: Scalar,
    places: tuple[Float[Array, "h w"], ...] | None,
) -> Float[Array, "_H _W 3"]:
    return jnp.clip(model.decoder(blended(features, maps, shares, strength, places)), 0, 1)
