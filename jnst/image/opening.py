"""Opening picture files: what is none, is damaged or claims too much is said in a sentence."""

import contextlib
import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from jnst._files import not_a_file
from jnst.image.png_texts import without_texts

Source = str | os.PathLike[str] | BinaryIO
"""A picture's file: its name, or a binary file object that can seek, read from its beginning."""

_WRONG = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError)
DAMAGE = (OSError, SyntaxError, RuntimeError, EOFError, struct.error, zlib.error, *_WRONG)
"""Exceptions that Pillow raises for a broken file, apart from its own."""

_HEAD = 512
"""Bytes that tell what a file is that is no picture."""
_LARGEST_RATIO = 5_000
"""No picture is compressed further by deflate, LZW or run lengths, the most being about 2,700."""
_BITS = {"1": 1, "L": 8, "P": 8, "RGB": 24, "RGBA": 32, "CMYK": 32, "I;16": 16, "I": 32, "F": 32}
_BOUNDED_FORMATS = ("PNG", "GIF", "BMP", "PCX", "TGA", "PPM", "SGI")
_BOUNDED_TIFF = ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits")
"""Formats, and compressions of TIFF, for which `_LARGEST_RATIO` holds."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that turns a picture upright, by EXIF orientation."""


def name_of(source: Source) -> str:
    """Return what messages call a file: its name, if it has one.

    >>> name_of("a.png"), name_of(io.BytesIO())
    ('a.png', 'the file object')
    """
    if not isinstance(source, str | os.PathLike):
        told = getattr(source, "name", None)
        return told if isinstance(told, str) and told else "the file object"
    return str(Path(source))


@contextlib.contextmanager
def opened(source: Source) -> Iterator[Image.Image]:
    """Open a file with Pillow; errors in the block become sentences that name the file.

    Args:
      source: as for `jnst.load_image`.

    Raises:
      ValueError: if it is not a picture that can be read.
      TypeError: if it is neither a name nor a binary file object.
    """
    name = name_of(source)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_file(source, name))
        try:
            # Pillow warns of large pictures, which are fine, and of odd metadata, not used here.
            readable, profile = without_texts(file)
            with warnings.catch_warnings(action="ignore"), Image.open(readable) as image:
                if isinstance(image, ImageFile.StubImageFile):  # of HDF5, GRIB and the like
                    raise ValueError(f"{name} {_what_it_is(file)}")
                _check_claim(image, _size(file), name)
                if profile is not None:
                    image.info["icc_profile"] = profile
                yield image
        except UnidentifiedImageError as error:
            raise ValueError(f"{name} {_what_it_is(file)}") from error
        except Image.DecompressionBombError as error:
            most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            said = f"{name} has more than {most:,} pixels; scale it down first"
            raise ValueError(said) from error
        except DAMAGE as error:
            if isinstance(error, ValueError) and str(error).startswith(name):
                raise  # a sentence already
            if why := getattr(error, "strerror", None):  # the system's words, not Pillow's
                raise ValueError(f"{name} cannot be read ({why}); give another file") from error
            why = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"{name} is damaged ({why}); save or download it again") from error


@contextlib.contextmanager
def _file(source: Source, name: str) -> Iterator[BinaryIO]:
    """Yield the file at its beginning, for reading; a file object is left open."""
    if isinstance(source, str | os.PathLike):
        if why := not_a_file(source):
            instead = " or, on the command line, - for standard input" if "pipe" in why else ""
            raise ValueError(f"{name} {why}{instead}")
        try:
            file = open(source, "rb")  # noqa: SIM115 - closed below
        except (OSError, ValueError) as error:  # a name that holds a zero byte
            why = getattr(error, "strerror", None) or str(error)
            raise ValueError(f"{name} cannot be read ({why}); give another file") from error
        with file:
            yield file
        return
    if not hasattr(source, "read") or isinstance(source, io.TextIOBase):
        raise TypeError(
            f"path must be a file name or a binary file object, got {type(source).__name__}"
        )
    try:
        source.seek(0)
    except (OSError, AttributeError) as error:  # a pipe or a socket
        raise ValueError(f"{name} cannot seek; read it into an io.BytesIO first") from error
    yield source


def _size(file: BinaryIO) -> int:
    """Return the length of a file in bytes."""
    place = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(place)
    return size


def _check_claim(image: Image.Image, size: int, name: str) -> None:
    """Raise ValueError for a header that claims more pixels than the file's bytes can be.

    Pillow would make them all, of nothing, which takes long.
    """
    bounded = image.format in _BOUNDED_FORMATS or (
        image.format == "TIFF" and image.info.get("compression") in _BOUNDED_TIFF
    )
    claimed = image.width * image.height * _BITS.get(image.mode, 8) // 8
    if bounded and claimed > _LARGEST_RATIO * size:
        raise ValueError(
            f"{name} is damaged (it claims {image.width}×{image.height} px and has only "
            f"{size:,} bytes); save or download it again"
        )


_SIGNATURES = {
    b"version https://git-lfs": "is a Git LFS pointer, not the picture; fetch it by `git lfs pull`",
    b"%PDF": "is a PDF document, not a picture; export a page as PNG",
    b"PK\x03\x04": "is a ZIP archive, not a picture; unpack it first",
    b"\x1f\x8b": "is a gzip archive, not a picture; unpack it first",
    b"\x89HDF": "is an HDF5 file, not a picture; is the order of the files right?",
    b"gimp xcf": "is a project of GIMP, not a picture; export it as PNG",
    b"\x89PNG": "is damaged (its header is cut off); save or download it again",
    b"\xff\xd8\xff": "is damaged (its header is cut off); save or download it again",
}
"""What files that are no pictures begin with, and what to say of them."""


def _what_it_is(file: BinaryIO) -> str:
    """Say, for a sentence that begins with its name, what a file is that Pillow cannot identify."""
    file.seek(0)
    head = file.read(_HEAD)
    if not head:
        return "is empty; save or download it again"
    for start, said in _SIGNATURES.items():
        if head.startswith(start):
            return said
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        return "is an SVG drawing, not pixels; export it as PNG"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "is a web page, not a picture; download the picture itself"
    if head[4:8] == b"ftyp":
        return "is not a readable picture (HEIF, or a film); convert it to PNG"
    if not any(head.strip(b"\0")):
        return "holds only zeros, as after a download that was cut off; download it again"
    if _is_text(head):
        return "is a text, not a picture; save or download it again"
    return "is not a readable picture; convert it to PNG"


def _is_text(head: bytes) -> bool:
    """Say whether bytes are the beginning of a text in UTF-8."""
    try:
        text = head.decode() if len(head) < _HEAD else head[:-3].decode(errors="strict")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 6:  # else a letter that was cut in two
            return False
        text = head[: error.start].decode()
    return all(sign.isprintable() or sign.isspace() for sign in text)


def exif_of(image: Image.Image) -> dict[int, Any]:
    """Return the EXIF tags, or none if they are damaged: the picture may still be fine."""
    with contextlib.suppress(*DAMAGE):
        return dict(image.getexif())
    return {}


def upright(image: Image.Image) -> Image.Image:
    """Return a copy of a picture, turned as its EXIF orientation says."""
    turn = _UPRIGHT.get(exif_of(image).get(ExifTags.Base.Orientation, 1))
    return image.copy() if turn is None else image.transpose(turn)
