"""The settings of a training, checked where they are made."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from jnst._checks import check_choice, check_integer, check_number
from jnst.feedforward.lessons import WEIGHING
from jnst.losses.recipe import LossWeights, Recipe
from jnst.losses.registry import STYLE_LOSSES, style_loss_named

SMALLEST_CROP = 64
LAST_RATE = 0.1
"""Of the learning rate, at the end of its cosine."""
QUALITIES: dict[str, dict[str, int]] = {
    "processor": {"steps": 5000, "batch": 2, "crop": 128},
    "gpu": {"steps": 10_000, "batch": 8, "crop": 256},
}
"""Fields of `Training` for an hour on two processor cores, and for two minutes on an H100."""
WARM_UP = 100
"""Steps until the learning rate is whole: a tenth of all, at most so many."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """The settings of a training; all are checked.

    Attributes:
      steps: updates.
      batch: crops in each.
      crop: their edge in pixels; at least 64.
      style_size: long edge of the style images; strokes are as large in the pictures of the network
        as they are there.
      learning_rate: of Adam; it rises over the first steps and then falls along a cosine.
      alpha, beta, gamma: weights of content, style and total variation, as in `jnst.Settings`.
      style_loss: as in `jnst.Settings`, but for losses that draw at random.
      content_layers, style_layers: where content and style are compared.
      seed: of the first weights and of the crops.
    """

    steps: int = 2000
    batch: int = 2
    crop: int = 128
    style_size: int = 256
    learning_rate: float = 1.5e-3
    alpha: float = 1.0
    beta: float = 2.0
    gamma: float = 0.1
    style_loss: str = "gram"
    content_layers: tuple[str, ...] = ("relu3_1",)
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch", 1), ("crop", SMALLEST_CROP), ("seed", 0)):
            check_integer(name, getattr(self, name), least=least)
        check_integer("style_size", self.style_size, least=SMALLEST_CROP)
        check_number("learning_rate", self.learning_rate, least=1e-8, most=1)
        for name in ("alpha", "beta", "gamma"):
            check_number(name, getattr(self, name), least=0)
        if self.alpha == self.beta == 0:
            raise ValueError("the weights alpha and beta are both 0, which leaves nothing to learn")
        check_choice("style_loss", self.style_loss, STYLE_LOSSES)
        if style_loss_named(self.style_loss).stochastic:
            raise ValueError(f"style_loss {self.style_loss!r} draws at random and cannot train")

    def recipe(self) -> Recipe:
        """Which terms there are."""
        return Recipe(
            content_layers=tuple(self.content_layers),
            style_layers=tuple(self.style_layers),
            style_loss=self.style_loss,
            weighing=WEIGHING,
        )

    def weights(self) -> LossWeights:
        """How much each term counts."""

        def equal(layers: Sequence[str]) -> dict[str, np.float32]:
            return dict.fromkeys(layers, np.float32(1 / len(layers)))

        return LossWeights(
            alpha=np.float32(self.alpha),
            beta=np.float32(self.beta),
            gamma=np.float32(self.gamma),
            content=equal(self.content_layers),
            style=equal(self.style_layers),
        )

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0 on."""
        warm = min(WARM_UP, max(1, self.steps // 10))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        done = (step - warm) / max(1, self.steps - warm)
        cosine = (1 + math.cos(math.pi * done)) / 2
        return self.learning_rate * (LAST_RATE + (1 - LAST_RATE) * cosine)
