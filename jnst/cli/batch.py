"""`jnst stylize` with several contents, painted into a folder.

Contents of one shape are the cells of a grid, which one compiled step updates together.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnst._files import check_output
from jnst._text import as_option
from jnst.cli.grid import names_of
from jnst.cli.job import (
    Job,
    check_inputs_are_kept,
    headline,
    job_model,
    job_record,
    prepare,
    read_input,
    style_files,
)
from jnst.cli.options import NONE, leaves_out
from jnst.cli.program import Diverged
from jnst.cli.progress import ProgressReport
from jnst.cli.runtime import interrupts, make_ready
from jnst.execution.tile_selection import AUTO
from jnst.grid.axes import Grid, Index, make_grid
from jnst.grid.stylization import GridProgress, run_cells
from jnst.image.inputs import INITS
from jnst.image.pictures import FORMATS, Picture, save_image
from jnst.nn.vgg import VGG19
from jnst.transfer.stylization import Result

ONE_CONTENT = (
    *("region", "style_region", "keep", "log", "save_every", "tile", "tolerance", "preview"),
    *("checkpoint", "resume"),
)
"""Options that a run with several contents does not have."""
SHOWN = 3
"""Names shown in a line of progress; the others are counted."""


class Painting(NamedTuple):
    """One content and its output file."""

    file: str
    picture: Picture
    output: Path


class Batch(NamedTuple):
    """Contents of one shape, as the content axis of a grid."""

    paintings: list[Painting]
    grid: Grid

    def painting(self, index: Index) -> Painting:
        """Return the painting of a cell."""
        return self.paintings[self.grid.cells[index].content]


def run_batch(args: argparse.Namespace) -> int:
    """Check everything, stylise every content and write; return the exit code."""
    began = time.monotonic()
    job, folder, batches = prepare_batches(args)
    total = sum(len(batch.paintings) for batch in batches)
    settings = dataclasses.asdict(job.settings)
    make_ready()
    if not args.quiet:
        shapes = f" of {len(batches)} shapes" if len(batches) > 1 else ""
        print(f"{headline(job)}\n{total} pictures{shapes}", file=sys.stderr, flush=True)
    folder.mkdir(exist_ok=True)
    model = job_model(job)
    done, diverged, stopped = 0, list[Path](), False
    with interrupts() as interrupted:
        for batch in batches:
            for index, result in painted(batch, model, job, args.quiet, interrupted):
                if result.reason == "stopped":
                    stopped = True
                    continue
                file, picture, output = batch.painting(index)
                styles = style_files(args.style, job.options)
                record = job_record(job, file, styles, job.options | settings)
                save_image(output, result.image, alpha=picture.alpha, settings=record)
                done += 1
                diverged += [output] if result.reason == "diverged" else []
            if stopped or interrupted():
                break
    if not args.quiet:
        seconds = time.monotonic() - began
        print(f"wrote {folder}: {done} of {total} pictures in {seconds:.0f} s", file=sys.stderr)
    if done < total:
        return 130
    if diverged:
        raise Diverged(
            f"the loss was no longer finite in {len(diverged)} of {total} pictures, the first "
            f"{diverged[0]}; each is the last finite one; a lower --learning-rate may help"
        )
    return 0


def painted(
    batch: Batch, model: VGG19, job: Job, quiet: bool, interrupted: Callable[[], bool]
) -> Iterator[tuple[Index, Result]]:
    """Yield (index, result) of a batch as they are finished."""

    def label(progress: GridProgress) -> str:
        names = [Path(batch.painting(index).file).name for index in progress.cells]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return f"{', '.join(names[:SHOWN])}{more}"

    cells = len(batch.paintings)
    plan = batch.grid.plan
    with (
        contextlib.nullcontext() if quiet else ProgressReport(plan, sys.stderr, cells, label)
    ) as show:

        def callback(progress: GridProgress) -> bool:
            if show:
                show(progress)
            return interrupted()

        yield from run_cells(model, batch.grid, init=job.init, callback=callback)


def prepare_batches(args: argparse.Namespace) -> tuple[Job, Path, list[Batch]]:
    """Read and check everything that the arguments name, before anything is computed.

    Returns:
      The job of the first content, the output folder, and the contents grouped by shape.
    """
    for option in ONE_CONTENT:
        value = getattr(args, option)
        given = not (value is None or value is False or leaves_out(option, value))
        if given and (option, value) != ("tile", AUTO):
            raise ValueError(f"{as_option(option)} is for one content, got {len(args.content)}")
    folder = output_folder(args)
    job = prepare(argparse.Namespace(**vars(args) | {"content": args.content[0]}))
    if job.masks:
        raise ValueError(
            f"the regions of --like are for one content, got {len(args.content)}; leave them out "
            f"with --region {NONE} --style-region {NONE} --keep {NONE}"
        )
    # All make the same number of steps, even if --like has a tolerance.
    job = job._replace(settings=dataclasses.replace(job.settings, tolerance=0.0))
    outputs = [folder / f"{name}.png" for name in names_of(args.content)]
    for file in args.content:
        check_inputs_are_kept(argparse.Namespace(**vars(args) | {"content": file}), job, outputs)
    init = job.options["init"]
    for output in outputs:
        if output.is_dir():
            raise ValueError(f"{output} is a folder; a picture would be written there")
        if init not in INITS and output.exists() and output.samefile(init):
            raise ValueError(f"{output} is the initial image itself and would be overwritten")
    by_shape: dict[tuple[int, ...], list[Painting]] = {}
    seen: dict[Any, str] = {}
    for file, output in zip(args.content, outputs, strict=True):
        picture = read_input(file, job.options["size"], least=1)
        key = picture.pixels.shape, hashlib.sha256(picture.pixels.tobytes()).digest()
        if key in seen:
            raise ValueError(f"{seen[key]} and {file} are the same picture; give it once")
        seen[key] = file
        try:
            job.settings.plan(*picture.pixels.shape[:2])
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
        by_shape.setdefault(picture.pixels.shape, []).append(Painting(file, picture, output))
    batches = [Batch(paintings, grid_of(paintings, job)) for paintings in by_shape.values()]
    return job, folder, batches


def grid_of(paintings: Sequence[Painting], job: Job) -> Grid:
    """Make the grid of contents of one shape, with the same styles and settings."""
    pixels = [painting.picture.pixels for painting in paintings]
    key = jax.random.key(job.options["seed"])
    settings = dataclasses.asdict(job.settings)
    return make_grid(pixels, [job.styles], key=key, palette=job.palette, **settings)


def output_folder(args: argparse.Namespace) -> Path:
    """Return the folder that -o names; raise ValueError if it cannot be one."""
    if not args.output:
        raise ValueError("several contents need an output folder; give one with -o")
    folder = Path(args.output)
    if folder.is_dir():
        check_output(folder / "-.png")  # any file name tells whether pictures can be written
    elif folder.exists():
        raise ValueError(f"{folder} is a file; give the name of a folder for several contents")
    elif folder.suffix.lower() in FORMATS:
        raise ValueError(f"-o must name a folder for several contents, got {folder}")
    else:
        check_output(folder)
    return folder
