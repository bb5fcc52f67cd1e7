"""`jnst dream --frames`: a zooming dream as a video, or as a folder of pictures."""

import argparse
import contextlib
import itertools
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float

from jnst._checks import check_choice
from jnst._files import atomic_write
from jnst.cli.dream_options import check_kept, dream_record, headline, prepare_dream
from jnst.cli.program import Diverged
from jnst.cli.progress import ProgressReport
from jnst.cli.runtime import interrupts, make_ready
from jnst.grid.runs import GridProgress
from jnst.image.pictures import FORMATS, save_image
from jnst.optim.minimization import Progress
from jnst.visualize.dream_settings import FRAME_STEPS, DreamSettings
from jnst.visualize.folders import check_own_folder, files_in
from jnst.visualize.movies import CODECS, FPS, check_movie, is_movie, write_movie
from jnst.visualize.zooming import check_zooming, dream_frames

RECORD = "dream.json"
OTHER_MOVIES = (".avi", ".flv", ".gif", ".m4v", ".mov", ".mpeg", ".mpg", ".ogv", ".wmv")
"""Suffixes that nobody means a folder by."""


def run_video(args: argparse.Namespace) -> int:
    """Check everything, dream frame after frame and write; return the exit code."""
    began = time.monotonic()
    zoom = 0.05 if args.zoom is None else args.zoom
    rotate = 0.0 if args.rotate is None else args.rotate
    frame_steps = FRAME_STEPS if args.frame_steps is None else args.frame_steps
    fps = FPS if args.fps is None else args.fps
    check_zooming(args.frames, zoom, rotate, frame_steps)
    for option in ("save_every", "log", "preview"):
        if getattr(args, option) is not None:
            raise ValueError(f"--{option.replace('_', '-')} and --frames are mutually exclusive")
    output = Path("dream.mp4" if args.output is None else args.output)
    movie = is_movie(output)
    if movie:
        output = check_movie(output, fps)
    elif output.suffix.lower() in FORMATS:
        raise ValueError(f"{output} is a single picture; with --frames give a video or a folder")
    elif output.suffix.lower() in OTHER_MOVIES:
        check_choice("the suffix of a video", output.suffix.lower(), CODECS)
    elif args.fps is not None:
        raise ValueError("--fps is of a video; the pictures of a folder have no rate")
    else:
        output = check_own_folder(output, RECORD, "dream")
    job = prepare_dream(args)
    if len(job.each) > 1:
        raise ValueError("--frames is for a single dream; give one choice of layers and channels")
    (sought,) = job.each
    check_kept(args, job, [output] if movie else files_in(output))
    record = dream_record(job, sought)
    motion = {"frames": args.frames, "zoom": zoom, "rotate": rotate, "frame_steps": frame_steps}
    record["options"] |= motion
    make_ready()
    if not args.quiet:
        line = f"{headline(job)}\n{args.frames} frames"
        print(line, file=sys.stderr, flush=True)
    count, stopped = 0, False
    with contextlib.ExitStack() as stack:
        interrupted = stack.enter_context(interrupts())
        show = None
        if not args.quiet:
            fields = dict(job.settings) | {"steps": frame_steps}
            plan = DreamSettings(**fields).plan(*job.photo.pixels.shape[:2])  # type: ignore[arg-type]
            show = stack.enter_context(
                ProgressReport(plan, sys.stderr, args.frames, label=frame_number)
            )

        def callback(progress: Progress) -> bool:
            nonlocal stopped
            if show and count:  # the first has more steps than the others, and a compiler's work
                show(of_frame(progress, count, args.frames))
            stopped = interrupted()
            return stopped

        frames = dream_frames(
            job.network.make(),
            job.photo.pixels,
            args.frames,
            zoom=zoom,
            rotate=rotate,
            frame_steps=frame_steps,
            layers=sought.layers,
            channels=sought.channels or None,
            guide=job.guide,
            key=jax.random.key(job.options["seed"]),
            tile=args.tile,
            callback=callback,
            **job.settings,
        )

        def counted() -> Iterator[Float[np.ndarray, "H W 3"]]:
            nonlocal count
            for frame in frames:
                if stopped and count:  # half-way
                    return
                count += 1
                yield frame

        if movie:
            write_movie(output, counted(), fps=fps, comment=json.dumps(record))
        else:
            write_frames(output, counted(), record)
    if not args.quiet:
        seconds = time.monotonic() - began
        print(f"wrote {output}: {count} frames in {seconds:.0f} s", file=sys.stderr)
    if count < args.frames and not stopped:
        raise Diverged(
            f"a loss was no longer finite; {output} holds the frames before; a lower --strength "
            "may help"
        )
    return 130 if stopped else 0


def of_frame(progress: Progress, done: int, total: int) -> GridProgress:
    """Return the progress of a frame as that of a grid, which has a picture for each."""
    return GridProgress(
        cells=((done,),),
        done=done,
        total=total,
        step=progress.step,
        steps=progress.steps,
        shape=progress.shape,
        losses=progress.losses,
        pictures=lambda: np.asarray(progress.picture())[None],
    )


def frame_number(progress: GridProgress) -> str:
    """Name the frame that is being dreamed."""
    return f"frame {progress.done + 1}/{progress.total}"


def write_frames(
    folder: Path, frames: Iterable[Float[np.ndarray, "H W 3"]], record: dict[str, object]
) -> None:
    """Write a picture for each frame; those of an earlier run go when the first is there."""
    first = next(iter(frames := iter(frames)))
    folder.mkdir(exist_ok=True)
    for number in range(1, frames_before(folder) + 1):
        frame_file(folder, number).unlink(missing_ok=True)
    with atomic_write(folder / RECORD) as temporary:
        temporary.write_text(json.dumps({"dream": record}, indent=1), encoding="utf-8")
    for number, frame in enumerate(itertools.chain([first], frames), start=1):
        save_image(frame_file(folder, number), frame, settings=record, fast=True)


def frame_file(folder: Path, number: int) -> Path:
    """Return the file of a frame, from 1 on."""
    return folder / f"frame-{number:05d}.png"


def frames_before(folder: Path) -> int:
    """Return how many frames the record of an earlier run tells of."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return int(record["dream"]["options"]["frames"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
