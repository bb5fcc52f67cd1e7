"""`jnst live`: its options, and the page while it is open."""

import argparse
import signal
import sys
import time

from jnst._checks import check_choice, check_integer, check_number
from jnst._text import as_option
from jnst.cli.arguments import number, whole
from jnst.cli.live_server import Live, check_live
from jnst.cli.live_styles import (
    Styles,
    frame_shape,
    landscape,
    read_paintings,
    styles_of_network,
    styles_of_paintings,
)
from jnst.cli.loopback import check_free
from jnst.cli.options import choice
from jnst.cli.runtime import devices, interrupts, make_ready
from jnst.cli.signals import exit_code
from jnst.feedforward.adain import make_adain
from jnst.feedforward.matching import MATCHINGS
from jnst.feedforward.painting import load_painter
from jnst.feedforward.transfer import Manner, check_manner
from jnst.nn.decoder_discovery import find_decoder, find_encoder, open_decoder

SIZE, LEAST_SIZE, MOST_SIZE = 320, 64, 1920
PORT = 8765
OF_PAINTINGS = ("matching", "style_scale", "decoder", "weights")
"""Options that a network has no use for."""
PAUSE = 0.2
"""Seconds between two looks for Ctrl-C."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument(
        "paintings", metavar="PAINTING", nargs="*", help="one or several, to pick from on the page"
    )
    add = parser.add_argument_group("picture", "as in --size 480").add_argument
    add("--network", metavar="FILE", help="paint with this network of jnst train instead")
    add("--size", type=whole, default=SIZE, metavar="PX", help=f"long edge of the frames ({SIZE})")
    strength = "that the page begins with: 0 is the photograph, 1 all painted (1)"
    add("--strength", type=number, default=1.0, metavar="S", help=strength)
    add("--matching", metavar="M", help=f"of the features: {choice(MATCHINGS, MATCHINGS[0])}")
    add("--style-scale", type=number, metavar="S", help="scale of the brush strokes (1)")
    add = parser.add_argument_group("running", "as in --port 9000").add_argument
    port = f"of the page; 0: a free one ({PORT})"
    add("--port", type=whole, default=PORT, metavar="N", help=port)
    add("--decoder", metavar="FILE", help="AdaIN's decoder (see `jnst convert`)")
    add("--weights", metavar="FILE", help="the VGG-19 that it was trained for")
    add("--quiet", action="store_true", help="only print the address and errors")


def run(args: argparse.Namespace) -> int:
    """Check everything and serve until a signal comes; return the exit code."""
    if args.network is None and not args.paintings:
        raise ValueError("give a painting, or several to pick from, or a --network")
    if args.network is not None and args.paintings:
        raise ValueError("--network has styles of its own; give either it or paintings")
    check_integer("--size", args.size, least=LEAST_SIZE, most=MOST_SIZE)
    check_number("--strength", args.strength, least=0, most=1)
    check_live(args.port, "--port")
    check_free(args.port)  # before what takes long
    shape = frame_shape(args.size)
    styles = with_network(args, shape) if args.network else with_paintings(args, shape)
    styles.paint(landscape(*shape), next(iter(styles.samples)), args.strength)  # compiles
    began = time.monotonic()
    page = Live(styles, shape, strength=args.strength, port=args.port)
    with interrupts() as interrupted, page:
        tell(f"live at {page.address} (Ctrl-C ends it)")
        while not interrupted():
            time.sleep(PAUSE)
    if not args.quiet:
        tell(f"ended after {time.monotonic() - began:.0f} s")
    code = exit_code()
    return 0 if code == 128 + signal.SIGINT else code  # Ctrl-C is how a live page is ended


def tell(line: str) -> None:
    """Print a line to standard error."""
    print(line, file=sys.stderr, flush=True)


def tell_of_the_wait(args: argparse.Namespace, shape: tuple[int, int]) -> None:
    """Say what takes a while; told once all files have been read."""
    if not args.quiet:
        height, width = shape
        device = devices()[0].device_kind
        tell(f"getting ready to paint frames of {width}×{height} px on {device}")


def with_paintings(args: argparse.Namespace, shape: tuple[int, int]) -> Styles:
    """The styles of the paintings that are given."""
    matching = MATCHINGS[0] if args.matching is None else args.matching
    scale = 1.0 if args.style_scale is None else args.style_scale
    check_choice("--matching", matching, MATCHINGS)
    manner: Manner = check_manner(matching, args.strength, None, scale, "style")
    paintings = read_paintings(args.paintings, args.size, manner.style_scale)
    decoder = open_decoder(find_decoder(args.decoder))
    encoder = find_encoder(decoder, args.weights)
    make_ready(many_passes=True)
    tell_of_the_wait(args, shape)
    model = make_adain(encoder, decoder)
    # A frame is painted as a whole: windows are for what the memory cannot hold.
    return styles_of_paintings(model, paintings, shape, manner._replace(tile=None))


def with_network(args: argparse.Namespace, shape: tuple[int, int]) -> Styles:
    """The styles of the network that is given."""
    for name in OF_PAINTINGS:
        if getattr(args, name) is not None:
            raise ValueError(f"{as_option(name)} has no effect with --network")
    make_ready(many_passes=True)
    devices()
    painter = load_painter(args.network)
    tell_of_the_wait(args, shape)
    return styles_of_network(painter, shape)
