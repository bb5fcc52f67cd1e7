"""`jnst stylize`: its options, and a run from input files to an output file."""

import argparse
import contextlib
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import jax

from jnst._checks import check_integer
from jnst._files import check_output
from jnst.cli.arguments import whole
from jnst.cli.job import (
    Job,
    check_inputs_are_kept,
    headline,
    job_model,
    job_record,
    prepare,
    style_files,
)
from jnst.cli.options import (
    add_blend,
    add_distributed,
    add_look,
    add_optimisation,
    add_picture,
    add_running,
)
from jnst.cli.preview import Preview, check_preview
from jnst.cli.program import Diverged
from jnst.cli.progress import ProgressReport, write_log
from jnst.cli.regions import add_regions
from jnst.cli.runtime import interrupts, make_ready
from jnst.cli.streams import check_picture_output, write_picture
from jnst.image.pictures import save_image
from jnst.optim.checkpoint import Checkpoint, check_checkpoint
from jnst.optim.minimization import Progress
from jnst.transfer.stylization import stylize
from jnst.transfer.tile_selection import check_tile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument(
        "content", metavar="CONTENT", nargs="+", help="picture to paint, or several"
    )
    parser.add_argument("style", metavar="STYLE", help="picture whose style to use")
    add = parser.add_argument_group("picture", "as in --size 1024 --preset paper").add_argument
    add("-o", "--output", metavar="OUT", help="file, or folder for several (stylized.png)")
    add_picture(add)
    add("--seed", type=whole, metavar="N", help="random seed for --init (0)")
    add_blend(add)
    add_regions(parser)
    example = "as in --beta 30 --style-layers relu1_1:4,relu3_1:1"
    add_look(parser.add_argument_group("look", example).add_argument)
    example = "as in --optimizer lbfgs --sizes 256,512 --steps 200,100"
    add_optimisation(parser.add_argument_group("optimisation", example).add_argument)
    add = parser.add_argument_group("running", "as in --log losses.csv").add_argument
    add_running(add)
    add("--save-every", type=whole, metavar="N", help="also write OUT-0000N.png every N steps")
    add("--log", metavar="FILE.csv", help="write the losses of each step")
    add(
        "--preview",
        nargs="?",
        type=port,
        const=0,
        metavar="PORT",
        help="show the run on a local web page (a free port)",
    )
    add("--strict", action="store_true", help="of several: paint none if one cannot be read")
    add_distributed(add)


def port(text: str) -> int:
    """Parse a port number, whose range is checked later."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port number; --preview without one goes after the pictures"
        ) from None


def run(args: argparse.Namespace) -> int:
    """Check everything, stylise and write; return the exit code."""
    if len(args.content) > 1:
        from jnst.cli.batch import run_batch  # which is built from what is here

        return run_batch(args)
    if args.distributed:
        raise ValueError("--distributed needs several contents to share between the processes")
    args = argparse.Namespace(**vars(args) | {"content": args.content[0]})
    output = check_picture_output("stylized.png" if args.output is None else args.output)
    if args.resume and not args.checkpoint:
        raise ValueError("--resume needs --checkpoint")
    log, checkpoint = check_running(args)
    job = prepare(args)
    check_tile(args.tile, job.settings, job.geometry, name="--tile")
    check_inputs_are_kept(args, job, [output, *([log] if log else []), *between(output, args, job)])
    if checkpoint and checkpoint.path.resolve() in (output.resolve(), log and log.resolve()):
        raise ValueError(f"--checkpoint {checkpoint.path} is also the name of another output")
    settings = dataclasses.asdict(job.settings)
    files = style_files(args.style, job.options)
    record = job_record(job, args.content, files, job.options | settings)
    with contextlib.ExitStack() as stack:
        page = None
        if args.preview is not None:
            shown = {name: record[name] for name in ("content", "style")} | record["options"]
            page = stack.enter_context(Preview(job.plan, shown, args.preview))
            # Even with --quiet: the page cannot be found without its address.
            print(f"preview at {page.address}", file=sys.stderr, flush=True)
        return paint(args, job, output, log, record, page)


def check_running(args: argparse.Namespace) -> tuple[Path | None, Checkpoint | None]:
    """Check what is written beside the pictures: the files of --log and --checkpoint."""
    log = check_output(args.log, "--log") if args.log else None
    if log and log.suffix.lower() != ".csv":
        raise ValueError(f"--log must be a .csv file, got {log}")
    if args.save_every is not None:
        check_integer("--save-every", args.save_every, least=1)
    check_integer("--checkpoint-every", args.checkpoint_every, least=1)
    if args.preview is not None:
        check_preview(args.preview, name="--preview")
    resume = args.resume and args.checkpoint is not None
    return log, check_checkpoint(args.checkpoint, args.checkpoint_every, resume)


def paint(
    args: argparse.Namespace,
    job: Job,
    output: Path,
    log: Path | None,
    record: dict[str, Any],
    page: Preview | None,
) -> int:
    """Stylise, write and show on the preview page; return the exit code."""
    began = time.monotonic()
    make_ready()
    if not args.quiet:
        print(headline(job), file=sys.stderr, flush=True)
    with interrupts() as interrupted, contextlib.ExitStack() as stack:
        show = None if args.quiet else stack.enter_context(ProgressReport(job.plan, sys.stderr))

        def callback(progress: Progress) -> bool:
            if show:
                show(progress)
            if page:
                page(progress)
            if args.save_every and progress.step % args.save_every == 0:
                at_final_size = progress.shape == job.content.pixels.shape[:2]
                alpha = job.content.alpha if at_final_size else None
                path = numbered(output, progress.step)
                save_image(path, progress.picture(), alpha=alpha, settings=record)
            return interrupted()

        result = stylize(
            job_model(job),
            job.content.pixels,
            job.styles,
            key=jax.random.key(job.options["seed"]),
            init=job.init,
            palette=job.palette,
            **job.masks,
            tile=args.tile,
            callback=callback,
            checkpoint=args.checkpoint,
            checkpoint_every=args.checkpoint_every,
            resume=args.resume,
            **dataclasses.asdict(job.settings),
        )
        if show and result.reason in ("finished", "converged"):
            show.finish()
    write_picture(output, result.image, alpha=job.content.alpha, settings=record)
    if log:
        write_log(log, result.losses, result.plan)
    if not args.quiet:
        seconds = time.monotonic() - began
        loss = result.losses["total"][-1]
        why = ", converged" if result.reason == "converged" else ""
        said = f"{result.steps} steps in {seconds:.0f} s, loss {loss:.4g}{why}"
        print(f"wrote {output}: {said}", file=sys.stderr)
    if page:
        page.finish(result.image, result.reason)
    if result.reason == "diverged":
        raise Diverged(
            f"the loss was no longer finite after step {result.steps}; {output} holds the last "
            "finite picture; a lower --learning-rate may help"
        )
    return 130 if result.reason == "stopped" else 0


def numbered(output: Path, step: int) -> Path:
    """Return the file that --save-every writes after a step."""
    return output.with_stem(f"{output.stem}-{step:05d}")


def between(output: Path, args: argparse.Namespace, job: Job) -> list[Path]:
    """List the files that --save-every will write."""
    if not args.save_every:
        return []
    total = sum(steps for _, steps in job.plan)
    return [numbered(output, step) for step in range(args.save_every, total + 1, args.save_every)]
