"""What a run costs: the memory of a compiled program, the time of a plan."""

import contextlib
import functools
import time
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.stages import Compiled

from jnst.transfer.settings import Plan

SHARE = 0.8
"""Of what a device has free, as much is used; the rest is for what lies between two steps."""

UNKNOWN = 4 * 2**30
"""Bytes that are counted on where the system does not tell."""
LEAST_BYTES = 600
"""That a step takes for a pixel at the very least, so that nothing hopeless is even compiled."""
FLOP = 1.45e6
"""Of a step, for each pixel: VGG-19 to relu5_1 and its gradient, two for a multiply-add."""


def needed(program: Compiled) -> int:
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


def free(device: jax.Device) -> int:
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


def seconds(plan: Plan, cells: int) -> float:
    """A rough guess at how long a number of runs takes, from how fast the device multiplies."""
    pixels = sum(height * width * steps for (height, width), steps in plan)
    return cells * pixels * FLOP / (_flop_per_second() * jax.device_count())


@functools.cache
def _flop_per_second() -> float:
    """The speed of a product of two matrices, at the default precision."""
    size = 2048
    matrix, times = jnp.ones((size, size)), []
    for _ in range(4):  # the first one compiles
        began = time.perf_counter()
        (matrix @ matrix).block_until_ready()
        times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times)


def duration(seconds: float) -> str:
    """A time in one unit that suits it.

    >>> duration(40), duration(9000), duration(3e8)
    ('40 seconds', '2.5 hours', '9.5 years')
    """
    units = ("years", 365.25 * 86400), ("days", 86400), ("hours", 3600), ("minutes", 60)
    for unit, length in units:
        if seconds >= 1.5 * length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.0f} seconds"
