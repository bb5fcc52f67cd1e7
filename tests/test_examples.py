"""The example programs, run small; examples/stylize.py is run whole by .ci/run."""

import runpy
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import jnst

EXAMPLES = Path(jnst.__file__).parents[1] / "examples"


@pytest.fixture
def in_folder(tmp_path, monkeypatch, weights_file):
    """An empty working directory, where the weights of a small network are found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JNST_WEIGHTS", str(weights_file))
    return tmp_path


def test_the_grid_example_draws_a_sheet(in_folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["grid.py", "--size", "48", "--steps", "2"])
    runpy.run_path(str(EXAMPLES / "grid.py"), run_name="__main__")
    assert {path.name for path in in_folder.iterdir()} == {"grid-sheet.png", "grid-trade-off.png"}
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("alpha ") for line in lines) == 6


def test_the_example_with_a_term_of_its_own_keeps_the_light(in_folder, monkeypatch, capsys):
    program = runpy.run_path(str(EXAMPLES / "own_objective.py"))
    shared = program["main"].__globals__
    monkeypatch.setitem(shared, "SIZE", 64)
    monkeypatch.setitem(shared, "STEPS", 12)
    program["main"]()
    lines = [line for line in capsys.readouterr().out.splitlines() if "light" in line]
    none, some, much = (float(line.split("light ")[1]) for line in lines)
    assert much < some < none
    assert (in_folder / "own-objective.png").exists()


def test_the_examples_brightness_is_the_mean_luminance_of_blocks():
    brightness = runpy.run_path(str(EXAMPLES / "own_objective.py"))["brightness"]
    image = np.random.default_rng(0).uniform(size=(20, 17, 3))
    blocks = image[:8, 8:16].mean(axis=(0, 1)) @ [0.2126, 0.7152, 0.0722]
    found = brightness(jnp.asarray(image))
    assert found.shape == (2, 2)
    np.testing.assert_allclose(found[0, 1], blocks, rtol=1e-5)
