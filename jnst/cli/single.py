"""`jnst stylize` with one content, from input files to an output file."""

import argparse
import contextlib
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnst.cli.job import (
    Job,
    check_inputs_are_kept,
    headline,
    job_model,
    job_record,
    prepare,
    style_files,
)
from jnst.cli.preview import Preview
from jnst.cli.program import Diverged
from jnst.cli.progress import ProgressReport, write_log
from jnst.cli.runtime import interrupts, make_ready
from jnst.cli.side_outputs import (
    SideOutputs,
    check_names_differ,
    check_side_outputs,
    save_on_the_way,
    saved_between,
)
from jnst.cli.streams import check_picture_output, write_picture
from jnst.optim.minimization import Progress
from jnst.transfer.job import Result
from jnst.transfer.stylization import stylize
from jnst.transfer.tile_checks import check_tile


class Painting(NamedTuple):
    """A picture to paint, and where everything of it goes.

    Attributes:
      job: what to paint.
      output: the file of the picture.
      log: the file of --log.
      record: what the picture carries.
    """

    job: Job
    output: Path
    log: Path | None
    record: dict[str, Any]


def run(args: argparse.Namespace) -> int:
    """Check everything, stylise and write; return the exit code."""
    args = argparse.Namespace(**vars(args) | {"content": args.content[0]})
    output = check_picture_output("stylized.png" if args.output is None else args.output)
    if args.resume and not args.checkpoint:
        raise ValueError("--resume needs --checkpoint")
    log, checkpoint = check_side_outputs(args)
    job = prepare(args)
    check_tile(args.tile, job.settings, job.geometry, name="--tile")
    between = saved_between(output, args.save_every, job.plan)
    check_inputs_are_kept(args, job, [output, *([log] if log else []), *between])
    check_names_differ(checkpoint, log, [output, *between])
    settings = dataclasses.asdict(job.settings)
    files = style_files(args.style, job.options)
    record = job_record(job, args.content, files, job.options | settings)
    painting = Painting(job=job, output=output, log=log, record=record)
    with contextlib.ExitStack() as stack:
        page = None
        if args.preview is not None:
            shown = {name: record[name] for name in ("content", "style")} | record["options"]
            page = stack.enter_context(Preview(job.plan, shown, args.preview))
            page.tell_address()
        return paint(args, painting, page)


def paint(args: argparse.Namespace, painting: Painting, page: Preview | None) -> int:
    """Stylise, write and show on the preview page; return the exit code."""
    began = time.monotonic()
    job, output = painting.job, painting.output
    side = SideOutputs(args.parser.prog)
    make_ready()
    if not args.quiet:
        print(headline(job), file=sys.stderr, flush=True)
    with interrupts() as interrupted, contextlib.ExitStack() as stack:
        show = None if args.quiet else stack.enter_context(ProgressReport(job.plan, sys.stderr))

        def callback(progress: Progress) -> bool:
            if show:
                show(progress)
            if page:
                with side.attempt("--preview"):
                    page(progress)
            if args.save_every and progress.step % args.save_every == 0:
                with side.attempt("--save-every"):
                    save_on_the_way(output, progress, job.content, painting.record)
            return interrupted()

        with side.checkpoints():
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
    write_picture(output, result.image, alpha=job.content.alpha, settings=painting.record)
    if painting.log:
        with side.attempt(f"--log {painting.log}"):
            write_log(painting.log, result.losses, result.plan)
    if not args.quiet:
        print(f"wrote {output}: {summary(result, time.monotonic() - began)}", file=sys.stderr)
    if page:
        with side.attempt("--preview"):
            page.finish(result.image, result.reason)
    if result.reason == "diverged":
        raise Diverged(
            f"the loss was no longer finite after step {result.steps}; {output} holds the last "
            "finite picture; a lower --learning-rate may help"
        )
    return 130 if result.reason == "stopped" else 0


def summary(result: Result, seconds: float) -> str:
    """Say how a run went."""
    loss = f", loss {result.losses['total'][-1]:.4g}" if result.steps else ""
    why = ", converged" if result.reason == "converged" else ""
    return f"{result.steps} steps in {seconds:.0f} s{loss}{why}"
