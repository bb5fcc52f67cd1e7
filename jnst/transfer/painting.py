"""A picture painted from coarse to fine, once all that it is made of has been checked."""

import functools
from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array

from jnst.execution.devices import fetch, place, split, whole
from jnst.execution.rows import Rows
from jnst.image.resizing import resize
from jnst.losses.objectives import evaluate
from jnst.optim import checkpoint as checkpoints
from jnst.optim.checkpoint import Checkpoint, Losses
from jnst.optim.descent import Execution, Run, StepCallback
from jnst.optim.minimization import Callback, Progress
from jnst.optim.step import Controls, State, picture
from jnst.optim.stored_state import storable
from jnst.optim.whole import Whole
from jnst.transfer.ahead import compile_ahead
from jnst.transfer.details import details_beyond, share_of_details
from jnst.transfer.identity import run_identity
from jnst.transfer.job import (
    Job,
    Result,
    axes_of,
    controls_of,
    finished,
    result_of,
    shown,
    state_shape,
)
from jnst.transfer.levels import NOT_KEPT, Keeper, Level, Outcome, Steering, coarse_to_fine
from jnst.transfer.problem import build_objective
from jnst.transfer.tiled_problem import tiled_execution


def keeper_of(job: Job, file: Checkpoint | None) -> Keeper:
    """What keeps a picture's run in a file; raises ValueError where the file is of another run."""
    if file is None:
        return NOT_KEPT
    inputs = job.inputs
    identity = run_identity(
        job.settings, inputs.model, inputs.content, inputs.styles, job.start, inputs.masks, job.own
    )
    saved = None
    if file.resume:
        shapes = [state_shape(level.canvas.shape, job.settings) for level in job.levels]
        steps = [level.steps for level in job.levels]
        saved = checkpoints.read_checkpoint(file.path, identity, steps, shapes)

    def save(execution: Execution, run: Run, losses: Losses) -> None:
        state = execution.fetch(storable(run.state))
        checkpoints.write_checkpoint(file.path, identity, state, losses)

    return Keeper(saved=saved, save=save, every=file.every)


def paint(
    job: Job,
    callback: Callback | None = None,
    keeper: Keeper = NOT_KEPT,
    mesh: Mesh | None = None,
) -> Result:
    """Paint a picture that has been checked."""
    colors = axes_of(job.settings, job.inputs.styles)
    # The pictures before a mesh has them, of which a process sees its own part alone.
    content, styles, masks = job.inputs.content, job.inputs.styles, job.inputs.masks
    share = share_of_details(job.settings)

    def details(before: Level, level: Level) -> np.ndarray | None:
        if not share:
            return None
        return share * details_beyond(content, before.canvas, level.canvas)

    if mesh is not None:
        job = on_mesh(job, mesh)
    kept = None if job.inputs.masks is None else job.inputs.masks.keep
    show = functools.partial(shown, job.settings.colors, job.content, keep=kept)

    outcome = coarse_to_fine(
        job.levels,
        job.start,
        Steering(
            execute=functools.partial(execution_of, job, mesh=mesh),
            controls=functools.partial(controls_of, job.settings, colors, job.own, job.key),
            tolerance=float(job.settings.tolerance),
            callback=callback and functools.partial(_step_callback, callback, show),
            keeper=keeper,
            ahead=functools.partial(prepare, job) if mesh is None and not job.own else None,
            details=details,
        ),
    )
    image = show(np.clip(resize(painted(outcome, mesh), job.levels[-1].shape), 0, 1))
    image = finished(job.settings, styles, masks, image)
    return result_of(outcome, jax.device_put(image), job.levels)


def painted(outcome: Outcome, mesh: Mesh | None) -> np.ndarray:
    """The picture that a run has come to, on the host, in the shape of its last level."""
    return np.asarray(outcome.level.shown(outcome.image) if mesh is None else fetch(outcome.image))


def prepare(job: Job, level: Level) -> None:
    """Compile what a later level will need, while another one is painted."""
    if level.window is None:
        compile_ahead(job.inputs, job.settings, level)


def execution_of(job: Job, level: Level, mesh: Mesh | None = None) -> Execution:
    """The execution of one level of a picture: whole, by rows over a mesh, or in tiles."""
    inputs = job.inputs.at(level.canvas, level.shape, job.settings.style_scale)
    if level.window is not None:
        return tiled_execution(inputs, job.settings, level.window, job.own)
    sharding = None if mesh is None else split(mesh)
    objective = build_objective(inputs, job.settings, own=job.own, sharding=sharding)
    optimizer = job.settings.transformation()
    if mesh is not None:
        return Rows(objective, optimizer, mesh)
    return Whole(evaluate, objective, optimizer)


def on_mesh(job: Job, mesh: Mesh) -> Job:
    """The same with its arrays on the devices of a mesh."""
    model = job.inputs.model
    if hasattr(model, "for_sharding"):
        model = model.for_sharding()
    inputs, content, start = place(
        (job.inputs._replace(model=model), job.content, job.start), whole(mesh)
    )
    return job._replace(inputs=inputs, content=content, start=start)


def _step_callback(
    callback: Callback, show: Callable[[Array], Array], level: Level, done: int, total: int
) -> StepCallback:
    """What is called after every step of a level, telling `callback` of the run as a whole."""

    def call(state: State, controls: Controls, losses: dict[str, Array], count: int) -> bool | None:
        return callback(
            Progress(
                step=done + count,
                steps=total,
                shape=level.shape,
                losses=losses,
                picture=lambda: jax.device_put(show(level.shown(picture(state, controls)))),
            )
        )

    return call
