"""Training: it learns, resumes to the same bits, steps back from what is not finite, refuses."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnst.execution.devices import make_mesh
from jnst.feedforward import Training, train
from jnst.feedforward.crops import draw_crops
from jnst.feedforward.lessons import Batch, lesson_losses, make_lesson
from jnst.feedforward.training import devices_for
from jnst.feedforward.training_step import initial_state, training_step
from jnst.nn.painter import new_painter
from jnst.nn.painter_file import Architecture

SMALL = Architecture(channels=(4, 6, 8), residuals=1)
FEW = {"architecture": SMALL, "steps": 6, "batch": 2, "crop": 64, "style_size": 64}


@pytest.fixture(scope="module")
def photos():
    random = np.random.default_rng(6)
    rows, columns = np.mgrid[:150, :140] / 140
    smooth = np.stack([rows, columns, np.sin(9 * rows * columns) / 2 + 0.5], -1)
    rough = random.uniform(size=(70, 90, 3))
    return [np.rint(255 * photo).astype(np.uint8) for photo in (smooth.clip(0, 1), rough)]


@pytest.fixture(scope="module")
def whole(tiny, photos, pictures):
    return train(tiny, photos, pictures[1], names=["gold"], **FEW)


def same(one, other):
    for name, array in one.painter.arrays.items():
        np.testing.assert_array_equal(array, other.painter.arrays[name])
    for name, values in one.losses.items():
        np.testing.assert_array_equal(values, other.losses[name])


def test_the_losses_are_those_of_the_terms(whole):
    assert (whole.steps, whole.reason, whole.painter.styles) == (6, "finished", ("gold",))
    assert set(whole.losses) == {"content", "style", "variation", "total"}
    losses = whole.losses
    settings = Training()
    expected = losses["content"] + settings.beta * losses["style"]
    expected = expected + settings.gamma * losses["variation"]
    np.testing.assert_allclose(losses["total"], expected, rtol=1e-5)


def test_it_learns(tiny, photos, pictures):
    longer = train(tiny, photos, pictures[1], **FEW | {"steps": 60, "learning_rate": 5e-3})
    total = longer.losses["total"]
    assert total[-10:].mean() < 0.7 * total[:5].mean()


def test_a_photograph_left_as_it_is_has_the_unit_as_its_style_loss(tiny, photos, pictures):
    """So beta means the same for every painting: the painter here is the identity."""
    recipe, weights = Training().recipe(), Training().weights()
    lesson = make_lesson(tiny, [pictures[1]], recipe)
    crops = jnp.asarray(draw_crops(photos, 3, 64, 0, 0))

    class Identity:
        styles = ("gold",)

        def __call__(self, image, shares):
            return image

    losses = lesson_losses(
        Identity(), tiny, lesson, weights, Batch(crops, jnp.zeros(3, jnp.int32)), recipe
    )
    np.testing.assert_allclose(losses["content"], 0, atol=1e-5)
    assert 0.2 < losses["style"] <= 1.001


def test_a_resumed_training_comes_to_the_same_bits(tiny, photos, pictures, whole, tmp_path):
    file = tmp_path / "run.npz"
    options = {"names": ["gold"], "checkpoint": file, "checkpoint_every": 2, **FEW}
    stopped = train(tiny, photos, pictures[1], callback=lambda p: p.step == 3, **options)
    assert (stopped.steps, stopped.reason) == (3, "stopped")
    with pytest.raises(ValueError, match="exists already; resume it"):
        train(tiny, photos, pictures[1], **options)
    with pytest.raises(ValueError, match=r"is of another run: it was made with beta 2\.0"):
        train(tiny, photos, pictures[1], resume=True, **options, beta=6.0)
    with pytest.raises(ValueError, match="is of another run: it was made with another style"):
        train(tiny, photos, pictures[1] ** 2, resume=True, **options)
    same(train(tiny, photos, pictures[1], resume=True, **options), whole)
    again = train(tiny, photos, pictures[1], resume=True, **options)
    assert again.reason == "finished"
    same(again, whole)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"run.npz is corrupt"):
        train(tiny, photos, pictures[1], resume=True, **options)


def test_what_is_not_finite_is_stepped_back_from(tiny, photos, pictures):
    recipe, weights = Training().recipe(), Training().weights()
    lesson = make_lesson(tiny, [pictures[1]], recipe)
    painter = new_painter(jax.random.key(0), ["gold"], SMALL)
    bare = dataclasses.replace(painter, arrays={})
    crops = draw_crops(photos, 2, 64, 0, 0)

    def step(state, crops):
        rate, batch = np.float32(1e-3), Batch(crops, np.zeros(2, np.int32))
        return training_step(state, bare, tiny, lesson, weights, rate, batch, recipe=recipe)

    state, losses = step(initial_state(painter), np.full_like(crops, np.nan))
    assert np.isnan(losses["total"])
    assert (float(state.caution), int(state.failures), int(state.steps)) == (0.5, 1, 1)
    for name, array in painter.arrays.items():
        np.testing.assert_array_equal(state.arrays[name], array)
    state, losses = step(state, crops)
    assert np.isfinite(losses["total"])
    assert (float(state.caution), int(state.failures), int(state.steps)) == (0.5, 0, 2)
    assert np.abs(state.arrays["in2/kernel"] - painter.arrays["in2/kernel"]).max() > 0


def test_it_ends_when_nothing_is_finite_any_more(tiny, photos, pictures, monkeypatch):
    monkeypatch.setattr(
        "jnst.feedforward.training.draw_crops",
        lambda photos, count, edge, *_: np.full((count, edge, edge, 3), np.nan, np.float32),
    )
    ended = train(tiny, photos, pictures[1], **FEW | {"steps": 50})
    assert (ended.reason, ended.steps) == ("diverged", 10)
    assert all(np.isfinite(array).all() for array in ended.painter.arrays.values())


def test_several_styles_take_turns(tiny, photos, pictures):
    seen = []

    def callback(progress):
        seen.append(progress.picture())
        return False

    options = FEW | {"steps": 2, "batch": 1}
    both = train(
        tiny, photos, [pictures[1], pictures[0]], names=["a", "b"], callback=callback, **options
    )
    assert both.painter.styles == ("a", "b")
    shifts = np.asarray(both.painter.arrays["in1/shift"])
    assert np.abs(shifts[0]).max() > 0 and np.abs(shifts[1]).max() > 0
    assert [picture.shape for picture in seen] == [(64, 64, 3)] * 2


def test_two_devices_share_the_crops():
    folder = Path(__file__).parent
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    paths = os.pathsep.join([str(folder.parent), str(folder.parents[1])])
    done = subprocess.run(
        [sys.executable, folder / "several_devices.py"],
        env={**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    count, apart = done.stdout.split()
    assert int(count) == 2 and float(apart) < 1e-4


def test_a_batch_that_devices_cannot_share_is_refused():
    mesh = make_mesh(jax.devices()[:1] * 2)
    with pytest.raises(ValueError, match="batch must be a multiple of the 2 devices, got 3"):
        devices_for(mesh, 3)
    assert devices_for(None, 3).size == 1


def test_crops_depend_on_seed_and_step_alone(photos):
    crops = draw_crops(photos, 5, 64, 1, 7)
    assert crops.shape == (5, 64, 64, 3) and crops.dtype == np.float32
    assert crops.min() >= 0 and crops.max() <= 1
    np.testing.assert_array_equal(crops, draw_crops(photos, 5, 64, 1, 7))
    assert np.abs(crops - draw_crops(photos, 5, 64, 1, 8)).max() > 0
    assert np.abs(crops - draw_crops(photos, 5, 64, 2, 7)).max() > 0


def test_the_rate_rises_and_falls():
    training = Training(steps=1000, learning_rate=1.0)
    rates = [training.rate(step) for step in range(1000)]
    assert rates[0] == 0.01 and max(rates) == rates[99] == 1.0
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize(
    "settings, error, message",
    [
        ({"steps": 0}, ValueError, "steps must be at least 1"),
        ({"crop": 32}, ValueError, "crop must be at least 64"),
        ({"alpha": 0, "beta": 0}, ValueError, "leaves nothing to learn"),
        ({"style_loss": "sliced-wasserstein"}, ValueError, "draws at random"),
        ({"style_loss": "grams"}, ValueError, "did you mean 'gram'"),
        ({"names": ["a", "b"]}, ValueError, "names must be distinct, one for each of 1 styles"),
        ({"stepps": 3}, TypeError, "stepps"),
    ],
)
def test_settings_that_will_not_do_are_said(tiny, photos, pictures, settings, error, message):
    with pytest.raises(error, match=message):
        train(tiny, photos, pictures[1], **{"crop": 64} | settings)


def test_photographs_that_will_not_do_are_said(tiny, photos, pictures):
    with pytest.raises(ValueError, match="photos has no photographs"):
        train(tiny, [], pictures[1])
    with pytest.raises(ValueError, match="photos number 2 has 90×70 px, less than a crop"):
        train(tiny, photos, pictures[1], crop=128)
    with pytest.raises(TypeError, match="photos number 1 must be uint8"):
        train(tiny, [photos[0] / 255], pictures[1])
