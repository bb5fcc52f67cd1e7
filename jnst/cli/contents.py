"""The contents of `jnst stylize` when there are several: read, checked and sorted by shape."""

import argparse
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnst._files import check_output
from jnst.cli.grid import names_of
from jnst.cli.job import Job, check_inputs_are_kept, prepare, read_input
from jnst.cli.options import choose
from jnst.cli.regions import read_masks
from jnst.grid.axes import Grid, make_grid
from jnst.image.inputs import INITS
from jnst.image.pictures import FORMATS, Picture, read_settings
from jnst.transfer.plan import Plan

MOST_TOGETHER = 64
"""Contents whose pixels are in memory at a time."""


class Painting(NamedTuple):
    """A content and its output files: several where several contents are the same picture."""

    file: str
    outputs: list[Path]


class Batch(NamedTuple):
    """Contents of one shape, as the content axis of a grid."""

    paintings: list[Painting]
    plan: Plan

    @property
    def outputs(self) -> list[Path]:
        """The files of all pictures."""
        return [path for painting in self.paintings for path in painting.outputs]

    def load(self, job: Job) -> tuple[Grid, list[Picture]]:
        """Read the contents; return the grid that they are the cells of, and the pictures."""
        size = job.options["size"]
        pictures = [read_input(painting.file, size, least=1) for painting in self.paintings]
        shape = pictures[0].pixels.shape
        grid = make_grid(
            job.geometry,
            [picture.pixels for picture in pictures],
            [job.styles],
            key=jax.random.key(job.options["seed"]),
            palette=job.palette,
            **read_masks(job.options, shape, [style.shape for style in job.styles]),
            **dataclasses.asdict(job.settings),
        )
        return grid, pictures


class Contents(NamedTuple):
    """All contents of a command.

    Attributes:
      job: of the first content; all have its styles and settings.
      folder: for the pictures.
      batches: of contents that have one shape.
      problems: a sentence for each content that cannot be painted.
    """

    job: Job
    folder: Path
    batches: list[Batch]
    problems: list[str]

    @property
    def total(self) -> int:
        """The number of pictures that will be written."""
        return sum(len(batch.outputs) for batch in self.batches)

    @property
    def shapes(self) -> set[tuple[int, int]]:
        """The shapes of the pictures."""
        return {batch.plan[-1][0] for batch in self.batches}


def gather_contents(args: argparse.Namespace) -> Contents:
    """Read and check everything that the arguments name, before anything is computed.

    A content that cannot be painted is left out and named, unless --strict is given or there is no
    other.
    """
    folder = output_folder(args)
    options, _ = choose(args)
    outputs = [folder / f"{name}.png" for name in names_of(args.content)]
    job: Job | None = None
    problems: list[str] = []
    by_shape: dict[tuple[int, ...], dict[bytes, Painting]] = {}
    for file, output in zip(args.content, outputs, strict=True):
        try:
            picture = read_input(file, options["size"], least=1)
        except (ValueError, OSError) as error:
            problems.append(about(file, error))
            continue
        if job is None:
            job = prepare(argparse.Namespace(**vars(args) | {"content": file}), picture)
        try:
            shape = picture.pixels.shape
            if shape not in by_shape:
                job.settings.plan(*shape[:2])
                read_masks(job.options, shape, [style.shape for style in job.styles])
            check_output_of(args, job, file, output, outputs)
        except ValueError as error:
            problems.append(about(file, error))
            continue
        digest = hashlib.sha256(picture.pixels.tobytes()).digest()
        painting = by_shape.setdefault(shape, {}).setdefault(digest, Painting(file, []))
        painting.outputs.append(output)
    if problems and (args.strict or job is None or not by_shape):
        raise ValueError("; ".join(problems))
    assert job is not None
    batches = []
    for shape, paintings in by_shape.items():
        plan, listed = job.settings.plan(*shape[:2]), list(paintings.values())
        for start in range(0, len(listed), MOST_TOGETHER):
            batches.append(Batch(paintings=listed[start : start + MOST_TOGETHER], plan=plan))
    return Contents(job=job, folder=folder, batches=batches, problems=problems)


def about(file: str, error: Exception) -> str:
    """Say what is wrong with a content, naming its file once."""
    said = " ".join(str(error).split())
    return said if said.startswith(file) or f" {file}" in said else f"{file}: {said}"


def check_output_of(
    args: argparse.Namespace, job: Job, file: str, output: Path, outputs: list[Path]
) -> None:
    """Raise ValueError if the picture of a content cannot go where it is to be written."""
    check_inputs_are_kept(argparse.Namespace(**vars(args) | {"content": file}), job, outputs)
    init = job.options["init"]
    if output.is_dir():
        raise ValueError(f"{output} is a folder, where a picture is to be written")
    if init not in INITS and output.exists() and output.samefile(init):
        raise ValueError(f"{output} is the initial image itself and would be overwritten")


def finished_before(painting: Painting, record: dict[str, Any]) -> bool:
    """Say whether the pictures of a content are there, made by the very same settings."""
    wanted = json.loads(json.dumps(record))
    for output in painting.outputs:
        try:
            if not output.is_file() or read_settings(output) != wanted:
                return False
        except ValueError:  # damaged: it is painted again
            return False
    return True


def output_folder(args: argparse.Namespace) -> Path:
    """Return the folder of -o; raise ValueError if it cannot be one."""
    if not args.output:
        raise ValueError("several contents need a folder for their pictures; give one with -o")
    folder = Path(args.output)
    if folder.is_dir():
        check_output(folder / "-.png")  # as pictures can be written where a file can
    elif folder.exists():
        raise ValueError(f"{folder} is a file; give the name of a folder for several contents")
    elif folder.suffix.lower() in FORMATS:
        raise ValueError(f"-o must name a folder for several contents, got {folder}")
    else:
        check_output(folder)
    return folder
