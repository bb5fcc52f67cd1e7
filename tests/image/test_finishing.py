"""What a painted picture is given at the end."""

import numpy as np
import pytest

from jnst import Settings, stylize, stylize_grid
from jnst.image import finishing
from jnst.image.color_setting import prepare_content
from jnst.image.finishing import ROUNDS, calm, finish
from jnst.image.palette import adopt_colors, from_oklab, to_oklab
from jnst.image.transport import color_transport
from jnst.video.optimising import optimising_painter
from jnst.video.painters import Prepared


@pytest.fixture(scope="module")
def specked():
    """Two halves of different lightness with specks of chroma, in Oklab, (40, 60, 3)."""
    lab = np.random.default_rng(3).normal(0, 0.03, (40, 60, 3)).astype(np.float32)
    lab[..., 0] = 0.3 + 0.4 * (np.arange(60) >= 30)
    lab[:, 30:, 1:] += (0.08, -0.05)
    return lab


def test_specks_go_and_edges_stay(specked):
    calmed = calm(specked)
    left, right = calmed[:, :25], calmed[:, 35:]
    assert left.std(axis=(0, 1)).max() < 0.3 * specked[:, :25, 1:].std(axis=(0, 1)).min()
    edge = calmed[:, 30].mean(axis=0) - calmed[:, 29].mean(axis=0)
    np.testing.assert_allclose(edge, (0.08, -0.05), atol=0.01)
    np.testing.assert_allclose(right.mean((0, 1)), specked[:, 35:, 1:].mean((0, 1)), atol=2e-3)


def test_chroma_that_lightness_explains_stays():
    light = np.random.default_rng(4).uniform(0.2, 0.8, (30, 30, 1)).astype(np.float32)
    lab = np.concatenate([light, 0.2 * light - 0.1, 0.05 - 0.1 * light], axis=-1)
    np.testing.assert_allclose(calm(lab), lab[..., 1:], atol=4 * finishing.FLAT)


@pytest.mark.parametrize("share", [0.6, 1.0])
def test_strips_of_rows_are_those_of_the_whole_picture(pictures, share, monkeypatch):
    monkeypatch.setattr(finishing, "PIXELS", 0)  # strips of the fewest rows
    content, style = pictures
    tall = np.tile(content, (5, 1, 1))[: 4 * finishing.ROWS + 20]
    wanted = tall
    for _ in range(ROUNDS):
        lab, transport = to_oklab(wanted), color_transport(wanted, [style])
        lab += np.float32(share) * transport.of(lab.reshape(-1, 3)).reshape(lab.shape)
        lab[..., 1:] += np.float32(share) * (calm(lab) - lab[..., 1:])
        wanted = from_oklab(lab).clip(0, 1)
    apart = np.abs(finish(tall, [style], None, share) - wanted)
    assert apart.mean() < 1e-5 and np.quantile(apart, 0.999) < 1e-3


def test_styles_count_by_their_weights(pictures):
    content = pictures[0]
    red, blue = (np.full((9, 9, 3), c, np.float32) for c in ((0.8, 0.2, 0.2), (0.2, 0.2, 0.8)))
    done = finish(content, [red, blue], [1.0, 0.0], 1.0)
    np.testing.assert_allclose(done, finish(content, [red], None, 1.0), atol=1e-6)
    mixed = finish(content, [red, blue], [1.0, 3.0], 1.0)
    nearer = np.abs(mixed - blue[0, 0]).sum(-1) < np.abs(mixed - red[0, 0]).sum(-1)
    assert 0.6 < nearer.mean() < 0.9


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 5)])
def test_small_pictures(shape):
    image = np.random.default_rng(0).uniform(size=(*shape, 3)).astype(np.float32)
    done = finish(image, [image], None, 1.0)
    assert done.shape == image.shape and done.dtype == np.float32
    assert np.isfinite(done).all() and done.min() >= 0 and done.max() <= 1


RUN = {"style_loss": "gram", "optimizer": "adam", "steps": 2}


def test_a_transfer_ends_with_it(tiny, pictures):
    content, style = pictures
    painted = stylize(tiny, content, style, finish=0, **RUN).image
    result = stylize(tiny, content, style, **RUN)
    wanted = finish(np.asarray(painted), [style], None, Settings().finish)
    np.testing.assert_allclose(result.image, wanted, atol=1e-6)
    assert np.abs(wanted - painted).mean() > 0.01


def test_grids_and_tiles_end_with_it(tiny, pictures):
    content, style = pictures
    single = stylize(tiny, content, style, beta=3.0, **RUN).image
    grid = stylize_grid(tiny, content, style, alpha=1.0, beta=[1.0, 3.0], **RUN)
    assert np.abs(grid.images[0, 1] - single).mean() < 1e-3
    few = {"content_layers": ["relu1_1"], "style_layers": ["relu1_1"]}
    whole, tiled = (stylize(tiny, content, style, tile=t, **RUN, **few).image for t in (None, 48))
    assert np.abs(tiled - whole).mean() < 1e-3


@pytest.mark.parametrize("colors", ["free", "luminance", "pca"])
def test_other_colours_are_left(tiny, pictures, colors):
    run = {"colors": colors, **RUN}
    np.testing.assert_array_equal(
        stylize(tiny, *pictures, finish=1.0, **run).image,
        stylize(tiny, *pictures, finish=0.0, **run).image,
    )


def test_what_is_kept_is_left(tiny, pictures):
    content, style = pictures
    keep = np.zeros(content.shape[:2], np.float32)
    keep[:10] = 1
    result = stylize(tiny, content, style, keep=keep, **RUN)
    np.testing.assert_allclose(result.image[:9], content[:9], atol=1e-6)


def test_a_share_beyond_the_whole_is_refused(tiny, pictures):
    with pytest.raises(ValueError, match=r"finish must lie between 0 and 1, got 1\.5"):
        stylize(tiny, *pictures, finish=1.5)


def test_a_content_is_given_the_distribution_of_the_styles_chroma(pictures):
    content, style = pictures
    few = np.where(style[..., :1] > 0.5, (0.9, 0.6, 0.1), (0.1, 0.2, 0.5)).astype(np.float32)
    linear, seen = (
        to_oklab(prepare_content("style", content, [few], transported=transported))
        for transported in (False, True)
    )
    colors = np.unique(to_oklab(few).reshape(-1, 3), axis=0)

    def off(lab):
        return np.linalg.norm(lab[..., None, 1:] - colors[:, 1:], axis=-1).min(-1).mean()

    assert len(colors) == 2 and off(seen) < 0.5 * off(linear)
    assert np.abs(seen - linear)[..., 0].mean() < 0.02  # what it leaves where it is clipped


def test_videos_have_none(tiny, pictures):
    content, style = pictures
    with pytest.raises(ValueError, match="finish is not for videos"):
        optimising_painter(tiny, style, finish=0.5)
    frame = Prepared(content, {})
    few = {
        "steps": 1,
        "sizes": 80,
        "learning_rate": 1e-6,
        "optimizer": "adam",
        "style_loss": "gram",
    }
    first = optimising_painter(tiny, style, **few)._first(frame)
    np.testing.assert_allclose(first, adopt_colors(content, [style]), atol=1e-3)
