"""Pictures that are rebuilt from layers in one batch, and the memory that takes."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jnst.execution import memory
from jnst.execution.batch import Batch, shared_axes
from jnst.execution.devices import make_mesh
from jnst.image.fitting import SMALLEST_EDGE, fit
from jnst.nn.backbone import Backbone
from jnst.optim.descent import Execution, StepCallback
from jnst.optim.frequencies import filtered
from jnst.optim.step import Controls
from jnst.transfer.levels import Level, Steering, coarse_to_fine
from jnst.visualize.reconstruction_cells import DEPTHS, Cell, depth_of, objectives_of

AVERAGING = 0.9
"""Decay of the average over the last iterates, of what descends with jitter."""
NOISE = {"content": 0.05, "style": 0.15}
"""Standard deviation of the noise that is begun with, about middle grey. What is strong in it and
as smooth as a sky is what layers see least of, and would stay in a content."""
PROBE_EDGE = 256
SURELY_FITS = 512
"""Pixels: pictures of no longer edge are not measured, which would only keep them waiting."""

Pictures = tuple[Float[Array, "H W 3"], Float[Array, "h w 3"] | None]
"""The photograph and the painting."""
Shape = tuple[int, int]


class Reconstruction(NamedTuple):
    """A picture that was rebuilt.

    Attributes:
      kind: `"content"` or `"style"`.
      layers: what from.
      image: (H, W, 3), sRGB in [0, 1].
      losses: {term: (steps,)}: "content" or "style", relative to the target's energy, "variation"
        and "total".
      psnr: of a content, how near the picture is to the photograph, in dB; else None.
    """

    kind: str
    layers: tuple[str, ...]
    image: Float[Array, "H W 3"]
    losses: dict[str, np.ndarray]
    psnr: float | None

    @property
    def cell(self) -> Cell:
        """What was asked for."""
        return Cell(self.kind, self.layers)


def rebuild(
    model: Backbone,
    cells: Sequence[Cell],
    pictures: Pictures,
    steps: int,
    key: Key[Array, ""],
    callback: StepCallback | None = None,
) -> list[Reconstruction] | None:
    """Rebuild pictures that descend in the same way, as one batch; None where it was stopped."""
    photo, _ = pictures
    controls = controls_of(model, cells, steps, key)
    noise = soft_noise(key, photo.shape)
    start = jnp.stack([jnp.clip(0.5 + NOISE[cell.kind] * noise, 0, 1) for cell in cells])
    shape = int(photo.shape[0]), int(photo.shape[1])
    outcome = coarse_to_fine(
        [Level(shape=shape, steps=steps)],
        start,
        Steering(
            execute=lambda level: cast(Execution, batch_of(model, cells, pictures)),
            controls=lambda steps: [controls] * len(cells),
            callback=None if callback is None else lambda level, done, total: callback,
        ),
    )
    if outcome.runs[-1].stopped:
        return None
    images = np.asarray(outcome.image)
    return [
        Reconstruction(
            kind=cell.kind,
            layers=cell.layers,
            image=jnp.clip(images[n], 0, 1),
            losses=losses_of(cell, {term: x[:, n] for term, x in outcome.losses[-1].items()}),
            psnr=psnr(images[n], np.asarray(photo)) if cell.kind == "content" else None,
        )
        for n, cell in enumerate(cells)
    ]


def controls_of(
    model: Backbone, cells: Sequence[Cell], steps: int, key: Key[Array, ""]
) -> Controls:
    """The numbers that steer each picture of a batch."""
    descending = DEPTHS[depth_of(model.geometry, cells[0])]
    first, last = descending.rates
    jitters = descending.power is not None  # L-BFGS needs gradients of one function
    return Controls(
        learning_rate=first,
        final_learning_rate=last,
        steps=float(steps),
        ema_decay=AVERAGING if jitters else 0.0,
        key=key if jitters else None,
    )


def batch_of(model: Backbone, cells: Sequence[Cell], pictures: Pictures) -> Batch:
    """The execution of a batch, on as many devices as divide it evenly."""
    objectives = objectives_of(model, cells, *pictures)
    optimizer = DEPTHS[depth_of(model.geometry, cells[0])].optimizer
    devices = jax.devices()
    count = max(n for n in range(1, len(devices) + 1) if len(cells) % n == 0)
    return Batch(objectives, shared_axes(objectives), optimizer, make_mesh(devices[:count]))


def check_memory(
    model: Backbone, groups: Sequence[Sequence[Cell]], shape: Shape, painting: Shape | None
) -> None:
    """Raise ValueError for pictures that the device's memory does not hold in their batches.

    What a step takes is measured at `PROBE_EDGE`, since all of it grows with the pixels.

    Args:
      model: the network.
      groups: the cells of each batch.
      shape: (height, width) of the pictures.
      painting: of the painting, brought to their size; None: there is none.
    """
    if max(shape) <= SURELY_FITS:
        return
    small: Any = tuple(
        None if size is None else jnp.full((*fit(*size, PROBE_EDGE, SMALLEST_EDGE), 3), 0.5)
        for size in (shape, painting)
    )
    probe: tuple[int, ...] = small[0].shape
    for cells in groups:
        batch = batch_of(model, cells, small)
        controls = batch.controls([controls_of(model, cells, 1, jax.random.key(0))] * len(cells))
        program = batch.compiled((len(cells), *probe), controls)
        by_pixel = memory.bytes_beside(model, program) / math.prod(probe[:2])
        memory.require(by_pixel * math.prod(shape), shape, memory.device_of(model))


def soft_noise(key: Key[Array, ""], shape: tuple[int, ...]) -> Float[Array, "H W 3"]:
    """Noise of unit deviation with the spectrum of photographs, 1 / f.

    White noise has most of its power where layers see next to nothing of it, and there it stays.

    >>> noise = soft_noise(jax.random.key(0), (32, 48, 3))
    >>> round(float(noise.std()), 3)
    1.0
    """
    noise = filtered(jax.random.normal(key, shape), 1.0)
    return (noise - noise.mean()) / noise.std()


def losses_of(cell: Cell, losses: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The losses of a cell, without that of the kind that it is not of."""
    return {term: x for term, x in losses.items() if term in (cell.kind, "variation", "total")}


def psnr(image: Float[np.ndarray, "H W 3"], reference: Float[np.ndarray, "H W 3"]) -> float:
    """The peak signal-to-noise ratio of pictures in [0, 1], in dB; infinite for equal ones.

    >>> round(psnr(np.full((2, 2, 3), 0.6), np.full((2, 2, 3), 0.5)), 1)
    20.0
    """
    error = float(np.mean(np.square(image - reference)))
    return float("inf") if error == 0 else float(-10 * np.log10(error))
