"""The memory that work in tiles takes, told from shapes; what is compiled for it a run uses."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jnst.execution import memory as cost
from jnst.execution.tile_layout import Tiles
from jnst.execution.tiling import add_gradient, finish
from jnst.execution.windows import add_moments, nothing_seen
from jnst.image.masks import Masks
from jnst.losses.matting import make_matting
from jnst.losses.moments import Seen
from jnst.losses.objectives import LossWeights
from jnst.losses.regions import Guides, guidance, make_regions
from jnst.losses.style_losses import GRAM
from jnst.losses.targets import Targets
from jnst.nn.vgg import VGG19
from jnst.optim.minimization import Controls, init_state


def memory(
    model: VGG19,
    tiles: Tiles,
    weights: LossWeights,
    controls: Controls,
    optimizer: optax.GradientTransformation,
    style_loss: str = GRAM,
    masks: Masks | None = None,
) -> tuple[int, int]:
    """Bytes on the device while a step is at a tile, and while it finishes, from shapes alone.

    What is compiled for it is what a run then uses.
    """
    leaves, structure = jax.tree.flatten(model)
    number: Any = jax.ShapeDtypeStruct((), jnp.float32)
    image = jax.ShapeDtypeStruct((*tiles.shape, 3), jnp.float32)
    matting = jax.eval_shape(make_matting, image) if weights.photorealism else None
    regions = masks and jax.eval_shape(
        functools.partial(
            make_regions, weights=(1.0,) * len(masks.styles), layers=tuple(weights.style)
        ),
        masks,
        image,
    )
    guides = regions and regions.guides
    weights, controls = jax.tree.map(lambda _: number, (weights, controls))
    window = jax.ShapeDtypeStruct((*tiles.window, 3), jnp.float32)
    crop = jax.eval_shape(lambda model, x: model(x, weights.content), model, window)
    slopes = _abstract_moments(model, tiles, tuple(weights.style), style_loss, guides)
    state = jax.eval_shape(functools.partial(init_state, optimizer=optimizer), image)
    at_tile = add_gradient.lower(
        image,
        number,
        tuple(leaves),
        image,
        jax.ShapeDtypeStruct((2, 3), jnp.int32),
        dict(crop),
        slopes,
        dict.fromkeys(weights.content, number),
        weights,
        guides,
        structure=structure,
        window=tiles.window,
    ).compile()
    at_end = finish.lower(
        state,
        image,
        number,
        number,
        Targets({}, {}, {}, {}, number, number, matting, regions),
        weights,
        controls,
        optimizer=optimizer,
    ).compile()
    # A program counts what it is given: here the guides and the image, unless that is composed.
    image_counts = regions is None or regions.keep is None
    kept = _bytes((state, matting, regions)) - _bytes((guides, image if image_counts else None))
    return cost.needed(at_tile) + kept, cost.needed(at_end) + _bytes(guides)


def _bytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def memory_of_moments(
    model: VGG19, tiles: Tiles, layers: tuple[str, ...], style_loss: str, masked: bool = False
) -> int:
    """Bytes on the device while the moments of a picture, or of a part of it, are at a tile,
    likewise."""
    leaves, structure = jax.tree.flatten(model)
    guides = None
    if masked:
        mask = jax.ShapeDtypeStruct((1, *tiles.shape), jnp.float32)
        guides = jax.eval_shape(functools.partial(guidance, layers=layers), mask)
    program = add_moments.lower(
        _abstract_moments(model, tiles, layers, style_loss, guides),
        tuple(leaves),
        jax.ShapeDtypeStruct((*tiles.shape, 3), jnp.float32),
        jax.ShapeDtypeStruct((2, 3), jnp.int32),
        guides,
        structure=structure,
        layers=layers,
        window=tiles.window,
    )
    return cost.needed(program.compile())


def _abstract_moments(
    model: VGG19, tiles: Tiles, layers: tuple[str, ...], style_loss: str, guides: Guides | None
) -> dict[str, Seen]:
    """The shapes of a picture's moments, and so of what the style term changes with."""
    leaves, structure = jax.tree.flatten(model)
    seen = functools.partial(
        nothing_seen, structure=structure, layers=layers, means=style_loss != GRAM
    )
    window = jax.ShapeDtypeStruct((*tiles.window, 3), jnp.float32)
    return jax.eval_shape(seen, leaves, window, guides)
