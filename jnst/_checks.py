"""The sentences in which jnst tells a user what was wrong with an argument."""

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any


def near_match(value: object, options: Iterable[str]) -> str:
    """`" (did you mean 'adam'?)"` for the closest of `options`, or nothing where none is close."""
    close = difflib.get_close_matches(str(value), list(options), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def one_of(name: str, value: object, options: Iterable[str]) -> None:
    """Raise ValueError unless `value` is one of `options`."""
    options = tuple(options)
    if value not in options:
        listed = ", ".join(options)
        hint = near_match(value, options)
        raise ValueError(f"{name} must be one of {listed}, got {value!r}{hint}")


def whole_number(name: str, value: Any, *, least: int) -> None:
    """Raise unless `value` is an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def finite_number(
    name: str, value: Any, *, least: float = -math.inf, most: float = math.inf
) -> None:
    """Raise unless `value` is a finite real number in [least, most]."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    if not least <= float(value) <= most:
        if math.isinf(most):
            raise ValueError(f"{name} must be at least {least:g}, got {value:g}")
        raise ValueError(f"{name} must lie between {least:g} and {most:g}, got {value:g}")
