"""Where jnst keeps files, and how it writes them: whole or not at all."""

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache folder for jnst; not created here.

    `$JNST_CACHE` where it is set; else the platform's own place, which on Linux is
    `$XDG_CACHE_HOME/jnst` or `~/.cache/jnst`.
    """
    if chosen := os.environ.get("JNST_CACHE"):
        return expand_home(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return expand_home(base) / "jnst"


def expand_home(path: str) -> Path:
    """`path` with `~` as the home folder; raises ValueError where there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no home folder for {path}; set JNST_CACHE") from error


def sha256_of(path: Path) -> str:
    """The hash of a file, in hex, read a piece at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_output(path: str | os.PathLike[str], name: str = "output") -> Path:
    """The path as a `Path`, after making sure that a file can be written there.

    Raises ValueError that names the culprit: no such folder, a folder in the file's place, or a
    folder that cannot be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{name} {path} is a folder; give the name of a file")
    if path.exists() and not path.is_file():
        raise ValueError(f"{name} {path} is no regular file; give another name")
    folder = path.parent
    if not folder.exists():
        raise ValueError(f"{name} folder {folder} does not exist; create it first")
    if not folder.is_dir():
        raise ValueError(f"{name} {path} cannot be written: {folder} is no folder")
    try:  # permissions do not tell all, so the way to know is to write
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(
            f"{name} folder {folder} cannot be written to ({error.strerror}); choose another"
        ) from error
    return path


def check_not_overwriting(name: str, path: str | os.PathLike[str], outputs: Iterable[Path]) -> None:
    """Raise ValueError if one of the files to be written is the input that `name` says."""
    for output in outputs:
        if output.exists() and output.samefile(path):
            raise ValueError(f"{output} is the {name} itself and would be overwritten")


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well.

    An exception in the block, Ctrl-C included, removes the temporary file and leaves whatever
    stood at `path` untouched.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_write(folder / "notes.txt") as temporary:
    ...     _ = temporary.write_text("all of it")
    >>> [file.name for file in folder.iterdir()]
    ['notes.txt']
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=".jnst-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes a private file; what the user asked for has the usual permissions.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
