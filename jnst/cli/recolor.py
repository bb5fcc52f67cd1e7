"""`jnst recolor`: give a picture the colours of another, without a network."""

import argparse
import sys
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jnst._checks import check_choice
from jnst._files import check_not_overwriting
from jnst.image.color import METHODS, apply_map, color_map
from jnst.image.pictures import Picture, check_image_output, read_picture, save_image
from jnst.version import __version__


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    add = parser.add_argument
    add("picture", metavar="PICTURE", help="picture to recolour")
    add("reference", metavar="REFERENCE", help="picture whose colours to use")
    add(
        "-o", "--output", metavar="OUT", default="recolored.png", help="output file (recolored.png)"
    )
    add("--method", metavar="M", default="pca", help=f"{' or '.join(METHODS)} (pca)")
    add("--quiet", action="store_true", help="only print errors")


def run(args: argparse.Namespace) -> int:
    """Read, recolour and write; return the exit code."""
    output = check_image_output(args.output)
    check_choice("--method", args.method, METHODS)
    picture, reference = read_picture(args.picture), read_picture(args.reference)
    for name in ("picture", "reference"):
        check_not_overwriting(name, getattr(args, name), [output])
    seen = visible(args.picture, picture), visible(args.reference, reference)
    image = apply_map(picture.pixels, *color_map(*seen, method=args.method))
    record = {
        "jnst": __version__,
        "picture": Path(args.picture).name,
        "reference": Path(args.reference).name,
        "method": args.method,
    }
    save_image(output, image, alpha=picture.alpha, settings=record)
    if not args.quiet:
        height, width, _ = image.shape
        print(f"wrote {output}: {width}×{height} px", file=sys.stderr)
    return 0


def visible(path: str, picture: Picture) -> Float[np.ndarray, "_h _w 3"]:
    """Return the pixels that are not fully transparent, as one row."""
    if picture.alpha is None:
        return picture.pixels
    if not picture.alpha.any():
        raise ValueError(f"{path} is fully transparent and has no colours")
    return picture.pixels[picture.alpha > 0][None]
