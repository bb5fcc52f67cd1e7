"""JAX's cache of compiled programs on disk, and what is damaged in it."""

import contextlib
import os
import re
import warnings
import zlib
from pathlib import Path
from typing import Any

import jax

from jnst._files import cache_folder

CACHE = "jax_compilation_cache_dir"  # JAX's own setting
COMPLAINT = "Error (reading|writing) persistent compilation cache entry for '([^']*)'"
"""How JAX's warnings of damaged entries begin; it names a program, not a file."""
ENDING = "-cache"
"""How the names of entries end; they begin with the program's name."""


def use_compilation_cache() -> None:
    """Keep compiled programs in the user's cache folder, unless JAX has a cache already."""
    folder = cache_folder() / "xla"
    with contextlib.suppress(OSError):  # without a cache it only takes longer
        folder.mkdir(parents=True, exist_ok=True)
        if not getattr(jax.config, CACHE) and os.access(folder, os.W_OK):
            jax.config.update(CACHE, str(folder))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    mend_silently()


def mend_silently() -> None:
    """Remove entries that JAX cannot read, instead of having it warn of them in every run.

    JAX writes its entries in place: a full disk or a kill leaves half of one, and JAX never writes
    another while that is there. It warns before it compiles anew, and keeps the program only then.
    """
    warnings.filterwarnings("always", message=COMPLAINT)
    if isinstance(warnings.showwarning, _Mending):
        return
    warnings.showwarning = _Mending(warnings.showwarning)


class _Mending:
    """Shows warnings as `show` does, but for those of the cache, which it acts upon."""

    def __init__(self, show: Any):
        self.show = show

    def __call__(self, message: Any, *others: Any, **options: Any) -> None:
        complaint = re.match(COMPLAINT, str(message))
        folder = getattr(jax.config, CACHE)
        if complaint and folder:
            remove_damaged(Path(folder), complaint[2])
        else:
            self.show(message, *others, **options)


def remove_damaged(folder: Path, program: str) -> None:
    """Remove the damaged entries of a program; all of them, if it cannot be told which are."""
    entries = [
        path
        for path in folder.glob(f"*{ENDING}")
        # A key is the program's name and a hash.
        if path.name.removesuffix(ENDING).rpartition("-")[0] == program
    ]
    for path in list(filter(is_damaged, entries)) or entries:
        with contextlib.suppress(OSError):
            path.unlink()


def is_damaged(path: Path) -> bool:
    """Say whether an entry is certainly damaged: empty, or not what zlib wrote to the end."""
    try:
        data = path.read_bytes()
        if data[:1] != b"\x78":  # another compression, which JAX uses where it is installed
            return not data
        zlib.decompress(data)
    except (OSError, zlib.error):
        return True
    return False
