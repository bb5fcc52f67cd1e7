"""The steps at one size: of a whole picture, of one split over devices by its rows, or in tiles."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Array, Float

from jnst.execution.devices import keep, place, split, split_rows, whole
from jnst.execution.tile_layout import cover
from jnst.execution.tiling import tiled_step, tiled_targets
from jnst.image.inputs import resize, resize_styles
from jnst.image.masks import Masks
from jnst.losses.objectives import flat_loss_terms
from jnst.losses.targets import (
    ContentHalf,
    Scalar,
    StyleHalf,
    blend_shares,
    content_targets,
    matting_of,
    put_together,
    regions_of,
    style_targets,
)
from jnst.nn.vgg import VGG19
from jnst.optim.minimization import Run, State, init_state
from jnst.transfer.settings import Settings


class Inputs(NamedTuple):
    """What a picture is made of.

    Attributes:
      model: the network.
      content: the content image.
      styles: the style images.
      masks: the regions, of any size; None: there are none.
    """

    model: VGG19
    content: Float[Array, "H W 3"]
    styles: tuple[Float[Array, "_h _w 3"], ...]
    masks: Masks | None = None

    def at(self, shape: tuple[int, int], scale: float) -> "Inputs":
        """The same for a picture of `shape`, whose strokes are `scale` times the usual ones."""
        styles = resize_styles(self.styles, shape, scale)
        return self._replace(content=resize(self.content, shape), styles=styles)


@functools.partial(jax.jit, static_argnames=("layers", "weighing", "sharding"))
def content_half(
    model: VGG19,
    image: Float[Array, "H W 3"],
    layers: tuple[str, ...],
    weighing: str,
    sharding: NamedSharding | None = None,
) -> ContentHalf:
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
    masks: Masks | None = None,
) -> StyleHalf:
    """The styles' half, likewise."""
    images = tuple(keep(image, sharding) for image in images)
    return style_targets(model, images, shares, layers, weighing, style_loss, masks)


def descend(
    inputs: Inputs,
    start: Callable[[], State],
    settings: Settings,
    steps: int,
    minimize: Callable[..., Run],
    *,
    mesh: Mesh | None = None,
    edge: int | None = None,
) -> Run:
    """The steps at one size.

    Args:
      inputs: of that size.
      start: makes the state before the first step; called once the targets are there, since to
        compute these may take more memory than there is beside it.
      settings: of the run.
      steps: updates to make.
      minimize: `jnst.optim.minimization.minimize` but for its first four arguments, and `update`.
      mesh: devices that share the picture's rows.
      edge: of the windows to work in; None: the picture is worked at as a whole.
    """
    if edge is None:
        return _whole(inputs, start, settings, steps, minimize, mesh)
    return _in_tiles(inputs, start, settings, steps, minimize, edge)


def _whole(
    inputs: Inputs,
    start: Callable[[], State],
    settings: Settings,
    steps: int,
    minimize: Callable[..., Run],
    mesh: Mesh | None,
) -> Run:
    model, content, styles, masks = inputs
    rows = None if mesh is None else split(mesh)
    weighing = settings.weighing
    content_layers, style_layers = tuple(settings.content_layers), tuple(settings.style_layers)
    of_content = content_half(model, content, content_layers, weighing, rows)
    shares = blend_shares(settings.style_weights, len(styles))
    if mesh is not None:
        shares = place(tuple(map(np.float32, shares)), whole(mesh))
    of_styles = style_half(
        model, styles, shares, style_layers, weighing, settings.style_loss, rows, masks
    )
    matting = matting_of(content) if settings.photorealism else None
    regions = masks and regions_of(masks, content, shares, style_layers)
    targets = put_together(of_content, of_styles, content.shape, weighing, matting, regions)
    numbers = settings.loss_weights(), settings.controls(steps)
    if mesh is not None:
        numbers = place(jax.tree.map(np.float32, numbers), whole(mesh))
    weights, controls = numbers
    leaves, structure = jax.tree.flatten(model)
    return minimize(
        flat_loss_terms(structure, rows),
        start(),
        (tuple(leaves), targets, weights),
        controls,
    )


def _in_tiles(
    inputs: Inputs,
    start: Callable[[], State],
    settings: Settings,
    steps: int,
    minimize: Callable[..., Run],
    edge: int,
) -> Run:
    model, content, styles, masks = inputs
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
        masks=masks,
    )
    leaves, structure = jax.tree.flatten(model)
    return minimize(
        flat_loss_terms(structure),
        start(),
        (tuple(leaves), targets, settings.loss_weights()),
        settings.controls(steps),
        update=tiled_step(structure, tiles, crops),
    )


def begin(
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
