"""What a grid consists of, and what is refused."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnst.grid.axes import make_grid as make_grid_of
from jnst.nn.blocks import NETWORKS
from jnst.nn.geometry import vgg_geometry

CONTENT = np.full((40, 48, 3), 0.5, np.float32)
STYLE = np.linspace(0, 1, 36 * 36 * 3, dtype=np.float32).reshape(36, 36, 3)


make_grid = functools.partial(make_grid_of, vgg_geometry(NETWORKS["vgg19"].blocks))


def grid(**settings):
    return make_grid(CONTENT, STYLE, **settings)


def test_alpha_and_beta_are_always_axes():
    assert grid().axes == {"alpha": (1.0,), "beta": (2.5,)}
    assert list(grid(beta=[1, 2, 3]).cells) == [(0, 0), (0, 1), (0, 2)]


def test_every_combination_is_a_cell():
    made = grid(beta=[1, 2], alpha=[3, 4], gamma=[0, 5], averaging=[0.5, 0.9, 0.0], steps=7)
    assert list(made.axes) == ["alpha", "beta", "gamma", "averaging"]
    assert len(made.cells) == 24
    settings = made.cells[1, 0, 1, 2].settings
    chosen = settings.alpha, settings.beta, settings.gamma, settings.averaging, settings.steps
    assert chosen == (4, 1, 5, 0.0, 7)


def test_arrays_and_ranges_are_several_numbers():
    for values in (np.array([1.0, 2.0]), jnp.array([1.0, 2.0]), range(1, 3), (1.0, 2.0)):
        assert grid(beta=values).axes["beta"] == (1, 2)
    assert grid(beta=jnp.float32(4)).axes["beta"] == (4,)


def test_images_are_axes_by_number():
    made = make_grid([CONTENT, CONTENT / 2], np.stack([STYLE, STYLE**2, 1 - STYLE]))
    assert made.axes == {"alpha": (1.0,), "beta": (2.5,), "content": (0, 1), "style": (0, 1, 2)}
    assert made.cells[0, 0, 1, 2][:2] == (1, 2)
    assert len(make_grid([CONTENT], [STYLE, STYLE[:34] ** 2]).styles) == 2  # of any size


def test_lists_of_images_within_a_list_are_blends():
    a, b, c = STYLE, STYLE**2, STYLE[:34]
    made = make_grid(CONTENT, [[a, b], (c,)])
    assert made.axes["style"] == (0, 1)
    assert [len(blend) for blend in made.styles] == [2, 1]
    np.testing.assert_array_equal(made.styles[0][1], b)
    one = make_grid(CONTENT, [[a, b]], style_weights=[2, 1])
    assert "style" not in one.axes and len(one.cells) == 1
    assert [len(blend) for blend in make_grid(CONTENT, [(a, b), c]).styles] == [2, 1]
    assert [len(blend) for blend in make_grid(CONTENT, [a, b]).styles] == [1, 1]


def test_layers_that_one_choice_leaves_out_weigh_nothing_in_it():
    made = grid(style_layers=[["relu1_1", "relu3_1"], {"relu2_1": 2}, {"relu1_1": 1}])
    assert made.axes["style_layers"] == (
        {"relu1_1": 0.5, "relu2_1": 0.0, "relu3_1": 0.5},
        {"relu1_1": 0.0, "relu2_1": 2.0, "relu3_1": 0.0},
        {"relu1_1": 1.0, "relu2_1": 0.0, "relu3_1": 0.0},
    )


def test_one_choice_of_layers_is_no_axis():
    for layers in (["relu1_1", "relu2_1"], {"relu1_1": 1.0}, [{"relu1_1": 1.0}]):
        assert "style_layers" not in grid(style_layers=layers).axes


def test_keys_are_an_axis_in_either_form():
    new, old = jax.random.split(jax.random.key(3), 4), jax.random.split(jax.random.PRNGKey(3), 4)
    for keys in (new, old):
        made = grid(key=keys)
        assert made.axes["key"] == (0, 1, 2, 3)
        data = jax.random.key_data(made.cells[0, 0, 2].key)
        np.testing.assert_array_equal(data, jax.random.key_data(new[2]))
    for key in (jax.random.key(3), jax.random.PRNGKey(3), None):
        assert "key" not in grid(key=key).axes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": []}, "alpha has no values"),
        ({"beta": np.array([])}, "beta has no values"),
        ({"beta": [1, 2, 1.0]}, "beta must have every value once, and 1 repeats another"),
        ({"alpha": [1, "2"]}, "alpha must be a number, got '2'"),
        ({"alpha": "1,2"}, "alpha must be a number, got '1,2'"),
        ({"beta": [[1, 2], [3, 4]]}, r"beta must be a number, got \[1, 2\]"),
        ({"beta": [1, -1]}, "beta must be at least 0, got -1"),
        ({"beta": [1, float("nan")]}, "beta must be finite, got nan"),
        ({"learning_rate": [0.1, 0]}, "learning_rate must be above 0"),
        ({"alpha": [0, 1], "beta": [0, 1]}, "alpha and beta are both 0"),
        ({"style_layers": [{"relu1_1": 1}, {"relu1_1": 1.0}]}, "number 2 repeats another"),
        ({"style_layers": [{"relu1_1": 1}, ["relu1_7"]]}, "got 'relu1_7' .did you mean"),
        ({"style_layers": []}, "must name at least one layer"),
        ({"key": 7}, "key must be a key of jax.random or an array of several, got 7"),
        ({"key": jax.random.split(jax.random.key(0), (2, 2))}, "a row of several"),
        ({"alpa": [1, 2]}, "there is no setting 'alpa' .did you mean 'alpha'"),
        ({"sizes": (40,), "steps": [1, 2]}, "steps and sizes must have the same length"),
    ],
)
def test_what_will_not_do_is_named(settings, message):
    with pytest.raises((ValueError, TypeError), match=message):
        grid(**settings)


def test_a_grid_of_a_million_is_refused():
    thousand = np.geomspace(1, 100, 1000)
    with pytest.raises(ValueError, match=r"at most 10,000 cells, got 1,000,000"):
        grid(alpha=thousand, beta=thousand)
    assert len(grid(alpha=thousand[:100], beta=thousand[:100], steps=1).cells) == 10_000


def test_images_that_do_not_go_together_are_named():
    with pytest.raises(ValueError, match="must all have one size, got 47×40 and 48×40 px"):
        make_grid([CONTENT, CONTENT[:, 1:]], STYLE)
    with pytest.raises(ValueError, match="content must have every value once, and number 2"):
        make_grid([CONTENT, CONTENT.copy()], STYLE)
    with pytest.raises(ValueError, match="style has no values"):
        make_grid(CONTENT, [])
    with pytest.raises(ValueError, match=r"style number 2 must have the shape \(H, W, 3\)"):
        make_grid(CONTENT, [STYLE, STYLE[0]])
    blend = [STYLE, STYLE**2]
    with pytest.raises(ValueError, match="style must have every value once, and number 2"):
        make_grid(CONTENT, [blend, tuple(blend)])
    with pytest.raises(ValueError, match="style number 2 has no values"):
        make_grid(CONTENT, [blend, []])
    with pytest.raises(ValueError, match="style number 2 number 1 must lie in"):
        make_grid(CONTENT, [blend, [2 * STYLE]])
    with pytest.raises(ValueError, match=r"each style image \(1\), got 2"):
        make_grid(CONTENT, [blend, [STYLE]], style_weights=[2, 1])
