"""`jnst fast`: its options, and one pass for every picture."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jnst._checks import check_choice, check_integer, check_number
from jnst._files import check_not_overwriting
from jnst.cli.arguments import number, whole
from jnst.cli.contents import about, output_folder
from jnst.cli.job import read_input, read_palette, read_seen, style_files, style_size
from jnst.cli.options import add_blend, choice
from jnst.cli.regions import KEYWORDS, add_regions, check_names, mask_files, read_masks
from jnst.cli.runtime import devices, interrupts, make_ready
from jnst.cli.streams import check_picture_output, check_streams, write_picture
from jnst.feedforward.adain import PRECISIONS, AdaIN, make_adain
from jnst.feedforward.matching import MATCHINGS
from jnst.feedforward.transfer import Manner, check_manner, look_at_styles, paint
from jnst.grid.folder import names_of
from jnst.image.color import COLORS, check_palette
from jnst.image.fitting import SMALLEST_EDGE
from jnst.image.masks import check_masks
from jnst.image.pictures import Picture
from jnst.losses.blending import blend_shares
from jnst.nn.decoder_discovery import find_decoder, find_encoder, open_decoder
from jnst.transfer.settings import LARGEST_EDGE
from jnst.version import __version__

DEFAULTS: dict[str, Any] = {
    "size": 512,
    "matching": MATCHINGS[0],
    "strength": 1.0,
    "add_style": (),
    "style_weights": None,
    "style_scale": 1.0,
    "colors": "style",
    "palette": None,
    "region": None,
    "style_region": None,
    "keep": None,
    "precision": PRECISIONS[0],
}
"""The options that decide the picture."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument(
        "content", metavar="CONTENT", nargs="+", help="picture to paint, or several"
    )
    parser.add_argument("style", metavar="STYLE", help="picture whose style to use")
    add = parser.add_argument_group("picture", "as in --size 1024").add_argument
    add("-o", "--output", metavar="OUT", help="file, or folder for several (fast.png)")
    add("--size", type=whole, metavar="PX", help=f"long edge in pixels ({DEFAULTS['size']})")
    add_blend(add)
    add_regions(parser)
    add = parser.add_argument_group("look", "as in --strength 0.7").add_argument
    add("--matching", metavar="M", help=f"of the features: {choice(MATCHINGS, MATCHINGS[0])}")
    add("--strength", type=number, metavar="S", help="0 is the photograph, 1 all painted (1)")
    add("--style-scale", type=number, metavar="S", help="scale of the brush strokes (1)")
    of_content = choice(COLORS[1:], DEFAULTS["colors"])
    add("--colors", metavar="C", help=f"of the {COLORS[0]}, or of the content by {of_content}")
    add("--palette", metavar="FILE", help="recolour the style with this picture's colours first")
    add = parser.add_argument_group("running", "as in --quiet").add_argument
    add("--decoder", metavar="FILE", help="AdaIN's decoder (see `jnst convert`)")
    add("--weights", metavar="FILE", help="the VGG-19 that it was trained for")
    add("--precision", metavar="P", help=choice(PRECISIONS, PRECISIONS[0]))
    add("--quiet", action="store_true", help="only print errors")


class Job(NamedTuple):
    """What all pictures of a command share, read and checked.

    Attributes:
      model: the networks.
      styles: the style images.
      palette: of --palette.
      manner: how to paint.
      options: by name.
      record: what every picture carries, but for the name of its content.
      inputs: (what messages call it, file) of everything that must not be overwritten.
    """

    model: AdaIN
    styles: list[np.ndarray]
    palette: np.ndarray | None
    manner: Manner
    options: dict[str, Any]
    record: dict[str, Any]
    inputs: list[tuple[str, str]]


def run(args: argparse.Namespace) -> int:
    """Check everything, paint and write; return the exit code."""
    check_streams(args)
    if len(args.content) > 1:
        return run_several(args)
    began = time.monotonic()
    output = check_picture_output("fast.png" if args.output is None else args.output)
    job = prepare(args)
    (file,) = args.content
    for name, path in (("content", file), *job.inputs):
        check_not_overwriting(name, path, [output])
    content = read_input(file, job.options["size"], least=1)
    painter = painter_of(job)
    write_picture(output, painter(content), alpha=content.alpha, settings=record_of(job, file))
    if not args.quiet:
        height, width, _ = content.pixels.shape
        seconds = time.monotonic() - began
        print(f"wrote {output}: {width}×{height} px in {seconds:.1f} s", file=sys.stderr)
    return 0


def run_several(args: argparse.Namespace) -> int:
    """Paint every content that can be read; name the others and return 1 for them."""
    began = time.monotonic()
    folder = output_folder(args)
    job = prepare(args)
    outputs = [folder / f"{name}.png" for name in names_of(args.content)]
    there = [path for path in outputs if path.exists()]
    for path in there:
        if path.is_dir():
            raise ValueError(f"{path} is a folder, where a picture is to be written")
    for name, path in (*(("content", file) for file in args.content), *job.inputs):
        check_not_overwriting(name, path, there)
    painter = painter_of(job)
    problems: list[str] = []
    done = 0
    with interrupts() as interrupted:
        for file, output in zip(args.content, outputs, strict=True):
            if interrupted():
                break
            try:
                content = read_input(file, job.options["size"], least=1)
                image = painter(content)
            except (ValueError, OSError) as error:
                problems.append(about(file, error))
                print(f"{args.parser.prog}: {problems[-1]}", file=sys.stderr)
                continue
            folder.mkdir(exist_ok=True)
            write_picture(output, image, alpha=content.alpha, settings=record_of(job, file))
            done += 1
    if not done and problems:
        raise ValueError("none of the contents could be painted")
    if not args.quiet:
        bad = f"; {len(problems)} could not be painted" if problems else ""
        seconds = time.monotonic() - began
        print(
            f"wrote {folder}: {done} of {len(outputs)} pictures in {seconds:.1f} s{bad}",
            file=sys.stderr,
        )
    if done + len(problems) < len(outputs):
        return 130
    return 1 if problems else 0


def prepare(args: argparse.Namespace) -> Job:
    """Read and check all but the contents."""
    given = {name: getattr(args, name) for name in DEFAULTS}
    options = DEFAULTS | {name: value for name, value in given.items() if value is not None}
    check_integer("--size", options["size"], least=SMALLEST_EDGE, most=LARGEST_EDGE)
    check_choice("--precision", options["precision"], PRECISIONS)
    check_choice("--matching", options["matching"], MATCHINGS)
    check_number("--strength", options["strength"], least=0, most=1)
    chosen = ("matching", "strength", "style_weights", "style_scale", "colors")
    manner = check_manner(**{name: options[name] for name in chosen})
    check_palette(manner.colors, options["palette"], name="--palette")
    check_names(options)
    files = style_files(args.style, options)
    blend_shares(manner.style_weights, len(files))
    size = style_size(options["size"], manner.style_scale)
    styles = [read_seen(path, size) for path in files]
    palette = options["palette"] and read_palette(options["palette"], options["size"])
    found = find_decoder(args.decoder)
    decoder = open_decoder(found)
    make_ready()
    devices()
    model = make_adain(find_encoder(decoder, args.weights), decoder, precision=options["precision"])
    inputs = [*(("style", file) for file in files), *(("mask", m) for m in mask_files(options))]
    if options["palette"] is not None:
        inputs.append(("palette", options["palette"]))
    record = {
        "jnst": __version__,
        "style": ", ".join(Path(file).name for file in files),
        "method": "fast",
        "weights": f"{decoder.source} {decoder.sha256[:8]}",
        "options": options,
    }
    return Job(
        model=model,
        styles=styles,
        palette=palette,
        manner=manner,
        options=options,
        record=record,
        inputs=[*inputs, ("decoder", str(found.path))],
    )


def record_of(job: Job, file: str) -> dict[str, Any]:
    """What the picture of a content carries."""
    first, *rest = job.record.items()
    return dict([first, ("content", Path(file).name), *rest])


def painter_of(job: Job) -> Callable[[Picture], np.ndarray]:
    """A function that paints contents; it looks at the styles anew only where it must."""
    looks: dict[int, Any] = {}

    def painted(content: Picture) -> np.ndarray:
        pixels = content.pixels
        shapes = [style.shape for style in job.styles]
        masks = check_masks(
            pixels.shape,
            shapes,
            **dict.fromkeys(KEYWORDS.values()) | read_masks(job.options, pixels.shape, shapes),
        )
        edge = max(pixels.shape)
        fixed = job.manner.colors == "style" and masks is None
        if not fixed or edge not in looks:
            looks[edge] = look_at_styles(
                job.model, pixels, job.styles, job.manner, job.palette, masks
            )
        return np.asarray(paint(job.model, pixels, looks[edge], job.manner, masks))

    return painted
