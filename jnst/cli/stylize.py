"""`jnst stylize`: its options, and whether one picture is painted or several."""

import argparse
import importlib

from jnst.cli.arguments import add_watching, whole
from jnst.cli.look_options import add_look
from jnst.cli.options import (
    add_blend,
    add_distributed,
    add_optimisation,
    add_picture,
    add_running,
)
from jnst.cli.regions import add_regions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument(
        "content", metavar="CONTENT", nargs="+", help="picture to paint, or several"
    )
    parser.add_argument("style", metavar="STYLE", help="picture whose style to use")
    add = parser.add_argument_group("picture", "as in --size 1024 --preset paper").add_argument
    add("-o", "--output", metavar="OUT", help="file, or folder for several (stylized.png)")
    add_picture(add)
    add("--seed", type=whole, metavar="N", help="random seed for --init (0)")
    add_blend(add)
    add_regions(parser)
    example = "as in --beta 4 --style-layers relu1_1:4,relu3_1:1"
    add_look(parser.add_argument_group("look", example).add_argument)
    example = "as in --optimizer lbfgs --sizes 256,512 --steps 200,100"
    add_optimisation(parser.add_argument_group("optimisation", example).add_argument)
    add = parser.add_argument_group("running", "as in --log losses.csv").add_argument
    add_running(add)
    add_watching(add, "run")
    add("--strict", action="store_true", help="of several: paint none if one cannot be read")
    add_distributed(add)


def run(args: argparse.Namespace) -> int:
    """Check everything, stylise and write; return the exit code."""
    several = len(args.content) > 1
    if args.distributed and not several:
        raise ValueError("--distributed needs several contents to share between the processes")
    # By its name, as the command itself: of the two only the one that is needed is imported.
    painting = importlib.import_module("jnst.cli.batch" if several else "jnst.cli.single")
    return painting.run(args)  # type: ignore[no-any-return]
