"""`jnst train`: a network that paints in one pass, from paintings and photographs."""

import argparse
import contextlib
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from jnst._checks import check_integer
from jnst._files import check_not_overwriting, check_output, sha256_of
from jnst._text import as_option
from jnst.cli.arguments import number, whole
from jnst.cli.job import read_seen
from jnst.cli.options import add_checkpoint
from jnst.cli.photographs import read_photographs
from jnst.cli.program import Diverged
from jnst.cli.progress import ProgressReport, write_log
from jnst.cli.runtime import interrupts, make_ready
from jnst.cli.side_outputs import SideOutputs, numbered, saved_between
from jnst.feedforward.training import Trained, train
from jnst.feedforward.training_settings import Training
from jnst.grid.folder import names_of
from jnst.image.pictures import save_image
from jnst.losses.registry import STYLE_LOSSES
from jnst.nn.discovery import find_weights, open_weights
from jnst.nn.loading import make_vgg
from jnst.nn.painter_file import Architecture, PainterWeights, write_painter
from jnst.optim.checkpoint import check_checkpoint
from jnst.optim.minimization import Progress
from jnst.version import __version__

EVERY = 200
"""Steps between checkpoints."""
NUMBERS: dict[str, tuple[Any, str, str]] = {
    "steps": (whole, "N", "updates"),
    "batch": (whole, "N", "crops in each"),
    "crop": (whole, "PX", "edge of the crops"),
    "style_size": (whole, "PX", "long edge of the paintings, which decides the size of strokes"),
    "learning_rate": (number, "R", "of Adam"),
    "alpha": (number, "A", "content weight"),
    "beta": (number, "B", "style weight"),
    "gamma": (number, "G", "total variation weight"),
    "seed": (whole, "N", "of the first weights and of the crops"),
}
"""The settings that are a number each: how they are parsed, shown and described."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.add_argument("paintings", metavar="PAINTING", nargs="+", help="the styles to learn")
    add = parser.add_argument_group("files", "as in --photos holiday").add_argument
    add("--photos", metavar="DIR", required=True, help="a folder of photographs of any kind")
    add("-o", "--output", metavar="OUT.h5", default="style.h5", help="the network (style.h5)")
    add_checkpoint(add)
    add("--log", metavar="FILE.csv", help="write the losses of each step")
    add("--save-every", type=whole, metavar="N", help="write OUT-0000N.png every N steps")
    add("--weights", metavar="FILE", help="weights file of VGG-19 (see `jnst info`)")
    add("--quiet", action="store_true", help="only print errors")
    add = parser.add_argument_group("training", "as in --steps 4000 --beta 8").add_argument
    default = Training()
    for name, (kind, letter, words) in NUMBERS.items():
        usual = getattr(default, name)
        add(as_option(name), type=kind, metavar=letter, help=f"{words} ({usual:g})")
    add("--channels", type=whole, metavar="N", help="of the network, at full size (16)")
    losses = ", ".join(STYLE_LOSSES)
    add("--style-loss", metavar="S", help=f"{losses} ({default.style_loss})")


def run(args: argparse.Namespace) -> int:
    """Check everything, train and write; return the exit code."""
    began = time.monotonic()
    output = check_output(args.output)
    if output.suffix.lower() != ".h5":
        raise ValueError(f"-o must name a .h5 file, got {output}")
    log = check_output(args.log, "--log") if args.log else None
    if args.resume and not args.checkpoint:
        raise ValueError("--resume needs --checkpoint")
    check_checkpoint(args.checkpoint, args.checkpoint_every, args.resume)
    if args.save_every is not None:
        check_integer("--save-every", args.save_every, least=1)
    training, architecture = settings_of(args), architecture_of(args.channels)
    plan, picture = [((training.crop,) * 2, training.steps)], output.with_suffix(".png")
    between = saved_between(picture, args.save_every, plan)
    written = [output, *([log] if log else []), *between]
    for painting in args.paintings:
        check_not_overwriting("painting", painting, written)
    paintings = [read_seen(path, training.style_size) for path in args.paintings]
    weights = open_weights(find_weights(args.weights), "vgg19")
    photos, problems = read_photographs(args.photos, training.crop)
    for problem in problems:
        print(f"{args.parser.prog}: left out: {problem}", file=sys.stderr)
    make_ready()
    if not args.quiet:
        what = f"{len(photos)} photograph{'s' if len(photos) > 1 else ''}"
        print(f"training with {what} at {training.crop} px", file=sys.stderr, flush=True)
    side = SideOutputs(args.parser.prog)
    names = names_of(args.paintings)
    with interrupts() as interrupted, contextlib.ExitStack() as stack:
        show = None
        if not args.quiet:
            show = stack.enter_context(ProgressReport(plan, sys.stderr))

        def callback(progress: Progress) -> bool:
            if show:
                show(progress)
            if args.save_every and progress.step % args.save_every == 0:
                with side.attempt("--save-every"):
                    save_image(numbered(picture, progress.step), progress.picture())
            return interrupted()

        with side.checkpoints():
            trained = train(
                make_vgg(weights),
                photos,
                paintings,
                names=names,
                architecture=architecture,
                callback=callback,
                checkpoint=args.checkpoint,
                checkpoint_every=args.checkpoint_every,
                resume=args.resume,
                **dataclasses.asdict(training),
            )
    write_painter(output, weights_of(trained, record_of(args, trained, training, len(photos))))
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


def settings_of(args: argparse.Namespace) -> Training:
    """The settings that the arguments name; an error names the option."""
    given = {name: getattr(args, name) for name in (*NUMBERS, "style_loss")}
    try:
        return Training(**{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        name, _, rest = str(error).partition(" ")
        raise ValueError(f"{as_option(name) if name in given else name} {rest}") from None


def architecture_of(channels: int | None) -> Architecture:
    """The network, with so many channels at the picture's size, twice and four times as many."""
    if channels is None:
        return Architecture()
    check_integer("--channels", channels, least=1, most=512)
    return Architecture(channels=(channels, 2 * channels, 4 * channels))


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
