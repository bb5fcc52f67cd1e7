"""DeepDream: a photograph is changed until the network responds to it more strongly.

Mordvintsev, Olah and Tyka, "Inceptionism: going deeper into neural networks", 2015,
https://research.google/blog/inceptionism-going-deeper-into-neural-networks/. As there: octaves
whose details are carried up, jitter, steps of one size. Departures: the view is jittered with the
mirror image beyond the border (`jnst.losses.jitter`), steps are as strong at every frequency
(`jnst.optim.ascent`), and several layers may be sought at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Unpack, cast

from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from jnst.nn.backbone import Backbone, check_backbone
from jnst.optim.minimization import Callback
from jnst.transfer.job import Result
from jnst.transfer.tile_checks import AUTO
from jnst.visualize.dream_memory import batch_of
from jnst.visualize.dream_settings import (
    DEFAULT_LAYERS,
    DreamSettingsDict,
    Sought,
    check_sought,
)
from jnst.visualize.dreaming import Dreaming, dream_together, prepare, same_layers

TOGETHER = 8
"""Dreams of one layer that are dreamed by one program, at most."""


def dream(
    model: Backbone,
    image: Float[ArrayLike, "H W 3"],
    *,
    layers: Mapping[str, float] | Iterable[str] = DEFAULT_LAYERS,
    channels: Sequence[int] | None = None,
    guide: Float[ArrayLike, "h w 3"] | None = None,
    key: Key[Array, ""] | None = None,
    tile: int | str | None = AUTO,
    callback: Callback | None = None,
    **settings: Unpack[DreamSettingsDict],
) -> Result:
    """Change a photograph until the network responds to it more strongly: DeepDream.

    Args:
      model: the network, from `jnst.load_vgg19`.
      image: the photograph, sRGB in [0, 1].
      layers: those whose responses are made stronger, or {layer: weight}; each in units of its
        response to the photograph.
      channels: numbers of channels of the one layer, whose responses alone are made stronger;
        None: all.
      guide: a picture whose features are what is looked for, of any size.
      key: of the jitter; None: `jax.random.key(0)`.
      tile: as in `jnst.stylize`; the gradient is exact, so that there are no seams.
      callback: called with a `jnst.Progress` after every step; True ends the run.
      **settings: the fields of `jnst.visualize.DreamSettings`: octaves, ratio, steps, strength,
        jitter, smoothing, bands.

    Returns:
      The picture, the losses (`"activation"` is minus the response in units of the photograph's, at
      each step's octave), the steps made and why the run ended.

    Raises:
      ValueError, TypeError: for an image, a layer, a channel or a setting that will not do, before
        anything is dreamed.
      ValueError: for a picture that the device has not the memory for.

    >>> import numpy as np
    >>> from flax import nnx
    >>> from jnst import VGG19
    >>> model = VGG19(rngs=nnx.Rngs(0))  # in earnest: jnst.load_vgg19()
    >>> result = dream(model, np.full((32, 48, 3), 0.5), layers=["relu1_1"], steps=2)
    >>> result.image.shape, result.steps, result.reason
    ((32, 48, 3), 2, 'finished')
    """
    (result,) = dream_each(  # which has dreamed at least a step of its first dream
        model,
        image,
        [check_sought(check_backbone(model).geometry, layers, channels)],
        guide=guide,
        key=key,
        tile=tile,
        callback=callback,
        **settings,
    )
    return cast(Result, result)


def dream_each(
    model: Backbone,
    image: Float[ArrayLike, "H W 3"],
    each: Sequence[Sought],
    *,
    guide: Float[ArrayLike, "h w 3"] | None = None,
    key: Key[Array, ""] | None = None,
    tile: int | str | None = AUTO,
    callback: Callback | None = None,
    **settings: Unpack[DreamSettingsDict],
) -> list[Result | None]:
    """Dream several dreams of one photograph; those of the same layers by one compiled program.

    Args:
      model: as for `dream`, and so are image, guide, key and tile.
      image: the photograph.
      each: what each makes stronger.
      guide: what is looked for.
      key: of the jitter.
      tile: the largest edge of windows.
      callback: as for `dream`; of dreams that are dreamed together, it is told of the first.
      **settings: as for `dream`.

    Returns:
      The dreams in their order; None for those that the callback's end of the run left undreamed.

    Raises:
      ValueError, TypeError: as `dream`.
    """
    photo, groups = prepare(
        model, image, each, guide=guide, key=key, tile=tile, callback=callback, **settings
    )
    results: list[Result] = []
    for dreams in groups:
        for part in parts_of(dreams, photo.shape):
            made = dream_together(part, photo, callback)
            results += made
            if made[-1].reason == "stopped":
                return in_given_order(results, each)
    return in_given_order(results, each)


def in_given_order(results: Sequence[Result], each: Sequence[Sought]) -> list[Result | None]:
    """Results in the order of what was sought, where `same_layers` has changed it."""
    order = [id(sought) for group in same_layers(each) for sought in group]
    found = dict(zip(order, results, strict=False))
    return [found.get(id(sought)) for sought in each]


def parts_of(dreams: Sequence[Dreaming], shape: Sequence[int]) -> list[Sequence[Dreaming]]:
    """Dreams of the same layers in batches that fit into memory."""
    first, most = dreams[0], 1
    if len(dreams) > 1 and first.window is None:
        height, width = shape[:2]
        most = batch_of(len(dreams), (height, width), first.objective, first.optimizer, TOGETHER)
    return [dreams[n : n + most] for n in range(0, len(dreams), most)]
