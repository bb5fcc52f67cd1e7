"""When a run ends since the loss hardly improves any more."""

import io

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jnst
from jnst.cli.progress import ProgressReport
from jnst.optim.convergence import WINDOW, converged
from jnst.optim.descent import Schedule, descend
from jnst.optim.minimization import Progress
from jnst.optim.optimizers import make_optimizer
from jnst.optim.step import Controls
from jnst.optim.whole import Whole

TOLERANCE = 0.05
SETTINGS = {
    "content_layers": ["relu2_1"],
    "style_layers": ["relu1_1", "relu2_1"],
    "style_loss": "gram",
    "sizes": (40, 48),
    "steps": (120, 30),
    "finish": 0,
}


def first_end(losses, tolerance):
    """After how many steps a run with these losses ends: by the definition, in float64."""
    losses = np.asarray(losses, np.float64)
    for count in range(1, len(losses)):
        known = losses[: count - 1]  # those of all steps but the last
        if len(known) > WINDOW:
            improvement = 1 - known[-WINDOW:].min() / known[:-WINDOW].min()
            if improvement < tolerance:
                return count
    return len(losses)


def test_the_improvement_is_that_of_the_best_losses():
    noisy = 100 * 0.9 ** np.arange(60) * np.random.default_rng(0).uniform(1, 3, 60)
    for tolerance in (0.5, 0.88, 0.95):
        ends = [converged(noisy[:n].tolist(), tolerance) for n in range(60)]
        improved = [n > WINDOW and noisy[n - WINDOW : n].min() / noisy[: n - WINDOW].min()
                    for n in range(60)]  # fmt: skip
        assert ends == [bool(n) and n > 1 - tolerance for n in improved]
    assert converged([0.0] * 21, 1e-9) and not converged([0.0] * 20, 1.0)
    assert not converged([1.0] * 99, 0.0)


@pytest.fixture(scope="module")
def results(tiny, pictures):
    """The run with all its steps, and the one that ends where it has converged."""
    return [jnst.stylize(tiny, *pictures, tolerance=t, **SETTINGS) for t in (0, TOLERANCE)]


def test_a_size_ends_at_the_step_that_the_definition_says(results):
    everything, early = results
    expected = first_end(everything.losses["total"][:120], TOLERANCE)
    assert 25 < expected < 115
    assert early.plan[0] == ((32, 40), expected)
    for term, values in everything.losses.items():
        np.testing.assert_array_equal(early.losses[term][:expected], values[:expected])
    assert early.steps == sum(steps for _, steps in early.plan) == len(early.losses["total"])
    last = early.losses["total"][expected:]
    assert early.reason == ("converged" if len(last) < 30 else "finished")
    assert (everything.reason, everything.plan) == ("finished", (((32, 40), 120), ((38, 48), 30)))


def test_the_reason_is_that_of_the_last_size(tiny, pictures):
    settings = SETTINGS | {"steps": (3, 60)}
    result = jnst.stylize(tiny, *pictures, tolerance=1.0, **settings)
    assert (result.reason, result.plan[1][1]) == ("converged", WINDOW + 2)
    result = jnst.stylize(tiny, *pictures, tolerance=1.0, **settings | {"steps": (60, 3)})
    assert (result.reason, [steps for _, steps in result.plan]) == ("finished", [WINDOW + 2, 3])


@pytest.mark.parametrize("step", [21, 22, 40])
def test_a_run_that_goes_on_converges_at_the_same_step(tiny, pictures, tmp_path, step):
    options = {"tolerance": 1.0, "checkpoint": tmp_path / "run.npz", "resume": True} | SETTINGS
    expected = jnst.stylize(tiny, *pictures, **options | {"checkpoint": None, "resume": False})
    for _ in range(2):  # once stopped, once gone on; and then it is done
        result = jnst.stylize(
            tiny, *pictures, callback=lambda progress: progress.step == step, **options
        )
    np.testing.assert_array_equal(result.image, expected.image)
    assert result[2:] == expected[2:]
    assert result.reason == "converged"


@pytest.mark.parametrize("optimizer", ["preconditioned", "lbfgs"])
@pytest.mark.parametrize("tile", [None, 40])
def test_what_has_converged_is_no_worse_than_a_start_that_was_good(tiny, pictures, optimizer, tile):
    settings = SETTINGS | {"sizes": 48, "optimizer": optimizer}
    good = jnst.stylize(tiny, *pictures, **settings | {"steps": 300}).image
    settings |= {"init": good, "tile": tile}
    result = jnst.stylize(tiny, *pictures, tolerance=0.05, **settings | {"steps": 60})
    after = jnst.stylize(tiny, *pictures, **settings | {"steps": 1, "init": result.image})
    first, last = (run.losses["total"][0] for run in (result, after))
    assert last <= first or result.reason == "finished"


@pytest.mark.parametrize("tile", [None, 40])
def test_a_start_that_is_hardly_beaten_is_enough(tiny, pictures, tile):
    settings = SETTINGS | {"sizes": 48, "tile": tile}
    good = jnst.stylize(tiny, *pictures, **settings | {"steps": 200}).image
    options = settings | {"init": good, "steps": 300, "tolerance": 0.1, "learning_rate": 0.002}
    result = jnst.stylize(tiny, *pictures, **options)
    first, last = result.losses["total"][[0, -1]]
    assert result.reason == "converged" and 0.9 * first < last <= first


def test_a_worse_average_does_not_count_as_converged():
    """An optimiser that leaves a perfect start and stays away has not converged."""

    def valley(image, _=None):
        return 1 + jnp.mean(jnp.square(image - 0.5))

    jumping = optax.stateless(lambda updates, params: jnp.full_like(updates, 1e-3))
    start = jnp.full((4, 4, 3), 0.5)
    result = jnst.minimize(
        valley, start, optimizer=jumping, steps=60, tolerance=1e-3, averaging=0.9
    )
    assert result.reason == "finished"
    assert valley(result.image) > valley(start)
    still = optax.set_to_zero()
    assert jnst.minimize(valley, start, optimizer=still, tolerance=1e-3).reason == "converged"


def test_the_device_is_never_waited_for():
    """A loss is asked for only once the step after it has been begun."""
    begun = []

    class Loss:
        def __init__(self):
            self.number = len(begun)

        def __float__(self):
            assert len(begun) > self.number
            return self.value()

        def value(self):
            # Well below the start's, or it would be looked at whether the picture is better.
            return 1.0 if self.number > 1 else 2.0

        def __array__(self, dtype=None, copy=None):
            assert len(begun) > self.number or len(begun) == WINDOW + 3  # at the very end
            return np.asarray(self.value(), np.float32)

    class Counting(Whole):
        def advance(self, state, controls):
            begun.append(True)
            return state._replace(steps=jnp.asarray(len(begun))), {"total": Loss()}, False

    execution = Counting(len, (), make_optimizer("adam"))  # the objective is never called
    run = descend(
        execution,
        execution.begin(jnp.zeros((2, 2, 3))),
        execution.controls(Controls(learning_rate=1.0, final_learning_rate=1.0, steps=1.0)),
        Schedule(steps=99, tolerance=0.5),
    )
    assert run.converged and not run.stopped
    assert len(begun) == WINDOW + 3


def test_the_cells_of_a_grid_converge_each_by_itself(tiny, pictures):
    settings = SETTINGS | {"sizes": (40,), "steps": 40, "tolerance": 1.0}
    grid = jnst.stylize_grid(tiny, *pictures, beta=[5.0, 50.0], **settings)
    finite = np.isfinite(grid.losses["total"])
    assert (finite.sum(axis=-1) == WINDOW + 2).all()
    assert finite[..., : WINDOW + 2].all()


@pytest.mark.parametrize(
    ("tolerance", "error"), [(-0.1, ValueError), (2, ValueError), ("1", TypeError)]
)
def test_a_tolerance_that_will_not_do(tolerance, error):
    with pytest.raises(error, match="tolerance must"):
        jnst.Settings(tolerance=tolerance)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_counts_what_is_left():
    plan = [((10, 10), 8), ((20, 20), 4)]
    losses = {"total": np.float32(1)}
    with ProgressReport(plan, Terminal()) as report:
        report(Progress(6, 12, (10, 10), losses, None))  # a run that goes on
        assert report.done == 600
        report(Progress(7, 10, (20, 20), losses, None))  # the size before ended after 6 steps
        assert report.done == 800 + 400
        report.finish()  # this one converged too
        assert report.bar.n == report.bar.total == 2400
