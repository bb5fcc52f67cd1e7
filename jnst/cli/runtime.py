"""What the commands run on: JAX's devices, its compilation cache, and Ctrl-C."""

import contextlib
import os
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import jax

from jnst._files import cache_folder

PRECISION, CACHE = "jax_default_matmul_precision", "jax_compilation_cache_dir"  # JAX's own settings

BLAS_THREADS = "OPENBLAS_NUM_THREADS"

NO_BACKEND = "Unable to initialize backend"
"""How JAX's error begins where it is told of a platform that it does not know."""


def devices() -> list[jax.Device]:
    """JAX's devices; raises ValueError where it finds none."""
    try:
        return jax.devices()
    except (RuntimeError, AssertionError) as error:  # JAX_PLATFORMS names what is not there
        raise no_device(error) from error


def no_device(error: Exception) -> ValueError:
    """The error of JAX's that it has no device, as one of the user's."""
    why = f" ({error})" if str(error) else ""
    platforms = os.environ.get("JAX_PLATFORMS", "")
    return ValueError(f"JAX finds no device{why}; is JAX_PLATFORMS={platforms} set wrongly?")


def connect(text: str) -> None:
    """Join the other processes of a run, on this machine or others, by JAX's own runtime.

    Args:
      text: `auto`, where a cluster tells each process what it needs to know, or
        `HOST:PORT,COUNT,NUMBER`: where the first process listens, how many there are, which one
        this is.

    Raises:
      ValueError: if `text` is neither, or the processes do not find each other.
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
    """In words, how a network of this precision computes on the device."""
    if chosen != "float32":
        return {"highest": "float32 (exact products)"}.get(chosen, chosen)
    usual = {"gpu": "TF32 products", "tpu": "bfloat16 products", "cpu": "Winograd"}
    return f"float32 ({getattr(jax.config, PRECISION) or usual.get(device.platform, 'as usual')})"


def make_ready() -> None:
    """What a command does before it computes."""
    use_compilation_cache()
    use_one_blas_thread()


def use_one_blas_thread() -> None:
    """Leave the cores to XLA, unless OpenBLAS was told of another number of threads.

    On processors JAX takes LAPACK from SciPy's OpenBLAS, which it loads at the first call. Its
    threads keep spinning for some 30 ms after a call, on the cores that XLA then waits for.
    """
    os.environ.setdefault(BLAS_THREADS, "1")


def use_compilation_cache() -> None:
    """Keep compiled programs in the user's cache folder, unless JAX was told of another place."""
    folder = cache_folder() / "xla"
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, nothing else
        folder.mkdir(parents=True, exist_ok=True)
        if not getattr(jax.config, CACHE) and os.access(folder, os.W_OK):
            jax.config.update(CACHE, str(folder))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


@contextlib.contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C has been pressed in this block; at the second time it interrupts as always."""
    pressed = False

    def remember(*_: object) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, before)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # as under nohup, which is to be respected
        signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
