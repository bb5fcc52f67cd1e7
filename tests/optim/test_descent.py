"""The loop: losses, callbacks, saving, and the reasons to end."""

import jax.numpy as jnp
import numpy as np
import pytest
from bowl import GOAL, START, bowl, controls, run

from jnst.optim.descent import Execution, Schedule, descend
from jnst.optim.optimizers import make_optimizer
from jnst.optim.whole import Whole


def cliff(image, args):
    """A bowl that is NaN from the call on at which all of the image is below `edge`."""
    goal, edge = args
    total = jnp.sum((image - goal) ** 2)
    return {"total": jnp.where(image.max() < edge, jnp.nan, total)}


@pytest.mark.parametrize("decay", [0.0, 0.8])
def test_a_loss_that_is_not_finite_ends_the_run_at_the_last_finite_picture(decay):
    iterates = [START]
    done, result = run(
        100,
        objective=cliff,
        args=(np.zeros_like(START), 0.5),
        callback=lambda state, *_: iterates.append(np.asarray(state.image)),
        ema_decay=decay,
    )
    count = int(done.state.steps)
    assert done.state.diverged and not done.stopped
    assert 0 < count < 30
    assert len(done.losses["total"]) == count
    assert np.isfinite(done.losses["total"]).all()
    finite = np.array(iterates[:count])  # the next one's loss was NaN
    assert finite[-1].max() >= 0.5
    weights = decay ** np.arange(count - 1, -1, -1.0)
    expected = np.tensordot(weights / weights.sum(), finite, 1)
    np.testing.assert_allclose(result, expected, rtol=1e-4)
    assert len(iterates) <= count + 4  # and it ended at once


def test_a_gradient_that_is_not_finite_ends_the_run_too():
    def kink(image, args):
        return {"total": jnp.sum(jnp.sqrt(image - image))}  # 0, with a gradient of NaN

    done, result = run(50, objective=kink, args=())
    assert done.state.diverged and int(done.state.steps) == 0
    np.testing.assert_array_equal(result, START)


def test_the_callback_stops_the_run():
    done, _ = run(50, callback=lambda state, controls, losses, count: count == 3)
    assert done.stopped and int(done.state.steps) == 3
    assert done.losses["total"].shape == (3,)


def test_the_callback_sees_the_losses_of_the_step_before():
    seen = []
    done, _ = run(5, callback=lambda state, controls, losses, count: seen.append(losses["total"]))
    expected = done.losses["total"][[0, 0, 1, 2, 3]]
    np.testing.assert_array_equal(np.array(seen), expected)


def test_what_is_saved_between_steps_goes_on_to_the_same_bits():
    execution = Whole(bowl, (GOAL, 1.0), make_optimizer("lbfgs"))
    settings = execution.controls(controls(steps=9, learning_rate=1.0, final_learning_rate=0.5))
    saved = []

    def save(done):
        saved.append((execution.fetch(done.state), done.losses))

    def go(state, before=None, save=None):
        schedule = Schedule(steps=9, before=before, save=save, save_every=3)
        return descend(execution, execution.begin(jnp.asarray(START), state), settings, schedule)

    whole = go(None, save=save)
    assert [len(losses["total"]) for _, losses in saved] == [3, 6]  # not at the end
    for state, losses in saved:
        again = go(state, losses)
        np.testing.assert_array_equal(again.state.image, whole.state.image)
        np.testing.assert_array_equal(again.losses["total"], whole.losses["total"])


def test_all_ways_of_computing_a_step_are_executions():
    assert isinstance(Whole(bowl, (GOAL, 1.0), make_optimizer("adam")), Execution)
