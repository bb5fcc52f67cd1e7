"""Ctrl-C, and the signals that end a process, which are treated alike: nothing is lost."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from types import FrameType
from typing import Any

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Ctrl-C; the end that a scheduler or `kill` asks for; a terminal that was closed."""

received: list[int] = []
"""The signals of this run of the program, in their order."""


def exit_code() -> int:
    """Return the exit code of a run that a signal has ended, as shells give it: 128 + the signal.

    Without one that is Ctrl-C's.
    """
    return 128 + (received[0] if received else signal.SIGINT)


def end_word() -> str:
    """Say what a run was by a signal."""
    return "interrupted" if exit_code() == 130 else "terminated"


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """Let Ctrl-C in this block end the process with one line, as long as nothing has begun.

    An exception would not do while modules are imported: jaxlib turns a KeyboardInterrupt during
    its import into an ImportError or a crash, and its callbacks swallow it. The other signals end
    the process by themselves.
    """

    def end(*_: object) -> None:
        try:
            os.write(2, b"jnst: error: interrupted\n")
        finally:
            os._exit(130)

    # Respect another handler, and that Ctrl-C is ignored, as under nohup.
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or not in_main_thread():
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def ending_tidily() -> Iterator[None]:
    """Let every signal in this block end it as Ctrl-C does, so that no half a file is left.

    Handlers of somebody else's are respected.
    """

    def interrupt(number: int, _: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    with handled_by(interrupt, instead_of=(signal.SIG_DFL, signal.default_int_handler)):
        yield


@contextlib.contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether a signal came; a second one interrupts at once."""
    came = False

    def remember(number: int, _: FrameType | None) -> None:
        nonlocal came
        came = True
        received.append(number)
        signal.signal(number, before[number])

    with handled_by(remember) as before:
        yield lambda: came


Handler = Callable[[int, FrameType | None], Any]


@contextlib.contextmanager
def handled_by(
    handler: Handler, instead_of: Collection[Any] | None = None
) -> Iterator[dict[int, Any]]:
    """Handle the signals in this block; yield the handlers of before, which come back after it.

    Those that are ignored stay so, as under nohup; in another thread than the main one, where
    Python handles no signals, nothing is changed.

    Args:
      handler: of the signals.
      instead_of: the handlers that it may replace; None: any.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS if in_main_thread()}
    # None: a handler that was not set by Python, which could not set it again.
    before = {
        number: old
        for number, old in before.items()
        if old not in (signal.SIG_IGN, None) and (instead_of is None or old in instead_of)
    }
    for number in before:
        signal.signal(number, handler)
    try:
        yield before
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def in_main_thread() -> bool:
    """Say whether this is the thread that signals come to."""
    return threading.current_thread() is threading.main_thread()
