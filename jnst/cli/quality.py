"""`--quality`: how much time a picture may take, in a word."""

import argparse
from collections.abc import Callable
from typing import Any

from jnst._checks import check_choice
from jnst.transfer.presets import QUALITIES
from jnst.transfer.settings import Settings


def add_quality(add: Callable[..., Any]) -> None:
    """Add the option."""
    steps = {name: of.get("steps", Settings.steps) for name, of in QUALITIES.items()}
    described = ", ".join(f"{name} ({count} steps)" for name, count in steps.items())
    add("--quality", metavar="Q", help=described)


def of_quality(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that the option stands for; none if it is not given."""
    if args.quality is None:
        return {}
    check_choice("--quality", args.quality, QUALITIES)
    for other in ("preset", "steps"):
        if getattr(args, other) is not None:
            raise ValueError(f"--quality and --{other} are mutually exclusive")
    # Even those of normal, as the picture of --like may have been made with others.
    return {"steps": Settings.steps, **QUALITIES[args.quality]}
