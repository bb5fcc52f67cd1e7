"""The options of `jnst train`, and the settings that they name."""

import argparse
from typing import Any

from jnst._checks import check_choice, check_integer
from jnst._text import as_option
from jnst.cli.arguments import add_watching, number, whole
from jnst.cli.options import add_checkpoint
from jnst.feedforward.training_settings import QUALITIES, Training
from jnst.losses.registry import STYLE_LOSSES, style_loss_named
from jnst.nn.painter_file import Architecture

QUALITY_WORDS = "processor: an hour on two cores; gpu: twice the steps, of 8 crops of 256 px"
NUMBERS: dict[str, tuple[Any, str, str]] = {
    "steps": (whole, "N", "updates"),
    "batch": (whole, "N", "crops in each"),
    "crop": (whole, "PX", "edge of the crops"),
    "style_size": (whole, "PX", "long edge of the paintings, which decides the size of strokes"),
    "learning_rate": (number, "R", "of Adam"),
    "alpha": (number, "A", "content weight"),
    "beta": (number, "B", "style weight"),
    "gamma": (number, "G", "total variation weight"),
    "seed": (whole, "N", "of the first weights and of the crops"),
}
"""The settings that are a number each: how they are parsed, shown and described."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument("paintings", metavar="PAINTING", nargs="+", help="the styles to learn")
    add = parser.add_argument_group("files", "as in --photos holiday").add_argument
    add("--photos", metavar="DIR", required=True, help="a folder of photographs of any kind")
    add("-o", "--output", metavar="OUT.h5", default="style.h5", help="the network (style.h5)")
    add_checkpoint(add)
    words = "write what it paints, OUT-0000N.png, and the losses, OUT-losses.svg, every N steps"
    add_watching(add, "training", saved=words)
    words = "show this photograph on the way; may be repeated (some of the folder's)"
    add("--sample", metavar="PHOTO", action="append", default=[], help=words)
    add("--weights", metavar="FILE", help="weights file of VGG-19 (see `jnst info`)")
    add("--quiet", action="store_true", help="only print errors")
    add = parser.add_argument_group("training", "as in --steps 4000 --beta 3").add_argument
    add("--quality", metavar="Q", help=f"{QUALITY_WORDS} (neither)")
    default = Training()
    for name, (kind, letter, words) in NUMBERS.items():
        usual = getattr(default, name)
        add(as_option(name), type=kind, metavar=letter, help=f"{words} ({usual:g})")
    add("--channels", type=whole, metavar="N", help="of the network, at full size (16)")
    losses = ", ".join(n for n in STYLE_LOSSES if not style_loss_named(n).stochastic)
    add("--style-loss", metavar="S", help=f"{losses} ({default.style_loss})")


def settings_of(args: argparse.Namespace) -> Training:
    """The settings that the arguments name; an error names the option."""
    given = {name: getattr(args, name) for name in (*NUMBERS, "style_loss")}
    given = {name: value for name, value in given.items() if value is not None}
    like: dict[str, Any] = {}
    if args.quality is not None:
        check_choice("--quality", args.quality, QUALITIES)
        like = dict(QUALITIES[args.quality])
    try:
        return Training(**like | given)
    except ValueError as error:
        name, _, rest = str(error).partition(" ")
        raise ValueError(f"{as_option(name) if name in given else name} {rest}") from None


def architecture_of(channels: int | None) -> Architecture:
    """The network, with so many channels at the picture's size, twice and four times as many."""
    if channels is None:
        return Architecture()
    check_integer("--channels", channels, least=1, most=512)
    return Architecture(channels=(channels, 2 * channels, 4 * channels))
