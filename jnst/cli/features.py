"""`jnst features`: what the channels of each layer respond to, as sheets and a page."""

import argparse
import sys
import time
from pathlib import Path

from jnst._checks import check_choice, check_integer
from jnst._files import check_not_overwriting
from jnst.cli.arguments import whole
from jnst.cli.job import read_input
from jnst.cli.network import add_network, network_of
from jnst.cli.options import OPTIONS
from jnst.cli.runtime import interrupts, make_ready
from jnst.cli.streams import STREAM, check_streams
from jnst.image.fitting import SMALLEST_EDGE
from jnst.transfer.settings import LARGEST_EDGE
from jnst.version import __version__
from jnst.visualize.feature_folder import PAGE, FeatureOptions, check_folder, write_features
from jnst.visualize.features import ORDERS, check_large_enough, default_layers, in_order
from jnst.visualize.folders import files_in
from jnst.visualize.tables import MOST_TILES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.set_defaults(library_settings=("top", "order"))
    parser.add_argument("photo", metavar="PHOTO", help="picture to look at")
    add = parser.add_argument_group("picture", "as in --size 1024").add_argument
    add("-o", "--output", metavar="DIR", default="features", help="output folder (features)")
    add("--size", type=whole, metavar="PX", help=f"long edge in pixels ({OPTIONS['size']})")
    add("--beside", metavar="OTHER", help="show the features of this picture beside, as painted")
    add = parser.add_argument_group("look", "as in --layers relu1_2,conv4_2 --top 16").add_argument
    add("--layers", type=names, metavar="L,…", help="layers (relu1_1,relu2_1,…,relu5_1)")
    add("--top", type=whole, metavar="N", help="only N channels of a layer (all)")
    add(
        "--order", metavar="O", default="number", help=f"channels by {' or '.join(ORDERS)} (number)"
    )
    add("--by-channel", action="store_true", help="scale each channel by itself, not by its layer")
    add = parser.add_argument_group("running", "as in --network vgg16").add_argument
    add_network(add)
    add("--quiet", action="store_true", help="only print errors")


def names(text: str) -> list[str]:
    """Parse names that are separated by commas."""
    return [part.strip() for part in text.split(",")]


def run(args: argparse.Namespace) -> int:
    """Check everything, compute and write; return the exit code."""
    began = time.monotonic()
    check_streams(args)
    if args.output in ("", STREAM):
        raise ValueError(f"-o must name a folder, got {args.output!r}")
    folder = check_folder(args.output)
    if args.top is not None:
        check_integer("--top", args.top, least=1, most=MOST_TILES)
    check_choice("--order", args.order, ORDERS)
    size = OPTIONS["size"] if args.size is None else args.size
    check_integer("--size", size, least=SMALLEST_EDGE, most=LARGEST_EDGE)
    network = network_of(args)
    layers = args.layers
    if layers is not None:
        layers = in_order(network.geometry, network.geometry.check_layers("--layers", layers))
    photo = read_input(args.photo, size)
    other = None if args.beside is None else read_input(args.beside, size)
    for name, path in (("photo", args.photo), ("other picture", args.beside)):
        if path:
            check_not_overwriting(name, path, files_in(folder))
    layers = layers or default_layers(network.geometry)
    check_large_enough(network.geometry, photo.pixels.shape, layers, args.photo)
    make_ready()
    height, width, _ = photo.pixels.shape
    if not args.quiet:
        work = f"{width}×{height} px · {len(layers)} layer{'s' if len(layers) > 1 else ''}"
        print(network.headline(work), file=sys.stderr, flush=True)
    options = {"size": size, **network.options, "layers": list(layers)}
    options |= {"top": args.top, "order": args.order, "by_channel": args.by_channel}
    record = {
        "jnst": __version__,
        "content": Path(args.photo).name,
        "weights": network.source,
        "options": options,
    }
    if args.beside:
        record["beside"] = Path(args.beside).name
    model = network.make()
    with interrupts() as interrupted:

        def callback(layer: str, number: int, total: int) -> bool:
            if not args.quiet:
                print(f"{layer} · {number}/{total}", file=sys.stderr, flush=True)
            return interrupted()

        finished = write_features(
            folder,
            model,
            photo.pixels,
            other=None if other is None else other.pixels,
            options=FeatureOptions(layers, args.top, args.order, args.by_channel),
            record=record,
            callback=callback,
        )
    if not finished:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    if not args.quiet:
        seconds = time.monotonic() - began
        said = f"{len(layers)} layers in {seconds:.0f} s; open {folder / PAGE}"
        print(f"wrote {folder}: {said}", file=sys.stderr)
    return 0
