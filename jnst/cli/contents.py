"""The contents of `jnst stylize` when there are several: read, checked and sorted by shape."""

import argparse
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnst._files import check_not_overwriting, check_output
from jnst.cli.job import Job, check_inputs_are_kept, prepare, read_input
from jnst.cli.options import choose
from jnst.cli.regions import mask_files, read_masks
from jnst.cli.side_outputs import saved_between
from jnst.grid.axes import Grid, make_grid
from jnst.grid.folder import names_of
from jnst.image.inputs import INITS
from jnst.image.pictures import FORMATS, Picture, read_settings
from jnst.transfer.levels import levels_of
from jnst.transfer.plan import Plan
from jnst.transfer.settings import Settings

MOST_TOGETHER = 64
"""Contents whose pixels are in memory at a time."""


class Painting(NamedTuple):
    """A content and its output files: several where several contents are the same picture."""

    file: str
    outputs: list[Path]


class Batch(NamedTuple):
    """Contents that are worked at in the same shapes, as the content axis of a grid.

    Attributes:
      paintings: the contents.
      plan: the sizes and steps of the first.
      shapes: of the contents.
    """

    paintings: list[Painting]
    plan: Plan
    shapes: set[tuple[int, ...]]

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
            masks=read_masks(job.options, shape, [style.shape for style in job.styles]),
            mixed=True,
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
    def shapes(self) -> set[tuple[int, ...]]:
        """The shapes of the pictures."""
        return {shape[:2] for batch in self.batches for shape in batch.shapes}


def gather_contents(args: argparse.Namespace) -> Contents:
    """Read and check everything that the arguments name, before anything is computed.

    A content that cannot be painted is left out and named, unless --strict is given or there is no
    other.
    """
    folder = output_folder(args)
    options, settings = choose(args)
    job: Job | None = None
    problems: list[str] = []
    refused: dict[tuple[int, ...], str] = {}  # shapes that the masks do not fit
    by_shape: dict[tuple[int, ...], dict[bytes, Painting]] = {}
    outputs = [folder / f"{name}.png" for name in names_of(args.content)]
    for file, output in zip(args.content, outputs, strict=True):
        try:
            picture = read_input(file, options["size"], least=1)
            shape = picture.pixels.shape
            settings.plan(*shape[:2])
            if shape in refused:
                raise ValueError(refused[shape])
        except (ValueError, OSError) as error:
            problems.append(about(file, error))
            continue
        try:
            if job is None:
                job = prepare(argparse.Namespace(**vars(args) | {"content": file}), picture)
            elif shape not in by_shape:
                read_masks(job.options, shape, [style.shape for style in job.styles])
        except ValueError as error:
            if not mask_files(options):  # nothing else depends on the content
                raise
            refused[shape] = str(error)
            problems.append(about(file, error))
            continue
        digest = hashlib.sha256(picture.pixels.tobytes()).digest()
        painting = by_shape.setdefault(shape, {}).setdefault(digest, Painting(file, []))
        painting.outputs.append(output)
    if problems and (args.strict or not by_shape):
        raise ValueError("; ".join(problems))
    assert job is not None
    batches = batches_of(by_shape, settings)
    check_inputs_stay(args, job, batches)
    return Contents(job=job, folder=folder, batches=batches, problems=problems)


def batches_of(
    by_shape: dict[tuple[int, ...], dict[bytes, Painting]], settings: Settings
) -> list[Batch]:
    """Put together what is worked at in the same shapes, so that one program paints it."""
    alike: dict[Any, list[tuple[tuple[int, ...], Painting]]] = {}
    for shape, paintings in by_shape.items():
        levels = levels_of(settings.plan(*shape[:2]), settings)
        key = tuple((level.canvas.shape, level.steps) for level in levels)
        alike.setdefault(key, []).extend((shape, painting) for painting in paintings.values())
    batches = []
    for listed in alike.values():
        for start in range(0, len(listed), MOST_TOGETHER):
            some = listed[start : start + MOST_TOGETHER]
            shapes = [shape for shape, _ in some]
            batches.append(
                Batch(
                    paintings=[painting for _, painting in some],
                    plan=settings.plan(*shapes[0][:2]),
                    shapes=set(shapes),
                )
            )
    return batches


def about(file: str, error: Exception) -> str:
    """Say what is wrong with a content, naming its file once."""
    said = " ".join(str(error).split())
    return said if said.startswith(file) or f" {file}" in said else f"{file}: {said}"


def check_inputs_stay(args: argparse.Namespace, job: Job, batches: list[Batch]) -> None:
    """Raise ValueError if a picture would overwrite an input, or is the name of a folder."""
    written = [
        path
        for batch in batches
        for painting in batch.paintings
        for output in painting.outputs
        for path in (output, *saved_between(output, args.save_every, batch.plan))
    ]
    there = [path for path in written if path.exists()]
    for path in there:
        if path.is_dir():
            raise ValueError(f"{path} is a folder, where a picture is to be written")
    check_inputs_are_kept(argparse.Namespace(**vars(args) | {"content": args.style}), job, there)
    if job.options["init"] not in INITS:
        check_not_overwriting("initial image", job.options["init"], there)
    # There may be thousands of contents, so these are not compared one with another.
    files = {(found.st_dev, found.st_ino): path for path in there for found in [path.stat()]}
    for content in map(Path, args.content):
        if content.exists():
            found = content.stat()
            if same := files.get((found.st_dev, found.st_ino)):
                raise ValueError(f"{same} is the content itself and would be overwritten")


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
