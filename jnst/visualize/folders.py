"""Folders that are filled: only empty ones, or those of an earlier run of the same kind."""

import json
import os
from pathlib import Path

from jnst._files import check_output


def check_own_folder(path: str | os.PathLike[str], record: str, kind: str) -> Path:
    """Return the folder to fill, which is made later.

    Args:
      path: of the folder.
      record: the file in it that says whose it is: JSON with an entry of the name `kind`.
      kind: the command that fills it.

    Raises:
      ValueError: if it cannot be made or written to, or holds anything that is not ours.
    """
    folder = Path(path)
    if not folder.exists():
        check_output(folder)  # as a folder can be made where a file can
        return folder
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file; give the name of a folder")
    check_output(folder / record)
    if any(folder.iterdir()):
        try:
            ours = kind in json.loads((folder / record).read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            ours = False
        if not ours:
            raise ValueError(f"{folder} is not empty and not of jnst {kind}; choose another folder")
    return folder


def files_in(folder: str | os.PathLike[str]) -> list[Path]:
    """The files in a folder; none where it does not exist."""
    return [file for file in Path(folder).glob("*") if file.is_file()]
