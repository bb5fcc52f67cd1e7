"""Grids of small pictures, beside single runs."""

import functools

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnst
from jnst.execution import memory
from jnst.grid.axes import make_grid
from jnst.grid.batches import balanced
from jnst.grid.runs import Running, run_cells

SHALLOW = {
    "content_layers": ["relu2_1"],
    "style_layers": ["relu1_1", "relu2_1"],
    "style_loss": "gram",
    "finish": 0,
}
"""Which compile in a second or two; and a finish amplifies rounding."""
stylize = functools.partial(jnst.stylize, **SHALLOW)
stylize_grid = functools.partial(jnst.stylize_grid, **SHALLOW)

QUICK = {"sizes": (64,), "steps": 3, **SHALLOW}
ALPHAS, BETAS = (0.5, 2.0), (1.0, 10.0, 100.0)


def distance(image, reference):
    return np.linalg.norm(image - reference) / np.linalg.norm(reference)


@pytest.fixture(scope="module")
def grid(tiny, pictures):
    """A grid of 2×3 cells over two sizes, 50 Adam steps, in chunks of three."""
    return stylize_grid(tiny, *pictures, alpha=ALPHAS, beta=BETAS, sizes=(48, 64), steps=50)


def test_the_grid_has_an_image_and_losses_for_every_cell(grid):
    assert grid.images.shape == (2, 3, 51, 64, 3)
    assert grid.images.dtype == np.float32
    assert 0 <= grid.images.min() < grid.images.max() <= 1
    assert set(grid.losses) == {"content", "style", "variation", "total"}
    assert all(values.shape == (2, 3, 50) for values in grid.losses.values())
    assert (grid.steps == 50).all()
    assert (grid.reasons == "finished").all()
    assert grid.axes == {"alpha": ALPHAS, "beta": BETAS}


@pytest.mark.parametrize("index", [(0, 0), (0, 2), (1, 1)])
def test_a_cell_is_the_single_run_after_50_adam_steps(grid, tiny, pictures, index):
    alpha, beta = ALPHAS[index[0]], BETAS[index[1]]
    single = stylize(tiny, *pictures, alpha=alpha, beta=beta, sizes=(48, 64), steps=50)
    assert distance(grid.images[index], single.image) < 1e-3
    for term, values in single.losses.items():
        np.testing.assert_allclose(grid.losses[term][index], values, rtol=1e-3)


def test_a_cell_is_the_single_run_after_10_lbfgs_steps(tiny, pictures):
    settings = {"optimizer": "lbfgs", "sizes": (64,), "steps": 10}
    several = stylize_grid(tiny, *pictures, beta=[3, 30], alpha=[1, 4], **settings)
    for index in ((0, 0), (1, 1)):
        alpha, beta = (1, 4)[index[0]], (3, 30)[index[1]]
        single = stylize(tiny, *pictures, alpha=alpha, beta=beta, **settings)
        assert distance(several.images[index], single.image) < 1e-3


def test_every_other_axis_is_what_the_single_run_is_told(tiny, pictures):
    content, style = pictures
    contents, styles = [content, content[::-1]], [style, style[:50] ** 2]
    layers = [{"relu1_1": 1.0, "relu3_1": 1.0}, {"relu2_1": 2.0}]
    keys = jax.random.split(jax.random.key(1), 2)
    axes = {"style_layers": layers, "gamma": [0, 9], "learning_rate": [0.02, 0.05]}
    several = stylize_grid(
        tiny, contents, styles, key=keys, init="noise", **axes, sizes=(40,), steps=2
    )
    names = ["alpha", "beta", "content", "style", "style_layers", "gamma", "learning_rate", "key"]
    assert list(several.axes) == names
    assert several.images.shape[:8] == (1, 1, 2, 2, 2, 2, 2, 2)
    for c, s, layer, gamma, rate, key in [(0, 1, 0, 1, 0, 1), (1, 0, 1, 0, 1, 0)]:
        single = stylize(
            tiny,
            contents[c],
            styles[s],
            key=keys[key],
            init="noise",
            style_layers=layers[layer],
            gamma=(0, 9)[gamma],
            learning_rate=(0.02, 0.05)[rate],
            sizes=(40,),
            steps=2,
        )
        image = several.images[0, 0, c, s, layer, gamma, rate, key]
        assert distance(image, single.image) < 1e-5


def test_a_cell_of_a_blend_is_the_single_run(tiny, pictures):
    content, style = pictures
    blends = [[style, content[::-1]], [style[:50] ** 2, 1 - style]]
    settings = {"style_weights": [3, 1], "init": "style-noise", "colors": "pca", **QUICK}
    settings |= {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu3_1"]}
    several = stylize_grid(tiny, content, blends, **settings)
    for number, blend in enumerate(blends):
        single = stylize(tiny, content, blend, **settings)
        assert distance(several.images[0, 0, number], single.image) < 1e-5
        np.testing.assert_allclose(
            several.losses["style"][0, 0, number], single.losses["style"], rtol=1e-3
        )
        alone = stylize(tiny, content, blend[0], **settings | {"style_weights": None})
        assert distance(single.image, alone.image) > 1e-3


def test_other_values_and_pictures_compile_nothing_anew(tiny, pictures):
    content, style = pictures

    def run(content, style, alpha, beta, **changed):
        settings = QUICK | {"learning_rate": 0.03} | changed
        stylize_grid(tiny, content, style, alpha=alpha, beta=beta, **settings)

    run(content, style, [1, 2], [3, 4])
    compiled = []

    def listen(name, duration, **_):
        if name.endswith("backend_compile_duration"):
            compiled.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        run(style[:64, :, :][:, :, ::-1][:64], style, [1], [2])  # another shape: it does listen
        assert compiled
        compiled.clear()
        run(1 - content, style / 2, [0.1, 7], [30, 1e4], gamma=2, learning_rate=0.01, averaging=0.5)
        assert compiled == []
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def test_a_cell_that_diverges_is_frozen_and_the_others_go_on(tiny, pictures):
    """An optimiser that makes a NaN of the picture in one cell, at its third step."""

    def update(updates, state, params=None, **_):
        steps = state + 1
        wild = jnp.where((params.mean() > 0.7) & (steps == 3), jnp.nan, 0.0)
        return -0.02 * updates / jnp.abs(updates).max() + wild, steps

    content, style = pictures
    contents = [content / 2, content / 4 + 0.7, content[::-1] / 2]  # the second is bright
    optimizer = optax.GradientTransformationExtraArgs(lambda _: jnp.zeros(()), update)
    settings = {"optimizer": optimizer, "averaging": 0.5, "steps": (5, 4), "sizes": (40, 64)}
    settings["colors"] = "free"  # or all would be as bright as the style
    several = stylize_grid(tiny, contents, style, **settings)
    assert several.reasons.ravel().tolist() == ["finished", "diverged", "finished"]
    assert several.steps.ravel().tolist() == [9, 2, 9]
    assert np.isfinite(several.images).all()
    for cell, of_cell in enumerate(contents):
        single = stylize(tiny, of_cell, style, **settings)
        assert single.reason == several.reasons[0, 0, cell]
        losses = several.losses["total"][0, 0, cell]
        np.testing.assert_allclose(losses[: single.steps], single.losses["total"], rtol=1e-4)
        assert np.isnan(losses[single.steps :]).all()
        # The frozen cell is brought to the last size by way of those between.
        assert distance(several.images[0, 0, cell], single.image) < (1e-4 if cell != 1 else 1e-2)


def test_a_batch_of_any_size_makes_the_same_pictures(tiny, pictures):
    grids = [
        stylize_grid(tiny, *pictures, beta=[1, 5, 25, 125, 625], batch=batch, **QUICK)
        for batch in (1, 2, 5, "auto")
    ]
    for other in grids[1:]:
        assert distance(other.images, grids[0].images) < 1e-5


def test_chunks_are_of_one_size_with_little_left_over():
    assert [balanced(16, most) for most in (16, 15, 6, 4, 1)] == [16, 8, 4, 4, 1]
    assert [balanced(10, most) for most in (4, 3, 2)] == [2, 2, 2]
    assert balanced(5, 2) == 2
    assert balanced(3, 100) == 3


@pytest.mark.parametrize("expected", [1, 2, 4])
def test_the_batch_is_what_the_compiled_step_fits_into_the_memory(
    tiny, pictures, monkeypatch, expected
):
    measured, seen, needed = [], [], memory.program_bytes
    monkeypatch.setattr(
        memory, "program_bytes", lambda step: measured.append(needed(step)) or measured[-1]
    )
    monkeypatch.setattr(memory, "free_bytes", lambda device: 10**12)
    grid = make_grid(tiny.geometry, *pictures, beta=[1, 2, 3, 4], **QUICK)

    def stop(progress):
        seen.append(len(progress.cells))
        return True

    list(run_cells(tiny, grid, list(grid.cells)[:expected], Running(callback=stop)))
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1.01 * measured[0])
    monkeypatch.setattr(memory, "LEAST_BYTES", 0.001)
    list(run_cells(tiny, grid, None, Running(callback=stop)))
    assert seen == [expected] * 2
    assert measured[-1] <= memory.free_bytes(None)


def test_a_picture_that_does_not_fit_is_refused_before_it_is_run(tiny, pictures, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 10**4)
    with pytest.raises(
        ValueError, match=r"a cell of 64×51 px needs [\d.]+ GiB of memory, and .* free"
    ):
        stylize_grid(tiny, *pictures, beta=[1, 2], tile=None, **QUICK)
    with pytest.raises(ValueError, match="of memory even in tiles"):
        stylize_grid(tiny, *pictures, beta=[1, 2], **QUICK)


def test_a_callback_sees_cells_and_steps_and_stops_the_grid(tiny, pictures):
    seen = []

    def callback(progress):
        seen.append((progress.cells, progress.done, progress.step, progress.shape))
        assert progress.losses["total"].shape == (len(progress.cells),)
        assert progress.pictures().shape == (len(progress.cells), *progress.shape, 3)
        return len(seen) == 7

    settings = {"sizes": (40, 64), "steps": (2, 2), "batch": 2}
    several = stylize_grid(tiny, *pictures, beta=[1, 2, 3, 4, 5], callback=callback, **settings)
    pairs = [((0, 0), (0, 1))] * 4 + [((0, 2), (0, 3))] * 4
    assert [cells for cells, *_ in seen] == pairs[:7]
    assert [done for _, done, *_ in seen] == [0] * 4 + [2] * 3
    assert [step for *_, step, _ in seen] == [1, 2, 3, 4, 1, 2, 3]
    assert seen[0][3] == (32, 40) and seen[3][3] == (51, 64)
    assert several.reasons.tolist() == [["finished"] * 2 + ["stopped"] * 3]
    assert several.steps.tolist() == [[4, 4, 3, 3, 0]]
    assert np.isfinite(several.images[0, :4]).all()
    assert np.isnan(several.images[0, 4]).all()


def test_a_stop_counts_even_if_all_cells_have_diverged(tiny, pictures):
    seen = []

    def callback(progress):
        seen.append(progress.cells)
        return progress.step == 2

    diverging = {"weighing": "paper", "alpha": 0, "beta": [1e28, 1e29, 1e30], "batch": 1}
    several = stylize_grid(tiny, *pictures, callback=callback, **diverging, **QUICK)
    assert set(seen) == {((0, 0),)}
    assert several.reasons.ravel().tolist() == ["diverged", "stopped", "stopped"]


def test_cells_can_be_chosen(tiny, pictures):
    grid = make_grid(tiny.geometry, *pictures, beta=[1, 2, 3], **QUICK)
    found = dict(run_cells(tiny, grid, [(0, 2), (0, 0)], Running()))
    assert list(found) == [(0, 2), (0, 0)]
    assert list(run_cells(tiny, grid, [], Running())) == []
    single = stylize(tiny, *pictures, beta=3, **QUICK)
    assert distance(found[0, 2].image, single.image) < 1e-5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch": 0}, "batch must be at least 1"),
        ({"batch": "many"}, 'batch must be "auto" or a whole number'),
        ({"batch": 1.5}, "batch must be a whole number"),
        ({"mesh": 3}, "mesh must be a jax.sharding.Mesh"),
        ({"callback": 3}, "callback must be a function"),
        ({"init": "nois"}, "init must be one of content, noise"),
        ({"key": jax.random.split(jax.random.key(0), 3)}, "several keys make no difference"),
    ],
)
def test_what_will_not_do_is_named_before_anything_is_run(tiny, pictures, settings, message):
    with pytest.raises((ValueError, TypeError), match=message):
        stylize_grid(tiny, *pictures, beta=[1, 2], **QUICK | settings)


def test_a_grid_needs_a_model(pictures):
    with pytest.raises(TypeError, match=r"model must be a backbone such as jnst.load_vgg19\(\)"):
        stylize_grid(None, *pictures)
