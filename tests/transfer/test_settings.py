"""What may be set, what is refused and in which words, and how steps are shared over sizes."""

import math

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnst
from jnst.image.fitting import SMALLEST_EDGE, fit
from jnst.transfer.plan import share
from jnst.transfer.settings import NUMBERS, Settings


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"alpha": -1}, ValueError, "alpha must be at least 0, got -1"),
        ({"beta": math.nan}, ValueError, "beta must be finite, got nan"),
        ({"beta": math.inf}, ValueError, "beta must be finite, got inf"),
        ({"beta": "10"}, TypeError, "beta must be a number, got '10'"),
        ({"alpha": 0, "beta": 0}, ValueError, "alpha and beta are both 0"),
        ({"gamma": -0.5}, ValueError, "gamma must be at least 0, got -0.5"),
        ({"steps": 0}, ValueError, "steps must be at least 1, got 0"),
        ({"steps": 10.0}, TypeError, "steps must be a whole number or several, got 10.0"),
        ({"steps": True}, TypeError, "steps must be a whole number, got True"),
        ({"steps": (5, 5)}, ValueError, "steps and sizes must have the same length"),
        ({"steps": (5, 5), "sizes": (64,)}, ValueError, "got 2 steps and sizes (64,)"),
        ({"sizes": "64"}, TypeError, "sizes must be a whole number or several, got '64'"),
        ({"steps": 10**400}, ValueError, "steps must be at most 1000000000"),
        ({"beta": 10**400}, ValueError, "beta must lie between 0 and 1e+30"),
        ({"gamma": 1e39}, ValueError, "gamma must lie between 0 and 1e+30"),
        ({"clip": "no"}, TypeError, "clip must be True or False, got 'no'"),
        ({"style_layers": None}, TypeError, "a sequence of layer names, got None"),
        ({"sizes": ()}, ValueError, "sizes must be strictly increasing, got ()"),
        ({"sizes": (64, 64)}, ValueError, "sizes must be strictly increasing"),
        ({"sizes": (16, 64)}, ValueError, f"sizes must be at least {SMALLEST_EDGE}, got 16"),
        ({"weighing": "relativ"}, ValueError, "(did you mean 'relative'?)"),
        ({"content_layers": ()}, ValueError, "content_layers must name at least one layer"),
        ({"content_layers": "relu4_2"}, TypeError, "got the string 'relu4_2'"),
        ({"style_layers": ["relu1_3"]}, ValueError, "style_layers must be one of conv1_1"),
        ({"style_layers": ["relu1_1", "relu1_1"]}, ValueError, "names a layer twice"),
        ({"style_layers": {"relu1_1": -1}}, ValueError, "the weight of relu1_1 must be at least 0"),
        ({"style_layers": {"relu1_1": 0}}, ValueError, "style_layers: every weight is 0"),
        (
            {"optimizer": "adamw"},
            ValueError,
            "preconditioned, adam, lbfgs, got 'adamw' (did you mean 'adam'?)",
        ),
        ({"optimizer": 3}, TypeError, "optimizer must be a name or an optax.Gradient"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be above 0, got 0"),
        ({"schedule": "linear"}, ValueError, "schedule must be one of cosine, constant"),
        ({"averaging": 1.0}, ValueError, "averaging must lie between 0 and 0.9999, got 1"),
        (
            {"optimizer": optax.sgd(0.1), "learning_rate": 0.1},
            ValueError,
            "learning_rate has no effect beside an Optax transformation",
        ),
        (
            {"optimizer": optax.sgd(0.1), "schedule": "cosine"},
            ValueError,
            "schedule has no effect beside an Optax transformation",
        ),
        ({"beta": jnp.array([1.0])}, TypeError, "beta must be a number"),
        ({"steps": np.True_}, TypeError, "steps must be a whole number"),
        ({"step": 5}, TypeError, "there is no setting 'step' (did you mean 'steps'?)"),
    ],
)
def test_a_mistake_is_named_with_what_would_do(settings, error, said):
    with pytest.raises(error) as raised:
        Settings.of(**settings)
    assert said in str(raised.value)


def test_names_alone_get_equal_weights_that_sum_to_1():
    assert Settings(style_layers=["relu1_1", "relu2_1"]).style_layers == {
        "relu1_1": 0.5,
        "relu2_1": 0.5,
    }
    assert Settings(style_layers={"relu1_1": 3.0}).style_layers == {"relu1_1": 3.0}


def test_the_default_plan_rises_from_128_in_ratios_of_about_2():
    def edges(settings, *shape):
        return [max(shape) for shape, _ in settings.plan(*shape)]

    assert edges(Settings(), 384, 512) == [128, 256, 512]
    assert edges(Settings(), 600, 450) == [128, 277, 600]  # 128 (600/128)^½
    assert edges(Settings(), 1536, 2048) == [128, 256, 512, 1024, 2048]
    assert edges(Settings(), 200, 200) == [128, 200]
    assert edges(Settings(), 180, 180) == [180]  # nearer to no doubling than to one
    assert edges(Settings(), 60, 1024) == [547, 1024]  # at 546 px 31.99 px high
    assert edges(Settings(sizes=(100, 300)), 384, 512) == [100, 300]
    assert edges(Settings(sizes=200), 384, 512) == [200]
    assert edges(Settings(sizes=np.int64(200)), 384, 512) == [200]


def test_proportions_are_kept_at_every_size():
    assert [shape for shape, _ in Settings().plan(384, 512)] == [(96, 128), (192, 256), (384, 512)]
    assert fit(3, 1000, 500) == (2, 500)
    assert fit(1, 1000, 100) == (1, 100)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 50, 300, 1001])
@pytest.mark.parametrize("sizes", [1, 2, 3, 5])
def test_n_steps_are_n_and_the_last_size_gets_some(steps, sizes):
    counts = share(steps, sizes)
    assert len(counts) == sizes
    assert sum(counts) == steps
    assert counts[-1] >= 1
    assert all(count >= 0 for count in counts)
    if steps > 20:
        assert counts == sorted(counts, reverse=True)


def test_sizes_without_steps_are_left_out():
    assert Settings(steps=1).plan(384, 512) == [((384, 512), 1)]
    assert Settings(steps=(7, 9), sizes=(64, 128)).plan(384, 512) == [((48, 64), 7), ((96, 128), 9)]


def test_a_picture_too_small_is_refused_with_what_would_do():
    with pytest.raises(
        ValueError, match="content at 128×8 px is too small: both edges need at least 32"
    ):
        Settings(sizes=(128,)).plan(64, 1024)


def test_an_optimizer_of_ones_own_brings_its_own_rate():
    assert Settings(optimizer=optax.sgd(0.1)).controls(10).learning_rate == 1.0
    controls = Settings(learning_rate=0.5).controls(10)
    assert (controls.learning_rate, controls.final_learning_rate, controls.steps) == pytest.approx(
        (0.5, 0.05, 10)
    )
    assert Settings(optimizer="lbfgs").controls(10).final_learning_rate == 1.0
    assert Settings(optimizer="lbfgs", schedule="cosine").controls(10).final_learning_rate == 0.1
    assert Settings(learning_rate=0.5, schedule="constant").controls(10).final_learning_rate == 0.5
    assert Settings(clip=False).controls(1).lower == -math.inf


@pytest.mark.parametrize("scalar", [np.float32, np.float64, jnp.float32, jnp.bfloat16, np.array])
def test_scalars_of_numpy_and_jax_are_kept_as_numbers(scalar):
    number = scalar(0.5)
    settings = Settings(
        alpha=number,
        beta=number,
        gamma=number,
        learning_rate=number,
        averaging=number,
        tolerance=number,
        style_scale=number,
        photorealism=number,
        details=number,
        finish=number,
        style_layers={"relu1_1": number},
        style_weights=[number, number],
    )
    for name in NUMBERS:
        assert getattr(settings, name) == 0.5 and type(getattr(settings, name)) is float
    assert (settings.style_layers, settings.style_weights) == ({"relu1_1": 0.5}, (0.5, 0.5))
    assert type(settings.style_layers["relu1_1"]) is float


@pytest.mark.parametrize("scalar", [np.int64, np.uint8, jnp.int32, np.array])
def test_whole_numbers_may_be_numpys_and_jaxs(scalar):
    settings = Settings(steps=scalar(5), sizes=scalar(64))
    assert (settings.steps, settings.sizes) == (5, (64,)) and type(settings.steps) is int
    assert Settings(steps=[scalar(5)], sizes=[scalar(64)]).steps == (5,)


def test_settings_are_public():
    assert jnst.Settings is Settings
