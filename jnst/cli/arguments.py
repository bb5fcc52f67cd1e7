"""Argument parsers, and converters of argument values."""

import argparse
import importlib
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from jnst._checks import near_match

MOST_VALUES = 10**6
"""The largest number of values in one range."""


class Parser(argparse.ArgumentParser):
    """A parser that reports errors in one line, with a suggestion for mistyped words."""

    def error(self, message: str) -> NoReturn:
        """Print the message, with a suggestion, and exit with code 2."""
        if unknown := re.match(r"unrecognized arguments: (-[-\w]+)", message):
            option = unknown.group(1)
            hint = near_match(option, self._option_string_actions)
            message = f"there is no option {option}{hint}"
        elif choice := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message):
            value, options = choice.groups()
            message += near_match(value, re.findall(r"[\w-]+", options))
        elif message.endswith("expected one argument"):
            message += "; write a value that begins with a dash after =, as in --seed=-1"
        self.exit(2, f"{self.prog}: error: {message}\n")


class CommandParser(Parser):
    """The parser of a command whose module has `add_arguments` and `run`.

    The module is imported only when its arguments are parsed: it imports JAX, and neither
    `jnst --help` nor another command should wait for that.

    Args:
      module: name of the module; None makes an ordinary parser.
      **options: those of `argparse.ArgumentParser`.
    """

    def __init__(self, *, module: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._module = module
        self._mixed = module is not None

    def load(self) -> None:
        """Import the module and add its arguments, if this has not been done yet."""
        if self._module:
            command = importlib.import_module(self._module)
            command.add_arguments(self)
            self.set_defaults(run=command.run, parser=self)
            self._module = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Load, and parse; pictures may stand between options, as in `A --size 512 B`.

        With `--`, which argparse cannot have beside that, they stand together after it.
        """
        self.load()
        if not self._mixed or "--" in (args or ()):
            return super().parse_known_args(args, namespace)
        self._mixed = False  # what is called now calls this again
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixed = True


def number(text: str) -> float:
    """Parse one number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def numbers(text: str) -> tuple[float, ...]:
    """Parse comma-separated numbers and ranges FROM:TO:COUNT (geometric).

    >>> numbers("0.5,1e2:1e5:4")
    (0.5, 100.0, 1000.0, 10000.0, 100000.0)
    """
    values: list[float] = []
    for part in text.split(","):
        values += number_range(part) if ":" in part else [number(part)]
    return tuple(values)


def number_range(text: str) -> list[float]:
    """Parse FROM:TO:COUNT into COUNT numbers, geometrically spaced."""
    try:
        start, stop, number_of = text.split(":")
        first, last, count = float(start), float(stop), int(number_of)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a range; write FROM:TO:COUNT, as in 0.5:8:5"
        ) from None
    if not 2 <= count <= MOST_VALUES:
        raise argparse.ArgumentTypeError(
            f"{text!r} has {count:,} values; a range can have 2 to {MOST_VALUES:,}"
        )
    if not (0 < first < math.inf and 0 < last < math.inf):
        raise argparse.ArgumentTypeError(f"{text!r} must have both ends above 0")
    import numpy as np  # here, since `jnst --help` should not wait for it

    return rounded(np.geomspace(first, last, count).tolist())


def rounded(values: Sequence[float]) -> list[float]:
    """Round the values to three digits, or to as many as keep them distinct.

    So file names, labels and settings all show the same number.
    """
    for digits in (3, 6, 15):
        short = [float(f"{value:.{digits}g}") for value in values]
        if len(set(short)) == len(values):
            break
    return short


def whole(text: str) -> int:
    """Parse a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def wholes(text: str) -> int | tuple[int, ...]:
    """Parse a whole number, or several separated by commas."""
    values = whole_numbers(text)
    return values if len(values) > 1 else values[0]


def whole_numbers(text: str) -> tuple[int, ...]:
    """Parse comma-separated whole numbers."""
    return tuple(whole(part) for part in text.split(","))


def layers(text: str) -> dict[str, float] | list[str]:
    """Parse layers, as in `relu1_1,relu2_1`, or with weights, as in `relu1_1:4,relu2_1:1`."""
    parts = [part.strip().partition(":") for part in text.split(",")]
    names = [name for name, _, _ in parts]
    if not any(colon for _, colon, _ in parts):
        return names
    if not all(colon for _, colon, _ in parts) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r}: give each layer a weight, or none of them")
    return {name: number(weight) for name, _, weight in parts}


def styles(text: str) -> dict[str, float]:
    """Parse styles, as in `waves` or `waves:1,scream:0.5`."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, colon, weight = part.strip().rpartition(":")
        weights[name if colon else weight] = number(weight) if colon else 1.0
    return weights


def port(text: str) -> int:
    """Parse a port number, whose range is checked later."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port number; --preview without one goes after the pictures"
        ) from None


def add_watching(
    add: Callable[..., Any], work: str, saved: str = "also write OUT-0000N.png every N steps"
) -> None:
    """Add the options by which a run is watched; `work` and `saved` are for help."""
    add("--save-every", type=whole, metavar="N", help=saved)
    add("--log", metavar="FILE.csv", help="write the losses of each step")
    add_preview(add, work)


def add_preview(add: Callable[..., Any], work: str) -> None:
    """Add the option of the preview page."""
    add(
        "--preview",
        nargs="?",
        type=port,
        const=0,
        metavar="PORT",
        help=f"show the {work} on a local web page (a free port)",
    )
