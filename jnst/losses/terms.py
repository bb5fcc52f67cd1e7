"""Terms: the parts that an objective is the weighted sum of.

A term looks at the features of an image at some layers, reduces them to `statistics`, and compares
these with its target, which lies inside it. A new kind of loss is a new term; nothing else in jnst
knows one from another. See `jnst.losses.style` for the terms of the style.
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Float

PIXELS = "pixels"
"""The layer that is the image itself."""

Scalar = Array | np.ndarray | np.floating | float
Features = Mapping[str, Float[Array, "*batch _h _w _c"]]
"""{layer: features}, the image itself at `PIXELS`."""
Positions = Mapping[str, Any]
"""{layer: positions of the whole picture}, numbers or arrays of one."""
Statistics = Any
"""What a term sees of an image: a pytree of arrays."""

T = TypeVar("T")


def static(*, default: Any = dataclasses.MISSING) -> Any:
    """Declare a field that is part of a term's structure: changing it compiles anew."""
    return dataclasses.field(default=default, metadata={"static": True})


@typing.dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(static, dataclasses.field)
)
def term(cls: type[T]) -> type[T]:
    """Make a class a term: a frozen dataclass by keyword, whose fields are leaves of a pytree.

    A field that is no array is declared with `static`, as in `exact: bool = static(default=False)`.

    Args:
      cls: a subclass of `jnst.Term`, with annotated fields.

    Returns:
      The class.

    >>> @term
    ... class Brightness(Term):
    ...     name = "brightness"
    ...     layers = (PIXELS,)
    ...     wanted: Scalar
    ...     weight: Scalar = 1.0
    ...     def statistics(self, features, positions=None):
    ...         height, width = features[PIXELS].shape[-3:-1]
    ...         pixels = positions[PIXELS] if positions else height * width
    ...         return features[PIXELS].sum() / pixels
    ...     def loss(self, statistics):
    ...         return (statistics - self.wanted) ** 2
    >>> jax.tree.leaves(Brightness(wanted=0.5))
    [0.5, 1.0]
    """
    # There are terms of axes, shapes and shardings too, in place of arrays: fields go unchecked.
    cls.__no_type_check__ = True  # type: ignore[attr-defined]
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

    def statistics(self, features: Features, positions: Positions | None = None) -> Statistics:
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
    each: Any = term
    values = {field.name: getattr(each, field.name) for field in dataclasses.fields(each)}
    if unknown := changes.keys() - values.keys():
        raise TypeError(f"{type(term).__name__} has no {', '.join(sorted(unknown))}")
    # Without __init__, whose types the tests check: tiles keep arrays of NumPy in a term.
    made = object.__new__(type(term))
    for name, value in (values | changes).items():
        object.__setattr__(made, name, value)
    return made
