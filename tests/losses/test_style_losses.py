"""Style losses beside the Gram matrix's, against NumPy and SciPy in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.test_util import check_grads

import jnst
from jnst.losses.moments import RELATIVE_EPS, moments
from jnst.losses.optimal_transport import overlap, squared_distance
from jnst.losses.registry import STYLE_LOSSES, style_loss_named

random = np.random.default_rng(4)
OF_MOMENTS = tuple(name for name in STYLE_LOSSES if style_loss_named(name).additive)
"""Those that see moments only; of the other, see `test_sliced_wasserstein`."""
KEY = jax.random.key(5)


def measured(name, features):
    """What a style loss sees of features."""
    return style_loss_named(name).measure(features, None, key=KEY, keep_rows=False)


def style_target(name, features):
    return style_loss_named(name).target(measured(name, features))


def style_distance(name, features, target):
    return style_loss_named(name).distance(measured(name, features), target, KEY)


def silent(name, features):
    """What is measured where nothing is active."""
    return jax.tree.map(jnp.zeros_like, measured(name, features))


def unit_of(name, features, target):
    """The loss of the content, or a fifth of that of an empty image where the two are near."""
    loss, key = style_loss_named(name), jax.random.key(0)
    content = loss.measure(features, None, key=key, keep_rows=False)
    nothing = silent(name, features)
    own = loss.distance(nothing, loss.target(content), key)
    empty = max(float(own), float(loss.distance(nothing, target, key)))
    return max(float(loss.distance(content, target, key)), empty / 5)


def cloud(channels, positions, seed):
    """Features after a ReLU, correlated, with a steep spectrum: (positions, 1, channels)."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(channels, channels)) * np.geomspace(1, 0.01, channels)
    return np.maximum(random.normal(size=(positions, channels)) @ mixing + 0.3, 0)[:, None]


def float64_loss(name, F, P):
    """The loss by its formula, from features of (positions, 1, channels)."""
    F, P = (x[:, 0].astype(np.float64) for x in (F, P))
    channels = F.shape[-1]
    epsilon = RELATIVE_EPS * (P**2).mean()
    grams = [x.T @ x / len(x) for x in (F, P)]
    gram = ((grams[0] - grams[1]) ** 2).sum() / (4 * channels**2)
    if name == "gram":
        return gram
    offset = F.mean(0) - P.mean(0)
    deviations = [np.sqrt(x.var(0) + epsilon) for x in (F, P)]
    statistics = (offset**2 + (deviations[0] - deviations[1]) ** 2).mean()
    if name == "statistics":
        return statistics
    if name == "gram+statistics":
        silent = (P.mean(0) ** 2 + (np.sqrt(epsilon) - deviations[1]) ** 2).mean()
        return gram + statistics * (grams[1] ** 2).sum() / (4 * channels**2) / silent
    assert name == "wasserstein", f"write the formula of {name} here, in float64"
    a, b = (np.cov(x.T, bias=True) + epsilon * np.eye(channels) for x in (F, P))
    root = scipy.linalg.sqrtm(b)
    between = scipy.linalg.sqrtm(root @ a @ root).real
    return (offset**2).sum() + np.trace(a) + np.trace(b) - 2 * np.trace(between)


@pytest.mark.parametrize(("channels", "positions"), [(24, 400), (96, 60)])
@pytest.mark.parametrize("name", OF_MOMENTS)
def test_the_loss_is_its_formula_in_float64(name, channels, positions):
    F, P = cloud(channels, positions, 1), 1.5 * cloud(channels, positions + 9, 2)
    actual = style_distance(name, jnp.float32(F), style_target(name, jnp.float32(P)))
    assert float(actual) == pytest.approx(float64_loss(name, F, P), rel=1e-4)


def test_the_distance_of_gaussians_that_share_their_axes():
    axes = np.linalg.qr(random.normal(size=(16, 16)))[0]
    a, b = random.uniform(0.1, 9, (2, 16))
    expected = ((np.sqrt(a) - np.sqrt(b)) ** 2).sum() + 16 * 0.5**2
    actual = squared_distance(
        jnp.full(16, 0.5, jnp.float32),
        jnp.float32(axes * a @ axes.T),
        jnp.zeros(16),
        jnp.float32(np.linalg.cholesky(axes * b @ axes.T)),
    )
    assert float(actual) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", STYLE_LOSSES[1:])
def test_the_gradient_agrees_with_differences_in_float64(name):
    with jax.enable_x64(True):
        target = style_target(name, jnp.asarray(cloud(8, 40, 5)))
        check_grads(
            lambda features: style_distance(name, jnp.asarray(features), target),
            (jnp.asarray(cloud(8, 30, 6)),),
            order=1,
            modes=["rev"],
            rtol=1e-4,
        )


def test_the_overlap_has_slopes_by_both_of_its_arguments():
    with jax.enable_x64(True):
        a, b = (np.cov(cloud(6, 50, seed)[:, 0].T) + 0.1 * np.eye(6) for seed in (1, 2))
        check_grads(
            lambda a, factor: overlap(jnp.asarray(a + a.T) / 2, jnp.tril(factor)),
            (jnp.asarray(a), jnp.linalg.cholesky(b)),
            order=1,
            modes=["rev"],
            rtol=1e-5,
        )


def test_the_gradient_in_float32_is_that_of_float64_where_few_positions_span_many_channels():
    F, P = cloud(96, 20, 7), cloud(96, 30, 8)

    def slope(dtype):
        target = style_target("wasserstein", jnp.asarray(P, dtype))
        return jax.grad(lambda x: style_distance("wasserstein", x, target))(jnp.asarray(F, dtype))

    with jax.enable_x64(True):
        wanted = np.asarray(slope(jnp.float64))
    got = np.asarray(slope(jnp.float32))
    assert np.linalg.norm(got - wanted) < 1e-3 * np.linalg.norm(wanted)


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_leading_axes_are_free_and_vmap_is_the_same(name):
    F, P = (jnp.float32(random.uniform(size=(3, 5, 4, 6))) for _ in range(2))

    def loss(F, P):
        return style_distance(name, F, style_target(name, P))

    each = [float(loss(f, p)) for f, p in zip(F, P, strict=True)]
    np.testing.assert_allclose(loss(F, P), each, rtol=1e-4)
    np.testing.assert_allclose(jax.vmap(loss)(F, P), each, rtol=1e-4)


@pytest.mark.parametrize("name", STYLE_LOSSES)
@pytest.mark.parametrize("style", ["textured", "flat"])
def test_it_is_0_for_the_style_itself_1_for_the_content_and_has_a_finite_slope(
    tiny, pictures, name, style
):
    content, texture = (jnp.asarray(picture)[:32, :40] for picture in pictures)
    style = {"textured": texture[:, :40], "flat": 0 * texture[:, :40] + 0.4}[style]
    layers = ("relu1_1", "relu2_1")
    weights = jnst.LossWeights(0.0, 1.0, 0.0, {"relu1_1": 1.0}, dict.fromkeys(layers, 0.5))
    options = {"content_layers": ["relu1_1"], "style_layers": layers, "style_loss": name}
    make = jax.jit(functools.partial(jnst.make_targets, **options))
    made, matched = (make(tiny, image, style) for image in (content, style))
    assert abs(float(jax.jit(jnst.objective)(style, (tiny, matched, weights)))) < 1e-4
    for layer, target in made.style.items():
        unit = unit_of(name, tiny(content, [layer])[layer], target)
        assert float(made.style_scale[layer] * unit) == pytest.approx(1)
    slope = jax.jit(jax.grad(jnst.objective))(content, (tiny, made, weights))
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0


@pytest.mark.parametrize("name", STYLE_LOSSES[1:])
def test_a_silent_layer_leaves_the_loss_finite(name):
    target = style_loss_named(name).target(silent(name, jnp.ones((3, 3, 4))))
    value, slope = jax.value_and_grad(lambda x: style_distance(name, x, target))(
        jnp.float32(cloud(4, 9, 1))
    )
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


FEW = {
    "sizes": 40,
    "content_layers": ["relu1_1"],
    "style_layers": ["relu1_1", "relu2_1"],
    "alpha": 0,
}


def test_each_loss_brings_the_channels_means_and_deviations_near_the_styles(tiny, pictures):
    content, style = pictures
    wanted = moments(tiny(style, ["relu2_1"])["relu2_1"]).mean

    def distance(image):
        mean = moments(tiny(image, ["relu2_1"])["relu2_1"]).mean
        return float(jnp.linalg.norm(mean - wanted) / jnp.linalg.norm(wanted))

    # Smaller, a rough style has other means; and the content is to have its own at first.
    at_its_size = FEW | {"sizes": 64, "colors": "free", "optimizer": "adam"}
    painted = {
        name: jnst.stylize(tiny, content, style, steps=20, style_loss=name, **at_its_size).image
        for name in ("wasserstein", "statistics")
    }
    for image in painted.values():
        assert distance(image) < 0.5 * distance(content)
    assert np.abs(painted["wasserstein"] - painted["statistics"]).max() > 0.01


def test_several_styles_are_averaged_with_their_weights(tiny, pictures):
    content, style = map(jnp.asarray, pictures)
    other = style[:40] ** 3
    options = {"content_layers": ["relu1_1"], "style_layers": ["relu1_1"]}
    made = jnst.make_targets(tiny, content, [style, other], style_weights=[6, 2], **options)
    first, second = (
        np.asarray(jnst.gram_matrix(tiny(image, ["relu1_1"])["relu1_1"]), np.float64)
        for image in (style, other)
    )
    expected = 0.75 * first + 0.25 * second
    np.testing.assert_allclose(made.style["relu1_1"], expected, rtol=1e-4, atol=1e-4)
    given = {**FEW, "steps": 2, "colors": "free"}
    blended = jnst.stylize(tiny, content, [style, other], style_weights=[1, 0], **given).image
    np.testing.assert_allclose(
        blended, jnst.stylize(tiny, content, style, **given).image, atol=1e-5
    )
    equal = jnst.stylize(tiny, content, [style, other], **given).image
    assert np.abs(equal - blended).max() > 1e-3
    square, given = content[:, :64], given | {"sizes": 96}  # a canvas which the picture fills
    tiled = jnst.stylize(tiny, square, [style, other], **given, tile=40).image
    whole = jnst.stylize(tiny, square, [style, other], **given).image
    np.testing.assert_allclose(tiled, whole, atol=1e-4)


def test_the_style_is_compared_at_its_scale_in_a_picture_and_in_a_grid(tiny, pictures):
    content, style = pictures[1][:64], pictures[0][:64, :64]
    layers = {"content_layers": ["relu1_1"], "style_layers": ["relu1_1", "relu2_1"]}
    layers["weighing"] = "mean"  # relative weighing starts at 1 for any style
    weights = jnst.LossWeights(0.0, 1.0, 0.0, {"relu1_1": 1.0}, {"relu1_1": 0.5, "relu2_1": 0.5})
    larger = jax.image.resize(style, (128, 128, 3), "lanczos3").clip(0, 1)
    args = (
        tiny,
        jnst.make_targets(tiny, content, larger, style_loss="wasserstein", **layers),
        weights,
    )
    wanted = float(jnst.loss_terms(content, args)["style"])
    given = {"alpha": 0, "sizes": 64, "steps": 1, "colors": "free", **layers}
    scaled = jnst.stylize(tiny, content, style, style_scale=2, **given)
    usual = jnst.stylize(tiny, content, style, **given)
    assert scaled.losses["style"][0] == pytest.approx(wanted, rel=1e-4)
    assert usual.losses["style"][0] != pytest.approx(wanted, rel=1e-3)
    grid = jnst.stylize_grid(tiny, content, style, beta=[10], style_scale=2, **given)
    assert grid.losses["style"][0, 0, 0] == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"style_loss": "wassertein"}, ValueError, "sliced-wasserstein, got 'wassertein' (did you"),
        ({"style_weights": [1, 2]}, ValueError, "style image (1), got 2"),
        ({"style_weights": [0.0]}, ValueError, "style_weights must not all be 0"),
        ({"style_weights": [-1.0]}, ValueError, "style_weights must be at least 0, got -1"),
        ({"style_weights": 2}, TypeError, "style_weights must be several numbers, got 2"),
        ({"style_scale": 0}, ValueError, "style_scale must lie between 0.1 and 10, got 0"),
        ({"style": []}, ValueError, "style has no values"),
    ],
)
def test_a_mistake_is_told_before_anything_is_traced(tiny, pictures, change, error, said):
    content, style = pictures
    arguments = {"content": content, "style": style} | change
    for run in (jnst.stylize, jnst.stylize_grid):
        with pytest.raises(error) as raised:
            run(tiny, **arguments)
        assert said in str(raised.value)


def test_batches_of_several_layers_end():
    # Factors and triangular systems of batches, of several layers at a time, once waited for each
    # other for ever on processors.
    def total(features):
        return sum(
            style_distance("wasserstein", f, target).sum()
            for f, target in zip(features, targets, strict=True)
        )

    channels = (64, 128, 128, 256, 256)
    features = [jax.random.normal(jax.random.key(n), (6, 8, 8, n)) for n in channels]
    targets = [style_target("wasserstein", f[0] ** 2) for f in features]
    slopes = jax.jit(jax.vmap(jax.grad(total)))(features)
    one = jax.jit(jax.grad(total))([f[2] for f in features])
    for batched, alone in zip(slopes, one, strict=True):
        np.testing.assert_allclose(batched[2], alone, rtol=1e-3, atol=1e-5 * np.abs(alone).max())


def test_a_style_far_weaker_than_the_picture_leaves_the_loss_finite():
    lively = 1e3 * jnp.float32(cloud(256, 80, 1))
    for style in (1e-3 * jnp.ones((9, 9, 256)), jnp.float32(cloud(256, 400, 2))):
        target = style_target("wasserstein", style)
        distance = functools.partial(lambda t, x: style_distance("wasserstein", x, t), target)
        value, slope = jax.value_and_grad(distance)(lively)
        assert np.isfinite(value) and np.isfinite(slope).all()


def test_a_silent_layer_has_nothing_to_say():
    kind, nothing = style_loss_named("wasserstein"), silent("wasserstein", jnp.ones((3, 3, 8)))
    assert kind.energy(nothing, kind.target(nothing), None) == 0
    lively = measured("wasserstein", jnp.float32(cloud(8, 60, 3)))
    assert kind.energy(lively, kind.target(lively), None) > 0
