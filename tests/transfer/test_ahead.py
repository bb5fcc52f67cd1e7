"""The next size's programs, compiled while the present one is painted."""

import subprocess
import sys
from pathlib import Path

import jnst
from jnst.optim.step import step
from jnst.transfer.ahead import compile_ahead

STOPPED_AT_ONCE = """
import numpy as np
import jnst
from tiny import tiny_vgg
image = np.random.default_rng(0).uniform(size=(96, 96, 3))
jnst.stylize(tiny_vgg(), image, image[::-1], sizes=(40, 96), callback=lambda progress: True)
"""


def test_a_program_may_end_while_something_is_compiled():
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_AT_ONCE],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_was_compiled_ahead_is_what_the_next_size_runs(tiny, pictures, monkeypatch):
    threads = []

    def remembered(*args):
        threads.append(compile_ahead(*args))
        return threads[-1]

    monkeypatch.setattr("jnst.transfer.painting.compile_ahead", remembered)
    made = []

    def callback(progress):
        for thread in threads:
            thread.join()
        made.append(step.made)

    layers = {"content_layers": ["relu1_2"], "style_layers": ["relu1_2"], "style_loss": "gram"}
    jnst.stylize(tiny, *pictures, sizes=(40, 72), steps=(2, 2), callback=callback, **layers)
    assert len(threads) == 1
    assert made[0] == made[-1]  # both sizes' steps were there after the first step of the first
