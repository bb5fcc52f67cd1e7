"""Painted frames written as a folder of pictures."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from jnst._files import atomic_write
from jnst.image.pictures import save_image
from jnst.video.flow import Frame

RECORD = "video.json"
"""Tells that a folder is one of `jnst video`."""


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file that cannot be written, as on a full disk, and not the one in its stead."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise ValueError(f"{path} cannot be written ({why})") from error


class FolderWriter:
    """Writes a PNG for each frame; those of an earlier run that was longer are removed."""

    def __init__(self, path: Path, record: Mapping[str, Any], kept: int = 0):
        self.path, self.record = path, record
        self.made = not path.exists()
        self.written = {self.file(number) for number in range(1, kept + 1)}
        if missing := sorted(file.name for file in self.written if not file.is_file()):
            raise ValueError(
                f"{path} lacks {missing[0]}, which was painted before it was stopped; leave out "
                "--resume"
            )
        path.mkdir(exist_ok=True)
        with atomic_write(path / RECORD) as temporary:
            temporary.write_text(json.dumps({"video": record}, indent=1), encoding="utf-8")

    def file(self, number: int) -> Path:
        """The picture of a frame."""
        return self.path / f"frame-{number:06d}.png"

    def write(self, pixels: Frame, time: Fraction) -> None:
        """Write a frame."""
        path = self.file(len(self.written) + 1)
        with naming(path):
            save_image(path, pixels.astype(np.float32) / 255, settings=self.record, fast=True)
        self.written.add(path)

    def finish(self) -> None:
        """Remove what is left of an earlier run."""
        for path in self.path.glob("frame-*.png"):
            if path not in self.written:
                path.unlink()

    def discard(self) -> None:
        """Leave what there is, as every picture of it is whole; where there is none, nothing."""
        if self.made and not self.written:
            (self.path / RECORD).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.path.rmdir()
