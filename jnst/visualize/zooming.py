"""The zooming dream: each frame is dreamed from an enlarged cut-out of the one before."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from jnst._checks import check_integer, check_number
from jnst._programs import program
from jnst.nn.backbone import Backbone, check_backbone
from jnst.optim.minimization import Callback
from jnst.transfer.tile_checks import AUTO
from jnst.visualize.dream_settings import (
    DEFAULT_LAYERS,
    FRAME_STEPS,
    DreamSettingsDict,
    check_sought,
)
from jnst.visualize.dreaming import Dreaming, dream_together, prepare

MOST_ZOOM = 0.9
MOST_FRAMES = 100_000


def dream_frames(
    model: Backbone,
    image: Float[ArrayLike, "H W 3"],
    frames: int,
    *,
    zoom: float = 0.05,
    rotate: float = 0.0,
    frame_steps: int = FRAME_STEPS,
    layers: Mapping[str, float] | Iterable[str] = DEFAULT_LAYERS,
    channels: tuple[int, ...] | None = None,
    guide: Float[ArrayLike, "h w 3"] | None = None,
    key: Key[Array, ""] | None = None,
    tile: int | str | None = AUTO,
    callback: Callback | None = None,
    **settings: Unpack[DreamSettingsDict],
) -> Iterator[Float[np.ndarray, "H W 3"]]:
    """Dream frame after frame, flying into the picture.

    All frames are computed by the programs of the first.

    Args:
      model: as for `jnst.visualize.dream`, and so are layers, channels, guide, key and tile.
      image: what is flown into.
      frames: how many, the dream of the picture itself included.
      zoom: the share of the edges that every frame leaves out of the one before; 0: none.
      rotate: degrees that every frame turns, clockwise if negative.
      frame_steps: steps at each octave of every frame but the first.
      layers: what is made stronger.
      channels: those of one layer.
      guide: what is looked for.
      key: of the jitter, which each frame draws its own from.
      tile: the largest edge of windows.
      callback: called with a `jnst.Progress` of its frame after every step; True ends the run.
      **settings: as for `jnst.visualize.dream`.

    Returns:
      An iterator over the frames; fewer where the callback ended the run.

    Raises:
      ValueError, TypeError: for arguments that will not do, before anything is dreamed.
    """
    check_zooming(frames, zoom, rotate, frame_steps)
    sought = check_sought(check_backbone(model).geometry, layers, channels)
    photo, ((dreaming,),) = prepare(
        model, image, [sought], guide=guide, key=key, tile=tile, callback=callback, **settings
    )
    return _frames(dreaming, photo, frames, (zoom, rotate), frame_steps, callback)


def check_zooming(frames: int, zoom: float, rotate: float, frame_steps: int) -> None:
    """Raise ValueError or TypeError for what no zooming dream can be made with."""
    check_integer("frames", frames, least=1, most=MOST_FRAMES)
    check_number("zoom", zoom, least=0, most=MOST_ZOOM)
    check_number("rotate", rotate, least=-180, most=180)
    check_integer("frame_steps", frame_steps, least=1)


def _frames(
    dreaming: Dreaming,
    photo: Float[Array, "H W 3"],
    frames: int,
    motion: tuple[float, float],
    frame_steps: int,
    callback: Callback | None,
) -> Iterator[Float[np.ndarray, "H W 3"]]:
    zoom, rotate = (jnp.float32(number) for number in motion)
    tones = jnp.mean(photo, axis=(0, 1)), jnp.std(photo, axis=(0, 1))
    for number in range(frames):
        steps = frame_steps if number else None
        key = jax.random.fold_in(dreaming.key, number)
        (result,) = dream_together([dreaming._replace(key=key)], photo, callback, steps)
        yield np.asarray(result.image)
        if result.reason != "finished":
            return
        photo = toned(zoomed(result.image, zoom, rotate), *tones)


@program()
def zoomed(
    image: Float[Array, "H W 3"], zoom: float | Array, rotate: float | Array
) -> Float[Array, "H W 3"]:
    """An image enlarged and turned about its centre, at the same size.

    Interpolated by cubic convolution (Keys, 1981, a = −1/2), as a linear one would blur it more
    with every frame; what lies beyond the border is the mirror image.

    Args:
      image: the picture.
      zoom: the share of the edges that is left out.
      rotate: degrees.

    >>> bool(jnp.allclose(zoomed(jnp.full((5, 7, 3), 0.5), 0.1, 3.0), 0.5))
    True
    """
    height, width, _ = image.shape
    angle = jnp.deg2rad(rotate)
    down, across = jnp.meshgrid(
        jnp.arange(height) - (height - 1) / 2, jnp.arange(width) - (width - 1) / 2, indexing="ij"
    )
    scale = 1 - zoom
    rows = scale * (jnp.cos(angle) * down + jnp.sin(angle) * across) + (height - 1) / 2
    columns = scale * (jnp.cos(angle) * across - jnp.sin(angle) * down) + (width - 1) / 2
    top, left = jnp.floor(rows), jnp.floor(columns)
    of_rows, of_columns = _cubic(rows - top), _cubic(columns - left)
    total = jnp.zeros_like(image)
    for i in range(4):
        row = _mirror(top.astype(jnp.int32) + i - 1, height)
        for j in range(4):
            column = _mirror(left.astype(jnp.int32) + j - 1, width)
            weight = (of_rows[i] * of_columns[j])[..., None]
            total += weight * image[row, column]
    return jnp.clip(total, 0, 1)


@program()
def toned(
    image: Float[Array, "H W 3"], mean: Float[Array, "3"], deviation: Float[Array, "3"]
) -> Float[Array, "H W 3"]:
    """An image with the mean of each channel given, and its deviation where that is larger.

    Every frame's dream adds contrast to that of the frames before. Without this, after some twenty
    frames all is black or of one bright colour, and there is nothing to dream of.
    """
    spread = jnp.std(image, axis=(0, 1))
    factor = jnp.minimum(1, deviation / jnp.maximum(spread, 1e-6))
    return jnp.clip(mean + factor * (image - jnp.mean(image, axis=(0, 1))), 0, 1)


def _cubic(share: Float[Array, "H W"]) -> tuple[Array, Array, Array, Array]:
    """The weights of four neighbours in a row."""
    t, t2, t3 = share, share**2, share**3
    return (
        (-t3 + 2 * t2 - t) / 2,
        (3 * t3 - 5 * t2 + 2) / 2,
        (-3 * t3 + 4 * t2 + t) / 2,
        (t3 - t2) / 2,
    )


def _mirror(places: Array, length: int) -> Array:
    places = places % (2 * length)
    return jnp.where(places < length, places, 2 * length - 1 - places)
