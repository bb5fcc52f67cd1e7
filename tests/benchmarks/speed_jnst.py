"""jnst's side of speed.py: a process that prepares cases and times steps of them, as it is told."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
from worker import serve

import jnst
from jnst.execution.devices import make_mesh
from jnst.losses.objectives import flat_loss_terms
from jnst.losses.targets import make_targets
from jnst.optim.minimization import batched_step, init_state, minimize, step
from jnst.optim.optimizers import make_optimizer
from jnst.transfer.settings import Settings

load = functools.cache(jnst.load_vgg19)


def images(size: int, batch: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(batch, size, size, 3)).astype(np.float32)


@functools.cache
def style(size: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(size, size, 3)).astype(np.float32)


def prepare(size: int, batch: int, precision: str, optimizer: str = "adam"):
    """A function that makes one step and waits for it."""
    model, settings, chosen = load(precision=precision), Settings(), make_optimizer(optimizer)
    leaves, structure = jax.tree.flatten(model)
    contents = images(size, batch)
    numbers = settings.loss_weights(), settings.controls(1000)
    targets_of = jax.jit(make_targets)
    if batch == 1:
        targets = targets_of(model, contents[0], style(size))
        state, update = init_state(jnp.asarray(contents[0]), chosen), step
    else:  # one style, as many contents and weights as there are images
        each = [targets_of(model, content, style(size)) for content in contents]
        targets = jax.tree.map(lambda *leaf: jnp.stack(leaf), *each)
        state = jax.vmap(functools.partial(init_state, optimizer=chosen))(contents)
        numbers = jax.tree.map(lambda number: jnp.full(batch, number), numbers)
        update = batched_step((None, 0, 0), make_mesh(jax.devices()[:1]))
    args, controls = (tuple(leaves), targets, numbers[0]), numbers[1]
    args, controls = jax.tree.map(jnp.asarray, (args, controls))
    objective = flat_loss_terms(structure)

    def run() -> None:
        nonlocal state
        state, losses, _ = update(state, args, controls, objective=objective, optimizer=chosen)
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


@functools.partial(jax.jit, static_argnames=("objective", "optimizer"), donate_argnames="state")
def idle(state, args, controls, *, objective, optimizer):
    """What a step is given and gives back, without its work."""
    zero = state.image[0, 0, 0]
    losses = dict.fromkeys(("content", "style", "variation", "total"), zero)
    return state._replace(steps=state.steps + 1), losses, state.halted


def host() -> float:
    """Seconds that the host spends on a step: the loop and the call, without the computation."""
    model, settings, adam = load(precision="float32"), Settings(), make_optimizer("adam")
    leaves, structure = jax.tree.flatten(model)
    image = jnp.asarray(images(32, 1)[0])
    args = tuple(leaves), make_targets(model, image, image), settings.loss_weights()
    run = functools.partial(minimize, flat_loss_terms(structure), args=args, update=idle)
    seconds = []
    for _ in range(4):
        state, began = init_state(image, adam), time.perf_counter()
        run(state, controls=settings.controls(1000), optimizer=adam, steps=1000)
        seconds.append((time.perf_counter() - began) / 1000)
    return min(seconds[1:])


def about() -> dict[str, str]:
    device = jax.devices()[0]
    return {"device": device.device_kind, "platform": device.platform}


if __name__ == "__main__":
    serve(prepare, peak=peak, host=host, about=about)
