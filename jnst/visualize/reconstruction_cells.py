"""What is rebuilt, from which layers, and how the descent is regularised at each depth."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jnst.losses.content import content_term
from jnst.losses.gram import Gram
from jnst.losses.objectives import Objective
from jnst.losses.style import measure_layers, style_term
from jnst.losses.terms import Term, replace
from jnst.losses.variation import roughness, variation_term
from jnst.nn.backbone import Backbone, is_exact
from jnst.nn.geometry import Geometry
from jnst.optim.frequencies import coarse_first
from jnst.optim.optimizers import RATES, make_optimizer
from jnst.visualize.features import features_of

CONTENT_LAYERS = ("conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2")
STYLE_LOSS = Gram


class Descending(NamedTuple):
    """How pictures are rebuilt from layers of one depth.

    Attributes:
      power: of `jnst.optim.frequencies.coarse_first`; None: L-BFGS on the pixels.
      content_variation, style_variation: the weight of the total variation.
      jitter: the most pixels that the network's view is shifted by at a step.
    """

    power: float | None
    content_variation: float
    style_variation: float
    jitter: float = 0.0

    @property
    def optimizer(self) -> optax.GradientTransformationExtraArgs:
        """The optimiser."""
        return make_optimizer("lbfgs") if self.power is None else coarse_first(self.power)

    @property
    def rates(self) -> tuple[float, float]:
        """The learning rates of the first and of the last step."""
        return RATES["lbfgs" if self.power is None else "adam"]


DEPTHS = (
    Descending(None, 1e-5, 3e-6),
    Descending(None, 4e-3, 2e-5),
    Descending(None, 8e-3, 1e-4),
    Descending(1.0, 0.02, 5e-3, jitter=2),
    Descending(1.0, 0.03, 1e-2, jitter=4),
)
"""By depth, which is how often the picture was halved; the last for all that are deeper. Shallow
layers say nearly all about the picture, and L-BFGS finds it; deep ones say little about what is
fine in it, which the descent then has to choose smoothly."""


class Cell(NamedTuple):
    """A picture that is rebuilt.

    Attributes:
      kind: `"content"` or `"style"`.
      layers: what it is rebuilt from.
    """

    kind: str
    layers: tuple[str, ...]

    @property
    def label(self) -> str:
        """What it is called on the figure."""
        return self.layers[0] if len(self.layers) == 1 else f"+ {self.layers[-1]}"

    @property
    def name(self) -> str:
        """What it is called in the names of files."""
        return f"{self.kind}-{self.layers[-1]}"


def cells_of(content_layers: Iterable[str], style_layers: Iterable[str]) -> list[Cell]:
    """A content cell for each layer, a style cell for each set of layers up to one.

    >>> [cell.label for cell in cells_of(["conv1_2"], ["relu1_1", "relu2_1"])]
    ['conv1_2', 'relu1_1', '+ relu2_1']
    """
    styles = tuple(style_layers)
    return [
        *(Cell("content", (layer,)) for layer in content_layers),
        *(Cell("style", styles[: n + 1]) for n in range(len(styles))),
    ]


def depth_of(geometry: Geometry, cell: Cell) -> int:
    """How often the picture was halved at the deepest layer of a cell, as an index of `DEPTHS`."""
    halvings = int(math.log2(geometry.stride(cell.layers)))
    return min(halvings, len(DEPTHS) - 1)


def grouped_cells(geometry: Geometry, cells: Sequence[Cell], together: bool) -> list[list[Cell]]:
    """Cells that one batch rebuilds: those that descend in the same way.

    Args:
      geometry: of the network.
      cells: all of them.
      together: join what descends by the same optimiser, with the regularisation of each; else
        only cells of the same depth, so that none has to compute the layers of a deeper one.
    """
    groups: dict[object, list[Cell]] = {}
    for cell in cells:
        depth = depth_of(geometry, cell)
        groups.setdefault(DEPTHS[depth].power if together else depth, []).append(cell)
    return list(groups.values())


def objectives_of(
    model: Backbone,
    cells: Sequence[Cell],
    content: Float[Array, "H W 3"],
    style: Float[Array, "h w 3"] | None,
) -> list[Objective]:
    """What each cell of a batch minimises: one structure, with weights of 0 for what it lacks."""
    of_content = tuple(dict.fromkeys(n for c in cells if c.kind == "content" for n in c.layers))
    of_style = tuple(dict.fromkeys(n for c in cells if c.kind == "style" for n in c.layers))
    both: list[Term] = []
    if of_content:
        features = features_of(model, content, layers=of_content)
        both.append(content_term(features, dict.fromkeys(of_content, 1.0), "relative"))
    if of_style and style is not None:
        exact = is_exact(model)
        features = features_of(model, style, layers=of_style)
        measured = measure_layers(STYLE_LOSS, features, None, exact=exact)
        weights = dict.fromkeys(of_style, 1.0)
        both.append(
            style_term(STYLE_LOSS, [measured], [1.0], weights, weighing="relative", exact=exact)
        )
    made = []
    for cell in cells:
        descending, is_content = DEPTHS[depth_of(model.geometry, cell)], cell.kind == "content"
        rough = roughness([content if is_content or style is None else style], [1.0])
        weight = descending.content_variation if is_content else descending.style_variation
        variation = replace(variation_term(content.shape, "relative", rough, rough), weight=weight)
        terms = [
            replace(
                term,
                weights={n: float(n in cell.layers) / len(cell.layers) for n in term.layers},
                weight=float(term.name == cell.kind),
            )
            for term in both
        ]
        jitter = jnp.float32(descending.jitter)
        made.append(Objective(model=model, terms=(*terms, variation), jitter=jitter))
    return made
