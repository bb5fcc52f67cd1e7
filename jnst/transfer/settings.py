"""The settings of a run of style transfer, checked where they are made."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import optax

from jnst._checks import check_choice, check_integer, check_number, near_match, plain_number
from jnst.image.color_setting import COLORS
from jnst.image.fitting import SMALLEST_EDGE, fit
from jnst.losses.normalization import WEIGHINGS
from jnst.losses.recipe import CONTENT_LAYERS, STYLE_LAYERS, LossWeights, Recipe
from jnst.losses.registry import STYLE_LOSSES
from jnst.nn.geometry import Geometry
from jnst.optim.optimizers import PRECONDITIONED, Descent
from jnst.optim.step import Controls
from jnst.transfer.plan import Plan, coarse_to_fine, share
from jnst.transfer.setting_values import (
    LayerWeights,
    blend_weights,
    weighted_layers,
    whole_numbers,
)

LARGEST_EDGE = 10**6
NUMBERS = (
    "alpha",
    "beta",
    "gamma",
    "style_scale",
    "learning_rate",
    "averaging",
    "tolerance",
    "photorealism",
    "details",
    "finish",
)
"""Settings that are a number each; one of NumPy's or JAX's is kept as Python's."""
SMALLEST_SCALE, LARGEST_SCALE = 0.1, 10.0
"""Of the style image; beyond these it holds next to no strokes, or only parts of one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of `jnst.stylize`; the defaults are chosen by looking (docs/settings.md).

    Attributes:
      alpha: weight of the content, at least 0.
      beta: weight of the style, at least 0. With relative weighing 0.5 to 10 times alpha is the
        interesting range: less keeps the photograph, more dissolves it.
      gamma: weight of the total variation, at least 0; more is smoother. With relative weighing 1
        counts a picture as rough as the style as much as one that misses it altogether does with a
        beta of 1; 0.03 to 0.3 is the interesting range. Otherwise its unit is another, as that of
        alpha and beta is, and the paper's is 0.
      weighing: `"relative"`, `"paper"` or `"mean"`; see `jnst.make_targets`.
      content_layers: where the content is compared: {layer: weight}, or names alone for equal
        weights that sum to 1.
      style_layers: where the style is compared, likewise.
      style_loss: how: `"wasserstein"`, the distance of Gaussians with the features' means and
        covariances; `"gram"`, the paper's, by Gram matrices, which is faster where small pictures
        are made on a processor; `"statistics"`, by the channels' means and standard deviations
        alone; `"gram+statistics"`, the second and the third in equal parts; `"sliced-wasserstein"`,
        whole distributions, along random directions.
      style_weights: how much each of several style images counts, in any unit; None: all the same.
        Where the styles have regions of their own, what beta is multiplied with in each; None: 1.
      style_scale: the long edge of the style image in those of the picture: more than 1 paints with
        larger strokes and less with smaller ones.
      sizes: long edge in pixels to work at, or several, rising, each started from the last one's
        result. None: from 128 to the content's own in equal ratios of about 2.
      steps: updates in all, shared out over the sizes, coarser ones getting more; or a number for
        each size.
      optimizer: `"preconditioned"`, Adam in the bands of a pyramid and along the axes of the
        style's colours, which leaves fewer coloured specks; `"adam"`, in the pixels; `"lbfgs"`; or
        any Optax transformation, whose own learning rate counts.
      learning_rate: of the first step, in units of the pixels' range; None: the optimiser's own.
      schedule: `"cosine"`: at each size the rate falls to a tenth; `"constant"`: it stays; None:
        cosine for Adam, by bands too, constant for L-BFGS.
      clip: keep every pixel in [0, 1] while optimising, not only at the end.
      averaging: decay of the average over iterates that is shown, in [0, 1); 0 shows the last one.
      tolerance: at each size, steps end when the best total loss of the last 20 is better by less
        than this share than the best one before them, and the picture is no worse than the size's
        start; in [0, 1], 0 is never.
      colors: `"style"`: the picture takes the style's colours, which the content is given before
        anything else, unless there are regions or something is kept; `"free"`: the same, but the
        content keeps its own, which shine through; `"pca"`, `"cholesky"`: the style is first
        given the content's, by `jnst.match_colors`; `"luminance"`: only light and dark are
        transferred, and the picture keeps the content's chrominance.
      photorealism: weight of `jnst.matting_loss`, at least 0, which keeps the picture a photograph:
        within every 3×3 window its colours stay an affine function of the content's. At 0 it is
        not computed. With relative weighing, Gram matrices and beta 10, 100 leaves strokes in flat
        parts and 1000 hardly any in walls and roofs, 10000 a recoloured photograph. Meant to start
        from content.
      details: at each new size, how much of the content's finest details, in luminance, the
        enlarged picture is given, which lacks them; in [0, 1]. Where alpha is 0 it gets none.
      finish: how far, at the end and in each of two rounds, colours go towards the style's and
        chroma is calmed, in [0, 1]. Only with colors `"style"`, without regions, anything kept or
        photorealism.

    Raises:
      ValueError, TypeError: name the setting, what was wanted and what came.

    >>> Settings(beta=-1)
    Traceback (most recent call last):
      ...
    ValueError: beta must be at least 0, got -1
    """

    alpha: float = 1.0
    beta: float = 2.5
    gamma: float = 0.1
    weighing: str = "relative"
    content_layers: Mapping[str, float] | Sequence[str] = CONTENT_LAYERS
    style_layers: Mapping[str, float] | Sequence[str] = STYLE_LAYERS
    style_loss: str = "wasserstein"
    style_weights: Sequence[float] | None = None
    style_scale: float = 1.0
    sizes: int | Sequence[int] | None = None
    steps: int | Sequence[int] = 150
    optimizer: str | optax.GradientTransformation = "preconditioned"
    learning_rate: float | None = None
    schedule: str | None = None
    clip: bool = True
    averaging: float = 0.9
    tolerance: float = 0.0
    colors: str = "style"
    photorealism: float = 0.0
    details: float = 0.5
    finish: float = 0.95

    def __post_init__(self) -> None:
        for name in (*NUMBERS, "steps"):
            object.__setattr__(self, name, plain_number(getattr(self, name)))
        for name in ("alpha", "beta", "gamma"):
            check_number(name, getattr(self, name), least=0)
        if self.alpha == self.beta == 0:
            raise ValueError("the weights alpha and beta are both 0, which leaves nothing to match")
        check_choice("weighing", self.weighing, WEIGHINGS)
        for name in ("content_layers", "style_layers"):
            # As a dict of floats, whichever way they came.
            layers = getattr(self, name)
            if not isinstance(layers, LayerWeights):
                layers = weighted_layers(name, layers)
            object.__setattr__(self, name, layers)
        check_choice("style_loss", self.style_loss, STYLE_LOSSES)
        if self.style_weights is not None:
            object.__setattr__(self, "style_weights", blend_weights(self.style_weights))
        check_number("style_scale", self.style_scale, least=SMALLEST_SCALE, most=LARGEST_SCALE)
        self._check_sizes_and_steps()
        self.descent()
        if not isinstance(self.clip, bool):
            raise TypeError(f"clip must be True or False, got {self.clip!r}")
        check_number("averaging", self.averaging, least=0, most=0.9999)
        check_number("tolerance", self.tolerance, least=0, most=1)
        check_choice("colors", self.colors, COLORS)
        check_number("photorealism", self.photorealism, least=0)
        check_number("details", self.details, least=0, most=1)
        check_number("finish", self.finish, least=0, most=1)

    def _check_sizes_and_steps(self) -> None:
        if self.sizes is not None:
            sizes = whole_numbers("sizes", self.sizes, least=SMALLEST_EDGE, most=LARGEST_EDGE)
            object.__setattr__(self, "sizes", sizes)
            if not sizes or list(sizes) != sorted(set(sizes)):
                raise ValueError(f"sizes must be strictly increasing, got {sizes}")
        if isinstance(self.steps, Integral):
            check_integer("steps", self.steps, least=1)
        else:
            steps = whole_numbers("steps", self.steps, least=1)
            object.__setattr__(self, "steps", steps)
            if not isinstance(self.sizes, tuple) or len(steps) != len(self.sizes):
                got = "no sizes" if self.sizes is None else f"sizes {self.sizes}"
                raise ValueError(
                    f"steps and sizes must have the same length, got {len(steps)} steps and {got}"
                )

    @classmethod
    def of(cls, geometry: Geometry | None = None, **settings: Any) -> "Settings":
        """Make settings by name.

        Args:
          geometry: of the network whose layers they may name; None: VGG-19's.
          **settings: the fields.

        Raises:
          TypeError: for an unknown name; it says the nearest one that exists.
          ValueError, TypeError: as `Settings`.
        """
        for name in settings:
            if name not in SETTINGS:
                raise TypeError(f"there is no setting {name!r}{near_match(name, SETTINGS)}")
        if geometry is not None:
            for name in ("content_layers", "style_layers"):
                layers = settings.get(name, getattr(cls, name))
                settings[name] = weighted_layers(name, layers, geometry)
        return cls(**settings)

    def descent(self) -> Descent:
        """How the run descends."""
        return Descent(
            optimizer=self.optimizer, learning_rate=self.learning_rate, schedule=self.schedule
        )

    def transformation(self) -> optax.GradientTransformation:
        """The optimiser, as an Optax transformation."""
        return self.descent().transformation()

    def controls(self, steps: int) -> Controls:
        """The numbers that steer the steps at one size."""
        first, last = self.descent().rates()
        lower, upper = (0.0, 1.0) if self.clip else (-math.inf, math.inf)
        return Controls(
            learning_rate=first,
            final_learning_rate=last,
            steps=float(steps),
            lower=lower,
            upper=upper,
            ema_decay=float(self.averaging),
            colors=np.eye(3, dtype=np.float32) if self.optimizer == PRECONDITIONED else None,
        )

    def loss_weights(self) -> LossWeights:
        """How much each term counts; float32, as another type would make the step compile anew."""

        def of_layers(layers: Any) -> dict[str, np.float32]:
            return {layer: np.float32(weight) for layer, weight in layers.items()}

        return LossWeights(
            alpha=np.float32(self.alpha),
            beta=np.float32(self.beta),
            gamma=np.float32(self.gamma),
            content=of_layers(self.content_layers),
            style=of_layers(self.style_layers),
            photorealism=np.float32(self.photorealism),
        )

    def recipe(self) -> Recipe:
        """What decides the structure of the objective."""
        return Recipe(
            content_layers=tuple(self.content_layers),
            style_layers=tuple(self.style_layers),
            style_loss=self.style_loss,
            weighing=self.weighing,
            photorealism=self.photorealism > 0,
        )

    def plan(self, height: int, width: int) -> Plan:
        """The sizes to work at and the steps at each, for a content image of this size.

        Returns:
          The plan; where there are fewer steps than sizes, the coarsest sizes are left out.

        Raises:
          ValueError: for a picture too small, or too narrow for a size that was asked for.

        >>> Settings(steps=300).plan(384, 512)
        [((96, 128), 142), ((192, 256), 95), ((384, 512), 63)]
        """
        long, short = max(height, width), min(height, width)
        if isinstance(self.sizes, Sequence):
            sizes = list(self.sizes)
        else:
            sizes = coarse_to_fine(long, short)
        shapes = [fit(height, width, size) for size in sizes]
        if min(shapes[0]) < SMALLEST_EDGE:
            raise ValueError(
                f"the content at {shapes[0][1]}×{shapes[0][0]} px is too small: both edges need "
                f"at least {SMALLEST_EDGE} px; choose a larger size"
            )
        if isinstance(self.steps, Sequence):
            steps = list(self.steps)
        else:
            steps = share(self.steps, len(sizes))
        return [(shape, count) for shape, count in zip(shapes, steps, strict=True) if count]


SETTINGS = tuple(field.name for field in dataclasses.fields(Settings))
