"""Neural style transfer from two images to one, coarse to fine."""

import os
from collections.abc import Sequence
from typing import Unpack

import jax
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jnst.execution.devices import checked_mesh
from jnst.image.color_setting import check_palette, prepare_content, prepare_style
from jnst.image.inputs import check_image, check_images, check_init, initial_image
from jnst.image.masks import Mask, check_masks
from jnst.losses.blending import blend_shares
from jnst.nn.backbone import Backbone, check_backbone
from jnst.optim import checkpoint as checkpoints
from jnst.optim.concrete import check_concrete
from jnst.optim.minimization import Callback
from jnst.transfer.inputs import Inputs
from jnst.transfer.job import Job, Result
from jnst.transfer.levels import levels_of
from jnst.transfer.own_terms import OwnTerm, check_own
from jnst.transfer.painting import keeper_of, paint
from jnst.transfer.settings import Settings
from jnst.transfer.settings_keywords import SettingsDict
from jnst.transfer.tile_checks import check_tile
from jnst.transfer.tile_selection import window_edges


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
    each larger one, which is given a share of the content's `details`: large shapes are found while
    steps are cheap. The style image is brought to the
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
        70 px around it, and coarse bands of the descent reach a little beyond it, which changes
        with them; `keep="rest"` prevents that. A mask is (h, w)
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
        may change, for other rounding. So may the steps of the size that was being worked at and of
        later ones, if they are given for each size: more steps go on from a finished run, as if it
        had been that long where the learning rate is constant, else along the longer schedule.
      terms: terms of your own beside ours: `jnst.Term` objects, or functions `make(model, content)`
        that make one for the content at each size. Their losses are reported by their names.
      **settings: the fields of `jnst.Settings`: alpha, beta, steps, sizes, optimizer, …

    Returns:
      The picture in the content's size (or with the last of `sizes` as its long edge), the losses,
      the number of steps and why the run ended.

    Raises:
      ValueError, TypeError: for an image or a setting that will not do, before anything is traced.
      TypeError: within `jax.jit`, and for arrays that `jax.vmap` or `jax.grad` trace.
      ValueError: for a checkpoint that is there and not to be resumed, that is corrupt, or that
        belongs to another run, naming what differs.
      ValueError: for a picture that the device has not the memory for, before anything is run.

    >>> import numpy as np
    >>> from flax import nnx
    >>> from jnst import VGG19
    >>> model = VGG19(rngs=nnx.Rngs(0))  # in earnest: jnst.load_vgg19()
    >>> content, style = np.zeros((32, 48, 3)), np.ones((40, 40, 3))
    >>> result = stylize(model, content, style, beta=30.0, steps=2)
    >>> result.image.shape, result.steps, result.losses["style"].shape, result.reason
    ((32, 48, 3), 2, (2,), 'finished')
    """
    check_concrete("stylize", model, content, style, init, key, settings)
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
        palette = check_image("palette", palette, least=1)
    init = check_init(init)
    mesh = checked_mesh(mesh)
    check_tile(tile, options, model.geometry, mesh)
    own = check_own(terms)
    file = checkpoints.check_checkpoint(checkpoint, checkpoint_every, resume)

    styles = tuple(
        np.asarray(prepare_style(options.colors, content, image, palette)) for image in styles
    )
    of_all = styles if masks is None else ()  # nothing beyond a region, or kept, has their colours
    seen = np.asarray(prepare_content(options.colors, content, of_all, options.style_weights))
    key = jax.random.key(0) if key is None else key
    edges: list[int | None] = [None] * len(plan)
    if mesh is None:
        edges = window_edges(tile, plan, model, options, styles, masks)
    levels = levels_of(plan, options, edges, own)
    if mesh is not None:  # rows are split over the devices as they are
        levels = [level._replace(canvases=()) for level in levels]
    job = Job(
        inputs=Inputs(model=model, content=seen, styles=styles, masks=masks),
        content=content,
        settings=options,
        levels=levels,
        start=levels[0].canvas.put(
            np.asarray(initial_image(init, seen, styles[0], plan[0][0], key))
        ),
        own=own,
        key=key,
    )
    return paint(job, callback, keeper_of(job, file), mesh)
