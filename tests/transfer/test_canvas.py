"""Pictures that are worked at on a canvas which they do not fill."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnst
from jnst.losses.arrays import mirrored_beyond
from jnst.losses.objectives import evaluate
from jnst.transfer.canvas import Canvas, last_canvas
from jnst.transfer.inputs import Inputs
from jnst.transfer.problem import build_objective
from jnst.transfer.settings import Settings

SHAPE = 40, 52
"""Of a picture whose canvas is 64×64 px."""
SETTINGS = {
    "content_layers": ["relu2_1"],
    "style_layers": ["relu1_1", "relu2_1"],
    "style_loss": "gram",
    "sizes": 52,
    "finish": 0,
}


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(5).uniform(size=(*SHAPE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def style(pictures):
    return pictures[1]


def test_a_picture_comes_back_from_its_canvas(photo):
    canvas = last_canvas(SHAPE)
    assert canvas == Canvas(shape=(64, 64), extent=SHAPE)
    laid = canvas.put(photo)
    assert laid.shape == (64, 64, 3)
    np.testing.assert_array_equal(canvas.take(laid), photo)
    np.testing.assert_array_equal(laid[40:, :52], photo[:15:-1])
    np.testing.assert_array_equal(laid[:40, 52:], photo[:, :39:-1])


def test_the_mirror_is_that_of_each_picture_of_a_batch(photo):
    canvases = [last_canvas(shape) for shape in (SHAPE, (64, 33), (33, 64))]
    shapes = jnp.array([canvas.extent for canvas in canvases])
    images = [canvas.put(photo) for canvas in canvases]
    spoilt = np.stack(images)
    for image, (height, width) in zip(spoilt, shapes, strict=True):
        image[height:], image[:, width:] = 7, 8
    np.testing.assert_array_equal(jax.vmap(mirrored_beyond)(spoilt, shapes), np.stack(images))


@pytest.mark.parametrize("loss", ["gram", "wasserstein"])
def test_what_lies_beyond_the_picture_counts_for_nothing(tiny, photo, style, loss):
    canvas = last_canvas(SHAPE)
    inputs = Inputs(model=tiny, content=photo, styles=(style,)).at(canvas, SHAPE, 1.0)
    settings = Settings.of(**SETTINGS | {"style_loss": loss, "gamma": 0.5})
    objective = build_objective(inputs, settings)
    other = np.array(inputs.content)
    other[40:], other[:, 52:] = 0.9, 0.1

    @jax.jit
    def value_and_gradient(image):
        return jax.value_and_grad(lambda image: evaluate(image, objective)["total"])(image)

    (value, gradient), (same, likewise) = map(value_and_gradient, (inputs.content, other))
    assert value == same
    np.testing.assert_array_equal(gradient, likewise)
    assert jnp.abs(gradient[:40, :52]).min() > 0
    assert jnp.abs(gradient[40:]).max() == jnp.abs(gradient[:, 52:]).max() == 0


def test_the_losses_of_a_run_are_those_of_the_picture_that_it_returns(tiny, photo, style):
    """At the border, too, which sees what lies beyond."""
    settings = SETTINGS | {"averaging": 0.0, "init": "content"}
    result = jnst.stylize(tiny, photo, style, steps=40, **settings)
    again = jnst.stylize(tiny, photo, style, steps=1, **settings | {"init": result.image})
    for term in ("content", "style"):
        last, seen = result.losses[term][-1], again.losses[term][0]
        assert 0.9 * last < seen < 1.02 * last, term  # a step later


def test_no_run_ends_as_converged_above_its_start(tiny, photo):
    """Where the style is the content itself, the start is as good as done."""
    settings = SETTINGS | {"style_loss": "wasserstein"}
    result = jnst.stylize(tiny, photo, photo, steps=200, tolerance=0.005, **settings)
    after = jnst.stylize(tiny, photo, photo, steps=1, init=result.image, **settings)
    assert after.losses["total"][0] <= result.losses["total"][0] or result.reason == "finished"
