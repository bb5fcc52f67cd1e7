"""The commands, run in this process or in one of their own, in a folder with weights in cache/."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from typing import NamedTuple, TextIO

import pytest

from jnst.cli import main

JNST = sys.executable, "-W", "error", "-m", "jnst"


def put_weights(folder, weights):
    """Put a weights file into the folder, where the commands look for it."""
    (folder / "cache").mkdir()
    os.link(weights, folder / "cache" / "vgg19.h5")


class Finished(NamedTuple):
    """A command that has ended, by the names of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


def variables(folder, **changed):
    """The environment in which only the weights in the folder are found."""
    return {"JNST_CACHE": str(folder / "cache"), "TORCH_HOME": str(folder), **changed}


def run_jnst(folder, *arguments, stderr: TextIO | None = None, **changed):
    """Run `jnst` in this process, which spares it the import of JAX and what is compiled already.

    Warnings are errors, as everywhere in the tests; the environment, the working directory and
    the handler of Ctrl-C are those of before afterwards.

    Args:
      folder: the working directory.
      arguments: of the command line.
      stderr: where standard error goes; None: into the result.
      changed: environment variables.
    """
    handler = signal.getsignal(signal.SIGINT)
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(stderr or err),
    ):
        patch.chdir(folder)
        for name, value in variables(folder, **changed).items():
            patch.setenv(name, value)
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse's way
            code = end.code
    assert signal.getsignal(signal.SIGINT) is handler
    return Finished(code, out.getvalue(), err.getvalue())


def start_jnst(folder, *arguments, python=(), **changed):
    """Start `jnst` in a process of its own, whose standard error can be read.

    Args:
      folder: the working directory.
      arguments: of the command line.
      python: options of the interpreter.
      changed: environment variables.
    """
    with default_interrupts():
        return subprocess.Popen(
            [JNST[0], *python, *JNST[1:], *map(str, arguments)],
            cwd=folder,
            env={**os.environ, **variables(folder, **changed)},
            stderr=subprocess.PIPE,
            text=True,
        )


@contextlib.contextmanager
def default_interrupts():
    """Let processes that are started in this block answer Ctrl-C.

    They inherit nothing but that it is ignored, as it is in what a script without job control
    starts with `&`; perhaps these tests.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
