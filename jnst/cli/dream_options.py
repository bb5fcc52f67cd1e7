"""The settings of a dream, from the command line, a preset or a picture; what a dream carries."""

import argparse
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jnst._checks import check_integer
from jnst._files import check_not_overwriting
from jnst.cli.job import read_input
from jnst.cli.network import NETWORK_OPTIONS, Network, network_of
from jnst.cli.options import NONE, OPTIONS, check_seed, found
from jnst.image.fitting import SMALLEST_EDGE
from jnst.image.pictures import Picture, read_settings
from jnst.transfer.settings import LARGEST_EDGE
from jnst.transfer.tile_checks import check_window
from jnst.version import __version__
from jnst.visualize.dream_settings import (
    DEFAULT_LAYERS,
    DreamSettings,
    DreamSettingsDict,
    Sought,
    check_sought,
    preset_named,
)
from jnst.visualize.features import check_large_enough

DREAM_SETTINGS = tuple(DreamSettingsDict.__annotations__)
DREAM_OPTIONS: dict[str, Any] = {
    "size": OPTIONS["size"],
    "seed": 0,
    "layers": list(DEFAULT_LAYERS),
    "channels": None,
    "guide": None,
}
"""Defaults of the options that are not fields of `DreamSettings` or of the network."""


class DreamJob(NamedTuple):
    """Checked dreams that are ready to start.

    Attributes:
      photo: the photograph.
      guide: what is looked for; None: nothing.
      each: what each dream makes stronger.
      options: all that affects the picture, but for layers and channels.
      settings: the fields of `DreamSettings`.
      network: not yet made.
      plan: the octaves.
      content: the name of the photograph.
    """

    photo: Picture
    guide: np.ndarray | None
    each: list[Sought]
    options: dict[str, Any]
    settings: DreamSettingsDict
    network: Network
    plan: list[tuple[tuple[int, int], int]]
    content: str


def prepare_dream(args: argparse.Namespace) -> DreamJob:
    """Read and check everything that the arguments name, before anything is computed."""
    if args.like and args.preset:
        raise ValueError("--like and --preset are mutually exclusive")
    like = read_dream_options(args.like, args) if args.like else {}
    chosen: dict[str, Any] = DREAM_OPTIONS | like
    if args.preset:
        preset = preset_named(args.preset, "--preset")
        chosen |= {"layers": dict(preset.layers), **preset.settings}
    for name in (*DREAM_OPTIONS, *DREAM_SETTINGS):
        if (value := getattr(args, name)) is not None:
            chosen[name] = value
    if chosen["guide"] == NONE:
        chosen["guide"] = None
    if args.like and args.channels is not None and args.guide is None:
        chosen["guide"] = None  # one excludes the other, and what is given counts
    elif args.like and args.channels is None and (args.layers or args.guide not in (None, NONE)):
        chosen["channels"] = None  # which were of the layers of --like, or have to give way
    try:
        settings = {name: chosen[name] for name in DREAM_SETTINGS if name in chosen}
        checked = DreamSettings(**settings)
        check_integer("--size", chosen["size"], least=SMALLEST_EDGE, most=LARGEST_EDGE)
        check_seed(chosen["seed"])
        network = network_of(args, like)
        each = sought_of(network, chosen)
        for sought in each:
            check_window(args.tile, network.geometry, tuple(sought.layers), "--tile")
    except TypeError as error:  # of the right type unless somebody edited the picture of --like
        raise ValueError(str(error)) from error
    photo = read_input(args.photo, chosen["size"])
    guide = None
    if chosen["guide"] is not None:
        if chosen["channels"] is not None:
            raise ValueError("--channels and --guide are mutually exclusive")
        guide = read_input(chosen["guide"], chosen["size"]).pixels
    for sought in each:
        check_large_enough(network.geometry, photo.pixels.shape, sought.layers, args.photo)
    options = {name: chosen[name] for name in ("size", "seed", "guide")}
    fields = {name: getattr(checked, name) for name in DREAM_SETTINGS}
    return DreamJob(
        photo=photo,
        guide=guide,
        each=each,
        options=options | network.options | fields,
        settings=fields,  # type: ignore[arg-type]
        network=network,
        plan=checked.plan(*photo.pixels.shape[:2]),
        content=Path(args.photo).name,
    )


def sought_of(network: Network, chosen: Mapping[str, Any]) -> list[Sought]:
    """What each dream makes stronger: every choice of layers with every choice of channels."""
    given, channels = chosen["layers"], chosen["channels"] or [None]
    # Repeated on the command line: a list of choices, each a list or a mapping.
    several = isinstance(given, list) and bool(given) and not isinstance(given[0], str)
    return [
        check_sought(network.geometry, of_dream, numbers, "--layers")
        for of_dream, numbers in itertools.product(given if several else [given], channels)
    ]


def read_dream_options(path: str, args: argparse.Namespace) -> dict[str, Any]:
    """Read the options stored in a picture made by `jnst dream`."""
    record = read_settings(path)
    options = None if record is None else record.get("options")
    if not isinstance(options, dict) or "octaves" not in options:
        raise ValueError(f"--like {path}: the picture has no settings of jnst dream")
    names = (*DREAM_OPTIONS, *DREAM_SETTINGS, *NETWORK_OPTIONS)
    options = {name: options[name] for name in names if name in options}
    if args.guide is None and options.get("guide") is not None:
        options["guide"] = found(path, "guide", options["guide"])
    return options


def dream_record(job: DreamJob, sought: Sought) -> dict[str, Any]:
    """Return the record that a dream carries: its input and options."""
    layers: dict[str, Any] = {"layers": dict(sought.layers), "channels": None}
    if sought.channels:
        layers["channels"] = [list(sought.channels)]
    return {
        "jnst": __version__,
        "content": job.content,
        "weights": job.network.source,
        "options": {**layers, **job.options},
    }


def check_kept(args: argparse.Namespace, job: DreamJob, outputs: Sequence[Path]) -> None:
    """Raise ValueError if one of the outputs is an input of the run, or two are the same."""
    check_not_overwriting("photo", args.photo, outputs)
    check_not_overwriting("weights file", job.network.found.path, outputs)
    if job.guide is not None:
        check_not_overwriting("guide", job.options["guide"], outputs)


def headline(job: DreamJob) -> str:
    """Describe device, sizes and weights in one line."""
    sizes = " → ".join(f"{width}×{height}" for (height, width), _ in job.plan)
    several = f" · {len(job.each)} dreams" if len(job.each) > 1 else ""
    return job.network.headline(f"{sizes} px{several}")
