"""`jnst recolor`: give a picture the colours of another, without a network."""

import argparse
import sys
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jnst._checks import check_choice, check_number
from jnst._files import check_not_overwriting
from jnst.cli.arguments import number
from jnst.cli.streams import check_picture_output, check_streams, source_of, write_picture
from jnst.image.color import METHODS, apply_map, color_map
from jnst.image.pictures import Picture, read_picture
from jnst.image.transport import color_transport
from jnst.version import __version__

TRANSPORT = "transport"
"""The method of `jnst.transport_colors`."""
HIDDEN = 4 / 255
"""The alpha up to which nobody sees a colour."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    add = parser.add_argument
    add("picture", metavar="PICTURE", help="picture to recolour")
    add("reference", metavar="REFERENCE", help="picture whose colours to use")
    add(
        "-o", "--output", metavar="OUT", default="recolored.png", help="output file (recolored.png)"
    )
    ways = f"{' or '.join(METHODS)}, linear maps, or {TRANSPORT} ({METHODS[0]})"
    add("--method", metavar="M", default=METHODS[0], help=ways)
    add(
        "--share",
        type=number,
        metavar="S",
        default=1.0,
        help="how far to go to these colours, 0 to 1 (1)",
    )
    add("--quiet", action="store_true", help="only print errors")


def run(args: argparse.Namespace) -> int:
    """Read, recolour and write; return the exit code."""
    check_streams(args)
    output = check_picture_output(args.output)
    check_choice("--method", args.method, (*METHODS, TRANSPORT))
    check_number("--share", args.share, least=0, most=1)
    picture, reference = (read_picture(source_of(path)) for path in (args.picture, args.reference))
    for name in ("picture", "reference"):
        check_not_overwriting(name, getattr(args, name), [output])
    seen = visible(args.picture, picture), visible(args.reference, reference)
    if args.method == TRANSPORT:
        image = color_transport(seen[0], [seen[1]])(picture.pixels, args.share)
    else:
        mapped = np.asarray(apply_map(picture.pixels, *color_map(*seen, method=args.method)))
        image = picture.pixels + args.share * (mapped - picture.pixels)
    record = {
        "jnst": __version__,
        "picture": Path(args.picture).name,
        "reference": Path(args.reference).name,
        "method": args.method,
        "share": args.share,
    }
    write_picture(output, image, alpha=picture.alpha, settings=record)
    if not args.quiet:
        height, width, _ = image.shape
        print(f"wrote {output}: {width}×{height} px", file=sys.stderr)
    return 0


def visible(path: str, picture: Picture, count: int | None = None) -> Float[np.ndarray, "_h _w 3"]:
    """Return a picture's colours as one row, each as often as it is seen: by its alpha.

    Args:
      path: what messages call it.
      picture: with at least one pixel that is seen.
      count: how many to return; None: as many as are not fully transparent.
    """
    check_visible(path, picture)
    if picture.alpha is None:
        return picture.pixels
    # Sorted, since places at equal distances could fall in step with the rows.
    order = np.argsort(picture.alpha, axis=None, kind="stable")
    reached = np.cumsum(picture.alpha.ravel()[order], dtype=np.float64)
    wanted = int(np.count_nonzero(picture.alpha)) if count is None else count
    places = np.searchsorted(reached, (np.arange(wanted) + 0.5) / wanted * reached[-1])
    return picture.pixels.reshape(-1, 3)[order[places]][None]


def check_visible(path: str, picture: Picture) -> None:
    """Raise ValueError for a picture of which nothing is seen."""
    if picture.alpha is not None and picture.alpha.max() <= HIDDEN:
        raise ValueError(f"{path} is fully transparent and has no colours")
