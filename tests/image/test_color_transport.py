"""Colours that are distributed as those of another picture."""

import numpy as np
import pytest

import jnst
from jnst.image.color_transport import transport_colors
from jnst.image.palette import to_oklab
from jnst.image.transport import color_transport


@pytest.fixture(scope="module")
def few():
    """A picture of three colours, as often as 5, 3 and 2."""
    colors = np.array([[0.9, 0.6, 0.1], [0.1, 0.3, 0.5], [0.8, 0.2, 0.1]], np.float32)
    return colors[np.repeat([0, 1, 2], [500, 300, 200])].reshape(25, 40, 3)


def distance(image, reference):
    """The mean distance of sorted projections, in Oklab."""
    directions = np.random.default_rng(5).standard_normal((3, 40))
    directions /= np.linalg.norm(directions, axis=0)
    places = np.linspace(0, 1, 501)
    ours, theirs = (
        np.quantile(to_oklab(x).reshape(-1, 3) @ directions, places, axis=0)
        for x in (image, reference)
    )
    return np.abs(ours - theirs).mean()


def test_the_colours_become_those_of_the_reference(pictures, few):
    content, style = pictures
    for reference, left in ((style, 0.25), (few, 0.4)):
        moved = transport_colors(content, reference)
        assert moved.shape == content.shape and moved.dtype == np.float32
        assert moved.min() >= 0 and moved.max() <= 1
        assert distance(moved, reference) < left * distance(content, reference)
        linear = np.clip(jnst.match_colors(content, reference), 0, 1)
        assert distance(moved, reference) < 0.9 * distance(linear, reference)


def test_a_picture_keeps_its_own_colours(pictures):
    content = pictures[0]
    moved = transport_colors(content, content)
    assert np.abs(to_oklab(moved) - to_oklab(content)).mean() < 0.005


def test_a_share_is_on_the_way(pictures, few):
    content = pictures[0]
    np.testing.assert_allclose(transport_colors(content, few, share=0), content, atol=1e-4)
    whole, half = (transport_colors(content, few, share=share) for share in (1, 0.5))
    middle = (to_oklab(content) + to_oklab(whole)) / 2
    inside = (half > 0.001).all(-1) & (half < 0.999).all(-1)
    inside &= (whole > 0.001).all(-1) & (whole < 0.999).all(-1)
    np.testing.assert_allclose(to_oklab(half)[inside], middle[inside], atol=1e-4)


def test_one_colour(pictures):
    one, style = np.full((8, 8, 3), 0.25, np.float32), pictures[1]
    assert np.abs(transport_colors(style, one) - 0.25).mean() < 0.01
    moved = to_oklab(transport_colors(one, style))
    mean = to_oklab(style).reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(moved, np.broadcast_to(mean, moved.shape), atol=0.02)


@pytest.mark.parametrize("flat", [0.0, 1.0])
def test_what_is_flat_goes_where_its_neighbours_go(pictures, flat):
    """A clipped sky: half of the picture is of one colour, to the bit, or nearly so."""
    random, style = np.random.default_rng(1), pictures[1]
    image = random.uniform(0.2, 0.8, (64, 64, 3)).astype(np.float32)
    image[:32] = flat
    shaken = image.copy()
    shaken[:32] = np.abs(flat - random.uniform(0, 1e-3, (32, 64, 3)))
    exact, near = (to_oklab(transport_colors(x, style)) for x in (image, shaken))
    np.testing.assert_allclose(exact[:32].mean((0, 1)), near[:32].mean((0, 1)), atol=0.06)
    sky, rest = exact[:32, :, 0].mean(), exact[32:, :, 0].mean()
    assert (sky > rest) == (flat > 0.5)


def test_a_transport_of_some_pixels_moves_the_others(pictures):
    content, style = pictures
    transport = color_transport(content[::2, ::2], [style])
    assert distance(transport(content), style) < 0.25 * distance(content, style)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((np.zeros((4, 4, 3)), np.zeros((4, 4))), ValueError, "reference must have the shape"),
        ((np.zeros((4, 4, 3), int), np.zeros((4, 4, 3))), TypeError, "image must hold"),
        ((np.zeros((4, 4, 3)), np.zeros((4, 4, 3)), 2), ValueError, "share must lie between 0"),
        ((np.zeros((4, 4, 3)), np.zeros((4, 4, 3)), "all"), TypeError, "share must be a number"),
    ],
)
def test_what_will_not_do_is_said(arguments, error, message):
    *images, share = [*arguments, 1.0][:3]
    with pytest.raises(error, match=message):
        transport_colors(*images, share=share)


@pytest.mark.parametrize("size", [4, 40])
def test_references_count_by_their_shares(pictures, size):
    """However many pixels each has, and where one has none of it as if it were not there."""
    content = pictures[0]
    red, blue = np.full((size, size, 3), (0.8, 0.1, 0.1)), np.full((90, 90, 3), (0.1, 0.1, 0.8))
    mixed = color_transport(content, [red, blue], [3.0, 1.0])(content)
    reds = (mixed[..., 0] > mixed[..., 2]).mean()
    assert 0.65 < reds < 0.85
    only = color_transport(content, [red, blue], [1.0, 0.0])(content)
    np.testing.assert_allclose(only, color_transport(content, [red])(content), atol=0.02)


def test_rounding_decides_little():
    """Where many colours go to a single one, too, and the others of the reference are elsewhere."""
    random = np.random.default_rng(6)
    rows, columns = np.mgrid[:48, :64] / 64
    waves = np.stack([rows, columns, 0.5 + np.sin(9 * rows * columns) / 2], -1)
    content = 0.1 + 0.8 * waves + random.uniform(-0.08, 0.08, waves.shape)
    content = content.clip(0, 1).astype(np.float32)
    style = random.uniform(size=(72, 60, 3)).astype(np.float32)
    style[:, ::4] = 0.9, 0.7, 0.1
    other = content * (1 + 6e-8 * random.choice([-1, 0, 1], content.shape))
    moved, again = (
        transport_colors(x.astype(np.float32), style, share=1) for x in (content, other)
    )
    assert np.linalg.norm(again - moved) < 1e-4 * np.linalg.norm(moved)
