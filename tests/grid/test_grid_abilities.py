"""Grids have what a single run has: tiles, a tolerance, checkpoints, terms of one's own."""

import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst.losses.terms import PIXELS, Scalar

SHALLOW = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}
QUICK = {"sizes": (64,), "steps": 3, "style_loss": "gram", "finish": 0, **SHALLOW}
BETAS = (1.0, 20.0)


def distance(image, reference):
    return np.linalg.norm(image - reference) / np.linalg.norm(reference)


@pytest.fixture(scope="module")
def pictures(pictures):
    """Of a content that is worked at as it is, with tiles and without."""
    content, style = pictures
    return content[:, :64], style


@pytest.fixture(scope="module")
def plain(tiny, pictures):
    return jnst.stylize_grid(tiny, *pictures, beta=BETAS, **QUICK)


def test_tiles_make_the_same_cells(tiny, pictures, plain):
    seen = []
    tiled = jnst.stylize_grid(
        tiny,
        *pictures,
        beta=BETAS,
        tile=40,
        callback=lambda progress: seen.append((progress.cells, progress.step)),
        **QUICK,
    )
    assert seen == [(((0, cell),), step) for cell in (0, 1) for step in (1, 2, 3)]
    for cell in np.ndindex(1, 2):
        assert distance(tiled.images[cell], plain.images[cell]) < 1e-5
        np.testing.assert_allclose(tiled.losses["total"][cell], plain.losses["total"][cell], 1e-4)


def test_every_cell_ends_where_its_single_run_converges(tiny, pictures):
    settings = QUICK | {"steps": 60, "tolerance": 0.2}
    betas = (0.001, 20.0)
    several = jnst.stylize_grid(tiny, *pictures, beta=betas, **settings)
    single = [jnst.stylize(tiny, *pictures, beta=beta, **settings) for beta in betas]
    assert several.steps[0].tolist() == [run.steps for run in single]
    assert several.reasons[0].tolist() == [run.reason for run in single]
    assert "converged" in several.reasons[0]
    assert len(set(several.steps[0])) == 2
    for cell, run in enumerate(single):
        assert distance(several.images[0, cell], run.image) < 1e-4


@pytest.mark.parametrize("batch", [1, 2])
def test_a_stopped_grid_continues_to_the_same_bits(tiny, pictures, plain, tmp_path, batch):
    file = tmp_path / "grid.npz"
    whole = plain if batch == 2 else jnst.stylize_grid(
        tiny, *pictures, beta=BETAS, batch=batch, **QUICK
    )  # fmt: skip
    arguments = {"beta": BETAS, "batch": batch, "checkpoint": file, "checkpoint_every": 1, **QUICK}
    seen = []

    def callback(progress):
        seen.append(progress.step)
        return len(seen) == 5 - batch * 1 - (batch == 2) * 1

    stopped = jnst.stylize_grid(tiny, *pictures, callback=callback, **arguments)
    assert "stopped" in stopped.reasons
    seen.clear()
    again = jnst.stylize_grid(
        tiny,
        *pictures,
        resume=True,
        callback=lambda progress: seen.append(progress.step),
        **arguments,
    )
    assert seen == {1: [2, 3], 2: [3]}[batch]
    np.testing.assert_array_equal(again.images, whole.images)
    for term, values in whole.losses.items():
        np.testing.assert_array_equal(again.losses[term], values)
    with pytest.raises(ValueError, match="is of another run"):
        jnst.stylize_grid(tiny, *pictures, resume=True, **arguments | {"gamma": 3.0})


@jnst.term
class Light(jnst.Term):
    """The squared distance of the mean from a number."""

    name = "light"
    layers = (PIXELS,)
    wanted: Scalar
    weight: Scalar = 1.0

    def statistics(self, features, positions=None):
        height, width = features[PIXELS].shape[-3:-1]
        pixels = positions[PIXELS] if positions else height * width
        return jnp.sum(features[PIXELS], axis=(-3, -2, -1)) / pixels / 3

    def loss(self, statistics):
        return jnp.square(statistics - self.wanted)


def test_terms_of_ones_own_are_in_every_cell(tiny, pictures, plain):
    terms = [Light(wanted=0.9, weight=100.0)]
    several = jnst.stylize_grid(tiny, *pictures, beta=BETAS, terms=terms, **QUICK)
    assert (several.losses["light"] > 0).all()
    for cell, beta in enumerate(BETAS):
        single = jnst.stylize(tiny, *pictures, beta=beta, terms=terms, **QUICK)
        assert distance(several.images[0, cell], single.image) < 1e-5
        np.testing.assert_allclose(several.losses["light"][0, cell], single.losses["light"], 1e-5)
    assert several.images.mean() > plain.images.mean() + 0.01


@pytest.mark.parametrize("style_loss", ["sliced-wasserstein", "wasserstein"])
def test_other_style_losses_make_the_cells_of_their_single_runs(tiny, pictures, style_loss):
    settings = QUICK | {"style_loss": style_loss, "steps": 8}
    several = jnst.stylize_grid(tiny, *pictures, beta=BETAS, **settings)
    for cell, beta in enumerate(BETAS):
        single = jnst.stylize(tiny, *pictures, beta=beta, **settings)
        assert distance(several.images[0, cell], single.image) < 1e-5
