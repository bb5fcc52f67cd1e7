"""jnst's side of speed.py: a process that prepares cases and times steps of them, as it is told."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
from worker import serve

import jnst
from jnst.execution.batch import Batch, shared_axes
from jnst.execution.devices import make_mesh
from jnst.losses.objectives import evaluate
from jnst.optim.descent import Schedule, descend
from jnst.optim.whole import Whole
from jnst.transfer.inputs import Inputs
from jnst.transfer.problem import build_objective
from jnst.transfer.settings import Settings

load = functools.cache(jnst.load_vgg19)


def images(size: int, batch: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(batch, size, size, 3)).astype(np.float32)


@functools.cache
def style(size: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(size, size, 3)).astype(np.float32)


def prepare(size: int, batch: int, precision: str, optimizer: str = "adam"):
    """A function that makes one step and waits for it."""
    model, settings = load(precision=precision), Settings(style_loss="gram", optimizer=optimizer)
    contents, chosen = images(size, batch), settings.transformation()
    parts: dict = {}

    def remember(part, make):  # one style, as many contents as there are images
        shared = part in ("style", "roughness")
        return parts.setdefault(part, make()) if shared else make()

    objectives = [
        build_objective(
            Inputs(model=model, content=content, styles=(style(size),)),
            settings,
            remember=remember,
        )
        for content in contents
    ]
    if batch == 1:
        execution, given = Whole(evaluate, objectives[0], chosen), settings.controls(1000)
        state = execution.begin(jnp.asarray(contents[0]))
    else:
        mesh, given = make_mesh(jax.devices()[:1]), [settings.controls(1000)] * batch
        execution = Batch(objectives, shared_axes(objectives), chosen, mesh)
        state = execution.begin(jnp.asarray(contents))
    controls = execution.controls(given)

    def run() -> None:
        nonlocal state
        state, losses, _ = execution.advance(state, controls)
        jax.block_until_ready((state, losses))

    return run


def peak(precision: str) -> float:
    """Multiplications and additions a second of a product of two large matrices."""
    dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
    size = 8192 if jax.default_backend() == "gpu" else 2048
    matrix, product = jnp.ones((size, size), dtype), jax.jit(jnp.matmul)
    seconds = []
    for _ in range(8):
        began = time.perf_counter()
        product(matrix, matrix).block_until_ready()
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / min(seconds[1:])


@functools.partial(jax.jit, donate_argnames="state")
def idle(state, leaves, controls):
    """What a step is given and gives back, without its work."""
    zero = state.image[0, 0, 0]
    losses = dict.fromkeys(("content", "style", "variation", "total"), zero)
    return state._replace(steps=state.steps + 1), losses, state.diverged


class Idle(Whole):
    """An execution that makes no steps."""

    def advance(self, state, controls):
        return idle(state, self.leaves, controls)


def host() -> float:
    """Seconds that the host spends on a step: the loop and the call, without the computation."""
    settings = Settings(style_loss="gram", optimizer="adam")
    image = images(32, 1)[0]
    inputs = Inputs(model=load(precision="float32"), content=image, styles=(image,))
    execution = Idle(evaluate, build_objective(inputs, settings), settings.transformation())
    controls, seconds = execution.controls(settings.controls(1000)), []
    for _ in range(4):
        state, began = execution.begin(jnp.asarray(image)), time.perf_counter()
        descend(execution, state, controls, Schedule(steps=1000))
        seconds.append((time.perf_counter() - began) / 1000)
    return min(seconds[1:])


def about() -> dict[str, str]:
    device = jax.devices()[0]
    return {"device": device.device_kind, "platform": device.platform}


if __name__ == "__main__":
    serve(prepare, peak=peak, host=host, about=about)
