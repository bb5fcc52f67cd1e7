"""The whole transfer on small images with the real weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnst
from jnst.image.inputs import resize

stylize = functools.partial(jnst.stylize, style_loss="gram")
"""By Gram matrices, which are quicker than the default where pictures are small."""

QUICK = {"sizes": (64,), "steps": 8, "style_loss": "gram"}
SHALLOW = {"sizes": (64,), "content_layers": ["relu2_1"], "style_layers": ["relu1_1"]}
"""Layers that compile in a second."""


def gram_distance(model, image, style):
    """How far an image's Gram matrices are from the style's, 1 being those of an empty image."""
    args = (
        model,
        jnst.make_targets(model, image, style),
        jnst.LossWeights(0.0, 1.0, 0.0, {"relu4_2": 1.0}, {"relu1_1": 0.5, "relu2_1": 0.5}),
    )
    return float(jnst.loss_terms(image, args)["style"])


def test_the_result_has_the_contents_size_and_a_loss_for_every_step(model, pictures):
    content, style = pictures
    result = stylize(model, content, style, steps=6, sizes=(64, 80))
    assert result.image.shape == content.shape
    assert result.image.dtype == jnp.float32
    assert (result.steps, result.reason) == (6, "finished")
    assert set(result.losses) == {"content", "style", "variation", "total"}
    assert all(values.shape == (6,) for values in result.losses.values())
    total = result.losses["content"] + 5 * result.losses["style"]
    np.testing.assert_allclose(result.losses["total"], total, rtol=1e-4)


def test_the_style_is_approached_and_more_so_with_more_beta(model, pictures):
    content, style = pictures
    few, many = (
        stylize(model, content, style, beta=beta, steps=25, sizes=(64,)) for beta in (0.1, 100.0)
    )
    small = resize(jnp.asarray(style), (64, 57))
    before = gram_distance(model, resize(jnp.asarray(content), (51, 64)), small)
    assert gram_distance(model, many.image, small) < 0.5 * before
    assert gram_distance(model, many.image, small) < gram_distance(model, few.image, small)
    assert few.losses["content"][-1] < many.losses["content"][-1]


def test_beta_0_from_the_content_is_the_content(model, pictures):
    content, style = pictures
    result = stylize(model, content, style, beta=0, gamma=0, sizes=(80,), steps=3)
    np.testing.assert_allclose(result.image, content, atol=1e-5)


def test_more_alpha_keeps_more_of_the_content(model, pictures):
    little, much = (
        stylize(model, *pictures, alpha=alpha, steps=15, **SHALLOW) for alpha in (0.1, 300.0)
    )
    assert much.losses["content"][-1] < 0.5 * little.losses["content"][-1]
    assert much.losses["style"][-1] > little.losses["style"][-1]


@pytest.mark.parametrize("other", [("relu1_1",), ("relu2_1",)])
def test_the_style_comes_nearest_at_the_layers_that_are_named(model, pictures, other):
    content, style = pictures
    small = resize(jnp.asarray(style), (64, 57))

    def distance(layers):
        given = SHALLOW | {"style_layers": layers, "alpha": 0.0, "steps": 15}
        image = stylize(model, content, style, **given).image
        grams = (jnst.gram_matrix(model(x, other)[other[0]]) for x in (image, small))
        return float(np.linalg.norm(np.subtract(*map(np.float64, grams))))

    named, not_named = (distance(layers) for layers in (other, ("relu3_1",)))
    assert named < 0.8 * not_named


def test_alpha_0_needs_no_content(model, pictures):
    content, style = pictures
    result = stylize(model, content, style, alpha=0, **QUICK)
    assert result.losses["total"][-1] < result.losses["total"][0]


def test_gamma_smooths(model, pictures):
    content, style = pictures
    rough, smooth = (
        stylize(model, content, style, gamma=gamma, sizes=(64,), steps=15).losses["variation"][-1]
        for gamma in (0, 3e3)
    )
    assert smooth < 0.6 * rough


def test_the_same_call_gives_the_same_bits(model, pictures):
    content, style = pictures
    first, second = (stylize(model, content, style, init="noise", **QUICK) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    other = stylize(model, content, style, init="noise", key=jax.random.key(1), **QUICK)
    assert np.abs(first.image - other.image).mean() > 0.05


def test_the_initial_image_may_be_content_noise_or_an_image(model, pictures):
    content, style = pictures
    start = {}
    for name, init in (("content", "content"), ("noise", "noise"), ("image", style)):
        seen = []
        stylize(
            model,
            content,
            style,
            init=init,
            sizes=(64,),
            steps=1,
            learning_rate=1e-6,
            averaging=0,
            callback=lambda progress, seen=seen: seen.append(np.asarray(progress.picture())),
        )
        start[name] = seen[0]
    np.testing.assert_allclose(start["content"], resize(jnp.asarray(content), (51, 64)), atol=1e-4)
    np.testing.assert_allclose(start["image"], resize(jnp.asarray(style), (51, 64)), atol=1e-4)
    assert 0.45 < start["noise"].mean() < 0.55
    assert start["noise"].std() == pytest.approx(1 / 12**0.5, abs=0.02)


def test_each_size_starts_from_the_enlarged_result_of_the_one_before(model, pictures):
    content, style = pictures
    pictures_seen = []
    stylize(
        model,
        content,
        style,
        sizes=(48, 80),
        steps=(20, 1),
        learning_rate=1e-2,
        callback=lambda progress: pictures_seen.append(np.asarray(progress.picture())),
    )
    enlarged = resize(jnp.asarray(pictures_seen[19]), content.shape[:2])
    assert np.abs(pictures_seen[20] - enlarged).max() < 0.011
    assert np.abs(pictures_seen[20] - content).max() > 0.05


def test_the_callback_hears_of_every_step_and_may_stop(model, pictures):
    content, style = pictures
    heard = []

    def callback(progress):
        assert np.isfinite(float(progress.losses["total"]))
        heard.append((progress.step, progress.steps, progress.shape))
        return progress.step == 5

    result = stylize(model, content, style, sizes=(48, 80), steps=(3, 4), callback=callback)
    assert [step for step, _, _ in heard] == [1, 2, 3, 4, 5]
    assert {steps for _, steps, _ in heard} == {7}
    assert [shape for _, _, shape in heard] == [(38, 48)] * 3 + [(64, 80)] * 2
    assert (result.steps, result.reason) == (5, "stopped")
    assert result.image.shape == content.shape


def test_stopped_at_a_coarse_size_the_picture_still_has_the_size_asked_for(model, pictures):
    content, style = pictures
    result = stylize(
        model, content, style, sizes=(48, 80), steps=(3, 4), callback=lambda progress: True
    )
    assert (result.steps, result.image.shape) == (1, content.shape)


def iterates(model, pictures, **settings):
    """What a callback sees after each of some steps, and the result."""
    seen = []
    result = stylize(
        model,
        *pictures,
        callback=lambda progress: seen.append(np.float64(progress.picture())),
        **SHALLOW | settings,
    )
    return seen, result


def test_the_schedule_decides_how_far_the_last_step_goes(model, pictures):
    moved = {}
    for schedule in ("constant", "cosine"):
        seen, _ = iterates(model, pictures, schedule=schedule, averaging=0, steps=12, alpha=0)
        moved[schedule] = np.abs(seen[-1] - seen[-2]).mean() / np.abs(seen[1] - seen[0]).mean()
    assert moved["cosine"] < 0.4 * moved["constant"]


def test_averaging_shows_the_average_of_the_iterates(model, pictures):
    single, _ = iterates(model, pictures, averaging=0, steps=4)
    _, averaged = iterates(model, pictures, averaging=0.8, steps=4)
    start = np.float64(resize(jnp.asarray(pictures[0]), single[0].shape[:2]))
    weights = 0.8 ** np.arange(4, -1, -1)
    expected = np.tensordot(weights / weights.sum(), np.array([start, *single]), 1)
    np.testing.assert_allclose(averaged.image, expected, atol=1e-4)


def test_without_clip_pixels_leave_the_range_until_the_end(model, pictures):
    ranges = {}
    for clip in (True, False):
        seen, result = iterates(model, pictures, clip=clip, averaging=0, learning_rate=0.2, steps=6)
        ranges[clip] = min(image.min() for image in seen), max(image.max() for image in seen)
        assert result.image.min() >= 0 and result.image.max() <= 1
    assert ranges[True] == (0, 1)
    assert ranges[False][0] < -0.02 and ranges[False][1] > 1.02


def test_a_run_that_diverges_says_so_and_keeps_a_finite_picture(model, pictures):
    content, style = pictures
    result = stylize(model, content, style, learning_rate=1e20, clip=False, **QUICK)
    assert result.reason == "diverged"
    assert result.steps < 8
    assert np.isfinite(result.image).all()
    assert np.isfinite(result.losses["total"]).all()


def test_lbfgs_starts_at_once_and_keeps_up_with_adam(model, pictures):
    content, style = pictures
    final = {
        name: stylize(model, content, style, optimizer=name, sizes=(64,), steps=60, beta=10)
        for name in ("adam", "lbfgs")
    }
    assert final["lbfgs"].losses["total"][-1] < 1.3 * final["adam"].losses["total"][-1]
    assert final["lbfgs"].losses["total"][10] < 0.7 * final["lbfgs"].losses["total"][0]


@pytest.mark.parametrize(("weighing", "beta"), [("relative", 10), ("paper", 1e5)])
def test_lbfgs_is_steady_under_either_weighing(model, pictures, weighing, beta):
    content, style = pictures
    settings = {"optimizer": "lbfgs", "weighing": weighing, "beta": beta, "clip": False}
    result = stylize(model, content, style, sizes=(64,), steps=80, **settings)
    totals = result.losses["total"]
    assert result.reason == "finished"
    assert totals[-1] < 0.5 * totals[0]
    assert totals[20:].max() <= totals[0]


def test_an_optax_transformation_of_ones_own(model, pictures):
    content, style = pictures
    result = stylize(model, content, style, optimizer=optax.adamax(0.02), **QUICK)
    assert result.losses["total"][-1] < result.losses["total"][0]


def test_other_numbers_and_pictures_compile_nothing_anew(model, pictures):
    from jnst.optim.minimization import step

    content, style = pictures
    stylize(model, content, style, **QUICK)
    before = step._cache_size()
    other = {"alpha": 2, "beta": 5, "gamma": 1, "learning_rate": 1, "averaging": 0}
    stylize(model, content[::-1], style, **other, **QUICK)
    assert step._cache_size() == before


def test_a_style_like_a_scroll_is_brought_to_a_usable_width_at_every_size(model, pictures):
    scroll = np.tile(pictures[1][:34], (1, 9, 1))
    result = stylize(model, pictures[0], scroll, sizes=(48, 80), steps=(1, 1))
    assert (result.steps, result.reason) == (2, "finished")


def test_a_model_of_another_kind_is_named(pictures):
    with pytest.raises(TypeError, match=r"model must be a jnst\.VGG19.*got 'vgg\.h5'"):
        stylize("vgg.h5", *pictures)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_float32_stays_float32_where_the_users_program_has_float64(model, pictures, optimizer):
    content, style = pictures
    with jax.enable_x64(True):
        wide = stylize(model, content, style, optimizer=optimizer, sizes=64, steps=4)
    assert wide.image.dtype == jnp.float32
    assert wide.losses["total"].dtype == np.float32
    usual = stylize(model, content, style, optimizer=optimizer, sizes=64, steps=4)
    assert np.linalg.norm(wide.image - usual.image) <= 2e-3 * np.linalg.norm(usual.image)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"content": np.zeros((64, 64))}, ValueError, "content must have the shape (H, W, 3)"),
        ({"content": np.zeros((64, 64, 4), "f4")}, ValueError, "got (64, 64, 4)"),
        ({"style": np.zeros((64, 64, 3), "u1")}, TypeError, "floats in [0, 1], got uint8"),
        (
            {"style": np.full((64, 64, 3), 255.0)},
            ValueError,
            "[0, 1], got values from 255 to 255",
        ),
        ({"content": np.full((64, 64, 3), np.nan)}, ValueError, "content holds NaN"),
        (
            {"content": np.zeros((1, 1, 3))},
            ValueError,
            "only 1×1 px; both edges need at least 8",
        ),
        (
            {"init": "noisy"},
            ValueError,
            "noise, style-noise, got 'noisy' (did you",
        ),
        ({"init": np.zeros((64, 64))}, ValueError, "init must have the shape"),
        ({"betta": 1.0}, TypeError, "there is no setting 'betta' (did you mean 'beta'?)"),
        ({"steps": -1}, ValueError, "steps must be at least 1, got -1"),
    ],
)
def test_a_mistake_is_told_before_anything_is_traced(pictures, change, error, said):
    content, style = pictures
    arguments = {"content": content, "style": style} | change
    with pytest.raises(error) as raised:
        stylize(None, **arguments)  # there is not even a model
    assert said in str(raised.value)
