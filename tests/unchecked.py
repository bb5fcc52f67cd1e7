"""The library as users have it, without the checks of shapes and types that the tests add."""

import contextlib

import jaxtyping


@contextlib.contextmanager
def unchecked():
    """Let wrong arguments reach the library's own checks."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)
