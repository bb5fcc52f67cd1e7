"""What all style losses share: layers, weights, regions, several styles, tiles.

A style loss is a subclass of `StyleTerm` that says for a single layer what it measures of features,
what it compares with, and how. `jnst.losses.registry` gives it a name; with that it works
everywhere. `jnst/losses/gram.py` is the shortest to begin from.
"""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jnst.losses.arrays import lifted, summed
from jnst.losses.blending import blend, side_by_side
from jnst.losses.normalization import layer_scale, reciprocal
from jnst.losses.regions import Guides
from jnst.losses.terms import (
    Features,
    Positions,
    Scalar,
    Statistics,
    Term,
    View,
    replace,
    static,
    term,
)

Measured = Any
"""What a style loss sees of one layer: a pytree of arrays, averages over positions."""
Target = Any
"""What it compares with: a pytree of arrays."""


@term
class StyleTerm(Term):
    """A style term; its subclasses are the style losses.

    Attributes:
      targets: {layer: what the loss compares with}, with an axis of the regions where there are
        guides.
      scales: {layer: factor} of each layer's loss, by the way of weighing, likewise.
      weights: {layer: w_l}.
      weight: β.
      guides: {layer: T of each of R regions}; None: one style everywhere.
      shares: how much the style of each region counts.
      key: what a stochastic loss draws from.
      exact: products are as precise as float32.
      keep_rows: the rows of features are split over devices and stay where they are.
    """

    name: ClassVar[str] = "style"
    averaging: ClassVar[float] = 1.0
    """What makes the loss of a layer a mean of squares."""
    targets: Mapping[str, Target]
    scales: Mapping[str, Float[Array | np.ndarray, "*batch"]]
    weights: Mapping[str, Scalar]
    weight: Scalar = 1.0
    guides: Guides | None = None
    shares: Float[Array | np.ndarray, " R"] | None = None
    key: Key[Array, ""] | None = None
    exact: bool = static(default=False)
    keep_rows: bool = static(default=False)

    @classmethod
    def measure(
        cls,
        features: Float[Array, "*batch H W C"],
        guide: Float[Array, "H W"] | None,
        *,
        key: Key[Array, ""] | None,
        keep_rows: bool,
    ) -> Measured:
        """Reduce the features of a layer to what the loss sees of them.

        Args:
          features: of a layer.
          guide: T, the root of how much each position counts, with a mean square of 1; None: 1.
          key: for a stochastic loss.
          keep_rows: make no single axis of the positions.
        """
        raise NotImplementedError

    @classmethod
    def measure_whole(
        cls, features: Float[Array, "*batch H W C"], *, key: Key[Array, ""] | None
    ) -> Measured:
        """The same of a whole generated picture on one device: it need not be a sum."""
        return cls.measure(features, None, key=key, keep_rows=False)

    @classmethod
    def target(cls, measured: Measured) -> Target:
        """Make of what was measured of the style what the loss compares with."""
        return measured

    @classmethod
    def distance(
        cls, measured: Measured, target: Target, key: Key[Array, ""] | None
    ) -> Float[Array, "*batch"]:
        """Compare a layer of the generated image with the style's."""
        raise NotImplementedError

    @classmethod
    def blend(cls, each: Sequence[Any], shares: Sequence[Scalar | int]) -> Any:
        """Average what was measured of several style images, by their shares."""
        return blend(each, shares)

    @classmethod
    def energy(
        cls, measured: Measured, target: Target, key: Key[Array, ""] | None
    ) -> Float[Array, "*batch"]:
        """Compute the loss of an empty image; 0 where the layer is silent."""
        return cls.distance(jax.tree.map(jnp.zeros_like, measured), target, key)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that have a weight."""
        return tuple(self.weights)

    def statistics(self, features: Features, positions: Positions | None = None) -> Statistics:
        """What is measured of each layer.

        With guides, of every region, along an axis before the layer's own.
        """
        measured = measure_layers(
            type(self),
            {name: features[name] for name in self.weights},
            self.guides,
            key=self.key,
            exact=self.exact,
            keep_rows=self.keep_rows,
            whole=positions is None,
        )
        if positions is None:
            return measured
        for name, of_layer in measured.items():
            height, width = features[name].shape[-3:-1]
            share = height * width / positions[name]
            measured[name] = jax.tree.map(lambda leaf, share=share: leaf * share, of_layer)
        return measured

    def loss(self, statistics: Statistics) -> Float[Array, "*batch"]:
        """L_style = Σ_l w_l E_l, and over the regions by their shares."""

        def of_layer(name: str) -> Array:
            loss = self.distance(statistics[name], self.targets[name], self.key)
            loss = lifted(jnp.asarray(self.scales[name]), loss.ndim) * loss
            if self.shares is None:
                return loss
            return jnp.sum(lifted(self.shares, loss.ndim) * loss, axis=-1)

        return summed([weight * of_layer(name) for name, weight in self.weights.items()])

    def at(self, view: View) -> "StyleTerm":
        """The term for one window: it measures there, and compares with nothing."""
        guides = self.guides and {n: view.cut(guide, n) for n, guide in self.guides.items()}
        return replace(self, guides=guides, targets={}, scales={}, shares=None)

    def drawn(self, key: Array) -> "StyleTerm":
        """The term with another key, where its loss is stochastic."""
        return replace(self, key=key) if self.stochastic else self

    def for_sharding(self) -> "StyleTerm":
        """The term that makes no single axis of the positions."""
        return replace(self, keep_rows=True)


def measure_layers(
    kind: type[StyleTerm],
    features: Features,
    guides: Guides | None,
    *,
    key: Key[Array, ""] | None = None,
    exact: bool = False,
    keep_rows: bool = False,
    whole: bool = False,
) -> dict[str, Measured]:
    """{layer: what a style loss sees of it}.

    With guides, of every region, along an axis before the layer's own. `whole`: what is measured
    will be added to nothing; see `StyleTerm.measure_whole`.
    """
    measure = functools.partial(kind.measure, key=key, keep_rows=keep_rows)

    def regions(of_layer: Array, guides: Array) -> Measured:
        # In a loop, and anew for the gradient: the guided features of all regions together would
        # take the memory of as many networks.
        each = jax.lax.map(jax.checkpoint(functools.partial(measure, of_layer)), guides)
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, of_layer.ndim - 3), each)

    with jax.default_matmul_precision("highest") if exact else contextlib.nullcontext():
        if whole and guides is None and not keep_rows:
            return {name: kind.measure_whole(x, key=key) for name, x in features.items()}
        if guides is None:
            return {name: measure(of_layer, None) for name, of_layer in features.items()}
        return {name: regions(of_layer, guides[name]) for name, of_layer in features.items()}


AGREEMENT = 0.2
"""The least unit of the style, in parts of the larger energy of style and content: where the two
agree there is nothing to paint, and what is left is not to be magnified."""


def relative_scales(
    style: StyleTerm, content: Mapping[str, Measured]
) -> dict[str, Float[Array, "*batch"]]:
    """{layer: factor} with relative weighing: 1 by the loss of the unpainted content.

    So the style term starts at 1 for any pair of pictures, be the style bright or nearly grey, and
    its weight means the same for all. Where content and style agree, the unit is `AGREEMENT` of the
    larger of their energies.

    Args:
      style: the style term, its factors 1 by the loss of an empty image.
      content: {layer: what is measured of the content image}.

    Returns:
      The factors; 0 where both are silent.
    """
    scales = {}
    for name, measured in content.items():
        target = style.targets[name]
        apart = style.distance(measured, target, style.key)
        of_style = reciprocal(style.scales[name])
        of_content = style.energy(measured, style.target(measured), style.key)
        unit = jnp.maximum(apart, AGREEMENT * jnp.maximum(of_style, of_content))
        scales[name] = layer_scale(unit, "relative", style.averaging)
    return scales


def style_term(
    kind: type[StyleTerm],
    each: Sequence[Mapping[str, Measured]],
    style_shares: Sequence[Scalar | int],
    weights: Mapping[str, Scalar],
    *,
    weighing: str,
    regional: bool = False,
    axis: int = 0,
    exact: bool = False,
) -> StyleTerm:
    """The style term of style images that were measured, as yet without guides.

    Args:
      kind: the style loss.
      each: {layer: what was measured} of every style image.
      style_shares: how much each counts where they are blended.
      weights: {layer: w_l}.
      weighing: one of `jnst.losses.normalization.WEIGHINGS`.
      regional: each image has a region of its own, so that they are not blended.
      axis: of the regions.
      exact: see `StyleTerm`.
    """
    key = jax.random.key(0) if kind.stochastic else None
    measured = side_by_side(each, axis) if regional else kind.blend(each, style_shares)
    targets = {name: kind.target(of_layer) for name, of_layer in measured.items()}
    scales = {
        name: layer_scale(kind.energy(measured[name], target, key), weighing, kind.averaging)
        for name, target in targets.items()
    }
    return kind(targets=targets, scales=scales, weights=weights, key=key, exact=exact)
