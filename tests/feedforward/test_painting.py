"""`paint_with`: what a network's picture is mixed with, and refusals."""

import dataclasses

import jax
import numpy as np
import pytest

from jnst.feedforward import load_painter, paint_with, painting_strips
from jnst.image.color import chrominance, match_colors
from jnst.nn.painter import new_painter
from jnst.nn.painter_file import Architecture


@pytest.fixture(scope="module")
def painter():
    small = Architecture(channels=(4, 6, 8), residuals=1)
    return new_painter(jax.random.key(2), ["a", "b"], small)


def test_strength_mixes_with_the_photograph(painter, pictures):
    content = pictures[0]
    whole = paint_with(painter, content)
    np.testing.assert_allclose(paint_with(painter, content, strength=0), content, atol=1e-6)
    half = paint_with(painter, content, strength=0.5)
    np.testing.assert_allclose(half, (content + whole) / 2, atol=1e-5)


def test_the_photographs_colours(painter, pictures):
    content = pictures[0]
    picture = np.asarray(paint_with(painter, content, colors="luminance"))
    inside = (picture > 0.01).all(-1) & (picture < 0.99).all(-1)
    assert inside.any()
    kept, wanted = (chrominance(image)[inside] for image in (picture, content))
    np.testing.assert_allclose(kept, wanted, atol=1e-4)


@pytest.mark.parametrize("tile", [None, 64])
@pytest.mark.parametrize("method", ["pca", "cholesky"])
def test_the_photographs_colours_as_a_whole(shaken, pictures, method, tile):
    content = pictures[0]
    plain = paint_with(shaken, content)
    expected = np.clip(match_colors(plain, content, method=method), 0, 1)
    picture = paint_with(shaken, content, colors=method, strength=0.5, tile=tile)
    np.testing.assert_allclose(picture, (content + expected) / 2, atol=1e-3)
    assert np.abs(expected - plain).mean() > 0.01


def test_what_is_kept_stays_to_the_bit(painter, pictures):
    content = pictures[0]
    keep = np.zeros(content.shape[:2], np.float32)
    keep[:, 30:] = 1
    picture = paint_with(painter, content, keep=keep)
    np.testing.assert_array_equal(picture[:, 30:], content[:, 30:])
    assert np.abs(picture[:, :30] - content[:, :30]).max() > 0.05


@pytest.fixture(scope="module")
def halves(pictures):
    height, width, _ = pictures[0].shape
    left = np.zeros((height, width), np.float32)
    left[:, : width // 2] = 1
    return {"a": left, "b": 1 - left}


@pytest.fixture(scope="module")
def shaken():
    """A network whose styles differ much."""
    return shake(new_painter(jax.random.key(3), ["a", "b"], Architecture(residuals=2)))


def shake(painter):
    arrays = {
        name: array + 0.1 * jax.random.normal(jax.random.key(len(name)), array.shape)
        for name, array in painter.arrays.items()
    }
    return dataclasses.replace(painter, arrays=arrays)


def test_shares_of_every_pixel(shaken, pictures):
    content, shares = pictures[0][:61], np.float32([0.3, 0.7])
    alike = shaken(content, np.broadcast_to(shares, (*content.shape[:2], 2)))
    np.testing.assert_allclose(alike, shaken(content, shares), atol=1e-4)
    both = np.random.default_rng(0).dirichlet([1, 1], (2, *content.shape[:2])).astype(np.float32)
    together = shaken(np.stack([content] * 2), both)
    np.testing.assert_allclose(together[1], shaken(content, both[1]), atol=1e-4)


def test_each_style_goes_into_its_region(pictures, halves):
    painter, content = load_painter("paintings"), pictures[0]
    regions = dict(zip(("moonlit_bay", "the_scream"), halves.values(), strict=True))
    picture = np.asarray(paint_with(painter, content, regions=regions))
    alone = {name: np.asarray(paint_with(painter, content, styles={name: 1})) for name in regions}
    for name, mask in regions.items():
        (other,) = regions.keys() - {name}
        own, foreign = (np.abs(picture - alone[of])[mask == 1].mean() for of in (name, other))
        assert own < foreign / 2


def test_regions_are_of_styles_wherever_these_stand(shaken, pictures, halves):
    content = pictures[0]
    picture = paint_with(shaken, content, regions=halves)
    swapped = dataclasses.replace(shaken, styles=("b", "a"))
    turned = paint_with(swapped, content, regions={"a": halves["b"], "b": halves["a"]})
    np.testing.assert_allclose(turned, picture, atol=1e-4)


def test_a_region_of_the_whole_picture_is_the_picture(shaken, pictures):
    everywhere = np.ones((2, 2))
    whole = paint_with(shaken, pictures[0][:, :64], styles={"b": 1})
    region = paint_with(shaken, pictures[0][:, :64], regions={"b": everywhere})
    np.testing.assert_allclose(region, whole, atol=1e-4)


def test_regions_leave_the_rest_and_weigh(shaken, pictures, halves):
    content, left = pictures[0], halves["a"]
    picture = paint_with(shaken, content, regions={"a": left}, keep="rest")
    np.testing.assert_array_equal(picture[left == 0], content[left == 0])
    assert np.abs(picture - content)[left == 1].mean() > 0.05
    full = np.asarray(paint_with(shaken, content, regions=halves))
    weighed = paint_with(shaken, content, regions=halves, styles={"b": 1, "a": 2})
    covered = (left + halves["b"] / 2)[..., None]
    np.testing.assert_allclose(weighed, content + covered * (full - content), atol=1e-5)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"strength": 2}, "strength must lie between 0 and 1"),
        ({"colors": "grey"}, "colors must be one of style, free, luminance"),
        ({"styles": {"c": 1}}, "styles must be one of a, b, got 'c'"),
        ({"styles": {"a": -1}}, "the weight of a must be at least 0"),
        ({"styles": {}}, "every weight is 0"),
        ({"keep": np.ones((64, 80))}, "keep leaves nothing to paint"),
        ({"keep": "rest"}, "keep='rest' needs at least one region"),
        ({"regions": {"c": np.ones((64, 80))}}, "styles must be one of a, b, got 'c'"),
        ({"regions": {}}, "regions must have a mask for at least one style"),
        ({"regions": {"a": np.ones((9, 80))}}, r"regions\['a'\] must have the aspect ratio of"),
        (
            {"regions": {"a": np.ones((4, 5))}, "styles": {"a": 1, "b": 1}},
            "are chosen, a, b, got a",
        ),
    ],
)
def test_what_will_not_do_is_said(painter, pictures, options, message):
    with pytest.raises(ValueError, match=message):
        paint_with(painter, pictures[0], **options)


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
@pytest.mark.parametrize("shape", [(64, 80), (61, 150)])
def test_strips_make_the_picture_of_one_pass(output, shape):
    """With the channels of the default, so that Winograd's convolutions are among it."""
    of_two = Architecture(residuals=2, output=output)
    painter = shake(new_painter(jax.random.key(3), ["a", "b"], of_two))
    content = np.random.default_rng(1).random((*shape, 3), np.float32)
    options = {"styles": {"a": 1, "b": 2}, "strength": 0.9}
    whole = paint_with(painter, content, tile=None, **options)
    strips = paint_with(painter, content, tile=64, **options)
    np.testing.assert_allclose(strips, whole, atol=2e-4)
    assert np.std(whole) > 0.05


def test_regions_in_strips(shaken, pictures, halves):
    content = pictures[0]
    whole, strips = (paint_with(shaken, content, regions=halves, tile=tile) for tile in (None, 64))
    np.testing.assert_allclose(strips, whole, atol=2e-4)


def test_a_picture_beyond_the_memory(painter, pictures, monkeypatch):
    whole = paint_with(painter, pictures[0])
    monkeypatch.setattr(painting_strips.memory, "free_bytes", lambda device: 1000)
    with pytest.raises(ValueError, match=r"a picture of 80×64 px needs .*; choose a smaller size"):
        paint_with(painter, pictures[0], tile=None)
    monkeypatch.setattr(painting_strips, "WINDOW", 64)
    np.testing.assert_allclose(paint_with(painter, pictures[0]), whole, atol=1e-4)


def test_regions_are_named(painter, pictures):
    with pytest.raises(TypeError, match=r"regions must be \{style: mask\}, got list"):
        paint_with(painter, pictures[0], regions=[np.ones((64, 80))])
    with pytest.raises(TypeError, match=r"styles must be \{style: weight\}, got list"):
        paint_with(painter, pictures[0], styles=["a"])


def test_shares_of_another_shape(painter):
    with pytest.raises(ValueError, match=r"shares must have the shape .* got \(8, 8, 2\)"):
        painter(np.zeros((1, 8, 8, 3)), np.full((8, 8, 2), 0.5))


def test_regions_take_more_memory(painter, monkeypatch):
    shape, channels = (64, 80), painter.architecture.channels[0]
    between = painting_strips.BYTES + painting_strips.BYTES_OF_REGIONS // 2
    free = between * channels * shape[0] * shape[1]
    monkeypatch.setattr(painting_strips.memory, "free_bytes", lambda device: free)
    assert painting_strips.strip_for("auto", painter, shape) is None
    assert painting_strips.strip_for("auto", painter, shape, regions=True) is not None


def test_strips_have_a_least_edge(painter, pictures):
    with pytest.raises(ValueError, match="tile must be at least 64 px, got 63"):
        paint_with(painter, pictures[0], tile=63)
    with pytest.raises(TypeError, match="tile must be a whole number"):
        paint_with(painter, pictures[0], tile=64.5)
