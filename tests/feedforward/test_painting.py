"""`paint_with`: what a network's picture is mixed with, and refusals."""

import jax
import numpy as np
import pytest

from jnst.feedforward import paint_with, painting
from jnst.image.color import chrominance
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


def test_what_is_kept_stays_to_the_bit(painter, pictures):
    content = pictures[0]
    keep = np.zeros(content.shape[:2], np.float32)
    keep[:, 30:] = 1
    picture = paint_with(painter, content, keep=keep)
    np.testing.assert_array_equal(picture[:, 30:], content[:, 30:])
    assert np.abs(picture[:, :30] - content[:, :30]).max() > 0.05


@pytest.mark.parametrize(
    "options, message",
    [
        ({"strength": 2}, "strength must lie between 0 and 1"),
        ({"colors": "pca"}, "colors must be one of style, luminance"),
        ({"styles": {"c": 1}}, "styles must be one of a, b, got 'c'"),
        ({"styles": {"a": -1}}, "the weight of a must be at least 0"),
        ({"styles": {}}, "every weight is 0"),
        ({"keep": np.ones((64, 80))}, "keep leaves nothing to paint"),
    ],
)
def test_what_will_not_do_is_said(painter, pictures, options, message):
    with pytest.raises(ValueError, match=message):
        paint_with(painter, pictures[0], **options)


def test_a_picture_beyond_the_memory_is_refused(painter, pictures, monkeypatch):
    monkeypatch.setattr(painting.memory, "free_bytes", lambda device: 1000)
    with pytest.raises(ValueError, match=r"a picture of 80×64 px needs .*; choose a smaller size"):
        paint_with(painter, pictures[0])
