"""Training a network that paints in one pass."""

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float, UInt8

from jnst._threads import ahead
from jnst.execution.devices import checked_mesh, make_mesh, place, split, whole
from jnst.feedforward.crops import draw_crops
from jnst.feedforward.lessons import Batch, Lesson, make_lesson
from jnst.feedforward.samples import paint_samples
from jnst.feedforward.training_settings import SMALLEST_CROP, Training
from jnst.feedforward.training_step import TrainingState, initial_state, training_step
from jnst.image.fitting import fit
from jnst.image.inputs import check_images
from jnst.image.resizing import resize
from jnst.nn.backbone import Backbone, check_backbone
from jnst.nn.painter import Painter, new_painter
from jnst.nn.painter_file import Architecture
from jnst.optim import checkpoint as checkpoints
from jnst.optim.checkpoint import Checkpoint
from jnst.optim.concrete import check_concrete
from jnst.optim.minimization import Callback, Progress

MOST_FAILURES = 10
"""Steps in a row whose losses are not finite, after which the training ends; it is looked after as
many, since whoever asks the device waits for it."""

Losses = dict[str, Any]
"""{term: loss} of a step."""


class Trained(NamedTuple):
    """What `train` returns.

    Attributes:
      painter: the network, for `jnst.fast`.
      losses: {term: (steps,)}, means over the crops of each step; NaN where a step was taken back.
      steps: made.
      reason: why it ended: `"finished"`, `"stopped"` by the callback, or `"diverged"`.
    """

    painter: Painter
    losses: dict[str, np.ndarray]
    steps: int
    reason: str


def train(
    model: Backbone,
    photos: Sequence[UInt8[np.ndarray, "_h _w 3"]],
    styles: Float[np.ndarray, "_h _w 3"] | Sequence[Float[np.ndarray, "_h _w 3"]],
    *,
    names: Sequence[str] | None = None,
    architecture: Architecture | None = None,
    mesh: Mesh | None = None,
    samples: Float[np.ndarray, "_n _h _w 3"] | None = None,
    callback: Callback | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 200,
    resume: bool = False,
    **settings: Any,
) -> Trained:
    """Train a network to paint any photograph in one or several styles.

    Args:
      model: the backbone that judges the pictures, from `jnst.load_vgg19`.
      photos: photographs of any kind, uint8 (H, W, 3); both edges at least as long as a crop.
      styles: a style image, sRGB in [0, 1], or several, which then share the network.
      names: of the styles; None: numbers.
      architecture: of the network; None: `Architecture()`.
      mesh: devices that share the crops of each step, whose number they must divide; None: as many
        of JAX's as do.
      samples: photographs that show how far the network is, sRGB in [0, 1].
      callback: called with a `jnst.Progress` after every step; True ends the training. Its picture
        is what the network makes of the samples, a sheet; without them, of the step's first crop.
      checkpoint: a file to keep all in that the training needs to go on, as for `jnst.stylize`.
      checkpoint_every: steps between two writings.
      resume: go on from `checkpoint`, if it exists, to the same bits as without the interruption.
      **settings: the fields of `Training`.

    Returns:
      The network and its losses.

    Raises:
      ValueError, TypeError: for photographs, styles or settings that will not do.
      ValueError: for a checkpoint that is there and not to be resumed, corrupt, or of another run.
    """
    check_concrete("train", model, styles)
    model = check_backbone(model)
    training, architecture = Training(**settings), architecture or Architecture()
    photos = check_photos(photos, training.crop)
    paintings = check_images("styles", styles)
    labels = tuple(map(str, names or range(1, len(paintings) + 1)))
    if len(labels) != len(paintings) or len(set(labels)) < len(labels):
        raise ValueError(f"names must be distinct, one for each of {len(paintings)} styles")
    file = checkpoints.check_checkpoint(checkpoint, checkpoint_every, resume)
    devices = devices_for(checked_mesh(mesh), training.batch)
    sized = [_sized(painting, training.style_size) for painting in paintings]
    painter = new_painter(jax.random.key(training.seed), labels, architecture)
    state = initial_state(painter)
    losses: list[Losses] = []
    identity: dict[str, Any] = {}
    if file is not None:
        identity = {
            **dataclasses.asdict(training),
            "architecture": dataclasses.asdict(architecture),
            "names": labels,
            "weights": checkpoints.fingerprint(jax.tree.leaves(model)),
            "style": checkpoints.fingerprint(sized),
            "photographs": checkpoints.fingerprint(photos),
        }
        if file.resume:
            state, losses = _read(file, identity, training, state)
    lesson = make_lesson(model, sized, training.recipe())
    run = _Run(model, painter, lesson, training, photos, devices, samples)
    return run.go(state, losses, callback, file, identity)


def check_photos(photos: Any, crop: int) -> list[UInt8[np.ndarray, "_h _w 3"]]:
    """Return the photographs as a list; raise ValueError or TypeError for what will not do."""
    photos = [np.asarray(photo) for photo in photos]
    if not photos:
        raise ValueError("photos has no photographs; give at least one")
    for number, photo in enumerate(photos, start=1):
        if photo.ndim != 3 or photo.shape[-1] != 3 or photo.dtype != np.uint8:
            raise TypeError(
                f"photos number {number} must be uint8 (H, W, 3), got {photo.dtype} {photo.shape}"
            )
        if min(photo.shape[:2]) < crop:
            height, width, _ = photo.shape
            raise ValueError(f"photos number {number} has {width}×{height} px, less than a crop")
    return photos


def _sized(style: Float[np.ndarray, "h w 3"], size: int) -> np.ndarray:
    height, width, _ = style.shape
    return np.asarray(resize(style, fit(height, width, size, SMALLEST_CROP)))


def devices_for(mesh: Mesh | None, batch: int) -> Mesh:
    """The devices that share a batch; raises ValueError where those of `mesh` cannot."""
    if mesh is None:
        devices = jax.local_devices()
        return make_mesh(devices[: math.gcd(len(devices), batch)])
    if batch % mesh.size:
        raise ValueError(f"batch must be a multiple of the {mesh.size} devices, got {batch}")
    return mesh


class _Run(NamedTuple):
    """A training under way."""

    model: Backbone
    painter: Painter
    lesson: Lesson
    training: Training
    photos: list[np.ndarray]
    devices: Mesh
    samples: np.ndarray | None

    def spread(self, state: TrainingState) -> "tuple[_Run, TrainingState]":
        """The same with all arrays on every device, by ways of convolving that JAX can split."""
        if self.devices.size == 1:
            return self, state
        of_shards = getattr(self.model, "for_sharding", lambda: self.model)()
        everywhere = whole(self.devices)
        run = self._replace(
            model=place(of_shards, everywhere),
            lesson=place(self.lesson, everywhere),
            painter=dataclasses.replace(self.painter, fast=False),
        )
        return run, place(state, everywhere)

    def batch(self, step: int) -> Batch:
        """What a step is made of, its crops shared by the devices."""
        count, styles = self.training.batch, len(self.painter.styles)
        crops = draw_crops(self.photos, count, self.training.crop, self.training.seed, step)
        numbers = (step * count + np.arange(count)) % styles
        made = Batch(crops=crops, numbers=numbers.astype(np.int32))
        return made if self.devices.size == 1 else place(made, split(self.devices))

    def go(
        self,
        state: TrainingState,
        losses: list[Losses],
        callback: Callback | None,
        file: Checkpoint | None,
        identity: dict[str, Any],
    ) -> Trained:
        """Make the steps that are missing."""
        self, state = self.spread(state)
        missing = range(len(losses), self.training.steps)
        with contextlib.closing(ahead(map(self.batch, missing))) as batches:
            state, reason = self._make_steps(batches, state, losses, callback, file, identity)
        painter = dataclasses.replace(self.painter, arrays=state.arrays)
        return Trained(painter=painter, losses=_table(losses), steps=len(losses), reason=reason)

    def _make_steps(
        self,
        batches: Iterable[Batch],
        state: TrainingState,
        losses: list[Losses],
        callback: Callback | None,
        file: Checkpoint | None,
        identity: dict[str, Any],
    ) -> tuple[TrainingState, str]:
        """Make a step of each batch, adding to the losses; the state, and why they ended."""
        training, recipe, weights = self.training, self.training.recipe(), self.training.weights()
        bare = dataclasses.replace(self.painter, arrays={})
        reason = "finished"
        for step, batch in enumerate(batches, start=len(losses)):
            rate = np.float32(training.rate(step))
            state, seen = training_step(
                state, bare, self.model, self.lesson, weights, rate, batch, recipe=recipe
            )
            losses.append(seen)  # not read yet, so that the next step is prepared meanwhile
            done = step + 1
            if done % MOST_FAILURES == 0:
                losses[-MOST_FAILURES:] = jax.device_get(losses[-MOST_FAILURES:])
                if int(state.failures) >= MOST_FAILURES:
                    reason = "diverged"
            if reason == "finished" and callback is not None:
                reason = "stopped" if callback(self._progress(state, losses, batch)) else reason
            last = reason != "finished" or done == training.steps
            if file is not None and (last or done % file.every == 0):
                checkpoints.write_checkpoint(
                    file.path, identity, jax.device_get(state), [_table(losses)]
                )
            if reason != "finished":
                break
        return state, reason

    def _progress(self, state: TrainingState, losses: list[Losses], batch: Batch) -> Progress:
        painter = dataclasses.replace(self.painter, arrays=state.arrays)
        edge = self.training.crop

        def picture() -> np.ndarray:
            if self.samples is not None:
                return paint_samples(painter, self.samples)
            shares = np.eye(len(painter.styles), dtype=np.float32)[int(batch.numbers[0])]
            return np.clip(np.asarray(painter(batch.crops[0], shares)), 0, 1)

        return Progress(
            step=len(losses),
            steps=self.training.steps,
            shape=(edge, edge),
            losses=losses[-1],
            picture=picture,  # type: ignore[arg-type]
        )


def _table(losses: list[Losses]) -> dict[str, np.ndarray]:
    """{term: (steps,)}."""
    read = jax.device_get(losses)
    names = read[0] if read else ()
    return {name: np.array([each[name] for each in read], np.float32) for name in names}


def _read(
    file: Checkpoint, identity: dict[str, Any], training: Training, state: TrainingState
) -> tuple[TrainingState, list[Losses]]:
    """The state and the losses in a checkpoint."""
    shapes: Any = jax.eval_shape(lambda: state)
    saved = checkpoints.read_checkpoint(file.path, identity, [training.steps], [shapes])
    table = saved.losses[0]
    rows = zip(*table.values(), strict=True)
    losses: list[Losses] = [dict(zip(table, row, strict=True)) for row in rows]
    resumed: Any = jax.tree.map(jnp.asarray, saved.state)
    return resumed, losses
