"""The cache folder, and writing files atomically."""

import contextlib
import hashlib
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path


def cache_folder() -> Path:
    """Return the user's cache folder for jnst, without creating it.

    That is `$JNST_CACHE` if set, else the platform's usual place, on Linux `$XDG_CACHE_HOME/jnst`
    or `~/.cache/jnst`.
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
    """Replace `~` by the home folder; raise ValueError if there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no home folder for {path}; set JNST_CACHE") from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 hash of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def not_a_file(path: str | os.PathLike[str]) -> str:
    """Say, for a sentence that begins with its name, why a path cannot be read as a file.

    Returns:
      An empty text if opening it will do or tell. Pipes are not opened, which would wait for
      somebody to write.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if os.path.islink(path):
            return f"is a link to {os.readlink(path)}, which does not exist; give another file"
        return ""
    except (OSError, ValueError):  # opening it says why
        return ""
    if stat.S_ISFIFO(mode):
        return "is a pipe; give a file"
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "is not a regular file; give another one"
    return ""


def check_output(path: str | os.PathLike[str], name: str = "output") -> Path:
    """Return `path` as a `Path` after making sure that a file can be written there.

    Args:
      path: of the file to write; an existing file may be replaced.
      name: what messages call it.

    Raises:
      ValueError: if the folder does not exist or cannot be written to, or if `path` is a folder or
        another thing that is not a regular file.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{name} {path} is a folder; give the name of a file")
    if path.exists() and not path.is_file():
        raise ValueError(f"{name} {path} is not a regular file; give another name")
    folder = path.parent
    if path.is_symlink():
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise ValueError(f"{name} {path} is a link to a folder that does not exist: {folder}")
    if not folder.exists():
        raise ValueError(f"{name} folder {folder} does not exist; create it first")
    if not folder.is_dir():
        raise ValueError(f"{name} {path} cannot be written: {folder} is not a folder")
    try:  # permissions do not tell everything, so write something
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(
            f"{name} folder {folder} cannot be written to ({error.strerror}); choose another"
        ) from error
    return path


def check_not_overwriting(name: str, path: str | os.PathLike[str], outputs: Iterable[Path]) -> None:
    """Raise ValueError if one of the `outputs` is the input file `path`, called `name`."""
    for output in outputs:
        if os.path.exists(path) and output.exists() and output.samefile(path):
            raise ValueError(f"{output} is the {name} itself and would be overwritten")


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces it when the block ends.

    Links are followed, and the mode of a file that is replaced is kept. If the block raises, Ctrl-C
    included, the temporary file is removed and `path` left as it was.

    Args:
      path: of the file to write.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_write(folder / "notes.txt") as temporary:
    ...     _ = temporary.write_text("all of it")
    >>> [file.name for file in folder.iterdir()]
    ['notes.txt']
    """
    # Through a link, which stays one; the file it leads to need not be there yet.
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".jnst-{secrets.token_hex(6)}{path.suffix}")
    # Of the usual mode, by the user's mask; a file that is replaced hands its own on.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        with contextlib.suppress(OSError):
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
