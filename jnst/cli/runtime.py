"""JAX's devices, and what is set up before a run."""

import os
import re
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jnst._malloc import keep_memory
from jnst.cli.compilation_cache import CACHE as CACHE
from jnst.cli.compilation_cache import use_compilation_cache as use_compilation_cache
from jnst.cli.signals import interrupts as interrupts

PRECISION = "jax_default_matmul_precision"  # JAX's own setting

BLAS_THREADS = "OPENBLAS_NUM_THREADS"

NO_BACKEND = "Unable to initialize backend"
"""Start of JAX's error for a platform that it does not know."""


def devices() -> list[jax.Device]:
    """Return JAX's devices; raise ValueError if it finds none."""
    try:
        return jax.devices()
    except (RuntimeError, AssertionError) as error:  # JAX_PLATFORMS names what is not there
        raise no_device(error) from error


def no_device(error: Exception) -> ValueError:
    """Turn JAX's error into one that tells the user what to do."""
    why = f" ({error})" if str(error) else ""
    platforms = os.environ.get("JAX_PLATFORMS", "")
    return ValueError(f"JAX finds no device{why}; is JAX_PLATFORMS={platforms} set wrongly?")


def connect(text: str) -> None:
    """Join the other processes of a run, on this machine or others, by JAX's runtime.

    Args:
      text: `auto`, if the cluster tells each process what it needs to know, or
        `HOST:PORT,COUNT,NUMBER`: the address of the first process, the number of processes, and
        the number of this one.

    Raises:
      ValueError: if `text` is neither, or the processes cannot connect.
    """
    options: dict[str, Any] = {}
    if text != "auto":
        given = re.fullmatch(r"([^,]+:\d+),(\d+),(\d+)", text)
        if not given or int(given[3]) >= int(given[2]):
            raise ValueError(
                "--distributed must be HOST:PORT,COUNT,NUMBER with a NUMBER from 0 to COUNT - 1, "
                f"got {text!r}"
            )
        options = {
            "coordinator_address": given[1],
            "num_processes": int(given[2]),
            "process_id": int(given[3]),
        }
    try:
        jax.distributed.initialize(**options)
    except (RuntimeError, ValueError) as error:
        why = str(error).split("\n")[0]
        raise ValueError(f"--distributed: the processes do not find each other ({why})") from error


def precision(device: jax.Device, chosen: str) -> str:
    """Describe how a network of this precision computes on the device."""
    if chosen != "float32":
        return {"highest": "float32 (exact products)"}.get(chosen, chosen)
    usual = {"gpu": "TF32 products", "tpu": "bfloat16 products", "cpu": "Winograd"}
    return f"float32 ({getattr(jax.config, PRECISION) or usual.get(device.platform, 'as usual')})"


def make_ready(*, many_passes: bool = False) -> None:
    """Set up the compilation cache and OpenBLAS; for `many_passes` of a network memory is kept."""
    if many_passes:
        keep_memory()
    use_compilation_cache()
    use_one_blas_thread()


def use_one_blas_thread() -> None:
    """Make OpenBLAS use one thread, unless its number of threads is set.

    On CPUs JAX takes LAPACK from SciPy's OpenBLAS, loaded at the first call, whose threads keep
    spinning for about 30 ms after a call on the cores that XLA needs.
    """
    os.environ.setdefault(BLAS_THREADS, "1")


def agreed(flags: Sequence[bool]) -> list[bool]:
    """Return the flags of the first process, on every process."""
    if jax.process_count() == 1:
        return list(flags)
    return multihost_utils.broadcast_one_to_all(np.array(flags)).tolist()
