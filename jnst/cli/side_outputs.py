"""What is written beside the pictures: it may fail without costing one.

A log, a checkpoint, a picture on the way, the preview and progress itself are of less worth than
the picture that they belong to: where one of them cannot be written, a line says so, once, and the
run goes on.
"""

import argparse
import contextlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jnst._checks import check_integer
from jnst._files import check_output
from jnst.cli.preview import check_preview
from jnst.image.pictures import Picture, save_image
from jnst.optim.checkpoint import Checkpoint, CheckpointWarning, check_checkpoint
from jnst.optim.minimization import Progress
from jnst.transfer.plan import Plan


def check_side_outputs(args: argparse.Namespace) -> tuple[Path | None, Checkpoint | None]:
    """Check what `jnst stylize` writes beside the pictures: return its log and its checkpoint."""
    log = check_log(args)
    check_integer("--checkpoint-every", args.checkpoint_every, least=1)
    resume = args.resume and args.checkpoint is not None
    return log, check_checkpoint(args.checkpoint, args.checkpoint_every, resume)


def check_log(args: argparse.Namespace) -> Path | None:
    """Check log, pictures on the way and preview; return the log."""
    log = check_table(args.log or None, "--log")
    if args.save_every is not None:
        check_integer("--save-every", args.save_every, least=1)
    if args.preview is not None:
        check_preview(args.preview, name="--preview")
    return log


def check_table(path: str | None, option: str) -> Path | None:
    """Return where a table is to be written, if it is; raise ValueError unless it is a .csv."""
    table = None if path is None else check_output(path, option)
    if table and table.suffix.lower() != ".csv":
        raise ValueError(f"{option} must be a .csv file, got {table}")
    return table


def check_names_differ(
    checkpoint: Checkpoint | None, log: Path | None, pictures: list[Path]
) -> None:
    """Raise ValueError if a file of the run has the name of another."""
    taken = {path.resolve() for path in pictures}
    if log and log.resolve() in taken:
        raise ValueError(f"--log {log} is also the name of another output")
    if checkpoint and checkpoint.path.resolve() in taken | ({log.resolve()} if log else set()):
        raise ValueError(f"--checkpoint {checkpoint.path} is also the name of another output")


def numbered(output: Path, step: int) -> Path:
    """Return the file that --save-every writes after a step."""
    return output.with_stem(f"{output.stem}-{step:05d}")


def saved_between(output: Path, every: int | None, plan: Plan) -> list[Path]:
    """List the files that --save-every will write."""
    if not every:
        return []
    total = sum(steps for _, steps in plan)
    return [numbered(output, step) for step in range(every, total + 1, every)]


def save_on_the_way(
    output: Path, progress: Progress, photo: Picture, record: dict[str, Any]
) -> None:
    """Write what --save-every asks for after a step.

    Args:
      output: the file of the finished picture.
      progress: the step.
      photo: what is worked at, whose alpha the picture gets once it has its size.
      record: what the picture carries.
    """
    at_final_size = progress.shape == photo.pixels.shape[:2]
    save_image(
        numbered(output, progress.step),
        progress.picture(),
        alpha=photo.alpha if at_final_size else None,
        settings=record,
    )


class SideOutputs:
    """Attempts at writing, each of which is given up for good when it has failed.

    Args:
      prog: name of the command, as messages begin with it.
    """

    def __init__(self, prog: str):
        self.prog = prog
        self.failed: set[str] = set()

    @contextlib.contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """Let what cannot be written in this block be a line on standard error.

        Args:
          name: what is written, as the user knows it, such as `--log losses.csv`.
        """
        try:
            yield
        except Exception as error:  # whatever it is, the picture is worth more
            said = " ".join(str(error).split()) or type(error).__name__
            self.warn(name, f"{name} could not be written ({said})")

    def warn(self, name: str, sentence: str) -> None:
        """Say that something could not be written, the first time that it is so."""
        if name not in self.failed:
            self.failed.add(name)
            print(f"{self.prog}: warning: {sentence}", file=sys.stderr)

    @contextlib.contextmanager
    def checkpoints(self) -> Iterator[None]:
        """Let a checkpoint that cannot be written in this block be such a line."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", CheckpointWarning)
            usual = warnings.showwarning

            def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
                if issubclass(category, CheckpointWarning):
                    self.warn("--checkpoint", str(message))
                else:
                    usual(message, category, *place, **more)

            warnings.showwarning = show
            yield
