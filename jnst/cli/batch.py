"""`jnst stylize` with several contents, painted into a folder.

Contents of one shape are the cells of a grid, which one compiled step updates together.
"""

import argparse
import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jnst.cli.contents import Batch, Contents, Painting, finished_before, gather_contents
from jnst.cli.job import Job, headline, job_model, job_record, style_files
from jnst.cli.preview import Preview
from jnst.cli.program import Diverged
from jnst.cli.progress import ProgressReport, log_rows, write_rows
from jnst.cli.runtime import agreed, connect, interrupts, make_ready
from jnst.cli.side_outputs import (
    SideOutputs,
    check_names_differ,
    check_side_outputs,
    numbered,
)
from jnst.grid.axes import Grid
from jnst.grid.checkpoint import belongs_to, grid_identity
from jnst.grid.runs import GridProgress, Running, run_cells
from jnst.image.pictures import save_image
from jnst.optim.checkpoint import Checkpoint
from jnst.optim.minimization import Progress
from jnst.transfer.job import Result
from jnst.transfer.tile_checks import check_tile

SHOWN = 3
"""Names shown in a line of progress; the others are counted."""


def run(args: argparse.Namespace) -> int:
    """Check everything, stylise every content and write; return the exit code."""
    began = time.monotonic()
    if args.distributed:
        if args.preview is not None:
            raise ValueError("--preview and --distributed are mutually exclusive")
        connect(args.distributed)
    log, checkpoint = check_side_outputs(args)
    contents = gather_contents(args)
    check_tile(args.tile, contents.job.settings, contents.job.geometry, name="--tile")
    outputs = [path for batch in contents.batches for path in batch.outputs]
    check_names_differ(checkpoint, log, outputs)
    make_ready()
    for problem in contents.problems:
        print(f"{args.parser.prog}: {problem}", file=sys.stderr)
    if talks(args):
        shapes = f" of {len(contents.shapes)} shapes" if len(contents.shapes) > 1 else ""
        print(
            f"{headline(contents.job)}\n{contents.total} pictures{shapes}",
            file=sys.stderr,
            flush=True,
        )
    contents.folder.mkdir(exist_ok=True)
    painter = Painter(args, contents, log, checkpoint)
    with contextlib.ExitStack() as stack:
        # Of several processes none may leave the others waiting: there Ctrl-C ends it as usual.
        alone = jax.process_count() == 1
        interrupted = stack.enter_context(interrupts()) if alone else lambda: False
        if args.preview is not None:
            shown = contents.job.options | dataclasses.asdict(contents.job.settings)
            page = stack.enter_context(Preview(contents.batches[0].plan, shown, args.preview))
            page.tell_address()
            painter.page = page
        stack.enter_context(painter.side.checkpoints())
        for batch in contents.batches:
            painter.paint(batch, interrupted)
            if painter.stopped or interrupted():
                break
        painter.finish_page()
    return painter.conclude(time.monotonic() - began)


def talks(args: argparse.Namespace) -> bool:
    """Say whether this process prints how the run goes."""
    return not args.quiet and jax.process_index() == 0


class Painter:
    """Paints batch after batch and keeps count.

    Args:
      args: of the command line.
      contents: what to paint.
      log: the file of --log.
      checkpoint: the file of --checkpoint.

    Attributes:
      page: of --preview.
      side: attempts at writing what lies beside the pictures.
      stopped: whether Ctrl-C has stopped a batch.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        contents: Contents,
        log: Path | None,
        checkpoint: Checkpoint | None,
    ):
        self.args, self.contents, self.log, self.checkpoint = args, contents, log, checkpoint
        self.model, self.side = job_model(contents.job), SideOutputs(args.parser.prog)
        self.page: Preview | None = None
        self.settings = dataclasses.asdict(contents.job.settings)
        self.done, self.kept, self.stopped = 0, 0, False
        self.diverged: list[Path] = []
        self.latest: list[np.ndarray] = []  # pictures, for the page to end with
        self.rows: list[list[Any]] = []
        self.terms: list[str] = []

    @property
    def job(self) -> Job:
        """The job of the first content; all have its styles and settings."""
        return self.contents.job

    def record(self, file: str) -> dict[str, Any]:
        """Return what the picture of a content carries."""
        styles = style_files(self.args.style, self.job.options)
        return job_record(self.job, file, styles, self.job.options | self.settings)

    def paint(self, batch: Batch, interrupted: Callable[[], bool]) -> None:
        """Paint the contents of a batch that are not finished yet."""
        found = [
            self.args.resume and finished_before(painting, self.record(painting.file))
            for painting in batch.paintings
        ]
        before = agreed(found)
        self.kept += sum(
            len(p.outputs) for p, yes in zip(batch.paintings, before, strict=True) if yes
        )
        if all(before):
            return
        grid, pictures = batch.load(self.job)
        todo = [index for index, cell in grid.cells.items() if not before[cell.content]]
        names = {
            index: Path(batch.paintings[cell.content].file).name
            for index, cell in grid.cells.items()
        }
        with contextlib.ExitStack() as stack:
            show = None
            if talks(self.args):
                report = ProgressReport(batch.plan, sys.stderr, len(todo), labels(names))
                show = stack.enter_context(report)

            def callback(progress: GridProgress) -> bool:
                if show:
                    show(progress)
                if self.page:
                    with self.side.attempt("--preview"):
                        show_on_page(self.page, batch, progress)
                every = self.args.save_every
                if every and progress.step % every == 0:
                    with self.side.attempt("--save-every"):
                        paintings = [batch.paintings[grid.cells[i].content] for i in progress.cells]
                        alphas = [pictures[grid.cells[i].content].alpha for i in progress.cells]
                        self.save_on_the_way(progress, paintings, alphas)
                return interrupted()

            running = Running(
                init=self.job.init,
                tile=self.args.tile,
                callback=callback,
                file=self.file_of(batch, grid),
            )
            self.latest = []
            for index, result in run_cells(self.model, grid, todo, running):
                number = grid.cells[index].content
                self.stopped |= result.reason == "stopped"
                if (result.steps or result.reason != "stopped") and jax.process_index() == 0:
                    self.write(batch.paintings[number], result, pictures[number].alpha)

    def file_of(self, batch: Batch, grid: Grid) -> Checkpoint | None:
        """Return the checkpoint for a batch, which is only resumed from if it is of this one."""
        if self.checkpoint is None or not self.checkpoint.resume:
            return self.checkpoint
        identity = grid_identity(self.model, grid, self.job.init)
        resume = belongs_to(self.checkpoint.path, identity)
        self.checkpoint = self.checkpoint._replace(resume=False)
        return self.checkpoint._replace(resume=resume)

    def save_on_the_way(
        self,
        progress: GridProgress,
        paintings: list[Painting],
        alphas: list[np.ndarray | None],
    ) -> None:
        """Write the pictures of a batch as they are after a step."""
        shown = progress.pictures()  # on every process: they come from all
        if jax.process_index() != 0:
            return
        for painting, picture, alpha in zip(paintings, shown, alphas, strict=True):
            final = alpha is not None and alpha.shape == picture.shape[:2]
            save_image(
                numbered(painting.outputs[0], progress.step),
                picture,
                alpha=alpha if final else None,
                settings=self.record(painting.file),
            )

    def write(self, painting: Painting, result: Result, alpha: np.ndarray | None) -> None:
        """Write the picture of a content, and the log so far."""
        record = self.record(painting.file)
        if result.reason == "stopped":  # so that --resume paints it again
            record |= {"steps": result.steps, "reason": result.reason}
        for output in painting.outputs:
            save_image(output, result.image, alpha=alpha, settings=record)
        if result.reason != "stopped":
            self.done += len(painting.outputs)
        if result.reason == "diverged":
            self.diverged.append(painting.outputs[0])
        if self.page:
            self.latest.append(np.asarray(result.image))
        if self.log:
            self.terms = list(result.losses)
            name = Path(painting.file).name
            self.rows += [[name, *row] for row in log_rows(result.losses, result.plan)]
            with self.side.attempt(f"--log {self.log}"):
                write_rows(self.log, ["file", "step", "size", *self.terms], self.rows)

    def finish_page(self) -> None:
        """Show the last pictures on the page, and how the run ended."""
        if self.page and self.latest:
            with self.side.attempt("--preview"):
                reason = "stopped" if self.stopped else "finished"
                self.page.finish(np.concatenate(self.latest, axis=1), reason)

    def conclude(self, seconds: float) -> int:
        """Say how the run ended; return the exit code."""
        if jax.process_index() != 0:
            return 0
        total, done = self.contents.total, self.done + self.kept
        if not self.args.quiet:
            before = f", {self.kept} of them before" if self.kept else ""
            refused = len(self.contents.problems)
            bad = f"; {refused} could not be painted" if refused else ""
            print(
                f"wrote {self.contents.folder}: {done} of {total} pictures{before} in "
                f"{seconds:.0f} s{bad}",
                file=sys.stderr,
            )
        if done < total:
            if not self.args.quiet:
                print("interrupted; the same command with --resume continues", file=sys.stderr)
            return 130
        if self.diverged:
            raise Diverged(
                f"the loss was no longer finite in {len(self.diverged)} of {total} pictures, the "
                f"first {self.diverged[0]}; each is the last finite one; a lower --learning-rate "
                "may help"
            )
        return 1 if self.contents.problems else 0


def labels(names: dict[Any, str]) -> Callable[[GridProgress], str]:
    """Return a function that names the contents that are being painted."""

    def label(progress: GridProgress) -> str:
        shown = [names[index] for index in progress.cells]
        more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        return f"{', '.join(shown[:SHOWN])}{more}"

    return label


def show_on_page(page: Preview, batch: Batch, progress: GridProgress) -> None:
    """Show the pictures that are being painted side by side, and their mean losses."""
    if progress.step == 1:
        page.restart(batch.plan)

    def side_by_side() -> np.ndarray:
        return np.concatenate(list(progress.pictures()), axis=1)

    page(
        Progress(
            step=progress.step,
            steps=progress.steps,
            shape=progress.shape,
            losses={term: values.mean() for term, values in progress.losses.items()},
            picture=side_by_side,  # type: ignore[arg-type]
        )
    )
