"""Standard output and standard error, closed, broken or on a full disk.

Imports nothing of jnst: `jnst --help` needs it.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


def fill_closed_streams() -> None:
    """Open the null device in place of standard streams that are closed, as by `2>&-`.

    Otherwise the next file that is opened would have the stream's number, and what libraries write
    to standard error would land in it. `sys.stdin` stays None, so that reading it can be refused.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        try:
            os.fstat(number)
        except OSError:  # nothing has taken the number yet
            opened = os.open(os.devnull, os.O_RDWR)
            os.dup2(opened, number)
            if opened != number:
                os.close(opened)
        if name != "stdin":
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


class LastingStream(io.TextIOBase):
    """A text stream that drops what it cannot write, as to a pipe whose reader has gone.

    Args:
      stream: the stream to write to; all else is asked of it as well.
    """

    def __init__(self, stream: TextIO):
        self.stream = stream
        self.broken = False

    def write(self, text: str) -> int:
        """Write, unless that fails or has failed before."""
        self._try(self.stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Flush, likewise."""
        self._try(self.stream.flush)

    def isatty(self) -> bool:
        """Say whether the stream is a terminal."""
        return not self.broken and self.stream.isatty()

    def fileno(self) -> int:
        """Return the number of the stream's file."""
        return self.stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's encoding."""
        return self.stream.encoding

    def _try(self, act: Any, *arguments: Any) -> None:
        if self.broken:
            return
        try:
            act(*arguments)
        except (OSError, ValueError):  # ValueError: it has been closed
            self.broken = True
            to_null_device(self.stream)


def to_null_device(stream: TextIO) -> None:
    """Let a stream that cannot be written to end in the null device.

    What it still holds would otherwise fail again when the interpreter ends, and change the exit
    code to 120.
    """
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


@contextlib.contextmanager
def lasting_errors() -> Iterator[None]:
    """Let nothing in this block fail because standard error cannot be written to."""
    before = sys.stderr
    sys.stderr = LastingStream(before)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = before
