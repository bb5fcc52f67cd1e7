"""Eleven runs end in the pictures that version 0.8.0 made.

The references, tests/goldens/pictures.npz, are made by tests/goldens/make_pictures.py. They hold
later changes to their numbers: the networks, losses and optimisers, the levels and the random keys.
References made by version 0.2.0 (commit 72f170d) held the rebuilding of the modules, up to the
commit "Paint several contents by the engine of grids": all ten runs agreed. What came then, the
units of relative weighing and the shapes that pictures are worked at, changed the numbers on
purpose, and the references were made anew; again for the defaults of 0.4.0; and again when pictures
that do not fill their canvas were continued by their mirror at every step, without which all ten
agreed with those of 0.4.0; and for the colours, the finish and beta of 0.8.0, without which all ten
agreed with those of 0.6.0, when a run of two sizes came in.
"""

import functools
from pathlib import Path

import make_pictures
import numpy as np
import pytest

import jnst

REFERENCES = make_pictures.read(Path(make_pictures.__file__).with_name("pictures.npz"))
EARLY = 3
"""Steps, in which rounding has not yet grown."""


@pytest.fixture(scope="module")
def load(real_weights):
    """Loads a network with the extra's weights, one for each choice of options."""
    return functools.cache(functools.partial(jnst.load_vgg19, precision="highest"))


def test_every_run_has_a_reference():
    assert REFERENCES.keys() == make_pictures.RUNS.keys()


@pytest.mark.parametrize("name", make_pictures.RUNS)
def test_a_run_ends_in_the_picture_that_it_ended_in(load, name):
    run, reference = make_pictures.RUNS[name], REFERENCES[name]
    image, losses = run.make(load)
    assert image.shape == reference.image.shape
    # First, since a failure here is a change of the numbers; the picture's alone may be rounding.
    early = losses[..., :EARLY], reference.losses[..., :EARLY]
    np.testing.assert_allclose(*early, rtol=1e-4)
    assert make_pictures.distance(image, reference.image) <= run.bound
