"""PNG files without the texts that Pillow would refuse them for.

Pillow limits how long the texts in a PNG may be once decompressed, and refuses the whole picture
above that. Other programs write long ones, such as a workflow, which jnst does not need.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
NEEDED = (b"Software", b"Description", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""Keywords of the texts that are used: jnst's settings, and those that tell the orientation."""
LONGEST = 2**20
"""Bytes of a compressed text or profile that Pillow accepts, once decompressed."""
LONGEST_PROFILE = 2**24
"""Bytes of a colour profile that is read nevertheless; the tables of printers take a few MB."""

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


def without_texts(file: BinaryIO) -> tuple[BinaryIO, bytes | None]:
    """Return a PNG's file without the texts that are not needed or too long, else the file itself.

    Args:
      file: any file.

    Returns:
      The file at its beginning, or, if it is a PNG that has such texts, a copy in memory without
      them; and its colour profile, if that had to be left out with them.
    """
    dropped = list(_dropped(file))
    file.seek(0)
    if not dropped:
        return file, None
    kept, profile = io.BytesIO(), None
    for start, stop, kind in dropped:
        kept.write(file.read(start - file.tell()))
        if kind == b"iCCP":
            profile = _decompressed(file.read(stop - start)[8:-4], LONGEST_PROFILE)
        file.seek(stop)
    kept.write(file.read())
    kept.seek(0)
    return kept, profile


def _dropped(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Yield where each chunk to leave out begins and ends, and its type."""
    file.seek(0)
    if file.read(len(SIGNATURE)) != SIGNATURE:
        return
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        start = file.tell() - 8
        stop = start + 12 + length
        if kind in (*_TEXTS, b"iCCP") and not _usable(kind, file.read(length)):
            yield start, stop, kind
        file.seek(stop)


def _usable(kind: bytes, chunk: bytes) -> bool:
    """Say whether a text or a profile is needed and Pillow can read it."""
    keyword, _, rest = chunk.partition(b"\0")
    if kind in _TEXTS and keyword not in NEEDED:
        return False
    if kind == b"iTXt":
        packed = rest[:1] == b"\1"
        # What precedes the text: two flags, a language, and the keyword in that language.
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        return not packed or _decompressed(b"\0\0" + rest, LONGEST) is not None
    return kind == b"tEXt" or _decompressed(chunk, LONGEST) is not None


def _decompressed(chunk: bytes, longest: int) -> bytes | None:
    """Decompress what follows a chunk's keyword; None if it is damaged or longer than `longest`."""
    _, _, rest = chunk.partition(b"\0")
    try:
        data = zlib.decompressobj().decompress(rest[1:], longest + 1)
    except zlib.error:
        return None
    return data if len(data) <= longest else None
