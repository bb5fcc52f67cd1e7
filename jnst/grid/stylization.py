"""Grids: every combination of alpha, beta and other settings in one compiled program.

A cell is one run of `jnst.stylize`. The cells are taken in batches; of a batch, one compiled step
(that of `jnst.stylize` under `jax.vmap`) updates all the images, split over all devices.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jnst.grid.axes import make_grid
from jnst.grid.runs import GridCallback, Running, run_cells
from jnst.image.masks import Mask
from jnst.nn.backbone import Backbone, check_backbone
from jnst.optim import checkpoint as checkpoints
from jnst.optim.concrete import check_concrete
from jnst.transfer.own_terms import OwnTerm
from jnst.transfer.settings import Settings


class GridResult(NamedTuple):
    """What `stylize_grid` returns; A and B are the numbers of alphas and betas.

    Attributes:
      images: (A, B, …, H, W, 3), sRGB in [0, 1]; NaN for a cell that was never begun.
      losses: {term: (A, B, …, steps)} as in `jnst.Result`; NaN from where a cell ended early.
      steps: (A, B, …), the updates of every cell.
      reasons: (A, B, …), why each ended: `"finished"`, `"converged"`, `"stopped"` or `"diverged"`.
      axes: {name: values} of every axis before H, in their order; images and keys by number.
    """

    images: Float[np.ndarray, "A B *more H W 3"]
    losses: dict[str, Float[np.ndarray, "A B *more steps"]]
    steps: np.ndarray
    reasons: np.ndarray
    axes: dict[str, tuple[Any, ...]]


def stylize_grid(
    model: Backbone,
    content: Float[ArrayLike, "H W 3"] | Sequence[Float[ArrayLike, "H W 3"]],
    style: Float[ArrayLike, "_h _w 3"]
    | Sequence[Float[ArrayLike, "_h _w 3"] | Sequence[Float[ArrayLike, "_h _w 3"]]],
    *,
    alpha: float | Sequence[float] = Settings.alpha,
    beta: float | Sequence[float] = Settings.beta,
    key: Array | None = None,
    init: str | Float[ArrayLike, "_h _w 3"] = "content",
    palette: Float[ArrayLike, "_h _w 3"] | None = None,
    regions: Mask | Sequence[Mask] | None = None,
    style_regions: Mask | Sequence[Mask | None] | None = None,
    keep: Mask | str | None = None,
    terms: Sequence[OwnTerm] = (),
    batch: int | str = "auto",
    mesh: Mesh | None = None,
    tile: int | str | None = "auto",
    callback: GridCallback | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = checkpoints.EVERY,
    resume: bool = False,
    **settings: Any,
) -> GridResult:
    """Paint a picture for every combination of several alphas, betas and other settings.

    Every cell is what `jnst.stylize` makes with the same settings, but for rounding. A cell whose
    loss is no longer finite stays as it is and leaves the others untouched.

    Args:
      model: the network, from `jnst.load_vgg19`.
      content: the content image as for `jnst.stylize`, or several of one shape: a further axis.
      style: the style image, or several of any size: a further axis. Lists within the list are
        blends, as `jnst.stylize` paints with several styles: `[[a, b], [c, d]]` is an axis of two,
        `[[a, b]]` one blend and no axis. `style_weights` then needs a number for each image of
        every blend.
      alpha: weight of the content, one number or several, at least 0.
      beta: weight of the style, likewise.
      key: for noise; an array of several keys, as `jax.random.split` makes it, is a
        further axis.
      init: what every cell starts from, as for `jnst.stylize`.
      palette: as for `jnst.stylize`, the same for all cells.
      regions: masks as for `jnst.stylize`, the same for all cells: each style must then be a blend
        of as many images, which are not blended but have these regions.
      style_regions: masks of the styles, likewise.
      keep: a mask of what stays the content's pixels, likewise.
      terms: terms of your own, as for `jnst.stylize`, the same for all cells.
      batch: how many cells are worked at together, rounded to a multiple of the devices, which
        share them; `"auto"`: as many as help and as fit in the memory.
      mesh: the devices to use; None: all that JAX has, those of other processes included.
      tile: as for `jnst.stylize`. Cells that need tiles are painted one by one.
      checkpoint: a file as for `jnst.stylize`, which also holds the results of finished cells.
      checkpoint_every: steps between two writings of it.
      resume: go on from the checkpoint if it exists.
      callback: called with a `GridProgress` after every step; True ends the grid. Where there are
        several processes, it must answer the same in each.
      **settings: the fields of `jnst.Settings`. Several gammas, learning rates, averagings,
        photorealisms or shares of details are further axes, and so are several `content_layers` or
        `style_layers`, as in `style_layers=[{"relu1_1": 1.0, "relu3_1": 1.0}, {"relu3_1": 1.0}]`.

    Returns:
      The pictures and losses of all cells, on the host. The axes are alpha, beta and then, where
      there are several: content, style, content_layers, style_layers, gamma, learning_rate,
      averaging, photorealism, details, key.

    Raises:
      ValueError, TypeError: for an image or a value that will not do, an axis that is empty or
        has a value twice, more than 10,000 cells, or (unless `batch` is a number) a picture too
        large for the memory; before anything is run.
      ValueError: for a checkpoint that is of another grid or not to be resumed.

    >>> from flax import nnx
    >>> from jnst import VGG19
    >>> model = VGG19(rngs=nnx.Rngs(0))  # in earnest: jnst.load_vgg19()
    >>> content, style = np.zeros((32, 48, 3)), np.ones((40, 40, 3))
    >>> result = stylize_grid(model, content, style, alpha=[1, 2], beta=[3, 30, 300], steps=2)
    >>> result.images.shape, result.losses["style"].shape, result.axes
    ((2, 3, 32, 48, 3), (2, 3, 2), {'alpha': (1, 2), 'beta': (3, 30, 300)})
    """
    check_concrete("stylize_grid", model, content, style, alpha, beta, init, key, settings)
    model = check_backbone(model)
    masks = {"regions": regions, "style_regions": style_regions, "keep": keep}
    grid = make_grid(
        model.geometry,
        content,
        style,
        alpha=alpha,
        beta=beta,
        key=key,
        palette=palette,
        terms=terms,
        masks=masks,
        **settings,
    )
    running = Running(
        init=init,
        batch=batch,
        mesh=mesh,
        tile=tile,
        callback=callback,
        file=checkpoints.check_checkpoint(checkpoint, checkpoint_every, resume),
        keep_results=True,
    )
    results = run_cells(model, grid, None, running)
    shape = tuple(map(len, grid.axes.values()))
    steps = sum(count for _, count in grid.plan)
    images = np.full((*shape, *grid.plan[-1][0], 3), np.nan, np.float32)
    done, reasons = np.zeros(shape, int), np.full(shape, "stopped", "<U9")
    losses: dict[str, np.ndarray] = {}
    for index, result in results:
        images[index], done[index], reasons[index] = result.image, result.steps, result.reason
        for term, values in result.losses.items():
            table = losses.setdefault(term, np.full((*shape, steps), np.nan, np.float32))
            table[index][: len(values)] = values
    return GridResult(images=images, losses=losses, steps=done, reasons=reasons, axes=grid.axes)
