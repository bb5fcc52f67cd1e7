"""Terms: the parts that an objective is the weighted sum of.

A term looks at the features of an image at some layers, reduces them to `statistics`, and compares
these with its target, which lies inside it. A new kind of loss is a new term; nothing else in jnst
knows one from another. See `jnst.losses.style` for the terms of the style.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar, dataclass_transform

import jax
from jaxtyping import Array, Float

PIXELS = "pixels"
"""The layer that is the image itself."""

Scalar = Array | float
Features = Mapping[str, Float[Array, "*batch _h _w _c"]]
"""{layer: features}, the image itself at `PIXELS`."""
Statistics = Any
"""What a term sees of an image: a pytree of arrays."""

T = TypeVar("T")


def static(default: Any = dataclasses.MISSING) -> Any:
    """Declare a field that is part of a term's structure: changing it compiles anew."""
    return dataclasses.field(default=default, metadata={"static": True})


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(static,))
def term(cls: type[T]) -> type[T]:
    """Make a class a term: a frozen dataclass by keyword, whose fields are leaves of a pytree.

    A field that is no array is declared with `static()`.
    """
    return jax.tree_util.register_dataclass(dataclasses.dataclass(frozen=True, kw_only=True)(cls))


class View(NamedTuple):
    """A window of a picture, in whole strides of the layers that are looked at.

    Attributes:
      origin: (top, left) of the window, in pixels of the picture.
      shape: (height, width) of the window.
      strides: {layer: pixels along one axis of a position}.
    """

    origin: tuple[int, int]
    shape: tuple[int, int]
    strides: Mapping[str, int]

    def cut(self, values: Float[Array, "*lead H W"], layer: str) -> Float[Array, "*lead _h _w"]:
        """What lies in the window of values that have a place for every position of a layer."""
        stride = self.strides[layer]
        top, left = (edge // stride for edge in self.origin)
        height, width = (edge // stride for edge in self.shape)
        return values[..., top : top + height, left : left + width]


class Term:
    """One part of the objective; a frozen pytree. Derive from it and decorate with `term`.

    Attributes:
      name: what its loss is reported as; no two terms of an objective share one.
      layers: the layers whose features it sees; `PIXELS` is the image itself.
      weight: what its loss is multiplied with.
      additive: the statistics are sums over positions, so that those of a picture are those of its
        tiles added up. Without it the term sees pictures as a whole only.
      linear: the loss is a linear function of the statistics, so that its gradient does not wait
        for them.
      stochastic: the term draws something at random at every step; see `drawn`.
    """

    name: ClassVar[str]
    additive: ClassVar[bool] = True
    linear: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    weight: Scalar

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose features are seen."""
        raise NotImplementedError

    def statistics(
        self, features: Features, positions: Mapping[str, int] | None = None
    ) -> Statistics:
        """Reduce the features of an image to what the loss depends on.

        Args:
          features: {layer: (..., H, W, C)}; of a tile, 0 outside of its own region.
          positions: {layer: positions of the whole picture}, where the features are of a tile; what
            is an average over the picture is divided by these. None: those of the features.
        """
        raise NotImplementedError

    def loss(self, statistics: Statistics) -> Float[Array, "*batch"]:
        """Compare the statistics with the target."""
        raise NotImplementedError

    def at(self, view: View) -> "Term":
        """Return the term for one window: arrays with a place for every position are cut.

        What only `loss` needs may be left out, since it is asked of the whole picture's term. The
        default is for terms that hold nothing by position.
        """
        return self

    def drawn(self, key: Array) -> "Term":
        """Return a stochastic term with what it draws from a key; others as they are."""
        return self

    def for_sharding(self) -> "Term":
        """Return the term for images whose rows are split over devices."""
        return self


def replace(term: T, **changes: Any) -> T:
    """A term with some of its fields changed."""
    return dataclasses.replace(term, **changes)  # type: ignore[type-var]
