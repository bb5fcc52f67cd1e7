"""An objective whose minimum is known, and a short way to descend on it."""

import jax.numpy as jnp
import numpy as np

from jnst.optim.descent import Schedule, descend
from jnst.optim.optimizers import make_optimizer
from jnst.optim.step import Controls
from jnst.optim.whole import Whole

START = np.random.default_rng(0).uniform(size=(4, 5, 3)).astype(np.float32)
GOAL = np.random.default_rng(1).uniform(0.1, 0.9, size=(4, 5, 3)).astype(np.float32)


def bowl(image, args):
    """An elongated quadratic bowl around `goal`, of any height."""
    goal, height = args
    stretch = jnp.linspace(1, 30, image.size).reshape(image.shape)
    return {"total": height * jnp.sum(stretch * (image - goal) ** 2)}


def controls(**changed):
    return Controls(
        **({"learning_rate": 0.05, "final_learning_rate": 0.05, "steps": 100} | changed)
    )


def run(steps, objective=bowl, args=(GOAL, 1.0), optimizer="adam", callback=None, **changed):
    """What `descend` comes back with, and the picture."""
    if isinstance(optimizer, str):
        optimizer = make_optimizer(optimizer)
    execution = Whole(objective, args, optimizer)
    settings = execution.controls(controls(steps=steps, **changed))
    done = descend(
        execution,
        execution.begin(jnp.asarray(START)),
        settings,
        Schedule(steps=steps, callback=callback),
    )
    return done, np.asarray(execution.picture(done.state, settings))
