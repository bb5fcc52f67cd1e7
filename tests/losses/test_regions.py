"""Regions with styles of their own, and what is kept: what they do to a picture."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnst
from jnst.execution import memory as cost
from jnst.execution import tile_selection as fitting
from jnst.execution.tile_layout import cover
from jnst.execution.tiling import tiled_step, tiled_targets
from jnst.image.masks import Masks, check_masks, resize_mask
from jnst.losses.moments import moments
from jnst.losses.objectives import flat_loss_terms
from jnst.losses.regions import guidance
from jnst.losses.targets import seen_of
from jnst.optim.minimization import Controls, init_state, minimize, step
from jnst.transfer.levels import Inputs
from jnst.transfer.settings import Settings

LAYERS = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}
"""Which are soon compiled."""
QUICK = {"sizes": (80,), "steps": 4, "style_loss": "gram"} | LAYERS
TELL_GRADIENT = optax.GradientTransformation(
    jnp.zeros_like, lambda gradient, state, params=None: (0 * gradient, gradient)
)
"""Moves nothing; its state is the last gradient."""
LEFT = np.zeros((64, 80), np.float32)
LEFT[:, :40] = 1
RIGHT = 1 - LEFT
HOLE = np.zeros((64, 80), np.float32)
HOLE[20:44, 30:60] = 1
SOFT = np.clip(np.hypot(*(np.mgrid[:64, :80] - np.array([[[20]], [[30]]]))) / 60, 0, 1)
SOFT = SOFT.astype(np.float32)


@pytest.fixture(scope="module")
def other():
    """A style unlike that of `pictures`, smooth and dark, (64, 72, 3)."""
    rows, columns = np.mgrid[:64, :72] / 9
    waves = np.sin(rows + columns)[..., None] * [0.2, 0.1, 0.3] + [0.2, 0.2, 0.5]
    return waves.astype(np.float32)


def averaged(mask, shape):
    """A mask's mean over the pixels of each position, by NumPy in float64."""
    rows, columns = shape
    cell = mask.shape[0] // rows
    cut = mask[: rows * cell, : columns * cell].astype(np.float64)
    return cut.reshape(rows, cell, columns, cell).mean(axis=(1, 3))


def weighted_moments(features, weights):
    """Mean and Gram matrix with a weight a position, by their definition in float64."""
    flat = np.asarray(features, np.float64).reshape(-1, features.shape[-1])
    weights = weights.reshape(-1) / weights.sum()
    return weights @ flat, (flat * weights[:, None]).T @ flat


def test_the_moments_of_a_region_are_averages_weighted_by_its_mask(model):
    image = np.random.default_rng(4).uniform(size=(51, 67, 3)).astype(np.float32)
    masks = np.random.default_rng(5).uniform(size=(3, 51, 67)).astype(np.float32) ** 3
    masks[1, :, 30:] = 0
    features = model(jnp.asarray(image), ["relu1_1", "pool1", "relu3_1", "relu4_1"])
    guides = guidance(jnp.asarray(masks), features)
    seen = seen_of(model, features, means=True, guides=guides)
    grams = seen_of(model, features, means=False, guides=guides)
    for name, of_layer in features.items():
        assert guides[name].shape == (3, *of_layer.shape[:2])
        for region, mask in enumerate(masks):
            mean, gram = weighted_moments(of_layer, averaged(mask, of_layer.shape[:2]))
            np.testing.assert_allclose(seen[name].mean[region], mean, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(seen[name].gram[region], gram, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(grams[name][region], gram, rtol=1e-4, atol=1e-6)


def test_leading_axes_are_kept_before_that_of_the_regions(model):
    images = np.random.default_rng(4).uniform(size=(2, 32, 40, 3)).astype(np.float32)
    guides = guidance(jnp.asarray([LEFT[:32, 20:60], RIGHT[:32, 20:60]]), ["relu1_1"])
    features = model(jnp.asarray(images), ["relu1_1"])
    seen = seen_of(model, features, means=True, guides=guides)["relu1_1"]
    assert (seen.mean.shape, seen.gram.shape) == ((2, 2, 64), (2, 2, 64, 64))
    alone = moments(features["relu1_1"][1], guides["relu1_1"][0])
    np.testing.assert_allclose(seen.gram[1, 0], alone.gram, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(seen.mean[1, 0], alone.mean, rtol=1e-5, atol=1e-6)


def test_guided_features_are_as_precise_as_the_networks(model):
    features = jnp.ones((8, 8, 4), jnp.bfloat16)
    seen = moments(
        features, guidance(jnp.asarray(LEFT[None, :8, 36:44]), ["relu1_1"])["relu1_1"][0]
    )
    assert seen.gram.dtype == seen.mean.dtype == jnp.float32
    np.testing.assert_allclose(seen.mean, 1, rtol=1e-2)


def losses_and_gradient(model, image, targets, weights):
    def total(image):
        terms = jnst.loss_terms(image, (model, targets, weights))
        return terms["total"], terms

    (_, terms), gradient = jax.jit(jax.value_and_grad(total, has_aux=True))(jnp.asarray(image))
    return terms, gradient


@pytest.mark.parametrize("loss", ["gram", "gram+statistics"])
def test_one_region_that_is_everything_is_none(model, pictures, loss):
    content, style = pictures
    make = functools.partial(jnst.make_targets, model, content, style, style_loss=loss, **LAYERS)
    weights = Settings(**LAYERS).loss_weights()
    start = (content + SOFT[..., None]) / 2
    plain, regional = (
        losses_and_gradient(model, start, targets, weights)
        for targets in (make(), make(regions=np.ones((64, 80), np.float32)))
    )
    for term, value in plain[0].items():
        np.testing.assert_allclose(regional[0][term], value, rtol=2e-6)
    scale = jnp.abs(plain[1]).max()
    np.testing.assert_allclose(regional[1] / scale, plain[1] / scale, atol=1e-5)


@pytest.mark.parametrize("loss", ["gram", "wasserstein"])
def test_a_region_moves_to_its_own_style_and_not_to_the_others(model, pictures, other, loss):
    content, style = pictures
    options = QUICK | {"steps": 30, "beta": 100.0, "style_loss": loss}
    run = functools.partial(jnst.stylize, model, content, regions=[LEFT, RIGHT], **options)
    one, swapped = run([style, other]).image, run([other, style]).image
    given = Inputs(model, jnp.asarray(content), (jnp.asarray(style), jnp.asarray(other)))
    styles = given.at((64, 80), 1.0).styles

    def distance(image, mask, target):
        """Of the Gram matrices within a mask from those of a style."""
        features, wanted = (model(jnp.asarray(x), LAYERS["style_layers"]) for x in (image, target))
        total = 0
        for name, of_layer in features.items():
            _, gram = weighted_moments(of_layer, averaged(mask, of_layer.shape[:2]))
            _, gram_wanted = weighted_moments(wanted[name], np.ones(wanted[name].shape[:2]))
            total += np.sum((gram - gram_wanted) ** 2) / np.sum(gram_wanted**2)
        return total

    for mask, (own, others) in ((LEFT, styles), (RIGHT, styles[::-1])):
        before, after, with_the_others = (
            distance(image, mask, own) for image in (content, one, swapped)
        )
        assert after < 0.5 * before
        assert after < 0.5 * with_the_others
        assert distance(swapped, mask, others) < 0.5 * distance(one, mask, others)


def test_where_no_region_is_there_is_no_style(model, pictures):
    content, style = pictures
    layers = {"content_layers": ["relu1_1"], "style_layers": ["relu1_1"]}
    result = jnst.stylize(model, content, style, regions=LEFT, **QUICK | layers)
    changed = np.abs(result.image - content).max(axis=(0, 2))
    np.testing.assert_array_less(changed[46:], 1e-5)  # relu1_1 sees but one pixel of others
    assert changed[:40].min() > 0.01


FLAT = np.full((64, 80, 3), 0.5, np.float32)
"""Of one colour, so that the gradient depends on nothing but the masks, away from the border."""


def style_gradient(model, style, **masks):
    layers = {"content_layers": ["relu1_1"], "style_layers": ["relu1_1"]}
    weights = Settings(alpha=0.0, **layers).loss_weights()
    given = {"style_weights": masks.pop("style_weights", None)} | masks
    targets = jnst.make_targets(model, FLAT, style, **layers, **given)
    return losses_and_gradient(model, FLAT, targets, weights)[1]


def test_soft_edges_have_their_share_of_the_style(model, pictures):
    steps = np.repeat(np.float32([1, 0.75, 0.5, 0.25, 0]), 16) * np.ones((64, 1), np.float32)
    gradient = style_gradient(model, pictures[1], regions=steps)[32, 8::16]
    assert jnp.abs(gradient[0]).min() > 0
    for share, of_band in zip((1, 0.75, 0.5, 0.25, 0), gradient, strict=True):
        np.testing.assert_allclose(of_band, share * gradient[0], rtol=1e-3, atol=1e-12)


def test_the_style_is_as_strong_in_a_small_region_as_in_a_large_one(model, pictures):
    # Away from the borders, which are the only places that are not flat, so that nothing else
    # depends on how large the region is.
    inner = np.zeros((64, 80), np.float32)
    inner[4:60, 4:76] = 1
    small = inner * (np.arange(80) < 16)
    whole, part = (
        style_gradient(model, pictures[1], regions=mask)[32, 10] for mask in (inner, small)
    )
    assert jnp.abs(whole).min() > 0
    np.testing.assert_allclose(part, whole, rtol=1e-4)


def test_each_region_has_a_weight_of_its_own(model, pictures, other):
    styles, regions = [pictures[1], other], [LEFT, RIGHT]
    plain, weighed = (
        style_gradient(model, styles, regions=regions, style_weights=weights)
        for weights in (None, [3, 0.5])
    )
    np.testing.assert_allclose(weighed[32, 20], 3 * plain[32, 20], rtol=1e-4)
    np.testing.assert_allclose(weighed[32, 60], plain[32, 60] / 2, rtol=1e-4)


def test_of_a_style_image_its_region_alone_counts(model, pictures):
    content, style = pictures
    mask = np.zeros((72, 64), np.float32)
    mask[:, 40:] = 0.5
    made = jnst.make_targets(model, content, [style, content], style_regions=[mask, None], **LAYERS)
    for name in LAYERS["style_layers"]:
        grams = []
        for image, weights in ((style, mask), (content, np.ones((64, 80)))):
            features = model(jnp.asarray(image), [name])[name]
            grams.append(weighted_moments(features, averaged(weights, features.shape[:2]))[1])
        blended = (grams[0] + grams[1]) / 2  # there are no regions that would keep them apart
        np.testing.assert_allclose(made.style[name][0], blended, rtol=1e-4, atol=1e-6)


def test_painted_with_a_part_of_a_style_the_picture_has_its_colours(model, pictures):
    style = np.zeros((64, 80, 3), np.float32)
    style[:, :40, 0], style[:, 40:, 2] = 0.9, 0.9  # red and blue
    red, blue = (
        jnst.stylize(model, pictures[0], style, style_regions=[mask], **QUICK | {"steps": 25})
        for mask in (LEFT, RIGHT)
    )
    difference = np.asarray(red.image - blue.image).mean(axis=(0, 1))
    assert difference[0] > 0.05
    assert difference[2] < -0.05


@pytest.mark.parametrize(
    "settings", [{"colors": "luminance"}, {"tile": 48}, {"init": "noise", "sizes": (48, 80)}]
)
def test_what_is_kept_is_the_content_to_the_bit(model, pictures, settings):
    content, style = pictures
    options = QUICK | {"gamma": 1.0, "keep": HOLE} | settings
    seen = []
    result = jnst.stylize(
        model, content, style, callback=lambda p: seen.append(p.picture()), **options
    )
    inside = HOLE == 1
    for image in (result.image, seen[-1]):
        np.testing.assert_array_equal(np.asarray(image)[inside], content[inside])
    assert np.abs(result.image - content)[~inside].mean() > 0.005


def test_the_rest_is_what_no_region_covers(model, pictures, other):
    content, styles = pictures[0], [pictures[1], other]
    regions = [LEFT * SOFT, HOLE]
    run = functools.partial(jnst.stylize, model, content, styles, **QUICK)
    covered = np.clip(LEFT * SOFT + HOLE, 0, 1)
    shared = [np.where(covered > 0, mask / np.maximum(covered, 1e-9), 0.5) for mask in regions]
    result = run(regions=regions, keep="rest")
    same = run(regions=shared, keep=1 - covered)
    np.testing.assert_allclose(result.image, same.image, atol=1e-5)
    outside = covered == 0
    np.testing.assert_array_equal(np.asarray(result.image)[outside], content[outside])
    assert np.abs(result.image - content)[~outside].mean() > 0.01


def test_towards_the_rest_a_style_fades_once():
    regions = [LEFT * SOFT / 2, (1 - LEFT) * SOFT]
    masks = check_masks((64, 80, 3), [(72, 64, 3)] * 2, regions, None, "rest")
    np.testing.assert_allclose(masks.painted((64, 80)), regions, atol=1e-6)
    np.testing.assert_allclose(1 - masks.keep, sum(regions), atol=1e-6)
    one = check_masks((64, 80, 3), [(72, 64, 3)], [HOLE], None, "rest")
    small = resize_mask(HOLE, (23, 29))  # where a pixel of the edge is partly inside
    assert ((small > 0) & (small < 1)).any()
    np.testing.assert_allclose(one.painted((23, 29))[0], small, atol=1e-4)


def test_a_soft_edge_of_what_is_kept_lets_both_be_seen(model, pictures):
    content, style = pictures
    heard = []
    jnst.stylize(
        model,
        content,
        style,
        init=np.ones_like(content),
        keep=SOFT,
        learning_rate=1e-6,
        averaging=0,
        callback=lambda progress: heard.append(progress.picture()),
        **QUICK | {"steps": 1},
    )
    expected = SOFT[..., None] * content + (1 - SOFT[..., None])
    np.testing.assert_allclose(heard[0], expected, atol=1e-4)


def test_the_objective_sees_the_composite_and_not_what_lies_behind_it(model, pictures, other):
    content, style = pictures
    behind = np.random.default_rng(6).uniform(size=content.shape).astype(np.float32)
    make = functools.partial(jnst.make_targets, model, content, [style, other], **LAYERS)
    weights = Settings(gamma=1.0, **LAYERS).loss_weights()
    kept = losses_and_gradient(model, behind, make(regions=[LEFT, RIGHT], keep=SOFT), weights)
    seen = SOFT[..., None] * content + (1 - SOFT[..., None]) * behind
    painted = [LEFT * (1 - SOFT), RIGHT * (1 - SOFT)]
    plain = losses_and_gradient(model, seen, make(regions=painted), weights)
    for term, value in plain[0].items():
        np.testing.assert_allclose(kept[0][term], value, rtol=1e-5)
    scale = jnp.abs(plain[1]).max()
    expected = (1 - SOFT[..., None]) * plain[1] / scale
    np.testing.assert_allclose(kept[1] / scale, expected, atol=1e-5)


def test_the_gradient_in_tiles_is_that_of_the_whole_picture(model, pictures, other):
    content = jnp.asarray(np.tile(pictures[0], (2, 1, 1))[:75, :61])
    styles = [jnp.asarray(pictures[1]), jnp.asarray(other)]
    soft, keep = SOFT[:32, :26], HOLE[:50, 30:70]  # of other sizes
    masks = Masks((soft, 1 - soft), (None, SOFT[:, :72]), keep)
    made = {"weighing": "relative", "style_loss": "gram+statistics", "photorealism": True}
    targets = jnst.make_targets(
        model,
        content,
        styles,
        regions=masks.regions,
        style_regions=masks.styles,
        keep=keep,
        style_weights=[2.0, 1.0],
        **made,
        **LAYERS,
    )
    tiles = cover(75, 61, ("relu2_1", "relu1_1"), 40)
    of_styles = [cover(*style.shape[:2], ("relu1_1", "relu2_1"), 40) for style in styles]
    assert len(tiles.spans) > 1 < len(of_styles[0].spans)
    tiled = tiled_targets(
        model, content, styles, tiles, of_styles, shares=(2.0, 1.0), masks=masks, **made, **LAYERS
    )
    leaves, structure = jax.tree.flatten(model)
    weights = Settings(gamma=2.0, photorealism=1.0, **LAYERS).loss_weights()
    start = jnp.asarray(np.random.default_rng(8).uniform(size=(75, 61, 3)), jnp.float32)
    tiled, whole = (
        minimize(
            flat_loss_terms(structure),
            init_state(start, TELL_GRADIENT),
            (tuple(leaves), given, weights),
            Controls(rate=0.04, final_rate=0.04, steps=1),
            optimizer=TELL_GRADIENT,
            steps=1,
            update=update,
        )
        for given, update in (
            (tiled.whole, tiled_step(structure, tiles, tiled.crops)),
            (targets, step),
        )
    )
    gradient, wanted = tiled.state.moments, whole.state.moments
    assert jnp.abs(wanted).max() > 0
    assert jnp.abs(gradient - wanted).max() < 1e-5 * jnp.abs(wanted).max()
    for term, values in whole.losses.items():
        np.testing.assert_allclose(tiled.losses[term], values, rtol=1e-5)


def test_a_resized_mask_is_as_wide_and_stays_whole_inside():
    mask = np.zeros((64, 80), np.float32)
    mask[:, :33] = 1
    for shape in ((32, 40), (51, 64), (77, 96), (9, 11)):
        sized = np.asarray(resize_mask(mask, shape))
        assert sized.mean() == pytest.approx(33 / 80, abs=0.01)
        edge = 33 / 80 * shape[1]
        columns = np.arange(shape[1]) + 0.5
        assert (sized[:, columns < edge - 1.6] == 1).all()
        assert (sized[:, columns > edge + 1.6] == 0).all()


def test_a_region_too_thin_for_a_layer_has_no_style_there(model, pictures):
    corner = np.zeros((65, 81), np.float32)
    corner[64:] = 1  # a last row that pooling drops
    content = np.pad(pictures[0], ((0, 1), (0, 1), (0, 0)), mode="edge")
    result = jnst.stylize(model, content, pictures[1], regions=corner, **QUICK | {"sizes": (81,)})
    assert result.reason == "finished"
    assert np.isfinite(result.losses["total"]).all()


def stop_after(number):
    return lambda progress: progress.step >= number


def test_a_checkpoint_goes_on_with_its_masks_and_refuses_others(model, pictures, other, tmp_path):
    path, styles = tmp_path / "run.npz", [pictures[1], other]
    masks = {"regions": [LEFT, RIGHT], "style_regions": [None, SOFT[:, :72]], "keep": HOLE}
    run = functools.partial(jnst.stylize, model, pictures[0], styles, **QUICK)
    expected = run(**masks)
    run(**masks, checkpoint=path, callback=stop_after(2))
    for changed in (
        {"regions": [RIGHT, LEFT]},
        {"style_regions": None},
        {"keep": None},
        {"keep": SOFT},
        {name: None for name in masks},
    ):
        with pytest.raises(ValueError, match="another run: it was made with other regions"):
            run(**masks | changed, checkpoint=path, resume=True)
    result = run(**masks, checkpoint=path, resume=True)
    np.testing.assert_array_equal(result.image, expected.image)


def test_with_regions_the_memory_is_foretold_by_the_very_step_that_runs(
    model, pictures, other, monkeypatch, caplog
):
    monkeypatch.setattr(cost, "free", lambda device: 3.5e9)
    styles, content = [pictures[1], other], pictures[0][:60, :71]
    masks = {"regions": [LEFT[:60, :71], RIGHT[:60, :71]], "keep": HOLE[:60, :71]}
    with jax.log_compiles(), caplog.at_level("WARNING"):
        jnst.stylize(model, content, styles, **masks, **QUICK | {"sizes": (71,)})
    compiled = [r for r in caplog.records if "XLA compilation of jit(step)" in r.getMessage()]
    assert len(compiled) == 1


def test_what_regions_need_is_counted_before_it_is_run(model, monkeypatch):
    settings, plan = Settings(**QUICK), [((128, 160), 1)]
    three = Masks((LEFT, RIGHT, SOFT), (None,) * 3, HOLE)
    choose = functools.partial(fitting.window_edges, "auto", plan, model, settings)
    needed = [cost.needed(fitting.untiled(model, (128, 160), settings, m)) for m in (None, three)]
    assert needed[0] < needed[1]
    monkeypatch.setattr(cost, "free", lambda device: sum(needed) / 2)
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
def test_a_mistake_is_told_before_anything_is_traced(pictures, other, change, error, said):
    with pytest.raises(error) as raised:
        jnst.stylize(None, pictures[0], [pictures[1], other], **change)  # there is no model
    assert said in str(raised.value)


def test_make_targets_counts_its_masks_too(model, pictures):
    with pytest.raises(ValueError, match="regions must have a mask for each style image"):
        jnst.make_targets(model, *pictures, regions=[LEFT, RIGHT])


def test_a_cell_of_a_grid_is_the_single_run(model, pictures, other):
    content, style = pictures
    masks = {"regions": [LEFT, RIGHT], "style_regions": [None, SOFT[:, :72]], "keep": HOLE}
    contents, settings = [content, content[::-1]], QUICK | {"style_weights": [2, 1]}
    for several in (contents, contents[1:]):  # which are shared by all cells, or not
        grid = jnst.stylize_grid(
            model, several, [[style, other]], beta=[5, 50], **masks, **settings
        )
        alone = jnst.stylize(model, contents[1], [style, other], beta=50, **masks, **settings)
        cell = grid.images[(0, 1, *(1,) * (len(several) - 1))]
        np.testing.assert_allclose(cell, alone.image, atol=1e-4)
        np.testing.assert_array_equal(cell[HOLE == 1], contents[1][HOLE == 1])


def test_float32_stays_float32_where_the_users_program_has_float64(model, pictures, other):
    masks = {"style_regions": [None, SOFT[:, :72]], "keep": HOLE}
    with jax.enable_x64(True):
        wide = jnst.stylize(model, pictures[0], [pictures[1], other], **masks, **QUICK)
    assert wide.image.dtype == jnp.float32
    assert wide.losses["total"].dtype == np.float32
    usual = jnst.stylize(model, pictures[0], [pictures[1], other], **masks, **QUICK)
    np.testing.assert_allclose(wide.image, usual.image, atol=1e-4)


def test_in_a_grid_every_blend_has_an_image_for_each_region(model, pictures, other):
    styles = [[pictures[1], other], [other]]
    with pytest.raises(ValueError, match=r"mask for each style image \(1\), got 2"):
        jnst.stylize_grid(model, pictures[0], styles, regions=[LEFT, RIGHT], **QUICK)
