"""The options for regions, and the masks that they name."""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from jnst._checks import check_same_length, near_match
from jnst._text import as_option
from jnst.cli.streams import source_of
from jnst.image.masks import REST, check_masks
from jnst.image.pictures import load_mask

DEFAULTS: dict[str, Any] = {"region": None, "style_region": None, "keep": None}
"""Defaults of these options."""
ALL = "all"
"""Given instead of a style's mask: use all of the style."""
MASK_WORDS = (ALL, REST)
"""Words that can be given instead of a mask."""
KEYWORDS = {"region": "regions", "style_region": "style_regions", "keep": "keep"}
"""Python's names of the options."""

MaskArguments = dict[str, Any]
"""Keyword arguments of `jnst.stylize`, by the names in KEYWORDS; empty without masks."""


def add_regions(parser: argparse.ArgumentParser) -> None:
    """Add these options to `parser`."""
    example = (
        "masks, white inside, black outside; "
        "as in --region sky.png --add-style waves.jpg --region ground.png"
    )
    add = parser.add_argument_group("regions", example).add_argument
    several: dict[str, Any] = {"metavar": "MASK", "action": "append"}
    add("--region", **several, help="where to paint STYLE; once per style, in their order")
    add("--style-region", **several, help=f"which part of STYLE to use; or {ALL}")
    add("--keep", metavar="MASK", help=f"what to leave unpainted; {REST}: outside regions")


def drop_other_styles(chosen: dict[str, Any], given: dict[str, Any], styles: int) -> None:
    """Drop masks taken from another picture that do not fit this one.

    These are masks for another number of styles, and `--keep rest` without regions.
    """
    for name in ("region", "style_region"):
        if isinstance(chosen[name], list) and len(chosen[name]) != styles:
            chosen[name] = None
    if given.get("region", chosen["region"]) is None and chosen["keep"] == REST:
        chosen["keep"] = None


def check_names(options: dict[str, Any]) -> None:
    """Raise TypeError if one of the options cannot be a file name."""
    for name in ("region", "style_region"):
        if not (options[name] is None or _are_names(options[name])):
            raise TypeError(f"{as_option(name)} must be file names, got {options[name]!r}")
    if not isinstance(options["keep"], str | None):
        raise TypeError(f"--keep must be a file name, got {options['keep']!r}")


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def mask_files(options: dict[str, Any]) -> list[str]:
    """List the files of all masks."""
    kept = options["keep"]
    of_styles = [name for name in options["style_region"] or () if name != ALL]
    return [*(options["region"] or ()), *of_styles, *([] if kept in (None, REST) else [kept])]


def read_masks(
    options: dict[str, Any],
    content: tuple[int, ...],
    styles: Sequence[tuple[int, ...]],
) -> MaskArguments:
    """Read the masks that the options name and check them.

    Args:
      options: the command's, by name.
      content: shape of the content image, (H, W, 3).
      styles: shapes of the style images.

    Returns:
      Keyword arguments of `jnst.stylize`.

    Raises:
      ValueError: for a file that cannot be read or that `jnst.image.masks.check_masks` refuses,
        naming the option and the file.
    """
    if all(options[name] is None for name in KEYWORDS):
        return {}
    size = max(content[:2])
    masks: MaskArguments = {}
    if options["region"] is not None:
        masks["regions"] = [_read("region", file, size) for file in options["region"]]
    if options["style_region"] is not None:
        check_same_length("--style-region", "mask", options["style_region"], len(styles))
        masks["style_regions"] = [
            None if file == ALL else _read("style_region", file, max(shape[:2]), ALL)
            for file, shape in zip(options["style_region"], styles, strict=True)
        ]
    if (kept := options["keep"]) is not None:
        masks["keep"] = kept if kept == REST else _read("keep", kept, size, REST)
    try:
        check_masks(content, styles, **dict.fromkeys(KEYWORDS.values()) | masks)
    except ValueError as error:
        raise ValueError(_named(str(error), options)) from error
    return masks


def _read(name: str, file: str, size: int, *words: str) -> np.ndarray:
    """Read a mask; an error names the option, and the word that was perhaps meant."""
    try:
        return load_mask(source_of(file), size)
    except (ValueError, OSError) as error:
        raise ValueError(f"{as_option(name)}: {error}{near_match(file, words)}") from error


def _named(message: str, options: dict[str, Any]) -> str:
    """Replace the mask that a message of the library begins with by its option and file."""
    for name, setting in KEYWORDS.items():
        files = options[name]
        if isinstance(files, list):
            for number, file in enumerate(files, start=1):
                if message.startswith(start := f"{setting} number {number} "):
                    return f"{as_option(name)} {file} {message[len(start) :]}"
        elif files and files != REST and message.startswith(start := f"{setting} "):
            return f"{as_option(name)} {files} {message[len(start) :]}"
        if message.startswith((f"{setting} ", f"{setting}=")):
            return f"{as_option(name)}{message[len(setting) :]}".replace(f"={REST!r}", f" {REST}")
    return message
