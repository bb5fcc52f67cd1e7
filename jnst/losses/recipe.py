"""Which terms an objective has, and how much each counts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from jnst.losses.registry import style_loss_named
from jnst.losses.terms import Scalar

if TYPE_CHECKING:
    from jnst.losses.style import StyleTerm

CONTENT_LAYERS = ("relu4_2",)
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


class Recipe(NamedTuple):
    """What decides the structure of the terms, and so what is compiled; hashable.

    Attributes:
      content_layers, style_layers: where content and style are compared.
      style_loss: its name, as in `jnst.losses.registry`.
      weighing: one of `jnst.losses.normalization.WEIGHINGS`.
      photorealism: whether there is that term.
    """

    content_layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    style_loss: str
    weighing: str
    photorealism: bool = False

    @property
    def loss(self) -> "type[StyleTerm]":
        """The style loss."""
        return style_loss_named(self.style_loss)


class LossWeights(NamedTuple):
    """How much each term counts. All leaves are traced: changing them never recompiles.

    Attributes:
      alpha: weight of the content term.
      beta: weight of the style term.
      gamma: weight of the total variation.
      content: {layer: weight} within the content term.
      style: {layer: weight} within the style term, w_l in the paper.
      photorealism: weight of the matting loss; it counts where the targets hold a matting.
    """

    alpha: Scalar
    beta: Scalar
    gamma: Scalar
    content: Mapping[str, Scalar]
    style: Mapping[str, Scalar]
    photorealism: Scalar = 0.0
