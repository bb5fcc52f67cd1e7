"""A dream that has been checked, and how it is run: alone, in tiles, or with others as a batch."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from jnst.execution.batch import Batch
from jnst.execution.devices import make_mesh
from jnst.image.inputs import check_image
from jnst.losses.activation import Responses
from jnst.losses.objectives import Objective, evaluate
from jnst.nn.backbone import Backbone, check_backbone
from jnst.optim.ascent import normalized_gradient
from jnst.optim.descent import Execution, StepCallback
from jnst.optim.minimization import Callback, Progress
from jnst.optim.step import Controls, State
from jnst.optim.whole import Whole
from jnst.transfer.job import Result, result_of
from jnst.transfer.levels import Level, Outcome, Steering, coarse_to_fine
from jnst.transfer.tile_checks import AUTO, check_window
from jnst.visualize.dream_memory import tiled_dream, window_of
from jnst.visualize.dream_settings import (
    RATE,
    DreamSettings,
    DreamSettingsDict,
    Sought,
    check_sought,
)
from jnst.visualize.dream_terms import batch_axes, dream_objective, dream_terms
from jnst.visualize.features import check_large_enough
from jnst.visualize.octaves import Octaves


class Dreaming(NamedTuple):
    """A dream that has been checked.

    Attributes:
      model: the network.
      term: what is made stronger.
      settings: of the run.
      key: of the jitter.
      window: the largest edge of windows; None: the picture is dreamed as a whole.
    """

    model: Backbone
    term: Responses
    settings: DreamSettings
    key: Key[Array, ""]
    window: int | None = None

    @property
    def objective(self) -> Objective:
        """What is minimised."""
        return dream_objective(self.model, self.term, self.settings.jitter)

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """How it is minimised."""
        return normalized_gradient(float(self.settings.smoothing), int(self.settings.bands))

    def levels(self, shape: Sequence[int], steps: int | None = None) -> list[Level]:
        """The octaves of a picture of this (height, width), with other steps at each if given."""
        return [
            Level(
                shape=size,
                steps=count if steps is None else steps,
                window=self.window if self.window and max(size) > self.window else None,
            )
            for size, count in self.settings.plan(*shape[:2])
        ]

    def controls(self, steps: int) -> Controls:
        """The numbers that steer the steps of an octave."""
        rate = RATE * self.settings.strength
        return Controls(
            learning_rate=rate, final_learning_rate=rate, steps=float(steps), key=self.key
        )

    def execution(self, level: Level) -> Execution:
        """The execution of an octave."""
        if level.window is not None:
            return tiled_dream(self.objective, level.shape, level.window, self.optimizer)
        return Whole(evaluate, self.objective, self.optimizer)


def prepare(
    model: Backbone,
    image: Float[ArrayLike, "H W 3"],
    each: Sequence[Sought],
    *,
    guide: Float[ArrayLike, "h w 3"] | None = None,
    key: Key[Array, ""] | None = None,
    tile: int | str | None = AUTO,
    callback: Any = None,
    **settings: Unpack[DreamSettingsDict],
) -> tuple[Float[Array, "H W 3"], list[list[Dreaming]]]:
    """Check the arguments of `dream_each` and make its dreams, those of the same layers together.

    Returns:
      The photograph, and the dreams.
    """
    model, options = check_backbone(model), DreamSettings(**settings)
    each = [checked_sought(model, sought) for sought in each]
    if not each:
        raise ValueError("each has no dreams; give at least one")
    photo = jnp.asarray(check_image("image", image))
    guided = None if guide is None else jnp.asarray(check_image("guide", guide))
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of a jnst.Progress, got {callback!r}")
    for sought in each:
        check_large_enough(model.geometry, photo.shape, sought.layers)
        check_window(tile, model.geometry, tuple(sought.layers))
        if guided is not None:
            check_large_enough(model.geometry, guided.shape, sought.layers, "guide")
            if sought.channels:
                raise ValueError("channels and guide are mutually exclusive")
    key = jax.random.key(0) if key is None else key
    groups = [
        [dreaming_of(Dreaming(model, term, options, key), photo.shape, tile) for term in terms]
        for terms in (dream_terms(model, photo, group, guided) for group in same_layers(each))
    ]
    return photo, groups


def checked_sought(model: Backbone, sought: Any) -> Sought:
    """The same as `check_sought` makes it, whoever made it."""
    if not isinstance(sought, Sought):
        raise TypeError(f"each must hold jnst.visualize.Sought, got {sought!r}")
    return check_sought(model.geometry, sought.layers, sought.channels or None)


def same_layers(each: Sequence[Sought]) -> list[list[Sought]]:
    """What has the same layers, together."""
    groups: dict[tuple[str, ...], list[Sought]] = {}
    for sought in each:
        groups.setdefault(tuple(sought.layers), []).append(sought)
    return list(groups.values())


def dreaming_of(dreaming: Dreaming, shape: Sequence[int], tile: int | str | None) -> Dreaming:
    """A dream with the windows that its picture needs."""
    height, width = shape[:2]
    window = window_of(tile, (height, width), dreaming.objective, dreaming.optimizer)
    return dreaming._replace(window=window)


def dream_together(
    dreams: Sequence[Dreaming],
    photo: Float[Array, "H W 3"],
    callback: Callback | None = None,
    steps: int | None = None,
) -> list[Result]:
    """Run dreams of the same layers at once.

    Args:
      dreams: of one photograph; several as a batch.
      photo: the photograph.
      callback: see `dream_each`.
      steps: at every octave; None: those of the settings.
    """
    first = dreams[0]
    levels, octaves = first.levels(photo.shape, steps), Octaves(photo)
    start = octaves.at(levels[0].shape)
    controls: Any = first.controls
    execute: Any = first.execution
    several = len(dreams) > 1
    if several:
        start = np.broadcast_to(start, (len(dreams), *start.shape))
        controls = functools.partial(controls_of_batch, dreams)
        execute = functools.partial(execution_of_batch, dreams)
    outcome = coarse_to_fine(
        levels,
        jnp.asarray(start),
        Steering(
            execute=execute,
            controls=controls,
            callback=callback and functools.partial(step_callback, callback),
            carry=lambda image, level: jnp.asarray(octaves.carry(image, level)),
        ),
    )
    images = outcome.image if several else outcome.image[None]
    if images.shape[1:] != photo.shape:  # it was stopped at a smaller octave
        last = Level(shape=(photo.shape[0], photo.shape[1]), steps=0)
        images = jnp.asarray(octaves.carry(images, last))
    return [
        result_of(of_batch(outcome, n) if several else outcome, image, levels)
        for n, image in enumerate(images)
    ]


def of_batch(outcome: Outcome, n: int) -> Outcome:
    """What came of one picture of a batch."""
    run = outcome.runs[-1]
    losses = [{term: of_all[:, n] for term, of_all in part.items()} for part in outcome.losses]
    state = run.state._replace(diverged=run.state.diverged[n])
    return outcome._replace(losses=losses, runs=[run._replace(state=state, converged=False)])


def controls_of_batch(dreams: Sequence[Dreaming], steps: int) -> list[Controls]:
    """The numbers that steer each dream of a batch."""
    return [dreaming.controls(steps) for dreaming in dreams]


def execution_of_batch(dreams: Sequence[Dreaming], level: Level) -> Batch:
    """The execution of a batch, on as many devices as divide it evenly."""
    devices = jax.devices()
    count = max(n for n in range(1, len(devices) + 1) if len(dreams) % n == 0)
    objectives = [dreaming.objective for dreaming in dreams]
    axes = batch_axes(objectives[0])
    return Batch(objectives, axes, dreams[0].optimizer, make_mesh(devices[:count]))


def step_callback(callback: Callback, level: Level, done: int, total: int) -> StepCallback:
    """What is called after every step of an octave, telling `callback` of the run as a whole."""

    def call(state: State, controls: Controls, losses: dict[str, Array], count: int) -> bool | None:
        batch = state.image.ndim == 4
        return callback(
            Progress(
                step=done + count,
                steps=total,
                shape=level.shape,
                losses={term: x[0] for term, x in losses.items()} if batch else losses,
                picture=lambda: state.image[0] if batch else jnp.array(state.image),
            )
        )

    return call
