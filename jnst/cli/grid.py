"""`jnst grid`: its options, and a run from input files to a folder of pictures and sheets."""

import argparse
import contextlib
import dataclasses
import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from jnst._checks import check_choice, check_integer
from jnst._files import sha256_of
from jnst.cli.arguments import numbers, whole_numbers
from jnst.cli.job import (
    Job,
    headline,
    job_model,
    job_record,
    prepare,
    read_input,
    read_seen,
    style_files,
    style_size,
)
from jnst.cli.look_options import add_look
from jnst.cli.options import (
    STRENGTHS,
    add_blend,
    add_distributed,
    add_optimisation,
    add_picture,
    add_running,
    check_seed,
    choice,
)
from jnst.cli.program import Diverged
from jnst.cli.progress import ProgressReport
from jnst.cli.regions import add_regions, mask_files
from jnst.cli.runtime import connect, interrupts, make_ready
from jnst.cli.side_outputs import SideOutputs
from jnst.grid.axes import LAYER_WEIGHTS, NUMBERS, Grid, Index, distinct, make_grid
from jnst.grid.folder import SHEET, TABLE, TRADE_OFF, GridFolder, names_of
from jnst.grid.runs import GridProgress, Running, run_cells
from jnst.grid.sheets import check_drawing
from jnst.image.inputs import RANDOM_INITS
from jnst.optim.checkpoint import check_checkpoint
from jnst.transfer.tile_checks import check_tile

METHODS = ("optimise", "fast")
VARYING = (*NUMBERS, *LAYER_WEIGHTS, "seed")
"""Options that take several values."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument("content", metavar="CONTENT", help="picture to paint")
    parser.add_argument("style", metavar="STYLE", help="picture whose style to use")
    example = "as in --size 1024 --styles other.jpg third.jpg"
    add = parser.add_argument_group("picture", example).add_argument
    add("-o", "--output", metavar="DIR", default="grid", help="output folder (grid)")
    add_picture(add)
    add("--seed", type=whole_numbers, metavar="N,…", help="random seeds for --init (0)")
    files: dict[str, Any] = {"metavar": "FILE", "nargs": "+", "action": "extend", "default": []}
    add("--contents", **files, help="more contents of the same shape")
    add("--styles", **files, help="more styles")
    add_blend(add, "each style")
    add_regions(parser)
    example = "as in --method fast --strength 0.3,0.6,1"
    add = parser.add_argument_group("method", example).add_argument
    add("--method", metavar="M", default=METHODS[0], help=choice(METHODS, METHODS[0]))
    usual = ",".join(f"{strength:g}" for strength in STRENGTHS)
    add("--strength", type=numbers, metavar="S,…", help=f"of fast, see `jnst fast` ({usual})")
    add("--matching", metavar="M", help="of fast, see `jnst fast`")
    example = "several numbers, or repeated layer options, make an axis, as in --beta 0.5:8:5"
    add_look(parser.add_argument_group("look", example).add_argument, several=True)
    example = "several numbers make an axis, as in --steps 200 --learning-rate 0.02,0.04"
    add_optimisation(parser.add_argument_group("optimisation", example).add_argument, several=True)
    add = parser.add_argument_group("running", "as in --batch 8").add_argument
    add_running(add)
    add("--batch", default="auto", metavar="N", help="cells at a time (auto: what fits in memory)")
    add_distributed(add)


def run(args: argparse.Namespace) -> int:
    """Check everything, run the missing cells and write; return the exit code."""
    check_choice("--method", args.method, METHODS)
    if args.method == "fast":
        return importlib.import_module("jnst.cli.fast_grid").run(args)  # type: ignore[no-any-return]
    for name in ("strength", "matching"):
        if getattr(args, name) is not None:
            raise ValueError(f"--{name} needs --method fast")
    began = time.monotonic()
    if args.distributed:
        connect(args.distributed)
    if args.resume and not args.checkpoint:
        raise ValueError("--resume needs --checkpoint")
    check_integer("--checkpoint-every", args.checkpoint_every, least=1)
    file = check_checkpoint(args.checkpoint, args.checkpoint_every, args.resume)
    check_drawing()
    batch = batch_size(args.batch)
    job, grid, folder, alphas = prepare_grid(args)
    todo, done = unfinished(folder)
    leader = jax.process_index() == 0
    talks = leader and not args.quiet
    side = SideOutputs(args.parser.prog)
    make_ready()
    if talks:
        kept = f", {len(done)} of them finished before" if done else ""
        cells = f"{len(grid.cells)} cell{'s' if len(grid.cells) > 1 else ''}{kept}"
        print(f"{headline(job)}\n{cells}", file=sys.stderr, flush=True)
    with contextlib.ExitStack() as stack:
        # With several processes Ctrl-C ends this one at once, or the others would wait for it.
        alone = jax.process_count() == 1
        interrupted = stack.enter_context(interrupts()) if alone else lambda: False
        show = None
        if talks and todo:
            show = stack.enter_context(ProgressReport(grid.plan, sys.stderr, len(todo)))

        def callback(progress: GridProgress) -> bool:
            if show:
                show(progress)
            return interrupted()

        stack.enter_context(side.checkpoints())
        running = Running(init=job.init, batch=batch, tile=args.tile, callback=callback, file=file)
        results = run_cells(job_model(job), grid, todo, running)
        if leader:  # only once the cells are known to fit in memory
            folder.begin()
        for index, result in results:
            if leader and result.reason != "stopped":
                done[index] = folder.save(index, result, alphas[grid.cells[index].content])
                with side.attempt(TABLE):
                    folder.write_table(done)
    if not leader:
        return 0
    if done:
        with side.attempt(TABLE):
            folder.write_table(done)
        with side.attempt(f"{SHEET} or {TRADE_OFF}"):
            folder.draw(done)
    if talks and done:
        seconds = time.monotonic() - began
        what = f"{len(done)} of {len(grid.cells)} cells, {TABLE}, {SHEET} and {TRADE_OFF}"
        print(f"wrote {folder.path}: {what} in {seconds:.0f} s", file=sys.stderr)
    return ended(folder, done)


def ended(folder: GridFolder, done: dict[Index, dict[str, Any]]) -> int:
    """Return the exit code; raise `Diverged` if a cell has."""
    if len(done) < len(folder.records):
        print("interrupted; the same command continues", file=sys.stderr)
        return 130
    if diverged := [index for index in sorted(done) if done[index]["reason"] == "diverged"]:
        raise Diverged(
            f"the loss was no longer finite in {len(diverged)} of {len(done)} cells, the first "
            f"{folder.file(diverged[0])}; each holds its last finite picture; a lower "
            "--learning-rate may help"
        )
    return 0


def batch_size(text: str) -> int | str:
    """Parse and check --batch."""
    if text == "auto":
        return text
    if not text.removeprefix("-").isdecimal():
        raise ValueError(f"--batch must be auto or a whole number, got {text!r}")
    check_integer("--batch", int(text), least=1)
    return int(text)


def prepare_grid(args: argparse.Namespace) -> tuple[Job, Grid, GridFolder, list[Any]]:
    """Read and check everything that the arguments name, before anything is computed.

    Returns:
      The job of the first content and style, the grid, its folder, and each content's alpha.
    """
    if not args.output:
        raise ValueError("-o must name a folder")
    given = {name: getattr(args, name) for name in VARYING if getattr(args, name) is not None}
    first = {name: values[0] for name, values in given.items()}
    job = prepare(argparse.Namespace(**vars(args) | first))
    size = job.options["size"]
    contents = [job.content, *(read_input(path, size, least=1) for path in args.contents)]
    of_style = style_size(job.options["size"], job.settings.style_scale)
    first_style, *added = job.styles
    more = (read_seen(path, of_style) for path in args.styles)
    styles = [[style, *added] for style in (first_style, *more)]
    seeds = given.pop("seed", (job.options["seed"],))
    for seed in distinct("--seed", seeds):
        check_seed(seed)
    if len(seeds) > 1 and job.options["init"] not in RANDOM_INITS:
        raise ValueError(f"--seed: several seeds need --init {' or '.join(RANDOM_INITS)}")
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    pixels = [picture.pixels for picture in contents]
    check_tile(args.tile, job.settings, job.geometry, name="--tile")
    settings = dataclasses.asdict(job.settings) | given
    grid = make_grid(
        job.geometry, pixels, styles, key=keys, palette=job.palette, masks=job.masks, **settings
    )

    paths = {"content": [args.content, *args.contents], "style": [args.style, *args.styles]}
    shown: dict[str, Sequence[Any]] = {name: names_of(files) for name, files in paths.items()} | {
        "key": seeds
    }
    axes = {
        "seed" if name == "key" else name: shown.get(name, values)
        for name, values in grid.axes.items()
    }
    records: dict[Index, dict[str, Any]] = {}
    for index, cell in grid.cells.items():
        number = dict(zip(grid.axes, index, strict=True)).get("key", 0)
        options = job.options | {"seed": seeds[number]} | dataclasses.asdict(cell.settings)
        content, style = paths["content"][cell.content], paths["style"][cell.style]
        records[index] = job_record(job, content, style_files(style, options), options)
    fixed = next(iter(records.values()))["options"]
    identity: dict[str, Any] = {
        **{name: [sha256_of(Path(file)) for file in files] for name, files in paths.items()},
        "weights": job.weights.sha256,
        "axes": axes,
        "options": {name: value for name, value in fixed.items() if name not in axes},
    }
    if added_files := job.options["add_style"]:
        identity["added styles"] = [sha256_of(Path(file)) for file in added_files]
    if job.masks:
        identity["masks"] = [sha256_of(Path(file)) for file in mask_files(job.options)]
    if not isinstance(job.init, str):
        identity["init"] = sha256_of(Path(job.options["init"]))
    if job.palette is not None:
        identity["palette"] = sha256_of(Path(job.options["palette"]))
    folder = GridFolder(Path(args.output), axes, records, identity)
    return job, grid, folder, [picture.alpha for picture in contents]


def unfinished(folder: GridFolder) -> tuple[list[Index], dict[Index, dict[str, Any]]]:
    """Return the cells to run and the records of finished ones, as the first process sees them."""
    error, done = None, {}
    if jax.process_index() == 0:
        try:
            done = folder.finished()
        except (ValueError, OSError) as raised:
            error = raised
    missing = np.array([error is None, *(index not in done for index in folder.records)])
    if jax.process_count() > 1:
        missing = multihost_utils.broadcast_one_to_all(missing)
    if error:
        raise error
    if not missing[0]:
        raise ValueError("the first process cannot use the folder; see its message")
    return [index for index, flag in zip(folder.records, missing[1:], strict=True) if flag], done
