"""How a picture descends: schedule, averaging, bounds, optimisers, and runs that diverge."""

import functools

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnst
from jnst.image.resizing import resize

stylize = functools.partial(jnst.stylize, style_loss="gram", optimizer="adam", colors="free")
"""By Gram matrices, which are quicker than the default where pictures are small."""

QUICK = {"sizes": (64,), "steps": 8, "style_loss": "gram"}
SHALLOW = {"sizes": (64,), "content_layers": ["relu2_1"], "style_layers": ["relu1_1"]}
"""Layers that compile in a second."""


def iterates(tiny, pictures, **settings):
    """What a callback sees after each of some steps, and the result."""
    seen = []
    result = stylize(
        tiny,
        *pictures,
        callback=lambda progress: seen.append(np.float64(progress.picture())),
        **SHALLOW | settings,
    )
    return seen, result


def test_the_schedule_decides_how_far_the_last_step_goes(tiny, pictures):
    moved = {}
    for schedule in ("constant", "cosine"):
        seen, _ = iterates(tiny, pictures, schedule=schedule, averaging=0, steps=12, alpha=0)
        moved[schedule] = np.abs(seen[-1] - seen[-2]).mean() / np.abs(seen[1] - seen[0]).mean()
    assert moved["cosine"] < 0.4 * moved["constant"]


def test_averaging_shows_the_average_of_the_iterates(tiny, pictures):
    single, _ = iterates(tiny, pictures, averaging=0, steps=4)
    _, averaged = iterates(tiny, pictures, averaging=0.8, steps=4)
    start = np.float64(resize(jnp.asarray(pictures[0]), single[0].shape[:2]))
    weights = 0.8 ** np.arange(4, -1, -1)
    expected = np.tensordot(weights / weights.sum(), np.array([start, *single]), 1)
    np.testing.assert_allclose(averaged.image, expected, atol=1e-4)


def test_without_clip_pixels_leave_the_range_until_the_end(tiny, pictures):
    ranges = {}
    for clip in (True, False):
        seen, result = iterates(tiny, pictures, clip=clip, averaging=0, learning_rate=0.2, steps=6)
        ranges[clip] = min(image.min() for image in seen), max(image.max() for image in seen)
        assert result.image.min() >= 0 and result.image.max() <= 1
    assert ranges[True] == (0, 1)
    assert ranges[False][0] < -0.02 and ranges[False][1] > 1.02


def test_a_run_that_diverges_says_so_and_keeps_a_finite_picture(tiny, pictures):
    content, style = pictures
    result = stylize(tiny, content, style, learning_rate=1e20, clip=False, **QUICK)
    assert result.reason == "diverged"
    assert result.steps < 8
    assert np.isfinite(result.image).all()
    assert np.isfinite(result.losses["total"]).all()


def test_lbfgs_starts_at_once_and_keeps_up_with_adam(tiny, pictures):
    content, style = pictures
    content = content[:, :64]  # fills its canvas
    final = {
        name: stylize(tiny, content, style, optimizer=name, sizes=(64,), steps=60, beta=10)
        for name in ("adam", "lbfgs")
    }
    assert final["lbfgs"].losses["total"][-1] < 1.3 * final["adam"].losses["total"][-1]
    assert final["lbfgs"].losses["total"][10] < 0.7 * final["lbfgs"].losses["total"][0]


def test_so_it_does_over_several_betas_on_a_canvas_that_is_not_full(tiny, pictures):
    """In some of them either ends in a worse valley than the other."""
    adam, lbfgs = (
        [
            stylize(tiny, *pictures, optimizer=name, sizes=(64,), steps=60, beta=beta).losses
            for beta in (3, 5, 10, 20)
        ]
        for name in ("adam", "lbfgs")
    )
    ratios = [one["total"][-1] / other["total"][-1] for one, other in zip(lbfgs, adam, strict=True)]
    assert np.exp(np.mean(np.log(ratios))) < 1.2
    assert all(losses["total"][10] < 0.7 * losses["total"][0] for losses in lbfgs)


@pytest.mark.parametrize(("weighing", "beta"), [("relative", 10), ("paper", 1e5)])
def test_lbfgs_is_steady_under_either_weighing(tiny, pictures, weighing, beta):
    content, style = pictures
    settings = {"optimizer": "lbfgs", "weighing": weighing, "beta": beta, "clip": False}
    result = stylize(tiny, content, style, sizes=(64,), steps=80, **settings)
    totals = result.losses["total"]
    assert result.reason == "finished"
    assert totals[-1] < 0.5 * totals[0]
    assert totals[20:].max() <= totals[0]


def test_an_optax_transformation_of_ones_own(tiny, pictures):
    content, style = pictures
    result = stylize(tiny, content, style, optimizer=optax.adamax(0.02), **QUICK)
    assert result.losses["total"][-1] < result.losses["total"][0]


def test_a_run_that_diverges_at_once_returns_its_start(tiny, pictures):
    content, style = pictures[0][:, :64], pictures[1]  # of which no size is rounded
    options = {"alpha": 1e30, "beta": 1e30, "weighing": "paper", "sizes": (48, 64), "steps": (3, 3)}
    result = stylize(tiny, content, style, init=style, **options)
    assert (result.reason, result.steps, result.plan) == ("diverged", 0, (((48, 48), 0),))
    assert all(values.shape == (0,) for values in result.losses.values())
    assert "total" in result.losses
    start = resize(resize(jnp.asarray(style), (48, 48)), (64, 64))
    np.testing.assert_allclose(result.image, start.clip(0, 1), atol=1e-5)
    grid = jnst.stylize_grid(tiny, content, style, init="noise", **options | {"beta": [1e30, 1e29]})
    assert grid.reasons.tolist() == [["diverged", "diverged"]]
    assert (grid.steps == 0).all() and np.isfinite(grid.images).all()
    assert np.isnan(grid.losses["total"]).all()


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_no_run_converges_to_something_worse_than_its_start(tiny, pictures, optimizer):
    content, style = pictures
    options = {"optimizer": optimizer, "tolerance": 0.005, "steps": 90} | SHALLOW
    for given in (content, style):  # the first is at its minimum but for the variation
        done = stylize(tiny, content, given, **SHALLOW, steps=150).image
        for init in ("content", done):
            result = stylize(tiny, content, given, init=init, **options)
            if result.reason == "converged":
                assert result.losses["total"][-1] <= result.losses["total"][0]
            else:
                assert (result.reason, result.steps) == ("finished", 90)
