"""Regions with styles of their own: what they do to moments and to a picture."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
from painted_regions import LAYERS, LEFT, OTHER, QUICK, RIGHT, SOFT, losses_and_gradient

import jnst
from jnst.image.masks import resize_mask
from jnst.losses.gram import Gram
from jnst.losses.moments import moments
from jnst.losses.regions import guides_of
from jnst.losses.style import measure_layers
from jnst.losses.wasserstein import Wasserstein
from jnst.transfer.canvas import exact_canvas
from jnst.transfer.inputs import Inputs
from jnst.transfer.settings import Settings


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


def test_the_moments_of_a_region_are_averages_weighted_by_its_mask(tiny):
    image = np.random.default_rng(4).uniform(size=(51, 67, 3)).astype(np.float32)
    masks = np.random.default_rng(5).uniform(size=(3, 51, 67)).astype(np.float32) ** 3
    masks[1, :, 30:] = 0
    features = tiny(jnp.asarray(image), ["relu1_1", "pool1", "relu3_1", "relu4_1"])
    strides = {name: tiny.geometry.stride_of(name) for name in features}
    guides = guides_of(jnp.asarray(masks), strides)
    seen, grams = (measure_layers(kind, features, guides) for kind in (Wasserstein, Gram))
    for name, of_layer in features.items():
        assert guides[name].shape == (3, *of_layer.shape[:2])
        for region, mask in enumerate(masks):
            mean, gram = weighted_moments(of_layer, averaged(mask, of_layer.shape[:2]))
            np.testing.assert_allclose(seen[name].mean[region], mean, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(seen[name].gram[region], gram, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(grams[name][region], gram, rtol=1e-4, atol=1e-6)


def test_leading_axes_are_kept_before_that_of_the_regions(tiny):
    images = np.random.default_rng(4).uniform(size=(2, 32, 40, 3)).astype(np.float32)
    guides = guides_of(jnp.asarray([LEFT[:32, 20:60], RIGHT[:32, 20:60]]), {"relu1_1": 1})
    features = tiny(jnp.asarray(images), ["relu1_1"])
    seen = measure_layers(Wasserstein, features, guides)["relu1_1"]
    channels = features["relu1_1"].shape[-1]
    assert (seen.mean.shape, seen.gram.shape) == ((2, 2, channels), (2, 2, channels, channels))
    alone = moments(features["relu1_1"][1], guides["relu1_1"][0])
    np.testing.assert_allclose(seen.gram[1, 0], alone.gram, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(seen.mean[1, 0], alone.mean, rtol=1e-5, atol=1e-6)


def test_guided_features_are_as_precise_as_the_networks(tiny):
    features = jnp.ones((8, 8, 4), jnp.bfloat16)
    guide = guides_of(jnp.asarray(LEFT[None, :8, 36:44]), {"relu1_1": 1})["relu1_1"][0]
    seen = moments(features, guide)
    assert seen.gram.dtype == seen.mean.dtype == jnp.float32
    np.testing.assert_allclose(seen.mean, 1, rtol=1e-2)


@pytest.mark.parametrize("loss", ["gram", "gram+statistics"])
def test_one_region_that_is_everything_is_none(tiny, pictures, loss):
    content, style = pictures
    make = functools.partial(jnst.make_targets, tiny, content, style, style_loss=loss, **LAYERS)
    weights = Settings(**LAYERS).loss_weights()
    start = (content + SOFT[..., None]) / 2
    plain, regional = (
        losses_and_gradient(tiny, start, targets, weights)
        for targets in (make(), make(regions=np.ones((64, 80), np.float32)))
    )
    for term, value in plain[0].items():
        np.testing.assert_allclose(regional[0][term], value, rtol=2e-6)
    scale = jnp.abs(plain[1]).max()
    np.testing.assert_allclose(regional[1] / scale, plain[1] / scale, atol=1e-5)


@pytest.mark.parametrize("loss", ["gram", "wasserstein"])
def test_a_region_moves_to_its_own_style_and_not_to_the_others(tiny, pictures, loss):
    content, style = pictures
    options = QUICK | {"steps": 60, "beta": 300.0, "style_loss": loss}
    run = functools.partial(jnst.stylize, tiny, content, regions=[LEFT, RIGHT], **options)
    one, swapped = run([style, OTHER]).image, run([OTHER, style]).image
    given = Inputs(tiny, jnp.asarray(content), (jnp.asarray(style), jnp.asarray(OTHER)))
    styles = given.at(exact_canvas((64, 80)), (64, 80), 1.0).styles

    def distance(image, mask, target):
        """Of the Gram matrices within a mask from those of a style."""
        features, wanted = (tiny(jnp.asarray(x), LAYERS["style_layers"]) for x in (image, target))
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
        assert after < 0.6 * before
        assert after < 0.6 * with_the_others
        assert distance(swapped, mask, others) < 0.6 * distance(one, mask, others)


def test_where_no_region_is_there_is_no_style(tiny, pictures):
    content, style = pictures
    layers = {"content_layers": ["relu1_1"], "style_layers": ["relu1_1"]}
    # In the pixels: by bands, what is next to a region moves with it.
    options = QUICK | layers | {"optimizer": "adam", "beta": 5.0}
    result = jnst.stylize(tiny, content, style, regions=LEFT, **options)
    changed = np.abs(result.image - content).max(axis=(0, 2))
    np.testing.assert_array_less(changed[46:], 1e-4)  # relu1_1 sees but one pixel of others
    assert changed[:40].min() > 0.01


FLAT = np.full((64, 80, 3), 0.5, np.float32)
"""Of one colour, so that the gradient depends on nothing but the masks, away from the border."""


def style_gradient(tiny, style, **masks):
    layers = {"content_layers": ["relu1_1"], "style_layers": ["relu1_1"]}
    weights = Settings(alpha=0.0, **layers).loss_weights()
    given = {"style_weights": masks.pop("style_weights", None)} | masks
    targets = jnst.make_targets(tiny, FLAT, style, **layers, **given)
    return losses_and_gradient(tiny, FLAT, targets, weights)[1]


def test_soft_edges_have_their_share_of_the_style(tiny, pictures):
    steps = np.repeat(np.float32([1, 0.75, 0.5, 0.25, 0]), 16) * np.ones((64, 1), np.float32)
    gradient = style_gradient(tiny, pictures[1], regions=steps)[32, 8::16]
    assert jnp.abs(gradient[0]).min() > 0
    for share, of_band in zip((1, 0.75, 0.5, 0.25, 0), gradient, strict=True):
        np.testing.assert_allclose(of_band, share * gradient[0], rtol=1e-3, atol=1e-12)


def test_the_style_is_as_strong_in_a_small_region_as_in_a_large_one(tiny, pictures):
    # Away from the borders, which are the only places that are not flat, so that nothing else
    # depends on how large the region is.
    inner = np.zeros((64, 80), np.float32)
    inner[4:60, 4:76] = 1
    small = inner * (np.arange(80) < 16)
    whole, part = (
        style_gradient(tiny, pictures[1], regions=mask)[32, 10] for mask in (inner, small)
    )
    assert jnp.abs(whole).min() > 0
    np.testing.assert_allclose(part, whole, rtol=1e-4)


def test_each_region_has_a_weight_of_its_own(tiny, pictures):
    styles, regions = [pictures[1], OTHER], [LEFT, RIGHT]
    plain, weighed = (
        style_gradient(tiny, styles, regions=regions, style_weights=weights)
        for weights in (None, [3, 0.5])
    )
    np.testing.assert_allclose(weighed[32, 20], 3 * plain[32, 20], rtol=1e-4)
    np.testing.assert_allclose(weighed[32, 60], plain[32, 60] / 2, rtol=1e-4)


def test_of_a_style_image_its_region_alone_counts(tiny, pictures):
    content, style = pictures
    mask = np.zeros((72, 64), np.float32)
    mask[:, 40:] = 0.5
    made = jnst.make_targets(tiny, content, [style, content], style_regions=[mask, None], **LAYERS)
    for name in LAYERS["style_layers"]:
        grams = []
        for image, weights in ((style, mask), (content, np.ones((64, 80)))):
            features = tiny(jnp.asarray(image), [name])[name]
            grams.append(weighted_moments(features, averaged(weights, features.shape[:2]))[1])
        blended = (grams[0] + grams[1]) / 2  # there are no regions that would keep them apart
        np.testing.assert_allclose(made.style[name][0], blended, rtol=1e-4, atol=1e-6)


def test_painted_with_a_part_of_a_style_the_picture_has_its_colours(tiny, pictures):
    style = np.zeros((64, 80, 3), np.float32)
    style[:, :40, 0], style[:, 40:, 2] = 0.9, 0.9  # red and blue
    red, blue = (
        jnst.stylize(
            tiny, pictures[0], style, style_regions=[mask], **QUICK | {"steps": 50, "beta": 300.0}
        )
        for mask in (LEFT, RIGHT)
    )
    difference = np.asarray(red.image - blue.image).mean(axis=(0, 1))
    assert difference[0] > 0.02
    assert difference[2] < -0.02


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


def test_a_region_too_thin_for_a_layer_has_no_style_there(tiny, pictures):
    corner = np.zeros((65, 81), np.float32)
    corner[64:] = 1  # a last row that pooling drops
    content = np.pad(pictures[0], ((0, 1), (0, 1), (0, 0)), mode="edge")
    result = jnst.stylize(tiny, content, pictures[1], regions=corner, **QUICK | {"sizes": (81,)})
    assert result.reason == "finished"
    assert np.isfinite(result.losses["total"]).all()
