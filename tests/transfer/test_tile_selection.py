"""Which sizes are worked at in tiles, by the memory that they are forecast to need."""

import functools

import jax
import numpy as np
import pytest
from images import photograph, texture

import jnst
from jnst.execution import memory
from jnst.optim.step import step
from jnst.transfer import tile_selection, tiled_problem
from jnst.transfer.problem import style_part
from jnst.transfer.settings import Settings
from jnst.transfer.tile_memory import memory_of_style

QUICK = {
    "content_layers": ("relu2_2",),
    "style_layers": ("relu1_1", "relu2_1"),
    "style_loss": "gram",
    "steps": 2,
    "finish": 0,
}


@pytest.fixture
def cramped(monkeypatch):
    """Devices that have as little memory free as is told."""

    def cramp(free):
        monkeypatch.setattr(memory, "free_bytes", lambda device: free)

    return cramp


def test_a_picture_too_large_is_refused_before_it_is_run(model, cramped):
    cramped(1e8)
    content, style = photograph(400, 600), texture(40, 40)
    said = r"600×400 px needs [\d.]+ GiB of memory and .* has 0.1 GiB free; choose a size of at mo"
    with pytest.raises(ValueError, match=said) as raised:
        jnst.stylize(model, content, style, sizes=600, tile=None, **QUICK)
    size = int(str(raised.value).split(" px, or tile")[0].split()[-1])
    assert 32 <= size < 600
    choose = functools.partial(
        tile_selection.window_edges, None, model=model, settings=Settings(**QUICK)
    )
    assert choose(plan=[((size * 2 // 3, size), 1)]) == [None]
    with pytest.raises(ValueError, match="choose a size"):
        choose(plan=[((size * 4 // 5, size * 6 // 5), 1)])


def test_only_what_does_not_fit_is_tiled_of_its_own_accord(model, cramped):
    settings = Settings(**QUICK)
    plan = [((100, 150), 1), ((200, 300), 1)]
    choose = functools.partial(tile_selection.window_edges, "auto", plan, model, settings)
    assert choose() == [None, None]
    cramped(8e9)
    assert choose() == [None, None]
    program = tile_selection.untiled(model, (200, 300), settings)
    cramped(0.8 * memory.program_bytes(program))
    none, edge = choose()
    assert none is None
    assert 40 <= edge < 300
    cramped(0.8 * memory.program_bytes(program))
    content, style = photograph(200, 300), texture(60, 40)
    result = jnst.stylize(model, content, style, sizes=(150, 300), **QUICK | {"steps": (1, 2)})
    assert result.reason == "finished"
    cramped(1e6)
    with pytest.raises(ValueError, match="even in tiles"):
        choose()


def test_a_large_picture_is_compiled_whole_only_where_a_smaller_one_leaves_it_open(
    model, cramped, monkeypatch
):
    settings, seen, untiled = Settings(**QUICK), [], tile_selection.untiled
    needed = memory.program_bytes(untiled(model, (200, 300), settings))

    def noted(model, shape, *rest):
        seen.append(shape)
        return untiled(model, shape, *rest)

    monkeypatch.setattr(tile_selection, "untiled", noted)
    monkeypatch.setattr(tile_selection, "MEASURED_EDGE", 160)
    plan = [((100, 150), 1), ((200, 300), 1)]
    choose = functools.partial(tile_selection.window_edges, "auto", plan, model, settings)
    for free, fits in ((0.6, False), (0.97, False), (1.01, True), (3.0, True)):
        cramped(free * needed)
        assert (choose()[1] is None) == fits
    whole = plan[1][0]
    assert [max(shape) <= 192 for shape in seen] == [True, True, False, True, False, True]
    assert seen[2] == seen[4] == whole


def test_a_style_too_large_is_worked_at_in_tiles(model, cramped, monkeypatch):
    content, style = photograph(64, 96), texture(60, 90)
    settings = Settings(**QUICK, style_scale=4.0)
    plan = [((32, 48), 1), ((64, 96), 1)]
    choose = functools.partial(
        tile_selection.window_edges, plan=plan, model=model, settings=settings
    )
    assert choose(300, styles=[style]) == [None, 300]
    cramped(1e10)
    assert choose("auto", styles=[style]) == [None, None]
    of_step = memory.program_bytes(tile_selection.untiled(model, (64, 96), settings))
    of_style = memory.program_bytes(tile_selection.untiled_styles(model, [(256, 384)], settings))
    assert of_style > of_step
    free = (of_step + 2 * of_style) / 3
    cramped(free)
    assert choose("auto") == [None, None]
    none, edge = choose("auto", styles=[style])
    assert none is None and 96 < edge < 384
    windows, seen = [], tiled_problem.cover
    monkeypatch.setattr(
        "jnst.transfer.tiled_problem.cover", lambda *a: windows.append(seen(*a)) or windows[-1]
    )
    run = functools.partial(jnst.stylize, model, content, style, style_scale=4.0, **QUICK)
    tiled = run(sizes=96)
    assert [tiles.shape for tiles in windows[:2]] == [(64, 96), (256, 384)]
    of_tile = memory_of_style(model, (256, 384), edge, settings, False)
    assert len(windows[1].spans) > 1 and of_tile <= free
    with pytest.raises(ValueError, match=r"96×64 px with a style of 384×256 px needs .* or tile"):
        run(sizes=96, tile=None)
    cramped(1e10)
    np.testing.assert_allclose(tiled.image, run(sizes=96).image, atol=1e-4)
    cramped(1e6)
    with pytest.raises(ValueError, match="even in tiles"):
        choose("auto", styles=[style])


def test_what_is_foretold_is_not_compiled_again(tiny, cramped, caplog):
    cramped(3.5e9)  # so little that it is measured, and enough
    content, style = photograph(60, 71), texture(60, 40)
    for each in (step, style_part):
        each.clear()
    with jax.log_compiles(), caplog.at_level("WARNING"):
        jnst.stylize(tiny, content, style, sizes=71, style_scale=2.0, **QUICK)
    for program in ("step", "style_part"):
        said = f"XLA compilation of jit({program})"
        assert len([r for r in caplog.records if said in r.getMessage()]) == 1


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"tile": 190}, ValueError, "tile must be at least 191 px for these layers, got 190"),
        ({"tile": "of"}, ValueError, "tile must be a whole number, 'auto' or None, got 'of'"),
        ({"tile": 2.5}, TypeError, "tile must be a whole number, 'auto' or None, got 2.5"),
        ({"tile": True}, TypeError, "tile must be a whole number, 'auto' or None, got True"),
        (
            {"tile": 256, "mesh": jax.make_mesh((1,), ("x",))},
            ValueError,
            "tile and mesh are mutually exclusive",
        ),
    ],
)
def test_a_mistake_is_told_before_anything_is_traced(tiny, pictures, change, error, said):
    with pytest.raises(error) as raised:
        jnst.stylize(tiny, *pictures, **change)
    assert said in str(raised.value)


@pytest.mark.parametrize("free", [0.8, 1.2])
def test_weighed_styles_are_measured_too(tiny, cramped, free):
    settings = Settings(**QUICK, style_weights=(1, 3))
    shape, styles = (200, 300), [np.zeros((90, 120, 3)), np.zeros((60, 60, 3))]
    choose = functools.partial(
        tile_selection.window_edges, "auto", [(shape, 1)], tiny, settings, styles
    )
    cramped(free * memory.program_bytes(tile_selection.untiled(tiny, shape, settings)))
    (edge,) = choose()
    assert (edge is None) == (free > 1)


@pytest.mark.parametrize("tile", ["auto", None, 64])
def test_a_blend_by_weights_with_little_memory(tiny, cramped, pictures, tile):
    content, style = pictures
    cramped(1e9)
    styles = [style, 1 - style]
    settings = {**QUICK, "style_weights": (1, 3), "sizes": 80, "tile": tile}
    image = jnst.stylize(tiny, content, styles, **settings).image
    cramped(1e12)
    whole = jnst.stylize(tiny, content, styles, **{**settings, "tile": None}).image
    assert np.abs(np.asarray(image) - whole).mean() < 1e-3
