"""What the commands that paint can be told: their options, and the settings that come of these."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jnst._checks import check_choice, check_integer
from jnst._text import as_option
from jnst.cli.arguments import layers, number, numbers, whole, wholes
from jnst.cli.regions import DEFAULTS, MASK_WORDS, check_names, drop_other_styles
from jnst.image.color import COLORS, check_palette
from jnst.image.inputs import INITS
from jnst.image.pictures import read_settings
from jnst.losses.normalization import WEIGHINGS
from jnst.losses.style_losses import STYLE_LOSSES
from jnst.nn.vgg import PADDINGS, POOLINGS, PRECISIONS
from jnst.optim.optimizers import OPTIMIZERS, RATES
from jnst.transfer.presets import PRESETS
from jnst.transfer.settings import LARGEST_EDGE, SCHEDULES, SETTINGS, SMALLEST_EDGE, Settings

OPTIONS: dict[str, Any] = {
    "size": 512,
    "init": "content",
    "add_style": (),
    "palette": None,
    "seed": 0,
    "pooling": "max",
    "padding": "zeros",
    "precision": "auto",
    **DEFAULTS,
}
"""Defaults of the options that shape the picture beside the fields of `Settings`."""

FILES = ("add_style", "palette", *DEFAULTS)
"""Those of them that name files."""
NONE = "none"
"""In place of a file of these: none, where --like has one."""

Add = Callable[..., Any]
"""The `add_argument` of a group."""


def add_picture(add: Add) -> None:
    """The options that choose size and start, here and in a grid."""
    add("--size", type=whole, metavar="PX", help=f"long edge of the result ({OPTIONS['size']})")
    add("--init", metavar="INIT", help=f"from {', '.join(INITS)} or a file (content)")
    like = f"settings not given here are those of PICTURE; {NONE} for a file leaves its file out"
    add("--like", metavar="PICTURE", help=like)
    add("--preset", metavar="NAME", help=f"or those of {', '.join(PRESETS)}")


def choice(names: Sequence[str], default: str) -> str:
    """What an option can be, for its help."""
    return f"{', '.join(names)} ({default})"


def add_blend(add: Add, of: str = "STYLE") -> None:
    """The options that blend styles."""
    add("--add-style", metavar="FILE", action="append", help=f"blend {of} with it; repeatable")
    add("--style-weights", type=numbers, metavar="W,…", help=f"of {of} and each added (1,1,…)")


def add_look(add: Add, several: bool = False) -> None:
    """The options that weigh the terms; a grid takes several numbers and layers for each."""
    default, one, more = Settings(), numbers if several else number, ",…" if several else ""
    of_layers: dict[str, Any] = {"type": layers, "metavar": "L,…"}
    if several:
        of_layers["action"] = "append"
    add("--alpha", type=one, metavar=f"A{more}", help=f"weight of the content ({default.alpha:g})")
    add("--beta", type=one, metavar=f"B{more}", help=f"weight of the style ({default.beta:g})")
    variation = f"weight of the total variation ({default.gamma:g})"
    add("--gamma", type=one, metavar=f"G{more}", help=variation)
    add("--weighing", metavar="W", help=f"of terms: {choice(WEIGHINGS, default.weighing)}")
    compared = "compare content at these, or layer:weight (relu4_2)"
    add("--content-layers", **of_layers, help=compared)
    compared = "compare style at these (relu1_1,relu2_1,…,relu5_1)"
    add("--style-layers", **of_layers, help=compared)
    add("--style-loss", metavar="S", help=choice(STYLE_LOSSES, default.style_loss))
    add("--style-scale", type=number, metavar="S", help="size of strokes, times the usual (1)")
    add("--pooling", metavar="P", help=f"of layers: {choice(POOLINGS, OPTIONS['pooling'])}")
    add("--padding", metavar="P", help=f"likewise: {choice(PADDINGS, OPTIONS['padding'])}")
    of_content = choice(COLORS[1:], default.colors)
    add("--colors", metavar="C", help=f"{COLORS[0]}, or content's: {of_content}")
    add("--palette", metavar="FILE", help="give the style the colours of this picture first")
    add("--photorealism", type=one, metavar=f"W{more}", help="weight of staying a photograph (0)")


def add_optimisation(add: Add, several: bool = False) -> None:
    """The options that steer the descent; a grid takes several numbers for each."""
    default, one, more = Settings(), numbers if several else number, ",…" if several else ""
    add("--steps", type=wholes, metavar="N", help=f"in all ({default.steps}), or N,N,… for --sizes")
    add("--sizes", type=wholes, metavar="PX,…", help="long edges to work at, instead of --size")
    add("--optimizer", metavar="O", help=f"{' or '.join(OPTIMIZERS)} ({default.optimizer})")
    rates = ", ".join(f"{name}: {first:g}" for name, (first, _) in RATES.items())
    add("--learning-rate", type=one, metavar=f"R{more}", help=f"of the first step ({rates})")
    usual = ", ".join(
        f"{name}: {'cosine' if last < first else 'constant'}"
        for name, (first, last) in RATES.items()
    )
    add("--schedule", metavar="S", help=f"{' or '.join(SCHEDULES)} ({usual})")
    over = f"decay of the average over steps ({default.averaging:g})"
    add("--averaging", type=one, metavar=f"D{more}", help=over)
    add("--clip", action=argparse.BooleanOptionalAction, help="keep pixels in [0, 1] (--clip)")
    if not several:
        gain = "end a size if 20 steps gain less than this share (0)"
        add("--tolerance", type=number, metavar="T", help=gain)


def add_running(add: Add) -> None:
    """The options that leave the picture as it is, but for rounding."""
    add("--precision", metavar="P", help=f"arithmetic: {choice(PRECISIONS, OPTIONS['precision'])}")
    add("--weights", metavar="FILE", help="VGG-19 weights (those that `jnst info` shows)")
    add("--quiet", action="store_true", help="say nothing but errors")


def choose(args: argparse.Namespace) -> tuple[dict[str, Any], Settings]:
    """The options beside the settings, and the settings: given ones, those of --like, defaults."""
    given = given_options(args)
    if args.like and args.preset:
        raise ValueError("--like and --preset exclude each other; give one of them")
    chosen = carried(args.like, given) if args.like else dict(OPTIONS)
    if args.preset:
        check_choice("--preset", args.preset, PRESETS)
        chosen |= {**PRESETS[args.preset].run, **PRESETS[args.preset].network}
    if args.size is not None:
        if args.sizes is not None:
            raise ValueError("--size and --sizes exclude each other; give one of them")
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
            raise TypeError(f"--init must be a word or the name of a file, got {chosen['init']!r}")
        if not isinstance(chosen["palette"], str | None):
            raise TypeError(f"--palette must be the name of a file, got {chosen['palette']!r}")
        check_names(chosen)
    except TypeError as error:  # of the right type unless somebody edited the picture of --like
        raise ValueError(str(error)) from error
    check_choice("--pooling", chosen["pooling"], POOLINGS)
    check_choice("--padding", chosen["padding"], PADDINGS)
    check_choice("--precision", chosen["precision"], PRECISIONS)
    check_palette(settings.colors, chosen["palette"], name="--palette")
    return chosen, settings


def given_options(args: argparse.Namespace) -> dict[str, Any]:
    """Those that stand in the command; a file that is to be `NONE` as its default."""
    values = ((name, getattr(args, name, None)) for name in (*OPTIONS, *SETTINGS))
    return {
        name: OPTIONS[name] if leaves_out(name, value) else value
        for name, value in values
        if value is not None
    }


def leaves_out(name: str, value: Any) -> bool:
    """Whether an option is `NONE` in place of a file."""
    return name in FILES and value in (NONE, [NONE])


def carried(like: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options of --like's picture, without those that went with what is given anew."""
    chosen = OPTIONS | read_options(like)
    styles = given.get("add_style", chosen["add_style"])
    if not isinstance(styles, list | tuple) or not all(isinstance(file, str) for file in styles):
        raise ValueError(f"--add-style must be names of files, got {styles!r} from --like {like}")
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
    """A file that an option of --like's picture names: where it was, or beside the picture.

    Raises:
      ValueError: if it is at neither place.
    """
    if not isinstance(file, str) or file in MASK_WORDS or Path(file).is_file():
        return file
    if (beside := Path(like).parent / file).is_file():
        return str(beside)
    option = as_option(name)
    raise ValueError(
        f"--like {like}: there is no file {file!r}, its {option}; say with {option} where it is, "
        f"or {option} {NONE}"
    )


def read_options(path: str) -> dict[str, Any]:
    """The options stored in a picture that jnst made."""
    record = read_settings(path)
    if record is None or not isinstance(record.get("options"), dict):
        raise ValueError(f"--like {path}: the picture carries no settings of jnst")
    return {
        name: value for name, value in record["options"].items() if name in (*OPTIONS, *SETTINGS)
    }


def check_seed(seed: Any) -> None:
    """Raise unless `seed` is one that JAX's random keys tell from all others."""
    check_integer("--seed", seed, least=0, most=2**32 - 1)
