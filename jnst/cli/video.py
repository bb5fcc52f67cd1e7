"""`jnst video`: from a clip and a painting to a painted clip."""

import argparse
import contextlib
import importlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jnst._files import check_not_overwriting, sha256_of
from jnst.cli.preview import check_preview
from jnst.cli.runtime import interrupts
from jnst.cli.side_outputs import SideOutputs, check_table
from jnst.cli.video_options import SIZE
from jnst.cli.video_options import add_arguments as add_arguments
from jnst.cli.video_preview import FramePreview
from jnst.cli.video_report import FrameProgress, Strip, summary, write_report, write_strip
from jnst.image.pictures import check_image_output
from jnst.version import __version__
from jnst.video.clip import Clip, Window
from jnst.video.flow import check_opencv
from jnst.video.painted import Measured, PaintedFrame
from jnst.video.painting import paint_clip
from jnst.video.reading import open_clip
from jnst.video.resuming import facts_of, forget_stop, read_stop, stop_file, write_stop
from jnst.video.writing import PIXEL_FORMAT, Encoding, check_video_output, open_writer


def run(args: argparse.Namespace) -> int:
    """Check everything, paint and write; return the exit code."""
    began = time.monotonic()
    check_opencv()
    if args.preview is not None:
        check_preview(args.preview, name="--preview")
    encoding = Encoding(
        codec=args.codec,
        quality=args.quality,
        pixel_format=args.pixel_format or PIXEL_FORMAT,
        sound=not args.no_sound,
    )
    output = check_video_output(args.output or "video.mp4", encoding)
    report = check_table(args.report, "--report")
    strip_file = check_image_output(args.strip, "--strip") if args.strip else None
    written = [path for path in (output, report, strip_file) if path]
    if len({path.resolve() for path in written}) < len(written):
        raise ValueError(f"{output}, --report and --strip need different names")
    if strip_file:
        for folder in (args.clip, output):
            if strip_file.resolve().parent == Path(folder).resolve():
                raise ValueError(f"--strip {strip_file} would lie among the frames of {folder}")
    size = SIZE if args.size is None else args.size
    clip = open_clip(args.clip, Window(args.start or 0.0, args.end, args.fps, size))
    # By its name, as the command itself: networks are imported once the clip has been read.
    job = importlib.import_module("jnst.cli.video_jobs").prepare(args)
    for name, path in (("clip", args.clip), *job.inputs):
        check_not_overwriting(name, path, written)
    painters = job.painters(clip.shape)
    passes = painters[0].passes
    record = {"jnst": __version__, "clip": Path(args.clip).name, **job.record}
    height, width = clip.shape
    identity = identity_of(clip, encoding, record, job.inputs)
    since = read_stop(output, identity) if args.resume else None
    if since and not output.exists():
        raise ValueError(f"{output} is gone, whose frames are to be kept; leave out --resume")
    if not args.quiet:
        frames = counted(clip.count) if clip.count else "frames"
        rate = f"{float(clip.rate):.4g} a second"
        many = f" · scenes on {len(painters)} devices" if len(painters) > 1 else ""
        print(f"{frames} of {width}×{height} px, {rate}{many}", file=sys.stderr, flush=True)
    kept = since.frames if since else 0
    side = SideOutputs(args.parser.prog)
    strip = Strip()
    with interrupts() as interrupted, contextlib.ExitStack() as stack:
        show = page = None
        if args.preview is not None:
            work = clip.count and clip.count * passes
            unit = "frame" if passes == 1 else "picture"
            shown = {name: record[name] for name in ("clip", "style")} | record["options"]
            page = FramePreview(shown, args.preview, clip.shape, work, unit, kept)
            stack.enter_context(page)
            page.page.tell_address()
        if not args.quiet:
            show = stack.enter_context(FrameProgress(sys.stderr, clip.count, passes, kept))

        def callback(frame: PaintedFrame) -> bool:
            if show:
                show(frame)
            if page:
                with side.attempt("--preview"):
                    page(frame)
            if strip_file and not frame.draft:
                strip.add(frame)
            return interrupted()

        measured = Measured(long=report is not None, compare=args.compare)
        writer = open_writer(output, clip, encoding, record, kept)
        rows, stopped, state = paint_clip(
            clip, painters, writer, measured=measured, callback=callback, since=since
        )
        if page:
            with side.attempt("--preview"):
                page.finish(stopped)
    if stopped and passes == 1:
        with side.attempt(f"{stop_file(output)}, without which --resume cannot go on"):
            write_stop(output, state, rows, identity)
    else:
        forget_stop(output)
    if report:
        with side.attempt(f"--report {report}"):
            write_report(report, rows)
    if strip_file and strip.kept:
        with side.attempt(f"--strip {strip_file}"):
            write_strip(strip_file, strip)
    if clip.problem:
        print(f"{args.parser.prog}: {args.clip}: {clip.problem}", file=sys.stderr)
    if not args.quiet:
        seconds = time.monotonic() - began
        new = len(rows) - kept
        part = f", {new} of them" if kept else ""
        said = f"{counted(len(rows))}{part} in {seconds:.0f} s, {new / seconds:.3g} a second"
        print(f"wrote {output}: {said}", file=sys.stderr)
        if measures := summary(rows):
            print(measures, file=sys.stderr)
    return 130 if stopped else 0


def counted(frames: int) -> str:
    """Frames in words."""
    return f"{frames} frame{'s' if frames > 1 else ''}"


def identity_of(
    clip: Clip, encoding: Encoding, record: Mapping[str, Any], inputs: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """What must be the same for a clip that was stopped to go on, as JSON holds it."""
    identity = {
        **record,
        "size": clip.shape,
        "rate": clip.rate,
        "part (start, end, fps)": clip.window[:3],
        "clip's file": facts_of(clip.path),
        "files' contents": contents_of(inputs),
        "encoding (codec, quality, pixel format, sound)": encoding,
    }
    found: dict[str, Any] = json.loads(json.dumps(identity, default=str))
    return found


def contents_of(inputs: Sequence[tuple[str, str]]) -> list[str]:
    """What tells styles and a palette from others of their names."""
    kinds = "style", "palette"
    return [f"{kind} {sha256_of(Path(file))[:8]}" for kind, file in inputs if kind in kinds]
