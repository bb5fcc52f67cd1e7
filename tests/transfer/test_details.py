"""What an enlarged picture is given of the content's details."""

import jax
import numpy as np
import pytest

from jnst import stylize, stylize_grid
from jnst.execution.devices import make_mesh
from jnst.image.resampling import resize_on_host
from jnst.transfer.canvas import Canvas, exact_canvas
from jnst.transfer.details import details_beyond

STILL = {
    "optimizer": "adam",
    "learning_rate": 1e-7,
    "averaging": 0.0,
    "colors": "free",
    "style_loss": "gram",
    "sizes": (48, 96),
    "steps": (1, 1),
}
"""Steps that move nothing to speak of, so that what is painted is what they start from."""


@pytest.fixture(scope="module")
def grey():
    """A grey content of grain, (96, 96, 3), far enough from 0 and 1 that nothing is clipped."""
    grain = np.random.default_rng(5).uniform(0.3, 0.7, (96, 96, 1))
    return np.float32(grain.repeat(3, axis=-1))


def luminance(image):
    """Luminance, (H, W)."""
    return np.asarray(image) @ np.float32([0.299, 0.587, 0.114])


def test_they_make_an_enlarged_image_whole_again():
    image = np.float32(np.random.default_rng(1).uniform(0.2, 0.8, (70, 90, 3)))
    before, canvas = exact_canvas((32, 48)), Canvas(shape=(96, 96), extent=(70, 90))
    coarse = resize_on_host(image, before.shape)
    details = details_beyond(image, before, canvas)
    assert details.shape == (96, 96, 1)
    whole = luminance(canvas.put(coarse)) + details[..., 0]
    np.testing.assert_allclose(whole, luminance(canvas.put(image)), atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_picture_at_a_new_size_has_their_share(tiny, pictures, grey, share):
    painted = np.asarray(stylize(tiny, grey, pictures[1], details=share, **STILL).image)
    blurred = resize_on_host(resize_on_host(grey, (48, 48)), (96, 96))
    np.testing.assert_allclose(painted, blurred + share * (grey - blurred), atol=1e-3)


def test_no_colour_comes_with_them(tiny, pictures):
    content, style = np.full((96, 96, 3), 0.5, np.float32), pictures[1]
    content[::2, :, 0] += 0.1
    content[::2, :, 2] -= 0.1 * 0.299 / 0.114  # of the same luminance
    painted = [stylize(tiny, content, style, details=share, **STILL).image for share in (0, 1)]
    np.testing.assert_allclose(painted[0], painted[1], atol=1e-4)


def test_without_a_content_there_are_none(tiny, pictures, grey):
    run = STILL | {"alpha": 0.0, "init": "noise"}
    texture = stylize(tiny, grey, pictures[1], details=1.0, **run).image
    np.testing.assert_array_equal(
        texture, stylize(tiny, grey, pictures[1], details=0.0, **run).image
    )


def test_the_cells_of_a_grid_have_each_their_own(tiny, pictures, grey):
    wide = np.tile(grey[:64], (1, 2, 1))[:, :90]
    axes = {"alpha": [0.0, 1.0], "beta": 1.0, "details": [0.2, 0.9]}
    grid = stylize_grid(tiny, wide, pictures[1], **STILL | axes)
    for i, alpha in enumerate(axes["alpha"]):
        for j, share in enumerate(axes["details"]):
            single = STILL | {"alpha": alpha, "beta": 1.0, "details": share}
            cell = grid.images[i, 0, j]
            np.testing.assert_allclose(
                cell, stylize(tiny, wide, pictures[1], **single).image, atol=1e-5
            )
    assert np.abs(grid.images[1, 0, 0] - grid.images[1, 0, 1]).mean() > 0.01
    np.testing.assert_array_equal(grid.images[0, 0, 0], grid.images[0, 0, 1])


def test_a_cell_that_diverges_stays_as_it_is(tiny, pictures, grey):
    rates, free = [1e-7, 1e29], {"clip": False, "steps": (3, 1)}
    grid = stylize_grid(tiny, grey, pictures[1], **STILL | {"learning_rate": rates} | free)
    for n, rate in enumerate(rates):
        alone = stylize(tiny, grey, pictures[1], **STILL | {"learning_rate": rate} | free)
        assert grid.reasons[0, 0, n] == alone.reason == ("finished", "diverged")[n]
        np.testing.assert_allclose(grid.images[0, 0, n], alone.image, atol=1e-4)


def test_tiles_and_rows_give_the_same_picture(tiny, pictures, grey):
    run = STILL | {"content_layers": ["relu1_1"], "style_layers": ["relu1_1"]}
    whole = stylize(tiny, grey, pictures[1], **run).image
    tiled = stylize(tiny, grey, pictures[1], tile=48, **run).image
    rows = stylize(tiny, grey, pictures[1], mesh=make_mesh(jax.devices()[:1]), **run).image
    np.testing.assert_allclose(tiled, whole, atol=1e-3)
    np.testing.assert_allclose(rows, whole, atol=1e-2)


def test_a_share_beyond_the_whole_is_refused(tiny, pictures):
    with pytest.raises(ValueError, match=r"details must lie between 0 and 1, got 1\.5"):
        stylize(tiny, *pictures, details=1.5)
