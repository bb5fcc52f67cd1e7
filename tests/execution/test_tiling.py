"""That in tiles everything comes out as without."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from images import photograph, texture
from tiny import tiny_vgg

import jnst
from jnst.losses.objectives import evaluate
from jnst.losses.registry import STYLE_LOSSES, style_loss_named
from jnst.optim.descent import Schedule, descend
from jnst.optim.whole import Whole
from jnst.transfer.inputs import Inputs
from jnst.transfer.problem import build_objective
from jnst.transfer.settings import Settings
from jnst.transfer.tiled_problem import tiled_execution

DEEP = ("relu4_2", "relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
SHALLOW = ("relu2_2",), ("relu1_1", "relu2_1")
"""Content and style layers whose halo is small, so that a small picture has many tiles."""
SHALLOW_RUN = {
    "content_layers": SHALLOW[0],
    "style_layers": SHALLOW[1],
    "steps": 2,
    "finish": 0,
}
ADDITIVE = [name for name in STYLE_LOSSES if style_loss_named(name).additive]


def both_ways(model, shape, most, layers=SHALLOW, steps=1, **settings):
    """The runs of a few steps, in tiles and whole."""
    content, style = photograph(*shape), texture(most + 9, most - 7)
    settings = {"gamma": 0.1, "style_loss": "gram", "schedule": "constant"} | settings
    if not isinstance(settings.get("optimizer", ""), str):
        del settings["schedule"]
    options = Settings(content_layers=layers[0], style_layers=layers[1], **settings)
    inputs = Inputs(model=model, content=content, styles=(style,))
    tiled = tiled_execution(inputs, options, most)
    assert len(tiled.tiles.spans) > 1
    whole = Whole(evaluate, build_objective(inputs, options), options.transformation())
    start = (content + texture(*shape)) / 2
    for execution in (tiled, whole):
        controls = execution.controls(options.controls(steps))
        yield descend(execution, execution.begin(start), controls, Schedule(steps=steps))


TELL_GRADIENT = optax.GradientTransformation(
    jnp.zeros_like, lambda gradient, state, params=None: (0 * gradient, gradient)
)
"""Moves nothing; its state is the last gradient."""


def assert_the_same_gradient(model, shape, most, layers=SHALLOW, **settings):
    tiled, whole = both_ways(model, shape, most, layers, optimizer=TELL_GRADIENT, **settings)
    gradient, wanted = tiled.state.opt_state, whole.state.opt_state
    assert jnp.abs(wanted).max() > 0
    assert jnp.abs(gradient - wanted).max() < 1e-5 * jnp.abs(wanted).max()
    assert tiled.losses.keys() == whole.losses.keys()
    for term, values in whole.losses.items():
        np.testing.assert_allclose(tiled.losses[term], values, rtol=1e-5)


@pytest.mark.parametrize("shape", [(256, 240), (301, 250), (239, 303), (96, 271)])
def test_the_gradient_is_that_of_the_whole_picture(tiny, shape):
    assert_the_same_gradient(tiny, shape, 224, (DEEP[:1], DEEP[1:]))


def test_it_is_with_the_real_weights(model):
    assert_the_same_gradient(model, (75, 61), 40)


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("padding", ["zeros", "replicate", "reflect"])
@pytest.mark.parametrize("shape", [(64, 72), (75, 61), (31, 90)])
def test_it_is_for_every_padding_and_pooling(pooling, padding, shape):
    model = tiny_vgg(pooling=pooling, padding=padding)
    assert_the_same_gradient(model, shape, 40, weighing="paper")


@pytest.mark.parametrize("style_loss", ADDITIVE)
def test_it_is_for_every_style_loss(tiny, style_loss):
    assert_the_same_gradient(tiny, (75, 61), 40, style_loss=style_loss)


def test_losses_that_are_not_sums_over_positions_are_refused(tiny):
    assert set(STYLE_LOSSES) - set(ADDITIVE) == {"sliced-wasserstein"}
    with pytest.raises(ValueError, match=r"tile: the loss \w+ sees a picture as a whole"):
        jnst.stylize(
            tiny, *[texture(64, 64)] * 2, tile=40, style_loss="sliced-wasserstein", **SHALLOW_RUN
        )


def test_means_are_of_the_whole_picture(tiny):
    assert_the_same_gradient(tiny, (75, 61), 40, weighing="mean")


def test_the_photorealism_is_of_the_whole_picture(tiny):
    assert_the_same_gradient(tiny, (75, 61), 40, photorealism=10.0)


def test_content_may_lie_deeper_than_style_and_layers_may_be_pools_and_convolutions(tiny):
    layers = ("pool2", "conv3_1"), ("conv1_2", "pool1")
    assert_the_same_gradient(tiny, (99, 86), 60, layers)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_few_steps_lead_to_the_same_picture(tiny, optimizer):
    tiled, whole = both_ways(tiny, (75, 61), 40, steps=6, optimizer=optimizer)
    np.testing.assert_allclose(tiled.state.image, whole.state.image, atol=1e-4)
    np.testing.assert_allclose(tiled.losses["total"], whole.losses["total"], rtol=1e-4)


def test_stylize_in_tiles_is_stylize(tiny):
    content, style = photograph(96, 64), texture(70, 90)  # which is worked at as it is
    options = SHALLOW_RUN | {"sizes": (48, 96), "steps": (2, 3)}
    whole = jnst.stylize(tiny, content, style, tile=None, **options)
    tiled = jnst.stylize(tiny, content, style, tile=60, **options)
    assert tiled.reason == "finished"
    np.testing.assert_allclose(tiled.image, whole.image, atol=1e-4)
    for term, values in whole.losses.items():
        np.testing.assert_allclose(tiled.losses[term], values, rtol=1e-4)


def test_a_line_search_is_refused(tiny):
    content, style = photograph(75, 61), texture(40, 40)
    with pytest.raises(ValueError, match="optimizer must do without a line search"):
        jnst.stylize(
            tiny, content, style, optimizer=optax.lbfgs(), tile=40, sizes=75, **SHALLOW_RUN
        )
