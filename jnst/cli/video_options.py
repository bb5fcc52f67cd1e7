"""The options of `jnst video`, and what it paints with, read and checked."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from jnst._checks import check_choice, check_integer
from jnst._files import sha256_of
from jnst._text import as_option
from jnst.cli.arguments import number, whole
from jnst.cli.fast import styles
from jnst.cli.job import read_palette, read_seen, style_files, style_size
from jnst.cli.options import add_blend, choice
from jnst.cli.runtime import devices, make_ready
from jnst.feedforward.adain import PRECISIONS, make_adain
from jnst.feedforward.matching import MATCHINGS
from jnst.feedforward.painting import load_painter, shares_of
from jnst.feedforward.transfer import check_manner
from jnst.image.color import COLORS, check_palette
from jnst.losses.blending import blend_shares
from jnst.losses.registry import STYLE_LOSSES
from jnst.nn.blocks import DEFAULT_NETWORK
from jnst.nn.decoder_discovery import find_decoder, find_encoder, open_decoder
from jnst.nn.discovery import find_weights, open_weights
from jnst.nn.loading import make_vgg
from jnst.nn.vgg import PRECISIONS as VGG_PRECISIONS
from jnst.transfer.settings import SETTINGS, Settings
from jnst.video.optimising import STEPS, TEMPORAL
from jnst.video.painters import SMOOTH, VideoPainter
from jnst.video.reading import Window
from jnst.video.stylization import (
    DEFAULTS,
    check_optimising,
    check_room,
    check_settings,
    painter_of,
)
from jnst.video.writing import ENCODERS, PIXEL_FORMAT, SUFFIXES

METHODS = ("fast", "optimise")
SIZE = 512
LIBRARY_SETTINGS = (
    *(*Window._fields, "codec", "quality", "pixel_format", *DEFAULTS),
    *("alpha", "beta", "gamma", "style_loss", "steps", "frame_steps", "temporal"),
)
"""Options that the library's messages call by their names."""
OPTIMISED = ("alpha", "beta", "gamma", "style_loss", "steps", "frame_steps", "temporal")
"""Options of frames that are optimised, beside those of styles."""
OF_STYLES = ("matching", "add_style", "style_weights", "style_scale", "palette", "precision")
"""Options that a painting needs."""


class Job(NamedTuple):
    """What a clip is painted with.

    Attributes:
      painter: made for frames of a (height, width).
      record: what the video carries.
      inputs: (what messages call it, file) of everything that must not be overwritten.
    """

    painter: Callable[[tuple[int, int]], VideoPainter]
    record: dict[str, Any]
    inputs: list[tuple[str, str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    parser.set_defaults(
        library_settings=(
            "start",
            "end",
            "fps",
            "size",
            "codec",
            "quality",
            "pixel_format",
            "smooth",
        )
    )
    parser.add_argument("clip", metavar="CLIP", help="video, or folder of numbered pictures")
    parser.add_argument("style", metavar="STYLE", nargs="?", help="picture whose style to use")
    add = parser.add_argument_group("clip", "as in --start 2 --end 7.5 --size 640").add_argument
    outputs = f"video ({', '.join(SUFFIXES)}), or folder of pictures (video.mp4)"
    add("-o", "--output", metavar="OUT", help=outputs)
    add("--size", type=whole, metavar="PX", help=f"longest edge in pixels ({SIZE})")
    add("--start", type=number, metavar="S", help="second to begin at (0)")
    add("--end", type=number, metavar="S", help="second to end at (that of the clip)")
    add("--fps", type=number, metavar="F", help="frames a second (those of the clip)")
    add = parser.add_argument_group("look", "as in --smooth 0.8 --strength 0.7").add_argument
    steady = f"weight of the last picture, moved along, from 0 to 0.95 ({SMOOTH:g})"
    add("--method", metavar="M", help=choice(METHODS, METHODS[0]))
    add("--smooth", type=number, metavar="S", help=steady)
    add("--matching", metavar="M", help=f"of the features: {choice(MATCHINGS, MATCHINGS[0])}")
    add("--strength", type=number, metavar="S", help="0 is the clip, 1 all painted (1)")
    add("--style-scale", type=number, metavar="S", help="scale of the brush strokes (1)")
    of_content = choice(COLORS[1:], DEFAULTS["colors"])
    add("--colors", metavar="C", help=f"of the {COLORS[0]}, or of the clip by {of_content}")
    add("--palette", metavar="FILE", help="recolour the style with this picture's colours first")
    add_blend(add, "the style")
    optimised, example = Settings(), "as in --beta 5; only with --method optimise"
    add = parser.add_argument_group("optimised frames", example).add_argument
    add("--alpha", type=number, metavar="A", help=f"content weight ({optimised.alpha:g})")
    add("--beta", type=number, metavar="B", help=f"style weight ({optimised.beta:g})")
    add("--gamma", type=number, metavar="G", help=f"variation weight ({optimised.gamma:g})")
    add("--temporal", type=number, metavar="T", help=f"temporal weight ({TEMPORAL:g})")
    add("--style-loss", metavar="L", help=choice(tuple(STYLE_LOSSES), optimised.style_loss))
    first = f"steps of the first frame of a scene ({optimised.steps})"
    add("--steps", type=whole, metavar="N", help=first)
    add("--frame-steps", type=whole, metavar="N", help=f"steps of the other frames ({STEPS})")
    example = "as in --network style.h5, instead of STYLE: the network has the styles"
    add = parser.add_argument_group("a network of jnst train", example).add_argument
    add("--network", metavar="FILE", help="paint with this network")
    of_network = "of its styles, or name:weight (all alike)"
    add("--style", dest="blend", type=styles, metavar="NAME,…", help=of_network)
    add = parser.add_argument_group("file", "as in --codec h265 --quality 22").add_argument
    add("--codec", metavar="C", help=f"{', '.join(ENCODERS)}, or FFmpeg's encoder (by suffix)")
    add("--quality", type=whole, metavar="N", help="the encoder's CRF, lower is better (18)")
    add("--pixel-format", metavar="P", help=f"FFmpeg's name ({PIXEL_FORMAT})")
    add("--no-sound", action="store_true", help="leave out the sound")
    add = parser.add_argument_group("report", "as in --report out.csv --strip out.png").add_argument
    add("--report", metavar="FILE.csv", help="measure each frame, over the long term too")
    add("--strip", metavar="FILE", help="write a picture of frames side by side")
    add("--compare", action="store_true", help="measure and show painting frame by frame too")
    add = parser.add_argument_group("running", "as in --quiet").add_argument
    add("--decoder", metavar="FILE", help="AdaIN's decoder (see `jnst convert`)")
    add("--weights", metavar="FILE", help="the VGG-19 that it was trained for")
    add("--precision", metavar="P", help=choice(PRECISIONS, PRECISIONS[0]))
    add("--quiet", action="store_true", help="only print errors")


def prepare(args: argparse.Namespace) -> Job:
    """Read and check all but the clip."""
    method = METHODS[0] if args.method is None else args.method
    check_choice("--method", method, METHODS)
    if method == "optimise":
        return _optimised(args)
    for name in OPTIMISED:
        if getattr(args, name) is not None:
            raise ValueError(f"{as_option(name)} needs --method optimise")
    return _with_styles(args) if args.network is None else _with_network(args)


def _settings(args: argparse.Namespace, network: bool) -> dict[str, Any]:
    """The settings of the painter, as given or by default."""
    given = {name: getattr(args, name) for name in DEFAULTS}
    return check_settings(
        {name: value for name, value in given.items() if value is not None}, network
    )


def _with_styles(args: argparse.Namespace) -> Job:
    if args.blend is not None:
        raise ValueError("--style chooses among the styles of a --network; give that too")
    if args.style is None:
        raise ValueError("give a picture whose style to use, or a --network")
    settings = _settings(args, network=False)
    size = args.size or SIZE
    check_integer("--size", size, least=1)
    manner = check_manner(**{name: value for name, value in settings.items() if name != "smooth"})
    check_palette(manner.colors, args.palette, name="--palette")
    precision = PRECISIONS[0] if args.precision is None else args.precision
    check_choice("--precision", precision, PRECISIONS)
    files = style_files(args.style, {"add_style": args.add_style or ()})
    blend_shares(manner.style_weights, len(files))
    read = [read_seen(path, style_size(size, manner.style_scale)) for path in files]
    palette = args.palette and read_palette(args.palette, size)
    found = find_decoder(args.decoder)
    decoder = open_decoder(found)
    encoder = find_encoder(decoder, args.weights)

    def painter(shape: tuple[int, int]) -> VideoPainter:
        make_ready()
        devices()
        model = make_adain(encoder, decoder, precision=precision)
        check_room(model, shape)
        return painter_of(model, read, palette=palette, **settings)

    inputs = [("style", file) for file in files]
    inputs += [("palette", args.palette)] if args.palette else []
    record = {
        "style": ", ".join(Path(file).name for file in files),
        "method": "fast",
        "weights": f"{decoder.source} {decoder.sha256[:8]}",
        "options": settings,
    }
    return Job(painter, record, [*inputs, ("decoder", str(found.path))])


def _optimised(args: argparse.Namespace) -> Job:
    for name in ("network", "blend", "matching", "strength", "smooth", "palette", "decoder"):
        if getattr(args, name) is not None:
            option = "--style" if name == "blend" else as_option(name)
            raise ValueError(f"{option} has no effect with --method optimise")
    if args.style is None:
        raise ValueError("give a picture whose style to use")
    names = (*OPTIMISED, "colors", "style_scale", "style_weights")
    given = {name: getattr(args, name) for name in names}
    settings = {name: value for name, value in given.items() if value is not None}
    check_optimising(settings.get("frame_steps", STEPS), settings.get("temporal", TEMPORAL))
    Settings(**{name: value for name, value in settings.items() if name in SETTINGS})
    precision = "auto" if args.precision is None else args.precision
    check_choice("--precision", precision, VGG_PRECISIONS)
    files = style_files(args.style, {"add_style": args.add_style or ()})
    blend_shares(settings.get("style_weights"), len(files))
    size = style_size(args.size or SIZE, settings.get("style_scale", 1.0))
    read = [read_seen(path, size) for path in files]
    found = find_weights(args.weights, DEFAULT_NETWORK)
    weights = open_weights(found, DEFAULT_NETWORK)

    def painter(shape: tuple[int, int]) -> VideoPainter:
        make_ready()
        devices()
        model = make_vgg(weights, precision=precision)
        check_room(model, shape)
        return painter_of(model, read, **settings)

    record = {
        "style": ", ".join(Path(file).name for file in files),
        "method": "optimise",
        "weights": f"{weights.source} {weights.sha256[:8]}",
        "options": settings,
    }
    inputs = [("weights file", str(found.path)), *(("style", file) for file in files)]
    return Job(painter, record, inputs)


def _with_network(args: argparse.Namespace) -> Job:
    for name in (*OF_STYLES, "decoder", "weights"):
        if getattr(args, name) is not None:
            raise ValueError(f"{as_option(name)} has no effect with --network")
    if args.style is not None:
        raise ValueError(f"{args.style} has no effect with --network, which has its own styles")
    settings = _settings(args, network=True)
    make_ready()
    devices()
    network = load_painter(args.network)
    try:
        shares = shares_of(network, args.blend)
    except ValueError as error:
        raise ValueError(f"--style: {error}") from None
    blend = {n: float(s) for n, s in zip(network.styles, shares, strict=True) if s > 0}

    def painter(shape: tuple[int, int]) -> VideoPainter:
        check_room(network, shape)
        return painter_of(network, blend, **settings)

    record = {
        "style": ", ".join(blend),
        "method": "fast",
        "weights": f"{Path(args.network).name} {sha256_of(Path(args.network))[:8]}",
        "options": {**settings, "style": blend},
    }
    return Job(painter, record, [("network", args.network)])
