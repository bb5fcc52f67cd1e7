"""Jitted functions whose compiled programs are let go of.

A program of XLA's takes some hundred memory maps and some ten megabytes, and `jax.jit` keeps one
for every shape that it has seen: after some hundred pictures of different shapes a process has no
maps left and dies. A function of this module keeps as many as `MOST`, and all of them together as
many as `MOST_OF_ALL`: those used last.
"""

import collections
import functools
import os
import threading
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.stages import Lowered

MOST = 24
"""Programs that each function keeps."""
MOST_OF_ALL = 120
"""Programs that all functions keep together; a run needs about ten for each size."""
GPU_OPTIONS: dict[str, Any] = {
    "xla_gpu_enable_triton_gemm": False,
    "xla_gpu_enable_command_buffer": "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,"
    "DYNAMIC_SLICE_FUSION,CONDITIONAL,WHILE",
}
"""Of XLA's compiler on GPUs. Products are left to cuBLAS, as to look for faster kernels for each of
the Wasserstein loss's takes half a minute; and its loops go to the device as a whole, where they
need not wait for the host at each turn: 4.2 instead of 5.5 ms for a step of 512 px on an H100."""
QUICK_OPTIONS: dict[str, Any] = {"xla_backend_optimization_level": 1}
"""Of XLA's compiler on processors, for programs that spend their time in libraries' convolutions
and products, as a step does: it takes as long, and is compiled in four fifths of the time."""
ALWAYS = 24
"""As many may stay, however many memory maps there are."""
ROOMY = 0.2
"""Of the memory maps that the system allows a process: with more, further programs that the last
run did not use are let go of."""
FULL = 0.6
"""With more still, all that JAX has compiled in this process is let go of, what the user's own
functions compiled included."""


_used: "collections.OrderedDict[tuple[Programs, Hashable], int]" = collections.OrderedDict()
"""The programs of all functions, those used last at the end, and in which run each was."""
_runs = 0
"""The runs that are over."""
_lock = threading.RLock()


class Programs:
    """A function that is compiled for each structure and shapes of its arguments.

    Args:
      function: what to compile.
      static_argnames: keyword arguments that are part of a program; hashable.
      donate_argnames: arguments whose memory the results may take.
      most: programs to keep.
      quick: on processors, be compiled with `QUICK_OPTIONS`.

    Attributes:
      made: how many programs there were.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        static_argnames: Sequence[str] = (),
        donate_argnames: Sequence[str] = (),
        most: int = MOST,
        quick: bool = False,
    ):
        functools.update_wrapper(self, function)
        self.function, self.most, self.quick = function, most, quick
        self.options: dict[str, Any] = {
            "static_argnames": static_argnames,
            "donate_argnames": donate_argnames,
        }
        self.static = frozenset(static_argnames)
        self.made = 0
        self._kept: collections.OrderedDict[Hashable, Any] = collections.OrderedDict()

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call the function; it is compiled for shapes that have not been seen of late."""
        return self.of(*args, **options)(*args, **options)

    def lower(self, *args: Any, **options: Any) -> Lowered:
        """Trace the function for shapes; running it for such arguments then compiles nothing."""
        return self.of(*args, **options).lower(*args, **options)

    def of(self, *args: Any, **options: Any) -> Any:
        """The jitted function for arguments of these shapes, to be called with nothing else."""
        static = tuple(sorted((n, v) for n, v in options.items() if n in self.static))
        dynamic = {name: value for name, value in options.items() if name not in self.static}
        leaves, structure = jax.tree.flatten((args, dynamic))
        chosen = compiler_options(self.quick)
        if chosen is not None and _within_another(leaves):
            chosen = None  # it is a part of that program, which has options of its own
        key = static, structure, tuple(map(_aval, leaves)), chosen is None
        with _lock:
            if key not in self._kept:
                self._kept[key] = jax.jit(self._own_copy(), compiler_options=chosen, **self.options)
                self.made += 1
            self._kept.move_to_end(key)
            _used[self, key] = _runs
            _used.move_to_end((self, key))
            while len(self._kept) > self.most:
                self._let_go(next(iter(self._kept)))
            while len(_used) > MOST_OF_ALL:
                owner, oldest = next(iter(_used))
                owner._let_go(oldest)
            return self._kept[key]

    def _let_go(self, key: Hashable) -> None:
        """Forget a program; whoever has got it goes on with it, compiled anew."""
        self._kept.pop(key).clear_cache()
        del _used[self, key]

    def _own_copy(self) -> Callable[..., Any]:
        """The function as another object, as JAX keeps what it traced by the function itself.

        A program that asks JAX for strict types asks it of its own code: Optax's is not written so.
        """

        @functools.wraps(self.function)
        def copy(*args: Any, **options: Any) -> Any:
            with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
                return self.function(*args, **options)

        return copy

    def compiled(self) -> int:
        """The number of programs that are kept."""
        return len(self._kept)

    def clear(self) -> None:
        """Let go of all programs."""
        with _lock:
            while self._kept:
                self._let_go(next(iter(self._kept)))


def _within_another(leaves: Sequence[Any]) -> bool:
    """Say whether JAX is tracing: an argument, or, as by `jax.jit`, all that is computed."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in (*leaves, jnp.zeros(())))


@functools.cache
def compiler_options(quick: bool = False) -> dict[str, Any] | None:
    """What programs of the default backend are compiled with: what its compiler knows of them.

    What the user has put into XLA_FLAGS stays.
    """
    backend, own = jax.default_backend(), os.environ.get("XLA_FLAGS", "")
    wanted = GPU_OPTIONS if backend == "gpu" else QUICK_OPTIONS if quick else {}
    options = {name: value for name, value in wanted.items() if name not in own}
    return {name: value for name, value in options.items() if _is_known(name, value)} or None


def _is_known(name: str, value: Any) -> bool:
    """Say whether XLA's compiler has an option, as they come and go with its versions."""
    try:
        jax.jit(lambda x: x, compiler_options={name: value}).lower(0.0).compile()
    except (RuntimeError, ValueError):  # jaxlib's error for an unknown one is the first
        return False
    return True


def program(**options: Any) -> Callable[[Callable[..., Any]], Programs]:
    """Decorate a function as one of `Programs`; options as there."""
    return lambda function: Programs(function, **options)


def _aval(leaf: Any) -> Hashable:
    """What a program depends on of an argument."""
    if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
        return tuple(leaf.shape), leaf.dtype, getattr(leaf, "weak_type", False)
    return type(leaf).__name__


def spare_maps() -> None:
    """Let go of programs, once a run is over, if memory maps run short.

    What this run used stays as long as it can: the next one may be like it. A run in another thread
    may have to compile anew. What is compiled for single operations on a user's own arrays is not
    ours to count; a process that sees thousands of shapes lives on as all of it goes at last.
    """
    global _runs
    try:
        most = int(Path("/proc/sys/vm/max_map_count").read_text())
    except (OSError, ValueError):  # not on Linux, which alone has the limit
        return
    there = memory_maps()
    with _lock:
        while len(_used) > ALWAYS and there > ROOMY * most:
            (owner, oldest), run = next(iter(_used.items()))
            if run == _runs:
                break
            owner._let_go(oldest)
            there = memory_maps()
        _runs += 1
    if there > FULL * most:
        jax.clear_caches()


def memory_maps() -> int:
    """The memory maps of this process; 0 where the system has no list of them."""
    try:
        with open("/proc/self/maps", "rb") as file:
            return sum(1 for _ in file)
    except OSError:
        return 0
