"""A trained network that a command paints with, and the blend of its styles."""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from jnst._files import sha256_of
from jnst.cli.runtime import devices, make_ready
from jnst.feedforward.painting import shares_of
from jnst.nn.painter import Painter, make_painter
from jnst.nn.painter_discovery import find_painter, open_painter


class ChosenNetwork(NamedTuple):
    """What `--network` and `--style` name.

    Attributes:
      painter: the network.
      blend: {style: share}, of those that there is something of, in the order of `--style`.
      file: that it was read from.
    """

    painter: Painter
    blend: dict[str, float]
    file: Path

    def record(self, options: dict[str, Any]) -> dict[str, Any]:
        """What is painted with it carries, the other options included."""
        return {
            "style": ", ".join(self.blend),
            "method": "fast",
            "weights": f"{self.file.name} {sha256_of(self.file)[:8]}",
            "options": {**options, "style": self.blend},
        }


def chosen_network(args: argparse.Namespace) -> ChosenNetwork:
    """Read the network; raises ValueError for a file or a style that will not do."""
    make_ready(many_passes=True)
    devices()
    found = find_painter(args.network)
    painter = make_painter(open_painter(found))
    try:
        shares = shares_of(painter, args.blend)
    except ValueError as error:
        raise ValueError(f"--style: {error}") from None
    named = dict(zip(painter.styles, map(float, shares), strict=True))
    blend = {name: named[name] for name in args.blend or named if named[name] > 0}
    return ChosenNetwork(painter, blend, found.path)
