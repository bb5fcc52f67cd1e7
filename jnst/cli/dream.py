"""`jnst dream`: its options, and a dream from an input file to a picture, a sheet or a video."""

import argparse
import contextlib
import importlib
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jnst._files import check_output
from jnst._text import as_option
from jnst.cli.arguments import add_watching, layers, number, whole
from jnst.cli.dream_options import (
    DREAM_SETTINGS,
    DreamJob,
    check_kept,
    dream_record,
    headline,
    prepare_dream,
)
from jnst.cli.network import add_network
from jnst.cli.options import OPTIONS, tile
from jnst.cli.preview import Preview
from jnst.cli.program import Diverged
from jnst.cli.progress import ProgressReport, write_log
from jnst.cli.runtime import interrupts, make_ready
from jnst.cli.side_outputs import (
    SideOutputs,
    check_log,
    check_names_differ,
    save_on_the_way,
    saved_between,
)
from jnst.cli.streams import STREAM, check_picture_output, check_streams, write_picture
from jnst.image.pictures import save_image
from jnst.optim.minimization import Progress
from jnst.transfer.job import Result
from jnst.transfer.tile_checks import AUTO
from jnst.visualize.dream_settings import DREAM_PRESETS, FRAME_STEPS, DreamSettings
from jnst.visualize.dreams import dream_each
from jnst.visualize.movies import FPS
from jnst.visualize.tables import check_tiles, in_rows, table_of

LIBRARY_SETTINGS = (*DREAM_SETTINGS, "channels", "frames", "zoom", "rotate", "frame_steps", "fps")
"""Options that the library's messages call by their names."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    default = DreamSettings()
    parser.set_defaults(library_settings=LIBRARY_SETTINGS)
    parser.add_argument("photo", metavar="PHOTO", help="picture to dream of")
    add = parser.add_argument_group("picture", "as in --size 1024 --preset eyes").add_argument
    add("-o", "--output", metavar="OUT", help="picture, video or folder (dream.png)")
    add("--size", type=whole, metavar="PX", help=f"long edge in pixels ({OPTIONS['size']})")
    add("--like", metavar="PICTURE", help="take other settings from PICTURE")
    add("--preset", metavar="NAME", help=f"take other settings from {', '.join(DREAM_PRESETS)}")
    add("--seed", type=whole, metavar="N", help="random seed of the jitter (0)")
    example = "as in --layers relu4_4:1,relu5_1:2 --strength 1.5; several make a sheet"
    add = parser.add_argument_group("look", example).add_argument
    add(
        "--layers",
        type=layers,
        action="append",
        metavar="L,…",
        help="layers, or layer:weight; repeatable (relu5_1)",
    )
    add(
        "--channels",
        type=channels,
        metavar="N,…",
        help="one dream for each channel of the layer; 3+17: of both",
    )
    add("--guide", metavar="FILE", help="look for the features of this picture (none)")
    add("--strength", type=number, metavar="S", help=f"how far a step goes ({default.strength:g})")
    add("--octaves", type=whole, metavar="N", help=f"sizes, coarse to fine ({default.octaves})")
    add("--ratio", type=number, metavar="R", help=f"of their edges ({default.ratio:g})")
    add("--steps", type=whole, metavar="N", help=f"steps at each octave ({default.steps})")
    add("--jitter", type=whole, metavar="PX", help=f"random shift of a step ({default.jitter})")
    smooth = f"smooth steps by so many pixels ({default.smoothing:g})"
    add("--smoothing", type=number, metavar="PX", help=smooth)
    add("--bands", type=whole, metavar="N", help=f"equalise N frequencies ({default.bands})")
    add = parser.add_argument_group("video", "as in -o dream.mp4 --frames 100").add_argument
    add("--frames", type=whole, metavar="N", help="fly into the dream for N frames")
    add("--zoom", type=number, metavar="Z", help="share of the edges a frame leaves out (0.05)")
    add("--rotate", type=number, metavar="DEG", help="degrees that a frame turns (0)")
    later = f"steps at each octave of later frames ({FRAME_STEPS})"
    add("--frame-steps", type=whole, metavar="N", help=later)
    add("--fps", type=number, metavar="F", help=f"frames a second ({FPS:g})")
    add = parser.add_argument_group("running", "as in --tile 1024").add_argument
    add_network(add)
    add("--tile", type=tile, default=AUTO, metavar="N", help="windows of N px; auto, off (auto)")
    add("--quiet", action="store_true", help="only print errors")
    add_watching(add, "dream")


def channels(text: str) -> list[list[int]]:
    """Parse numbers of channels: `,` separates dreams, `+` the channels of one."""
    return [[whole(part) for part in of_dream.split("+")] for of_dream in text.split(",")]


def run(args: argparse.Namespace) -> int:
    """Check everything, dream and write; return the exit code."""
    check_streams(args)
    if args.frames is not None:
        # By its name, as the command itself: what videos need is imported for a video only.
        video = importlib.import_module("jnst.cli.dream_video")
        return video.run_video(args)  # type: ignore[no-any-return]
    for option in ("zoom", "rotate", "frame_steps", "fps"):
        if getattr(args, option) is not None:
            raise ValueError(f"{as_option(option)} needs --frames")
    output = check_picture_output("dream.png" if args.output is None else args.output)
    log = check_log(args)
    job = prepare_dream(args)
    outputs = files_of(output, job)
    check_tiles(len(job.each), "--channels" if args.channels else "--layers")
    if len(job.each) > 1:
        for option in ("save_every", "preview", "log"):
            if getattr(args, option) is not None:
                raise ValueError(f"{as_option(option)} is for a single dream")
    written = [output, *outputs, *saved_between(output, args.save_every, job.plan)]
    check_kept(args, job, [*written, *([log] if log else [])])
    check_names_differ(None, log, written)
    records = [dream_record(job, sought) for sought in job.each]
    with contextlib.ExitStack() as stack:
        page = None
        if args.preview is not None:
            shown = {"content": records[0]["content"]} | records[0]["options"]
            page = stack.enter_context(Preview(job.plan, shown, args.preview))
            page.tell_address()
        return dream_and_write(args, Dreams(job, output, outputs, log, records), page)


class Dreams(NamedTuple):
    """Dreams to dream, and where everything of them goes.

    Attributes:
      job: what to dream.
      output: the file of the picture, or of the sheet.
      outputs: the file of each dream.
      log: the file of --log.
      records: what each dream carries.
    """

    job: DreamJob
    output: Path
    outputs: list[Path]
    log: Path | None
    records: list[dict[str, Any]]


def dream_and_write(args: argparse.Namespace, dreams: Dreams, page: Preview | None) -> int:
    """Dream, write and show on the preview page; return the exit code."""
    began = time.monotonic()
    job, output, every = dreams.job, dreams.output, args.save_every
    side = SideOutputs(args.parser.prog)
    make_ready()
    if not args.quiet:
        print(headline(job), file=sys.stderr, flush=True)
    with interrupts() as interrupted, contextlib.ExitStack() as stack:
        show = None if args.quiet else Reports(job, sys.stderr, stack)

        def callback(progress: Progress) -> bool:
            if show:
                show(progress)
            if page:
                with side.attempt("--preview"):
                    page(with_response(progress))
            if every and progress.step % every == 0:
                with side.attempt("--save-every"):
                    save_on_the_way(output, progress, job.photo, dreams.records[0])
            return interrupted()

        dreamed = dream_each(
            job.network.make(),
            job.photo.pixels,
            job.each,
            guide=job.guide,
            key=jax.random.key(job.options["seed"]),
            tile=args.tile,
            callback=callback,
            **job.settings,
        )
    results = [result for result in dreamed if result is not None]
    write(dreams, dreamed)
    if dreams.log:
        with side.attempt(f"--log {dreams.log}"):
            write_log(dreams.log, results[0].losses, results[0].plan)
    if not args.quiet:
        steps, seconds = sum(result.steps for result in results), time.monotonic() - began
        said = f"{steps} steps in {seconds:.0f} s{response(results)}"
        print(f"wrote {output}: {said}", file=sys.stderr)
    if page:
        with side.attempt("--preview"):
            page.finish(results[0].image, results[0].reason)
    if any(result.reason == "diverged" for result in results):
        raise Diverged(
            f"a loss was no longer finite; {output} holds the last finite picture; a lower "
            "--strength may help"
        )
    stopped = len(results) < len(dreamed) or results[-1].reason == "stopped"
    return 130 if stopped else 0


class Reports:
    """A `ProgressReport` for each part of the dreams, which begin again with the first step."""

    def __init__(self, job: DreamJob, stream: Any, stack: contextlib.ExitStack):
        self.job, self.stream, self.stack = job, stream, stack
        self.last = 0
        self.report: ProgressReport | None = None

    def __call__(self, progress: Progress) -> None:
        """Show a step, if it is time to."""
        if self.report is None or progress.step <= self.last:
            self.report = self.stack.enter_context(ProgressReport(self.job.plan, self.stream))
        self.last = progress.step
        self.report(progress)


def files_of(output: Path, job: DreamJob) -> list[Path]:
    """List the file of each dream, checked as the output is, which is a single dream's itself."""
    if len(job.each) == 1:
        return [output]
    if str(output) == STREAM:
        raise ValueError("several dreams are a file each, which standard output cannot be")
    names = [re.sub(r"[^\w+.]+", "-", sought.label) for sought in job.each]
    if len(set(names)) < len(names):
        raise ValueError("--layers and --channels must name each dream once")
    return [check_output(output.with_stem(f"{output.stem}-{name}")) for name in names]


def with_response(progress: Progress) -> Progress:
    """Return the same for the preview page, which draws what is above 0."""
    return progress._replace(losses={"response": -progress.losses["total"]})


def response(results: Sequence[Result]) -> str:
    """Say how much stronger the network responds, of a single dream."""
    if len(results) > 1 or not results[0].steps:
        return ""
    return f", response {-results[0].losses['total'][-1]:.3g} times the photograph's"


def write(dreams: Dreams, results: Sequence[Result | None]) -> None:
    """Write every dream that there is, and of several a sheet."""
    pictures, labels = [], []
    for n, result in enumerate(results):
        if result is None:
            continue
        alpha, record = dreams.job.photo.alpha, dreams.records[n]
        write_picture(dreams.outputs[n], result.image, alpha=alpha, settings=record)
        pictures.append(jax.device_get(result.image))
        labels.append(dreams.job.each[n].label)
    if len(dreams.outputs) > 1:
        record = dreams.records[0]
        sheet = table_of(in_rows(pictures, labels), heading=record["content"])
        options = record["options"] | {"dreams": labels}
        save_image(dreams.output, sheet, settings=record | {"options": options})
