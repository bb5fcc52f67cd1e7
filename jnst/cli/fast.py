"""`jnst fast`: its options, and one pass for every picture."""

import argparse
import contextlib
import functools
import importlib
import json
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jnst._files import check_not_overwriting
from jnst._threads import ahead
from jnst.cli.arguments import number, styles, whole
from jnst.cli.contents import about, output_folder
from jnst.cli.fast_jobs import COMMON, LIST, Job, prepare
from jnst.cli.job import read_input
from jnst.cli.options import add_blend, choice, tile
from jnst.cli.regions import add_regions
from jnst.cli.runtime import interrupts
from jnst.cli.streams import STREAM, check_picture_output, check_streams, write_picture
from jnst.feedforward.adain import PRECISIONS
from jnst.feedforward.matching import MATCHINGS
from jnst.grid.folder import names_of
from jnst.image.color_setting import COLORS
from jnst.image.pictures import Picture
from jnst.transfer.tile_checks import AUTO


class Painted(NamedTuple):
    """A picture, the content's alpha, and the seconds that `--json` tells of it."""

    image: np.ndarray
    alpha: np.ndarray | None
    seconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument(
        "pictures",
        metavar="PICTURE",
        nargs="+",
        help="one or several to paint, then the one whose style to use",
    )
    add = parser.add_argument_group("picture", "as in --size 1024").add_argument
    add("-o", "--output", metavar="OUT", help="file, or folder for several (fast.png)")
    add("--size", type=whole, metavar="PX", help=f"long edge in pixels ({COMMON['size']})")
    add_blend(add, "the style")
    add_regions(parser)
    add = parser.add_argument_group("look", "as in --strength 0.7").add_argument
    add("--matching", metavar="M", help=f"of the features: {choice(MATCHINGS, MATCHINGS[0])}")
    add("--strength", type=number, metavar="S", help="0 is the photograph, 1 all painted (1)")
    add("--style-scale", type=number, metavar="S", help="scale of the brush strokes (1)")
    of_content = choice(COLORS[1:], COMMON["colors"])
    add("--colors", metavar="C", help=f"of the {COLORS[0]}, or of the content by {of_content}")
    add("--palette", metavar="FILE", help="recolour the style with this picture's colours first")
    example = "as in --network style.h5, for pictures only: the network has the styles"
    add = parser.add_argument_group("a network of jnst train", example).add_argument
    words = f"paint with this network, or one that comes along; {LIST}: show these"
    add("--network", metavar="FILE", help=words)
    add(
        "--style",
        dest="blend",
        type=styles,
        metavar="NAME,…",
        help="of its styles, or name:weight (all alike)",
    )
    add = parser.add_argument_group("running", "as in --quiet").add_argument
    add("--decoder", metavar="FILE", help="AdaIN's decoder (see `jnst convert`)")
    add("--weights", metavar="FILE", help="the VGG-19 that it was trained for")
    add("--precision", metavar="P", help=choice(PRECISIONS, PRECISIONS[0]))
    windows = "work in windows of N px; auto, off (auto)"
    add("--tile", type=tile, default=AUTO, metavar="N", help=windows)
    add("--json", action="store_true", help="print a line of JSON for each picture")
    add("--quiet", action="store_true", help="only print errors")


def run(args: argparse.Namespace) -> int:
    """Check everything, paint and write; return the exit code."""
    contents, style = args.pictures, None
    if args.network is None:
        *contents, style = args.pictures
        if not contents:
            raise ValueError("give a picture to paint and a style, or a --network")
    args = argparse.Namespace(**vars(args) | {"content": contents, "style": style})
    if args.network == LIST:
        return importlib.import_module("jnst.cli.fast_networks").run(args)  # type: ignore[no-any-return]
    check_streams(args)
    if args.json and args.output == STREAM:
        raise ValueError("--json writes to standard output, and so does -o -; name a file")
    return run_one(args) if len(contents) == 1 else run_several(args)


def run_one(args: argparse.Namespace) -> int:
    """Paint one content."""
    began = time.monotonic()
    output = check_picture_output("fast.png" if args.output is None else args.output)
    job = prepare(args)
    (file,) = args.content
    for name, path in (("content", file), *job.inputs):
        check_not_overwriting(name, path, [output])
    content = read_input(file, job.size, least=1)
    image = job.paints(content)
    write_picture(output, image, alpha=content.alpha, settings=job.record_of(file))
    height, width, _ = image.shape
    seconds = time.monotonic() - began
    if args.json:
        print_painted(job, file, output, Painted(image, content.alpha, seconds))
    if not args.quiet:
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
    refused = done = 0
    painting = ahead(painted_or_why_not(job, args.content), count=1)
    with interrupts() as interrupted, contextlib.closing(painting) as pictures:
        for file, output, picture in zip(args.content, outputs, pictures, strict=True):
            if interrupted():
                break
            try:
                if isinstance(picture, Exception):
                    raise picture
                write_into_folder(output, picture, job.record_of(file))
            except (ValueError, OSError) as error:
                refused += 1
                print(f"{args.parser.prog}: {about(file, error)}", file=sys.stderr)
                if args.json:
                    print_line({"content": file, "error": about(file, error)})
            else:
                done += 1
                if args.json:
                    print_painted(job, file, output, picture)
    if refused == len(outputs):
        raise ValueError("none of the contents could be painted")
    if not args.quiet:
        bad = f"; {refused} could not be painted" if refused else ""
        seconds = time.monotonic() - began
        of = f"{done} of {len(outputs)} pictures"
        print(f"wrote {folder}: {of} in {seconds:.1f} s{bad}", file=sys.stderr)
    if done + refused < len(outputs):
        return 130
    return 1 if refused else 0


def read_or_error(file: str, *, size: int) -> Picture | Exception:
    """Return a content, or why it cannot be read."""
    try:
        return read_input(file, size, least=1)
    except (ValueError, OSError) as error:
        return error


def painted_or_why_not(job: Job, files: Sequence[str]) -> Generator[Painted | Exception]:
    """Yield the picture of each content, the next one being read meanwhile, or what went wrong."""
    reading = ahead(map(functools.partial(read_or_error, size=job.size), files))
    with contextlib.closing(reading) as contents:
        for content in contents:
            start = time.monotonic()
            if isinstance(content, Exception):
                yield content
                continue
            try:
                image = job.paints(content)
            except (ValueError, OSError) as error:
                yield error
            else:
                yield Painted(image, content.alpha, time.monotonic() - start)


def write_into_folder(output: Path, picture: Painted, record: dict[str, Any]) -> None:
    """Write a picture into its folder, made where it is missing, with fast compression."""
    output.parent.mkdir(exist_ok=True)
    write_picture(output, picture.image, alpha=picture.alpha, settings=record, fast=True)


def print_painted(job: Job, file: str, output: Path, picture: Painted) -> None:
    """Print what `--json` says of a picture: where it is, and the record that it carries."""
    height, width, _ = picture.image.shape
    facts = {"output": str(output), "width": width, "height": height}
    took = {"seconds": round(picture.seconds, 3)}
    print_line({"content": file, **facts, **took, "record": job.record_of(file)})


def print_line(facts: dict[str, Any]) -> None:
    """Print a line of JSON, at once, for whoever reads along."""
    print(json.dumps(facts, ensure_ascii=False), flush=True)
