"""Reconstructions: what a picture looks like that a layer cannot tell from the photograph.

Gatys, Ecker and Bethge, "A neural algorithm of artistic style", 2015,
https://arxiv.org/abs/1508.06576, figure 1: content rebuilt from single layers, style from growing
sets of layers, each from noise. Mahendran and Vedaldi, "Understanding deep image representations by
inverting them", 2014, https://arxiv.org/abs/1412.0035, whose total variation, rising with depth,
regularises it. Departures: deep layers descend coarse first (`jnst.optim.frequencies`), and their
view is jittered.
"""

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from jnst._checks import check_integer
from jnst.execution.memory import device_of
from jnst.image.inputs import check_image
from jnst.image.resizing import resize, style_shape
from jnst.losses.recipe import STYLE_LAYERS
from jnst.nn.backbone import Backbone, check_backbone
from jnst.optim.descent import StepCallback
from jnst.optim.minimization import Callback, Progress
from jnst.optim.step import Controls, State
from jnst.visualize.features import check_large_enough, in_order
from jnst.visualize.rebuilding import Reconstruction, check_memory, rebuild
from jnst.visualize.reconstruction_cells import (
    CONTENT_LAYERS,
    cells_of,
    grouped_cells,
)

STEPS = 100


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
      style_layers: the first picture has the first of them in the network's order, the next one
        more, and so on.
      steps: of every picture.
      key: of the noise and the jitter; None: `jax.random.key(0)`.
      callback: called with a `jnst.Progress` after every step, whose losses are those of the first
        picture of the batch; True ends the run.

    Raises:
      ValueError, TypeError: for an image, a layer or a number that will not do, before anything is
        computed.
      ValueError: for pictures that the device has not the memory for.

    >>> from flax import nnx
    >>> from jnst import VGG19
    >>> model = VGG19(rngs=nnx.Rngs(0))  # in earnest: jnst.load_vgg19()
    >>> made = reconstruct(model, np.full((32, 48, 3), 0.5), content_layers=["conv1_2"], steps=2)
    >>> made.content["conv1_2"].image.shape, list(made.style), made.reason
    ((32, 48, 3), [], 'finished')
    """
    model = check_backbone(model)
    photo = check_image("content", content)
    painting = None if style is None else check_image("style", style)
    shape = int(photo.shape[0]), int(photo.shape[1])
    geometry = model.geometry
    contents = in_order(geometry, geometry.check_layers("content_layers", content_layers))
    styles = in_order(geometry, geometry.check_layers("style_layers", style_layers))
    check_large_enough(geometry, shape, contents, "content")
    of_style = None
    if painting is not None:
        of_style = style_shape(painting, shape, 1.0)
        for name, size in (("content", shape), ("style", of_style)):
            check_large_enough(geometry, size, styles, name)
    check_integer("steps", steps, least=1)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of a jnst.Progress, got {callback!r}")
    cells = cells_of(contents, () if painting is None else styles)
    groups = grouped_cells(geometry, cells, together=device_of(model).platform != "cpu")
    check_memory(model, groups, shape, of_style)
    brought = None if painting is None or of_style is None else resize(painting, of_style)
    pictures = jnp.asarray(photo), brought
    key = jax.random.key(0) if key is None else key
    made: list[Reconstruction] = []
    reason = "finished"
    for number, group in enumerate(groups):
        counted = None
        if callback:
            counted = step_callback(callback, number * steps, len(groups) * steps)
        batch = rebuild(model, group, pictures, steps, key, counted)
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
