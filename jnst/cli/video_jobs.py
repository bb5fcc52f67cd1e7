"""What `jnst video` paints with, read and checked."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from jnst._checks import check_choice, check_integer
from jnst._text import as_option
from jnst.cli.chosen_network import chosen_network
from jnst.cli.job import read_palette, read_seen, style_files, style_size
from jnst.cli.runtime import devices, make_ready
from jnst.cli.video_options import METHODS, OF_STYLES, OPTIMISED, SIZE
from jnst.feedforward.adain import PRECISIONS, make_adain
from jnst.feedforward.transfer import check_manner
from jnst.image.color_setting import check_palette
from jnst.losses.blending import blend_shares
from jnst.nn.blocks import DEFAULT_NETWORK
from jnst.nn.decoder_discovery import find_decoder, find_encoder, open_decoder
from jnst.nn.discovery import find_weights, open_weights
from jnst.nn.loading import make_vgg
from jnst.nn.vgg import PRECISIONS as VGG_PRECISIONS
from jnst.transfer.settings import SETTINGS, Settings
from jnst.video.optimising import (
    STEPS,
    TEMPORAL,
    check_optimising,
    check_room_to_optimise,
    optimising_painter,
)
from jnst.video.painters import VideoPainter
from jnst.video.stylization import (
    DEFAULTS,
    check_room,
    check_settings,
    on_devices,
    one_pass_painter,
)


class Job(NamedTuple):
    """What a clip is painted with.

    Attributes:
      painters: made for frames of a (height, width), one for each device.
      record: what the video carries.
      inputs: (what messages call it, file) of everything that must not be overwritten.
    """

    painters: Callable[[tuple[int, int]], list[VideoPainter]]
    record: dict[str, Any]
    inputs: list[tuple[str, str]]


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

    def painters(shape: tuple[int, int]) -> list[VideoPainter]:
        make_ready(many_passes=True)
        devices()
        model = make_adain(encoder, decoder, precision=precision)
        check_room(model, shape)
        return [one_pass_painter(m, read, palette=palette, **settings) for m in on_devices(model)]

    inputs = [("style", file) for file in files]
    inputs += [("palette", args.palette)] if args.palette else []
    kept = {"palette": Path(args.palette).name} if args.palette else {}
    record = {
        "style": ", ".join(Path(file).name for file in files),
        "method": "fast",
        "weights": f"{decoder.source} {decoder.sha256[:8]}",
        "options": {**settings, **kept, "precision": precision},
    }
    return Job(painters, record, [*inputs, ("decoder", str(found.path))])


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
    check_optimising(
        settings.get("frame_steps", STEPS),
        settings.get("temporal", TEMPORAL),
        settings.get("passes", 1),
    )
    if args.resume and settings.get("passes", 1) > 1:
        raise ValueError("--resume and --passes are mutually exclusive: a scene is painted whole")
    Settings(**{name: value for name, value in settings.items() if name in SETTINGS})
    precision = "auto" if args.precision is None else args.precision
    check_choice("--precision", precision, VGG_PRECISIONS)
    files = style_files(args.style, {"add_style": args.add_style or ()})
    blend_shares(settings.get("style_weights"), len(files))
    size = style_size(args.size or SIZE, settings.get("style_scale", 1.0))
    read = [read_seen(path, size) for path in files]
    found = find_weights(args.weights, DEFAULT_NETWORK)
    weights = open_weights(found, DEFAULT_NETWORK)

    def painters(shape: tuple[int, int]) -> list[VideoPainter]:
        make_ready()
        devices()
        model = make_vgg(weights, precision=precision)
        check_room_to_optimise(model, shape)
        return [optimising_painter(each, read, **settings) for each in on_devices(model)]

    record = {
        "style": ", ".join(Path(file).name for file in files),
        "method": "optimise",
        "weights": f"{weights.source} {weights.sha256[:8]}",
        "options": {**settings, "precision": precision},
    }
    inputs = [("weights file", str(found.path)), *(("style", file) for file in files)]
    return Job(painters, record, inputs)


def _with_network(args: argparse.Namespace) -> Job:
    for name in (*OF_STYLES, "decoder", "weights"):
        if getattr(args, name) is not None:
            raise ValueError(f"{as_option(name)} has no effect with --network")
    if args.style is not None:
        raise ValueError(f"{args.style} has no effect with --network, which has its own styles")
    settings = _settings(args, network=True)
    chosen = chosen_network(args)

    def painters(shape: tuple[int, int]) -> list[VideoPainter]:
        check_room(chosen.painter, shape)
        models = on_devices(chosen.painter)
        return [one_pass_painter(model, chosen.blend, **settings) for model in models]

    return Job(painters, chosen.record(settings), [("network", str(chosen.file))])
