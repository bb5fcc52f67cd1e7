"""Whether a dream fits into memory as a whole, and in windows of which size if not."""

import math

import jax
import jax.numpy as jnp
import optax

from jnst.execution import memory
from jnst.execution.memory import LARGEST_WINDOW, SPARE, SURELY_FITS, device_of
from jnst.execution.tile_layout import cover
from jnst.execution.tiling import Tiled
from jnst.image.fitting import SMALLEST_EDGE, fit
from jnst.losses.objectives import Objective, evaluate, layers_of
from jnst.nn.backbone import Backbone
from jnst.optim.step import Controls
from jnst.optim.whole import Whole

PROBE_EDGE = 384
"""Pixels: what a step takes is measured at this size, since all it takes grows with the pixels."""
BYTES_OF_PICTURE = 12 * 6
"""Per pixel, of what is held of the whole picture while its tiles are gone through."""


def step_bytes(
    objective: Objective, optimizer: optax.GradientTransformation, shape: tuple[int, int]
) -> float:
    """Bytes that a step takes by pixel, measured on a picture of these proportions."""
    probe = fit(*shape, min(PROBE_EDGE, max(shape)), SMALLEST_EDGE)
    image = jax.ShapeDtypeStruct((*probe, 3), jnp.float32)
    execution = Whole(evaluate, objective, optimizer)
    controls = Controls(
        learning_rate=1.0, final_learning_rate=1.0, steps=1.0, key=jax.random.key(0)
    )
    needed = memory.bytes_beside(objective.model, execution.compiled(image, controls))
    return needed / math.prod(probe)


def window_of(
    tile: int | str | None,
    shape: tuple[int, int],
    objective: Objective,
    optimizer: optax.GradientTransformation,
) -> int | None:
    """The largest edge of a window to dream in; None where the picture fits as a whole.

    Args:
      tile: as in `jnst.visualize.dream`.
      shape: of the largest octave.
      objective: of the dream.
      optimizer: of the dream.

    Raises:
      ValueError: for a picture that the device's memory does not hold.
    """
    if not isinstance(tile, str | None):
        return tile
    device = device_of(objective.model)
    free, (edge, enough) = memory.free_bytes(device), SURELY_FITS
    if max(shape) <= edge and free >= enough:
        return None
    by_pixel = step_bytes(objective, optimizer, shape)
    pixels = math.prod(shape)
    if by_pixel * pixels <= free:
        return None
    height, width = shape
    gib = 2**30
    said = f"{device} has {free / gib:.1f} GiB free"
    if tile is None:
        most = int(SPARE * max(shape) * math.sqrt(free / (by_pixel * pixels)))
        raise ValueError(
            f"a picture of {width}×{height} px needs {by_pixel * pixels / gib:.1f} GiB of memory "
            f"and {said}; choose a size of at most {most} px, or tile"
        )
    least = objective.model.geometry.least_window(layers_of(objective.terms))
    room = free - BYTES_OF_PICTURE * pixels
    window = min(LARGEST_WINDOW, int(SPARE * math.sqrt(max(0, room) / by_pixel)))
    if window < least:
        needed = by_pixel * least**2 + BYTES_OF_PICTURE * pixels
        raise ValueError(
            f"a picture of {width}×{height} px needs {needed / gib:.1f} GiB of memory even in "
            f"tiles and {said}; choose a smaller size"
        )
    return window


def batch_of(
    count: int,
    shape: tuple[int, int],
    objective: Objective,
    optimizer: optax.GradientTransformation,
    most: int,
) -> int:
    """How many pictures of a shape fit into memory together, at least 1 and at most `most`."""
    free = memory.free_bytes(device_of(objective.model))
    by_pixel = step_bytes(objective, optimizer, shape)
    return max(1, min(count, most, int(free / (by_pixel * math.prod(shape)))))


def tiled_dream(
    objective: Objective,
    shape: tuple[int, int],
    edge: int,
    optimizer: optax.GradientTransformation,
) -> Tiled:
    """The execution of a dream in windows of at most `edge` pixels.

    Its terms are sums over positions and hold nothing by position, so every window has the same.
    """
    model: Backbone = objective.model
    tiles = cover(model.geometry, *shape, layers_of(objective.terms), edge)
    return Tiled(objective, [objective.terms] * len(tiles.spans), tiles, optimizer)
