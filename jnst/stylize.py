"""Neural style transfer from two images to one, coarse to fine."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jnst._checks import one_of
from jnst.checkpoint import check_checkpoint, identity, read_checkpoint, write_checkpoint
from jnst.color import check_palette, keep_colors, seen_content, seen_style
from jnst.fitting import check_tile, window_edges
from jnst.images import fit
from jnst.matting import make_matting
from jnst.objective import (
    Scalar,
    Targets,
    blend_shares,
    content_targets,
    flat_loss_terms,
    style_targets,
    variation_scale,
)
from jnst.optimize import Controls, Run, State, Watch, init_state, minimize, picture
from jnst.settings import SMALLEST_EDGE, Plan, Settings
from jnst.sharding import checked_mesh, fetch, keep, place, split, split_rows, whole
from jnst.tiles import cover
from jnst.tiling import tiled_step, tiled_targets
from jnst.vgg import VGG19

INITS = ("content", "noise", "style-noise")
NOISES = INITS[1:]
"""Those that a random key decides."""
CHECKPOINT_EVERY = 50
"""Steps."""
Half = tuple[dict[str, Any], dict[str, Array]]
"""Targets and their factors, by layer."""


Inputs = tuple[VGG19, Float[Array, "H W 3"], tuple[Float[Array, "_h _w 3"], ...]]
"""Model, content and styles."""


@functools.partial(jax.jit, static_argnames=("layers", "weighing", "sharding"))
def content_half(
    model: VGG19,
    image: Float[Array, "H W 3"],
    layers: tuple[str, ...],
    weighing: str,
    sharding: NamedSharding | None = None,
) -> Half:
    """The content's half of `jnst.make_targets`, compiled."""
    return content_targets(model, keep(image, sharding), layers, weighing)


@functools.partial(jax.jit, static_argnames=("layers", "weighing", "style_loss", "sharding"))
def style_half(
    model: VGG19,
    images: tuple[Float[Array, "_h _w 3"], ...],
    shares: tuple[Scalar | int, ...],
    layers: tuple[str, ...],
    weighing: str,
    style_loss: str,
    sharding: NamedSharding | None = None,
) -> Half:
    """The styles' half, likewise."""
    images = tuple(keep(image, sharding) for image in images)
    return style_targets(model, images, shares, layers, weighing, style_loss)


matting_of = jax.jit(make_matting)


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
      mesh: devices that share one picture, each holding some of its rows, for pictures beyond the
        memory of one; as `jax.make_mesh((jax.device_count(),), ("rows",))`. Any height will do;
        one that 16 times the number of devices divides needs least.
      tile: the largest edge in pixels of the windows in which sizes that are larger are worked at,
        their overlap included: a picture of any size then takes little more memory than one of
        that edge, and comes out the same. `"auto"`: where the picture would not fit, unless there
        is a mesh; None: never.
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
    plan = options.plan(*content.shape[:2])
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of a jnst.Progress, got {callback!r}")
    check_palette(options.colors, palette)
    if palette is not None:
        palette = check_image("palette", palette)
    first_image(init, content, styles[0], plan[0][0], key)  # raises where it will not do
    mesh = checked_mesh(mesh)
    check_tile(tile, options, mesh)
    file, goes_on = check_checkpoint(checkpoint, checkpoint_every, resume)
    if not isinstance(model, VGG19):
        raise TypeError(f"model must be a jnst.VGG19, as jnst.load_vgg19 makes it, got {model!r}")

    styles = tuple(seen_style(options.colors, content, image, palette) for image in styles)
    seen = seen_content(options.colors, content)
    image = first_image(init, seen, styles[0], plan[0][0], key)
    optimizer = options.transformation()
    made_of = identity(options, model, content, styles, image) if file else {}
    saved = read_checkpoint(file, made_of, plan, optimizer) if file and goes_on else None
    inputs: Inputs = model, seen, styles
    show = functools.partial(shown, options.colors, content)
    edges: list[int | None] = [None] * len(plan)
    if mesh is None:
        edges = window_edges(tile, plan, model, options)
    else:
        inputs = model.over_devices(), seen, styles
        inputs, image = place((inputs, image), whole(mesh))
        show = functools.partial(shown, options.colors, place(content, whole(mesh)))
    history = saved.losses[:-1] if saved else []

    def save(run: Run) -> None:
        if file:
            write_checkpoint(file, made_of, run.state, [*history, run.losses])

    for level in range(len(history), len(plan)):
        (shape, steps), edge = plan[level], edges[level]
        done = sum(len(part["total"]) for part in history)
        total = done + sum(steps for _, steps in plan[level:])
        descend = functools.partial(
            minimize,
            optimizer=optimizer,
            steps=steps,
            watch=callback and _watch(callback, done, total, show),
            tolerance=float(options.tolerance),
            before=saved and saved.losses[-1],
            save=save if file else None,
            save_every=checkpoint_every,
        )
        sized, image = _at(shape, inputs, options.style_scale), resize(image, shape)
        start = functools.partial(_begin, image, optimizer, mesh, saved and saved.state)
        if edge is None:
            run = _run_whole(steps, sized, start, options, mesh, descend)
        else:
            run = _run_in_tiles(steps, sized, start, options, edge, descend)
        save(run)
        saved = None
        image = picture(run.state, options.controls(steps))
        history.append(run.losses)
        if run.state.halted or run.stopped:
            break
    reason = "converged" if run.converged else "stopped" if run.stopped else "finished"
    losses = {term: np.concatenate([part[term] for part in history]) for term in history[0]}
    shapes = [shape for shape, _ in plan[: len(history)]]
    made = tuple(zip(shapes, (len(part["total"]) for part in history), strict=True))
    image = show(jnp.clip(resize(image, plan[-1][0]), 0, 1))
    return Result(
        image if mesh is None else jnp.asarray(fetch(image)),
        losses,
        sum(steps for _, steps in made),
        "diverged" if run.state.halted else reason,
        made,
    )


def _at(shape: tuple[int, int], inputs: Inputs, scale: float) -> Inputs:
    """The inputs for a picture of `shape`."""
    model, content, styles = inputs
    sized = tuple(resize(style, style_shape(style, shape, scale)) for style in styles)
    return model, resize(content, shape), sized


def _run_whole(
    steps: int,
    inputs: Inputs,
    start: Callable[[], State],
    settings: Settings,
    mesh: Mesh | None,
    descend: Callable[..., Run],
) -> Run:
    """The steps at one size."""
    model, content, styles = inputs
    rows = None if mesh is None else split(mesh)
    weighing = settings.weighing
    content_layers, style_layers = tuple(settings.content_layers), tuple(settings.style_layers)
    features, content_scale = content_half(model, content, content_layers, weighing, rows)
    shares = blend_shares(settings.style_weights, len(styles))
    if mesh is not None:
        shares = place(tuple(map(np.float32, shares)), whole(mesh))
    compared, style_scale = style_half(
        model, styles, shares, style_layers, weighing, settings.style_loss, rows
    )
    variation = variation_scale(content.shape, weighing)
    matting = matting_of(content) if settings.photorealism else None
    numbers = settings.loss_weights(), settings.controls(steps), variation
    if mesh is not None:
        numbers = place(jax.tree.map(np.float32, numbers), whole(mesh))
    weights, controls, variation = numbers
    targets = Targets(features, compared, content_scale, style_scale, variation, matting)
    leaves, structure = jax.tree.flatten(model)
    return descend(
        flat_loss_terms(structure, rows),
        start(),
        (tuple(leaves), targets, weights),
        controls,
    )


def _run_in_tiles(
    steps: int,
    inputs: Inputs,
    start: Callable[[], State],
    settings: Settings,
    edge: int,
    descend: Callable[..., Run],
) -> Run:
    """The steps at one size, in windows of at most `edge`."""
    model, content, styles = inputs
    content_layers, style_layers = tuple(settings.content_layers), tuple(settings.style_layers)
    tiles = cover(content.shape[0], content.shape[1], content_layers + style_layers, edge)
    targets, crops = tiled_targets(
        model,
        content,
        styles,
        tiles,
        [cover(style.shape[0], style.shape[1], style_layers, edge) for style in styles],
        content_layers=content_layers,
        style_layers=style_layers,
        weighing=settings.weighing,
        style_loss=settings.style_loss,
        shares=blend_shares(settings.style_weights, len(styles)),
        photorealism=settings.photorealism > 0,
    )
    leaves, structure = jax.tree.flatten(model)
    return descend(
        flat_loss_terms(structure),
        start(),
        (tuple(leaves), targets, settings.loss_weights()),
        settings.controls(steps),
        update=tiled_step(structure, tiles, crops),
    )


def _begin(
    image: Float[Array, "H W 3"],
    optimizer: optax.GradientTransformation,
    mesh: Mesh | None,
    saved: State | None,
) -> State:
    """The state before the first step, or the saved one; its rows split over the mesh if any."""
    if mesh is None:
        # Copies, since what shares memory with NumPy cannot be given to a step.
        return jax.tree.map(jnp.array, saved) if saved else init_state(image, optimizer)
    shapes = jax.eval_shape(lambda: init_state(image, optimizer))
    rows = jax.tree.map(functools.partial(split_rows, mesh=mesh), shapes)
    if saved:
        return jax.tree.map(place, saved, rows)
    return jax.jit(init_state, static_argnames="optimizer", out_shardings=rows)(image, optimizer)


def style_shape(
    style: Float[Array, "h w 3"], shape: tuple[int, int], scale: float
) -> tuple[int, int]:
    """The (height, width) of the style image while the picture has `shape`: its long edge, times
    `scale`."""
    height, width, _ = style.shape
    return fit(height, width, max(1, round(scale * max(shape))), SMALLEST_EDGE)


def shown(
    colors: str, content: Float[Array, "H W 3"], image: Float[Array, "_h _w 3"]
) -> Float[Array, "_h _w 3"]:
    """What there is to be seen of an image that is worked at: with the content's chrominance where
    `colors` says so."""
    if colors != "luminance":
        return image
    height, width, _ = image.shape
    return keep_colors(image, resize(content, (height, width)))


def _watch(callback: Callback, done: int, total: int, show: Callable[[Array], Array]) -> Watch:
    """What `minimize` calls after every step, telling `callback` of the run as a whole."""

    def watch(
        state: State, controls: Controls, losses: dict[str, Array], count: int
    ) -> bool | None:
        height, width, _ = state.image.shape

        def see() -> Array:
            return show(picture(state, controls))

        return callback(Progress(done + count, total, (height, width), losses, see))

    return watch


def check_image(name: str, image: Any) -> Float[Array, "H W 3"]:
    """`image` as a float32 array; raises unless it is (H, W, 3), finite and in [0, 1]."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(f"{name} must have the shape (H, W, 3), got {image.shape}")
    if not np.issubdtype(image.dtype, np.floating):
        raise TypeError(f"{name} must hold floats in [0, 1], got {image.dtype}")
    if min(image.shape[:2]) < SMALLEST_EDGE:
        raise ValueError(
            f"{name} has only {image.shape[1]}×{image.shape[0]} px; both edges need at least "
            f"{SMALLEST_EDGE} px"
        )
    if not np.isfinite(image).all():
        raise ValueError(f"{name} holds NaN or infinite values")
    if image.min() < 0 or image.max() > 1:
        raise ValueError(
            f"{name} must lie in [0, 1], got values from {image.min():g} to {image.max():g}"
        )
    return jnp.asarray(image, jnp.float32)


def check_images(name: str, value: Any) -> list[Float[Array, "_h _w 3"]]:
    """One image or several (a list, or an array of four axes), each checked."""
    listed = isinstance(value, list | tuple) and (not value or any(map(is_image, value)))
    if not (listed or is_image(value, axes=4)):
        return [check_image(name, value)]
    if len(value) == 0:
        raise ValueError(f"{name} has no values; give at least one")
    several = enumerate(value, start=1)
    return [check_image(f"{name} number {number}", image) for number, image in several]


def is_image(value: Any, axes: int = 3) -> bool:
    """Whether a value has as many axes as an image."""
    return getattr(value, "ndim", None) == axes


def first_image(
    init: str | Float[ArrayLike, "_h _w 3"],
    content: Float[Array, "H W 3"],
    style: Float[Array, "h w 3"],
    shape: tuple[int, int],
    key: Array | None,
) -> Float[Array, "_H _W 3"]:
    """The image to start from, at (height, width)."""
    if not isinstance(init, str):
        return resize(check_image("init", init), shape)
    one_of("init", init, INITS)
    if init == "content":
        return resize(content, shape)
    key = jax.random.key(0) if key is None else key
    if init == "style-noise":
        return style_noise(key, style, shape)
    return jax.random.uniform(key, (*shape, 3), content.dtype)


def style_noise(
    key: Array, style: Float[Array, "h w 3"], shape: tuple[int, int]
) -> Float[Array, "_H _W 3"]:
    """Gaussian noise whose colours have the mean and the covariance of the style's, clipped.

    By the covariance's symmetric root, which exists for a style of greys too.

    >>> style_noise(jax.random.key(0), jnp.full((40, 40, 3), 0.25), (2, 1))[..., 0]
    Array([[0.25],
           [0.25]], dtype=float32)
    """
    colours = style.reshape(-1, 3)
    mean = jnp.mean(colours, axis=0)
    with jax.default_matmul_precision("highest"):
        variances, axes = jnp.linalg.eigh(jnp.cov(colours.T, bias=True))
        root = axes * jnp.sqrt(jnp.maximum(variances, 0)) @ axes.T
        noise = jax.random.normal(key, (*shape, 3), style.dtype) @ root
    return jnp.clip(mean + noise, 0, 1)


def resize(image: Float[Array, "_h _w 3"], shape: tuple[int, int]) -> Float[Array, "_H _W 3"]:
    """`image` at another (height, width), by Lanczos' filter, antialiased, kept in [0, 1]."""
    if image.shape[:2] == shape:
        return image
    return jnp.clip(jax.image.resize(image, (*shape, 3), "lanczos3"), 0, 1)
