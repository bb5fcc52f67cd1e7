"""Dreams: they raise what was asked for, in tiles as without, alone as in a batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnst.optim.ascent import normalized_gradient
from jnst.transfer.levels import Level
from jnst.visualize import Sought, dream, dream_each
from jnst.visualize.dream_memory import window_of
from jnst.visualize.dream_settings import DREAM_PRESETS, DreamSettings
from jnst.visualize.dream_terms import dream_objective, dream_terms, guide_features
from jnst.visualize.octaves import Octaves, resampled

QUICK = {"octaves": 2, "steps": 4, "jitter": 8}


@pytest.fixture(scope="module")
def photo(pictures):
    return pictures[0]


@pytest.fixture(scope="module")
def dreamed(tiny, photo):
    return dream(tiny, photo, layers=["relu3_1"], **QUICK)


def energy(model, image, layer, channels=slice(None)):
    return float(np.mean(np.square(model(jnp.asarray(image), [layer])[layer][..., channels])))


def test_a_dream_raises_the_response_and_says_by_how_much(tiny, photo, dreamed):
    before, after = (energy(tiny, image, "relu3_1") for image in (photo, dreamed.image))
    assert after > 1.1 * before
    assert dreamed.image.shape == photo.shape
    assert dreamed.reason == "finished" and dreamed.steps == 4  # 64 px: one octave is left
    assert (np.diff(dreamed.losses["total"]) < 0).sum() >= 2
    assert dreamed.image.min() >= 0 and dreamed.image.max() <= 1


def test_in_tiles_it_is_the_same(tiny, photo):
    large = np.tile(photo, (2, 2, 1))
    options = {"layers": {"relu2_1": 1, "relu3_1": 2}, "octaves": 1, "steps": 4, "jitter": 8}
    whole, tiled = (dream(tiny, large, tile=tile, **options) for tile in (None, 72))
    np.testing.assert_allclose(tiled.image, whole.image, atol=1e-5)
    np.testing.assert_allclose(tiled.losses["total"], whole.losses["total"], rtol=1e-4)
    assert np.abs(whole.image - large).max() > 0.02


def test_with_a_guide_in_tiles_it_is_the_same_too(tiny, photo, pictures):
    large = np.tile(photo, (2, 1, 1))
    options = {"layers": ["relu3_1"], "guide": pictures[1], "octaves": 1, "steps": 3}
    whole, tiled = (dream(tiny, large, tile=tile, **options) for tile in (None, 72))
    np.testing.assert_allclose(tiled.image, whole.image, atol=1e-5)


def test_several_channels_are_one_batch_and_each_as_alone(tiny, photo):
    each = [Sought({"relu3_1": 1.0}, (n,)) for n in (0, 3)] + [Sought({"relu2_1": 1.0})]
    together = dream_each(tiny, photo, each, **QUICK)
    for sought, result in zip(each, together, strict=True):
        alone = dream(tiny, photo, layers=sought.layers, channels=sought.channels or None, **QUICK)
        np.testing.assert_allclose(result.image, alone.image, atol=1e-5)
        np.testing.assert_allclose(result.losses["total"], alone.losses["total"], rtol=1e-4)
        layer = next(iter(sought.layers))
        chosen = list(sought.channels) or slice(None)
        before, after = (energy(tiny, x, layer, chosen) for x in (photo, result.image))
        assert after > before


def test_a_guide_draws_the_features_towards_its_own(tiny, photo, pictures):
    guide = pictures[1]

    def likeness(image):
        of_guide = guide_features(tiny(jnp.asarray(guide), ["relu3_1"]))["relu3_1"]
        flat = np.asarray(tiny(jnp.asarray(image), ["relu3_1"])["relu3_1"]).reshape(-1, 8)
        flat = flat / np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-9)
        return float((flat @ of_guide.T).max(-1).mean())

    options = {"layers": ["relu3_1"], "octaves": 1, "steps": 12, "jitter": 4}
    guided = dream(tiny, photo, guide=guide, **options)
    assert 1 - likeness(guided.image) < 0.6 * (1 - likeness(photo))
    assert guided.losses["total"][-1] < guided.losses["total"][0]


def test_the_key_decides_the_jitter_and_nothing_else_is_random(tiny, photo, dreamed):
    again = dream(tiny, photo, layers=["relu3_1"], key=jax.random.key(0), **QUICK)
    other = dream(tiny, photo, layers=["relu3_1"], key=jax.random.key(1), **QUICK)
    np.testing.assert_array_equal(again.image, dreamed.image)
    assert np.abs(other.image - dreamed.image).max() > 1e-3


def test_a_callback_sees_every_step_and_can_end_the_run(tiny, photo):
    large = np.tile(photo, (2, 2, 1))
    seen = []

    def callback(progress):
        seen.append((progress.step, progress.steps, progress.shape))
        assert progress.picture().shape == (*progress.shape, 3)
        return progress.step == 2

    result = dream(tiny, large, layers=["relu2_1"], callback=callback, octaves=2, steps=4)
    assert [step for step, *_ in seen] == [1, 2]
    assert seen[0][1:] == (8, (91, 114))
    assert (result.reason, result.steps) == ("stopped", 2)
    assert result.image.shape == large.shape  # the details so far, on the sharp photograph


def test_no_strength_leaves_the_photograph_as_it_was(tiny, photo):
    large = np.tile(photo, (2, 2, 1))
    result = dream(tiny, large, layers=["relu2_1"], strength=0.0, octaves=2, steps=1)
    np.testing.assert_allclose(result.image, large, atol=1e-6)


def test_octaves_add_what_was_dreamed_to_the_sharp_photograph(photo):
    octaves = Octaves(photo)
    small = octaves.at((32, 40))
    change = np.zeros_like(small)
    change[8:24, 10:30] = 0.1
    carried = octaves.carry(np.clip(small + change, 0, 1), Level(shape=(64, 80), steps=1))
    moved = carried - photo
    assert np.abs(moved[:8]).max() < 0.02
    inside = (photo[20:44, 24:56] < 0.85).all(axis=-1)
    assert np.abs(moved[20:44, 24:56][inside] - 0.1).max() < 0.03


def test_numbers_of_either_sign_are_resampled_for_batches_too():
    values = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    enlarged = resampled(values, (16, 24))
    assert enlarged.shape == (2, 16, 24, 3) and enlarged.min() < -1
    np.testing.assert_allclose(resampled(values[0], (16, 24)), enlarged[0], atol=1e-6)


def test_octaves_that_would_be_too_small_are_left_out():
    plan = DreamSettings(octaves=8, ratio=2.0, steps=3).plan(256, 512)
    assert plan == [((64, 128), 3), ((128, 256), 3), ((256, 512), 3)]
    assert DreamSettings(octaves=8).plan(40, 50) == [((40, 50), 10)]


def test_presets_are_settings_of_the_real_network(model):
    assert next(iter(DREAM_PRESETS)) == "animals"
    for preset in DREAM_PRESETS.values():
        model.geometry.check_layers("layers", preset.layers)
        DreamSettings(**preset.settings)


def test_memory_decides_on_windows(tiny, photo, monkeypatch):
    term = dream_terms(tiny, jnp.asarray(photo), [Sought({"relu2_1": 1.0})])[0]
    objective, optimizer = dream_objective(tiny, term, 4), normalized_gradient()
    free = "jnst.execution.memory.free_bytes"
    monkeypatch.setattr(free, lambda device: 2**40)
    assert window_of("auto", (3000, 4000), objective, optimizer) is None
    monkeypatch.setattr(free, lambda device: 2**30)
    window = window_of("auto", (3000, 4000), objective, optimizer)
    assert tiny.geometry.least_window(["relu2_1"]) <= window < 3000
    with pytest.raises(ValueError, match=r"4000×3000 px needs .* GiB free; choose a size of"):
        window_of(None, (3000, 4000), objective, optimizer)
    monkeypatch.setattr(free, lambda device: 2**20)
    with pytest.raises(ValueError, match="even in tiles"):
        window_of("auto", (3000, 4000), objective, optimizer)
    assert window_of(512, (3000, 4000), objective, optimizer) == 512


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": ["relu9_1"]}, "layers must be one of .*did you mean 'relu"),
        ({"layers": "relu3_1"}, "sequence of layer names"),
        ({"layers": {"relu3_1": 0.0}}, "at least one layer must have a weight above 0"),
        ({"layers": {"relu3_1": -1.0}}, "the weight of relu3_1 must be at least 0"),
        ({"layers": ["relu3_1"], "channels": [8]}, "numbered from 0 to 7, got 8"),
        ({"layers": ["relu3_1"], "channels": [-1]}, "channels must be at least 0"),
        ({"layers": ["relu3_1"], "channels": []}, "at least one channel"),
        ({"layers": ["relu2_1", "relu3_1"], "channels": [0]}, "those of one layer"),
        ({"octaves": 0}, "octaves must be at least 1, got 0"),
        ({"strength": float("nan")}, "strength must be finite, got nan"),
        ({"ratio": 1.0}, "ratio must lie between 1.01 and 16"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"jitter": 1.5}, "jitter must be a whole number"),
        ({"bands": 0}, "bands must be at least 1"),
        ({"tile": 32}, "tile must be at least"),
        ({"tile": "all"}, "tile must be a whole number"),
        ({"callback": 3}, "callback must be a function"),
        ({"guide": np.full((8, 8, 3), 0.5)}, "guide of 8×8 px is too small for relu5_1"),
    ],
)
def test_mistakes_are_sentences_before_anything_is_dreamed(tiny, photo, arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        dream(tiny, photo, **arguments)


@pytest.mark.parametrize(
    ("each", "error", "message"),
    [
        ([], ValueError, "each has no dreams"),
        (["relu3_1"], TypeError, "each must hold jnst.visualize.Sought, got 'relu3_1'"),
        ([Sought({"relu9_1": 1.0})], ValueError, "layers must be one of"),
        ([Sought({"relu3_1": 0.0})], ValueError, "at least one layer must have a weight above 0"),
        ([Sought({})], ValueError, "layers"),
        ([Sought({"relu3_1": 1.0}, (-1,))], ValueError, "channels must be at least 0"),
    ],
)
def test_what_is_sought_is_checked_whoever_made_it(tiny, photo, each, error, message):
    with pytest.raises(error, match=message):
        dream_each(tiny, photo, each, **QUICK)


def test_dreams_that_were_not_begun_are_none(tiny, photo):
    each = [Sought({layer: 1.0}) for layer in ("relu2_1", "relu3_1", "relu2_2")]
    first, *others = dream_each(tiny, photo, each, callback=lambda progress: True, **QUICK)
    assert first.reason == "stopped" and others == [None, None]


def test_channels_are_numbers_in_a_sequence(tiny, photo):
    with pytest.raises(TypeError, match="channels must be a sequence of numbers, got 5"):
        dream(tiny, photo, layers=["relu3_1"], channels=5, **QUICK)


def test_channels_and_a_guide_exclude_each_other(tiny, photo):
    with pytest.raises(ValueError, match="channels and guide are mutually exclusive"):
        dream(tiny, photo, layers=["relu3_1"], channels=[1], guide=photo)
