"""`jnst train`: a network that paints in one pass, from paintings and photographs."""

import argparse
import contextlib
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from jnst._files import atomic_write, check_not_overwriting, check_output, sha256_of
from jnst.cli.curves import draw_curves
from jnst.cli.job import read_seen
from jnst.cli.photographs import read_photographs
from jnst.cli.preview import INKS, Preview
from jnst.cli.program import Diverged
from jnst.cli.progress import ProgressReport, write_log
from jnst.cli.runtime import interrupts, make_ready
from jnst.cli.side_outputs import SideOutputs, check_log, numbered, saved_between
from jnst.cli.train_options import add_arguments as add_arguments
from jnst.cli.train_options import architecture_of, settings_of
from jnst.feedforward.samples import choose_samples, paint_samples
from jnst.feedforward.training import Trained, train
from jnst.feedforward.training_settings import Training
from jnst.grid.folder import names_of
from jnst.image.pictures import save_image
from jnst.nn.discovery import find_weights, open_weights
from jnst.nn.loading import make_vgg
from jnst.nn.painter_file import PainterWeights, write_painter
from jnst.optim.checkpoint import check_checkpoint
from jnst.optim.minimization import Progress
from jnst.version import __version__


def run(args: argparse.Namespace) -> int:
    """Check everything, train and write; return the exit code."""
    began = time.monotonic()
    output = check_output(args.output)
    if output.suffix.lower() != ".h5":
        raise ValueError(f"-o must name a .h5 file, got {output}")
    log = check_log(args)
    if args.resume and not args.checkpoint:
        raise ValueError("--resume needs --checkpoint")
    check_checkpoint(args.checkpoint, args.checkpoint_every, args.resume)
    training, architecture = settings_of(args), architecture_of(args.channels)
    plan, picture = [((training.crop,) * 2, training.steps)], output.with_suffix(".png")
    curves = picture.with_name(f"{output.stem}-losses.svg")
    between = [*saved_between(picture, args.save_every, plan), curves]
    written = [output, *([log] if log else []), *between]
    for name in ("paintings", "sample"):
        for file in getattr(args, name):
            check_not_overwriting(name.removesuffix("s"), file, written)
    paintings = [read_seen(path, training.style_size) for path in args.paintings]
    weights = open_weights(find_weights(args.weights), "vgg19")
    photos, problems = read_photographs(args.photos, training.crop)
    for problem in problems:
        print(f"{args.parser.prog}: left out: {problem}", file=sys.stderr)
    samples = samples_of(args.sample, photos)
    make_ready(many_passes=True)
    if not args.quiet:
        what = f"{len(photos)} photograph{'s' if len(photos) > 1 else ''}"
        print(f"training with {what} at {training.crop} px", file=sys.stderr, flush=True)
    side = SideOutputs(args.parser.prog)
    names = names_of(args.paintings)
    with interrupts() as interrupted, contextlib.ExitStack() as stack:
        show, page = None, None
        if args.preview is not None:
            shown = {"style": ", ".join(names), **dataclasses.asdict(training)}
            page = stack.enter_context(Preview(plan, shown, args.preview))
            page.tell_address()
        if not args.quiet:
            show = stack.enter_context(ProgressReport(plan, sys.stderr))
        losses: list[tuple[int, dict[str, Any]]] = []

        def callback(progress: Progress) -> bool:
            losses.append((progress.step, progress.losses))
            if show:
                show(progress)
            if page:
                with side.attempt("--preview"):
                    page(progress)
            if args.save_every and progress.step % args.save_every == 0:
                with side.attempt("--save-every"):
                    save_image(numbered(picture, progress.step), progress.picture())
                    write_curves(curves, losses)
            return interrupted()

        with side.checkpoints():
            trained = train(
                make_vgg(weights),
                photos,
                paintings,
                names=names,
                architecture=architecture,
                samples=samples,
                callback=callback,
                checkpoint=args.checkpoint,
                checkpoint_every=args.checkpoint_every,
                resume=args.resume,
                **dataclasses.asdict(training),
            )
        write_painter(output, weights_of(trained, record_of(args, trained, training, len(photos))))
        if page:
            with side.attempt("--preview"):
                page.finish(paint_samples(trained.painter, samples), trained.reason)
    if log:
        with side.attempt(f"--log {log}"):
            plan = [((training.crop, training.crop), trained.steps)]
            write_log(log, trained.losses, plan)
    if not args.quiet:
        seconds = time.monotonic() - began
        loss = trained.losses["total"][-1]
        print(
            f"wrote {output}: {trained.steps} steps in {seconds:.0f} s, loss {loss:.4g}",
            file=sys.stderr,
        )
    if trained.reason == "diverged":
        raise Diverged(
            f"the loss was no longer finite after step {trained.steps}; {output} holds the last "
            "network for which it was; a lower --learning-rate may help"
        )
    return 130 if trained.reason == "stopped" else 0


def samples_of(files: list[str], photos: list[np.ndarray]) -> np.ndarray:
    """The photographs that show how far the network is: those that are named, or of the folder."""
    size = max(max(photo.shape) for photo in photos)
    named = [np.rint(255 * read_seen(file, size)).astype(np.uint8) for file in files]
    return choose_samples(named, len(named)) if named else choose_samples(photos)


def write_curves(path: Path, losses: list[tuple[int, dict[str, Any]]]) -> None:
    """Draw the losses of the steps so far."""
    values = [(step, {name: float(x) for name, x in of.items()}) for step, of in losses]
    drawn = draw_curves(values, [], INKS["light"])
    with atomic_write(path) as temporary:
        temporary.write_bytes(drawn)


def record_of(
    args: argparse.Namespace, trained: Trained, training: Training, photos: int
) -> dict[str, Any]:
    """What the network's file says of its making."""
    last = {name: float(values[-100:].mean()) for name, values in trained.losses.items()}
    return {
        "jnst": __version__,
        "paintings": {Path(path).name: sha256_of(Path(path)) for path in args.paintings},
        "photographs": photos,
        "training": dataclasses.asdict(training),
        "steps": trained.steps,
        "losses": {name: value for name, value in last.items() if np.isfinite(value)},
    }


def weights_of(trained: Trained, facts: dict[str, Any]) -> PainterWeights:
    """A trained network for its file."""
    painter = trained.painter
    return PainterWeights(
        arrays={name: np.asarray(array) for name, array in painter.arrays.items()},
        styles=painter.styles,
        architecture=painter.architecture,
        facts=facts,
    )
