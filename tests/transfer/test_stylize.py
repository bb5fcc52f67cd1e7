"""The whole transfer on small images."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst.image.resizing import resize

stylize = functools.partial(
    jnst.stylize, style_loss="gram", optimizer="adam", colors="free", beta=5.0
)
"""By Gram matrices, which are quicker than the default where pictures are small; without what the
default does to colours, of which see `test_preconditioned`."""

QUICK = {"sizes": (64,), "steps": 8, "style_loss": "gram"}
SHALLOW = {"sizes": (64,), "content_layers": ["relu2_1"], "style_layers": ["relu1_1"]}
"""Layers that compile in a second."""


def gram_distance(tiny, image, content, style):
    """How far an image's Gram matrices are from the style's, 1 being those of the content."""
    args = (
        tiny,
        jnst.make_targets(tiny, content, style),
        jnst.LossWeights(0.0, 1.0, 0.0, {"relu4_2": 1.0}, {"relu1_1": 0.5, "relu2_1": 0.5}),
    )
    return float(jnst.loss_terms(image, args)["style"])


def test_the_result_has_the_contents_size_and_a_loss_for_every_step(tiny, pictures):
    content, style = pictures
    result = stylize(tiny, content, style, steps=6, sizes=(64, 80))
    assert result.image.shape == content.shape
    assert result.image.dtype == jnp.float32
    assert (result.steps, result.reason) == (6, "finished")
    assert set(result.losses) == {"content", "style", "variation", "total"}
    assert all(values.shape == (6,) for values in result.losses.values())
    total = result.losses["content"] + 5 * result.losses["style"]
    total += jnst.Settings.gamma * result.losses["variation"]
    np.testing.assert_allclose(result.losses["total"], total, rtol=1e-4)


def test_the_style_is_approached_and_more_so_with_more_beta(tiny, pictures):
    content, style = pictures
    few, many = (
        stylize(tiny, content, style, beta=beta, steps=25, sizes=(64,)) for beta in (0.1, 100.0)
    )
    small = resize(jnp.asarray(style), (64, 57))
    start = resize(jnp.asarray(content), (51, 64))
    before, after, after_few = (
        gram_distance(tiny, image, start, small) for image in (start, many.image, few.image)
    )
    assert after < 0.5 * before
    assert after < after_few
    assert few.losses["content"][-1] < many.losses["content"][-1]


def test_beta_0_from_the_content_is_the_content(tiny, pictures):
    content, style = pictures
    result = stylize(tiny, content, style, beta=0, gamma=0, sizes=(80,), steps=3)
    np.testing.assert_allclose(result.image, content, atol=1e-5)


def test_more_alpha_keeps_more_of_the_content(tiny, pictures):
    little, much = (
        stylize(tiny, *pictures, alpha=alpha, steps=15, **SHALLOW) for alpha in (0.1, 300.0)
    )
    assert much.losses["content"][-1] < 0.5 * little.losses["content"][-1]
    assert much.losses["style"][-1] > little.losses["style"][-1]


@pytest.mark.parametrize("other", [("relu1_1",), ("relu2_1",)])
def test_the_style_comes_nearest_at_the_layers_that_are_named(tiny, pictures, other):
    content, style = pictures
    small = resize(jnp.asarray(style), (64, 57))

    def distance(layers):
        given = SHALLOW | {"style_layers": layers, "alpha": 0.0, "steps": 15}
        image = stylize(tiny, content, style, **given).image
        grams = (jnst.gram_matrix(tiny(x, other)[other[0]]) for x in (image, small))
        return float(np.linalg.norm(np.subtract(*map(np.float64, grams))))

    named, not_named = (distance(layers) for layers in (other, ("relu3_1",)))
    assert named < 0.8 * not_named


def test_alpha_0_needs_no_content(tiny, pictures):
    content, style = pictures
    result = stylize(tiny, content, style, alpha=0, **QUICK)
    assert result.losses["total"][-1] < result.losses["total"][0]


def test_gamma_smooths(tiny, pictures):
    content, style = pictures
    rough, smooth = (
        stylize(tiny, content, style, gamma=gamma, sizes=(64,), steps=15).losses["variation"][-1]
        for gamma in (0, 3e3)
    )
    assert smooth < 0.6 * rough


def test_the_same_call_gives_the_same_bits(tiny, pictures):
    content, style = pictures
    first, second = (stylize(tiny, content, style, init="noise", **QUICK) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    other = stylize(tiny, content, style, init="noise", key=jax.random.key(1), **QUICK)
    assert np.abs(first.image - other.image).mean() > 0.05


def test_the_initial_image_may_be_content_noise_or_an_image(tiny, pictures):
    content, style = pictures
    start = {}
    for name, init in (("content", "content"), ("noise", "noise"), ("image", style)):
        seen = []
        stylize(
            tiny,
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


def test_each_size_starts_from_the_enlarged_result_of_the_one_before(tiny, pictures):
    content, style = pictures[0][:, :64], pictures[1]  # of which no size is rounded
    pictures_seen = []
    stylize(
        tiny,
        content,
        style,
        sizes=(48, 64),
        steps=(20, 1),
        learning_rate=1e-2,
        callback=lambda progress: pictures_seen.append(np.asarray(progress.picture())),
    )
    enlarged = resize(jnp.asarray(pictures_seen[19]), content.shape[:2])
    assert np.abs(pictures_seen[20] - enlarged).max() < 0.011
    assert np.abs(pictures_seen[20] - content).max() > 0.05


def test_the_callback_hears_of_every_step_and_may_stop(tiny, pictures):
    content, style = pictures
    heard = []

    def callback(progress):
        assert np.isfinite(float(progress.losses["total"]))
        heard.append((progress.step, progress.steps, progress.shape))
        return progress.step == 5

    result = stylize(tiny, content, style, sizes=(48, 80), steps=(3, 4), callback=callback)
    assert [step for step, _, _ in heard] == [1, 2, 3, 4, 5]
    assert {steps for _, steps, _ in heard} == {7}
    assert [shape for _, _, shape in heard] == [(38, 48)] * 3 + [(64, 80)] * 2
    assert (result.steps, result.reason) == (5, "stopped")
    assert result.image.shape == content.shape


def test_stopped_at_a_coarse_size_the_picture_still_has_the_size_asked_for(tiny, pictures):
    content, style = pictures
    result = stylize(
        tiny, content, style, sizes=(48, 80), steps=(3, 4), callback=lambda progress: True
    )
    assert (result.steps, result.image.shape) == (1, content.shape)


def test_other_numbers_and_pictures_compile_nothing_anew(tiny, pictures):
    from jnst.optim.step import step

    content, style = pictures
    stylize(tiny, content, style, **QUICK)
    before = step.made
    other = {"alpha": 2, "beta": 5, "gamma": 1, "learning_rate": 1, "averaging": 0}
    stylize(tiny, content[::-1], style, **other, **QUICK)
    assert step.made == before


def test_a_style_like_a_scroll_is_brought_to_a_usable_width_at_every_size(tiny, pictures):
    scroll = np.tile(pictures[1][:34], (1, 9, 1))
    result = stylize(tiny, pictures[0], scroll, sizes=(48, 80), steps=(1, 1))
    assert (result.steps, result.reason) == (2, "finished")


def test_a_model_of_another_kind_is_named(pictures):
    with pytest.raises(TypeError, match=r"model must be .*got 'vgg\.h5'"):
        stylize("vgg.h5", *pictures)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_float32_stays_float32_where_the_users_program_has_float64(tiny, pictures, optimizer):
    content, style = pictures
    with jax.enable_x64(True):
        wide = stylize(tiny, content, style, optimizer=optimizer, sizes=64, steps=4)
    assert wide.image.dtype == jnp.float32
    assert wide.losses["total"].dtype == np.float32
    usual = stylize(tiny, content, style, optimizer=optimizer, sizes=64, steps=4)
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
def test_a_mistake_is_told_before_anything_is_traced(tiny, pictures, change, error, said):
    content, style = pictures
    arguments = {"content": content, "style": style} | change
    with pytest.raises(error) as raised:
        stylize(tiny, **arguments)
    assert said in str(raised.value)


def test_arrays_that_are_traced_are_refused_in_a_sentence(tiny, pictures):
    content, style = map(jnp.asarray, pictures)

    def run(image):
        return stylize(tiny, image, style, **QUICK).image

    def grid(image):
        return jnst.stylize_grid(tiny, image, style, beta=[1, 2], **QUICK).images

    def own(image):
        return jnst.minimize(lambda x, goal: jnp.sum((x - goal) ** 2), image, image).image

    for name, function in (("stylize", run), ("stylize_grid", grid), ("minimize", own)):
        for traced in (
            lambda f=function: jax.jit(f)(content),
            lambda f=function: jax.jit(lambda: f(np.asarray(pictures[0])))(),
            lambda f=function: jax.vmap(f)(content[None]),
            lambda f=function: jax.grad(lambda x, f=f: f(x).sum())(content),
        ):
            with pytest.raises(TypeError, match=f"^{name} needs concrete arrays"):
                traced()


def test_scalars_of_jax_are_numbers(tiny, pictures):
    one, other = (
        stylize(tiny, *pictures, beta=beta, **SHALLOW, steps=steps)
        for beta, steps in ((3.0, 2), (jnp.float32(3), np.int64(2)))
    )
    np.testing.assert_array_equal(one.image, other.image)
    grid = jnst.stylize_grid(
        tiny, *pictures, beta=[jnp.float32(3), np.float64(4)], style_loss="gram", **SHALLOW, steps=2
    )
    assert grid.axes["beta"] == (3.0, 4.0)


@pytest.mark.parametrize("tile", [None, 40])
@pytest.mark.parametrize("style_loss", ["gram", "wasserstein"])
def test_a_run_needs_no_promotion_of_types_or_ranks(tiny, pictures, tile, style_loss):
    options = SHALLOW | {"tile": tile, "style_loss": style_loss, "steps": 2}
    with (
        jax.enable_x64(True),
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
    ):
        result = jnst.stylize(tiny, *pictures, **options)
    assert result.image.dtype == jnp.float32 and result.losses["total"].dtype == np.float32
