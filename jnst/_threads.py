"""Work in threads: a few steps ahead of who uses it, or several parts of one thing at once."""

import os
import queue
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

WAIT = 0.1
"""Seconds between looks whether anybody still wants more."""
MOST_THREADS = 8


def _wait_for(ended: threading.Event) -> None:
    """Wait even if Ctrl-C is pressed: a program that ends while XLA computes aborts.

    `Thread.join` is no help: what interrupts it makes Python 3.11 take the thread for ended.
    """
    pressed = None
    while not ended.is_set():
        try:
            ended.wait(WAIT)
        except KeyboardInterrupt as error:
            pressed = error
    if pressed is not None:
        raise pressed


def ahead(items: Iterable[T], count: int = 2) -> Generator[T]:
    """Yield items that another thread makes, at most `count` ahead.

    What the thread raises is raised here in its turn. Closing the iterator ends the thread.

    >>> list(ahead(range(4)))
    [0, 1, 2, 3]
    """
    made: queue.Queue[tuple[str, Any]] = queue.Queue(count)
    closed, ended = threading.Event(), threading.Event()

    def put(kind: str, value: Any) -> None:
        while not closed.is_set():
            try:
                made.put((kind, value), timeout=WAIT)
                return
            except queue.Full:
                continue

    def make() -> None:
        source = iter(items)
        try:
            for item in source:
                put("item", item)
                if closed.is_set():
                    break
            put("end", None)
        except BaseException as error:  # for the one who waits for it
            put("error", error)
        finally:
            try:
                if hasattr(source, "close"):
                    source.close()
            finally:
                ended.set()

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            kind, value = made.get()
            if kind == "item":
                yield value
            elif kind == "error":
                raise value
            else:
                return
    finally:
        closed.set()
        _wait_for(ended)


def each(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What comes of every item, in their order; the work goes on in several threads.

    It is for work that NumPy does outside of Python's lock. What a thread raises is raised here.

    >>> each(abs, [1, -2])
    [1, 2]
    """
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool:
        return list(pool.map(work, items))
