"""The network's options, and the network made from them, for commands without a style."""

import argparse
from typing import Any, NamedTuple

from jnst._checks import check_choice
from jnst.cli.options import OPTIONS, Add, choice
from jnst.cli.runtime import devices, precision
from jnst.nn.blocks import DEFAULT_NETWORK, NETWORKS, network_title
from jnst.nn.discovery import WeightsFile, find_weights, open_weights
from jnst.nn.geometry import Geometry, vgg_geometry
from jnst.nn.loading import make_vgg
from jnst.nn.vgg import PADDINGS, POOLINGS, PRECISIONS, VGG, choose_precision
from jnst.nn.weights import Weights
from jnst.version import __version__

NETWORK_OPTIONS = ("network", "pooling", "padding", "precision")


class Network(NamedTuple):
    """The network that the options describe, not yet made.

    Attributes:
      options: {name: value} of `NETWORK_OPTIONS`.
      weights: as they were read.
      found: where they were found.
    """

    options: dict[str, str]
    weights: Weights
    found: WeightsFile

    @property
    def geometry(self) -> Geometry:
        """The geometry of the network."""
        return vgg_geometry(self.weights.blocks)

    def make(self) -> VGG:
        """Make the network."""
        chosen = {name: value for name, value in self.options.items() if name != "network"}
        return make_vgg(self.weights, **chosen)

    @property
    def source(self) -> str:
        """What a record says of the weights."""
        return f"{self.weights.source} {self.weights.sha256[:8]}"

    def headline(self, work: str) -> str:
        """Describe device, precision, work and weights in one line."""
        device = devices()[0]
        words = precision(device, choose_precision(self.options["precision"], device.platform))
        return (
            f"jnst {__version__} · {device.device_kind} · {words} · {work} · "
            f"{self.weights.lineage} {network_title(self.weights.network)} {self.found.origin}"
        )


def add_network(add: Add) -> None:
    """Add the options of the network."""
    add("--network", metavar="N", help=choice(tuple(NETWORKS), DEFAULT_NETWORK))
    add("--pooling", metavar="P", help=choice(POOLINGS, OPTIONS["pooling"]))
    add("--padding", metavar="P", help=choice(PADDINGS, OPTIONS["padding"]))
    add("--precision", metavar="P", help=choice(PRECISIONS, OPTIONS["precision"]))
    add("--weights", metavar="FILE", help="weights file of the network (see `jnst info`)")


def network_of(args: argparse.Namespace, like: dict[str, Any] | None = None) -> Network:
    """Return the network of the options, else of `like`, else the default; its weights are read.

    Raises:
      ValueError: for an unknown word, or weights that will not do.
    """
    options = {
        name: getattr(args, name) or (like or {}).get(name) or OPTIONS[name]
        for name in NETWORK_OPTIONS
    }
    check_choice("--network", options["network"], NETWORKS)
    check_choice("--pooling", options["pooling"], POOLINGS)
    check_choice("--padding", options["padding"], PADDINGS)
    check_choice("--precision", options["precision"], PRECISIONS)
    found = find_weights(args.weights, options["network"])
    return Network(options, open_weights(found, options["network"]), found)
