"""The inputs of a run, read and checked, and the record that its pictures carry."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jnst._checks import near_match
from jnst._files import check_not_overwriting
from jnst._text import as_option
from jnst.cli.options import choose
from jnst.cli.recolor import check_visible, visible
from jnst.cli.regions import MaskArguments, mask_files, read_masks
from jnst.cli.runtime import devices, precision
from jnst.cli.streams import is_input_stream, source_of
from jnst.execution.memory import free_on_host
from jnst.image.fitting import SMALLEST_EDGE, fit
from jnst.image.inputs import INITS, SMALLEST_INPUT
from jnst.image.pictures import Picture, image_size, read_picture
from jnst.losses.blending import blend_shares
from jnst.nn.blocks import network_title
from jnst.nn.discovery import WeightsFile, find_weights, open_weights
from jnst.nn.geometry import Geometry, vgg_geometry
from jnst.nn.loading import make_vgg
from jnst.nn.vgg import VGG, choose_precision
from jnst.nn.weights import Weights
from jnst.transfer.plan import Plan
from jnst.transfer.settings import Settings
from jnst.version import __version__

BYTES_TO_READ = 40
"""Per pixel, at least: three floats, and what Pillow and NumPy need to make them."""
BYTES_IN_FILE = 12
"""Per pixel of a file, at least: its colours twice, and one channel as floats."""
CLEARLY_SEEN = 0.25
"""The alpha from which on a content's colour counts in full."""


class Job(NamedTuple):
    """A checked run that is ready to start."""

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

    @property
    def geometry(self) -> Geometry:
        """The geometry of the network."""
        return vgg_geometry(self.weights.blocks)


def prepare(args: argparse.Namespace, content: Picture | None = None) -> Job:
    """Read and check everything that the arguments name, before anything is computed.

    Args:
      args: of the command line.
      content: the content, where it has been read already.
    """
    options, settings = choose(args)
    paths = style_files(args.style, options)
    blend_shares(settings.style_weights, len(paths))
    init = options["init"]
    if init not in INITS and not is_input_stream(init) and not Path(init).is_file():
        raise ValueError(
            f"--init must be {', '.join(INITS)} or a picture; there is no file "
            f"{init!r}{near_match(init, INITS)}"
        )
    if content is None:  # a plan that is too narrow is reported later
        content = read_input(args.content, options["size"], least=1)
    palette = options["palette"]
    if init not in INITS:
        init = read_seen(init, options["size"])
    if palette is not None:
        palette = read_palette(palette, options["size"])
    of_styles = style_size(options["size"], settings.style_scale)
    styles = [read_seen(path, of_styles) for path in paths]
    masks = read_masks(options, content.pixels.shape, [style.shape for style in styles])
    found = find_weights(args.weights, options["network"])
    weights = open_weights(found, options["network"])
    for name in ("content_layers", "style_layers"):
        vgg_geometry(weights.blocks).check_layers(as_option(name), getattr(settings, name))
    return Job(
        content=content,
        styles=styles,
        init=init,
        palette=palette,
        masks=masks,
        options=options,
        settings=settings,
        plan=settings.plan(*content.pixels.shape[:2]),
        weights=weights,
        found=found,
    )


def style_files(style: str, options: dict[str, Any]) -> list[str]:
    """List the files of all blended styles."""
    return [style, *options["add_style"]]


def style_size(size: int, scale: float) -> int:
    """Return the long edge in pixels at which to read the styles."""
    return max(SMALLEST_EDGE, round(scale * size))


def read_input(path: str, size: int, least: int = SMALLEST_EDGE) -> Picture:
    """Read a picture with the long edge `size`, or longer so that its short edge has `least`.

    Colours that are hardly seen fade to white, so that they do not shine through what is painted.
    """
    picture = read_at(path, size, least)
    if picture.alpha is None:
        return picture
    shown = np.minimum(picture.alpha / CLEARLY_SEEN, 1)[..., None]
    return picture._replace(pixels=1 + shown * (picture.pixels - 1))


def read_seen(path: str, size: int) -> np.ndarray:
    """Read a picture of which no alpha is kept, such as a style: as it is seen on white."""
    return read_at(path, size, SMALLEST_EDGE).on_white()


def read_at(path: str, size: int, least: int) -> Picture:
    """Read a picture as `read_input` does, with its colours as they are stored.

    Raises:
      ValueError: if it cannot be read, is too small, or is transparent everywhere, or if there is
        not the memory for it.
    """
    source = source_of(path)
    width, height = image_size(source)
    if min(width, height) < SMALLEST_INPUT:
        raise ValueError(
            f"{path} has only {width}×{height} px; both edges need at least {SMALLEST_INPUT} px"
        )
    check_memory(path, (height, width))
    shape = fit(height, width, size, least)
    if (needed := BYTES_TO_READ * math.prod(shape)) > (free := free_on_host()):
        raise ValueError(
            f"{path} at {shape[1]}×{shape[0]} px takes {needed / 2**30:.1f} GiB of memory to read, "
            f"but {free / 2**30:.1f} GiB are free; choose a smaller --size"
        )
    picture = read_picture(source, max(shape))
    check_visible(path, picture)
    return picture


def check_memory(path: str, shape: tuple[int, int]) -> None:
    """Raise ValueError if a file's own pixels, (height, width), do not fit into memory."""
    if (needed := BYTES_IN_FILE * math.prod(shape)) > (free := free_on_host()):
        raise ValueError(
            f"{path} has {shape[1]}×{shape[0]} px, which take {needed / 2**30:.1f} GiB of memory "
            f"to read, but {free / 2**30:.1f} GiB are free; scale it down first"
        )


def read_palette(path: str, size: int) -> np.ndarray:
    """Read a picture of any size for its colours, each as often as it is seen.

    A small one is not enlarged, which would mix its colours.
    """
    source = source_of(path)
    width, height = image_size(source)
    check_memory(path, (height, width))
    picture = read_picture(source, min(size, max(width, height)))
    pixels = visible(path, picture, picture.pixels[..., 0].size)
    return pixels.reshape(picture.pixels.shape)


def check_inputs_are_kept(args: argparse.Namespace, job: Job, outputs: list[Path]) -> None:
    """Raise ValueError if one of the `outputs` is an input of the run."""
    for name, path in (
        ("content", args.content),
        *(("style", style) for style in style_files(args.style, job.options)),
        ("weights file", job.found.path),
    ):
        check_not_overwriting(name, path, outputs)
    if (init := job.options["init"]) not in INITS:
        check_not_overwriting("initial image", init, outputs)
    if job.palette is not None:
        check_not_overwriting("palette", job.options["palette"], outputs)
    for mask in mask_files(job.options):
        check_not_overwriting("mask", mask, outputs)


def job_record(
    job: Job, content: str, styles: Sequence[str], options: dict[str, Any]
) -> dict[str, Any]:
    """Return the record that a picture carries: its inputs and options."""
    return {
        "jnst": __version__,
        "content": Path(content).name,
        "style": ", ".join(Path(style).name for style in styles),
        "weights": f"{job.weights.source} {job.weights.sha256[:8]}",
        "options": options,
    }


def job_model(job: Job) -> VGG:
    """Make the network that the options describe."""
    options = job.options
    chosen = {name: options[name] for name in ("pooling", "padding", "precision")}
    return make_vgg(job.weights, **chosen)


def headline(job: Job) -> str:
    """Describe device, precision, sizes and weights in one line."""
    device = devices()[0]
    words = precision(device, choose_precision(job.options["precision"], device.platform))
    shapes = " → ".join(f"{width}×{height}" for (height, width), _ in job.plan)
    return (
        f"jnst {__version__} · {device.device_kind} · {words} · {shapes} px · "
        f"{job.weights.lineage} {network_title(job.weights.network)} {job.found.origin}"
    )
