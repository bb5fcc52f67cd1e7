"""The sum of the terms: weighing, scales, and use from other JAX code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import tiny_vgg

import jnst
from jnst.losses.recipe import STYLE_LAYERS
from jnst.losses.style import AGREEMENT
from jnst.losses.variation import SMOOTHEST
from jnst.optim.whole import on_leaves

LAYERS = {"content": {"relu2_2": 1.0}, "style": {"relu1_1": 0.25, "relu2_1": 0.75}}


def weights(alpha=1.0, beta=1.0, gamma=0.0):
    return jnst.LossWeights(alpha, beta, gamma, **LAYERS)


def targets(model, pictures, weighing="relative"):
    content, style = map(jnp.asarray, pictures)
    return jnst.make_targets(
        model,
        content,
        style,
        content_layers=["relu2_2"],
        style_layers=["relu1_1", "relu2_1"],
        weighing=weighing,
    )


@pytest.fixture(scope="module")
def terms():
    return jax.jit(jnst.loss_terms)


def float64_terms(model, image, content, style):
    """The paper's terms in NumPy float64, from the network's features."""
    f, p, a = (
        {name: np.float64(x) for name, x in model(jnp.asarray(x), jnst.LAYERS[:9]).items()}
        for x in (image, content, style)
    )

    def gram(features):
        columns = features.reshape(-1, features.shape[-1])
        return columns.T @ columns / len(columns)

    content_loss = 0.5 * ((f["relu2_2"] - p["relu2_2"]) ** 2).sum()
    style_loss = sum(
        weight * ((gram(f[name]) - gram(a[name])) ** 2).sum() / (4 * f[name].shape[-1] ** 2)
        for name, weight in LAYERS["style"].items()
    )
    return {"content": content_loss, "style": style_loss, "variation": float64_variation(image)}


def float64_variation(image):
    image = np.float64(image)
    return (np.diff(image, axis=0) ** 2).sum() + (np.diff(image, axis=1) ** 2).sum()


def test_paper_weighing_is_the_papers_formulas(tiny, pictures, terms):
    content, style = pictures
    image = np.random.default_rng(5).uniform(size=content.shape).astype(np.float32)
    expected = float64_terms(tiny, image, content, style)
    expected["total"] = (
        2 * expected["content"] + 300 * expected["style"] + 5 * expected["variation"]
    )
    args = (tiny, targets(tiny, pictures, "paper"), weights(2.0, 300.0, 5.0))
    actual = terms(jnp.asarray(image), args)
    assert {name: float(value) for name, value in actual.items()} == pytest.approx(
        expected, rel=1e-6
    )


def test_relative_terms_are_0_for_a_match_and_1_by_their_units(tiny, pictures, terms):
    content, _ = pictures
    args = (tiny, targets(tiny, (content, content)), weights())
    matched = terms(jnp.asarray(content), args)
    assert float(matched["content"]) == 0
    assert float(matched["style"]) < 1e-10
    # Where the two agree, the style's unit is a part of what there is; the content's is all of it.
    made = args[1]
    for name, target in made.content.items():
        silent = jnst.content_loss(jnp.zeros_like(target), target) * made.content_scale[name]
        assert float(silent) == pytest.approx(1, rel=1e-5)
    for name, target in made.style.items():
        silent = jnst.style_loss(jnp.zeros_like(target), target) * made.style_scale[name]
        assert float(silent) == pytest.approx(1 / AGREEMENT, rel=1e-5)
    # Where they are apart, the unpainted content is 1, and the content as loud as the style.
    made = targets(tiny, pictures)
    features, of_style = (tiny(jnp.asarray(x), ["relu1_1", "relu2_1", "relu2_2"]) for x in pictures)
    for name, target in made.style.items():
        apart = jnst.style_loss(jnst.gram_matrix(features[name]), target)
        energies = [
            jnst.style_loss(0 * target, jnst.gram_matrix(x[name])) for x in (features, of_style)
        ]
        wanted = 1 / max(float(apart), AGREEMENT * float(max(energies)))
        assert float(made.style_scale[name]) == pytest.approx(wanted, rel=1e-4)
    own, other = (np.square(np.float64(x["relu2_2"])) / 2 for x in (features, of_style))
    wanted = 1 / max(own.sum(), other.sum(axis=-1).mean() * own[..., 0].size)
    assert float(made.content_scale["relu2_2"]) == pytest.approx(wanted, rel=1e-4)


def mean_variation(image):
    return float64_variation(image) / image.size


def test_the_relative_variation_is_1_for_an_image_as_rough_as_the_rougher(tiny, pictures, terms):
    content, style = map(np.asarray, pictures)
    flat, own = np.full_like(style, 0.5), mean_variation(content)
    other = content[::2, ::-1]
    for image, styles, shares, rough in (
        (content, [style], None, mean_variation(style)),
        (
            content,
            [style, other],
            [3.0, 1.0],
            0.75 * mean_variation(style) + 0.25 * mean_variation(other),
        ),
        (content, [flat], None, own),
        (flat[:64, :64], [flat], None, SMOOTHEST),
    ):
        made = jnst.make_targets(
            *(tiny, image, styles),
            **{"content_layers": ["relu1_1"], "style_layers": ["relu1_1"]},
            style_weights=shares,
        )
        few = jnst.LossWeights(1.0, 1.0, 1.0, {"relu1_1": 1.0}, {"relu1_1": 1.0})
        painted = content[: image.shape[0], : image.shape[1]]
        variation = float(terms(jnp.asarray(painted), (tiny, made, few))["variation"])
        assert variation == pytest.approx(mean_variation(painted) / rough, rel=1e-5)


def test_relative_weighing_does_not_depend_on_the_scale_of_the_weights(pictures, terms):
    # Twice the first kernel and bias doubles every later activation up to the next bias.
    image = np.random.default_rng(6).uniform(size=pictures[0].shape).astype(np.float32)
    louder = tiny_vgg()
    louder.conv1_1.kernel[...] *= 2
    louder.conv1_1.bias[...] *= 2
    layers = {"content": {"relu1_1": 1.0}, "style": {"relu1_1": 1.0}}
    losses = []
    for network in (tiny_vgg(), louder):
        made = jnst.make_targets(
            network,
            *map(jnp.asarray, pictures),
            content_layers=["relu1_1"],
            style_layers=["relu1_1"],
        )
        args = (network, made, jnst.LossWeights(1.0, 10.0, 0.0, **layers))
        losses.append(float(terms(jnp.asarray(image), args)["total"]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_silent_layer_counts_nothing(pictures):
    quiet = tiny_vgg()
    quiet.conv1_1.kernel[...] *= 0
    quiet.conv1_1.bias[...] *= 0
    content, style = map(jnp.asarray, pictures)
    made = jnst.make_targets(
        quiet, content, style, content_layers=["relu1_1"], style_layers=["relu1_1"]
    )
    assert float(made.content_scale["relu1_1"]) == 0
    assert float(made.style_scale["relu1_1"]) == 0


def test_the_default_layers_are_the_papers(tiny, pictures):
    made = jnst.make_targets(tiny, *map(jnp.asarray, pictures))
    assert tuple(made.content) == ("relu4_2",)
    assert tuple(made.style) == STYLE_LAYERS == tuple(f"relu{n}_1" for n in range(1, 6))


class Wide:
    """The same network in float64, by the definitions of its layers; jnst's own are float32."""

    def __init__(self, model):
        self.model, self.geometry = model, model.geometry

    def __call__(self, image, layers):
        x = (image - self.model.mean[...]) / self.model.std[...]
        features = {}
        for name in self.geometry.layers[: self.geometry.depth_of(tuple(layers))]:
            if name.startswith("conv"):
                conv = getattr(self.model, name)
                kernel, bias = (jnp.float64(of_layer[...]) for of_layer in (conv.kernel, conv.bias))
                layout = ("NHWC", "HWIO", "NHWC")
                x = (
                    jax.lax.conv_general_dilated(
                        x[None], kernel, (1, 1), "SAME", dimension_numbers=layout
                    )[0]
                    + bias
                )
            elif name.startswith("relu"):
                x = jnp.maximum(x, 0)
            else:
                height, width, channels = x.shape
                x = x.reshape(height // 2, 2, width // 2, 2, channels).max(axis=(1, 3))
            features[name] = x
        return {name: features[name] for name in layers}


def test_the_gradient_of_the_whole_agrees_with_differences_in_float64(tiny):
    random = np.random.default_rng(9)
    with jax.enable_x64(True):
        wide = Wide(tiny)
        content, style, image = (jnp.asarray(random.uniform(size=(32, 32, 3))) for _ in range(3))
        made = jnst.make_targets(wide, content, style)
        every = jnst.LossWeights(1.0, 10.0, 0.1, {"relu4_2": 1.0}, dict.fromkeys(made.style, 0.2))
        loss = jax.jit(lambda image: jnst.objective(image, (wide, made, every)))
        direction = jnp.asarray(random.normal(size=image.shape))
        slope = jnp.vdot(jax.grad(loss)(image), direction)
        step = 1e-8  # small enough to stay on one side of every ReLU and maximum
        difference = (loss(image + step * direction) - loss(image - step * direction)) / (2 * step)
        assert float(slope) == pytest.approx(float(difference), rel=1e-5)


def test_user_code_can_differentiate_compile_and_vmap_it(tiny, pictures):
    image, args = jnp.asarray(pictures[0]) * 0.9, (tiny, targets(tiny, pictures), weights())

    @jax.jit
    def gradient(image, args, beta):
        model, made, loss_weights = args
        return jax.grad(jnst.objective)(image, (model, made, loss_weights._replace(beta=beta)))

    betas = jnp.array([1.0, 30.0])
    batch = jax.jit(jax.vmap(gradient, in_axes=(None, None, 0)))(image, args, betas)
    for beta, one in zip(betas, batch, strict=True):
        alone = gradient(image, args, beta)
        assert np.linalg.norm(one - alone) <= 1e-4 * np.linalg.norm(alone)
    assert gradient._cache_size() == 1  # another beta is another number, not another program


def test_a_model_that_travels_as_bare_leaves_gives_the_same_terms(tiny, pictures):
    image, args = jnp.asarray(pictures[0]) * 0.9, (tiny, targets(tiny, pictures), weights())
    leaves, structure = jax.tree.flatten(args)
    leaves = map(jnp.asarray, leaves)
    flat = on_leaves(jnst.loss_terms, structure)
    assert flat(image, tuple(leaves)) == jnst.loss_terms(image, args)
    assert flat is on_leaves(jnst.loss_terms, jax.tree.structure(args))


def test_weights_and_image_must_fit_the_targets(tiny, pictures):
    content, made = jnp.asarray(pictures[0]), targets(tiny, pictures)
    other = weights()._replace(style={"relu3_1": 1.0})
    with pytest.raises(ValueError, match="no style target at relu3_1, only at relu1_1, relu2_1"):
        jnst.objective(content, (tiny, made, other))
    with pytest.raises(ValueError, match="image must have the content's size"):
        jnst.objective(content[:40], (tiny, made, weights()))


def test_unknown_layers_and_weighings_are_named(tiny, pictures):
    content, style = map(jnp.asarray, pictures)
    with pytest.raises(ValueError, match=r"content_layers must be one of .* \(did you mean"):
        jnst.make_targets(tiny, content, style, content_layers=["relu4_5"])
    wanted = "weighing must be one of relative, paper, mean, got 'papers'"
    with pytest.raises(ValueError, match=wanted):
        jnst.make_targets(tiny, content, style, weighing="papers")
