"""`jnst fast PHOTO --network list`: a photograph by every network that comes along."""

import argparse
import sys

import numpy as np

from jnst._checks import check_integer
from jnst._files import check_not_overwriting
from jnst._text import as_option
from jnst.cli.fast_jobs import COMMON, LIST, OF_STYLES
from jnst.cli.job import read_input
from jnst.cli.runtime import devices, make_ready
from jnst.cli.streams import check_picture_output, check_streams
from jnst.feedforward.painting import load_painter, paint_with
from jnst.grid.sheets import check_drawing, save_sheet
from jnst.image.fitting import SMALLEST_EDGE
from jnst.nn.painter_discovery import bundled
from jnst.transfer.settings import LARGEST_EDGE

NO_EFFECT = (*OF_STYLES, *(n for n in COMMON if n != "size"), "blend", "decoder", "weights")


def run(args: argparse.Namespace) -> int:
    """Check everything, paint and draw the sheet; return the exit code."""
    if len(args.content) > 1:
        raise ValueError(f"--network {LIST} shows one picture, got {len(args.content)}")
    for name in NO_EFFECT:
        if getattr(args, name) is not None:
            option = "--style" if name == "blend" else as_option(name)
            raise ValueError(f"{option} has no effect with --network {LIST}")
    if args.json:
        raise ValueError(f"--json has no effect with --network {LIST}")
    check_streams(args)
    size = COMMON["size"] if args.size is None else args.size
    check_integer("--size", size, least=SMALLEST_EDGE, most=LARGEST_EDGE)
    output = check_picture_output("networks.png" if args.output is None else args.output)
    check_drawing()
    (file,) = args.content
    check_not_overwriting("content", file, [output])
    names = [name for name, found in bundled().items() if found.style is not None]
    if not names:
        raise ValueError("no networks come along with this jnst; `jnst train` makes some")
    content = read_input(file, size, least=1).pixels
    make_ready(many_passes=True)
    devices()
    pictures = [np.asarray(paint_with(load_painter(name), content)) for name in names]
    save_sheet(output, np.stack([content, *pictures]), {"style": ["the photograph", *names]})
    if not args.quiet:
        print(f"wrote {output}: --network {', --network '.join(names)}", file=sys.stderr)
    return 0
