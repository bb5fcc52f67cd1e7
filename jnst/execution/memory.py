"""The memory that a compiled program takes, and that a device has free."""

import contextlib
from pathlib import Path
from typing import Any

import jax
from jax.stages import Compiled

from jnst.nn.backbone import Backbone

SHARE = 0.8
"""Of what a device has free, as much is used; the rest is for what lies between two steps."""

UNKNOWN = 4 * 2**30
"""Bytes that are counted on where the system does not tell."""
LEAST_BYTES = 600
"""That a step takes for a pixel at the very least, so that nothing hopeless is even compiled."""
LARGEST_WINDOW = 1184
"""Pixels: the edge of windows that `"auto"` chooses at most; larger ones save little more."""
SPARE = 0.95
"""Of an edge that is worked out from what another takes: a pixel takes not quite the same."""
SURELY_FITS = 1024, 4 * 2**30
"""A picture and styles of no longer edge, where no fewer bytes are free, are not measured: that
would keep a small run waiting for nothing, as no optimiser of ours takes so much for it."""


def program_bytes(program: Compiled) -> int:
    """Bytes on each device while the program runs: its arguments, results and temporaries."""
    sizes = program.memory_analysis()
    if sizes is None:  # on a platform that does not tell
        return 0
    return (
        sizes.argument_size_in_bytes
        + sizes.output_size_in_bytes
        - sizes.alias_size_in_bytes  # results that take the place of arguments
        + sizes.temp_size_in_bytes
    )


def bytes_beside(model: Backbone, program: Compiled) -> int:
    """Bytes that a program takes beside the network's weights, at least 1."""
    weights = sum(leaf.nbytes for leaf in jax.tree.leaves(model))
    return max(1, program_bytes(program) - weights)


def free_bytes(device: jax.Device) -> int:
    """Bytes that a program may take on the device."""
    stats = device.memory_stats() or {}
    if "bytes_limit" in stats:
        return int(SHARE * (stats["bytes_limit"] - stats["bytes_in_use"]))
    # A processor has no memory of its own: all of JAX's devices on it share the machine's.
    return int(SHARE * free_on_host() / jax.local_device_count(device.platform))


def free_on_host() -> int:
    """Bytes that the system could still give out, at most what a container may have in all."""
    free = UNKNOWN
    # Both files are Linux's; what caches hold counts as available.
    with contextlib.suppress(OSError, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        entries = dict(line.split(":") for line in lines)
        free = 1024 * int(entries["MemAvailable"].split()[0])
    with contextlib.suppress(OSError, ValueError):  # without a limit it says "max"
        free = min(free, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return free


def device_of(model: Any) -> jax.Device:
    """Where the network is, and so the run."""
    return next(iter(jax.tree.leaves(model)[0].devices()))


def require(needed: float, shape: tuple[int, int], device: jax.Device) -> None:
    """Raise ValueError if the device has not so many bytes free for a picture of this shape."""
    free, gib = free_bytes(device), 2**30
    if needed > free:
        height, width = shape
        raise ValueError(
            f"a picture of {width}×{height} px needs {needed / gib:.1f} GiB of memory here, and "
            f"{device} has {free / gib:.1f} GiB free; choose a smaller size"
        )
