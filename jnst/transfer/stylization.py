"""Neural style transfer from two images to one, coarse to fine."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jnst.execution.devices import checked_mesh, fetch, place, whole
from jnst.execution.tile_selection import check_tile, window_edges
from jnst.image.color import check_palette, keep_colors, prepare_content, prepare_style
from jnst.image.inputs import check_image, check_images, check_init, initial_image, resize
from jnst.image.masks import Mask, check_masks, resize_mask
from jnst.losses.regions import composite
from jnst.losses.targets import blend_shares
from jnst.nn.vgg import VGG19
from jnst.optim.minimization import Controls, Run, State, Watch, minimize, picture
from jnst.transfer.checkpoint import (
    Losses,
    Saved,
    check_checkpoint,
    identity,
    read_checkpoint,
    write_checkpoint,
)
from jnst.transfer.levels import Inputs, begin, descend
from jnst.transfer.settings import Plan, Settings

CHECKPOINT_EVERY = 50
"""Steps."""


class Progress(NamedTuple):
    """What a callback is told after every step.

    Attributes:
      step: updates made so far, at all sizes.
      steps: updates that the run will make at most; fewer once a size has converged.
      shape: (height, width) that is worked at now.
      losses: {term: loss} of the step before this one; reading them does not make the device wait.
      picture: a function that returns the picture so far, (height, width, 3); to be called within
        the callback, since its arrays are given to the next step.
    """

    step: int
    steps: int
    shape: tuple[int, int]
    losses: dict[str, Array]
    picture: Callable[[], Float[Array, "H W 3"]]


Callback = Callable[[Progress], bool | None]


def work_left(plan: Plan, progress: Progress) -> int:
    """Steps × pixels that a run still has to do; counted from the end, since a resumed run does not
    begin at the beginning, and a size that has converged leaves out steps."""
    larger = [(shape, n) for shape, n in plan if max(shape) > max(progress.shape)]
    here = progress.steps - progress.step - sum(n for _, n in larger)
    return sum(h * w * n for (h, w), n in [*larger, (progress.shape, here)])


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


def stylize(
    model: VGG19,
    content: Float[ArrayLike, "H W 3"],
    style: Float[ArrayLike, "h w 3"] | Sequence[Float[ArrayLike, "_h _w 3"]],
    *,
    key: Array | None = None,
    init: str | Float[ArrayLike, "_h _w 3"] = "content",
    palette: Float[ArrayLike, "_h _w 3"] | None = None,
    regions: Mask | Sequence[Mask] | None = None,
    style_regions: Mask | Sequence[Mask | None] | None = None,
    keep: Mask | str | None = None,
    mesh: Mesh | None = None,
    tile: int | str | None = "auto",
    callback: Callback | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
    resume: bool = False,
    **settings: Any,
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
      **settings: the fields of `jnst.Settings`: alpha, beta, steps, sizes, optimizer, …

    Returns:
      The picture in the content's size (or with the last of `sizes` as its long edge), the losses,
      the number of steps and why the run ended.

    Raises:
      ValueError, TypeError: for an image or a setting that will not do, before anything is traced.
      ValueError: for a checkpoint that is there and not to be resumed, that is broken, or that
        belongs to another run, naming what differs.
      ValueError: for a picture that the device has not the memory for, before anything is run.

    >>> from flax import nnx
    >>> model = VGG19(rngs=nnx.Rngs(0))  # in earnest: jnst.load_vgg19()
    >>> content, style = np.zeros((32, 48, 3)), np.ones((40, 40, 3))
    >>> result = stylize(model, content, style, beta=30.0, steps=2)
    >>> result.image.shape, result.steps, result.losses["style"].shape, result.reason
    ((32, 48, 3), 2, (2,), 'finished')
    """
    options = Settings.of(**settings)
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
    check_tile(tile, options, mesh)
    file, goes_on = check_checkpoint(checkpoint, checkpoint_every, resume)
    if not isinstance(model, VGG19):
        raise TypeError(f"model must be a jnst.VGG19, as jnst.load_vgg19 makes it, got {model!r}")

    styles = tuple(prepare_style(options.colors, content, image, palette) for image in styles)
    seen = prepare_content(options.colors, content)
    image = initial_image(init, seen, styles[0], plan[0][0], key)
    made_of = identity(options, model, content, styles, image, masks) if file else {}
    saved = (
        read_checkpoint(file, made_of, plan, options.transformation()) if file and goes_on else None
    )
    inputs = Inputs(model, seen, styles, masks)
    show = functools.partial(shown, options.colors, content, keep=masks and masks.keep)
    edges: list[int | None] = [None] * len(plan)
    if mesh is None:
        edges = window_edges(tile, plan, model, options, styles, masks)
    else:
        inputs = inputs._replace(model=model.over_devices())
        inputs, image = place((inputs, image), whole(mesh))
        show = functools.partial(
            shown, options.colors, place(content, whole(mesh)), keep=masks and masks.keep
        )
    image, history, run = _coarse_to_fine(
        inputs,
        image,
        plan,
        edges,
        options,
        mesh=mesh,
        saved=saved,
        watch=callback and functools.partial(_watch, callback, show),
        save=functools.partial(write_checkpoint, file, made_of) if file else None,
        save_every=checkpoint_every,
    )
    reason = "converged" if run.converged else "stopped" if run.stopped else "finished"
    made = tuple(
        (shape, len(part["total"])) for (shape, _), part in zip(plan, history, strict=False)
    )
    image = show(jnp.clip(resize(image, plan[-1][0]), 0, 1))
    return Result(
        image if mesh is None else jnp.asarray(fetch(image)),
        {term: np.concatenate([part[term] for part in history]) for term in history[0]},
        sum(steps for _, steps in made),
        "diverged" if run.state.halted else reason,
        made,
    )


def _coarse_to_fine(
    inputs: Inputs,
    image: Float[Array, "_h _w 3"],
    plan: Plan,
    edges: list[int | None],
    settings: Settings,
    *,
    mesh: Mesh | None,
    saved: Saved | None,
    watch: Callable[[int, int], Watch] | None,
    save: Callable[[State, Losses], None] | None,
    save_every: int,
) -> tuple[Float[Array, "_h _w 3"], Losses, Run]:
    """The steps at all sizes, each started from the enlarged result of the one before.

    Args:
      inputs: of any size.
      image: to start from.
      plan: the sizes and the steps at each.
      edges: of the windows to work in at each; None: none.
      settings: of the run.
      mesh: devices that share the picture's rows.
      saved: a checkpoint to go on from.
      watch: given the steps made before a size and those of the whole run, what `minimize` calls.
      save: keeps a state, and the losses of every size so far.
      save_every: steps.

    Returns:
      The last size's picture, the losses of every size, and the last size's run.
    """
    optimizer = settings.transformation()
    history = saved.losses[:-1] if saved else []

    def keep(run: Run) -> None:
        if save:
            save(run.state, [*history, run.losses])

    for level in range(len(history), len(plan)):
        shape, steps = plan[level]
        done = sum(len(part["total"]) for part in history)
        total = done + sum(steps for _, steps in plan[level:])
        image = resize(image, shape)
        run = descend(
            inputs.at(shape, settings.style_scale),
            functools.partial(begin, image, optimizer, mesh, saved and saved.state),
            settings,
            steps,
            functools.partial(
                minimize,
                optimizer=optimizer,
                steps=steps,
                watch=watch and watch(done, total),
                tolerance=float(settings.tolerance),
                before=saved and saved.losses[-1],
                save=keep if save else None,
                save_every=save_every,
            ),
            mesh=mesh,
            edge=edges[level],
        )
        keep(run)
        saved = None
        image = picture(run.state, settings.controls(steps))
        history = [*history, run.losses]
        if run.state.halted or run.stopped:
            break
    return image, history, run


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


def _watch(callback: Callback, show: Callable[[Array], Array], done: int, total: int) -> Watch:
    """What `minimize` calls after every step, telling `callback` of the run as a whole."""

    def watch(
        state: State, controls: Controls, losses: dict[str, Array], count: int
    ) -> bool | None:
        height, width, _ = state.image.shape

        def see() -> Array:
            return show(picture(state, controls))

        return callback(Progress(done + count, total, (height, width), losses, see))

    return watch
