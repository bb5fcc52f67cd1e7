"""Tiles: their geometry, and that with them everything comes out as without."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jnst
from jnst.execution import memory as cost
from jnst.execution import tile_selection as fitting
from jnst.execution.tile_layout import cover, halo, least_window, stride
from jnst.execution.tile_memory import memory_of_moments
from jnst.execution.tiling import tiled_step, tiled_targets
from jnst.losses.objectives import flat_loss_terms
from jnst.optim.minimization import Controls, init_state, minimize, step
from jnst.optim.optimizers import make_optimizer
from jnst.transfer.settings import Settings

DEEP = ("relu4_2", "relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
SHALLOW = ("relu2_2",), ("relu1_1", "relu2_1")
"""Content and style layers whose halo is small, so that a small picture has many tiles."""
QUICK = {"content_layers": SHALLOW[0], "style_layers": SHALLOW[1], "steps": 2}


def photograph(height, width):
    rows, columns = np.mgrid[:height, :width] / 40
    noise = np.random.default_rng(7).uniform(0, 0.3, (height, width, 3))
    waves = np.stack([np.sin(rows * columns), np.cos(3 * rows), np.sin(columns)], -1)
    return jnp.asarray(0.35 + 0.3 * waves + noise, jnp.float32).clip(0, 1)


def texture(height, width):
    return jnp.asarray(np.random.default_rng(8).uniform(size=(height, width, 3)), jnp.float32)


def both_ways(
    model,
    shape,
    most,
    layers,
    optimizer,
    steps=1,
    weighing="relative",
    style_loss="gram",
    **controls,
):
    """The runs of a few steps, in tiles and whole."""
    content, style = photograph(*shape), texture(most + 9, most - 7)
    content_layers, style_layers = layers
    settings = Settings(content_layers=content_layers, style_layers=style_layers, gamma=0.1)
    weights = settings.loss_weights()
    targets = jnst.make_targets(
        model,
        content,
        style,
        content_layers=content_layers,
        style_layers=style_layers,
        weighing=weighing,
        style_loss=style_loss,
    )
    tiles = cover(*shape, content_layers + style_layers, most)
    assert len(tiles.spans) > 1
    tiled = tiled_targets(
        model,
        content,
        [style],
        tiles,
        [cover(*style.shape[:2], style_layers, most)],
        content_layers=content_layers,
        style_layers=style_layers,
        weighing=weighing,
        style_loss=style_loss,
    )
    leaves, structure = jax.tree.flatten(model)
    start = (content + texture(*shape)) / 2
    for given, update in (
        (tiled.whole, tiled_step(structure, tiles, tiled.crops)),
        (targets, step),
    ):
        yield minimize(
            flat_loss_terms(structure),
            init_state(start, optimizer),
            (tuple(leaves), given, weights),
            Controls(rate=0.04, final_rate=0.04, steps=steps, **controls),
            optimizer=optimizer,
            steps=steps,
            update=update,
        )


TELL_GRADIENT = optax.GradientTransformation(
    jnp.zeros_like, lambda gradient, state, params=None: (0 * gradient, gradient)
)
"""Moves nothing; its state is the last gradient."""


def assert_the_same_gradient(model, shape, most, layers, **options):
    tiled, whole = both_ways(model, shape, most, layers, TELL_GRADIENT, **options)
    gradient, wanted = tiled.state.moments, whole.state.moments
    assert jnp.abs(wanted).max() > 0
    difference = jnp.abs(gradient - wanted).max() / jnp.abs(wanted).max()
    print(f"{shape} {most}: {difference:.1e}")
    assert difference < 1e-5
    for term, values in whole.losses.items():
        np.testing.assert_allclose(tiled.losses[term], values, rtol=1e-5)


@pytest.mark.parametrize("shape", [(256, 240), (301, 250), (239, 303), (96, 271)])
def test_the_gradient_is_that_of_the_whole_picture(model, shape):
    assert_the_same_gradient(model, shape, 224, (DEEP[:1], DEEP[1:]))


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("padding", ["zeros", "replicate", "reflect"])
@pytest.mark.parametrize("shape", [(64, 72), (75, 61), (31, 90)])
def test_it_is_for_every_padding_and_pooling(pooling, padding, shape):
    model = jnst.VGG19(pooling=pooling, padding=padding, rngs=nnx.Rngs(0))
    assert_the_same_gradient(model, shape, 40, SHALLOW, weighing="paper")


@pytest.mark.parametrize("style_loss", ["wasserstein", "gram+statistics"])
def test_it_is_for_losses_that_see_means(model, style_loss):
    assert_the_same_gradient(model, (75, 61), 40, SHALLOW, style_loss=style_loss)


def test_means_are_of_the_whole_picture(model):
    assert_the_same_gradient(model, (75, 61), 40, SHALLOW, weighing="mean")


def test_content_may_lie_deeper_than_style_and_layers_may_be_pools_and_convolutions(model):
    layers = ("pool2", "conv3_1"), ("conv1_2", "pool1")
    assert_the_same_gradient(model, (99, 86), 60, layers)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_few_steps_lead_to_the_same_picture(model, optimizer):
    tiled, whole = both_ways(
        model, (75, 61), 40, SHALLOW, make_optimizer(optimizer), steps=6, decay=0.9
    )
    np.testing.assert_allclose(tiled.state.image, whole.state.image, atol=1e-4)
    np.testing.assert_allclose(tiled.losses["total"], whole.losses["total"], rtol=1e-4)


EXTENTS = [32, 176, 191, 192, 200, 207, 208, 255, 256, 301, 640, 1023, 1184, 1185, 4096, 5003]


@pytest.mark.parametrize("layers", [DEEP, ("relu3_1",), ("pool4",), ("conv1_1",)])
@pytest.mark.parametrize("over", [0, 1, 17, 400])
def test_tiles_cover_every_pixel_once_and_their_windows_hold_what_they_see(layers, over):
    cell, margin, most = stride(layers), halo(layers), least_window(layers) + over
    for height, width in itertools.product(EXTENTS, EXTENTS[::3]):
        if max(height, width) > 40 * (most - 2 * margin):
            continue  # more tiles than a test has time for
        tiles = cover(height, width, layers, most)
        assert max(tiles.window) <= most
        for axis, extent in enumerate((height, width)):
            window = tiles.window[axis]
            assert window == extent or (window < extent and window % cell == extent % cell)
            spans = sorted({spans[axis] for spans in tiles.spans})
            assert [spans[0].start, *(span.stop for span in spans)] == [
                *(span.start for span in spans),
                extent,
            ]
            assert spans[0].origin == spans[0].start == 0
            for span in spans:
                assert span.start < span.stop
                assert span.origin % cell == span.start % cell == 0
                assert 0 <= span.origin <= extent - window
                assert span.origin == 0 or span.origin + margin <= span.start
                assert span.stop == extent or span.stop + margin <= span.origin + window
        grid = {tuple(span.start for span in spans) for spans in tiles.spans}
        assert len(grid) == len(tiles.spans)
        ways = [len({spans[axis] for spans in tiles.spans}) for axis in (0, 1)]
        assert len(tiles.spans) == ways[0] * ways[1]


@pytest.mark.parametrize(
    ("layer", "wanted"),
    # Worked out by hand: 2·1, 2·2, 4·4, 4·8 and 16 pixels, in whole strides.
    [("relu1_1", 1), ("conv1_2", 2), ("pool1", 2), ("relu2_2", 6), ("relu3_1", 12), ("pool4", 64)],
)
def test_the_halo_is_what_a_position_sees(layer, wanted):
    assert halo([layer]) == wanted
    assert halo([layer, "relu1_1"]) == wanted


def test_the_halo_of_the_usual_layers():
    assert (halo(DEEP), stride(DEEP), least_window(DEEP)) == (80, 16, 191)


def test_large_pictures_are_not_computed_many_times_over():
    assert cover(4096, 4096, DEEP, 1024).overhead < 1.4
    assert cover(1000, 1000, DEEP, 1024).overhead == 1


def test_stylize_in_tiles_is_stylize(model):
    content, style = photograph(96, 75), texture(70, 90)
    options = QUICK | {"sizes": (48, 96), "steps": (2, 3)}
    whole = jnst.stylize(model, content, style, tile=None, **options)
    tiled = jnst.stylize(model, content, style, tile=60, **options)
    assert tiled.reason == "finished"
    np.testing.assert_allclose(tiled.image, whole.image, atol=1e-4)
    for term, values in whole.losses.items():
        np.testing.assert_allclose(tiled.losses[term], values, rtol=1e-4)


@pytest.fixture
def cramped(monkeypatch):
    """Devices that have as little memory free as is told."""

    def cramp(free):
        monkeypatch.setattr(cost, "free", lambda device: free)

    return cramp


def test_a_picture_too_large_is_refused_before_it_is_run(model, cramped):
    cramped(1e8)
    content, style = photograph(400, 600), texture(40, 40)
    said = r"600×400 px needs [\d.]+ GiB of memory and .* has 0.1 GiB free; choose a size of at mo"
    with pytest.raises(ValueError, match=said) as raised:
        jnst.stylize(model, content, style, sizes=600, tile=None, **QUICK)
    size = int(str(raised.value).split(" px, or tile")[0].split()[-1])
    assert 32 <= size < 600
    choose = functools.partial(fitting.window_edges, None, model=model, settings=Settings(**QUICK))
    assert choose(plan=[((size * 2 // 3, size), 1)]) == [None]
    with pytest.raises(ValueError, match="choose a size"):
        choose(plan=[((size * 4 // 5, size * 6 // 5), 1)])


def test_only_what_does_not_fit_is_tiled_of_its_own_accord(model, cramped):
    settings = Settings(**QUICK)
    plan = [((100, 150), 1), ((200, 300), 1)]
    choose = functools.partial(fitting.window_edges, "auto", plan, model, settings)
    assert choose() == [None, None]
    cramped(8e9)
    assert choose() == [None, None]
    program = fitting.untiled(model, (200, 300), settings)
    cramped(0.8 * cost.needed(program))
    none, edge = choose()
    assert none is None
    assert 40 <= edge < 300
    cramped(0.8 * cost.needed(program))
    content, style = photograph(200, 300), texture(60, 40)
    result = jnst.stylize(model, content, style, sizes=(150, 300), **QUICK | {"steps": (1, 2)})
    assert result.reason == "finished"
    cramped(1e6)
    with pytest.raises(ValueError, match="even in tiles"):
        choose()


def test_a_style_too_large_is_worked_at_in_tiles(model, cramped, monkeypatch):
    content, style = photograph(64, 96), texture(60, 90)
    settings = Settings(**QUICK, style_scale=4.0)
    plan = [((32, 48), 1), ((64, 96), 1)]
    choose = functools.partial(fitting.window_edges, plan=plan, model=model, settings=settings)
    assert choose(300, styles=[style]) == [None, 300]
    cramped(1e10)
    assert choose("auto", styles=[style]) == [None, None]
    of_step = cost.needed(fitting.untiled(model, (64, 96), settings))
    of_style = cost.needed(fitting.untiled_styles(model, [(256, 384)], settings))
    assert of_style > of_step
    free = (of_step + 2 * of_style) / 3
    cramped(free)
    assert choose("auto") == [None, None]
    none, edge = choose("auto", styles=[style])
    assert none is None and 96 < edge < 384
    windows, seen = [], fitting.cover
    monkeypatch.setattr(
        "jnst.transfer.levels.cover", lambda *a: windows.append(seen(*a)) or windows[-1]
    )
    run = functools.partial(jnst.stylize, model, content, style, style_scale=4.0, **QUICK)
    tiled = run(sizes=96)
    assert [tiles.shape for tiles in windows] == [(64, 96), (256, 384)]
    of_tile = memory_of_moments(model, windows[1], SHALLOW[1], "gram")
    assert len(windows[1].spans) > 1 and of_tile <= free
    with pytest.raises(ValueError, match=r"96×64 px with a style of 384×256 px needs .* or tile"):
        run(sizes=96, tile=None)
    cramped(1e10)
    np.testing.assert_allclose(tiled.image, run(sizes=96).image, atol=1e-4)
    cramped(1e6)
    with pytest.raises(ValueError, match="even in tiles"):
        choose("auto", styles=[style])


def test_what_is_foretold_is_not_compiled_again(model, cramped, caplog):
    cramped(3.5e9)  # so little that it is measured, and enough
    content, style = photograph(60, 71), texture(60, 40)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        jnst.stylize(model, content, style, sizes=71, style_scale=2.0, **QUICK)
    for program in ("step", "style_half"):
        said = f"XLA compilation of jit({program})"
        assert len([r for r in caplog.records if said in r.getMessage()]) == 1


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"tile": 190}, ValueError, "tile must be at least 191 px for these layers, got 190"),
        ({"tile": "of"}, ValueError, "tile must be a whole number, 'auto' or None, got 'of'"),
        ({"tile": 2.5}, TypeError, "tile must be a whole number, 'auto' or None, got 2.5"),
        ({"tile": True}, TypeError, "tile must be a whole number, 'auto' or None, got True"),
        ({"tile": 256, "mesh": jax.make_mesh((1,), ("x",))}, ValueError, "tile and mesh exclude"),
    ],
)
def test_a_mistake_is_told_before_anything_is_traced(pictures, change, error, said):
    with pytest.raises(error) as raised:
        jnst.stylize(None, *pictures, **change)
    assert said in str(raised.value)


def test_a_line_search_is_refused(model):
    searching = optax.lbfgs()
    content, style = photograph(75, 61), texture(40, 40)
    with pytest.raises(ValueError, match="optimizer must do without a line search"):
        jnst.stylize(model, content, style, optimizer=searching, tile=40, sizes=75, **QUICK)
