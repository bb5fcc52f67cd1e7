"""A clip that was stopped, and what it needs to go on.

Beside the video, which can be played, lies a file with the state of the painter after the last
frame. A run that goes on copies the frames that are there, without encoding them again, reads the
clip up to where it was, and paints on.
"""

import io
import json
import os
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jnst._files import atomic_write
from jnst.video.measuring import Row


class Stop(NamedTuple):
    """Where a clip was stopped.

    Attributes:
      frames: that were painted.
      rows: their measures.
      leaves: the arrays of the painter's state.
    """

    frames: int
    rows: list[Row]
    leaves: list[np.ndarray]


def stop_file(output: Path) -> Path:
    """The file beside a video, or in a folder of pictures."""
    if output.is_dir():
        return output / "stopped.npz"
    return output.with_name(f"{output.name}.stopped.npz")


def facts_of(path: str | os.PathLike[str]) -> str:
    """What tells a clip from another one of its name, without reading it: size and time."""
    path = Path(path)
    files = [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]
    stats = [file.stat() for file in files]
    newest = datetime.fromtimestamp(max(stat.st_mtime for stat in stats), UTC)
    size = sum(stat.st_size for stat in stats)
    many = f"{len(files)} files, " if path.is_dir() else ""
    return f"{many}{size} bytes, of {newest.isoformat(' ')}"


def write_stop(output: Path, state: Any, rows: list[Row], identity: Mapping[str, Any]) -> None:
    """Write the file of a clip that was stopped.

    Args:
      output: the video or folder.
      state: of the painter, after the last frame that was written.
      rows: of all frames.
      identity: what the run is made of, for JSON.
    """
    leaves = jax.tree.leaves(state)
    arrays: dict[str, Any] = {f"leaf{n}": np.asarray(leaf) for n, leaf in enumerate(leaves)}
    about = json.dumps({"identity": identity, "rows": rows})
    with atomic_write(stop_file(output)) as temporary, temporary.open("wb") as file:
        np.savez(file, about=np.array(about), **arrays)


def read_stop(output: Path, identity: Mapping[str, Any]) -> Stop | None:
    """Read where a clip was stopped; None where it was not.

    Raises:
      ValueError: if the file is corrupt, or of another run, naming what differs.
    """
    path = stop_file(output)
    if not path.exists():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            leaves = [stored[f"leaf{n}"] for n in range(len(stored.files) - 1)]
        rows = [Row(*row) for row in about["rows"]]
        was = about["identity"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is corrupt; remove it and start from the beginning") from error
    now = json.loads(json.dumps(identity))
    for name in sorted({*was, *now}):
        if was.get(name) != now.get(name):
            raise ValueError(
                f"{output} was stopped with another {name}: {was.get(name)!r}, now "
                f"{now.get(name)!r}; give the same, or leave out --resume"
            )
    return Stop(len(rows), rows, leaves)


def forget_stop(output: Path) -> None:
    """Remove the file, once the clip has come to its end."""
    stop_file(output).unlink(missing_ok=True)
