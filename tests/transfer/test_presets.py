"""Presets against their sources, computed independently from the network's features."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst.losses.recipe import STYLE_LAYERS
from jnst.transfer.settings import SETTINGS

CHANNELS = (64, 128, 256, 512, 512)


def features(model, image):
    found = model(jnp.asarray(image), ("relu4_2", *STYLE_LAYERS))
    return {name: np.float64(x).reshape(-1, x.shape[-1]) for name, x in found.items()}


def gram(columns):
    return columns.T @ columns / len(columns)


def papers_total(f, p, a):
    """Equations 1 to 7 of the paper, alpha 1, beta 1000; G and A with their own M."""
    content = 0.5 * np.sum((f["relu4_2"] - p["relu4_2"]) ** 2)
    style = sum(
        0.2 * np.sum((gram(f[name]) - gram(a[name])) ** 2) / (4 * c**2)
        for name, c in zip(STYLE_LAYERS, CHANNELS, strict=True)
    )
    return content + 1e3 * style


def notebooks_total(f, p, a):
    """`nn.MSELoss` of features and of Gram matrices divided by h·w; style weights 1e3/n²."""
    style = sum(
        1e3 / c**2 * np.mean((gram(f[name]) - gram(a[name])) ** 2)
        for name, c in zip(STYLE_LAYERS, CHANNELS, strict=True)
    )
    return np.mean((f["relu4_2"] - p["relu4_2"]) ** 2) + style


def normalised_total(f, p, a):
    """cw = 1e6, sw = 1e9/5, as in the notebook for the normalised network."""
    style = sum(1e9 / 5 * np.mean((gram(f[name]) - gram(a[name])) ** 2) for name in STYLE_LAYERS)
    return 1e6 * np.mean((f["relu4_2"] - p["relu4_2"]) ** 2) + style


def targets_and_weights(model, name, content, style):
    settings = jnst.Settings(**{k: v for k, v in jnst.preset(name).run.items() if k != "init"})
    targets = jnst.make_targets(
        model,
        jnp.asarray(content),
        jnp.asarray(style),
        content_layers=tuple(settings.content_layers),
        style_layers=tuple(settings.style_layers),
        weighing=settings.weighing,
        style_loss=settings.style_loss,
    )
    return model, targets, settings.loss_weights()


@pytest.fixture(scope="module")
def terms():
    return jax.jit(jnst.loss_terms)


@pytest.mark.parametrize(
    ("name", "total", "factor"),
    [
        ("paper", papers_total, 1),
        ("gatys-notebook", notebooks_total, 1),
        ("gatys-normalised", normalised_total, 1e6),
    ],
)
def test_a_preset_is_its_sources_total_up_to_one_factor(
    model, pictures, terms, name, total, factor
):
    content, style = pictures
    p, a = features(model, content), features(model, style)
    args = targets_and_weights(model, name, content, style)
    for seed in range(2):
        image = np.random.default_rng(seed).uniform(size=content.shape).astype(np.float32)
        expected = total(features(model, image), p, a)
        ours = float(terms(image, args)["total"]) * factor
        np.testing.assert_allclose(ours, expected, rtol=1e-4)


@pytest.mark.parametrize("name", jnst.PRESETS)
def test_a_preset_holds_settings_and_nothing_else(name):
    chosen = jnst.preset(name)
    assert set(chosen.run) <= {*SETTINGS, "init"}
    assert set(chosen.network) <= {"pooling", "padding"}
    jnst.Settings(**{k: v for k, v in chosen.run.items() if k != "init"})
    assert chosen.about and chosen.source


def test_the_default_is_the_default():
    assert jnst.Settings(**jnst.preset("default").run) == jnst.Settings()
    assert not jnst.preset("default").network


def test_unknown_presets_name_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'paper'"):
        jnst.preset("papper")
