"""What the commands that paint have read when they begin, and what their pictures carry of it."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jnst._checks import near_match
from jnst._files import spare
from jnst.cli.options import choose
from jnst.cli.recolor import visible
from jnst.cli.regions import MaskArguments, mask_files, read_masks
from jnst.cli.runtime import devices, precision
from jnst.execution import memory as cost
from jnst.image.inputs import INITS
from jnst.image.pictures import Picture, fit, image_size, read_picture
from jnst.losses.targets import blend_shares
from jnst.nn.discovery import WeightsFile, find_weights, open_weights
from jnst.nn.loading import make_vgg
from jnst.nn.vgg import VGG, choose_precision
from jnst.nn.weights import Weights
from jnst.transfer.settings import SMALLEST_EDGE, Plan, Settings
from jnst.version import __version__

BYTES_TO_READ = 40
"""For a pixel, at the least: three floats, and what Pillow and NumPy hold on the way to them."""


class Job(NamedTuple):
    """A run that has been checked and is ready to start."""

    content: Picture
    styles: list[np.ndarray]
    init: str | np.ndarray
    palette: np.ndarray | None
    masks: MaskArguments
    options: dict[str, Any]
    settings: Settings
    plan: Plan
    weights: Weights
    found: WeightsFile


def prepare(args: argparse.Namespace) -> Job:
    """Read and check everything that the arguments name; raises before anything is computed."""
    options, settings = choose(args)
    paths = style_files(args.style, options)
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
        palette = read_palette(palette, options["size"])
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


def style_files(style: str, options: dict[str, Any]) -> list[str]:
    """The files of all styles that are blended."""
    return [style, *options["add_style"]]


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
    shape = fit(height, width, size, least)
    if (needed := BYTES_TO_READ * math.prod(shape)) > (free := cost.free_on_host()):
        raise ValueError(
            f"{path} at {shape[1]}×{shape[0]} px takes {needed / 2**30:.1f} GiB of memory to read, "
            f"and {free / 2**30:.1f} GiB are free; choose a smaller --size"
        )
    return read_picture(path, max(shape))


def read_palette(path: str, size: int) -> np.ndarray:
    """A picture for its colours: what is visible of them, each pixel about equally often."""
    picture = read_input(path, size)
    pixels = visible(path, picture).reshape(-1, 3)
    places = np.linspace(0, len(pixels), picture.pixels[..., 0].size, endpoint=False).astype(int)
    return pixels[places].reshape(picture.pixels.shape)


def spare_inputs(args: argparse.Namespace, job: Job, outputs: list[Path]) -> None:
    """Raise ValueError if a file to be written is one of those that the run is made from."""
    for name, path in (
        ("content", args.content),
        *(("style", style) for style in style_files(args.style, job.options)),
        ("weights file", job.found.path),
    ):
        spare(name, path, outputs)
    if job.palette is not None:
        spare("palette", job.options["palette"], outputs)
    for mask in mask_files(job.options):
        spare("mask", mask, outputs)


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


def job_model(job: Job) -> VGG:
    """The network as the options want it."""
    options = job.options
    chosen = {name: options[name] for name in ("pooling", "padding", "precision")}
    return make_vgg(job.weights, **chosen)


def headline(job: Job) -> str:
    """Device, precision, sizes and weights in one line."""
    device = devices()[0]
    words = precision(device, choose_precision(job.options["precision"], device.platform))
    shapes = " → ".join(f"{width}×{height}" for (height, width), _ in job.plan)
    return (
        f"jnst {__version__} · {device.device_kind} · {words} · {shapes} px · "
        f"{job.weights.lineage} VGG-19 {job.found.origin}"
    )
