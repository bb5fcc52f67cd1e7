"""One picture that is to be painted, what steers and shows it, and what comes of it."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jnst._programs import program
from jnst.image.color import keep_colors
from jnst.image.finishing import finish
from jnst.image.masks import Mask, Masks, resize_mask
from jnst.image.palette import color_moments
from jnst.image.resizing import resize
from jnst.losses.regions import composite
from jnst.optim.optimizers import PRECONDITIONED
from jnst.optim.preconditioning import color_axes
from jnst.optim.step import Controls, State, init_state
from jnst.transfer.inputs import Inputs
from jnst.transfer.levels import Level, Outcome
from jnst.transfer.own_terms import OwnTerm
from jnst.transfer.settings import Settings


class Result(NamedTuple):
    """What `stylize` comes back with.

    Attributes:
      image: the picture with its finish, (H, W, 3), sRGB in [0, 1].
      losses: {term: (steps,)}: the terms "content", "style" and "variation", and "photorealism"
        if that is not 0, before their weights, and "total", the weighted sum, each at the iterate
        before its update, and none of the finish.
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


class Job(NamedTuple):
    """One picture that is to be painted, checked.

    Attributes:
      inputs: of any size, as the transfer is to see them.
      content: as it came.
      settings: of the run.
      levels: coarse to fine.
      start: the image that the first step is made from.
      own: terms of one's own.
      key: for terms that draw something at every step.
    """

    inputs: Inputs
    content: Any
    settings: Settings
    levels: list[Level]
    start: Any
    own: tuple[OwnTerm, ...]
    key: Array


def result_of(outcome: Outcome, image: Array, levels: Sequence[Level]) -> Result:
    """What `stylize` gives back of a run."""
    run, losses = outcome.runs[-1], outcome.losses
    reason = "converged" if run.converged else "stopped" if run.stopped else "finished"
    made = tuple(
        (level.shape, len(part["total"])) for level, part in zip(levels, losses, strict=False)
    )
    return Result(
        image=image,
        losses={term: np.concatenate([part[term] for part in losses]) for term in losses[0]},
        steps=sum(steps for _, steps in made),
        reason="diverged" if run.state.diverged else reason,
        plan=made,
    )


def axes_of(settings: Settings, styles: Sequence[Any]) -> Array | None:
    """The axes of the styles' colours, where the descent works along them."""
    if settings.optimizer != PRECONDITIONED:
        return None
    return color_axes(color_moments(styles, settings.style_weights)[1])


def controls_of(
    settings: Settings, colors: Array | None, own: Sequence[OwnTerm], key: Array, steps: int
) -> Controls:
    """The numbers that steer the steps at one level.

    Args:
      settings: of the run.
      colors: from `axes_of`.
      own: terms of one's own.
      key: for losses that draw something.
      steps: at this level.
    """
    controls = settings.controls(steps)._replace(colors=colors)
    # L-BFGS compares the gradients of different steps, which must then be of one function.
    draws = settings.optimizer != "lbfgs" and any(
        getattr(term, "stochastic", False) for term in (settings.recipe().loss, *own)
    )
    return controls._replace(key=key) if draws else controls


def state_shape(shape: tuple[int, ...], settings: Settings) -> State:
    """The shapes of the state of a picture of this (height, width), or of a batch (n, …)."""
    image = jax.ShapeDtypeStruct((*shape, 3), jnp.float32)
    return jax.eval_shape(functools.partial(init_state, optimizer=settings.transformation()), image)


def shown(
    colors: str,
    content: Any,
    image: Any,
    keep: Mask | None = None,
) -> Any:
    """Give an image what it is shown with: the content's chrominance, and what is kept of it.

    Args:
      colors: as in `Settings`.
      content: of the size asked for.
      image: that is optimised, at any size.
      keep: where the content's pixels stay; None: nowhere.
    """
    if colors != "luminance" and keep is None:
        return image
    return _combined(image, resize(content, image.shape[:2]), keep, colors=colors)


def finished(
    settings: Settings, styles: Sequence[Any], masks: Masks | None, image: Any
) -> Float[np.ndarray, "H W 3"]:
    """Give a painted picture its finish, where it has the colours of its styles alone."""
    image = np.asarray(image)
    as_it_is = settings.colors != "style" or settings.photorealism or masks is not None
    if as_it_is or not settings.finish:
        return image
    return finish(image, styles, settings.style_weights, settings.finish)


@program(static_argnames=("colors",))
def _combined(
    image: Float[Array, "H W 3"], content: Float[Array, "H W 3"], keep: Mask | None, *, colors: str
) -> Float[Array, "H W 3"]:
    if colors == "luminance":
        image = keep_colors(image, content)
    return image if keep is None else composite(image, content, resize_mask(keep, image.shape[:2]))
