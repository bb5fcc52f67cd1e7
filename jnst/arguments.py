"""What the commands share in reading their arguments."""

import argparse
import re
from typing import NoReturn

from jnst._checks import near_match


class Parser(argparse.ArgumentParser):
    """Errors in one line, with the nearest option or choice where one was mistyped."""

    def error(self, message: str) -> NoReturn:
        if unknown := re.match(r"unrecognized arguments: (-[-\w]+)", message):
            option = unknown.group(1)
            hint = near_match(option, self._option_string_actions)
            message = f"there is no option {option}{hint}"
        elif choice := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message):
            value, options = choice.groups()
            message += near_match(value, re.findall(r"[\w-]+", options))
        self.exit(2, f"{self.prog}: error: {message}\n")


def number(text: str) -> float:
    """One number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def whole(text: str) -> int:
    """One whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def wholes(text: str) -> int | tuple[int, ...]:
    """One whole number, or several separated by commas."""
    values = tuple(whole(part) for part in text.split(","))
    return values if len(values) > 1 else values[0]


def layers(text: str) -> dict[str, float] | list[str]:
    """Layers as in `relu1_1,relu2_1`, or with their weights as in `relu1_1:4,relu2_1:1`."""
    parts = [part.strip().partition(":") for part in text.split(",")]
    names = [name for name, _, _ in parts]
    if not any(colon for _, colon, _ in parts):
        return names
    if not all(colon for _, colon, _ in parts) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r}: give every layer one weight, or none")
    return {name: number(weight) for name, _, weight in parts}
