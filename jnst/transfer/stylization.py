"""Neural style transfer from two images to one, coarse to fine."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jnst.execution.devices import checked_mesh, fetch, place, split, whole
from jnst.execution.rows import Rows
from jnst.image.color import check_palette, keep_colors, prepare_content, prepare_style
from jnst.image.inputs import check_image, check_images, check_init, initial_image
from jnst.image.masks import Mask, check_masks, resize_mask
from jnst.image.palette import color_moments
from jnst.image.resizing import resize
from jnst.losses.objectives import evaluate
from jnst.losses.regions import composite
from jnst.losses.targets import blend_shares
from jnst.nn.backbone import Backbone, check_backbone
from jnst.optim import checkpoint as checkpoints
from jnst.optim.checkpoint import Checkpoint, Losses
from jnst.optim.descent import Execution, Run, StepCallback
from jnst.optim.minimization import Callback, Progress
from jnst.optim.preconditioning import color_axes
from jnst.optim.step import Controls, State, init_state, picture
from jnst.optim.whole import Whole
from jnst.transfer.identity import run_identity
from jnst.transfer.levels import NOT_KEPT, Keeper, Level, Outcome, Steering, coarse_to_fine
from jnst.transfer.plan import Plan
from jnst.transfer.problem import Inputs, OwnTerm, build_objective
from jnst.transfer.settings import Settings, SettingsDict
from jnst.transfer.tile_selection import check_tile, window_edges
from jnst.transfer.tiled_problem import tiled_execution


class Result(NamedTuple):
    """What `stylize` comes back with.

    Attributes:
      image: the picture, (H, W, 3), sRGB in [0, 1].
      losses: {term: (steps,)}: the terms "content", "style" and "variation", and "photorealism"
        if that is not 0, before their weights, and "total", the weighted sum, each at the iterate
        before its update.
      steps: updates made, at all sizes.
      reason: why it ended: `"finished"`, `"stopped"` (the callback returned True) or `"diverged"`
        (a loss or pixel was no longer finite; the image is the last finite one), or `"converged"`
        (at the last size the loss improved by less than `tolerance`).
      plan: ((height, width), steps) of each size, the steps made there; empty for a grid's cell.
    """

    image: Float[Array, "H W 3"]
    losses: dict[str, np.ndarray]
    steps: int
    reason: str
    plan: Sequence[tuple[tuple[int, int], int]] = ()


class Job(NamedTuple):
    """One picture that is to be painted, checked.

    Attributes:
      inputs: of any size, as the transfer is to see them.
      content: as it came.
      settings: of the run.
      levels: coarse to fine.
      start: the image that the first step is made from.
      own: terms of one's own.
      key: for terms that draw something at every step.
    """

    inputs: Inputs
    content: Float[Array, "H W 3"]
    settings: Settings
    levels: list[Level]
    start: Float[Array, "_h _w 3"]
    own: tuple[OwnTerm, ...]
    key: Array


def stylize(
    model: Backbone,
    content: Float[ArrayLike, "H W 3"],
    style: Float[ArrayLike, "h w 3"] | Sequence[Float[ArrayLike, "_h _w 3"]],
    *,
    key: Array | None = None,
    init: str | Float[ArrayLike, "_h _w 3"] = "content",
    palette: Float[ArrayLike, "_h _w 3"] | None = None,
    regions: Mask | Sequence[Mask] | None = None,
    style_regions: Mask | Sequence[Mask | None] | None = None,
    keep: Mask | str | None = None,
    terms: Sequence[OwnTerm] = (),
    mesh: Mesh | None = None,
    tile: int | str | None = "auto",
    callback: Callback | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = checkpoints.EVERY,
    resume: bool = False,
    **settings: Unpack[SettingsDict],
) -> Result:
    """Paint the content of one image in the style of another.

    The pixels minimise `jnst.objective`, first at a small size, then from the enlarged result at
    each larger one: large shapes are found while steps are cheap. The style image is brought to the
    size of each (times `style_scale`); so strokes keep their proportion to the picture.

    Args:
      model: the network, from `jnst.load_vgg19`.
      content: the content image, sRGB in [0, 1].
      style: the style image, likewise, of any size; or a list of several, whose moments are
        averaged with `style_weights`, so that the picture has something of each.
      key: for noise; None: `jax.random.key(0)`.
      init: `"content"`; `"noise"`, uniform; `"style-noise"`, Gaussian with the mean and the
        covariance of the style's colours; or an image to start from, of any size.
      palette: a third image, of any size, whose colours the style image is given before anything
        else: by the method that `colors` names, or by PCA where that is `"style"`. With
        `"luminance"`, which takes no colours from the style, it is refused.
      regions: a mask of the content for each style image, in their order, which is then painted
        there and nowhere else, instead of being blended with the others; a picture may be given
        twice. Where no mask is there is no style, though the deeper layers of a region see up to
        70 px around it, which changes with them; `keep="rest"` prevents that. A mask is (h, w)
        floats in [0, 1], of any size but of its picture's proportions: 1 is inside, 0 outside, and
        what lies between a soft edge. A region has the style as strong as a whole picture would,
        times its `style_weights`.
      style_regions: a mask of each style image, of what is to count of it; None among them: all.
      keep: a mask of what stays the content's pixels: the picture is keep · content + (1 − keep) ·
        what is painted, at every step, so that what is painted fits what is kept. `"rest"`: all
        that no region covers.
      mesh: devices that share one picture, each holding some of its rows, for pictures beyond the
        memory of one; as `jax.make_mesh((jax.device_count(),), ("rows",))`. Any height will do;
        one that 16 times the number of devices divides needs least.
      tile: the largest edge in pixels of the windows in which sizes that are larger are worked at,
        their overlap included: a picture of any size then takes little more memory than one of
        that edge, and comes out the same. Styles that are larger are looked at likewise. `"auto"`:
        where picture or styles would not fit, unless there is a mesh; None: never.
      callback: called with a `Progress` after every step; True ends the run.
      checkpoint: a file to keep all in that the run needs to go on, written anew every
        `checkpoint_every` steps of a size, at the end of each, and where the callback ends the run.
      checkpoint_every: steps.
      resume: go on from `checkpoint` and end with the same bits, on the same device, as without
        the interruption. Where there is no such file yet the run starts from the beginning, so
        that one call will do for both. What the run is made of must be the same; tile and mesh
        may change, for other rounding.
      terms: terms of your own beside ours: `jnst.Term` objects, or functions `make(model, content)`
        that make one for the content at each size. Their losses are reported by their names.
      **settings: the fields of `jnst.Settings`: alpha, beta, steps, sizes, optimizer, …

    Returns:
      The picture in the content's size (or with the last of `sizes` as its long edge), the losses,
      the number of steps and why the run ended.

    Raises:
      ValueError, TypeError: for an image or a setting that will not do, before anything is traced.
      ValueError: for a checkpoint that is there and not to be resumed, that is corrupt, or that
        belongs to another run, naming what differs.
      ValueError: for a picture that the device has not the memory for, before anything is run.

    >>> from flax import nnx
    >>> from jnst import VGG19
    >>> model = VGG19(rngs=nnx.Rngs(0))  # in earnest: jnst.load_vgg19()
    >>> content, style = np.zeros((32, 48, 3)), np.ones((40, 40, 3))
    >>> result = stylize(model, content, style, beta=30.0, steps=2)
    >>> result.image.shape, result.steps, result.losses["style"].shape, result.reason
    ((32, 48, 3), 2, (2,), 'finished')
    """
    model = check_backbone(model)
    options = Settings.of(model.geometry, **settings)
    content, styles = check_image("content", content), tuple(check_images("style", style))
    blend_shares(options.style_weights, len(styles))
    shapes = [image.shape for image in styles]
    masks = check_masks(content.shape, shapes, regions, style_regions, keep)
    plan = options.plan(*content.shape[:2])
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of a jnst.Progress, got {callback!r}")
    check_palette(options.colors, palette)
    if palette is not None:
        palette = check_image("palette", palette)
    init = check_init(init)
    mesh = checked_mesh(mesh)
    check_tile(tile, options, model.geometry, mesh)
    own = check_own(terms)
    file = checkpoints.check_checkpoint(checkpoint, checkpoint_every, resume)

    styles = tuple(prepare_style(options.colors, content, image, palette) for image in styles)
    seen = prepare_content(options.colors, content, styles, options.style_weights)
    key = jax.random.key(0) if key is None else key
    edges: list[int | None] = [None] * len(plan)
    if mesh is None:
        edges = window_edges(tile, plan, model, options, styles, masks)
    job = Job(
        inputs=Inputs(model=model, content=seen, styles=styles, masks=masks),
        content=content,
        settings=options,
        levels=levels_of(plan, edges),
        start=initial_image(init, seen, styles[0], plan[0][0], key),
        own=own,
        key=key,
    )
    return paint(job, callback, keeper_of(job, file), mesh)


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
        shapes = [state_shape(level.shape, job.settings) for level in job.levels]
        steps = [level.steps for level in job.levels]
        saved = checkpoints.read_checkpoint(file.path, identity, steps, shapes)

    def save(execution: Execution, run: Run, losses: Losses) -> None:
        state = execution.fetch(checkpoints.storable(run.state))
        checkpoints.write_checkpoint(file.path, identity, state, losses)

    return Keeper(saved=saved, save=save, every=file.every)


def paint(
    job: Job,
    callback: Callback | None = None,
    keeper: Keeper = NOT_KEPT,
    mesh: Mesh | None = None,
) -> Result:
    """Paint a picture that has been checked."""
    if mesh is not None:
        job = on_mesh(job, mesh)
    masks = job.inputs.masks
    show = functools.partial(
        shown, job.settings.colors, job.content, keep=None if masks is None else masks.keep
    )

    outcome = coarse_to_fine(
        job.levels,
        job.start,
        Steering(
            execute=functools.partial(execution_of, job, mesh=mesh),
            controls=functools.partial(
                controls_of, job.settings, job.inputs.styles, job.own, job.key
            ),
            tolerance=float(job.settings.tolerance),
            callback=callback and functools.partial(_step_callback, callback, show),
            keeper=keeper,
        ),
    )
    image = show(jnp.clip(resize(outcome.image, job.levels[-1].shape), 0, 1))
    return result_of(outcome, image if mesh is None else jnp.asarray(fetch(image)), job.levels)


def result_of(outcome: Outcome, image: Array, levels: Sequence[Level]) -> Result:
    """What `stylize` gives back of a run."""
    run, losses = outcome.runs[-1], outcome.losses
    reason = "converged" if run.converged else "stopped" if run.stopped else "finished"
    made = tuple(
        (level.shape, len(part["total"])) for level, part in zip(levels, losses, strict=False)
    )
    return Result(
        image=image,
        losses={term: np.concatenate([part[term] for part in losses]) for term in losses[0]},
        steps=sum(steps for _, steps in made),
        reason="diverged" if run.state.diverged else reason,
        plan=made,
    )


def execution_of(job: Job, level: Level, mesh: Mesh | None = None) -> Execution:
    """The execution of one level of a picture: whole, by rows over a mesh, or in tiles."""
    inputs = job.inputs.at(level.shape, job.settings.style_scale)
    if level.window is not None:
        return tiled_execution(inputs, job.settings, level.window, job.own)
    sharding = None if mesh is None else split(mesh)
    objective = build_objective(inputs, job.settings, own=job.own, sharding=sharding)
    optimizer = job.settings.transformation()
    if mesh is not None:
        return Rows(objective, optimizer, mesh)
    return Whole(evaluate, objective, optimizer)


def controls_of(
    settings: Settings,
    styles: Sequence[Float[Array, "_h _w 3"]],
    own: Sequence[OwnTerm],
    key: Array,
    steps: int,
) -> Controls:
    """The numbers that steer the steps at one level.

    Args:
      settings: of the run.
      styles: as the transfer sees them; a preconditioned descent works along their colours.
      own: terms of one's own.
      key: for losses that draw something.
      steps: at this level.
    """
    controls = settings.controls(steps)
    if controls.colors is not None:
        covariance = color_moments(styles, settings.style_weights)[1]
        controls = controls._replace(colors=color_axes(covariance))
    # L-BFGS compares the gradients of different steps, which must then be of one function.
    draws = settings.optimizer != "lbfgs" and any(
        getattr(term, "stochastic", False) for term in (settings.recipe().loss, *own)
    )
    return controls._replace(key=key) if draws else controls


def on_mesh(job: Job, mesh: Mesh) -> Job:
    """The same with its arrays on the devices of a mesh."""
    model = job.inputs.model
    if hasattr(model, "for_sharding"):
        model = model.for_sharding()
    inputs, content, start = place(
        (job.inputs._replace(model=model), job.content, job.start), whole(mesh)
    )
    return job._replace(inputs=inputs, content=content, start=start)


def levels_of(plan: Plan, edges: Sequence[int | None]) -> list[Level]:
    """The levels of a plan, with the largest edge of a window at each."""
    return [
        Level(shape=shape, steps=steps, window=edge)
        for (shape, steps), edge in zip(plan, edges, strict=True)
    ]


def state_shape(shape: tuple[int, ...], settings: Settings) -> State:
    """The shapes of the state of a picture of this (height, width), or of a batch (n, …)."""
    image = jax.ShapeDtypeStruct((*shape, 3), jnp.float32)
    return jax.eval_shape(functools.partial(init_state, optimizer=settings.transformation()), image)


def check_own(terms: Any) -> tuple[OwnTerm, ...]:
    """Terms of one's own as a tuple; raises TypeError unless each is a term or makes one."""
    if not isinstance(terms, list | tuple):
        raise TypeError(f"terms must be a list of jnst.Term objects, got {terms!r}")
    for term in terms:
        if not callable(term) and not hasattr(term, "statistics"):
            raise TypeError(
                f"terms must be jnst.Term objects or functions that make one, got {term!r}"
            )
    return tuple(terms)


def shown(
    colors: str,
    content: Float[Array, "H W 3"],
    image: Float[Array, "_h _w 3"],
    keep: Mask | None = None,
) -> Float[Array, "_h _w 3"]:
    """What there is to be seen of an image that is worked at: with the content's chrominance where
    `colors` says so, and with the content itself where the mask says so."""
    if colors != "luminance" and keep is None:
        return image
    height, width, _ = image.shape
    content = resize(content, (height, width))
    if colors == "luminance":
        image = keep_colors(image, content)
    return image if keep is None else composite(image, content, resize_mask(keep, (height, width)))


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
                picture=lambda: show(picture(state, controls)),
            )
        )

    return call
