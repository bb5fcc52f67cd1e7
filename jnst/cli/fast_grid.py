"""`jnst grid --method fast`: strengths and styles side by side, in one pass each."""

import argparse
import functools
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from jnst._checks import check_number
from jnst._files import check_not_overwriting, sha256_of
from jnst._text import as_option
from jnst.cli.fast_jobs import COMMON, OF_STYLES, networks_of, prepare
from jnst.cli.job import read_input
from jnst.cli.options import STRENGTHS
from jnst.cli.streams import check_streams
from jnst.grid.axes import Index, distinct
from jnst.grid.folder import SHEET, GridFolder, names_of
from jnst.grid.sheets import check_drawing, save_sheet
from jnst.image.pictures import save_image

OWN = {
    *(*COMMON, *OF_STYLES, "method", "content", "style", "styles"),
    *("output", "weights", "tile", "quiet"),
}
"""Options of `jnst grid` that this method has."""


def run(args: argparse.Namespace) -> int:
    """Check everything, paint every cell and write; return the exit code."""
    began = time.monotonic()
    check_options(args)
    check_streams(args)
    check_drawing()
    strengths = STRENGTHS if args.strength is None else args.strength
    for strength in distinct("--strength", strengths):
        check_number("--strength", strength, least=0, most=1)
    files = [args.style, *args.styles]
    own = vars(args) | {"strength": None, "decoder": None, "network": None, "blend": None}
    networks = functools.cache(networks_of)  # all styles share them
    jobs = [prepare(argparse.Namespace(**own | {"style": style}), networks) for style in files]
    content = read_input(args.content, jobs[0].size, least=1)
    axes: dict[str, Any] = {"style": names_of(files), "strength": tuple(strengths)}
    folder = folder_of(args, jobs, files, axes)
    folder.finished()  # what is there of this grid is painted again, and what is not refused
    cells = {index: folder.file(index) for index in folder.records}
    for name, path in (("content", args.content), *(pair for job in jobs for pair in job.inputs)):
        check_not_overwriting(name, path, [*cells.values(), folder.path / SHEET])
    images = np.stack([job.paints(content, strengths) for job in jobs])
    folder.begin()
    for index, path in cells.items():
        record = folder.records[index]
        save_image(path, images[index], alpha=content.alpha, settings=record)
    save_sheet(folder.path / SHEET, images, axes)
    if not args.quiet:
        seconds = time.monotonic() - began
        print(
            f"wrote {folder.path}: {len(cells)} cells and {SHEET} in {seconds:.1f} s",
            file=sys.stderr,
        )
    return 0


def check_options(args: argparse.Namespace) -> None:
    """Raise ValueError for an option that only an optimisation has."""
    if not args.output:
        raise ValueError("-o must name a folder")
    for name in sorted(vars(args).keys() - OWN - {"command"}):
        if getattr(args, name) != args.parser.get_default(name):
            raise ValueError(f"{as_option(name)} has no effect with --method fast")


def folder_of(
    args: argparse.Namespace, jobs: list[Any], files: list[str], axes: dict[str, Any]
) -> GridFolder:
    """The folder, whose cells' records are those of pictures of `jnst fast` with the strength."""
    records: dict[Index, dict[str, Any]] = {}
    for row, job in enumerate(jobs):
        record = job.record_of(args.content)
        for column, strength in enumerate(axes["strength"]):
            options = record["options"] | {"strength": strength}
            records[row, column] = {**record, "options": options, "losses": {}, "steps": 0}
            records[row, column]["reason"] = "finished"
    identity = {
        "content": [sha256_of(Path(args.content))],
        "style": [sha256_of(Path(file)) for file in files],
        "weights": jobs[0].record["weights"],
        "axes": axes,
        "options": {**jobs[0].record["options"], "strength": None},
    }
    return GridFolder(Path(args.output), axes, records, identity)
