"""The real command, run in a folder that holds the weights in cache/."""

import os
import subprocess
import sys


def environment(folder, **changed):
    """The variables with which only those weights are found."""
    cache = folder / "cache"
    return {**os.environ, "JNST_CACHE": str(cache), "TORCH_HOME": str(folder), **changed}


def jnst_command(folder, *arguments, **changed):
    """`jnst` with these arguments, to its end."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "jnst", *map(str, arguments)],
        cwd=folder,
        env=environment(folder, **changed),
        capture_output=True,
        text=True,
        timeout=200,
    )
