"""Regions in tiles, grids and checkpoints, forecasts of memory, and mistakes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from painted_regions import HOLE, LAYERS, LEFT, OTHER, QUICK, RIGHT, SOFT

import jnst
from jnst.execution import memory
from jnst.image.masks import Masks
from jnst.losses.objectives import evaluate
from jnst.optim.step import step
from jnst.optim.whole import Whole
from jnst.transfer import tile_selection
from jnst.transfer.inputs import Inputs
from jnst.transfer.problem import build_objective
from jnst.transfer.settings import Settings
from jnst.transfer.tiled_problem import tiled_execution

TELL_GRADIENT = optax.GradientTransformation(
    jnp.zeros_like, lambda gradient, state, params=None: (0 * gradient, gradient)
)
"""Moves nothing; its state is the last gradient."""


def test_the_gradient_in_tiles_is_that_of_the_whole_picture(tiny, pictures):
    content = jnp.asarray(np.tile(pictures[0], (2, 1, 1))[:75, :61])
    styles = [jnp.asarray(pictures[1]), jnp.asarray(OTHER)]
    soft, keep = SOFT[:32, :26], HOLE[:50, 30:70]  # of other sizes
    masks = Masks((soft, 1 - soft), (None, SOFT[:, :72]), keep)
    settings = Settings(
        style_loss="gram+statistics",
        photorealism=1.0,
        gamma=2.0,
        style_weights=[2.0, 1.0],
        optimizer=TELL_GRADIENT,
        **LAYERS,
    )
    inputs = Inputs(model=tiny, content=content, styles=tuple(styles), masks=masks)
    tiled = tiled_execution(inputs, settings, 40)
    whole = Whole(evaluate, build_objective(inputs, settings), TELL_GRADIENT)
    assert len(tiled.places) > 1
    start = jnp.asarray(np.random.default_rng(8).uniform(size=(75, 61, 3)), jnp.float32)
    gradients, losses = [], []
    for execution in (tiled, whole):
        controls = execution.controls(settings.controls(1))
        state, of_terms, _ = execution.advance(execution.begin(start), controls)
        gradients.append(np.asarray(state.opt_state))
        losses.append(of_terms)
    assert np.abs(gradients[1]).max() > 0
    assert np.abs(gradients[0] - gradients[1]).max() < 1e-5 * np.abs(gradients[1]).max()
    assert losses[0].keys() == losses[1].keys()
    for term, value in losses[1].items():
        np.testing.assert_allclose(losses[0][term], value, rtol=1e-5)


def stop_after(number):
    return lambda progress: progress.step >= number


def test_a_checkpoint_goes_on_with_its_masks_and_refuses_others(tiny, pictures, tmp_path):
    path, styles = tmp_path / "run.npz", [pictures[1], OTHER]
    masks = {"regions": [LEFT, RIGHT], "style_regions": [None, SOFT[:, :72]], "keep": HOLE}
    run = functools.partial(jnst.stylize, tiny, pictures[0], styles, **QUICK)
    expected = run(**masks)
    run(**masks, checkpoint=path, callback=stop_after(2))
    for changed in (
        {"regions": [RIGHT, LEFT]},
        {"style_regions": None},
        {"keep": None},
        {"keep": SOFT},
        {name: None for name in masks},
    ):
        with pytest.raises(ValueError, match=r"another run: it was made with .*other regions"):
            run(**masks | changed, checkpoint=path, resume=True)
    result = run(**masks, checkpoint=path, resume=True)
    np.testing.assert_array_equal(result.image, expected.image)


def test_with_regions_the_memory_is_foretold_by_the_very_step_that_runs(
    tiny, pictures, monkeypatch, caplog
):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 3.5e9)
    styles, content = [pictures[1], OTHER], pictures[0][:60, :71]
    masks = {"regions": [LEFT[:60, :71], RIGHT[:60, :71]], "keep": HOLE[:60, :71]}
    step.clear()
    with jax.log_compiles(), caplog.at_level("WARNING"):
        jnst.stylize(tiny, content, styles, **masks, **QUICK | {"sizes": (71,)})
    compiled = [r for r in caplog.records if "XLA compilation of jit(step)" in r.getMessage()]
    assert len(compiled) == 1


def test_what_regions_need_is_counted_before_it_is_run(tiny, monkeypatch):
    settings, plan = Settings(**QUICK, optimizer="adam"), [((128, 160), 1)]
    three = Masks((LEFT, RIGHT, SOFT), (None,) * 3, HOLE)
    choose = functools.partial(tile_selection.window_edges, "auto", plan, tiny, settings)
    needed = [
        memory.program_bytes(tile_selection.untiled(tiny, (128, 160), settings, m))
        for m in (None, three)
    ]
    assert needed[0] < needed[1]
    monkeypatch.setattr(memory, "free_bytes", lambda device: sum(needed) / 2)
    assert choose() == [None]
    (edge,) = choose(masks=three)
    assert 30 < edge < 160


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"regions": [LEFT]}, ValueError, "style image (2), got 1"),
        ({"regions": LEFT}, ValueError, "regions must have a mask for each style image"),
        ({"regions": "left.png"}, TypeError, "regions must be a mask for each style"),
        ({"regions": [LEFT, LEFT[0]]}, ValueError, "regions number 2 must have the shape (h, w)"),
        ({"regions": [LEFT.astype("u1"), LEFT]}, TypeError, "number 1 must hold floats in [0, 1]"),
        ({"regions": [LEFT, 2 * LEFT]}, ValueError, "lie in [0, 1], got values from 0 to 2"),
        ({"regions": [LEFT, LEFT * np.nan]}, ValueError, "regions number 2 holds NaN"),
        ({"regions": [LEFT, 0 * LEFT]}, ValueError, "regions number 2 covers nothing; it must"),
        (
            {"regions": [LEFT, LEFT[:, :70]]},
            ValueError,
            "regions number 2 must have the aspect ratio of the content, 80×64 px, got 70×64 px",
        ),
        (
            {"regions": [LEFT, RIGHT], "keep": RIGHT},
            ValueError,
            "regions number 2 covers nothing but what is kept",
        ),
        ({"keep": np.ones((64, 80))}, ValueError, "keep leaves nothing to paint"),
        ({"keep": "rest"}, ValueError, "keep='rest' needs at least one region"),
        ({"keep": "hole.png"}, ValueError, "keep must be a mask or 'rest', got 'hole.png'"),
        ({"keep": 0 * LEFT}, ValueError, "keep covers nothing"),
        ({"keep": LEFT[..., None]}, ValueError, "keep must have the shape (h, w), got (64, 80, 1)"),
        ({"style_regions": [None]}, ValueError, "style_regions must have a mask for each style"),
        (
            {"style_regions": [LEFT, None]},
            ValueError,
            "style_regions number 1 must have the aspect ratio of its style image, 64×72 px",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_before_anything_is_traced(tiny, pictures, change, error, said):
    with pytest.raises(error) as raised:
        jnst.stylize(tiny, pictures[0], [pictures[1], OTHER], **change)
    assert said in str(raised.value)


def test_make_targets_counts_its_masks_too(tiny, pictures):
    with pytest.raises(ValueError, match="regions must have a mask for each style image"):
        jnst.make_targets(tiny, *pictures, regions=[LEFT, RIGHT])


def test_a_cell_of_a_grid_is_the_single_run(tiny, pictures):
    content, style = pictures
    masks = {"regions": [LEFT, RIGHT], "style_regions": [None, SOFT[:, :72]], "keep": HOLE}
    contents, settings = [content, content[::-1]], QUICK | {"style_weights": [2, 1]}
    for several in (contents, contents[1:]):  # which are shared by all cells, or not
        grid = jnst.stylize_grid(tiny, several, [[style, OTHER]], beta=[5, 50], **masks, **settings)
        alone = jnst.stylize(tiny, contents[1], [style, OTHER], beta=50, **masks, **settings)
        cell = grid.images[(0, 1, *(1,) * (len(several) - 1))]
        np.testing.assert_allclose(cell, alone.image, atol=1e-4)
        np.testing.assert_array_equal(cell[HOLE == 1], contents[1][HOLE == 1])


def test_float32_stays_float32_where_the_users_program_has_float64(tiny, pictures):
    masks = {"style_regions": [None, SOFT[:, :72]], "keep": HOLE}
    with jax.enable_x64(True):
        wide = jnst.stylize(tiny, pictures[0], [pictures[1], OTHER], **masks, **QUICK)
    assert wide.image.dtype == jnp.float32
    assert wide.losses["total"].dtype == np.float32
    usual = jnst.stylize(tiny, pictures[0], [pictures[1], OTHER], **masks, **QUICK)
    np.testing.assert_allclose(wide.image, usual.image, atol=1e-4)


def test_in_a_grid_every_blend_has_an_image_for_each_region(tiny, pictures):
    styles = [[pictures[1], OTHER], [OTHER]]
    with pytest.raises(ValueError, match=r"mask for each style image \(1\), got 2"):
        jnst.stylize_grid(tiny, pictures[0], styles, regions=[LEFT, RIGHT], **QUICK)
