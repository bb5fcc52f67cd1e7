"""Reconstructions: what a picture looks like that a layer cannot tell from the photograph.

Gatys, Ecker and Bethge, "A neural algorithm of artistic style", 2015,
https://arxiv.org/abs/1508.06576, figure 1: content rebuilt from single layers, style from growing
sets of layers, each from noise. Mahendran and Vedaldi, "Understanding deep image representations by
inverting them", 2014, https://arxiv.org/abs/1412.0035, whose total variation, rising with depth,
regularises it. Departures: deep layers descend coarse first (`jnst.optim.frequencies`), and their
view is jittered.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from jnst._checks import check_integer
from jnst.execution.batch import Batch
from jnst.execution.devices import make_mesh
from jnst.execution.memory import device_of
from jnst.image.inputs import check_image
from jnst.image.resizing import resize, style_shape
from jnst.losses.recipe import STYLE_LAYERS
from jnst.nn.backbone import Backbone, check_backbone
from jnst.optim.descent import Execution, StepCallback
from jnst.optim.frequencies import filtered
from jnst.optim.minimization import Callback, Progress
from jnst.optim.step import Controls, State
from jnst.transfer.levels import Level, Steering, coarse_to_fine
from jnst.visualize.features import check_large_enough, in_order
from jnst.visualize.reconstruction_cells import (
    CONTENT_LAYERS,
    DEPTHS,
    Cell,
    cells_of,
    depth_of,
    grouped_cells,
    objectives_of,
)

STEPS = 200
AVERAGING = 0.9
"""Decay of the average over the last iterates, of what descends with jitter."""
NOISE = 0.15
"""Standard deviation of the noise that is begun with, about middle grey."""


class Reconstruction(NamedTuple):
    """A picture that was rebuilt.

    Attributes:
      kind: `"content"` or `"style"`.
      layers: what from.
      image: (H, W, 3), sRGB in [0, 1].
      losses: {term: (steps,)}: "content" or "style", relative to the target's energy, "variation"
        and "total".
      psnr: of a content, how near the picture is to the photograph, in dB; else None.
    """

    kind: str
    layers: tuple[str, ...]
    image: Float[Array, "H W 3"]
    losses: dict[str, np.ndarray]
    psnr: float | None

    @property
    def cell(self) -> Cell:
        """What was asked for."""
        return Cell(self.kind, self.layers)


class Reconstructions(NamedTuple):
    """What `reconstruct` comes back with.

    Attributes:
      content: {layer: what the photograph is rebuilt as from it}.
      style: {the last of its layers: what the painting's style is rebuilt as}.
      reason: why it ended: `"finished"`, `"stopped"` by the callback, when the rows lack what was
        not finished, or `"diverged"`.
    """

    content: dict[str, Reconstruction]
    style: dict[str, Reconstruction]
    reason: str


def reconstruct(
    model: Backbone,
    content: Float[ArrayLike, "H W 3"],
    style: Float[ArrayLike, "h w 3"] | None = None,
    *,
    content_layers: Iterable[str] = CONTENT_LAYERS,
    style_layers: Iterable[str] = STYLE_LAYERS,
    steps: int = STEPS,
    key: Key[Array, ""] | None = None,
    callback: Callback | None = None,
) -> Reconstructions:
    """Rebuild a photograph from single layers, and a painting's style from more and more of them.

    What descends in the same way is one batch of one compiled program.

    Args:
      model: the network, from `jnst.load_vgg19`.
      content: the photograph, sRGB in [0, 1]; all pictures have its size.
      style: the painting, of any size; None: no style is rebuilt.
      content_layers: one picture each. `conv1_2` is before its ReLU and says more than `relu1_2`.
      style_layers: the first picture has the first of them, the next one more, and so on.
      steps: of every picture.
      key: of the noise and the jitter; None: `jax.random.key(0)`.
      callback: called with a `jnst.Progress` after every step, whose losses are those of the first
        picture of the batch; True ends the run.

    Raises:
      ValueError, TypeError: for an image, a layer or a number that will not do, before anything is
        computed.

    >>> from flax import nnx
    >>> from jnst import VGG19
    >>> model = VGG19(rngs=nnx.Rngs(0))  # in earnest: jnst.load_vgg19()
    >>> made = reconstruct(model, np.full((32, 48, 3), 0.5), content_layers=["conv1_2"], steps=2)
    >>> made.content["conv1_2"].image.shape, list(made.style), made.reason
    ((32, 48, 3), [], 'finished')
    """
    model = check_backbone(model)
    photo = jnp.asarray(check_image("content", content))
    painting = None if style is None else jnp.asarray(check_image("style", style))
    geometry = model.geometry
    contents = in_order(geometry, geometry.check_layers("content_layers", content_layers))
    styles = in_order(geometry, geometry.check_layers("style_layers", style_layers))
    check_large_enough(geometry, photo.shape, contents, "content")
    if painting is not None:
        painting = resize(painting, style_shape(painting, (photo.shape[0], photo.shape[1]), 1.0))
        for name, image in (("content", photo), ("style", painting)):
            check_large_enough(geometry, image.shape, styles, name)
    check_integer("steps", steps, least=1)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of a jnst.Progress, got {callback!r}")
    cells = cells_of(contents, () if painting is None else styles)
    groups = grouped_cells(geometry, cells, together=device_of(model).platform != "cpu")
    key = jax.random.key(0) if key is None else key
    made: list[Reconstruction] = []
    reason = "finished"
    for number, group in enumerate(groups):
        counted = None
        if callback:
            counted = step_callback(callback, number * steps, len(groups) * steps)
        batch = rebuild(model, group, (photo, painting), steps, key, counted)
        if batch is None:
            reason = "stopped"
            break
        made += batch
    if any(not np.isfinite(one.losses["total"][-1]) for one in made):
        reason = "diverged"
    rows = {
        kind: {one.layers[-1]: one for one in made if one.kind == kind}
        for kind in ("content", "style")
    }
    return Reconstructions(
        content={layer: rows["content"][layer] for layer in contents if layer in rows["content"]},
        style={layer: rows["style"][layer] for layer in styles if layer in rows["style"]},
        reason=reason,
    )


def rebuild(
    model: Backbone,
    cells: Sequence[Cell],
    pictures: tuple[Float[Array, "H W 3"], Float[Array, "h w 3"] | None],
    steps: int,
    key: Key[Array, ""],
    callback: StepCallback | None = None,
) -> list[Reconstruction] | None:
    """Rebuild pictures that descend in the same way, as one batch; None where it was stopped."""
    photo, painting = pictures
    descending = [DEPTHS[depth_of(model.geometry, cell)] for cell in cells]
    objectives = objectives_of(model, cells, photo, painting)
    first, last = descending[0].rates
    jitters = descending[0].power is not None  # L-BFGS needs gradients of one function
    controls = Controls(
        learning_rate=first,
        final_learning_rate=last,
        steps=float(steps),
        ema_decay=AVERAGING if jitters else 0.0,
        key=key if jitters else None,
    )
    start = jnp.clip(0.5 + NOISE * soft_noise(key, photo.shape), 0, 1)
    devices = jax.devices()
    count = max(n for n in range(1, len(devices) + 1) if len(cells) % n == 0)
    execution = Batch(
        objectives, shared_axes(objectives), descending[0].optimizer, make_mesh(devices[:count])
    )
    shape = int(photo.shape[0]), int(photo.shape[1])
    outcome = coarse_to_fine(
        [Level(shape=shape, steps=steps)],
        jnp.broadcast_to(start, (len(cells), *photo.shape)),
        Steering(
            execute=lambda level: cast(Execution, execution),
            controls=lambda steps: [controls] * len(cells),
            callback=None if callback is None else lambda level, done, total: callback,
        ),
    )
    if outcome.runs[-1].stopped:
        return None
    images = np.asarray(outcome.image)
    return [
        Reconstruction(
            kind=cell.kind,
            layers=cell.layers,
            image=jnp.clip(images[n], 0, 1),
            losses=losses_of(cell, {term: x[:, n] for term, x in outcome.losses[-1].items()}),
            psnr=psnr(images[n], np.asarray(photo)) if cell.kind == "content" else None,
        )
        for n, cell in enumerate(cells)
    ]


def soft_noise(key: Key[Array, ""], shape: tuple[int, ...]) -> Float[Array, "H W 3"]:
    """Noise of unit deviation with the spectrum of photographs, 1 / f.

    White noise has most of its power where layers see next to nothing of it, and there it stays.

    >>> noise = soft_noise(jax.random.key(0), (32, 48, 3))
    >>> round(float(noise.std()), 3)
    1.0
    """
    noise = filtered(jax.random.normal(key, shape), 1.0)
    return (noise - noise.mean()) / noise.std()


def losses_of(cell: Cell, losses: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The losses of a cell, without that of the kind that it is not of."""
    return {term: x for term, x in losses.items() if term in (cell.kind, "variation", "total")}


def shared_axes(objectives: Sequence[Any]) -> tuple[int | None, ...]:
    """For `jnst.execution.batch.Batch`: what is the same object in all objectives is shared."""
    each = [jax.tree.leaves(objective) for objective in objectives]
    return tuple(
        None if all(leaf is leaves[0] for leaf in leaves) and isinstance(leaves[0], Array) else 0
        for leaves in zip(*each, strict=True)
    )


def psnr(image: Float[np.ndarray, "H W 3"], reference: Float[np.ndarray, "H W 3"]) -> float:
    """The peak signal-to-noise ratio of pictures in [0, 1], in dB; infinite for equal ones.

    >>> round(psnr(np.full((2, 2, 3), 0.6), np.full((2, 2, 3), 0.5)), 1)
    20.0
    """
    error = float(np.mean(np.square(image - reference)))
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def step_callback(callback: Callback, done: int, total: int) -> StepCallback:
    """What is called after every step of a batch, telling `callback` of the run as a whole."""

    def call(state: State, controls: Controls, losses: dict[str, Array], count: int) -> bool | None:
        height, width = state.image.shape[-3:-1]
        return callback(
            Progress(
                step=done + count,
                steps=total,
                shape=(height, width),
                losses={term: of_all[0] for term, of_all in losses.items()},
                picture=lambda: state.image[0],
            )
        )

    return call
