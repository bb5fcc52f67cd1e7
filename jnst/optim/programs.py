"""Jitted functions whose compiled programs are let go of.

A program of XLA's takes some hundred memory maps and some ten megabytes, and `jax.jit` keeps one
for every shape that it has seen: after some hundred pictures of different shapes a process has no
maps left and dies. A function of this module keeps as many as `MOST`, those used last.
"""

import collections
import functools
import threading
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import jax
from jax.stages import Lowered

MOST = 24
"""Programs that each function keeps."""
MAPS = 0.6
"""Of the memory maps that the system allows a process: with more, all that JAX has compiled in this
process is let go of, what the user's own functions compiled included."""


class Programs:
    """A function that is compiled for each structure and shapes of its arguments.

    Args:
      function: what to compile.
      static_argnames: keyword arguments that are part of a program; hashable.
      donate_argnames: arguments whose memory the results may take.
      most: programs to keep.

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
    ):
        functools.update_wrapper(self, function)
        self.function, self.most = function, most
        self.options: dict[str, Any] = {
            "static_argnames": static_argnames,
            "donate_argnames": donate_argnames,
        }
        self.static = frozenset(static_argnames)
        self.made = 0
        self._kept: collections.OrderedDict[Hashable, Any] = collections.OrderedDict()
        self._lock = threading.Lock()

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
        key = static, structure, tuple(map(_aval, leaves))
        with self._lock:
            if key not in self._kept:
                self._kept[key] = jax.jit(self._own_copy(), **self.options)
                self.made += 1
                while len(self._kept) > self.most:
                    self._kept.popitem(last=False)[1].clear_cache()
            self._kept.move_to_end(key)
            return self._kept[key]

    def _own_copy(self) -> Callable[..., Any]:
        """The function as another object, as JAX keeps what it traced by the function itself."""

        @functools.wraps(self.function)
        def copy(*args: Any, **options: Any) -> Any:
            return self.function(*args, **options)

        return copy

    def compiled(self) -> int:
        """The number of programs that are kept."""
        return len(self._kept)

    def clear(self) -> None:
        """Let go of all programs."""
        with self._lock:
            while self._kept:
                self._kept.popitem()[1].clear_cache()


def program(**options: Any) -> Callable[[Callable[..., Any]], Programs]:
    """Decorate a function as one of `Programs`; options as there."""
    return lambda function: Programs(function, **options)


def _aval(leaf: Any) -> Hashable:
    """What a program depends on of an argument."""
    if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
        return tuple(leaf.shape), leaf.dtype, getattr(leaf, "weak_type", False)
    return type(leaf).__name__


def spare_maps() -> None:
    """Let go of all that JAX has compiled in this process if memory maps run short.

    What is compiled for single operations on a user's own arrays is not ours to count; this keeps a
    process that sees thousands of shapes alive.
    """
    try:
        most = int(Path("/proc/sys/vm/max_map_count").read_text())
        with open("/proc/self/maps", "rb") as file:
            there = sum(1 for _ in file)
    except (OSError, ValueError):  # not on Linux, which alone has the limit
        return
    if there > MAPS * most:
        jax.clear_caches()
