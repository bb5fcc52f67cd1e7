"""`jnst stylize`: its options, and a run from files to a file."""

import argparse
import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jnst._checks import near_match, one_of, whole_number
from jnst.arguments import layers, number, numbers, whole, wholes
from jnst.checkpoint import check_checkpoint
from jnst.cli import Diverged
from jnst.cli_regions import (
    OPTIONS as REGIONS,
)
from jnst.cli_regions import (
    Masks,
    add_regions,
    check_names,
    drop_other_styles,
    mask_files,
    read_masks,
)
from jnst.color import COLORS, check_palette
from jnst.files import check_output, spare
from jnst.fitting import AUTO, check_tile
from jnst.images import (
    Picture,
    check_image_output,
    fit,
    image_size,
    read_picture,
    read_settings,
    save_image,
)
from jnst.inputs import INITS
from jnst.objective import WEIGHINGS, blend_shares
from jnst.optimize import OPTIMIZERS
from jnst.presets import PRESETS
from jnst.preview import Preview, check_preview
from jnst.progress import ProgressReport, write_log
from jnst.runtime import devices, interrupts, precision, use_compilation_cache
from jnst.settings import LARGEST_EDGE, SCHEDULES, SETTINGS, SMALLEST_EDGE, Plan, Settings
from jnst.style_losses import STYLE_LOSSES
from jnst.stylize import CHECKPOINT_EVERY, Progress, stylize
from jnst.version import __version__
from jnst.vgg import PADDINGS, POOLINGS, PRECISIONS, VGG19, choose_precision
from jnst.weights import Found, Weights, find_weights, make_vgg19, open_weights

OPTIONS: dict[str, Any] = {
    "size": 512,
    "init": "content",
    "palette": None,
    "seed": 0,
    "pooling": "max",
    "padding": "zeros",
    "precision": "auto",
    **REGIONS,
}
"""Defaults of the options that shape the picture beside the fields of `Settings`."""

TILES: dict[str, Any] = {AUTO: AUTO, "off": None}
"""The words that --tile takes beside a number."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the command's arguments."""
    parser.add_argument(
        "content", metavar="CONTENT", nargs="+", help="the picture to paint, or several"
    )
    parser.add_argument("style", metavar="STYLE", help="the picture in whose style to paint it")
    add = parser.add_argument_group("picture", "as in --size 1024 --preset paper").add_argument
    add("-o", "--output", metavar="OUT", help="file, or folder for several (stylized.png)")
    add_picture(add)
    add("--seed", type=whole, metavar="N", help="of the noise (0)")
    add_blend(add)
    add_regions(parser)
    example = "as in --beta 30 --style-layers relu1_1:4,relu3_1:1"
    add_look(parser.add_argument_group("look", example).add_argument)
    example = "as in --optimizer lbfgs --sizes 256,512 --steps 200,100"
    add_optimisation(parser.add_argument_group("optimisation", example).add_argument)
    add = parser.add_argument_group("running", "as in --log losses.csv").add_argument
    add_running(add)
    add(
        "--tile",
        type=tile,
        default=AUTO,
        metavar="N",
        help="work in windows of N px, auto or off (auto)",
    )
    add("--save-every", type=whole, metavar="N", help="write OUT-0000N.png too, every N steps")
    add("--log", metavar="FILE.csv", help="write the losses of every step")
    add("--checkpoint", metavar="FILE", help="keep in FILE what is needed to go on after a break")
    add(
        "--checkpoint-every",
        type=whole,
        default=CHECKPOINT_EVERY,
        metavar="N",
        help=f"steps between two checkpoints ({CHECKPOINT_EVERY})",
    )
    add("--resume", action="store_true", help="go on from --checkpoint's FILE if it is there")
    add(
        "--preview",
        nargs="?",
        type=port,
        const=0,
        metavar="PORT",
        help="show the run on a local page, at a free port if none is given",
    )


def tile(text: str) -> int | str | None:
    """`auto`, `off` or a number of pixels; whether that is enough is for `jnst.stylize` to say."""
    if text in TILES:
        return TILES[text]
    try:
        return whole(text)
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise argparse.ArgumentTypeError(
            f"must be a whole number, {' or '.join(TILES)}, got {text!r}{near_match(text, TILES)}"
        ) from error


def port(text: str) -> int:
    """A port's number; whether there is such a port is told later, with all else that is."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of a port; without one, --preview stands behind the pictures"
        ) from None


Add = Callable[..., Any]
"""The `add_argument` of a group."""


def add_picture(add: Add) -> None:
    """The options that choose size and start, here and in a grid."""
    add("--size", type=whole, metavar="PX", help=f"long edge of the result ({OPTIONS['size']})")
    add("--init", metavar="INIT", help=f"start from {', '.join(INITS)} or a file (content)")
    add("--like", metavar="PICTURE", help="take what is not given here from PICTURE")
    add("--preset", metavar="NAME", help=f"or from {', '.join(PRESETS)}")


def add_blend(add: Add, of: str = "STYLE") -> None:
    """The options that blend styles."""
    add("--add-style", metavar="FILE", action="append", default=[], help=f"blend with {of}")
    add("--style-weights", type=numbers, metavar="W,…", help=f"of {of} and each added (1,1,…)")


def add_look(add: Add, several: bool = False) -> None:
    """The options that weigh the terms; a grid takes several numbers and layers for each."""
    default, one, more = Settings(), numbers if several else number, ",…" if several else ""
    of_layers: dict[str, Any] = {"type": layers, "metavar": "L,…"}
    if several:
        of_layers["action"] = "append"
    add("--alpha", type=one, metavar=f"A{more}", help=f"weight of the content ({default.alpha:g})")
    add("--beta", type=one, metavar=f"B{more}", help=f"weight of the style ({default.beta:g})")
    add("--gamma", type=one, metavar=f"G{more}", help="weight of the total variation (0)")
    add("--weighing", metavar="W", help=f"{', '.join(WEIGHINGS)} ({default.weighing})")
    add("--content-layers", **of_layers, help="layers, or layer:weight (relu4_2)")
    add("--style-layers", **of_layers, help="likewise (relu1_1,relu2_1,…,relu5_1)")
    add("--style-loss", metavar="S", help=f"{', '.join(STYLE_LOSSES)} ({default.style_loss})")
    add("--style-scale", type=number, metavar="S", help="size of strokes, times the usual (1)")
    add("--pooling", metavar="P", help=f"{', '.join(POOLINGS)} ({OPTIONS['pooling']})")
    add("--padding", metavar="P", help=f"{', '.join(PADDINGS)} ({OPTIONS['padding']})")
    add("--colors", metavar="C", help=f"{', '.join(COLORS)} ({default.colors})")
    add("--palette", metavar="FILE", help="give the style the colours of this picture first")
    add("--photorealism", type=one, metavar=f"W{more}", help="weight of staying a photograph (0)")


def add_optimisation(add: Add, several: bool = False) -> None:
    """The options that steer the descent; a grid takes several numbers for each."""
    default, one, more = Settings(), numbers if several else number, ",…" if several else ""
    add("--steps", type=wholes, metavar="N", help=f"in all ({default.steps}), or N,N,… a size")
    add("--sizes", type=wholes, metavar="PX,…", help="long edges to work at, instead of --size")
    add("--optimizer", metavar="O", help=f"{' or '.join(OPTIMIZERS)} ({default.optimizer})")
    add("--learning-rate", type=one, metavar=f"R{more}", help="of the first step (the optimiser's)")
    add("--schedule", metavar="S", help=f"{' or '.join(SCHEDULES)} (the optimiser's)")
    add("--averaging", type=one, metavar=f"D{more}", help=f"of iterates ({default.averaging:g})")
    add("--clip", action=argparse.BooleanOptionalAction, help="keep pixels in [0, 1] (--clip)")
    if not several:
        add("--tolerance", type=number, metavar="T", help="end a size on less gain in 20 steps (0)")


def add_running(add: Add) -> None:
    """The options that leave the picture as it is, but for rounding."""
    add("--precision", metavar="P", help=f"{', '.join(PRECISIONS)} ({OPTIONS['precision']})")
    add("--weights", metavar="FILE", help="VGG-19 weights (those that `jnst info` shows)")
    add("--quiet", action="store_true", help="say nothing but errors")


class Job(NamedTuple):
    """A run that has been checked and is ready to start."""

    content: Picture
    styles: list[np.ndarray]
    init: str | np.ndarray
    palette: np.ndarray | None
    masks: Masks
    options: dict[str, Any]
    settings: Settings
    plan: Plan
    weights: Weights
    found: Found


def choose(args: argparse.Namespace) -> tuple[dict[str, Any], Settings]:
    """The options beside the settings, and the settings: given ones, those of --like, defaults."""
    chosen = dict(OPTIONS)
    if args.like:
        if args.preset:
            raise ValueError("--like and --preset exclude each other; give one of them")
        chosen |= read_options(args.like)
        styles = chosen.get("style_weights")
        if isinstance(styles, list) and len(styles) != len(style_files(args)):
            chosen["style_weights"] = None  # those of --like went with its styles
        drop_other_styles(chosen, len(style_files(args)))
        if args.colors == "luminance":
            chosen["palette"] = None  # likewise with its colours
    if args.preset:
        one_of("--preset", args.preset, PRESETS)
        chosen |= {**PRESETS[args.preset].run, **PRESETS[args.preset].network}
    if args.size is not None:
        if args.sizes is not None:
            raise ValueError("--size and --sizes exclude each other; give one of them")
        sizes = chosen.get("sizes")
        one_size = isinstance(sizes, int) or (isinstance(sizes, Sequence) and len(sizes) == 1)
        chosen["sizes"] = args.size if one_size else None  # what is made at one size stays so
    if (args.size or args.sizes) and isinstance(chosen.get("steps"), list | tuple):
        chosen["steps"] = sum(chosen["steps"])  # those of --like went with its sizes
    given = ((name, getattr(args, name, None)) for name in (*OPTIONS, *SETTINGS))
    chosen |= {name: value for name, value in given if value is not None}
    try:
        settings = Settings.of(**{name: chosen.pop(name) for name in SETTINGS if name in chosen})
        if isinstance(settings.sizes, Sequence):
            chosen["size"] = settings.sizes[-1]
        whole_number("--size", chosen["size"], least=SMALLEST_EDGE, most=LARGEST_EDGE)
        check_seed(chosen["seed"])
        if not isinstance(chosen["init"], str):
            raise TypeError(f"--init must be a word or the name of a file, got {chosen['init']!r}")
        if not isinstance(chosen["palette"], str | None):
            raise TypeError(f"--palette must be the name of a file, got {chosen['palette']!r}")
        check_names(chosen)
    except TypeError as error:  # of the right type unless somebody edited the picture of --like
        raise ValueError(str(error)) from error
    one_of("--pooling", chosen["pooling"], POOLINGS)
    one_of("--padding", chosen["padding"], PADDINGS)
    one_of("--precision", chosen["precision"], PRECISIONS)
    check_palette(settings.colors, chosen["palette"], name="--palette")
    return chosen, settings


def check_seed(seed: Any) -> None:
    """Raise unless `seed` is one that JAX's random keys tell from all others."""
    whole_number("--seed", seed, least=0, most=2**32 - 1)


def prepare(args: argparse.Namespace) -> Job:
    """Read and check everything that the arguments name; raises before anything is computed."""
    options, settings = choose(args)
    paths = style_files(args)
    blend_shares(settings.style_weights, len(paths))
    if options["init"] not in INITS and not Path(options["init"]).is_file():
        raise ValueError(
            f"--init must be {', '.join(INITS)} or a picture, and there is no file "
            f"{options['init']!r}{near_match(options['init'], INITS)}"
        )
    content = read_input(args.content, options["size"], least=1)  # too narrow a one is told later
    init, palette = options["init"], options["palette"]
    if init not in INITS:
        init = read_input(init, options["size"]).pixels
    if palette is not None:
        palette = read_input(palette, options["size"]).pixels
    styles = [read_input(path, style_size(options, settings)).pixels for path in paths]
    masks = read_masks(options, content.pixels.shape, [style.shape for style in styles])
    found = find_weights(args.weights)
    return Job(
        content=content,
        styles=styles,
        init=init,
        palette=palette,
        masks=masks,
        options=options,
        settings=settings,
        plan=settings.plan(*content.pixels.shape[:2]),
        weights=open_weights(found),
        found=found,
    )


def style_files(args: argparse.Namespace) -> list[str]:
    """The files of all styles that are blended."""
    return [args.style, *args.add_style]


def style_size(options: dict[str, Any], settings: Settings) -> int:
    """The long edge in pixels that the styles need."""
    return max(SMALLEST_EDGE, round(settings.style_scale * options["size"]))


def read_input(path: str, size: int, least: int = SMALLEST_EDGE) -> Picture:
    """A picture with `size` as its long edge, or a longer one where its short edge needs it."""
    width, height = image_size(path)
    if min(width, height) < SMALLEST_EDGE:
        raise ValueError(
            f"{path} has only {width}×{height} px; both edges need at least {SMALLEST_EDGE} px"
        )
    return read_picture(path, max(fit(height, width, size, least)))


def read_options(path: str) -> dict[str, Any]:
    """The options stored in a picture that jnst made."""
    record = read_settings(path)
    if record is None or not isinstance(record.get("options"), dict):
        raise ValueError(f"--like {path}: the picture carries no settings of jnst")
    return {
        name: value for name, value in record["options"].items() if name in (*OPTIONS, *SETTINGS)
    }


def run(args: argparse.Namespace) -> int:
    """Check everything, stylise, write; returns the exit code."""
    if len(args.content) > 1:
        from jnst.cli_batch import run_batch  # which is built from what is here

        return run_batch(args)
    args = argparse.Namespace(**vars(args) | {"content": args.content[0]})
    output = check_image_output("stylized.png" if args.output is None else args.output)
    log = check_output(args.log, "--log") if args.log else None
    if log and log.suffix.lower() != ".csv":
        raise ValueError(f"--log must be the name of a .csv file, got {log}")
    if args.save_every is not None:
        whole_number("--save-every", args.save_every, least=1)
    whole_number("--checkpoint-every", args.checkpoint_every, least=1)
    if args.resume and not args.checkpoint:
        raise ValueError("--resume needs a --checkpoint to go on from")
    checkpoint, _ = check_checkpoint(args.checkpoint, args.checkpoint_every, args.resume)
    if args.preview is not None:
        check_preview(args.preview, name="--preview")
    job = prepare(args)
    check_tile(args.tile, job.settings, name="--tile")
    spare_inputs(args, job, [output, *([log] if log else []), *between(output, args, job)])
    if checkpoint and checkpoint.resolve() in (output.resolve(), log and log.resolve()):
        raise ValueError(f"--checkpoint {checkpoint} is where another output goes; rename one")
    settings = dataclasses.asdict(job.settings)
    record = job_record(job, args.content, style_files(args), job.options | settings)
    with contextlib.ExitStack() as stack:
        page = None
        if args.preview is not None:
            shown = {name: record[name] for name in ("content", "style")} | record["options"]
            page = stack.enter_context(Preview(job.plan, shown, args.preview))
            # Even where --quiet is given: without the address there is no page to look at.
            print(f"preview at {page.address}", file=sys.stderr, flush=True)
        return paint(args, job, output, log, record, page)


def paint(
    args: argparse.Namespace,
    job: Job,
    output: Path,
    log: Path | None,
    record: dict[str, Any],
    page: Preview | None,
) -> int:
    """Stylise, write, show on the page; returns the exit code."""
    began = time.monotonic()
    use_compilation_cache()
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
    save_image(output, result.image, alpha=job.content.alpha, settings=record)
    if log:
        write_log(log, result.losses, result.plan)
    if not args.quiet:
        seconds = time.monotonic() - began
        why = ", converged" if result.reason == "converged" else ""
        print(f"wrote {output}: {result.steps} steps in {seconds:.0f} s{why}", file=sys.stderr)
    if page:
        page.finish(result.image, result.reason)
    if result.reason == "diverged":
        raise Diverged(
            f"the loss was no longer finite after step {result.steps}; {output} holds the last "
            "finite picture; a lower --learning-rate may help"
        )
    return 130 if result.reason == "stopped" else 0


def job_record(
    job: Job, content: str, styles: Sequence[str], options: dict[str, Any]
) -> dict[str, Any]:
    """What a picture carries: how it was made of which pictures."""
    return {
        "jnst": __version__,
        "content": Path(content).name,
        "style": ", ".join(Path(style).name for style in styles),
        "weights": f"{job.weights.source} {job.weights.sha256[:8]}",
        "options": options,
    }


def job_model(job: Job) -> VGG19:
    """The network as the options want it."""
    options = job.options
    chosen = {name: options[name] for name in ("pooling", "padding", "precision")}
    return make_vgg19(job.weights, **chosen)


def numbered(output: Path, step: int) -> Path:
    """Where --save-every puts the picture after a step."""
    return output.with_stem(f"{output.stem}-{step:05d}")


def between(output: Path, args: argparse.Namespace, job: Job) -> list[Path]:
    """The pictures that --save-every will write."""
    if not args.save_every:
        return []
    total = sum(steps for _, steps in job.plan)
    return [numbered(output, step) for step in range(args.save_every, total + 1, args.save_every)]


def spare_inputs(args: argparse.Namespace, job: Job, outputs: list[Path]) -> None:
    """Raise ValueError if a file to be written is one of those that the run is made from."""
    for name, path in (
        ("content", args.content),
        *(("style", style) for style in style_files(args)),
        ("weights file", job.found.path),
    ):
        spare(name, path, outputs)
    if job.palette is not None:
        spare("palette", job.options["palette"], outputs)
    for mask in mask_files(job.options):
        spare("mask", mask, outputs)


def headline(job: Job) -> str:
    """Device, precision, sizes and weights in one line."""
    device = devices()[0]
    words = precision(device, choose_precision(job.options["precision"], device.platform))
    shapes = " → ".join(f"{width}×{height}" for (height, width), _ in job.plan)
    return (
        f"jnst {__version__} · {device.device_kind} · {words} · {shapes} px · "
        f"{job.weights.lineage} VGG-19 {job.found.origin}"
    )
