"""Checkpoints of runs that go on with other numbers of steps."""

import numpy as np
import pytest

import jnst

SHALLOW = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}
CONSTANT = SHALLOW | {"schedule": "constant", "sizes": 48}
TWO = SHALLOW | {"schedule": "constant", "sizes": (40, 48)}


def assert_same(result, expected):
    np.testing.assert_array_equal(result.image, expected.image)
    np.testing.assert_array_equal(result.losses["total"], expected.losses["total"])
    assert result[2:] == expected[2:]


def test_a_finished_run_goes_on_with_more_steps_as_if_it_had_been_that_long(
    tiny, pictures, tmp_path
):
    path = tmp_path / "run.npz"
    jnst.stylize(tiny, *pictures, steps=3, checkpoint=path, **CONSTANT)
    result = jnst.stylize(tiny, *pictures, steps=7, checkpoint=path, resume=True, **CONSTANT)
    assert_same(result, jnst.stylize(tiny, *pictures, steps=7, **CONSTANT))
    with pytest.raises(ValueError, match="it was made with steps 7 instead of 5"):
        jnst.stylize(tiny, *pictures, steps=5, checkpoint=path, resume=True, **CONSTANT)


def test_the_steps_of_the_last_size_may_change_and_those_of_finished_ones_not(
    tiny, pictures, tmp_path
):
    path = tmp_path / "run.npz"
    jnst.stylize(tiny, *pictures, steps=(3, 2), checkpoint=path, **TWO)
    result = jnst.stylize(tiny, *pictures, steps=(3, 5), checkpoint=path, resume=True, **TWO)
    assert_same(result, jnst.stylize(tiny, *pictures, steps=(3, 5), **TWO))
    for steps in ((4, 5), (3, 4), 9):
        with pytest.raises(
            ValueError, match=r"made with steps \[3, 5\] instead of .*; with steps for"
        ):
            jnst.stylize(tiny, *pictures, steps=steps, checkpoint=path, resume=True, **TWO)


def test_a_run_stopped_at_its_first_size_may_change_all_that_is_to_come(tiny, pictures, tmp_path):
    path = tmp_path / "run.npz"
    stop = {"callback": lambda progress: progress.step >= 2}
    jnst.stylize(tiny, *pictures, steps=(3, 2), checkpoint=path, **TWO, **stop)
    result = jnst.stylize(tiny, *pictures, steps=(4, 3), checkpoint=path, resume=True, **TWO)
    assert_same(result, jnst.stylize(tiny, *pictures, steps=(4, 3), **TWO))


def test_minimize_goes_on_with_more_steps(tmp_path):
    def distance(image, goal):
        return ((image - goal) ** 2).sum()

    image, goal = np.ones((4, 4, 3), np.float32), np.full((4, 4, 3), 0.25, np.float32)
    path, options = tmp_path / "run.npz", {"optimizer": "adam", "schedule": "constant"}
    jnst.minimize(distance, image, goal, steps=3, checkpoint=path, **options)
    result = jnst.minimize(distance, image, goal, steps=8, checkpoint=path, resume=True, **options)
    expected = jnst.minimize(distance, image, goal, steps=8, **options)
    np.testing.assert_array_equal(result.image, expected.image)
    assert result.steps == 8
