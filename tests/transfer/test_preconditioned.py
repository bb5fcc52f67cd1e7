"""Preconditioned descent and the palette of the content, wherever pictures are painted."""

import jax
import numpy as np
import pytest

import jnst
from jnst.image.color_setting import prepare_content
from jnst.image.palette import adopt_colors, color_moments, from_oklab, to_oklab

random = np.random.default_rng(12)
CONTENT = random.uniform(size=(48, 64, 3)).astype(np.float32)
STYLE = (random.uniform(size=(40, 56, 3)) * [0.9, 0.5, 0.2]).astype(np.float32)
PAINTED = {"optimizer": "preconditioned", "steps": 4, "sizes": 64, "averaging": 0.0}


def chroma(image):
    return np.asarray(to_oklab(image))[..., 1:]


def test_oklab_is_its_author_s_and_comes_back():
    # From the table of XYZ pairs and the sRGB primaries of the post that defines it.
    np.testing.assert_allclose(to_oklab(np.float32([1, 0, 0])), [0.628, 0.225, 0.126], atol=1e-3)
    np.testing.assert_allclose(to_oklab(np.float32([0, 0, 1])), [0.452, -0.032, -0.312], atol=1e-3)
    np.testing.assert_allclose(from_oklab(to_oklab(CONTENT)), CONTENT, atol=2e-4)


def test_the_content_gets_the_styles_mean_and_covariance():
    narrow = (0.4 + 0.2 * random.uniform(size=(30, 40, 3))).astype(np.float32)
    calm = (0.3 + 0.2 * random.uniform(size=(30, 30, 3)) * [1, 0.5, 0.2]).astype(np.float32)
    got = color_moments([to_oklab(adopt_colors(narrow, [calm], share=1.0))])
    wanted = color_moments([to_oklab(calm)])
    np.testing.assert_allclose(got[0], wanted[0], atol=2e-3)
    np.testing.assert_allclose(got[1], wanted[1], atol=4e-4)


def test_several_styles_count_by_their_shares():
    both = adopt_colors(CONTENT, [STYLE, 1 - STYLE], [1, 0])
    np.testing.assert_allclose(both, adopt_colors(CONTENT, [STYLE]), atol=1e-6)
    assert np.abs(both - adopt_colors(CONTENT, [STYLE, 1 - STYLE])).mean() > 0.05


def test_a_grey_style_makes_a_grey_picture():
    grey = STYLE.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    assert (
        np.abs(chroma(adopt_colors(CONTENT, [grey], share=1.0))).mean()
        < 0.25 * np.abs(chroma(CONTENT)).mean()
    )


def test_a_grey_content_becomes_no_coloured_speckle():
    grey = np.linspace(0, 1, 64, dtype=np.float32)[None, :, None] * np.ones((48, 1, 3), np.float32)
    noisy = np.clip(grey + random.normal(0, 0.004, grey.shape), 0, 1).astype(np.float32)
    wild = random.uniform(size=(40, 40, 3)).astype(np.float32)
    smooth, rough = adopt_colors(grey, [wild]), adopt_colors(noisy, [wild])
    assert np.abs(rough - smooth).mean() < 8 * np.abs(noisy - grey).mean()


@pytest.mark.parametrize("color", [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.8, 0.1, 0.3)])
def test_one_colour_on_either_side_is_finite(color):
    one = np.ones((20, 30, 3), np.float32) * np.float32(color)
    assert np.isfinite(adopt_colors(CONTENT, [one])).all()
    assert np.isfinite(adopt_colors(one, [STYLE])).all()


def test_the_picture_starts_from_the_styles_colours_unless_it_is_free_of_them(tiny):
    settings = PAINTED | {"steps": 1, "learning_rate": 1e-6, "finish": 0}
    own = jnst.stylize(tiny, CONTENT, STYLE, colors="free", **settings)
    adopted = jnst.stylize(tiny, CONTENT, STYLE, colors="style", **settings)
    np.testing.assert_allclose(own.image, CONTENT, atol=1e-3)
    wanted = prepare_content("style", CONTENT, [STYLE])
    np.testing.assert_allclose(adopted.image, wanted, atol=1e-3)


def test_the_losses_fall_and_colours_differ_by_style(tiny):
    settings = PAINTED | {"steps": 30}
    result = jnst.stylize(tiny, CONTENT, STYLE, **settings)
    assert result.losses["total"][-1] < 0.8 * result.losses["total"][0]


def test_tiles_paint_the_same_picture(tiny):
    content = random.uniform(size=(64, 160, 3)).astype(np.float32)
    settings = PAINTED | {"steps": 3, "sizes": 160, "style_loss": "gram"}
    layers = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}
    whole = jnst.stylize(tiny, content, STYLE, tile=None, **settings, **layers)
    tiled = jnst.stylize(tiny, content, STYLE, tile=96, **settings, **layers)
    np.testing.assert_allclose(tiled.image, whole.image, atol=2e-3)


def test_cells_of_a_grid_are_pictures_by_themselves_each_with_its_styles_colours(tiny):
    other = (1 - STYLE)[:, :48]
    grid = jnst.stylize_grid(tiny, CONTENT, [STYLE, other], beta=[5.0, 20.0], **PAINTED)
    for n, style in enumerate((STYLE, other)):
        alone = jnst.stylize(tiny, CONTENT, style, beta=20.0, **PAINTED)
        np.testing.assert_allclose(grid.images[0, 1, n], alone.image, atol=5e-3)
        np.testing.assert_allclose(grid.losses["total"][0, 1, n], alone.losses["total"], rtol=1e-3)


def test_a_checkpoint_goes_on_to_the_same_bits(tiny, tmp_path):
    settings = PAINTED | {"steps": 6, "checkpoint": tmp_path / "run.npz"}
    whole = jnst.stylize(tiny, CONTENT, STYLE, **{**settings, "checkpoint": None})
    jnst.stylize(tiny, CONTENT, STYLE, callback=lambda told: told.step == 3, **settings)
    resumed = jnst.stylize(tiny, CONTENT, STYLE, resume=True, **settings)
    np.testing.assert_array_equal(resumed.image, whole.image)


def test_what_is_kept_does_not_move(tiny):
    mask = np.zeros((48, 64), np.float32)
    mask[:, :32] = 1
    result = jnst.stylize(tiny, CONTENT, STYLE, keep=mask, **PAINTED)
    np.testing.assert_allclose(result.image[:, :32], CONTENT[:, :32], atol=1e-6)
    assert np.abs(result.image[:, 32:] - CONTENT[:, 32:]).mean() > 0.01


def test_rows_on_a_mesh_paint_the_same_picture(tiny):
    mesh = jax.make_mesh((1,), ("rows",))
    content = np.tile(CONTENT, (2, 1, 1))[:64]  # which fills its canvas
    alone = jnst.stylize(tiny, content, STYLE, **PAINTED)
    split = jnst.stylize(tiny, content, STYLE, mesh=mesh, **PAINTED)
    np.testing.assert_allclose(split.image, alone.image, atol=5e-3)
