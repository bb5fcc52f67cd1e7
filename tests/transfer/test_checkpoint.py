"""Runs that are interrupted and go on, and files that will not do."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnst

SHALLOW = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}
"""Layers that are soon compiled."""
ADAM = {"optimizer": "adam", "colors": "free"}
TWO_SIZES = {"sizes": (48, 64), "steps": (5, 6)} | SHALLOW | ADAM


def stop_after(step):
    return lambda progress: progress.step >= step


def interrupted(tiny, pictures, path, breaks, **settings):
    """The result of a run that is stopped after each of some steps and then goes on."""
    for step in breaks:
        stopped = jnst.stylize(
            tiny, *pictures, checkpoint=path, resume=True, callback=stop_after(step), **settings
        )
        assert (stopped.steps, stopped.reason) == (step, "stopped")
    return jnst.stylize(tiny, *pictures, checkpoint=path, resume=True, **settings)


def assert_same(result, expected):
    np.testing.assert_array_equal(result.image, expected.image)
    assert result.losses.keys() == expected.losses.keys()
    for term, values in expected.losses.items():
        np.testing.assert_array_equal(result.losses[term], values)
    assert result[2:] == expected[2:]


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "adam", "init": "noise"},
        {"optimizer": "lbfgs"},
        {"optimizer": "adam", "tile": 48, "averaging": 0.5},
        {"optimizer": optax.chain(
            optax.adam(0.02, mu_dtype=jnp.bfloat16),
            optax.add_noise(1e-3, 0.5, jax.random.key(3)),
        )},
    ],
    ids=["adam", "lbfgs", "tiled", "bfloat16 and a random key"],
)  # fmt: skip
def test_a_run_that_goes_on_ends_with_the_bits_of_one_that_never_stopped(
    tiny, pictures, tmp_path, settings
):
    settings = TWO_SIZES | {"style_loss": "gram"} | settings
    expected = jnst.stylize(tiny, *pictures, **settings)
    # Within either size, and between the two.
    result = interrupted(tiny, pictures, tmp_path / "run.npz", (3, 5, 9), **settings)
    assert_same(result, expected)
    assert result.reason == "finished"


@pytest.fixture(scope="module")
def stopped(tiny, pictures, tmp_path_factory):
    """The file of a run that was stopped at its second size."""
    path = tmp_path_factory.mktemp("checkpoint") / "run.npz"
    jnst.stylize(tiny, *pictures, checkpoint=path, callback=stop_after(7), **TWO_SIZES)
    return path


def test_the_file_holds_plain_arrays_under_their_names(stopped):
    with np.load(stopped, allow_pickle=False) as archive:
        arrays = dict(archive)
    assert arrays["steps_made"].tolist() == [5, 2]
    assert arrays["state.image"].shape == arrays["state.opt_state[1].mu"].shape == (64, 64, 3)
    assert arrays["losses.total"].shape == (7,)
    assert json.loads(str(arrays["identity"]))["beta"] == 2.5


def changed(path, stopped, **arrays):
    """A copy of the file with other arrays, or without those that are None."""
    with np.load(stopped) as archive:
        found = dict(archive) | arrays
    np.savez(path, **{name: array for name, array in found.items() if array is not None})
    return path


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"beta": 20}, "it was made with beta 2.5 instead of 20"),
        ({"steps": (5, 9), "gamma": 1}, r"gamma 0.1 instead of 1, steps \[5, 6\] instead of"),
        ({"optimizer": "lbfgs"}, "optimizer adam instead of lbfgs"),
        ({"init": "noise"}, "another initial image"),
        ({"content": np.zeros((64, 80, 3))}, "another content, another initial image$"),
        ({"style": np.zeros((64, 80, 3))}, "another style$"),
    ],
)
def test_another_run_is_refused_and_what_differs_is_named(tiny, pictures, stopped, settings, said):
    before = stopped.read_bytes()
    content, style = pictures
    arguments = {"content": content, "style": style} | TWO_SIZES | settings
    with pytest.raises(ValueError, match=f"run.npz is of another run: .*{said}"):
        jnst.stylize(tiny, checkpoint=stopped, resume=True, **arguments)
    assert stopped.read_bytes() == before


def test_other_weights_are_refused(tiny, pictures, stopped):
    from flax import nnx

    other = nnx.clone(tiny)
    other.conv3_2.bias[...] = other.conv3_2.bias[...] + 1
    with pytest.raises(ValueError, match=r"made with another weights$"):
        jnst.stylize(other, *pictures, checkpoint=stopped, resume=True, **TWO_SIZES)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"identity": None}, "is corrupt or not a jnst checkpoint"),
        ({"identity": np.array('{"format": "other"}')}, "is corrupt or not a jnst checkpoint"),
        ({"identity": np.array("[1]")}, "is corrupt or not a jnst checkpoint"),
        ({"identity": np.array([{}], object)}, "is corrupt or not a jnst checkpoint"),
        ({"state.image": None}, "another optimiser: state.image is not in both"),
        ({"state.image": np.zeros((38, 48, 3), "f4")}, r"must be float32 \(64, 64, 3\), got .*38"),
        ({"state.image": np.zeros((64, 64, 3))}, r"state.image must be .*, got float64"),
        ({"state.more": np.zeros(3)}, "state.more is not in both"),
        ({"state.steps": np.array(3, "i4")}, "after 3 steps at a size, and it has .* of 2"),
        ({"steps_made": np.array([5, 7])}, "steps_made are none of this run's plan"),
        ({"steps_made": None}, "steps_made are none of this run's plan"),
        ({"losses.total": np.zeros(3, "f4")}, r"7 losses of 'total' are wanted, it has"),
        ({"losses.total": None}, "losses"),
    ],
)
def test_a_file_that_will_not_do_is_refused(tiny, pictures, stopped, tmp_path, arrays, said):
    path = changed(tmp_path / "run.npz", stopped, **arrays)
    with pytest.raises(ValueError, match=said):
        jnst.stylize(tiny, *pictures, checkpoint=path, resume=True, **TWO_SIZES)


@pytest.mark.parametrize("keep", [0, 100, 5000, -1])
def test_a_file_cut_short_is_refused(tiny, pictures, stopped, tmp_path, keep):
    path = tmp_path / "run.npz"
    path.write_bytes(stopped.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"run.npz is corrupt or not a jnst checkpoint"):
        jnst.stylize(tiny, *pictures, checkpoint=path, resume=True, **TWO_SIZES)


def test_no_byte_of_the_state_can_be_flipped_unnoticed(tiny, pictures, stopped, tmp_path):
    path, data = tmp_path / "run.npz", bytearray(stopped.read_bytes())
    data[20_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"run.npz is corrupt or not a jnst checkpoint"):
        jnst.stylize(tiny, *pictures, checkpoint=path, resume=True, **TWO_SIZES)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"resume": True}, ValueError, "resume needs a checkpoint"),
        ({"checkpoint": "no/run.npz"}, ValueError, "checkpoint folder no does not exist"),
        ({"checkpoint": "."}, ValueError, r"checkpoint \. is a folder"),
        ({"checkpoint": 3}, TypeError, "checkpoint must be the name of a file, got 3"),
        ({"checkpoint_every": 0}, ValueError, "checkpoint_every must be at least 1, got 0"),
        ({"resume": 1}, TypeError, "resume must be True or False, got 1"),
    ],
)
def test_a_mistake_is_told_before_anything_is_traced(tiny, pictures, arguments, error, said):
    with pytest.raises(error, match=said):
        jnst.stylize(tiny, *pictures, **arguments)


def test_a_file_that_is_there_is_not_overwritten_unasked(tiny, pictures, stopped):
    before = stopped.read_bytes()
    with pytest.raises(ValueError, match=r"run.npz exists already; resume it or give another"):
        jnst.stylize(tiny, *pictures, checkpoint=stopped)
    assert stopped.read_bytes() == before


def test_it_is_saved_every_so_many_steps_of_a_size_and_at_its_end(tiny, pictures, tmp_path):
    path, seen = tmp_path / "run.npz", []

    def callback(progress):  # before the step is saved after which it is called
        seen.append(np.load(path)["steps_made"].tolist() if path.exists() else [])

    jnst.stylize(
        tiny, *pictures, checkpoint=path, checkpoint_every=2, callback=callback, **TWO_SIZES
    )
    first, second = [[], [], [2], [2], [4]], [[5], [5], [5, 2], [5, 2], [5, 4], [5, 4]]
    assert seen == first + second
    assert np.load(path)["steps_made"].tolist() == [5, 6]


def test_a_run_that_is_done_does_nothing_more(tiny, pictures, tmp_path):
    heard, options = [], {"checkpoint": tmp_path / "run.npz", "resume": True} | TWO_SIZES
    first = jnst.stylize(tiny, *pictures, **options)
    again = jnst.stylize(tiny, *pictures, callback=heard.append, **options)
    assert_same(again, first)
    assert heard == []


def test_a_run_that_diverged_diverges_again(tiny, pictures, tmp_path):
    options = {"learning_rate": 1e20, "clip": False, "checkpoint": tmp_path / "run.npz"}
    first = jnst.stylize(tiny, *pictures, **TWO_SIZES, **options)
    again = jnst.stylize(tiny, *pictures, resume=True, **TWO_SIZES, **options)
    assert first.reason == "diverged"
    assert_same(again, first)


def test_a_run_that_diverges_at_once_goes_on_to_the_same_end(tiny, pictures, tmp_path):
    options = {"alpha": 1e30, "beta": 1e30, "weighing": "paper", "init": "noise"} | TWO_SIZES
    options |= {"checkpoint": tmp_path / "run.npz"}
    first = jnst.stylize(tiny, *pictures, **options)
    again = jnst.stylize(tiny, *pictures, resume=True, **options)
    assert (first.reason, first.steps) == ("diverged", 0)
    assert_same(again, first)
