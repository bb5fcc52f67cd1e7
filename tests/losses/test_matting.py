"""The matting loss against the explicit Laplacian in float64, and what it does to a picture."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst.image.inputs import style_noise
from jnst.losses.matting import EPSILON, make_matting, matting_loss

stylize = functools.partial(jnst.stylize, style_loss="gram")
stylize_grid = functools.partial(jnst.stylize_grid, style_loss="gram")
"""By Gram matrices, which are quicker than the default where pictures are small."""


def laplacian(guide):
    """The matting Laplacian, equation 12 of Levin, Lischinski and Weiss, as a dense matrix."""
    height, width, _ = guide.shape
    number = np.arange(height * width).reshape(height, width)
    colours = guide.reshape(-1, 3).astype(np.float64)
    matrix = np.zeros((height * width,) * 2)
    for i in range(height - 2):
        for j in range(width - 2):
            window = number[i : i + 3, j : j + 3].ravel()
            centred = colours[window] - colours[window].mean(0)
            inverse = np.linalg.inv(centred.T @ centred / 9 + EPSILON / 9 * np.eye(3))
            affinity = (1 + centred @ inverse @ centred.T) / 9
            matrix[np.ix_(window, window)] += np.eye(9) - affinity
    return matrix


def guides():
    random = np.random.default_rng(5).uniform(size=(9, 12, 3))
    grey = np.repeat(random[..., :1], 3, axis=-1)
    flat = np.full((9, 12, 3), 0.7)
    edge = np.where(np.arange(12)[None, :, None] < 6, [0.9, 0.1, 0.2], [0.1, 0.8, 0.5])
    return {"random": random, "grey": grey, "flat": flat, "edge": edge + 0 * random}


@pytest.mark.parametrize("kind", guides())
def test_loss_and_gradient_are_those_of_the_laplacian(kind):
    guide = guides()[kind].astype(np.float32)
    image = np.random.default_rng(6).uniform(size=(9, 12, 3)).astype(np.float32)
    matrix, flat = laplacian(guide), image.reshape(-1, 3).astype(np.float64)
    value, gradient = jax.value_and_grad(matting_loss)(image, make_matting(guide))
    np.testing.assert_allclose(value, np.sum(flat * (matrix @ flat)), rtol=1e-4)
    wanted = 2 * (matrix @ flat).reshape(image.shape)
    np.testing.assert_allclose(gradient, wanted, atol=1e-3 * np.abs(wanted).max())


def test_an_affine_map_of_the_guide_costs_next_to_nothing():
    guide = guides()["random"].astype(np.float32)
    mixed = guide @ np.array([[0.2, 0.5, 0], [0.3, -0.4, 0.1], [0, 0.1, 0.8]], np.float32) + 0.1
    matting = make_matting(guide)
    assert 0 <= matting_loss(mixed, matting) < 1e-4
    assert matting_loss(mixed**3, matting) > 0.01


def test_leading_axes_are_free():
    guides_ = np.random.default_rng(7).uniform(size=(2, 5, 6, 3)).astype(np.float32)
    both = matting_loss(guides_[::-1], make_matting(guides_))
    apart = [matting_loss(guides_[1 - n], make_matting(guides_[n])) for n in range(2)]
    np.testing.assert_allclose(both, apart, rtol=1e-5)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match=r"guide must have the shape .* got \(2, 5, 3\)"):
        make_matting(np.zeros((2, 5, 3), np.float32))
    with pytest.raises(ValueError, match=r"image must have the guide's shape \(5, 5, 3\), got"):
        matting_loss(np.zeros((5, 6, 3)), make_matting(np.zeros((5, 5, 3), np.float32)))


def edges():
    """A flat sky over dark houses with straight roofs, whose outlines are easy to follow."""
    picture = np.full((64, 64, 3), (0.6, 0.7, 0.9), np.float32)
    for left, top in ((4, 30), (24, 18), (44, 38)):
        picture[top:, left : left + 16] = (0.3, 0.2, 0.15)
    return picture


def test_a_photograph_stays_one_while_the_style_comes_over(tiny, pictures):
    content, style = edges(), pictures[1]
    free, held = (
        stylize(tiny, content, style, gamma=0, steps=30, sizes=(64,), photorealism=weight)
        for weight in (0.0, 1000.0)
    )
    matting = make_matting(content)
    assert matting_loss(held.image, matting) < matting_loss(free.image, matting) / 20
    assert held.losses["style"][-1] < 0.9 * held.losses["style"][0]  # the first is the content's
    assert "photorealism" not in free.losses
    losses = held.losses
    weighed = (
        losses["content"] + jnst.Settings.beta * losses["style"] + 1000 * losses["photorealism"]
    )
    np.testing.assert_allclose(losses["total"], weighed, rtol=1e-4)
    # Per pixel value, of an iterate: the content itself, the first of them, has next to nothing.
    assert losses["photorealism"][0] < 1e-6 < losses["photorealism"][-1]


def test_tiles_and_grids_come_out_as_without(tiny, pictures):
    content, style = np.ascontiguousarray(pictures[0][:, :64]), pictures[1]  # fills its canvas
    quick = {"content_layers": ("relu2_2",), "style_layers": ("relu1_1", "relu2_1"), "steps": 3}
    quick["style_loss"] = "gram"
    quick |= {"sizes": (64,), "photorealism": 500.0}
    whole = stylize(tiny, content, style, tile=None, **quick)
    tiled = stylize(tiny, content, style, tile=56, **quick)
    np.testing.assert_allclose(tiled.image, whole.image, atol=1e-3)
    np.testing.assert_allclose(
        tiled.losses["photorealism"], whole.losses["photorealism"], rtol=1e-3, atol=1e-7
    )
    contents = [content, np.ascontiguousarray(content[:, ::-1])]
    grid = stylize_grid(tiny, contents, style, **(quick | {"photorealism": [0.0, 500.0]}))
    assert list(grid.axes) == ["alpha", "beta", "content", "photorealism"]
    np.testing.assert_allclose(grid.images[0, 0, 0, 1], whole.image, atol=1e-3)
    terms = grid.losses["photorealism"][0, 0, :, :, -1]
    assert (terms[:, 1] < terms[:, 0]).all()


def test_style_noise_has_the_colours_of_the_style():
    random = np.random.default_rng(9).normal(size=(50, 40, 3)) @ np.diag([0.08, 0.03, 0.05])
    mixing = np.array([[1, 0.5, 0], [0, 1, -0.6], [0.3, 0, 1]])
    style = (np.array([0.4, 0.5, 0.6]) + random @ mixing).clip(0, 1).astype(np.float32)
    noise = np.asarray(style_noise(jax.random.key(1), jnp.asarray(style), shape=(200, 220)))
    assert noise.min() >= 0 and noise.max() <= 1
    colours, wanted = noise.reshape(-1, 3), style.reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(colours.mean(0), wanted.mean(0), atol=2e-3)
    np.testing.assert_allclose(np.cov(colours.T), np.cov(wanted.T), atol=2e-4)


def test_style_noise_starts_a_picture_that_its_key_decides(tiny, pictures):
    content, style = pictures
    first, second = (
        stylize(
            tiny, content, style, steps=1, sizes=(64,), init="style-noise", key=key, averaging=0
        ).image
        for key in jax.random.split(jax.random.key(2))
    )
    assert np.abs(first - second).mean() > 0.05
    np.testing.assert_allclose(first.mean((0, 1)), style.mean((0, 1)), atol=0.08)
