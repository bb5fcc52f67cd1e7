"""Checks of arguments; each error says what was wanted and what came."""

import difflib
import math
from collections.abc import Iterable, Sized
from numbers import Integral, Real
from typing import Any

LARGEST = 1e30
"""The largest number that a user can set; float32 goes little further."""
SHOWN_DIGITS = 30
"""A longer integer is not printed in full."""
NEAR = 0.65
"""How alike a suggestion is at least, of 1; with less, "draft" would be one for "great"."""


def near_match(value: object, options: Iterable[str]) -> str:
    """Return `" (did you mean 'adam'?)"` for the closest of `options`, or `""` if none is close."""
    close = difflib.get_close_matches(str(value), list(options), n=1, cutoff=NEAR)
    return f" (did you mean {close[0]!r}?)" if close else ""


def check_choice(name: str, value: object, options: Iterable[str]) -> None:
    """Raise ValueError unless `value` is one of `options`."""
    options = tuple(options)
    if value not in options:
        listed = ", ".join(options)
        hint = near_match(value, options)
        raise ValueError(f"{name} must be one of {listed}, got {value!r}{hint}")


def plain_number(value: Any) -> Any:
    """Return a scalar of NumPy or JAX as a Python number, and anything else as it is."""
    if getattr(value, "ndim", None) != 0:
        return value
    import numpy as np  # which `jnst --help` should not wait for

    return np.asarray(value).item() if isinstance(value.dtype, np.dtype) else value


def check_integer(name: str, value: Any, *, least: int, most: int = 10**9) -> None:
    """Raise unless `value` is a whole number in [least, most]."""
    value = plain_number(value)
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if int(value) < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    if int(value) > most:
        got = str(value) if value < 10**SHOWN_DIGITS else f"more than 10^{SHOWN_DIGITS}"
        raise ValueError(f"{name} must be at most {most}, got {got}")


def check_number(name: str, value: Any, *, least: float, most: float = LARGEST) -> None:
    """Raise unless `value` is a finite real number in [least, most]."""
    value = plain_number(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = LARGEST * 10
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    if most == LARGEST and number < least:
        raise ValueError(f"{name} must be at least {least:g}, got {number:g}")
    if not least <= number <= most:
        raise ValueError(f"{name} must lie between {least:g} and {most:g}, got {number:g}")


def is_floating(dtype: Any) -> bool:
    """Say whether arrays of this NumPy type hold floats; bfloat16 is JAX's own, of no such kind."""
    return dtype.kind == "f" or dtype.name == "bfloat16"


def check_floating(name: str, dtype: Any) -> None:
    """Raise TypeError for an image whose NumPy type holds no floats: its range is another."""
    if not is_floating(dtype):
        raise TypeError(f"{name} must hold floats in [0, 1], got {dtype}")


def unit_floats(name: str, values: Any) -> Any:
    """Return a NumPy array as float32; raise ValueError unless all are finite and in [0, 1]."""
    import numpy as np  # which `jnst --help` should not wait for

    with np.errstate(over="ignore"):  # what is too large becomes infinite, which is refused
        values = values.astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds NaN or infinite values")
    if values.min() < 0 or values.max() > 1:
        raise ValueError(
            f"{name} must lie in [0, 1], got values from {values.min():g} to {values.max():g}"
        )
    return values


def check_same_length(name: str, what: str, values: Sized, count: int) -> None:
    """Raise ValueError unless there are as many `values` as style images."""
    if len(values) != count:
        raise ValueError(
            f"{name} must have a {what} for each style image ({count}), got {len(values)}"
        )
