"""Progress on a terminal or line by line, and the log of losses."""

import csv
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TextIO

import numpy as np
from tqdm import tqdm

from jnst._files import atomic_write
from jnst.optim.minimization import Progress
from jnst.transfer.plan import Plan

if TYPE_CHECKING:
    from jnst.grid.runs import GridProgress

LINE_SECONDS = 5.0
"""Least time between two lines if the output is not a terminal."""


class ProgressLine:
    """What says how far something is: a bar on a terminal, lines otherwise.

    Args:
      stream: where to; one that fails, as after a hang-up, is left alone from then on.
      total: of the bar; None: nobody knows.
    """

    def __init__(self, stream: TextIO, total: int | None):
        self.stream: TextIO | None = stream
        self.bar: Any = None
        if stream.isatty():
            form = "{percentage:3.0f}%|{bar}| {desc}" if total else "{desc}"
            self.bar = tqdm(
                total=total, file=stream, bar_format=form, dynamic_ncols=True, mininterval=0
            )
        self.shown = -LINE_SECONDS

    def is_due(self, now: float) -> bool:
        """Whether it is time to say something."""
        return now - self.shown >= (0.1 if self.bar is not None else LINE_SECONDS)

    def say(self, text: str, done: int) -> None:
        """Say a text, of so much of the total."""
        try:
            if self.bar is None:
                print(text, file=self.stream, flush=True)
            else:
                self.bar.set_description_str(text, refresh=False)
                self.fill(done)
        except OSError:
            self.stream = self.bar = None

    def fill(self, done: int) -> None:
        """Fill the bar, if there is one, so far."""
        if self.bar is not None:
            self.bar.update(done - self.bar.n)
            self.bar.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


class ProgressReport(ProgressLine):
    """A callback that shows the cells, the step, the loss, the speed and the time left.

    Steps take longer at larger sizes, so work is counted in steps × pixels.

    Args:
      plan: as `Settings.plan` returns it.
      stream: where to write: a bar if it is a terminal, lines otherwise.
      cells: number of runs of the plan.
      label: names the current cells of a grid; None: by their numbers.
    """

    def __init__(
        self,
        plan: Plan,
        stream: TextIO,
        cells: int = 1,
        label: "Callable[[GridProgress], str] | None" = None,
    ):
        self.label = label or numbers
        self.plan = plan
        self.work = cells * sum(height * width * steps for (height, width), steps in plan)
        super().__init__(stream, self.work)
        self.done = 0
        self.shape: tuple[int, int] | None = None
        if self.bar is not None:
            self.say("compiling", 0)

    def __call__(self, progress: "Progress | GridProgress") -> None:
        """Show a step, if it is time to."""
        if self.stream is None:
            return
        cells = 1 if isinstance(progress, Progress) else len(progress.cells)
        pixels = cells * progress.shape[0] * progress.shape[1]
        if isinstance(progress, Progress):
            self.done = self.work - work_left(self.plan, progress)
        else:
            self.done += pixels
        loss, now = progress.losses["total"], time.monotonic()
        last, new = progress.step == progress.steps, progress.shape != self.shape
        if not (last or new or self.is_due(now)):
            return
        np.asarray(loss)  # until the step before has been computed, not only begun
        now = time.monotonic()
        if new:  # its first step has just been compiled
            self.shape, self.began, self.before = progress.shape, now, self.done
        self.shown = now
        text = f"step {progress.step}/{progress.steps} · {progress.shape[1]}×{progress.shape[0]} px"
        if isinstance(progress, Progress):
            text += f" · loss {float(loss):.4g}"
        else:
            text = f"{self.label(progress)} · {text}"
        computed = self.done - pixels  # this step has only begun
        if computed > self.before:
            seconds = (now - self.began) / (computed - self.before)  # a pixel
            left = tqdm.format_interval(seconds * (self.work - self.done))
            text += f" · {1 / (seconds * pixels):.3g} steps/s · {left} left"
        self.say(text, self.done)

    def finish(self) -> None:
        """Fill the bar; the run may have converged before its last step."""
        self.done = self.work
        self.fill(self.done)


def numbers(progress: "GridProgress") -> str:
    """Name the current cells of a grid by their numbers."""
    return f"cells {progress.done + 1}–{progress.done + len(progress.cells)}/{progress.total}"


def write_log(
    path: str | os.PathLike[str],
    losses: Mapping[str, np.ndarray],
    plan: Sequence[tuple[tuple[int, int], int]],
) -> None:
    """Write the losses of each step as CSV: step, long edge, one column per term.

    Args:
      path: of the file.
      losses: {term: (steps,)}.
      plan: the sizes and the steps made at each, as in `jnst.Result`.
    """
    write_rows(path, ["step", "size", *losses], log_rows(losses, plan))


def log_rows(
    losses: Mapping[str, np.ndarray], plan: Sequence[tuple[tuple[int, int], int]]
) -> list[list[Any]]:
    """Return a row for each step: its number, the long edge, the losses."""
    edges = (max(shape) for shape, steps in plan for _ in range(steps))
    return [
        [step, edge, *values]
        for step, (edge, *values) in enumerate(zip(edges, *losses.values(), strict=False), start=1)
    ]


def write_rows(
    path: str | os.PathLike[str], header: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Write a table as CSV, whole or not at all."""
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors="replace") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def work_left(plan: Plan, progress: Progress) -> int:
    """Steps × pixels that a run still has to do.

    They are counted from the end, since a resumed run does not begin at the beginning, and a size
    that has converged leaves out steps.
    """
    larger = [(shape, n) for shape, n in plan if max(shape) > max(progress.shape)]
    here = progress.steps - progress.step - sum(n for _, n in larger)
    return sum(h * w * n for (h, w), n in [*larger, (progress.shape, here)])
