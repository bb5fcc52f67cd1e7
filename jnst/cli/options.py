"""Options shared by `jnst stylize` and `jnst grid`, and the settings made from them."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jnst._checks import check_choice, check_integer, near_match
from jnst._text import as_option
from jnst.cli.arguments import number, numbers, whole, wholes
from jnst.cli.quality import add_quality, of_quality
from jnst.cli.regions import DEFAULTS, MASK_WORDS, check_names, drop_other_styles
from jnst.cli.streams import check_streams, source_of
from jnst.image.color_setting import check_palette
from jnst.image.fitting import SMALLEST_EDGE
from jnst.image.inputs import INITS
from jnst.image.pictures import read_settings
from jnst.nn.blocks import DEFAULT_NETWORK, NETWORKS
from jnst.nn.vgg import PADDINGS, POOLINGS, PRECISIONS
from jnst.optim.checkpoint import EVERY
from jnst.optim.optimizers import OPTIMIZERS, RATES, SCHEDULES
from jnst.transfer.presets import PRESETS
from jnst.transfer.settings import LARGEST_EDGE, SETTINGS, Settings
from jnst.transfer.tile_checks import AUTO

OPTIONS: dict[str, Any] = {
    "size": 512,
    "init": "content",
    "add_style": (),
    "palette": None,
    "seed": 0,
    "network": DEFAULT_NETWORK,
    "pooling": "max",
    "padding": "zeros",
    "precision": "auto",
    **DEFAULTS,
}
"""Defaults of the options that affect the picture and are not fields of `Settings`."""

STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Those of `jnst grid --method fast`."""

TILES: dict[str, Any] = {AUTO: AUTO, "off": None}
"""What --tile can be instead of a number."""

FILES = ("add_style", "palette", *DEFAULTS)
"""Those among them that name files."""
NONE = "none"
"""Given instead of a file: leave out the one that --like would bring."""

Add = Callable[..., Any]
"""The `add_argument` method of a group."""


def add_picture(add: Add) -> None:
    """Add the options for size, initial image and defaults."""
    add("--size", type=whole, metavar="PX", help=f"long edge in pixels ({OPTIONS['size']})")
    add("--init", metavar="INIT", help=f"start from {', '.join(INITS)} or a file (content)")
    like = f"take other settings from PICTURE; use {NONE} to leave out one of its files"
    add("--like", metavar="PICTURE", help=like)
    add("--preset", metavar="NAME", help=f"take other settings from {', '.join(PRESETS)}")
    add_quality(add)


def choice(names: Sequence[str], default: str) -> str:
    """List the choices and the default, for the help of an option."""
    return f"{', '.join(names)} ({default})"


def add_blend(add: Add, of: str = "STYLE") -> None:
    """Add the options that blend styles."""
    add(
        "--add-style",
        metavar="FILE",
        action="append",
        help=f"blend {of} with this style; repeatable",
    )
    add(
        "--style-weights",
        type=numbers,
        metavar="W,…",
        help=f"weights of {of} and added ones (1,1,…)",
    )


def add_optimisation(add: Add, several: bool = False) -> None:
    """Add the options of the optimisation; a grid takes several numbers for each."""
    default, one, more = Settings(), numbers if several else number, ",…" if several else ""
    add(
        "--steps",
        type=wholes,
        metavar="N",
        help=f"total steps ({default.steps}), or N,N,… per size",
    )
    add(
        "--sizes", type=wholes, metavar="PX,…", help="coarse to fine: long edges, instead of --size"
    )
    add("--optimizer", metavar="O", help=f"{' or '.join(OPTIMIZERS)} ({default.optimizer})")
    rates = ", ".join(f"{name}: {first:g}" for name, (first, _) in RATES.items())
    add("--learning-rate", type=one, metavar=f"R{more}", help=f"initial learning rate ({rates})")
    usual = ", ".join(
        f"{name}: {'cosine' if last < first else 'constant'}"
        for name, (first, last) in RATES.items()
    )
    add("--schedule", metavar="S", help=f"{' or '.join(SCHEDULES)} ({usual})")
    over = f"decay of the running average of pictures ({default.averaging:g})"
    add("--averaging", type=one, metavar=f"D{more}", help=over)
    add("--clip", action=argparse.BooleanOptionalAction, help="clip pixels to [0, 1] (--clip)")
    gain = "end a size when 20 steps gain less than this fraction (0)"
    add("--tolerance", type=number, metavar="T", help=gain)


def add_running(add: Add) -> None:
    """Add the options that do not change the picture, except by rounding."""
    add("--precision", metavar="P", help=choice(PRECISIONS, OPTIONS["precision"]))
    add("--weights", metavar="FILE", help="weights file of the network (see `jnst info`)")
    add("--quiet", action="store_true", help="only print errors")
    add(
        "--tile",
        type=tile,
        default=AUTO,
        metavar="N",
        help="work in windows of N px; auto, off (auto)",
    )
    add_checkpoint(add)


def add_checkpoint(add: Add) -> None:
    """Add the options of a run that may be interrupted."""
    add("--checkpoint", metavar="FILE", help="save the state to FILE, for --resume")
    add(
        "--checkpoint-every",
        type=whole,
        default=EVERY,
        metavar="N",
        help=f"steps between checkpoints ({EVERY})",
    )
    add("--resume", action="store_true", help="continue from --checkpoint if it exists")


def add_distributed(add: Add) -> None:
    """Add the option that shares the pictures of a command between processes."""
    add(
        "--distributed",
        nargs="?",
        const="auto",
        metavar="HOST:PORT,COUNT,NUMBER",
        help="share the work with other processes; alone: as the cluster says",
    )


def tile(text: str) -> int | str | None:
    """Parse `auto`, `off` or a number of pixels, which `jnst.stylize` checks."""
    if text in TILES:
        return TILES[text]
    try:
        return whole(text)
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise argparse.ArgumentTypeError(
            f"must be a whole number, {' or '.join(TILES)}, got {text!r}{near_match(text, TILES)}"
        ) from error


def choose(args: argparse.Namespace) -> tuple[dict[str, Any], Settings]:
    """Return the other options and the settings: as given, else of --like, else defaults."""
    check_streams(args)
    given = given_options(args)
    if args.like and args.preset:
        raise ValueError("--like and --preset are mutually exclusive")
    chosen = carried(args.like, given) if args.like else dict(OPTIONS)
    if args.preset:
        check_choice("--preset", args.preset, PRESETS)
        chosen |= {**PRESETS[args.preset].run, **PRESETS[args.preset].network}
    chosen |= of_quality(args)
    if args.size is not None:
        if args.sizes is not None:
            raise ValueError("--size and --sizes are mutually exclusive")
        sizes = chosen.get("sizes")
        one_size = isinstance(sizes, int) or (isinstance(sizes, Sequence) and len(sizes) == 1)
        chosen["sizes"] = args.size if one_size else None  # what is made at one size stays so
    if (args.size or args.sizes) and isinstance(chosen.get("steps"), list | tuple):
        chosen["steps"] = sum(chosen["steps"])  # those of --like went with its sizes
    chosen |= given
    try:
        settings = Settings.of(**{name: chosen.pop(name) for name in SETTINGS if name in chosen})
        if isinstance(settings.sizes, Sequence):
            chosen["size"] = settings.sizes[-1]
        check_integer("--size", chosen["size"], least=SMALLEST_EDGE, most=LARGEST_EDGE)
        check_seed(chosen["seed"])
        if not isinstance(chosen["init"], str):
            raise TypeError(f"--init must be a word or a file name, got {chosen['init']!r}")
        if not isinstance(chosen["palette"], str | None):
            raise TypeError(f"--palette must be a file name, got {chosen['palette']!r}")
        check_names(chosen)
    except TypeError as error:  # of the right type unless somebody edited the picture of --like
        raise ValueError(str(error)) from error
    check_choice("--network", chosen["network"], NETWORKS)
    check_choice("--pooling", chosen["pooling"], POOLINGS)
    check_choice("--padding", chosen["padding"], PADDINGS)
    check_choice("--precision", chosen["precision"], PRECISIONS)
    check_palette(settings.colors, chosen["palette"], name="--palette")
    return chosen, settings


def given_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options that were given; a file given as `NONE` becomes its default."""
    values = ((name, getattr(args, name, None)) for name in (*OPTIONS, *SETTINGS))
    return {
        name: OPTIONS[name] if leaves_out(name, value) else value
        for name, value in values
        if value is not None
    }


def leaves_out(name: str, value: Any) -> bool:
    """Say whether an option is `NONE` instead of a file."""
    return name in FILES and value in (NONE, [NONE])


def carried(like: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of --like's picture, except those that only fit its own files."""
    chosen = OPTIONS | read_options(like)
    styles = given.get("add_style", chosen["add_style"])
    if not isinstance(styles, list | tuple) or not all(isinstance(file, str) for file in styles):
        raise ValueError(f"--add-style must be file names, got {styles!r} from --like {like}")
    weights = chosen.get("style_weights")
    if isinstance(weights, list) and len(weights) != 1 + len(styles):
        chosen["style_weights"] = None
    drop_other_styles(chosen, given, 1 + len(styles))
    if given.get("colors") == "luminance":
        chosen["palette"] = None
    for name in FILES:
        if name in given:
            continue
        if isinstance(chosen[name], list | tuple):
            chosen[name] = [found(like, name, file) for file in chosen[name]]
        else:
            chosen[name] = found(like, name, chosen[name])
    return chosen


def found(like: str, name: str, file: Any) -> Any:
    """Find a file that --like's picture names: at that path, or beside the picture.

    Raises:
      ValueError: if it is at neither.
    """
    if not isinstance(file, str) or file in MASK_WORDS or Path(file).is_file():
        return file
    if (beside := Path(like).parent / file).is_file():
        return str(beside)
    option = as_option(name)
    raise ValueError(
        f"--like {like}: there is no file {file!r}, its {option}; give {option} with its new path, "
        f"or {option} {NONE}"
    )


def read_options(path: str) -> dict[str, Any]:
    """Read the options stored in a picture made by jnst."""
    record = read_settings(source_of(path))
    if record is None or not isinstance(record.get("options"), dict):
        raise ValueError(f"--like {path}: the picture has no jnst settings")
    return {
        name: value for name, value in record["options"].items() if name in (*OPTIONS, *SETTINGS)
    }


def check_seed(seed: Any) -> None:
    """Raise unless `seed` is a whole number of 32 bits, as JAX's random keys need."""
    check_integer("--seed", seed, least=0, most=2**32 - 1)
