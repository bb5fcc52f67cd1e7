"""Standard input and output as pictures, by the name `-`."""

import argparse
import io
import os
import sys
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from jnst._text import as_option
from jnst.image.opening import Source
from jnst.image.pictures import check_image_output, save_image

STREAM = "-"
"""Given instead of a picture's file."""
_INPUTS = (STREAM, "/dev/stdin", "/dev/fd/0")
_ARGUMENTS = (
    *("content", "contents", "style", "styles", "add_style", "palette", "init", "like"),
    *("region", "style_region", "keep", "picture", "reference"),
    *("photo", "painting", "beside", "guide"),
)
"""The arguments that name pictures to read."""
_POSITIONAL = ("content", "style", "picture", "reference", "photo", "painting")


class StandardInput(io.BytesIO):
    """All of standard input, which can be read once only."""

    name = "standard input"


def is_input_stream(path: Any) -> bool:
    """Say whether a file's name stands for standard input."""
    return isinstance(path, str) and path in _INPUTS


def source_of(path: str) -> Source:
    """Return what to read a picture from: the file of that name, or all of standard input.

    Raises:
      ValueError: if that is a terminal or closed.
    """
    if not is_input_stream(path):
        return path
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise ValueError("standard input is closed; give a file instead of -")
    if stream.isatty():
        raise ValueError("standard input is a terminal; write a picture to it, as in: … < a.png")
    return StandardInput(stream.read())


def check_streams(args: argparse.Namespace) -> None:
    """Raise ValueError where `-` stands for what cannot be a stream.

    Several contents, and the cells of a grid, are compared with their files when a run goes on.
    """
    named = [
        name
        for name in _ARGUMENTS
        for value in _listed(getattr(args, name, None))
        if is_input_stream(value)
    ]
    several = len(_listed(getattr(args, "content", None))) > 1
    if named and (several or "contents" in args):
        what = "several contents need" if several else "a grid needs"
        raise ValueError(f"{what} files, not standard input; save what {named[0]} - is to be")
    if len(named) > 1:
        words = " and ".join(name if name in _POSITIONAL else as_option(name) for name in named)
        raise ValueError(f"standard input is one picture and cannot be {words}")
    if several and args.output == STREAM:
        raise ValueError("several contents need a folder for their pictures, got -o -")
    if args.output == STREAM and getattr(args, "save_every", None) is not None:
        raise ValueError("--save-every needs files to write, got -o -")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def check_picture_output(path: str) -> Path:
    """Check where a picture is to be written; `-` is standard output."""
    if path != STREAM:
        return check_image_output(path)
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:
        raise ValueError("standard output is closed; give a file instead of -o -")
    if stream.isatty():
        raise ValueError("standard output is a terminal; send it elsewhere, as in: … -o - > a.png")
    return Path(STREAM)


def write_picture(path: Path, image: ArrayLike, **options: Any) -> None:
    """Write a picture as `save_image` does; to standard output as a PNG."""
    if os.fspath(path) != STREAM:
        save_image(path, image, **options)
        return
    try:
        save_image(sys.stdout.buffer, image, **options)
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # what is left must not be flushed when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ValueError("standard output was closed before the picture was written") from None
