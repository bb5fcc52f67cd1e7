"""`jnst info`: what is installed and found, or what made a picture."""

import argparse
import os
import sys
from typing import Any

from jnst._text import as_text
from jnst.version import __version__

PACKAGES = "jax", "jaxlib", "flax", "optax", "numpy", "pillow", "h5py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `jnst info`."""
    parser.add_argument("picture", nargs="?", metavar="PICTURE", help="a picture made by jnst")
    parser.add_argument("--weights", metavar="FILE", help="show this weights file")


def run(args: argparse.Namespace) -> int:
    """Print a line for each thing that there is to know."""
    lines = of_picture(args.picture) if args.picture else of_installation(args.weights)
    try:
        for name, value in lines.items():
            print(f"{name:22}{as_text(value)}")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe, as in `jnst info | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def of_picture(path: str) -> dict[str, Any]:
    """Return the settings that a picture was made with."""
    from jnst.cli.streams import source_of
    from jnst.image.pictures import read_settings

    record = read_settings(source_of(path))
    if record is None:
        raise ValueError(f"{path} has no jnst settings")
    lines = {name: value for name, value in record.items() if name != "options"}
    options = record.get("options")
    return lines | (options if isinstance(options, dict) else {})


def of_installation(path: str | None) -> dict[str, Any]:
    """Return the versions, the devices and the weights, those of a path if one is given."""
    from importlib.metadata import version

    from jnst._files import cache_folder
    from jnst.cli.runtime import devices
    from jnst.nn.decoder_discovery import find_decoder
    from jnst.nn.discovery import find_weights, open_weights

    lines: dict[str, Any] = {
        "jnst": __version__,
        "python": sys.version.split()[0],
        **{package: version(package) for package in PACKAGES},
        "devices": ", ".join(f"{d.device_kind} ({d})" for d in devices()),
        "cache": cache_folder(),
    }
    try:
        found = find_weights(path)
        weights = open_weights(found)
    except ValueError as error:
        if path:
            raise
        lines["weights"] = error
    else:
        lines["weights"] = f"{weights.lineage} lineage, {found.origin}"
        lines["file"] = found.path
        lines["sha256"] = f"{weights.sha256} ({weights.source})"
    try:
        decoder = find_decoder()
        lines["decoder of jnst fast"] = f"{decoder.path}, {decoder.origin}"
    except ValueError as error:
        lines["decoder of jnst fast"] = error
    return lines
