"""The command line: `jnst` and its commands."""

import argparse
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version

import jax

from jnst import cli_grid, cli_stylize
from jnst.arguments import Parser
from jnst.convert import command as convert_command
from jnst.files import cache_folder
from jnst.images import read_settings
from jnst.runtime import devices
from jnst.settings import SETTINGS
from jnst.version import __version__
from jnst.weights import find_weights, open_weights


def main(argv: Sequence[str] | None = None) -> int:
    """Run `jnst` with these arguments.

    Returns:
      The exit code: 0; 1 where a run diverged or the device's memory was too small; 2 for a
      mistake of the user's, told in one line; 130 after Ctrl-C.
    """
    args, rest = build_parser().parse_known_args(argv)
    if rest:  # told by the parser of the command, which knows the command's options
        args.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return args.run(args)
    except (ValueError, OSError) as error:
        message, code = as_option(" ".join(str(error).split())), 2
    except KeyboardInterrupt:
        message, code = "interrupted", 130
    except cli_stylize.Diverged as error:
        message, code = str(error), 1
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        smaller = "--size or --batch" if "batch" in args else "--size"
        message, code = f"memory ran out; choose a smaller {smaller}", 1
    print(f"{args.parser.prog}: error: {message}", file=sys.stderr)
    return code


def as_option(message: str) -> str:
    """A message of the library that begins with a setting, naming the option instead."""
    first = re.match(r"\w*", message)
    name = first.group() if first else ""
    return f"--{name.replace('_', '-')}{message[len(name) :]}" if name in SETTINGS else message


def build_parser() -> Parser:
    """The parser of `jnst` and of all its commands."""
    parser = Parser(prog="jnst", description="Neural style transfer in JAX.")
    parser.add_argument("--version", action="version", version=f"jnst {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    stylize = commands.add_parser(
        "stylize",
        help="paint one picture in the style of another",
        description="Paint the content of one picture in the style of another.",
        epilog="example: jnst stylize photo.jpg painting.jpg -o out.png --size 768 --beta 20",
    )
    cli_stylize.add_arguments(stylize)
    stylize.set_defaults(run=cli_stylize.run, parser=stylize)

    grid = commands.add_parser(
        "grid",
        help="paint one picture for every combination of settings, and a sheet to choose from",
        description="Paint a picture for every combination of alpha, beta and other settings.",
        epilog="examples: jnst grid photo.jpg painting.jpg --beta 1,3,10,30 -o sheet; "
        "--alpha 1,10 --beta 1e2:1e5:4 is two alphas and four betas at equal ratios",
    )
    cli_grid.add_arguments(grid)
    grid.set_defaults(run=cli_grid.run, parser=grid)

    convert = commands.add_parser(
        "convert",
        help="make a weights file for jnst out of a foreign one",
        description="Convert VGG-19 weights of PyTorch, safetensors or Keras into jnst's HDF5.",
        epilog="example: jnst convert vgg19-dcbb9e9d.pth -o vgg19.h5",
    )
    convert_command.add_arguments(convert)
    convert.set_defaults(run=convert_command.run, parser=convert)

    info = commands.add_parser(
        "info",
        help="show devices, versions and weights, or the settings of a picture",
        description="Show devices, versions and the weights found; or a picture's settings.",
        epilog="example: jnst info stylized.png",
    )
    info.add_argument("picture", nargs="?", metavar="PICTURE", help="a picture made by jnst")
    info.add_argument("--weights", metavar="FILE", help="look at these weights")
    info.set_defaults(run=run_info, parser=info)
    return parser


def run_info(args: argparse.Namespace) -> int:
    """`jnst info`: print what is installed and found, or what made a picture."""
    if args.picture:
        record = read_settings(args.picture)
        if record is None:
            raise ValueError(f"{args.picture} carries no settings of jnst")
        lines = {name: value for name, value in record.items() if name != "options"}
        options = record.get("options")
        lines |= options if isinstance(options, dict) else {}
    else:
        packages = ("jax", "jaxlib", "flax", "optax", "numpy", "pillow", "h5py")
        lines = {
            "jnst": __version__,
            "python": sys.version.split()[0],
            **{package: version(package) for package in packages},
            "devices": ", ".join(f"{d.device_kind} ({d})" for d in devices()),
            "cache": cache_folder(),
        }
        try:
            found = find_weights(args.weights)
            weights = open_weights(found)
        except ValueError as error:
            if args.weights:
                raise
            lines["weights"] = error
        else:
            lines["weights"] = f"{weights.lineage} lineage, {found.origin}"
            lines["file"] = found.path
            lines["sha256"] = f"{weights.sha256} ({weights.source})"
    for name, value in lines.items():
        print(f"{name:22}{value}")
    return 0
