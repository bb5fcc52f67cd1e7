"""Neural style transfer from two images to one, coarse to fine."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jnst._checks import one_of
from jnst.fitting import check_tile, window_edges
from jnst.images import fit
from jnst.matting import make_matting
from jnst.objective import (
    Targets,
    content_targets,
    flat_loss_terms,
    style_targets,
    variation_scale,
)
from jnst.optimize import Controls, Run, State, Watch, init_state, minimize, picture
from jnst.settings import SMALLEST_EDGE, Settings
from jnst.sharding import checked_mesh, fetch, keep, place, split, split_rows, whole
from jnst.tiles import cover
from jnst.tiling import tiled_step, tiled_targets
from jnst.vgg import VGG19

INITS = ("content", "noise", "style-noise")
NOISES = INITS[1:]
"""Those that a random key decides."""
Half = tuple[dict[str, Array], dict[str, Array]]
"""Targets and their factors, by layer."""


Inputs = tuple[VGG19, Float[Array, "H W 3"], Float[Array, "h w 3"]]
"""Model, content and style."""


def _jitted(targets: Callable[..., Half]) -> Callable[..., Half]:
    @functools.partial(jax.jit, static_argnames=("layers", "weighing", "sharding"))
    def half(
        model: VGG19,
        image: Array,
        layers: tuple[str, ...],
        weighing: str,
        sharding: NamedSharding | None = None,
    ) -> Half:
        return targets(model, keep(image, sharding), layers, weighing)

    return half


content_half, style_half = map(_jitted, (content_targets, style_targets))
"""The two halves of `jnst.make_targets`, compiled."""
matting_of = jax.jit(make_matting)


class Progress(NamedTuple):
    """What a callback is told after every step.

    Attributes:
      step: updates made so far, at all sizes.
      steps: updates that the run will make.
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


class Result(NamedTuple):
    """What `stylize` comes back with.

    Attributes:
      image: the picture, (H, W, 3), sRGB in [0, 1].
      losses: {term: (steps,)}: the terms "content", "style" and "variation", and "photorealism"
        if that is not 0, before their weights, and "total", the weighted sum, each at the iterate
        before its update.
      steps: updates made, at all sizes.
      reason: why it ended: `"finished"`, `"stopped"` (the callback returned True) or `"diverged"`
        (a loss or pixel was no longer finite; the image is the last finite one).
    """

    image: Float[Array, "H W 3"]
    losses: dict[str, np.ndarray]
    steps: int
    reason: str


def stylize(
    model: VGG19,
    content: Float[ArrayLike, "H W 3"],
    style: Float[ArrayLike, "h w 3"],
    *,
    key: Array | None = None,
    init: str | Float[ArrayLike, "_h _w 3"] = "content",
    mesh: Mesh | None = None,
    tile: int | str | None = "auto",
    callback: Callback | None = None,
    **settings: Any,
) -> Result:
    """Paint the content of one image in the style of another.

    The pixels minimise `jnst.objective`, first at a small size, then from the enlarged result at
    each larger one: large shapes are found while steps are cheap. The style image is brought to the
    size of each; so strokes keep their proportion to the picture at every size.

    Args:
      model: the network, from `jnst.load_vgg19`.
      content: the content image, sRGB in [0, 1].
      style: the style image, likewise, of any size.
      key: for noise; None: `jax.random.key(0)`.
      init: `"content"`; `"noise"`, uniform; `"style-noise"`, Gaussian with the mean and the
        covariance of the style's colours; or an image to start from, of any size.
      mesh: devices that share one picture, each holding some of its rows, for pictures beyond the
        memory of one; as `jax.make_mesh((jax.device_count(),), ("rows",))`. Any height will do;
        one that 16 times the number of devices divides needs least.
      tile: the largest edge in pixels of the windows in which sizes that are larger are worked at,
        their overlap included: a picture of any size then takes little more memory than one of
        that edge, and comes out the same. `"auto"`: where the picture would not fit, unless there
        is a mesh; None: never.
      callback: called with a `Progress` after every step; True ends the run.
      **settings: the fields of `jnst.Settings`: alpha, beta, steps, sizes, optimizer, …

    Returns:
      The picture in the content's size (or with the last of `sizes` as its long edge), the losses,
      the number of steps and why the run ended.

    Raises:
      ValueError, TypeError: for an image or a setting that will not do, before anything is traced.
      ValueError: for a picture that the device has not the memory for, before anything is run.

    >>> from flax import nnx
    >>> model = VGG19(rngs=nnx.Rngs(0))  # in earnest: jnst.load_vgg19()
    >>> content, style = np.zeros((32, 48, 3)), np.ones((40, 40, 3))
    >>> result = stylize(model, content, style, beta=30.0, steps=2)
    >>> result.image.shape, result.steps, result.losses["style"].shape, result.reason
    ((32, 48, 3), 2, (2,), 'finished')
    """
    options = Settings.of(**settings)
    content, style = check_image("content", content), check_image("style", style)
    plan = options.plan(*content.shape[:2])
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of a jnst.Progress, got {callback!r}")
    image = first_image(init, content, style, plan[0][0], key)
    mesh = checked_mesh(mesh)
    check_tile(tile, options, mesh)
    if not isinstance(model, VGG19):
        raise TypeError(f"model must be a jnst.VGG19, as jnst.load_vgg19 makes it, got {model!r}")

    inputs: Inputs = model, content, style
    edges: list[int | None] = [None] * len(plan)
    if mesh is None:
        edges = window_edges(tile, plan, model, options)
    else:
        inputs = model.over_devices(), content, style
        inputs, image = place((inputs, image), whole(mesh))
    total = sum(steps for _, steps in plan)
    history: list[dict[str, np.ndarray]] = []
    done, reason = 0, "finished"
    for (shape, steps), edge in zip(plan, edges, strict=True):
        watch = callback and _watch(callback, done, total)
        sized, image = _at(shape, inputs), resize(image, shape)
        if edge is None:
            run = _run_whole(steps, sized, image, options, mesh, watch)
        else:
            run = _run_in_tiles(steps, sized, image, options, edge, watch)
        image = picture(run.state, options.controls(steps))
        history.append(run.losses)
        done += int(run.state.steps)
        if run.state.halted or run.stopped:
            reason = "diverged" if run.state.halted else "stopped"
            break
    losses = {term: np.concatenate([part[term] for part in history]) for term in history[0]}
    image = jnp.clip(resize(image, plan[-1][0]), 0, 1)
    return Result(image if mesh is None else jnp.asarray(fetch(image)), losses, done, reason)


def _at(shape: tuple[int, int], inputs: Inputs) -> Inputs:
    """The inputs for a picture of `shape`."""
    model, content, style = inputs
    return model, resize(content, shape), resize(style, style_shape(style, shape))


def _run_whole(
    steps: int,
    inputs: Inputs,
    image: Float[Array, "H W 3"],
    settings: Settings,
    mesh: Mesh | None,
    watch: Watch | None,
) -> Run:
    """The steps at one size."""
    model, content, style = inputs
    rows = None if mesh is None else split(mesh)
    weighing, optimizer = settings.weighing, settings.transformation()
    content_layers, style_layers = tuple(settings.content_layers), tuple(settings.style_layers)
    features, content_scale = content_half(model, content, content_layers, weighing, rows)
    grams, style_scale = style_half(model, style, style_layers, weighing, rows)
    variation = variation_scale(content.shape, weighing)
    matting = matting_of(content) if settings.photorealism else None
    numbers = settings.loss_weights(), settings.controls(steps), variation
    if mesh is not None:
        numbers = place(jax.tree.map(np.float32, numbers), whole(mesh))
    weights, controls, variation = numbers
    targets = Targets(features, grams, content_scale, style_scale, variation, matting)
    leaves, structure = jax.tree.flatten(model)
    return minimize(
        flat_loss_terms(structure, rows),
        _begin(image, optimizer, mesh),
        (tuple(leaves), targets, weights),
        controls,
        optimizer=optimizer,
        steps=steps,
        watch=watch,
    )


def _run_in_tiles(
    steps: int,
    inputs: Inputs,
    image: Float[Array, "H W 3"],
    settings: Settings,
    edge: int,
    watch: Watch | None,
) -> Run:
    """The steps at one size, in windows of at most `edge`."""
    model, content, style = inputs
    optimizer = settings.transformation()
    content_layers, style_layers = tuple(settings.content_layers), tuple(settings.style_layers)
    tiles = cover(image.shape[0], image.shape[1], content_layers + style_layers, edge)
    targets, crops = tiled_targets(
        model,
        content,
        style,
        tiles,
        cover(style.shape[0], style.shape[1], style_layers, edge),
        content_layers=content_layers,
        style_layers=style_layers,
        weighing=settings.weighing,
        photorealism=settings.photorealism > 0,
    )
    leaves, structure = jax.tree.flatten(model)
    return minimize(
        flat_loss_terms(structure),
        init_state(image, optimizer),
        (tuple(leaves), targets, settings.loss_weights()),
        settings.controls(steps),
        optimizer=optimizer,
        steps=steps,
        watch=watch,
        update=tiled_step(structure, tiles, crops),
    )


def _begin(
    image: Float[Array, "H W 3"], optimizer: optax.GradientTransformation, mesh: Mesh | None
) -> State:
    """The state before the first step, its rows split over the mesh where there is one."""
    if mesh is None:
        return init_state(image, optimizer)
    shapes = jax.eval_shape(lambda: init_state(image, optimizer))
    rows = jax.tree.map(functools.partial(split_rows, mesh=mesh), shapes)
    return jax.jit(init_state, static_argnames="optimizer", out_shardings=rows)(image, optimizer)


def style_shape(style: Float[Array, "h w 3"], shape: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) of the style image while the picture has `shape`: the same long edge."""
    height, width, _ = style.shape
    return fit(height, width, max(shape), SMALLEST_EDGE)


def _watch(callback: Callback, done: int, total: int) -> Watch:
    """What `minimize` calls after every step, telling `callback` of the run as a whole."""

    def watch(
        state: State, controls: Controls, losses: dict[str, Array], count: int
    ) -> bool | None:
        height, width, _ = state.image.shape
        see = functools.partial(picture, state, controls)
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
